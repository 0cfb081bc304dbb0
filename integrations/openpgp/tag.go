package openpgp

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"slipway/bot/errs"
)

// MaxTag is the largest tag payload that is read, in bytes.
const MaxTag = 64 << 10

// Tag is the payload of a git tag object: the bytes that are signed. Its layout is git's
// (gitformat-signature: the signature follows the message, and signs all before it).
type Tag struct {
	Object  string    // commit that is tagged: 40 or 64 lower-case hexadecimal digits
	Name    string    // name of the tag, without refs/tags/
	Tagger  string    // name of the tagger
	Email   string    // address of the tagger
	When    time.Time // in the tagger's zone, whole seconds
	Message string    // ends with a newline
}

var (
	objectLine = regexp.MustCompile(`^object ([0-9a-f]{40}|[0-9a-f]{64})$`)
	taggerLine = regexp.MustCompile(`^tagger ([^<>]+) <([^<> ]+)> (0|[1-9][0-9]{0,10}) ([+-])([0-9]{2})([0-9]{2})$`)
)

// ParseTag reads a tag payload strictly: the four headers once each and in git's order, a commit
// as the object, a legal name, printable UTF-8 without characters that change the direction of
// text, and no signature inside. Tag.Bytes gives back exactly the same bytes. Errors:
// [errs.Invalid].
func ParseTag(payload []byte) (Tag, error) {
	bad := func(format string, args ...any) (Tag, error) {
		return Tag{}, errs.E("openpgp.parse_tag", errs.Invalid, fmt.Errorf("the tag payload "+format, args...))
	}
	if len(payload) > MaxTag {
		return bad("has %d bytes, at most %d are read", len(payload), MaxTag)
	}
	if !utf8.Valid(payload) {
		return bad("is not UTF-8")
	}
	head, message, ok := strings.Cut(string(payload), "\n\n")
	if !ok {
		return bad("has no empty line between its headers and its message")
	}
	lines := strings.Split(head, "\n")
	if len(lines) != 4 {
		return bad("has %d header lines, want object, type, tag and tagger", len(lines))
	}
	var t Tag
	m := objectLine.FindStringSubmatch(lines[0])
	if m == nil {
		return bad("does not begin with an object line")
	}
	t.Object = m[1]
	if lines[1] != "type commit" {
		return bad("tags something that is not a commit (%q)", clip(lines[1]))
	}
	name, ok := strings.CutPrefix(lines[2], "tag ")
	if !ok || !refName(name) {
		return bad("has no legal tag name (%q)", clip(lines[2]))
	}
	t.Name = name
	m = taggerLine.FindStringSubmatch(lines[3])
	if m == nil || strings.TrimSpace(m[1]) != m[1] {
		return bad("has no legal tagger line (%q)", clip(lines[3]))
	}
	t.Tagger, t.Email = m[1], m[2]
	zone, err := zoneOf(m[4], m[5], m[6])
	if err != nil {
		return bad("has the time zone %s%s%s", m[4], m[5], m[6])
	}
	sec, err := strconv.ParseInt(m[3], 10, 64)
	if err != nil {
		return bad("has the time %q", m[3])
	}
	t.When = time.Unix(sec, 0).In(zone)
	t.Message = message
	switch {
	case strings.Trim(message, "\n") == "" || !strings.HasSuffix(message, "\n"):
		return bad("has no message that ends with a newline")
	case strings.HasPrefix(message, "-----BEGIN ") || strings.Contains(message, "\n-----BEGIN "):
		return bad("holds an armored block; the payload ends before the signature")
	}
	for _, r := range t.Name + t.Tagger + t.Email + t.Message {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return bad("holds the unprintable character %U", r)
		}
	}
	if strings.ContainsAny(t.Name+t.Tagger+t.Email, "\t") {
		return bad("holds a tab in its headers")
	}
	if !bytes.Equal(t.Bytes(), payload) {
		return bad("is not in git's canonical form")
	}
	return t, nil
}

// Bytes is the payload: what is signed.
func (t Tag) Bytes() []byte {
	return fmt.Appendf(nil, "object %s\ntype commit\ntag %s\ntagger %s <%s> %d %s\n\n%s",
		t.Object, t.Name, t.Tagger, t.Email, t.When.Unix(), t.When.Format("-0700"), t.Message)
}

// Words says what a signature under this payload would promise, for a person who decides.
func (t Tag) Words() string {
	var b strings.Builder
	fmt.Fprintf(&b, "git tag   %s\n", t.Name)
	fmt.Fprintf(&b, "commit    %s\n", t.Object)
	fmt.Fprintf(&b, "tagger    %s <%s>\n", t.Tagger, t.Email)
	fmt.Fprintf(&b, "dated     %s\n", t.When.Format("Monday 2 January 2006, 15:04:05 -0700"))
	b.WriteString("message\n")
	for line := range strings.SplitSeq(strings.TrimSuffix(t.Message, "\n"), "\n") {
		fmt.Fprintf(&b, "    %s\n", line)
	}
	return b.String()
}

// SplitTag splits the content of a signed tag object into its payload and its armored signature.
// Errors: [errs.Invalid] when there is no signature at its end.
func SplitTag(object []byte) (payload, signature []byte, err error) {
	mark := []byte("\n-----BEGIN " + signatureType + "-----\n")
	i := bytes.Index(object, mark)
	if i < 0 || !bytes.HasSuffix(bytes.TrimRight(object, "\n"), []byte("-----END "+signatureType+"-----")) {
		return nil, nil, errs.E("openpgp.split_tag", errs.Invalid, errors.New("the tag object is not signed with OpenPGP"))
	}
	return object[:i+1], object[i+1:], nil
}

// VerifyTag checks an armored signature over payload by the key with that fingerprint, and
// returns when it was made.
func (p Policy) VerifyTag(payload, signature []byte, fingerprint string, now time.Time) (time.Time, error) {
	p.Allowed = only(p.Allowed, fingerprint)
	sig, err := p.Verify(payload, signature, now)
	return sig.Created, err
}

// only keeps of the allowed fingerprints the one that is wanted.
func only(allowed []string, want string) []string {
	w, err := Fingerprint(want)
	if err != nil {
		return nil
	}
	for _, a := range allowed {
		if f, err := Fingerprint(a); err == nil && f == w {
			return []string{w}
		}
	}
	return nil
}

// refName checks a tag name by the rules of git-check-ref-format(1), and no option-like names.
func refName(s string) bool {
	if s == "" || len(s) > 200 || s == "@" || strings.HasPrefix(s, "-") || strings.HasSuffix(s, ".") ||
		strings.Contains(s, "..") || strings.Contains(s, "@{") || strings.ContainsAny(s, " ~^:?*[\\\x7f") {
		return false
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	for _, r := range s {
		if r < ' ' {
			return false
		}
	}
	return true
}

func zoneOf(sign, hh, mm string) (*time.Location, error) {
	h, _ := strconv.Atoi(hh)
	m, _ := strconv.Atoi(mm)
	if h > 14 || m > 59 || sign == "-" && h == 0 && m == 0 {
		return nil, errors.New("no such zone")
	}
	off := h*3600 + m*60
	if sign == "-" {
		off = -off
	}
	return time.FixedZone("", off), nil
}

func clip(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}
