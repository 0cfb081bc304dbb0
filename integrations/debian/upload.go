package debian

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// DSC describes a source package (Debian Policy 5.4, dsc(5)).
type DSC struct {
	Format        string // "3.0 (quilt)"
	Source        string
	Version       Version
	Binaries      []string
	Architectures []string // "any", "all", "linux-any amd64"
	Files         []ListedFile
	Fields        Paragraph // everything
	Signed        bool      // it was clear-signed; nothing is verified here
}

// Changes describes an upload (Debian Policy 5.5, deb-changes(5)).
type Changes struct {
	Format        string // "1.8"
	Source        string
	SourceVersion Version // differs from Version when binaries were built again
	Version       Version
	Binaries      []string
	Architectures []string // "source", "amd64", "all"
	Distributions []string
	Urgency       string
	Maintainer    string
	ChangedBy     string
	Date          string
	Closes        []string // numbers of bugs
	Changes       []string // lines of the changelog entries, "." for an empty one
	Files         []ListedFile
	Fields        Paragraph
	Signed        bool
}

// Buildinfo describes the environment of a build (deb-buildinfo(5)).
type Buildinfo struct {
	Format        string // "1.0"
	Source        string
	SourceVersion Version
	Version       Version
	Binaries      []string
	Architectures []string
	Files         []ListedFile // what the build made, without the .buildinfo itself
	Fields        Paragraph
	Signed        bool
}

var (
	dscFormat   = regexp.MustCompile(`^(1\.0|3\.0 \((native|quilt|git|bzr|custom)\))$`)
	sourceField = regexp.MustCompile(`^(\S+)(?: \((\S+)\))?$`)
)

// upload reads what .dsc, .changes and .buildinfo have in common.
type upload struct {
	what string
	p    Paragraph
}

func readUpload(what string, data []byte, needed ...string) (u upload, signed bool, err error) {
	text, signed, err := plainText(what, data)
	if err != nil {
		return u, signed, err
	}
	p, err := ParseParagraph(what, text)
	if err != nil {
		return u, signed, err
	}
	u = upload{what, p}
	for _, name := range append(needed, "Format", "Source", "Version") {
		if p.Get(name) == "" {
			return u, signed, u.bad("has no %s", name)
		}
	}
	return u, signed, nil
}

func (u upload) bad(format string, args ...any) error {
	return invalid("upload", "Make it again with dpkg-buildpackage", "%s %s", u.what, fmt.Sprintf(format, args...))
}

// names reads a field of words with blanks, line ends or commas between.
func (u upload) names(field string) []string {
	return strings.FieldsFunc(u.p.Get(field), func(r rune) bool { return r == ' ' || r == '\n' || r == '\t' || r == ',' })
}

func (u upload) source() (name string, source, binary Version, err error) {
	if binary, err = ParseVersion(u.p.Get("Version")); err != nil {
		return
	}
	m := sourceField.FindStringSubmatch(u.p.Get("Source"))
	if m == nil {
		err = u.bad("has the source %q", shorten(u.p.Get("Source")))
		return
	}
	name, source = m[1], binary
	if m[2] != "" {
		if source, err = ParseVersion(m[2]); err != nil {
			return
		}
	}
	err = CheckPackageName(name)
	return
}

// ParseDSC reads a .dsc, clear-signed or not. Files and both their lists must be there and agree,
// and be named after the source. Errors are of kind Invalid.
func ParseDSC(data []byte) (DSC, error) {
	u, signed, err := readUpload("the .dsc", data, "Maintainer", "Architecture")
	if err != nil {
		return DSC{}, err
	}
	d := DSC{Format: u.p.Get("Format"), Binaries: u.names("Binary"), Architectures: u.names("Architecture"), Fields: u.p, Signed: signed}
	if !dscFormat.MatchString(d.Format) {
		return DSC{}, u.bad("has the format %q", shorten(d.Format))
	}
	var source Version
	if d.Source, source, d.Version, err = u.source(); err != nil {
		return DSC{}, err
	}
	if source != d.Version {
		return DSC{}, u.bad("has the source %q", shorten(u.p.Get("Source")))
	}
	if d.Files, err = readLists(u.what, u.p, checksumLists("Files", false), "Files", "Checksums-Sha256"); err != nil {
		return DSC{}, err
	}
	if len(d.Files) == 0 {
		return DSC{}, u.bad("lists no files")
	}
	for _, f := range d.Files {
		if !strings.HasPrefix(f.Name, d.Source+"_") {
			return DSC{}, u.bad("lists %s, which is not of the source %s", f.Name, d.Source)
		}
	}
	return d, nil
}

