package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/integrations/debian"
	"slipway/integrations/openpgp"
	"slipway/integrations/signing"
)

// ArchiveRule allows the Release files of some suites of one archive.
type ArchiveRule struct {
	Archive   string   `yaml:"archive"` // exactly as requests name it, e.g. its public address
	Project   string   `yaml:"project"`
	Suites    []string `yaml:"suites"`        // patterns as in a shell; "*" does not cross "/"
	Keys      []string `yaml:"keys"`          // primary fingerprints of those keys here that sign it; none is any
	Origin    string   `yaml:"origin"`        // the Origin field, exactly; "" is any
	Codenames []string `yaml:"codenames"`     // patterns of the Codename field; none is any
	Longest   string   `yaml:"longest_valid"` // Valid-Until must be there, and at most this long after Date; "" asks for none
	Rollback  string   `yaml:"rollback"`      // never (the default), ask (a person, always), or allow

	// Patterns of suites that need nobody: for a new Date of what was signed here last, and for
	// all that the rest of the rule allows.
	Refresh    []string `yaml:"refresh"`
	Unattended []string `yaml:"unattended"`

	longest time.Duration
}

// signedBy reports whether that key may sign the archive.
func (a ArchiveRule) signedBy(key string) bool { return signs(a.Keys, key) }

// alone reports whether the rule lets anything be signed that nobody was asked about.
func (a ArchiveRule) alone() bool { return len(a.Refresh)+len(a.Unattended) > 0 }

// What a rule says of rollbacks.
const (
	rollbackNever = "never"
	rollbackAsk   = "ask"
	rollbackAllow = "allow"
)

// ahead is how far a Release's Date may be ahead of this clock. apt refuses a Release whose Date
// is some seconds in the future.
const ahead = time.Minute

// releaseWish asks for both signatures under the Release files of some suites.
type releaseWish struct {
	rule     ArchiveRule
	req      signing.ReleaseRequest
	releases []debian.Release
}

// readRelease takes a request apart and checks all that does not depend on what was signed before.
func (p Policy) readRelease(content []byte, now time.Time) (releaseWish, error) {
	var w releaseWish
	var err error
	if w.req, w.releases, err = signing.ParseReleaseRequest(content); err != nil {
		return w, err
	}
	if err := p.ours(w.req.KeyFingerprint); err != nil {
		return w, err
	}
	i := slices.IndexFunc(p.Archives, func(r ArchiveRule) bool { return r.Archive == w.req.Archive && r.Project == w.req.Project })
	if i < 0 {
		return w, deny("the project %q with the archive %q is not in this signer's list", printable(w.req.Project), printable(w.req.Archive))
	}
	w.rule = p.Archives[i]
	if !w.rule.signedBy(p.Key) {
		return w, notIts(p.Key, w.req.Archive, "archives")
	}
	if w.req.Rollback && w.rule.Rollback != rollbackAsk && w.rule.Rollback != rollbackAllow {
		return w, errs.E("signer.policy", errs.Denied, fmt.Errorf("the request goes back to an older content of %s, and this signer never signs that", w.req.Archive)).
			Hint("if that is wanted, set rollback: ask for the archive in the signer's configuration")
	}
	for i, r := range w.releases {
		if err := w.rule.allows(w.req.Releases[i].Suite, r, now); err != nil {
			return w, err
		}
	}
	return w, w.asks().approved(now)
}

// ours refuses a request for another key than the one that is here.
func (p Policy) ours(wanted string) error {
	fingerprint, err := openpgp.Fingerprint(wanted)
	if err != nil {
		return err
	}
	if fingerprint != p.Key {
		return errs.E("signer.policy", errs.Denied, otherKey{wanted: fingerprint, here: p.Key})
	}
	return nil
}

// otherKey says that a request is for another key's holder: not to be signed here, and not to be
// refused for them.
type otherKey struct{ wanted, here string }

func (o otherKey) Error() string {
	return fmt.Sprintf("a signature by %s is wanted, and the key here is %s", o.wanted, o.here)
}

