//go:build prove

package archive

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
	"slipway/integrations/openpgp"
)

// Line 3: without an InRelease, Release and Release.gpg do, if the signature is armored.
func TestLine03ReleaseGPGInArmor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish(w.change(w.deb("hello", "1.0", "all")))
	w.front.hide("dists/stable/InRelease")
	w.client("amd64").sees("hello", "1.0") // ours is in armor
	binary := newGPG(t, w.keys[0]).run(w.served("stable", "Release"), "--digest-algo", "SHA512", "--detach-sign")
	w.front.show("dists/stable/Release.gpg", binary, w.pass(time.Minute))
	w.client("amd64").refuses("hello", "not signed")

	p := w.signed(w.stage(w.change()))
	p.ReleaseGPG = binary
	_, err := w.repo.Publish(context.Background(), p)
	refused(t, err, errs.Invalid, "Release.gpg is not an armored signature")
}

// Line 4: apt takes the InRelease when there is one, however fresh the Release.gpg beside it is.
func TestLine04InReleaseWins(t *testing.T) {
	t.Parallel()
	s := stable()
	s.ByHash = false
	w := newWorld(t, s)
	w.publish(w.change(w.deb("hello", "1.0", "all")))
	stale := w.served("stable", "InRelease")
	second := w.publish(w.change(w.deb("hello", "1.1+longer", "all")))
	// Somebody signs Release.gpg alone, as one did before there was an InRelease.
	w.front.hide("dists/stable/InRelease")
	w.client("amd64").sees("hello", "1.1+longer")
	w.front.show("dists/stable/InRelease", stale, w.pass(time.Minute))
	w.client("amd64").refuses("hello", "File has unexpected size")
	w.front.plain()
	w.client("amd64").sees("hello", "1.1+longer")

	// Ours has both, of one text; anything else is not published.
	p := w.signed(w.stage(w.change()))
	for words, other := range map[string][]byte{"is not the Release of generation": stale, "InRelease": nil} {
		p.InRelease = other
		_, err := w.repo.Publish(context.Background(), p)
		refused(t, err, errs.Invalid, words)
	}
	if g, err := w.repo.Check(context.Background(), "stable", true); err != nil || g.ID != second.ID {
		t.Errorf("clients read %v, %v", g.ID, err)
	}
}

// Line 5: a clear-signed text is all that there is in its file, and one bad signature among several
// may or may not matter.
func TestLine05SignedBlocks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish(w.change(w.deb("hello", "1.0", "all")))
	ours := w.served("stable", "InRelease")
	show := func(inRelease []byte) { w.front.show("dists/stable/InRelease", inRelease, w.pass(time.Minute)) }
	behind := append(bytes.Clone(ours), '\n', '#')
	show(behind)
	w.client("amd64").refuses("hello", "Splitting up")
	tampered := bytes.Replace(ours, []byte("Version: 12\n"), []byte("Version: 13\n"), 1)
	show(tampered)
	w.client("amd64").refuses("hello", "BADSIG")

	// An old key that expired, and one that nobody knows. The old one signed when it could.
	past := &clock{w.now().Add(-72 * time.Hour)}
	old := newKey(t, "Old", 24*time.Hour, past)
	unknown := newKey(t, "Unknown", 0, w.clock)
	release := w.served("stable", "Release")
	both, bothGPG := sign(t, release, w.keys[0], unknown)
	show(both)
	w.client("amd64").sees("hello", "1.0")
	withOld, withOldGPG := sign(t, release, w.keys[0], old)
	show(withOld)
	w.client("amd64", w.keys[0], old).sees("hello", "1.0") // apt 2.6; that of buster refused
	onlyOld, _ := sign(t, release, old)
	show(onlyOld)
	w.client("amd64", w.keys[0], old).refuses("hello", "EXPKEYSIG")

	// Ours refuses every one of them, by the policy with which publications are verified.
	policy, prints := policyOf(t, w.keys[0])
	known, _ := policyOf(t, w.keys[0], old)
	for name, c := range map[string]struct {
		inRelease []byte
		policy    openpgp.Policy
	}{
		"bytes behind": {behind, policy}, "tampered": {tampered, policy}, "a key that is not ours": {both, policy},
		"an expired key": {withOld, known}, "only an expired key": {onlyOld, known},
	} {
		if _, _, err := openpgp.VerifyInRelease(c.inRelease, c.policy, prints, time.Now()); err == nil {
			t.Errorf("%s: InRelease is taken for good", name)
		}
	}
	for name, gpg := range map[string][]byte{"a key that is not ours": bothGPG, "an expired key": withOldGPG} {
		if _, err := openpgp.VerifyReleaseGPG(release, gpg, known, prints, time.Now()); err == nil {
			t.Errorf("%s: Release.gpg is taken for good", name)
		}
	}
	next := w.stage(w.change())
	for name, spoil := range map[string]func(*aptrepo.Publication){
		"bytes behind": func(p *aptrepo.Publication) { p.InRelease = append(p.InRelease, '\n', '#') },
		"tampered": func(p *aptrepo.Publication) {
			p.InRelease = bytes.Replace(p.InRelease, []byte("Version: 12\n"), []byte("Version: 13\n"), 1)
		},
		"another key": func(p *aptrepo.Publication) { p.InRelease, p.ReleaseGPG = sign(t, next.Release, w.keys[0], unknown) },
		"one key less": func(p *aptrepo.Publication) {
			p.InRelease, p.ReleaseGPG = sign(t, next.Release, unknown)
		},
	} {
		p := w.signed(next)
		spoil(&p)
		if _, err := w.repo.Publish(context.Background(), p); !errs.Is(err, errs.Invalid) && !errs.Is(err, errs.Denied) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	w.front.plain()
	w.client("amd64").sees("hello", "1.0")
}

