package aptrepo

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/debian"
)

// dateForm is the form of Date and Valid-Until; apt takes the zone UTC.
const dateForm = "Mon, 02 Jan 2006 15:04:05 UTC"

// entry is one file that a Release lists.
type entry struct {
	path string // from the suite
	size int64
	sums sums
}

// release is what a Release file says.
type release struct {
	fields        debian.Paragraph
	date, until   time.Time // until is zero when there is no Valid-Until
	entries       []entry   // sorted by path
	algs          []Algorithm
	components    []string
	architectures []string
	byHash        bool
}

// releaseBytes writes the Release file of a suite.
func releaseBytes(s Suite, date time.Time, entries []entry) []byte {
	var p debian.Paragraph
	set := func(name, value string) {
		if value != "" {
			p.Set(name, value)
		}
	}
	yes := func(name string, on bool) {
		if on {
			p.Set(name, "yes")
		}
	}
	set("Origin", s.Origin)
	set("Label", s.Label)
	set("Suite", s.Name)
	set("Version", s.Version)
	set("Codename", s.Codename)
	set("Date", date.UTC().Format(dateForm))
	if s.ValidFor > 0 {
		set("Valid-Until", date.Add(s.ValidFor).UTC().Format(dateForm))
	}
	yes("NotAutomatic", s.NotAutomatic)
	yes("ButAutomaticUpgrades", s.ButAutomaticUpgrades)
	yes("Acquire-By-Hash", s.ByHash)
	set("Architectures", strings.Join(s.Architectures, " "))
	set("Components", strings.Join(s.Components, " "))
	set("Description", s.Description)
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.path, b.path) })
	for _, alg := range s.Algorithms {
		var list strings.Builder
		for _, e := range entries {
			fmt.Fprintf(&list, "\n%s %d %s", e.sums[alg], e.size, e.path)
		}
		if len(entries) > 0 {
			p.Set(alg.String(), list.String())
		}
	}
	return p.AppendTo(nil)
}

// parseRelease reads a Release file. Errors: Corrupt, since only files of ours are read.
func parseRelease(text []byte) (release, error) {
	bad := func(err error) (release, error) {
		return release{}, errs.E("aptrepo.release", errs.Corrupt, fmt.Errorf("a Release file of the archive cannot be read: %w", err)).
			Hint("run check on the suite, and roll back to a generation that passes")
	}
	p, err := debian.ParseParagraph("Release", text)
	if err != nil {
		return bad(err)
	}
	r := release{fields: p, byHash: p.Get("Acquire-By-Hash") == "yes",
		components: strings.Fields(p.Get("Components")), architectures: strings.Fields(p.Get("Architectures"))}
	if r.date, err = time.Parse(dateForm, p.Get("Date")); err != nil {
		return bad(fmt.Errorf("its Date is %q", p.Get("Date")))
	}
	if until := p.Get("Valid-Until"); until != "" {
		if r.until, err = time.Parse(dateForm, until); err != nil {
			return bad(fmt.Errorf("its Valid-Until is %q", until))
		}
	}
	at := map[string]int{}
	for alg := range algorithms {
		if !p.Has(alg.String()) {
			continue
		}
		r.algs = append(r.algs, alg)
		for _, l := range p.Lines(alg.String()) {
			f := strings.Fields(l)
			if len(f) != 3 || !localPath(f[2]) || len(f[0]) != alg.new().Size()*2 || strings.Trim(f[0], "0123456789abcdef") != "" {
				return bad(fmt.Errorf("%s has the line %q", alg, l))
			}
			size, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil || size < 0 {
				return bad(fmt.Errorf("%s has the line %q", alg, l))
			}
			i, known := at[f[2]]
			if !known {
				i = len(r.entries)
				at[f[2]] = i
				r.entries = append(r.entries, entry{path: f[2], size: size})
			}
			if r.entries[i].size != size || r.entries[i].sums[alg] != "" {
				return bad(fmt.Errorf("%s is listed twice or with two sizes", f[2]))
			}
			r.entries[i].sums[alg] = f[0]
		}
	}
	slices.SortFunc(r.entries, func(a, b entry) int { return strings.Compare(a.path, b.path) })
	return r, nil
}

// find is the entry of a path.
func (r release) find(path string) (entry, bool) {
	i, ok := slices.BinarySearchFunc(r.entries, path, func(e entry, p string) int { return strings.Compare(e.path, p) })
	if !ok {
		return entry{}, false
	}
	return r.entries[i], true
}

// localPath refuses paths that could lead out of the folder they are joined to.
func localPath(p string) bool {
	if p == "" || p[0] == '/' {
		return false
	}
	for part := range strings.SplitSeq(p, "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return !strings.ContainsAny(p, "\\\x00")
}

// byHashPath is where the file of an entry lies by its checksum.
func byHashPath(path string, alg Algorithm, sum string) string {
	dir := ""
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		dir = path[:i+1]
	}
	return dir + "by-hash/" + alg.String() + "/" + sum
}
