package aptrepo

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"slipway/bot/errs"
)

// Compression is a form in which indexes are shipped.
type Compression string

// The forms. The checksum of the plain form is listed in every case: apt takes an archive whose
// plain Packages is not listed for empty, without a word.
const (
	Plain Compression = ""
	Gzip  Compression = ".gz" // many members, which apt reads
	XZ    Compression = ".xz" // one stream: apt 2.6 reads no further than the first; slow to make
)

// Suite says how one suite is built. Zero values get defaults where the field says so.
type Suite struct {
	Name        string // field Suite, and the name under dists
	Codename    string // apt pins it: see [Change.Allow]; default Name
	Origin      string // pinned too
	Label       string // pinned too
	Version     string
	Description string // one line

	Components    []string // default main
	Architectures []string // those of clients; "all" goes into each and is not listed itself

	Compressions []Compression // what is shipped; default Plain and Gzip. Plain only if listed.
	Algorithms   []Algorithm   // default SHA256
	ByHash       bool          // Acquire-By-Hash; without it clients that read during a publication fail
	Contents     bool          // ships Contents-<architecture>.gz, which tells which package has a file

	ValidFor             time.Duration // 0 writes no Valid-Until
	NotAutomatic         bool
	ButAutomaticUpgrades bool // needs NotAutomatic

	Versions int           // how many versions of one package an index keeps; default 1, the newest
	Keep     time.Duration // how long files of an old generation can still be fetched; default 24 h
	// History is how many published generations stay, whatever their age; the current one is the
	// first of them, and of neighbours with the same packages only the newest counts. Default 2, the
	// least with which a publication can be taken back.
	History   int
	StagedFor time.Duration // how long one waits for its signatures before a cleanup drops it; default 30 days
	Snapshots int           // how many snapshots stay; 0 makes none
	// SnapshotsFor is how long a snapshot stays, 0 for ever. One that is beyond either bound goes.
	SnapshotsFor time.Duration
}

var (
	nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9+.~_-]*$`)
	archForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)
	// unfinishedDir are ends of names that mean something else, in the folder of generations or in ROOT/tmp.
	unfinishedDir = regexp.MustCompile(`\.(staging|staged|json|tmp|link|snapshot|incoming)$`)
)

// withDefaults is s checked and filled. Errors: Invalid.
func (s Suite) withDefaults() (Suite, error) {
	bad := func(hint, format string, args ...any) (Suite, error) {
		return s, errs.E("aptrepo.suite", errs.Invalid, fmt.Errorf("suite %q: "+format, append([]any{s.Name}, args...)...)).Hint("%s", hint)
	}
	if s.Codename == "" {
		s.Codename = s.Name
	}
	if len(s.Components) == 0 {
		s.Components = []string{"main"}
	}
	if s.Compressions == nil {
		s.Compressions = []Compression{Plain, Gzip}
	}
	if len(s.Algorithms) == 0 {
		s.Algorithms = []Algorithm{SHA256}
	}
	if s.Versions == 0 {
		s.Versions = 1
	}
	if s.Keep == 0 {
		s.Keep = 24 * time.Hour
	}
	if s.History == 0 {
		s.History = 2
	}
	if s.StagedFor == 0 {
		s.StagedFor = 30 * 24 * time.Hour
	}
	// Lists are kept in one order, so that the same configuration gives the same Release.
	s.Algorithms = slices.Sorted(slices.Values(s.Algorithms))
	s.Architectures = slices.Sorted(slices.Values(s.Architectures))
	switch {
	case !nameForm.MatchString(s.Name) || unfinishedDir.MatchString(s.Name):
		return bad("use letters, digits and + . ~ _ -", "that is no name for a suite")
	case !nameForm.MatchString(s.Codename):
		return bad("use letters, digits and + . ~ _ -", "%q is no codename", s.Codename)
	case len(s.Architectures) == 0:
		return bad("list what your clients run, such as amd64", "it has no architecture; apt would find an empty archive")
	case s.History < 2:
		return bad("keep 2 or more", "with a history of %d a publication could not be taken back", s.History)
	case s.Versions < 0 || s.Keep < 0 || s.StagedFor < 0 || s.ValidFor < 0 || s.Snapshots < 0 || s.SnapshotsFor < 0:
		return bad("use 0 for the default", "a number is negative")
	case s.ButAutomaticUpgrades && !s.NotAutomatic:
		return bad("set both or none", "ButAutomaticUpgrades means nothing without NotAutomatic")
	case !slices.Contains(s.Algorithms, SHA256) && !slices.Contains(s.Algorithms, SHA512):
		return bad("add SHA256", "apt refuses an archive with only MD5Sum or SHA1 as too weak")
	case len(s.Compressions) == 0:
		return bad("ship Plain or Gzip", "it ships no index at all")
	}
	for _, c := range s.Components {
		if !nameForm.MatchString(c) || c == "by-hash" {
			return bad("use letters, digits and + . ~ _ -", "%q is no component", c)
		}
	}
	for _, a := range s.Architectures {
		if !archForm.MatchString(a) || a == "all" || a == "source" || a == "any" {
			return bad("list those of clients, such as amd64; packages for all go into each", "%q is no architecture of a client", a)
		}
	}
	for _, c := range s.Compressions {
		if c != Plain && c != Gzip && c != XZ {
			return bad(`use "", ".gz" or ".xz"`, "%q is no compression", c)
		}
	}
	for _, a := range s.Algorithms {
		if a >= algorithms {
			return bad("use MD5Sum, SHA1, SHA256 or SHA512", "%v is not known", a)
		}
	}
	for _, list := range [][]string{s.Components, s.Architectures} {
		if sorted := slices.Sorted(slices.Values(list)); len(slices.Compact(sorted)) != len(list) {
			return bad("name each once", "%s has a name twice", strings.Join(list, " "))
		}
	}
	if len(slices.Compact(slices.Clone(s.Algorithms))) != len(s.Algorithms) {
		return bad("name each once", "an algorithm stands twice")
	}
	for _, f := range s.texts() {
		if err := oneLine(f[1]); err != nil {
			return bad("write one line of plain text", "%s %w", f[0], err)
		}
	}
	return s, nil
}

func (s Suite) texts() [][2]string {
	return [][2]string{{"Origin", s.Origin}, {"Label", s.Label}, {"Version", s.Version}, {"Description", s.Description}}
}

// oneLine refuses what a clear-signed Release could not carry unchanged.
func oneLine(text string) error {
	switch {
	case !utf8.ValidString(text):
		return fmt.Errorf("is not UTF-8")
	case strings.TrimSpace(text) != text:
		return fmt.Errorf("has a blank at an end")
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("has the unprintable character %U", r)
		}
	}
	return nil
}

// index names one Packages or Sources file of a suite.
type index struct{ component, arch string }

const sourceArch = "source"

func (i index) dir() string {
	if i.arch == sourceArch {
		return i.component + "/source"
	}
	return i.component + "/binary-" + i.arch
}

func (i index) path() string {
	if i.arch == sourceArch {
		return i.dir() + "/Sources"
	}
	return i.dir() + "/Packages"
}

// indexes are all that the suite may have, the source ones last within their component.
func (s Suite) indexes() []index {
	var all []index
	for _, c := range s.Components {
		for _, a := range s.Architectures {
			all = append(all, index{c, a})
		}
		all = append(all, index{c, sourceArch})
	}
	return all
}