// Line 6: what apt has seen of Origin, Label and Codename is pinned; Suite and Version may change.
func TestLine06PinnedFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish(w.change(w.deb("hello", "1.0", "all")))
	for name, words := range map[string]string{"Origin": "changed its 'Origin' value", "Label": "changed its 'Label' value", "Codename": "changed its 'Codename' value"} {
		w.front.plain()
		c := w.client("amd64")
		c.sees("hello", "1.0")
		w.alter(field(name, "Other"))
		c.complains("hello", words)
		if said, status := c.run("apt-get", "update"); status != 100 {
			t.Errorf("apt-get ended with %d: %s", status, said)
		}
		if said, status := c.run("apt-get", "update", "--allow-releaseinfo-change"); status != 0 {
			t.Errorf("apt-get ended with %d: %s", status, said)
		}
		c.sees("hello", "1.0")
	}
	w.front.plain()
	c := w.client("amd64")
	c.sees("hello", "1.0")
	w.alter(field("Version", "13"))
	c.sees("hello", "1.0")
	// A client that asks by codename does not mind another Suite; one that asks by suite does.
	if err := os.Symlink("stable", filepath.Join(w.root, "dists", "bookworm")); err != nil {
		t.Fatal(err)
	}
	w.front.plain()
	byCodename := w.client("amd64")
	byCodename.look.Suite = "bookworm"
	byCodename.sees("hello", "1.0")
	w.alter(field("Suite", "oldstable"))
	c.complains("hello", "Conflicting distribution")
	for _, f := range []string{"Release", "Release.gpg", "InRelease"} {
		w.front.copy("dists/stable/"+f, "dists/bookworm/"+f)
	}
	byCodename.sees("hello", "1.0")
	w.front.plain()

	// Ours: such a change must be allowed by name, so that people are told before.
	for name, change := range map[string]func(*aptrepo.Suite){
		"Origin":   func(s *aptrepo.Suite) { s.Origin = "Other" },
		"Label":    func(s *aptrepo.Suite) { s.Label = "Other" },
		"Codename": func(s *aptrepo.Suite) { s.Codename = "trixie" },
	} {
		w.suites = []aptrepo.Suite{stable()}
		change(&w.suites[0])
		w.open(aptrepo.Options{})
		_, err := w.repo.Stage(context.Background(), w.change())
		refused(t, err, errs.Conflict, name+" of stable would change")
		if !strings.Contains(errs.HintOf(err), "--allow-releaseinfo-change") {
			t.Errorf("the hint is %q", errs.HintOf(err))
		}
	}
	w.suites = []aptrepo.Suite{stable()}
	w.suites[0].Version = "12.1"
	w.open(aptrepo.Options{})
	c = w.client("amd64")
	c.sees("hello", "1.0")
	w.publish(w.change())
	c.sees("hello", "1.0")
	w.suites[0].Origin = "Other"
	w.open(aptrepo.Options{})
	allowed := w.change()
	allowed.Allow = []string{"Origin"}
	w.publish(allowed)
	c.complains("hello", "changed its 'Origin' value")
}
