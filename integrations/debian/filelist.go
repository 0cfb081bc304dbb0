package debian

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"strings"

	"slipway/bot/errs"
)

// ListedFile is one file that a .dsc, .changes or .buildinfo lists, with all that its lists say.
type ListedFile struct {
	Name              string // a plain name, never a path
	Size              int64  // bytes
	MD5, SHA1, SHA256 string // lower-case hexadecimal; SHA1 and MD5 may be ""
	Section, Priority string // in the Files of .changes only
}

// fileName accepts what dpkg makes: letters, digits and the marks of versions, never a slash.
var fileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9+.~_:=%-]*$`)

// list is one field that lists files; digest is where its digests go in a ListedFile.
type list struct {
	field   string
	digits  int
	section bool
	digest  func(*ListedFile) *string
}

func checksumLists(md5Field string, section bool) []list {
	return []list{
		{md5Field, 32, section, func(f *ListedFile) *string { return &f.MD5 }},
		{"Checksums-Sha1", 40, false, func(f *ListedFile) *string { return &f.SHA1 }},
		{"Checksums-Sha256", 64, false, func(f *ListedFile) *string { return &f.SHA256 }},
	}
}

// readLists merges the lists of p. The first of needed gives the order; all lists that exist
// must name the same files with the same sizes.
func readLists(what string, p Paragraph, lists []list, needed ...string) ([]ListedFile, error) {
	bad := func(hint, format string, args ...any) ([]ListedFile, error) {
		return nil, invalid("files", hint, "%s %s", what, fmt.Sprintf(format, args...))
	}
	for _, name := range needed {
		if !p.Has(name) {
			return bad("Make it again with dpkg-buildpackage", "has no %s", name)
		}
	}
	var files []ListedFile
	index := map[string]int{}
	first := ""
	for _, l := range lists {
		if !p.Has(l.field) {
			continue
		}
		seen := map[string]bool{}
		for _, line := range p.Lines(l.field) {
			f, err := readListed(what, l, line)
			if err != nil {
				return nil, err
			}
			if seen[f.Name] {
				return bad("Keep one of them", "lists %s twice under %s", f.Name, l.field)
			}
			seen[f.Name] = true
			if first == "" || first == l.field {
				first = l.field
				index[f.Name] = len(files)
				files = append(files, f)
				continue
			}
			i, found := index[f.Name]
			switch {
			case !found:
				return bad("Make it again with dpkg-buildpackage", "lists %s under %s but not under %s", f.Name, l.field, first)
			case files[i].Size != f.Size:
				return bad("Make it again with dpkg-buildpackage", "gives %s two sizes, %d and %d", f.Name, files[i].Size, f.Size)
			}
			*l.digest(&files[i]) = *l.digest(&f)
		}
		if first == "" {
			first = l.field // an empty list: the others must be empty too
		}
		for _, f := range files {
			if !seen[f.Name] {
				return bad("Make it again with dpkg-buildpackage", "lists %s under %s but not under %s", f.Name, first, l.field)
			}
		}
	}
	return files, nil
}

// readListed reads "digest size [section priority] name".
func readListed(what string, l list, line string) (f ListedFile, err error) {
	bad := func(format string, args ...any) (ListedFile, error) {
		return f, invalid("files", "Make it again with dpkg-buildpackage", "%s %s", what, fmt.Sprintf(format, args...))
	}
	words, want := strings.Fields(line), 3
	if l.section {
		want = 5
	}
	if len(words) != want {
		return bad("has the line %q under %s", shorten(line), l.field)
	}
	if len(words[0]) != l.digits || !lowerHex(words[0]) {
		return bad("has %q for a digest under %s", shorten(words[0]), l.field)
	}
	*l.digest(&f) = words[0]
	f.Name = words[len(words)-1]
	if len(f.Name) > 250 || !fileName.MatchString(f.Name) {
		return bad("lists %q, which is no plain name of a file", shorten(f.Name))
	}
	if f.Size, err = parseSize(words[1]); err != nil {
		return bad("has the size %q for %s", shorten(words[1]), f.Name)
	}
	if l.section {
		f.Section, f.Priority = words[2], words[3]
	}
	return f, nil
}

// Verify reads every file through open and compares its size and all digests that are listed.
// The error names the first file that differs, kind Invalid; errors of open are given as they
// are.
func Verify(files []ListedFile, open func(name string) (io.ReadCloser, error)) error {
	for _, f := range files {
		if err := verify(f, open); err != nil {
			return err
		}
	}
	return nil
}

func verify(f ListedFile, open func(string) (io.ReadCloser, error)) error {
	in, err := open(f.Name)
	if err != nil {
		return err
	}
	defer in.Close()
	m, s1, s2 := md5.New(), sha1.New(), sha256.New()
	n, err := io.Copy(io.MultiWriter(m, s1, s2), io.LimitReader(in, f.Size+1))
	if err != nil {
		return errs.E("debian.files", errs.KindOf(err), fmt.Errorf("%s cannot be read: %w", f.Name, err))
	}
	if n != f.Size {
		size := fmt.Sprintf("%d", n)
		if n > f.Size {
			size = "more"
		}
		return invalid("files", "Fetch it again, or build again", "%s should have %d bytes and has %s", f.Name, f.Size, size)
	}
	for _, c := range []struct{ name, want, got string }{
		{"SHA-256", f.SHA256, hex.EncodeToString(s2.Sum(nil))},
		{"SHA-1", f.SHA1, hex.EncodeToString(s1.Sum(nil))},
		{"MD5", f.MD5, hex.EncodeToString(m.Sum(nil))},
	} {
		if c.want != "" && c.want != c.got {
			return invalid("files", "Fetch it again, or build again", "%s has another %s digest than listed", f.Name, c.name)
		}
	}
	return nil
}

// RefreshBuildinfo gives the text of a .buildinfo the size and digests of the .dsc as it is now
// that it is signed. The signatures of an upload are made in this order: the .dsc, the
// .buildinfo, the .changes, each after it was refreshed (as debsign of devscripts does).
func RefreshBuildinfo(buildinfo []byte, dscName string, dsc []byte) ([]byte, error) {
	return refresh("the .buildinfo", buildinfo, map[string][]byte{dscName: dsc})
}

// RefreshChanges gives the text of a .changes the sizes and digests of the files as they are now
// that they are signed: the .dsc and the .buildinfo, by name.
func RefreshChanges(changes []byte, signed map[string][]byte) ([]byte, error) {
	return refresh("the .changes", changes, signed)
}

// refresh rewrites the lines of files and leaves every other byte alone. Errors are of kind
// Invalid: the text is signed already, or it does not list one of the files.
func refresh(what string, text []byte, files map[string][]byte) ([]byte, error) {
	if IsSigned(text) {
		return nil, invalid("refresh", "Take the plain file, which is then signed", "%s is signed already, and a change would break that", what)
	}
	if _, err := ParseParagraph(what, text); err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(text)+64)
	field, found := "", map[string]bool{}
	for line := range bytes.Lines(text) {
		words := strings.Fields(string(line))
		if line[0] != ' ' && line[0] != '\t' {
			name, _, _ := strings.Cut(string(line), ":")
			field = strings.ToLower(name)
		} else if len(words) >= 3 {
			name := words[len(words)-1]
			body, ours := files[name]
			if digest := digestFor(field, body); ours && digest != "" {
				rest := append([]string{digest, fmt.Sprint(len(body))}, words[2:]...)
				line = []byte(" " + strings.Join(rest, " ") + "\n")
				found[name] = true
			}
		}
		out = append(out, line...)
	}
	for name := range files {
		if !found[name] {
			return nil, invalid("refresh", "Take the files of one build", "%s does not list %s", what, shorten(name))
		}
	}
	return out, nil
}

// digestFor is the digest that the field lists, or "" for another field.
func digestFor(field string, body []byte) string {
	switch field {
	case "files", "checksums-md5":
		d := md5.Sum(body)
		return hex.EncodeToString(d[:])
	case "checksums-sha1":
		d := sha1.Sum(body)
		return hex.EncodeToString(d[:])
	case "checksums-sha256":
		d := sha256.Sum256(body)
		return hex.EncodeToString(d[:])
	}
	return ""
}
