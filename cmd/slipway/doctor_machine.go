package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"slipway/bot/errs"
	"slipway/integrations/openpgp"
)

// Limits of this machine.
const (
	slowSync   = 250 * time.Millisecond // of the median; every command waits for one
	lowRoom    = 1 << 30                // bytes left on the disk of the state
	noRoom     = 64 << 20               // bytes below which the bot soon cannot write
	clockOff   = 5 * time.Second        // from a clock elsewhere, after what the way there may have cost
	clockWrong = time.Minute            // logins, signatures and certificates go wrong by then
	syncTries  = 5
)

// machineAilments are those of the machine: its disk, its clock, its keys.
func machineAilments() []ailment {
	return []ailment{
		{"disk.slow", warning, "the disk of the state keeps what it is given in good time", slowDisk},
		{"disk.low", warning, "the disk of the state has room", func(_ context.Context, p *patient) []symptom { return stateRoom(p, noRoom, lowRoom) }},
		{"disk.full", ill, "the disk of the state is not full", func(_ context.Context, p *patient) []symptom { return stateRoom(p, -1, noRoom) }},
		{"clock.wrong", ill, "the clock is right within a minute", func(ctx context.Context, p *patient) []symptom {
			return clockFrom(ctx, p, func(off, err time.Duration) bool { return off-err > clockWrong })
		}},
		{"clock.off", warning, "the clock is right within seconds", func(ctx context.Context, p *patient) []symptom {
			return clockFrom(ctx, p, func(off, err time.Duration) bool { return off-err > clockOff && off-err <= clockWrong })
		}},
		{"clock.unknown", warning, "the clock could be compared, or nobody asked for it", unknownClock},
		{"key.expired", ill, "every release key may sign", func(_ context.Context, p *patient) []symptom {
			return releaseKeys(p, func(now, later bool) bool { return !now }, "may not sign: it is expired, revoked, weak or not in public_key")
		}},
		{"key.expires", warning, "no release key expires within 30 days", func(_ context.Context, p *patient) []symptom {
			return releaseKeys(p, func(now, later bool) bool { return now && !later }, "expires within 30 days")
		}},
		{"certificate.expired", ill, "the certificate of the web console is valid", func(_ context.Context, p *patient) []symptom {
			return certificate(p, func(left time.Duration) bool { return left <= 0 })
		}},
		{"certificate.expires", warning, "the certificate of the web console does not expire within 21 days", func(_ context.Context, p *patient) []symptom {
			return certificate(p, func(left time.Duration) bool { return left > 0 && left < 21*24*time.Hour })
		}},
		{"backup.old", warning, "backups are made as configured", oldBackup},
	}
}

// diskTime keeps what was measured last, for the metrics.
type diskTime struct {
	mu   sync.Mutex
	took time.Duration
}

func (d *diskTime) set(took time.Duration) {
	if d != nil {
		d.mu.Lock()
		d.took = took
		d.mu.Unlock()
	}
}

func (d *diskTime) last() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.took
}

// slowDisk measures how long the disk takes to keep a few kilobytes, as it must for every command.
func slowDisk(ctx context.Context, p *patient) []symptom {
	took, err := syncTime(ctx, p.conf.State)
	if err != nil {
		return nil // there is no folder yet, or state.unwritable says why
	}
	p.disk.set(took)
	return slowerThan(took, slowSync)
}

func slowerThan(took, most time.Duration) []symptom {
	if took <= most {
		return nil
	}
	return []symptom{{fmt.Sprintf("the disk of the state takes %d ms to keep a few kilobytes (the median of %d measurements now)", took.Milliseconds(), syncTries), ""}}
}

// syncTime is the median time of write and fsync of 4 KiB in a file of its own in dir.
func syncTime(ctx context.Context, dir string) (time.Duration, error) {
	f, err := os.CreateTemp(dir, ".fsync-")
	if err != nil {
		return 0, err
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}()
	block := make([]byte, 4<<10)
	var all []time.Duration
	for range syncTries {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		start := time.Now()
		if _, err := f.WriteAt(block, 0); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		all = append(all, time.Since(start))
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}

// stateRoom finds the state's disk when more than over and less than below bytes are left.
func stateRoom(p *patient, over, below int64) []symptom {
	dir := p.conf.State
	var s unix.Statfs_t
	for unix.Statfs(dir, &s) != nil {
		if dir == filepath.Dir(dir) {
			return nil
		}
		dir = filepath.Dir(dir) // serve makes it
	}
	if free := int64(s.Bavail) * s.Bsize; free > over && free <= below {
		return []symptom{{fmt.Sprintf("the disk of the state folder has %d MB left", free>>20), ""}}
	}
	return nil
}

// releaseKeys finds keys of projects by whether they may sign now and in 30 days.
func releaseKeys(p *patient, sick func(now, later bool) bool, what string) (out []symptom) {
	for _, name := range sortedKeys(p.conf.Projects) {
		c := p.conf.Projects[name]
		key, _ := c.Profile["release_key"].(string)
		if key == "" || c.PublicKey == "" {
			continue
		}
		certs, err := openpgp.ReadCertificates([]byte(c.PublicKey))
		if err != nil {
			continue // loadConfig has read them
		}
		if now := time.Now(); sick(openpgp.MaySign(certs, key, now), openpgp.MaySign(certs, key, now.Add(keyNotice))) {
			out = append(out, symptom{fmt.Sprintf("the release key %s of %s %s", key, name, what), ""})
		}
	}
	return out
}

// certificate finds that of the web console by the time that is left.
func certificate(p *patient, sick func(left time.Duration) bool) []symptom {
	file := p.conf.Web.Cert
	if file == "" {
		return nil
	}
	until, err := validUntilOf(file)
	if err != nil {
		if !sick(0) {
			return nil // said once
		}
		return []symptom{{fmt.Sprintf("the certificate %s cannot be read: %s", file, errs.Cause(err)), "correct the certificate's file in console:"}}
	}
	if sick(time.Until(until)) {
		return []symptom{{fmt.Sprintf("the certificate %s of the web console ends on %s", file, until.UTC().Format(time.RFC1123)), ""}}
	}
	return nil
}

func validUntilOf(file string) (time.Time, error) {
	data, err := readBounded(file, 1<<20)
	if err != nil {
		return time.Time{}, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return time.Time{}, fmt.Errorf("there is no certificate in it")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}, fmt.Errorf("there is no certificate in it")
	}
	return cert.NotAfter, nil
}

// oldBackup finds that backups are configured and the newest is older than two periods.
func oldBackup(_ context.Context, p *patient) []symptom {
	every := p.conf.Backup.Every
	if p.conf.Backup.Dir == "" {
		return nil
	}
	last := backedUp(p.conf.State)
	if last.IsZero() {
		if _, err := os.Stat(filepath.Join(p.conf.State, "slipway.db")); err != nil {
			return nil // there is nothing to lose
		}
		return []symptom{{"there is no backup yet, though one is to be made every " + every.String(), ""}}
	}
	if age := time.Since(last); age > 2*every {
		return []symptom{{fmt.Sprintf("the newest backup is %s old, and one is to be made every %s", age.Round(time.Minute), every), ""}}
	}
	return nil
}
