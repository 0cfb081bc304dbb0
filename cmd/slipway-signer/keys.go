package main

import (
	"fmt"
	"slices"
	"strings"

	"slipway/bot/errs"
	"slipway/integrations/openpgp"
)

// signs reports whether a rule that lists keys lets that key sign; one that lists none lets any.
func signs(keys []string, key string) bool {
	want, err := openpgp.Fingerprint(key)
	return err == nil && (len(keys) == 0 || slices.ContainsFunc(keys, func(k string) bool {
		f, err := openpgp.Fingerprint(k)
		return err == nil && f == want
	}))
}

// shared reports whether one key may sign both archives.
func (a ArchiveRule) shared(o ArchiveRule) bool {
	return len(o.Keys) == 0 || slices.ContainsFunc(o.Keys, a.signedBy)
}

// notIts refuses a key that the rule for what does not list.
func notIts(key, what, section string) error {
	return errs.E("signer.policy", errs.Denied, fmt.Errorf("the key %s is not one of those that sign %s", key, what)).
		Hint("if it is, add it to keys: of its entry under %s: in the signer's configuration", section)
}

// chosen checks that no request chooses between several keys, and that what needs nobody in one
// archive is of no use in another with the same key: a Release does not say to which it belongs.
func (c Config) chosen(archives []ArchiveRule) error {
	no := func(format string, args ...any) *errs.Error {
		return errs.E("signer.config", errs.Invalid, fmt.Errorf(format, args...))
	}
	const hint = "list the primary fingerprints of those that sign it under its keys:, so that the bot never chooses the key"
	if here := len(c.More) + 1; here > 1 {
		for _, r := range c.Allow {
			if len(r.Keys) == 0 {
				return no("allow: the entry of %s for the project %s has no keys, and %d keys are here", r.Repository, r.Project, here).Hint(hint)
			}
		}
		for _, a := range archives {
			if len(a.Keys) == 0 {
				return no("archives: %s has no keys, and %d keys are here", a.Archive, here).Hint(hint)
			}
		}
	}
	for _, a := range archives {
		for _, o := range archives {
			if !a.alone() || a.Archive == o.Archive || !a.shared(o) {
				continue
			}
			switch a.Origin {
			case "":
				return no("archives: %s has refresh or unattended and no origin, and one key may sign %s too", a.Archive, o.Archive).
					Hint("set origin: to the Origin of its Release files, or give each of both archives keys of its own under keys:")
			case o.Origin:
				return no("archives: %s has refresh or unattended and the same origin as %s, and one key may sign both", a.Archive, o.Archive).
					Hint("give each an origin of its own, or keys of its own under keys:")
			}
		}
	}
	return nil
}

// maxName bounds the short name of a key, in characters.
const maxName = 40

// called is the key of s in the words that a person decides by. Where several are here it begins
// with the name of its owner and the end of its fingerprint, which tell them apart at a glance.
func called(s openpgp.Signer, here int) string {
	fingerprint := s.Fingerprint()
	if here < 2 {
		return fingerprint
	}
	name := "a key without a name,"
	if ids := s.UserIDs(); len(ids) > 0 {
		name = shortID(ids[0])
	}
	return fmt.Sprintf("%s %s, one of the %d keys here\n          %s", name, fingerprint[len(fingerprint)-16:], here, fingerprint)
}

// shortID is a user id without its comment and address, or the address where it has no more.
func shortID(id string) string {
	name := id
	if i := strings.IndexAny(name, "(<"); i > 0 {
		name = name[:i]
	}
	short := []rune(printable(strings.TrimSpace(name)))
	if len(short) > maxName {
		short = append(short[:maxName-1], '…')
	}
	return string(short)
}
