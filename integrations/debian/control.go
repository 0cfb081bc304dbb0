package debian

import (
	"bytes"
	"io"
	"slices"
	"strings"
)

// SourceControl is debian/control: one source package and its binary packages (Debian Policy
// 5.2). Values may still hold substitution variables.
type SourceControl struct {
	Name     string
	Section  string // of the source; binaries may have others
	Source   Paragraph
	Binaries []BinaryControl
}

// BinaryControl is one binary package of debian/control.
type BinaryControl struct {
	Name          string
	Architectures []string // as written: "any", "all", "linux-any", "amd64 arm64"
	Section       string   // its own or else the source's
	Fields        Paragraph
}

// ParseControl reads debian/control. Errors are of kind Invalid and name the line.
func ParseControl(data []byte) (SourceControl, error) {
	const what = "debian/control"
	r := NewReader(bytes.NewReader(data))
	r.Name, r.Handwritten = what, true
	bad := func(hint, format string, args ...any) (SourceControl, error) {
		return SourceControl{}, invalidLine("control", what, r.Line(), hint, format, args...)
	}
	p, err := r.Next()
	if err == io.EOF {
		return SourceControl{}, invalid("control", "Begin it with Source: name", "debian/control is empty")
	}
	if err != nil {
		return SourceControl{}, err
	}
	c := SourceControl{Name: p.Get("Source"), Section: p.Get("Section"), Source: p}
	if !p.Has("Source") || p.Has("Package") {
		return bad("Begin the file with Source: name", "begins a paragraph that is not of a source package")
	}
	if err := CheckPackageName(c.Name); err != nil {
		return SourceControl{}, err
	}
	seen := map[string]bool{}
	for {
		p, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return SourceControl{}, err
		}
		b := BinaryControl{Name: p.Get("Package"), Architectures: strings.Fields(p.Get("Architecture")), Section: p.Get("Section"), Fields: p}
		if !p.Has("Package") || p.Has("Source") {
			return bad("Write Package: name", "begins a paragraph that is not of a binary package")
		}
		if err := CheckPackageName(b.Name); err != nil {
			return SourceControl{}, err
		}
		if seen[b.Name] {
			return bad("Keep one of them", "begins the package %s again", b.Name)
		}
		seen[b.Name] = true
		if len(b.Architectures) == 0 {
			return bad("Write Architecture: any, or all", "begins the package %s, which has no Architecture", b.Name)
		}
		for _, a := range b.Architectures {
			alone := a == "any" || a == "all"
			if alone && len(b.Architectures) > 1 || len(a) > 60 || !word(a, "-") || a == "source" {
				return bad("Write any, or all, or names such as amd64 linux-any", "begins the package %s, whose Architecture is %q",
					b.Name, shorten(p.Get("Architecture")))
			}
		}
		if b.Section == "" {
			b.Section = c.Section
		}
		c.Binaries = append(c.Binaries, b)
	}
	if len(c.Binaries) == 0 {
		return SourceControl{}, invalid("control", "Add a paragraph with Package: name", "debian/control has no binary package")
	}
	return c, nil
}

// Builds is the names of the binary packages that a build on the architecture makes, without
// those for all.
func (c SourceControl) Builds(arch string) []string {
	var names []string
	for _, b := range c.Binaries {
		if slices.ContainsFunc(b.Architectures, func(w string) bool { return MatchArchitecture(w, arch) }) {
			names = append(names, b.Name)
		}
	}
	return names
}

// Component splits a section: "contrib/net" is net in contrib, "net" is net in main (Debian
// Policy 2.4).
func Component(section string) (component, name string) {
	if c, rest, found := strings.Cut(section, "/"); found {
		return c, rest
	}
	return "main", section
}

// wildcard reports whether an architecture of debian/control stands for several (Debian Policy
// 11.1.1).
func wildcard(arch string) bool {
	return arch == "any" || strings.HasPrefix(arch, "any-") || strings.HasSuffix(arch, "-any") || strings.Contains(arch, "-any-")
}

// MatchArchitecture reports whether a name or wildcard of debian/control stands for the built
// architecture arch. It knows any, os-any and any-cpu; "all" is matched by "all" only.
func MatchArchitecture(pattern, arch string) bool {
	if pattern == arch {
		return true
	}
	if arch == "all" || arch == "source" {
		return false
	}
	system, cpu := "linux", arch
	if i := strings.LastIndexByte(arch, '-'); i >= 0 {
		system, cpu = arch[:i], arch[i+1:]
	}
	switch cpu { // these names are of an ABI as well as of a processor
	case "armel", "armhf":
		cpu = "arm"
	case "x32":
		cpu = "amd64"
	}
	if want, found := strings.CutPrefix(pattern, "any-"); found {
		return want == cpu || want == "any"
	}
	if want, found := strings.CutSuffix(pattern, "-any"); found {
		return want == system
	}
	return pattern == "any"
}
