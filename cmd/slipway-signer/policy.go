package main

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/v2"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/manifest"
	"slipway/integrations/openpgp"
	"slipway/integrations/signing"
)

// Rule allows the tags of one repository.
type Rule struct {
	Repository string   `yaml:"repository"` // exactly as requests name it
	Project    string   `yaml:"project"`
	Tags       []string `yaml:"tags"`     // patterns as in a shell; "*" does not cross "/"
	Rollback   []string `yaml:"rollback"` // tags that may be signed although a newer one was
}

// Policy is what this signer is willing to sign, whatever the bot says.
type Policy struct {
	Rules     []Rule
	Key       string                // primary fingerprint of the key that is here
	Compare   func(a, b string) int // orders versions
	Approvers Approvers
}

// skew is how far the tagger's date may be ahead of this clock.
const skew = 5 * time.Minute

// Read takes a request apart and checks everything that does not depend on what was signed
// before: its own consistency, the key, the payload, the repository and the tag, the manifest.
// Errors: [errs.Invalid] or [errs.Denied], with the reason in words.
func (p Policy) Read(content []byte, now time.Time) (signing.Request, openpgp.Tag, error) {
	req, err := signing.ParseRequest(content)
	if err != nil {
		return req, openpgp.Tag{}, err
	}
	fingerprint, err := openpgp.Fingerprint(req.KeyFingerprint)
	if err != nil {
		return req, openpgp.Tag{}, err
	}
	if fingerprint != p.Key {
		return req, openpgp.Tag{}, deny("a signature by %s is wanted, and the key here is %s", fingerprint, p.Key)
	}
	tag, err := openpgp.ParseTag([]byte(req.Payload))
	if err != nil {
		return req, openpgp.Tag{}, err
	}
	i := slices.IndexFunc(p.Rules, func(r Rule) bool { return r.Repository == req.Repository && r.Project == req.Project })
	if i < 0 {
		return req, tag, deny("the project %q with the repository %q is not in this signer's list", req.Project, req.Repository)
	}
	if !slices.ContainsFunc(p.Rules[i].Tags, func(pattern string) bool { ok, _ := path.Match(pattern, tag.Name); return ok }) {
		return req, tag, deny("the tag %q fits none of the patterns for %s: %s", tag.Name, req.Repository, strings.Join(p.Rules[i].Tags, ", "))
	}
	if tag.When.After(now.Add(skew)) {
		return req, tag, deny("the tag is dated %s, in the future", tag.When.UTC().Format(time.RFC3339))
	}
	return req, tag, approvedBy(req, now)
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

// approvedBy checks that the manifest, where there is one, is whole, not expired, and binds the
// very digest that is to be signed.
func approvedBy(req signing.Request, now time.Time) error {
	if req.Manifest == "" {
		return nil
	}
	m, err := manifest.Parse([]byte(req.Manifest))
	if err != nil {
		return err
	}
	if !m.Expires.IsZero() && now.After(m.Expires) {
		return deny("the approval ended at %s", m.Expires.Format(time.RFC3339))
	}
	want, err := action.Canonical(req.PayloadDigest)
	if err != nil {
		return errs.E("signer.policy", errs.Internal, err)
	}
	if !slices.ContainsFunc(m.Binds, func(b manifest.Bind) bool { return b.Value == string(want) }) {
		return deny("the manifest of the gate %s does not name the payload's digest %s: no gate approved it", m.Gate, req.PayloadDigest)
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

// Check counts the persons (primary fingerprints) who approved req and returns them. Errors:
// [errs.Denied] when there are too few, with what is wrong with the others.
func (a Approvers) Check(req signing.Request, now time.Time) ([]string, error) {
	if a.Need <= 0 {
		return nil, deny("this signer counts no signed approvals")
	}
	if req.Manifest == "" {
		return nil, deny("the request carries no manifest, so no gate approved it")
	}
	var good, bad []string
	for i, ap := range req.Approvals {
		who, err := a.one(req, ap, now)
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

func (a Approvers) one(req signing.Request, ap signing.Approval, now time.Time) (string, error) {
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
	text := signing.ApprovalText(req.Kind, req.PayloadDigest, ap.Expires, req.Manifest)
	sig, err := openpgp.Policy{Certificates: a.Certificates, Allowed: a.Fingerprints, MaxAge: a.Longest}.
		Verify(text, []byte(ap.Signature), now)
	if err != nil {
		return "", err
	}
	return sig.Fingerprint, nil
}

func deny(format string, args ...any) error {
	return errs.E("signer.policy", errs.Denied, fmt.Errorf(format, args...))
}
