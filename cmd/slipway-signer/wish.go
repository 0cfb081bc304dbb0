package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/manifest"
	"slipway/integrations/openpgp"
	"slipway/integrations/signing"
)

// wish is a signing request that was read and fits the policy: what tags and Releases share.
//
// name stands in the lines that the signer says, words is for the person who decides. record adds
// what the log keeps. forward refuses what goes backwards against the log. asks is what speaks for
// it, and current looks at what has a date once more. person says that only a person may say yes,
// unattended by which rule nobody needs to; texts are what is kept to show the next differences.
// sign uses the key, calling before each time that it does, reads what it made back, and returns
// what is handed in.
type wish interface {
	name() string
	words(key string, j *Journal) string
	record(r Record) Record
	forward(j *Journal) error
	asks() plea
	current(now time.Time) error
	person() bool
	unattended(j *Journal) string
	texts() []string
	sign(ctx context.Context, s openpgp.Signer, now func() time.Time, before func() error) ([]byte, error)
}

// plea is what a request brings to speak for it.
type plea struct {
	manifest  string
	digests   []string // each must be bound by the manifest
	approvals []signing.Approval
	text      func(expires string) []byte // what an approver signed
}

// approved checks that the manifest, where there is one, is whole, not expired, and binds every
// digest that is to be signed, as a value of its own or inside a list or an object.
func (p plea) approved(now time.Time) error {
	if p.manifest == "" {
		return nil
	}
	m, err := manifest.Parse([]byte(p.manifest))
	if err != nil {
		return err
	}
	if !m.Expires.IsZero() && now.After(m.Expires) {
		return deny("the approval ended at %s", m.Expires.Format(time.RFC3339))
	}
	var bound []string
	for _, b := range m.Binds {
		if b.Value == "" {
			continue
		}
		v, err := action.Decode([]byte(b.Value))
		if err != nil {
			return errs.E("signer.policy", errs.Invalid, fmt.Errorf("the manifest's value %s cannot be read", printable(b.Name)))
		}
		bound = texts(bound, v)
	}
	for _, d := range p.digests {
		if !slices.Contains(bound, d) {
			return deny("the manifest of the gate %s does not name the digest %s: no gate approved it", printable(m.Gate), d)
		}
	}
	return nil
}

// texts gathers every text in v.
func texts(into []string, v any) []string {
	switch v := v.(type) {
	case string:
		into = append(into, v)
	case []any:
		for _, e := range v {
			into = texts(into, e)
		}
	case map[string]any:
		for _, e := range v {
			into = texts(into, e)
		}
	}
	return into
}

// words says what the request brings to speak for it.
func (p plea) words() string {
	if p.manifest == "" {
		return "approved  the request names no gate that approved it\n"
	}
	var b strings.Builder
	b.WriteString("approved by the gate of this manifest, says the bot:\n")
	for line := range strings.SplitSeq(strings.TrimSuffix(p.manifest, "\n"), "\n") {
		fmt.Fprintf(&b, "    %s\n", printable(line))
	}
	return b.String()
}

// certificates are the signer's own, to read back what it made.
func certificates(s openpgp.Signer) (openpgp.Policy, error) {
	certs, err := openpgp.ReadCertificates(s.Certificate())
	return openpgp.Policy{Certificates: certs, Allowed: []string{s.Fingerprint()}}, err
}
