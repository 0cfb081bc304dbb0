//go:build prove

package archive

import (
	"context"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
)

// Line 1: apt reads four ways to write UTC in Date. Without Date it warns; a Date in the future and
// a Valid-Until in the past make it refuse the archive.
func TestLine01Dates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish(w.change(w.deb("hello", "1.0", "all")))
	w.client("amd64").sees("hello", "1.0")

	const form = "Mon, 02 Jan 2006 15:04:05 "
	for _, zone := range []string{"GMT", "+0000", "Z"} { // ours is UTC
		w.alter(field("Date", w.now().Format(form)+zone))
		w.client("amd64").sees("hello", "1.0")
	}
	w.alter(field("Date", w.now().Format(form)+"CEST"))
	w.client("amd64").complains("hello", "Invalid 'Date' entry")
	// Some seconds ahead when apt asks for it: apt bears with 10, and we publish with no more than 5.
	w.front.once("InRelease", func() { w.alter(field("Date", time.Now().UTC().Add(6*time.Second).Format(form)+"UTC")) })
	w.client("amd64").sees("hello", "1.0")
	w.alter(field("Date", time.Now().UTC().Add(24*time.Hour).Format(form)+"UTC"))
	w.client("amd64").refuses("hello", "is not valid yet")
	w.alter(field("Valid-Until", time.Now().UTC().Add(-time.Minute).Format(form)+"UTC"))
	late := w.client("amd64")
	late.refuses("hello", "is expired")
	// Containers may come with these checks switched off; clients of the tests have them on.
	if said, status := late.run("apt-get", "update", "-o", "Acquire::Check-Valid-Until=false"); status != 0 || strings.Contains(said, "W: ") {
		t.Errorf("without the check apt-get ends with %d: %s", status, said)
	}
	if said, _ := late.run("apt-config", "dump"); !strings.Contains(said, `Acquire::Check-Date "true"`) || !strings.Contains(said, `Acquire::Check-Valid-Until "true"`) {
		t.Errorf("the checks are not on:\n%s", said)
	}
	w.alter(field("Date", ""))
	c := w.client("amd64")
	if got := c.complains("hello", "Invalid 'Date' entry"); got != "1.0" {
		t.Errorf("without a Date apt offers %q", got)
	}
	if said, status := c.run("apt-get", "update"); status != 0 {
		t.Errorf("without a Date apt-get ends with %d: %s", status, said)
	}
	w.front.plain()

	// Ours: the date is that of the staging; what clients would find in the future, or expired
	// since it was staged, is not published.
	ctx := context.Background()
	early := w.signed(w.stage(w.change()))
	early.Now = early.Now.Add(-time.Hour)
	_, err := w.repo.Publish(ctx, early)
	refused(t, err, errs.Conflict, "in the future")
	early.Now = early.Now.Add(31 * 24 * time.Hour)
	_, err = w.repo.Publish(ctx, early)
	refused(t, err, errs.Conflict, "expired")
	w.client("amd64").sees("hello", "1.0")
	early.Now = w.now()
	if _, err := w.repo.Publish(ctx, early); err != nil {
		t.Fatal(err)
	}
	w.client("amd64").sees("hello", "1.0")
}

// Line 2: checksums of MD5 or SHA-1 alone, and signatures over SHA-1, are no security for apt.
func TestLine02WeakChecksums(t *testing.T) {
	t.Parallel()
	s := stable()
	s.Algorithms = []aptrepo.Algorithm{aptrepo.MD5Sum, aptrepo.SHA1, aptrepo.SHA256, aptrepo.SHA512}
	w := newWorld(t, s)
	w.publish(w.change(w.deb("hello", "1.0", "all")))
	w.client("amd64").sees("hello", "1.0")
	for _, keep := range []string{"MD5Sum", "SHA1", "SHA256", "SHA512"} {
		w.alter(func(release string) string { return onlySums(release, keep) })
		if strings.HasPrefix(keep, "SHA2") || strings.HasPrefix(keep, "SHA5") {
			w.client("amd64").sees("hello", "1.0")
			continue
		}
		c := w.client("amd64")
		c.refuses("hello", "weak security information")
		if said, status := c.run("apt-get", "update"); status != 100 {
			t.Errorf("apt-get ended with %d: %s", status, said)
		}
	}
	for _, weak := range [][]aptrepo.Algorithm{{aptrepo.MD5Sum}, {aptrepo.SHA1}, {aptrepo.MD5Sum, aptrepo.SHA1}} {
		s.Algorithms = weak
		_, err := aptrepo.Open(t.TempDir(), aptrepo.Options{}, s)
		refused(t, err, errs.Invalid, "too weak")
	}

	w.front.plain()
	g := newGPG(t, w.keys[0])
	c := w.change()
	p := w.signed(w.stage(c))
	release := w.stage(c).Release
	p.InRelease = g.run(release, "--digest-algo", "SHA1", "--clearsign")
	p.ReleaseGPG = g.run(release, "--digest-algo", "SHA1", "--armor", "--detach-sign")
	_, err := w.repo.Publish(context.Background(), p)
	refused(t, err, errs.Invalid, "SHA1")
	// One who publishes it anyhow:
	w.front.show("dists/stable/InRelease", g.run(w.served("stable", "Release"), "--digest-algo", "SHA1", "--clearsign"), w.pass(time.Minute))
	w.client("amd64").refuses("hello", "not signed")
}

// onlySums is a Release with the checksums of one algorithm.
func onlySums(release, keep string) string {
	var out strings.Builder
	skip := false
	for line := range strings.Lines(release) {
		if !strings.HasPrefix(line, " ") {
			name, _, _ := strings.Cut(line, ":")
			skip = strings.Contains(" MD5Sum SHA1 SHA256 SHA512 ", " "+name+" ") && name != keep
		}
		if !skip {
			out.WriteString(line)
		}
	}
	return out.String()
}
