package release

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"slipway/bot/errs"
)

// Announcement is the mail that tells people about a release.
type Announcement struct {
	Subject string
	Body    string // plain text, UTF-8, lines ending with "\n"
}

// Announce writes the mail: the notes, then the one-line log as the changelog has it.
func Announce(n Notes) Announcement {
	var b strings.Builder
	b.WriteString(n.Plain())
	if len(n.Log) > 0 {
		b.WriteString("\nCommits\n-------\n\n")
		for _, line := range n.Log {
			for _, l := range wrap(OneLine(line), logWidth, logIndent, logRest) {
				b.WriteString(l + "\n")
			}
		}
	}
	return Announcement{Subject: OneLine(n.Title() + " released"), Body: b.String()}
}

// RFC 1035 2.3.4: a label has at most 63 characters.
var listDomain = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)

// MessageID is the Message-ID of a release's announcement, without angle brackets: the same list,
// project, version and run always give the same one, so that a mail which was sent before a crash
// can be looked up, and a second copy is recognised. It is a dot-atom at the domain of the list
// (RFC 5322 3.6.4), at most 200 characters. A list without a mail domain is an error of kind
// Invalid.
func MessageID(list, project, version, run string) (string, error) {
	_, domain, found := strings.Cut(list, "@")
	if domain = strings.ToLower(domain); !found || len(domain) > 100 || !listDomain.MatchString(domain) {
		return "", errs.E("release.message_id", errs.Invalid, fmt.Errorf("%q is not the address of a mailing list", shorten(list))).
			Hint("Write it as announce@lists.example.org")
	}
	sum := sha256.New()
	for _, part := range []string{strings.ToLower(list), project, version, run} {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	return fmt.Sprintf("release.%s.%s.%s@%s", atom(project), atom(version), hex.EncodeToString(sum.Sum(nil))[:24], domain), nil
}

// atom makes text readable as a part of a dot-atom (RFC 5322 3.2.3); the hash beside it keeps
// different texts apart.
func atom(text string) string {
	mapped := strings.Map(func(r rune) rune {
		if isAlnum(r) || r == '-' || r == '.' {
			return r
		}
		return '-'
	}, strings.ToLower(text))
	parts := strings.FieldsFunc(mapped, func(r rune) bool { return r == '.' })
	mapped = strings.Join(parts, ".")
	mapped = strings.Trim(mapped[:min(len(mapped), 30)], ".")
	if mapped == "" {
		return "x"
	}
	return mapped
}
