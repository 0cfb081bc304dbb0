package debian

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// maxDescription bounds .changes and .dsc; those of the kernel have less than a megabyte.
const maxDescription = 8 << 20

// merger is one performance of debian.packages.
type merger struct {
	ctx      context.Context
	contents Contents
	in       PackagesIn

	files   map[string][]Artifact // by name; more than one only of logs and reports
	builds  []build
	listed  map[string]ListedFile
	dsc     DSC
	dscName string
	debs    []madeBinary
	source  []string // names of the .dsc and its files
}

// build is one .changes.
type build struct {
	name string
	Changes
}

// madeBinary is one .deb or .udeb.
type madeBinary struct{ file, name, arch string }

func (m *merger) bad(hint, format string, args ...any) error {
	return invalid("packages", hint, format, args...)
}

// index gathers the artifacts by name. Two builds may both leave a log and a report.
func (m *merger) index() error {
	m.files = map[string][]Artifact{}
	for _, f := range m.in.Files {
		have := m.files[f.Name]
		if slices.ContainsFunc(have, func(h Artifact) bool { return h.Digest == f.Digest && h.Size == f.Size }) {
			continue
		}
		if len(have) > 0 && forArchive(f.Name) {
			return m.bad("Let one build make it: further architectures are built with -B", "%s is there twice, with different content", shorten(f.Name))
		}
		m.files[f.Name] = append(have, f)
	}
	return nil
}

// forArchive reports whether files with this name are judged here; others, such as logs, are not.
func forArchive(name string) bool {
	for _, ext := range []string{".changes", ".dsc", ".deb", ".udeb", ".buildinfo"} {
		if strings.HasSuffix(name, ext) {
			return true
		}
	}
	return strings.Contains(name, ".tar.")
}

// open opens an artifact by name.
func (m *merger) open(name string) (*os.File, error) {
	f := m.files[name]
	if len(f) != 1 {
		return nil, m.bad("Let the build leave all its files, and fetch all of them", "%s is not among the artifacts", shorten(name))
	}
	r, size, err := m.contents.Open(m.ctx, f[0].Digest)
	if err != nil {
		return nil, notReadable(name, err)
	}
	if size != int64(f[0].Size) {
		r.Close()
		return nil, m.bad("Fetch the artifacts again", "%s should have %d bytes and has %d", shorten(name), f[0].Size, size)
	}
	return r, nil
}

// text reads a whole small artifact.
func (m *merger) text(name string) ([]byte, error) {
	r, err := m.open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxDescription+1))
	if err != nil {
		return nil, notReadable(name, err)
	}
	if len(data) > maxDescription {
		return nil, m.bad("Check that this is the right file", "%s is larger than %d bytes", shorten(name), maxDescription)
	}
	return data, nil
}