// allows checks the Release of one suite against the rule.
func (a ArchiveRule) allows(suite string, r debian.Release, now time.Time) error {
	no := func(format string, args ...any) error {
		return deny("the Release of "+suite+" "+format, args...)
	}
	if !fits(a.Suites, suite) {
		return deny("the suite %q fits none of the patterns for %s: %s", suite, a.Archive, strings.Join(a.Suites, ", "))
	}
	if a.Origin != "" && r.Origin != a.Origin {
		return no("has the Origin %q; %q is allowed", r.Origin, a.Origin)
	}
	if len(a.Codenames) > 0 && !fits(a.Codenames, r.Codename) {
		return no("has the Codename %q, which fits none of the patterns: %s", r.Codename, strings.Join(a.Codenames, ", "))
	}
	switch {
	case r.Date.IsZero():
		return no("has no Date")
	case r.Date.After(now.Add(ahead)):
		return no("is dated %s, in the future", debian.FormatDate(r.Date))
	case !r.ValidUntil.IsZero() && !r.ValidUntil.After(now):
		return no("was valid until %s only", debian.FormatDate(r.ValidUntil))
	case a.longest > 0 && r.ValidUntil.IsZero():
		return no("has no Valid-Until; at most %s after its Date are allowed", span(a.longest))
	case a.longest > 0 && r.ValidUntil.Sub(r.Date) > a.longest:
		return no("is valid for %s; at most %s are allowed", span(r.ValidUntil.Sub(r.Date)), span(a.longest))
	}
	// apt takes MD5 and SHA-1 for no security at all: what is listed under them alone would be
	// promised by nobody.
	strong := map[string]bool{}
	for _, f := range strongest(r) {
		strong[f.Path] = true
	}
	if len(strong) == 0 {
		return no("lists no index under SHA256 or SHA512")
	}
	for _, l := range r.Hashes {
		for _, f := range l.Files {
			if !strong[f.Path] {
				return no("lists %s under %s and not under %s", f.Path, l.Algorithm, r.Strongest())
			}
		}
	}
	return nil
}

// strongest is the files under the strongest algorithm, if that is a strong one.
func strongest(r debian.Release) []debian.ReleaseFile {
	if a := r.Strongest(); a == "SHA256" || a == "SHA512" {
		return r.List(a)
	}
	return nil
}

func fits(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { ok, _ := path.Match(p, name); return ok })
}

func (w releaseWish) name() string {
	var suites []string
	for _, s := range w.req.Releases {
		suites = append(suites, s.Suite)
	}
	return printable(w.req.Archive + " " + strings.Join(suites, ", "))
}

func (w releaseWish) record(r Record) Record {
	r.Archive, r.Rollback = w.req.Archive, w.req.Rollback
	if len(w.req.Releases) > 0 {
		r.Digest = w.req.Digest()
	}
	for i, rel := range w.releases {
		s := w.req.Releases[i]
		r.Suites = append(r.Suites, SuiteRecord{Name: s.Suite, Digest: s.Digest, Suite: rel.Suite, Codename: rel.Codename, Origin: rel.Origin,
			Label: rel.Label, Dated: rel.Date, ValidUntil: rel.ValidUntil, Architectures: strings.Join(rel.Architectures, " "),
			Components: strings.Join(rel.Components, " "), Files: len(strongest(rel)), Contents: contents(rel), Rest: rest(rel)})
	}
	return r
}

