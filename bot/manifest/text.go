package manifest

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// Header is the first line of every canonical text. The number is the version of the format.
const Header = "slipway manifest 1"

// LongValue is the longest value, in bytes, that is written out. A longer one is bound by its
// digest and size.
const LongValue = 4096

// Canonical is the text that people and signatures approve. It is injective: manifests that
// differ have texts that differ, and no value can look like another line, because every value is
// one line of JSON, indented, with everything that does not print escaped.
//
//	slipway manifest 1
//	run: 01J9ZK
//	name: release/lava/2019.01
//	gate: go
//	number: 1
//	playbook: sha256:…
//	profile: sha256:…
//	rule: 2 of maintainer, not requester
//	expires: 2019-01-31T12:00:00Z
//	bind steps.payload.digest
//	  "sha256:…"
func (m Manifest) Canonical() []byte {
	size := 320
	for _, b := range m.Binds {
		size += len(b.Name) + min(len(b.Value), LongValue) + 90
	}
	out := make([]byte, 0, size)
	out = append(out, Header...)
	out = append(out, '\n')
	line := func(key, value string) {
		out = append(out, key...)
		out = append(out, ": "...)
		out = appendWord(out, value)
		out = append(out, '\n')
	}
	line("run", m.Run)
	line("name", m.Name)
	line("gate", m.Gate)
	line("number", strconv.Itoa(m.Number))
	line("playbook", m.Playbook)
	line("profile", m.Profile)
	line("rule", m.Rule)
	line("expires", expiry(m.Expires))
	for _, b := range m.Binds {
		out = append(out, "bind "...)
		out = appendWord(out, b.Name)
		out = append(out, "\n  "...)
		out = b.appendValue(out)
		out = append(out, '\n')
	}
	return out
}

// Digest is the digest of the canonical text: what a vote names.
func (m Manifest) Digest() Digest { return Digest(action.DigestOf(m.Canonical())) }

func expiry(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// appendWord writes text as it is when it cannot be misread, and quoted in ASCII otherwise.
func appendWord(out []byte, s string) []byte {
	if plain(s) {
		return append(out, s...)
	}
	return strconv.AppendQuoteToASCII(out, s)
}

// plain reports whether s can stand alone on a line: it is not empty, prints, does not begin like
// a quoted text, and has no space at an end that nobody would see.
func plain(s string) bool {
	if s == "" || s[0] == '"' || s[0] == ' ' || s[len(s)-1] == ' ' {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == 0x7f {
			return false
		} else if c >= utf8.RuneSelf {
			return printable(s)
		}
	}
	return true
}

// printable refuses control, format and invisible characters, among them those that turn the
// direction of writing, and bytes that are not UTF-8.
func printable(s string) bool {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return false
			}
		}
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

func (b Bind) appendValue(out []byte) []byte {
	switch {
	case b.Value == "" && b.Digest != "":
		if !isDigest(b.Digest) || b.Size <= LongValue {
			// Not what this package makes: kept apart from every readable form, so that
			// Parse refuses it.
			return fmt.Appendf(out, "long %q %d bytes", b.Digest, b.Size)
		}
		return fmt.Appendf(out, "%s %d bytes", b.Digest, b.Size)
	case len(b.Value) > LongValue:
		return fmt.Appendf(out, "%s %d bytes", action.DigestOf([]byte(b.Value)), len(b.Value))
	case !isCanonical(b.Value):
		return strconv.AppendQuoteToASCII(append(out, "text "...), b.Value)
	}
	return appendVisible(out, b.Value)
}

// appendVisible writes canonical JSON with what does not print as \u escapes. Such characters
// occur only inside its strings, and canonical JSON itself never escapes them, so this can be
// turned back.
func appendVisible(out []byte, json string) []byte {
	if printable(json) {
		return append(out, json...)
	}
	for _, r := range json {
		switch {
		case unicode.IsPrint(r):
			out = utf8.AppendRune(out, r)
		case r < 0x10000:
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			hi, lo := (r-0x10000)>>10+0xd800, (r-0x10000)&0x3ff+0xdc00
			out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
		}
	}
	return out
}

// isCanonical reports whether value is JSON exactly as [action.Canonical] writes it.
func isCanonical(value string) bool {
	if value == "" || !utf8.ValidString(value) {
		return false
	}
	v, err := action.Decode([]byte(value))
	if err != nil {
		return false
	}
	again, err := action.Canonical(v)
	return err == nil && string(again) == value
}

func isDigest(s string) bool {
	hex, ok := strings.CutPrefix(s, "sha256:")
	if !ok || len(hex) != 64 {
		return false
	}
	for _, c := range hex {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Short is m with every long value replaced by its digest and size. It has the same canonical
// text; it is what [Parse] returns.
func (m Manifest) Short() Manifest {
	for i, b := range m.Binds {
		if len(b.Value) <= LongValue {
			continue
		}
		m.Binds = append([]Bind(nil), m.Binds...)
		for j := i; j < len(m.Binds); j++ {
			if v := m.Binds[j].Value; len(v) > LongValue {
				m.Binds[j] = Bind{Name: m.Binds[j].Name, Digest: action.DigestOf([]byte(v)), Size: len(v)}
			}
		}
		break
	}
	return m
}

// Same reports whether a and b ask for the same thing: they are equal but for their number and
// expiry, which a new manifest of an unchanged gate has of its own.
func Same(a, b Manifest) bool {
	if a.Run != b.Run || a.Name != b.Name || a.Gate != b.Gate || a.Playbook != b.Playbook ||
		a.Profile != b.Profile || a.Rule != b.Rule || len(a.Binds) != len(b.Binds) {
		return false
	}
	a, b = a.Short(), b.Short()
	for i := range a.Binds {
		if a.Binds[i] != b.Binds[i] {
			return false
		}
	}
	return true
}

// Check reports whether d is well formed.
func (d Digest) Check() error {
	if !isDigest(string(d)) {
		return errs.E("manifest.digest", errs.Invalid, fmt.Errorf("%q is not the digest of a manifest", string(d))).
			Hint(`a digest is "sha256:" and 64 hexadecimal digits`)
	}
	return nil
}
