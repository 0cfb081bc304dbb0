package debian

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Release is the Release file of one suite of an archive, which lists the digests of all its
// indexes (https://wiki.debian.org/DebianRepository/Format, apt-secure(8)).
type Release struct {
	Origin, Label, Suite, Codename, Version string
	Date, ValidUntil                        time.Time // zero when the field is missing
	Architectures, Components               []string
	Description                             string
	AcquireByHash                           bool
	NotAutomatic, ButAutomaticUpgrades      bool
	SignedBy                                string     // fingerprints, as they are written
	Hashes                                  []HashList // in their order
	Extra                                   Paragraph  // all other fields, in their order

	source Paragraph // what it was parsed from
}

// HashList is the files of a Release under one algorithm.
type HashList struct {
	Algorithm string // MD5Sum, SHA1, SHA256 or SHA512
	Files     []ReleaseFile
}

// ReleaseFile is one line of a [HashList].
type ReleaseFile struct {
	Digest string // lower-case hexadecimal
	Size   int64  // bytes
	Path   string // relative to the directory of the Release file
}

// releaseHashes are those that apt knows, the weakest first, with the length of their digests.
func releaseHashes() []HashLength {
	return []HashLength{{"MD5Sum", 32}, {"SHA1", 40}, {"SHA256", 64}, {"SHA512", 128}}
}

// HashLength is the name of an algorithm in control data and how many digits its digests have.
type HashLength struct {
	Name   string
	Digits int
}

// List is the files listed under the algorithm, or nil.
func (r Release) List(algorithm string) []ReleaseFile {
	for _, l := range r.Hashes {
		if strings.EqualFold(l.Algorithm, algorithm) {
			return l.Files
		}
	}
	return nil
}

// Strongest is the strongest algorithm that is listed, or "". apt asks for by-hash files with
// this one, and takes MD5Sum and SHA1 for no security at all.
func (r Release) Strongest() string {
	known := releaseHashes()
	for i := len(known) - 1; i >= 0; i-- {
		if r.List(known[i].Name) != nil {
			return known[i].Name
		}
	}
	return ""
}

// ParseRelease reads a whole Release file, not signed. It refuses whatever two readers could
// take differently, so that what a signer was shown is what apt will see: a second paragraph,
// fields and paths that stand twice, one path with two sizes, paths that climb out of the
// directory, control characters, blanks at the end of lines (which a clear signature does not
// cover), dates whose day of the week is wrong. Errors are of kind Invalid and name the line or
// the field.
func ParseRelease(data []byte) (Release, error) {
	bad := func(hint, format string, args ...any) (Release, error) {
		return Release{}, invalid("release", hint, "the Release file "+format, args...)
	}
	if len(data) == 0 || data[0] == '\n' || !bytes.HasSuffix(data, []byte("\n")) || bytes.HasSuffix(data, []byte("\n\n")) {
		return bad("Write one paragraph that ends with a newline", "is empty or has empty lines around it")
	}
	if !utf8.Valid(data) {
		return bad("Write it in UTF-8", "is not in UTF-8")
	}
	line := 1
	for i, c := range data {
		switch {
		case c == '\n' && i > 0 && (data[i-1] == ' ' || data[i-1] == '\t'):
			return bad("Take them out: a signature would not cover them", "has blanks at the end of line %d", line)
		case c == '\n':
			line++
		case c < ' ' || c == 0x7f:
			return bad("Take it out", "has a control character in line %d", line)
		}
	}
	p, err := ParseParagraph("the Release file", data)
	if err != nil {
		return Release{}, err
	}
	r, err := releaseOf(p)
	if err != nil {
		return Release{}, err
	}
	r.source = p
	return r, nil
}

// releaseOf reads the fields of p.
func releaseOf(p Paragraph) (r Release, err error) {
	bad := func(hint, format string, args ...any) error {
		return invalid("release", hint, "the Release file "+format, args...)
	}
	text := map[string]*string{"origin": &r.Origin, "label": &r.Label, "suite": &r.Suite, "codename": &r.Codename,
		"version": &r.Version, "description": &r.Description, "signed-by": &r.SignedBy}
	date := map[string]*time.Time{"date": &r.Date, "valid-until": &r.ValidUntil}
	flag := map[string]*bool{"acquire-by-hash": &r.AcquireByHash, "notautomatic": &r.NotAutomatic, "butautomaticupgrades": &r.ButAutomaticUpgrades}
	list := map[string]*[]string{"architectures": &r.Architectures, "components": &r.Components}
	sizes := map[string]int64{}
	for _, f := range p {
		name, value := strings.ToLower(f.Name), strings.Trim(f.Value, " ")
		if i := slices.IndexFunc(releaseHashes(), func(h HashLength) bool { return strings.EqualFold(h.Name, name) }); i >= 0 {
			files, err := releaseFiles(releaseHashes()[i], f.Value, sizes)
			if err != nil {
				return r, err
			}
			r.Hashes = append(r.Hashes, HashList{releaseHashes()[i].Name, files})
			continue
		}
		single := true
		switch {
		case text[name] != nil:
			*text[name], single = value, name == "description" || name == "signed-by"
			single = !single
		case date[name] != nil:
			if *date[name], err = ParseDate(value); err != nil {
				return r, err
			}
		case flag[name] != nil:
			if value != "yes" && value != "no" {
				return r, bad("Write yes or no", "has %s: %q", f.Name, shorten(value))
			}
			*flag[name] = value == "yes"
		case list[name] != nil:
			words := strings.Fields(value)
			seen := make(map[string]bool, len(words))
			for _, w := range words {
				if seen[w] {
					return r, bad("Keep one of them", "has %s twice in %s", shorten(w), f.Name)
				}
				seen[w] = true
			}
			*list[name] = words
		default:
			r.Extra, single = append(r.Extra, f), false
		}
		if single && strings.Contains(f.Value, "\n") {
			return r, bad("Write it on one line", "has the field %s on several lines", f.Name)
		}
	}
	if !r.Date.IsZero() && !r.ValidUntil.IsZero() && !r.ValidUntil.After(r.Date) {
		return r, bad("Set Valid-Until after Date", "is valid until %s, before its own date", FormatDate(r.ValidUntil))
	}
	return r, nil
}