func (m *merger) names(suffix string) []string {
	var names []string
	for name := range m.files {
		if strings.HasSuffix(name, suffix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// readChanges reads every .changes: one source, one version, as expected.
func (m *merger) readChanges() error {
	names := m.names(".changes")
	if len(names) == 0 {
		return m.bad("Let the build leave its .changes in $CI_ARTIFACTS", "no build left a .changes")
	}
	m.listed = map[string]ListedFile{}
	from := map[string]string{}
	for _, name := range names {
		data, err := m.text(name)
		if err != nil {
			return err
		}
		c, err := ParseChanges(data)
		if err != nil {
			return notReadable(name, err)
		}
		if c.Source != m.in.Source {
			return m.bad("Check which repository was built", "%s is of the source %s, not of %s", name, c.Source, m.in.Source)
		}
		if err := checkRelease(name, m.in.Version, c.Version); err != nil {
			return err
		}
		if c.SourceVersion != c.Version {
			return m.bad("Build the source itself", "%s has binaries of the version %s, built again from the source %s", name, c.Version, c.SourceVersion)
		}
		if len(m.builds) > 0 && m.builds[0].Version != c.Version {
			return m.bad("Build all architectures from one commit", "%s is of the version %s, and %s of %s", m.builds[0].name, m.builds[0].Version, name, c.Version)
		}
		for _, f := range c.Files {
			other, twice := m.listed[f.Name]
			switch {
			case twice && strings.HasSuffix(f.Name, "_all.deb"):
				return m.bad("Build further architectures with -B, which leaves those for all out", "%s was made by two builds, %s and %s", f.Name, from[f.Name], name)
			case twice && (other.SHA256 != f.SHA256 || other.Size != f.Size):
				return m.bad("Let one build make it: further architectures are built with -B", "%s and %s list %s with different content", from[f.Name], name, f.Name)
			}
			m.listed[f.Name], from[f.Name] = f, name
		}
		m.builds = append(m.builds, build{name, c})
	}
	for _, suffix := range []string{".deb", ".udeb", ".dsc"} {
		for _, name := range m.names(suffix) {
			if _, found := m.listed[name]; !found {
				return m.bad("Remove it from $CI_ARTIFACTS, or let its build leave its .changes", "%s is in no .changes", shorten(name))
			}
		}
	}
	return nil
}

// verify reads every listed file and compares its size and digests.
func (m *merger) verify() error {
	for _, b := range m.builds {
		err := Verify(b.Files, func(name string) (io.ReadCloser, error) { return m.open(name) })
		if err != nil {
			return notReadable(b.name, err)
		}
	}
	return nil
}

// readSource finds the one .dsc and the files it names.
func (m *merger) readSource() error {
	names := m.names(".dsc")
	switch len(names) {
	case 0:
		return m.bad("Build one architecture with the source", "no build has the source")
	case 1:
		m.dscName = names[0]
	default:
		return m.bad("Build one architecture with the source and all others with -B", "two builds have a source: %s", strings.Join(names, " and "))
	}
	data, err := m.text(m.dscName)
	if err != nil {
		return err
	}
	if m.dsc, err = ParseDSC(data); err != nil {
		return notReadable(m.dscName, err)
	}
	built := m.builds[0].Version
	if m.dsc.Source != m.in.Source || m.dsc.Version != built {
		return m.bad("Build the source again", "%s is of %s %s, not of %s %s", m.dscName, m.dsc.Source, m.dsc.Version, m.in.Source, built)
	}
	if want := m.in.Source + "_" + built.NoEpoch() + ".dsc"; m.dscName != want {
		return m.bad("Build the source again", "%s should have the name %s", m.dscName, want)
	}
	if err := Verify(m.dsc.Files, func(name string) (io.ReadCloser, error) { return m.open(name) }); err != nil {
		return notReadable(m.dscName, err)
	}
	m.source = []string{m.dscName}
	for _, f := range m.dsc.Files {
		m.source = append(m.source, f.Name)
	}
	return nil
}

// readBinaries compares what each package says of itself with its name and its build.
func (m *merger) readBinaries() error {
	for _, b := range m.builds {
		for _, f := range b.Files {
			if !strings.HasSuffix(f.Name, ".deb") && !strings.HasSuffix(f.Name, ".udeb") {
				continue
			}
			if err := m.readBinary(b, f.Name); err != nil {
				return err
			}
		}
	}
	if len(m.debs) == 0 {
		return m.bad("Build binary packages too", "no build made a binary package")
	}
	return nil
}

func (m *merger) readBinary(b build, file string) error {
	r, err := m.open(file)
	if err != nil {
		return err
	}
	defer r.Close()
	d, err := ReadDeb(r, m.listed[file].Size)
	if err != nil {
		return notReadable(file, err)
	}
	control := d.Control
	name, arch := control.Get("Package"), control.Get("Architecture")
	v, err := ParseVersion(control.Get("Version"))
	if err != nil {
		return notReadable(file, err)
	}
	base, ext := strings.TrimSuffix(strings.TrimSuffix(file, ".udeb"), ".deb"), "."+file[strings.LastIndexByte(file, '.')+1:]
	if want := name + "_" + v.NoEpoch() + "_" + arch; base != want {
		return m.bad("Build it again with dpkg-buildpackage", "%s says of itself that it is %s%s", file, want, ext)
	}
	if !slices.Contains(b.Architectures, arch) {
		return m.bad("Build it again with dpkg-buildpackage", "%s lists %s, but not the architecture %s", b.name, file, arch)
	}
	source, of := name, v
	if text := control.Get("Source"); text != "" {
		found := sourceField.FindStringSubmatch(text)
		if found == nil {
			return m.bad("Build it again with dpkg-buildpackage", "%s has the source %q", file, shorten(text))
		}
		if source = found[1]; found[2] != "" {
			if of, err = ParseVersion(found[2]); err != nil {
				return notReadable(file, err)
			}
		}
	}
	if source != m.in.Source || of != b.Version {
		return m.bad("Build all packages from one source", "%s is of the source %s %s, not of %s %s", file, source, of, m.in.Source, b.Version)
	}
	if !slices.ContainsFunc(m.debs, func(have madeBinary) bool { return have.file == file }) {
		m.debs = append(m.debs, madeBinary{file, name, arch})
	}
	return nil
}

// complete checks that every architecture that is required has every package that the source
// promises for it. Packages under a build profile are not promised.
func (m *merger) complete() error {
	have := func(name, arch string) bool {
		return slices.ContainsFunc(m.debs, func(b madeBinary) bool { return b.arch == arch && (name == "" || b.name == name) })
	}
	for _, line := range m.dsc.Fields.Lines("Package-List") {
		words := strings.Fields(line) // name type section priority key=value…
		if len(words) < 5 || slices.ContainsFunc(words[4:], func(w string) bool { return strings.HasPrefix(w, "profile=") }) {
			continue
		}
		for _, w := range words[4:] {
			patterns, found := strings.CutPrefix(w, "arch=")
			if !found {
				continue
			}
			for _, arch := range append([]string{"all"}, m.in.Architectures...) {
				promised := slices.ContainsFunc(strings.Split(patterns, ","), func(p string) bool { return MatchArchitecture(p, arch) })
				if promised && !have(words[0], arch) {
					return m.bad("Build "+arch+" too, and fetch what it leaves", "the package %s for %s is missing", words[0], arch)
				}
			}
		}
	}
	for _, arch := range m.in.Architectures {
		if !have("", arch) && !m.promisesNothing(arch) {
			return m.bad("Build "+arch+" too, and fetch what it leaves", "there is no package for %s", arch)
		}
	}
	return nil
}

// promisesNothing reports whether the source, by its own list, has no package for arch: all of
// them are for all.
func (m *merger) promisesNothing(arch string) bool {
	lines := m.dsc.Fields.Lines("Package-List")
	for _, line := range lines {
		for w := range strings.FieldsSeq(line) {
			patterns, found := strings.CutPrefix(w, "arch=")
			if found && slices.ContainsFunc(strings.Split(patterns, ","), func(p string) bool { return MatchArchitecture(p, arch) }) {
				return false
			}
		}
	}
	return len(lines) > 0
}

func (m *merger) out() PackagesOut {
	out := PackagesOut{Files: []Artifact{}, Packages: []string{}, Architectures: []string{}, Version: m.dsc.Version.String()}
	files := slices.Clone(m.source)
	for _, b := range m.debs {
		files = append(files, b.file)
		out.Packages = append(out.Packages, b.name)
		out.Architectures = append(out.Architectures, b.arch)
	}
	slices.Sort(files)
	slices.Sort(out.Packages)
	slices.Sort(out.Architectures)
	out.Packages, out.Architectures = slices.Compact(out.Packages), slices.Compact(out.Architectures)
	var list strings.Builder
	for _, name := range slices.Compact(files) {
		f := m.files[name][0]
		out.Files = append(out.Files, f)
		fmt.Fprintf(&list, "%s %s %d\n", f.Name, f.Digest, f.Size)
	}
	out.Digest = action.DigestOf([]byte(list.String()))
	return out
}

// lintian counts what the reports of the builds say. A release that is to be judged by lintian and
// has no report is refused, not passed.
func (m *merger) lintian(out *PackagesOut) error {
	if m.in.Lintian == "" || m.in.Lintian == "off" {
		return nil
	}
	var reports []Artifact
	for _, name := range m.names("lintian.txt") {
		reports = append(reports, m.files[name]...)
	}
	if len(reports) == 0 {
		return m.bad("Build with --lintian", "no build left a lintian.txt")
	}
	var bad, poor []string
	for _, f := range reports {
		r, size, err := m.contents.Open(m.ctx, f.Digest)
		if err != nil {
			return notReadable(f.Name, err)
		}
		if size > maxDescription { // half of it could hide the errors
			r.Close()
			return m.bad("Mend what it reports most", "%s is larger than %d bytes", shorten(f.Name), maxDescription)
		}
		data, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			return notReadable(f.Name, err)
		}
		for line := range strings.Lines(string(data)) {
			line = strings.TrimSpace(line)
			switch {
			case strings.HasPrefix(line, "E: "):
				bad = append(bad, shorten(line))
			case strings.HasPrefix(line, "W: "):
				poor = append(poor, shorten(line))
			}
		}
	}
	out.LintianErrors, out.LintianWarnings = len(bad), len(poor)
	shown := append(bad, poor...)
	out.Lintian = strings.Join(shown[:min(len(shown), 20)], "\n")
	if m.in.Lintian == "gate" && out.LintianErrors > 0 {
		return errs.E("debian.packages", errs.Failed, fmt.Errorf("lintian reports %d errors, the first: %s", out.LintianErrors, shown[0])).
			Hint("Mend the package, or override the tag in debian/source/lintian-overrides with a reason")
	}
	return nil
}
