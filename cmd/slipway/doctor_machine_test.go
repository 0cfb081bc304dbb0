package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/integrations/openpgp"
)

// machine is a patient with a state folder and one project with a key of that life.
func machine(t *testing.T, life time.Duration, made time.Time) *patient {
	t.Helper()
	_, public, err := openpgp.Generate("Harbour Releases", "releases@harbour.example", "eddsa", life, made)
	if err != nil {
		t.Fatal(err)
	}
	certs, err := openpgp.ReadCertificates(public)
	if err != nil {
		t.Fatal(err)
	}
	return &patient{disk: &diskTime{}, conf: &config{State: t.TempDir(), Projects: map[string]project{"harbour": {Name: "harbour", PublicKey: string(public),
		Profile: action.Values{"release_key": fmt.Sprintf("%X", certs[0].PrimaryKey.Fingerprint)}}}}}
}

// dates serves the time as a web server that is off by so much, with more headers.
func dates(t *testing.T, off time.Duration, more ...string) *url.URL {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
		for i := 0; i+1 < len(more); i += 2 {
			w.Header()[more[i]] = nil
			if more[i+1] != "" {
				w.Header().Set(more[i], more[i+1])
			}
		}
	}))
	t.Cleanup(s.Close)
	return parsed(t, s.URL)
}

func parsed(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// ntp answers as a time server that is off by so much.
func ntp(t *testing.T, off time.Duration, stratum byte) *url.URL {
	t.Helper()
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		var ask [64]byte
		for {
			n, from, err := l.ReadFrom(ask[:])
			if err != nil {
				return
			}
			if n != 48 || ask[0] != 0x23 {
				continue
			}
			var a [48]byte
			a[0], a[1] = 0x24, stratum
			stale := a // somebody else's answer comes first
			_, _ = l.WriteTo(stale[:], from)
			copy(a[24:], ask[40:48])
			now := ntpStamp(time.Now().Add(off))
			binary.BigEndian.PutUint64(a[32:], now)
			binary.BigEndian.PutUint64(a[40:], now)
			_, _ = l.WriteTo(a[:], from)
		}
	}()
	return parsed(t, "ntp://"+l.LocalAddr().String())
}

