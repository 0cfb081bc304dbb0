package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// clockTimeout bounds one question to a clock elsewhere.
const clockTimeout = 10 * time.Second

// clockFrom compares this machine's clock with the one that is configured.
func clockFrom(ctx context.Context, p *patient, sick func(off, uncertain time.Duration) bool) []symptom {
	if p.conf.Health.Clock == nil {
		return nil
	}
	off, uncertain, err := clockOffset(ctx, p.conf.Health.Clock)
	if err != nil || !sick(off.Abs(), uncertain) {
		return nil
	}
	way := "behind"
	if off < 0 {
		way = "ahead of"
	}
	return []symptom{{fmt.Sprintf("the clock is %s %s %s (give or take %s)", off.Abs().Round(time.Millisecond), way, p.conf.Health.Clock, uncertain.Round(time.Millisecond)), ""}}
}

// unknownClock finds that the configured clock does not answer.
func unknownClock(ctx context.Context, p *patient) []symptom {
	if p.conf.Health.Clock == nil {
		return nil
	}
	if _, _, err := clockOffset(ctx, p.conf.Health.Clock); err != nil {
		return []symptom{{fmt.Sprintf("%s could not be asked for the time: %v", p.conf.Health.Clock, err), ""}}
	}
	return nil
}

// clockOffset is what must be added to this machine's clock to have that of at, and how far off
// that may be: half of the time that the way there and back took, and with HTTP the second to which
// the header Date is given (RFC 9110, section 6.6.1).
func clockOffset(ctx context.Context, at *url.URL) (off, uncertain time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, clockTimeout)
	defer cancel()
	if at.Scheme == "ntp" {
		return ntpOffset(ctx, at)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, at.String(), nil)
	if err != nil {
		return 0, 0, err
	}
	// A new connection, no cache between, and no other place: what is measured is this answer.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req.Header.Set("Cache-Control", "no-cache")
	sent := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return 0, 0, errors.New("it does not answer")
	}
	got := time.Now()
	_ = resp.Body.Close()
	date, err := http.ParseTime(resp.Header.Get("Date"))
	switch {
	case err != nil:
		return 0, 0, errors.New("its answer has no date")
	case resp.Header.Get("Age") != "" && resp.Header.Get("Age") != "0":
		return 0, 0, errors.New("its answer comes from a cache")
	}
	half := got.Sub(sent) / 2
	return date.Add(500 * time.Millisecond).Sub(sent.Add(half)), half + 500*time.Millisecond, nil
}

// ntpEpoch is 1900, from which NTP counts, in seconds before 1970 (RFC 5905, section 6).
const ntpEpoch = 2208988800

// ntpOffset asks once by SNTP (RFC 4330).
func ntpOffset(ctx context.Context, at *url.URL) (off, uncertain time.Duration, err error) {
	port := at.Port()
	if port == "" {
		port = "123"
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "udp", net.JoinHostPort(at.Hostname(), port))
	if err != nil {
		return 0, 0, errors.New("its name is not known, or there is no way there")
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	ask := make([]byte, 48)
	ask[0] = 4<<3 | 3 // version 4, client
	sent := time.Now()
	stamp := ntpStamp(sent)
	binary.BigEndian.PutUint64(ask[40:], stamp)
	if _, err := conn.Write(ask); err != nil {
		return 0, 0, errors.New("it does not answer")
	}
	var answer [128]byte
	for {
		n, err := conn.Read(answer[:])
		if err != nil {
			return 0, 0, errors.New("it does not answer")
		}
		got := time.Now()
		received, replied, mine, err := ntpAnswer(answer[:n], stamp)
		if !mine {
			continue
		}
		if err != nil {
			return 0, 0, err
		}
		away := got.Sub(sent) - replied.Sub(received)
		return (received.Sub(sent) + replied.Sub(got)) / 2, max(0, away) / 2, nil
	}
}

// ntpAnswer reads when a server received a question and when it replied; mine tells whether it is
// the answer to the question with that stamp.
func ntpAnswer(b []byte, stamp uint64) (received, replied time.Time, mine bool, err error) {
	switch {
	case len(b) < 48 || b[0]&7 != 4 || binary.BigEndian.Uint64(b[24:]) != stamp:
		return received, replied, false, nil
	case b[0]>>6 == 3 || b[1] == 0 || b[1] > 15: // it says so itself (RFC 5905, section 7.3)
		return received, replied, true, errors.New("its clock is not set")
	}
	return ntpTime(binary.BigEndian.Uint64(b[32:])), ntpTime(binary.BigEndian.Uint64(b[40:])), true, nil
}

func ntpStamp(t time.Time) uint64 {
	return uint64(t.Unix()+ntpEpoch)<<32 | uint64(t.Nanosecond())<<32/1e9
}

func ntpTime(stamp uint64) time.Time {
	return time.Unix(int64(stamp>>32)-ntpEpoch, int64((stamp&0xffffffff)*1e9>>32))
}
