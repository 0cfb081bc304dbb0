package release

import (
	"fmt"
	"strconv"
	"strings"
)

// Severity is how grave a [Finding] is.
type Severity string

const (
	Error   Severity = "error"   // the release may not be made like this
	Warning Severity = "warning" // it may, but a person should know
)

// Finding is one thing that is wrong, or strange, about a release.
type Finding struct {
	Code     string   `json:"code"` // stable, e.g. "version.not_above"
	Severity Severity `json:"severity"`
	Text     string   `json:"text"` // what was found, naming the input
	Fix      string   `json:"fix"`  // what to do about it
}

// Blocking reports whether one of the findings is an error.
func Blocking(findings []Finding) bool {
	for _, f := range findings {
		if f.Severity == Error {
			return true
		}
	}
	return false
}

// LintVersion checks the number of a new release against the tags that exist. Tags that are no
// releases are left out.
//
// A release must sort above every release of its line, in dpkg's order, or those who have
// installed the other one never see it. The line of YYYY.MM is all releases; of YYYY.MM.N it is
// that month; of 1.2.3 it is 1.2, of 1.2.0 it is 1, and of 1.0.0 all.
func LintVersion(v Version, tags []string) []Finding {
	var found []Finding
	add := func(code string, s Severity, fix, format string, args ...any) {
		found = append(found, Finding{Code: code, Severity: s, Text: fmt.Sprintf(format, args...), Fix: fix})
	}
	var newest, newestOfLine *Version
	base := false
	for _, tag := range tags {
		w, ok := ReadTag(v.Scheme, tag)
		if !ok {
			continue
		}
		if v.Equal(w) {
			add("version.exists", Error, "choose "+v.free(w, tags)+", or rename this release",
				"%s is released already: the tag %s exists", v, tag)
			return found
		}
		if newest == nil || w.Compare(*newest) > 0 {
			newest = &w
		}
		if v.sameLine(w) && (newestOfLine == nil || w.Compare(*newestOfLine) > 0) {
			newestOfLine = &w
		}
		base = base || v.point() && v.base() == w.base() && !w.point()
	}
	switch {
	case newest == nil:
		return found
	case newestOfLine != nil && v.Compare(*newestOfLine) < 0:
		add("version.not_above", Error, "choose a version above "+newestOfLine.Text+", for example "+v.free(*newestOfLine, tags),
			"%s sorts below %s, so whoever has that installed would never get it", v, newestOfLine)
	case v.Compare(*newest) < 0:
		add("version.old_line", Warning, "check that nothing named latest moves back to it",
			"%s is a release of an older line: the newest release is %s", v, newest)
	}
	if v.point() && !base {
		add("version.no_base", Warning, "check the version; the first release of this line would be "+v.base(),
			"%s is a point release of %s, which is not among the tags", v, v.base())
	}
	if gap := v.years(*newest); gap > 1 {
		add("version.far", Warning, "check the year; a version that is once out can never be lowered",
			"%s is %d years after %s", v, gap, newest)
	}
	return found
}

// point reports whether v is a point release: YYYY.MM.N, or 1.2.3 with a last number above 0.
func (v Version) point() bool { return len(v.numbers) == 3 && v.numbers[2] != "" }

// base names what v would be a point release of.
func (v Version) base() string {
	b := Version{Scheme: v.Scheme, Text: v.Text, numbers: v.numbers[:2:2]}
	if v.Scheme == SemverLike && len(v.numbers) == 3 {
		b.numbers = append(b.numbers, "")
	}
	return b.fixed()
}

// sameLine reports whether v must sort above w.
func (v Version) sameLine(w Version) bool {
	same := func(n int) bool {
		for i := range n {
			if v.numbers[i] != w.numbers[i] {
				return false
			}
		}
		return true
	}
	switch {
	case v.point():
		return same(2)
	case v.Scheme == SemverLike && v.numbers[1] != "":
		return same(1)
	}
	return true
}

// free is the first version of v's kind above w that no tag forbids.
func (v Version) free(w Version, tags []string) string {
	for {
		text := v.next(w)
		p, err := ParseVersion(v.Scheme, text)
		if err != nil {
			return text
		}
		over := p.overtaken(tags)
		if over == nil {
			return text
		}
		v, w = p, *over
	}
}

// overtaken is the highest release among tags that is v or sorts above it in its line, or nil.
func (v Version) overtaken(tags []string) (over *Version) {
	for _, tag := range tags {
		w, ok := ReadTag(v.Scheme, tag)
		if !ok || !v.Equal(w) && (!v.sameLine(w) || v.Compare(w) > 0) {
			continue
		}
		if over == nil || w.Compare(*over) > 0 {
			over = &w
		}
	}
	return over
}

// next is the first version of v's kind above w.
func (v Version) next(w Version) string {
	n := make([]int, 3)
	for i, digits := range w.numbers {
		n[i], _ = strconv.Atoi("0" + digits)
	}
	if v.Scheme == SemverLike {
		prefix := ""
		if strings.HasPrefix(v.Text, "v") {
			prefix = "v"
		}
		switch {
		case w.pre != "":
			return fmt.Sprintf("%s%d.%d.%d", prefix, n[0], n[1], n[2])
		case !v.point() && !v.Equal(w):
			return fmt.Sprintf("%s%d.%d.0", prefix, n[0], n[1]+1)
		}
		return fmt.Sprintf("%s%d.%d.%d", prefix, n[0], n[1], n[2]+1)
	}
	if !v.point() && !v.Equal(w) || w.post {
		// Nothing of the form YYYY.MM.N sorts above YYYY.MM.postN.
		if n[1]++; n[1] > 12 {
			n[0], n[1] = n[0]+1, 1
		}
		return fmt.Sprintf("%04d.%02d", n[0], n[1])
	}
	return fmt.Sprintf("%04d.%02d.%d", n[0], n[1], n[2]+1)
}

// years is how many years v is after w; 0 outside the calendar scheme.
func (v Version) years(w Version) int {
	if v.Scheme != Calendar {
		return 0
	}
	a, _ := strconv.Atoi(v.numbers[0])
	b, _ := strconv.Atoi(w.numbers[0])
	return a - b
}