// cert writes a certificate that ends then.
func cert(t *testing.T, until time.Time) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: until.Add(-90 * 24 * time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "cert.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// backedUpAt notes a backup of that age in a state folder with records.
func backedUpAt(t *testing.T, p *patient, age time.Duration) {
	t.Helper()
	p.conf.Backup = backupConfig{Dir: t.TempDir(), Every: time.Hour}
	if err := os.WriteFile(filepath.Join(p.conf.State, "slipway.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if age == 0 {
		return
	}
	raw, err := json.Marshal(lastBackup{Taken: time.Now().Add(-age)})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.conf.State, lastBackupName), raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestDoctorOfTheMachine makes every finding of the machine appear, and not appear.
func TestDoctorOfTheMachine(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Now()
	clock := func(u *url.URL) func(*testing.T, *patient) {
		return func(_ *testing.T, p *patient) { p.conf.Health.Clock = u }
	}
	certTill := func(left time.Duration) func(*testing.T, *patient) {
		return func(t *testing.T, p *patient) { p.conf.Web.Cert = cert(t, now.Add(left)) }
	}
	keyOf := func(life, age time.Duration) func(*testing.T, *patient) {
		return func(t *testing.T, p *patient) { p.conf.Projects = machine(t, life, now.Add(-age)).conf.Projects }
	}
	for _, c := range []struct {
		code, name string
		change     func(*testing.T, *patient)
		what, fix  string // what is found; "" is nothing
	}{
		{"clock.off", "nobody asked", nil, "", ""},
		{"clock.off", "it is right", clock(dates(t, 0)), "", ""},
		{"clock.off", "the network's clock is ahead", clock(dates(t, 20*time.Second)), "the clock is ", ""},
		{"clock.off", "by NTP", clock(ntp(t, -20*time.Second, 2)), "ahead of ntp://127.0.0.1:", ""},
		{"clock.off", "it is much too far off", clock(ntp(t, time.Hour, 2)), "", ""},
		{"clock.wrong", "it is right", clock(ntp(t, 0, 2)), "", ""},
		{"clock.wrong", "a little off", clock(ntp(t, 20*time.Second, 2)), "", ""},
		{"clock.wrong", "an hour off", clock(ntp(t, time.Hour, 2)), "behind ntp://127.0.0.1:", ""},
		{"clock.wrong", "an hour off, by HTTP", clock(dates(t, -time.Hour)), "ahead of http://127.0.0.1:", ""},
		{"clock.unknown", "nobody asked", nil, "", ""},
		{"clock.unknown", "it answers", clock(dates(t, 0)), "", ""},
		{"clock.unknown", "nobody listens", clock(parsed(t, "http://127.0.0.1:1/")), "it does not answer", ""},
		{"clock.unknown", "no date", clock(dates(t, 0, "Date", "")), "its answer has no date", ""},
		{"clock.unknown", "a cache", clock(dates(t, 0, "Age", "61")), "its answer comes from a cache", ""},
		{"clock.unknown", "a server that is not set", clock(ntp(t, 0, 16)), "its clock is not set", ""},

		{"key.expired", "it lives for ever", nil, "", ""},
		{"key.expired", "it is over", keyOf(10*day, 20*day), "of harbour may not sign", ""},
		{"key.expires", "it lives for ever", nil, "", ""},
		{"key.expires", "it is over", keyOf(10*day, 20*day), "", ""},
		{"key.expires", "in ten days", keyOf(30*day, 20*day), "of harbour expires within 30 days", ""},

		{"certificate.expired", "there is none", nil, "", ""},
		{"certificate.expired", "it is valid", certTill(60 * day), "", ""},
		{"certificate.expired", "it is over", certTill(-day), "of the web console ends on", ""},
		{"certificate.expired", "it is no certificate", func(_ *testing.T, p *patient) { p.conf.Web.Cert = "/dev/null" }, "cannot be read", "correct the certificate's file"},
		{"certificate.expires", "it is valid", certTill(60 * day), "", ""},
		{"certificate.expires", "it is over", certTill(-day), "", ""},
		{"certificate.expires", "in a week", certTill(7 * day), "of the web console ends on", ""},

		{"backup.old", "none is wanted", nil, "", ""},
		{"backup.old", "a fresh one", func(t *testing.T, p *patient) { backedUpAt(t, p, 90*time.Minute) }, "", ""},
		{"backup.old", "an old one", func(t *testing.T, p *patient) { backedUpAt(t, p, 3*time.Hour) }, "the newest backup is 3h0m0s old", ""},
		{"backup.old", "none yet", func(t *testing.T, p *patient) { backedUpAt(t, p, 0) }, "there is no backup yet", ""},

		{"disk.slow", "there is no folder yet", func(_ *testing.T, p *patient) { p.conf.State = filepath.Join(p.conf.State, "none") }, "", ""},
		{"disk.full", "there is room", nil, "", ""},
	} {
		t.Run(c.code+"/"+c.name, func(t *testing.T) {
			p := machine(t, 0, now)
			if c.change != nil {
				c.change(t, p)
			}
			all := machineAilments()
			i := slices.IndexFunc(all, func(a ailment) bool { return a.code == c.code })
			expectSymptom(t, all[i].look(t.Context(), p), c.what, c.fix)
		})
	}
	t.Run("disk.low", func(t *testing.T) {
		p := machine(t, 0, now)
		expectSymptom(t, stateRoom(p, -1, 1), "", "")
		expectSymptom(t, stateRoom(p, -1, math.MaxInt64), "the disk of the state folder has ", "")
		p.conf.State = filepath.Join(p.conf.State, "not", "made", "yet")
		expectSymptom(t, stateRoom(p, -1, math.MaxInt64), "the disk of the state folder has ", "")
	})
	t.Run("disk.slow", func(t *testing.T) {
		p := machine(t, 0, now)
		slowDisk(t.Context(), p)
		if p.disk.last() <= 0 {
			t.Error("nothing was measured")
		}
		if left, err := os.ReadDir(p.conf.State); err != nil || len(left) > 0 {
			t.Errorf("the measurement leaves %v %v", left, err)
		}
		expectSymptom(t, slowerThan(slowSync, slowSync), "", "")
		expectSymptom(t, slowerThan(400*time.Millisecond, slowSync), "takes 400 ms to keep a few kilobytes", "")
	})
}

func TestClockOffsetIsMeasured(t *testing.T) {
	for name, at := range map[string]*url.URL{"http": dates(t, 40*time.Second), "ntp": ntp(t, 40*time.Second, 1)} {
		off, uncertain, err := clockOffset(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		if off < 40*time.Second-uncertain || off > 40*time.Second+uncertain {
			t.Errorf("%s: %s off, give or take %s, want 40s", name, off, uncertain)
		}
		if name == "http" && uncertain < 500*time.Millisecond {
			t.Errorf("a Date says no more than the second, and the measurement claims %s", uncertain)
		}
	}
	if got := ntpTime(ntpStamp(time.Unix(1548943200, 500_000_000))); got.Sub(time.Unix(1548943200, 500_000_000)).Abs() > time.Microsecond {
		t.Errorf("a time comes back as %v", got)
	}
}

func TestHealthIsConfigured(t *testing.T) {
	for text, good := range map[string]bool{"": true, "ntp://ntp.example": true, "https://deb.example/": true, "ntp.example": false, "ftp://x": false, "https://a:b@x/": false} {
		c := &config{}
		err := rawConfig{Health: rawHealth{Clock: text}}.validHealth("", c)
		if (err == nil) != good || good && (c.Health.Clock != nil) != (text != "") {
			t.Errorf("clock: %q gives %v, %v", text, c.Health.Clock, err)
		}
	}
}

func FuzzNTPAnswer(f *testing.F) {
	good := make([]byte, 48)
	good[0], good[1], good[31] = 0x24, 2, 7
	f.Add(good)
	f.Add(good[:47])
	f.Add(append([]byte{0xe4}, good[1:]...))
	f.Fuzz(func(t *testing.T, b []byte) {
		received, replied, mine, err := ntpAnswer(b, 7)
		if !mine && (err != nil || !received.IsZero() || !replied.IsZero()) || mine && len(b) < 48 {
			t.Errorf("%x: %v %v %v %v", b, received, replied, mine, err)
		}
	})
}