// contents is one word for all the indexes that r lists, whatever its dates are.
func contents(r debian.Release) string {
	h := sha256.New()
	for _, l := range r.Hashes {
		lines := make([]string, 0, len(l.Files))
		for _, f := range l.Files {
			lines = append(lines, fmt.Sprintf("%s %s %d %s\n", l.Algorithm, f.Digest, f.Size, f.Path))
		}
		slices.Sort(lines)
		for _, line := range lines {
			h.Write([]byte(line))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// rest is the digest of r without its dates, to the byte.
func rest(r debian.Release) string {
	r.Date, r.ValidUntil = time.Time{}, time.Time{}
	return action.DigestOf(r.Append(nil))
}

// forward refuses a Date that is not after the newest that was signed for the suite, by whichever
// of its names, and an older content that does not call itself a rollback. A rollback needs a new
// Date too: clients keep what they have when they see an older one.
func (w releaseWish) forward(j *Journal) error {
	for _, s := range w.record(Record{}).Suites {
		last, ok := j.Newest(w.req.Archive, s)
		if !ok || last.Digest == s.Digest {
			continue
		}
		if !s.Dated.After(last.Dated) {
			return errs.E("signer.policy", errs.Denied, fmt.Errorf("the Release of %s is dated %s, and one dated %s was signed already",
				s.Name, debian.FormatDate(s.Dated), debian.FormatDate(last.Dated))).
				Hint("make it again with a new Date, for a rollback too: clients ignore an older one")
		}
		if at, before := j.Signed(w.req.Archive, s); before && s.Contents != last.Contents && !w.req.Rollback {
			return errs.E("signer.policy", errs.Denied, fmt.Errorf("the Release of %s goes back to the content that was signed on %s, and the request does not say that it is a rollback",
				s.Name, at.UTC().Format("2 January 2006"))).Hint("ask for it as a rollback, if it is one")
		}
	}
	return nil
}

func (w releaseWish) asks() plea {
	p := plea{manifest: w.req.Manifest, approvals: w.req.Approvals,
		text: func(expires string) []byte { return signing.ReleaseApprovalText(w.req, expires, w.req.Manifest) }}
	for _, s := range w.req.Releases {
		p.digests = append(p.digests, s.Digest)
	}
	return p
}

func (w releaseWish) current(now time.Time) error {
	for i, r := range w.releases {
		if err := w.rule.allows(w.req.Releases[i].Suite, r, now); err != nil {
			return err
		}
	}
	return w.asks().approved(now)
}

func (w releaseWish) person() bool { return w.req.Rollback && w.rule.Rollback == rollbackAsk }

// unattended says by which rule nobody needs to be asked, or "". What was signed last is what this
// log knows of: a Release that is only dated anew promises nothing that a person did not see, and
// what clients choose by changes before a person's eyes only. The first Release of a suite must bear
// the name of this suite alone, since clients take it by its Suite or by its Codename: what is signed
// for one could be served as another, which the rule may not even name.
func (w releaseWish) unattended(j *Journal) string {
	if w.person() {
		return ""
	}
	by := "policy: refresh"
	for _, s := range w.record(Record{}).Suites {
		last, ok := j.LastSuite(w.req.Archive, s.Name)
		names := last.Suite == s.Suite && last.Codename == s.Codename && last.Origin == s.Origin && last.Label == s.Label
		switch {
		case ok && fits(w.rule.Refresh, s.Name) && last.Rest == s.Rest && !w.req.Rollback:
		case fits(w.rule.Unattended, s.Name) && (names || !ok && s.only()):
			by = "policy: unattended"
		default:
			return ""
		}
	}
	return by
}

// only reports whether s has no other name than the one that it was asked for by.
func (s SuiteRecord) only() bool {
	return (s.Suite == s.Name || s.Suite == "") && (s.Codename == s.Name || s.Codename == "")
}

func (w releaseWish) texts() (list []string) {
	for _, r := range w.req.Releases {
		list = append(list, r.Text)
	}
	return list
}

func (w releaseWish) sign(ctx context.Context, s openpgp.Signer, now func() time.Time, before func() error) ([]byte, error) {
	own, err := certificates(s)
	if err != nil {
		return nil, err
	}
	var list []signing.ReleaseSignature
	for _, r := range w.req.Releases {
		if err := before(); err != nil {
			return nil, err
		}
		keyCtx, cancel := context.WithTimeout(ctx, signTimeout)
		inline, detached, err := openpgp.SignRelease(keyCtx, s, []byte(r.Text))
		cancel()
		if err != nil {
			return nil, err
		}
		if _, err := own.VerifyRelease([]byte(r.Text), inline, detached, s.Fingerprint(), now()); err != nil {
			return nil, err
		}
		list = append(list, signing.ReleaseSignature{Suite: r.Suite, Digest: r.Digest, Inline: string(inline), Detached: string(detached)})
	}
	return signing.EncodeReleaseResult(list)
}