// ParseChanges reads a .changes of format 1.8, clear-signed or not. Files and Checksums-Sha256
// must be there, and all lists must agree. Errors are of kind Invalid.
func ParseChanges(data []byte) (Changes, error) {
	u, signed, err := readUpload("the .changes", data, "Date", "Architecture", "Distribution", "Maintainer", "Changes")
	if err != nil {
		return Changes{}, err
	}
	c := Changes{Format: u.p.Get("Format"), Binaries: u.names("Binary"), Architectures: u.names("Architecture"),
		Distributions: strings.Fields(u.p.Get("Distribution")), Urgency: u.p.Get("Urgency"), Maintainer: u.p.Get("Maintainer"),
		ChangedBy: u.p.Get("Changed-By"), Date: u.p.Get("Date"), Closes: u.names("Closes"), Fields: u.p, Signed: signed}
	if c.Format != "1.8" {
		return Changes{}, u.bad("has the format %q, not 1.8", shorten(c.Format))
	}
	if c.Source, c.SourceVersion, c.Version, err = u.source(); err != nil {
		return Changes{}, err
	}
	for line := range strings.SplitSeq(strings.TrimPrefix(u.p.Get("Changes"), "\n"), "\n") {
		c.Changes = append(c.Changes, line)
	}
	if c.Files, err = readLists(u.what, u.p, checksumLists("Files", true), "Files", "Checksums-Sha256"); err != nil {
		return Changes{}, err
	}
	if len(c.Files) == 0 {
		return Changes{}, u.bad("lists no files")
	}
	hasDSC := slices.ContainsFunc(c.Files, func(f ListedFile) bool { return strings.HasSuffix(f.Name, ".dsc") })
	if hasDSC != slices.Contains(c.Architectures, "source") {
		return Changes{}, u.bad("must list a .dsc exactly when its Architecture has source")
	}
	_, _, err = c.ToSign()
	return c, err
}

// SourceOnly reports whether the upload has a source and no binaries: the archive builds those.
func (c Changes) SourceOnly() bool { return slices.Equal(c.Architectures, []string{"source"}) }

// ToSign is the names of the .dsc and the .buildinfo that are signed before the .changes; "" for
// what the upload does not have. Two of a kind are an error.
func (c Changes) ToSign() (dsc, buildinfo string, err error) {
	for _, f := range c.Files {
		for suffix, to := range map[string]*string{".dsc": &dsc, ".buildinfo": &buildinfo} {
			if !strings.HasSuffix(f.Name, suffix) {
				continue
			}
			if *to != "" {
				return "", "", invalid("upload", "Make it again with dpkg-buildpackage", "the .changes lists two files that end in %s", suffix)
			}
			*to = f.Name
		}
	}
	return dsc, buildinfo, nil
}

// ParseBuildinfo reads a .buildinfo, clear-signed or not. Errors are of kind Invalid.
func ParseBuildinfo(data []byte) (Buildinfo, error) {
	u, signed, err := readUpload("the .buildinfo", data, "Architecture")
	if err != nil {
		return Buildinfo{}, err
	}
	b := Buildinfo{Format: u.p.Get("Format"), Binaries: u.names("Binary"), Architectures: u.names("Architecture"), Fields: u.p, Signed: signed}
	if !strings.HasPrefix(b.Format, "1.") {
		return Buildinfo{}, u.bad("has the format %q, not 1.0", shorten(b.Format))
	}
	if b.Source, b.SourceVersion, b.Version, err = u.source(); err != nil {
		return Buildinfo{}, err
	}
	b.Files, err = readLists(u.what, u.p, checksumLists("Checksums-Md5", false), "Checksums-Sha256")
	if err != nil {
		return Buildinfo{}, err
	}
	return b, nil
}