// releaseFiles reads the lines of one algorithm. sizes is what other algorithms said.
func releaseFiles(h HashLength, value string, sizes map[string]int64) ([]ReleaseFile, error) {
	bad := func(hint, format string, args ...any) ([]ReleaseFile, error) {
		return nil, invalid("release", hint, "the Release file "+format, args...)
	}
	first, rest, more := strings.Cut(value, "\n")
	if first != "" {
		return bad("Begin the list on the next line", "has text after %s:", h.Name)
	}
	if !more {
		return []ReleaseFile{}, nil
	}
	files := make([]ReleaseFile, 0, strings.Count(rest, "\n")+1)
	seen := make(map[string]bool, cap(files))
	for line := range strings.SplitSeq(rest, "\n") {
		words := strings.Fields(line)
		if len(words) != 3 {
			return bad("Write: digest size path", "has the line %q under %s", shorten(line), h.Name)
		}
		f := ReleaseFile{Digest: words[0], Path: words[2]}
		if len(f.Digest) != h.Digits || !lowerHex(f.Digest) {
			return bad(fmt.Sprintf("Write %d hexadecimal digits in lower case", h.Digits), "has %q for a digest under %s", shorten(words[0]), h.Name)
		}
		var err error
		if f.Size, err = parseSize(words[1]); err != nil {
			return bad("Write the number of bytes", "has the size %q for %s", shorten(words[1]), shorten(f.Path))
		}
		if !cleanPath(f.Path) {
			return bad("Write a path below the directory of the Release file", "has the path %q", shorten(f.Path))
		}
		if seen[f.Path] {
			return bad("Keep one of them", "has %s twice under %s", shorten(f.Path), h.Name)
		}
		if size, found := sizes[f.Path]; found && size != f.Size {
			return bad("Make it again", "gives %s two sizes, %d and %d", shorten(f.Path), size, f.Size)
		}
		seen[f.Path], sizes[f.Path] = true, f.Size
		files = append(files, f)
	}
	return files, nil
}

func lowerHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return s != ""
}

// parseSize reads a number of bytes without sign and leading zeros.
func parseSize(s string) (int64, error) {
	if s == "" || len(s) > 15 || strings.Trim(s, "0123456789") != "" || len(s) > 1 && s[0] == '0' {
		return 0, invalid("size", "Write a number of bytes", "%q is no size", shorten(s))
	}
	return strconv.ParseInt(s, 10, 64)
}

// cleanPath accepts relative paths of printable ASCII that have one spelling only.
func cleanPath(p string) bool {
	if p == "" || len(p) > 1000 || path.Clean("/"+p) != "/"+p {
		return false
	}
	for i := range len(p) {
		if p[i] <= ' ' || p[i] > '~' || p[i] == '\\' {
			return false
		}
	}
	return true
}

// ParseDate reads a date of a Release file. apt accepts the zones UTC, GMT, +0000 and Z there,
// and so does this; the day of the week must be right.
func ParseDate(text string) (time.Time, error) {
	for _, zone := range []string{" UTC", " GMT", " +0000", " Z"} {
		rest, found := strings.CutSuffix(text, zone)
		if !found {
			continue
		}
		// Go lets wrong days of the week and fractions of seconds pass: the text must come back.
		t, err := time.Parse("Mon, 2 Jan 2006 15:04:05", rest)
		if err != nil || t.Format("Mon, 2 Jan 2006 15:04:05") != rest && t.Format("Mon, 02 Jan 2006 15:04:05") != rest {
			break
		}
		return t.UTC(), nil
	}
	return time.Time{}, invalid("release", "Write it as: Sat, 16 May 2026 10:54:28 UTC",
		"%q is no date of a Release file", shorten(text))
}

// FormatDate writes a date as dak does: "Sat, 16 May 2026 10:54:28 UTC".
func FormatDate(t time.Time) string { return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 UTC") }
