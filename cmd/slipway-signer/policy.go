package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/v2"

	"slipway/bot/errs"
	"slipway/integrations/openpgp"
	"slipway/integrations/signing"
)

// Rule allows tags of one repository. Several rules for it add up.
type Rule struct {
	Repository string   `yaml:"repository"` // exactly as requests name it
	Project    string   `yaml:"project"`
	Tags       []string `yaml:"tags"`     // patterns as in a shell; "*" does not cross "/"
	Keys       []string `yaml:"keys"`     // primary fingerprints of those keys here that sign them; none is any
	Rollback   []string `yaml:"rollback"` // tags that may be signed although a newer one was
}

// Policy is what this signer is willing to sign, whatever the bot says.
type Policy struct {
	Rules     []Rule
	Archives  []ArchiveRule
	Key       string                // primary fingerprint of the key that is here
	Compare   func(a, b string) int // orders versions
	Approvers Approvers
}

// skew is how far the tagger's date may be ahead of this clock.
const skew = 5 * time.Minute

// Read takes the request of a job of that kind apart and checks everything that does not depend on
// what was signed before: its own consistency, the key, what is to be signed, where it belongs, the
// manifest. On an error the wish holds what was read until then. Errors: [errs.Invalid] or
// [errs.Denied], with the reason in words.
func (p Policy) Read(kind string, content []byte, now time.Time) (wish, error) {
	switch kind {
	case signing.TagJob:
		return p.readTag(content, now)
	case signing.ReleaseJob:
		return p.readRelease(content, now)
	}
	return nil, deny("jobs of the kind %q are not for this signer", printable(kind))
}

func (p Policy) readTag(content []byte, now time.Time) (tagWish, error) {
	w := tagWish{policy: p}
	var err error
	if w.req, err = signing.ParseRequest(content); err != nil {
		return w, err
	}
	if err := p.ours(w.req.KeyFingerprint); err != nil {
		return w, err
	}
	if w.tag, err = openpgp.ParseTag([]byte(w.req.Payload)); err != nil {
		return w, err
	}
	var patterns []string
	allowed, its := false, false
	for _, r := range p.Rules {
		if r.Repository != w.req.Repository || r.Project != w.req.Project {
			continue
		}
		patterns = append(patterns, r.Tags...)
		if fits(r.Tags, w.tag.Name) {
			allowed, its = true, its || signs(r.Keys, p.Key)
		}
	}
	switch {
	case len(patterns) == 0:
		return w, deny("the project %q with the repository %q is not in this signer's list", w.req.Project, w.req.Repository)
	case !allowed:
		return w, deny("the tag %q fits none of the patterns for %s: %s", w.tag.Name, w.req.Repository, strings.Join(patterns, ", "))
	case !its:
		return w, notIts(p.Key, "the tag "+w.tag.Name+" of "+w.req.Repository, "allow")
	}
	if w.tag.When.After(now.Add(skew)) {
		return w, deny("the tag is dated %s, in the future", w.tag.When.UTC().Format(time.RFC3339))
	}
	return w, w.asks().approved(now)
}

// Forward refuses a version or a date that is not after the newest that was signed.
func (p Policy) Forward(req signing.Request, tag openpgp.Tag, j *Journal) error {
	last, ok := j.Last(req.Repository, tag.Name)
	if !ok {
		return nil
	}
	for _, r := range p.Rules {
		if r.Repository == req.Repository && r.Project == req.Project && slices.Contains(r.Rollback, tag.Name) {
			return nil
		}
	}
	_, old := splitTag(last.Tag)
	_, version := splitTag(tag.Name)
	if p.Compare(version, old) <= 0 {
		return errs.E("signer.policy", errs.Denied, fmt.Errorf("the tag %s does not come after %s, which was signed already", tag.Name, last.Tag)).
			Hint("if an older line is released on purpose, list the tag under rollback: in the signer's configuration")
	}
	if tag.When.Before(last.Tagged) {
		return deny("the tag is dated %s, before the last one that was signed (%s)", tag.When.UTC().Format(time.RFC3339), last.Tagged.Format(time.RFC3339))
	}
	return nil
}

// Approvers are the people whose signed approvals count here, by this signer's own copy of their
// keys.
type Approvers struct {
	Need         int // 0: signed approvals never suffice
	Certificates v2.EntityList
	Fingerprints []string
	Longest      time.Duration // the longest life of an approval
}

// Check counts the persons (primary fingerprints) who approved what p speaks for and returns them. Errors:
// [errs.Denied] when there are too few, with what is wrong with the others.
func (a Approvers) Check(p plea, now time.Time) ([]string, error) {
	if a.Need <= 0 {
		return nil, deny("this signer counts no signed approvals")
	}
	if p.manifest == "" {
		return nil, deny("the request carries no manifest, so no gate approved it")
	}
	var good, bad []string
	for i, ap := range p.approvals {
		who, err := a.one(p, ap, now)
		switch {
		case err != nil:
			bad = append(bad, fmt.Sprintf("approval %d: %s", i+1, errs.Text(err)))
		case slices.Contains(good, who):
			bad = append(bad, fmt.Sprintf("approval %d: %s approved already", i+1, who))
		default:
			good = append(good, who)
		}
	}
	if len(good) < a.Need {
		text := fmt.Sprintf("%d of %d signed approvals count", len(good), a.Need)
		if len(bad) > 0 {
			text += " (" + strings.Join(bad, "; ") + ")"
		}
		return nil, errs.E("signer.approvals", errs.Denied, errors.New(text))
	}
	return good, nil
}

func (a Approvers) one(p plea, ap signing.Approval, now time.Time) (string, error) {
	expires, err := time.Parse(time.RFC3339, ap.Expires)
	if err != nil || expires.UTC().Format(time.RFC3339) != ap.Expires {
		return "", deny("%q is not a time in UTC", ap.Expires)
	}
	if now.After(expires) {
		return "", deny("it ended at %s", ap.Expires)
	}
	if expires.After(now.Add(a.Longest)) {
		return "", deny("it would last until %s; at most %s are accepted", ap.Expires, a.Longest)
	}
	sig, err := openpgp.Policy{Certificates: a.Certificates, Allowed: a.Fingerprints, MaxAge: a.Longest}.
		Verify(p.text(ap.Expires), []byte(ap.Signature), now)
	if err != nil {
		return "", err
	}
	return sig.Fingerprint, nil
}

func deny(format string, args ...any) error {
	return errs.E("signer.policy", errs.Denied, fmt.Errorf(format, args...))
}

// kinds are the jobs that the rules allow anything of.
func (p Policy) kinds() (kinds []string) {
	if len(p.Rules) > 0 {
		kinds = append(kinds, signing.TagJob)
	}
	if len(p.Archives) > 0 {
		kinds = append(kinds, signing.ReleaseJob)
	}
	return kinds
}
