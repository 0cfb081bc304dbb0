package release

import (
	"fmt"
	"regexp"
	"strings"

	"slipway/bot/errs"
	"slipway/bot/version"
)

// Scheme is how a project numbers its releases.
type Scheme string

const (
	Calendar   Scheme = "calendar"    // YYYY.MM and YYYY.MM.N
	SemverLike Scheme = "semver-like" // 1.2.3 or v1.2.3, with an optional -rc1
)

// Version is one release number. The zero Version is none.
type Version struct {
	Scheme Scheme
	Text   string // as it was written; also the name of the tag

	// numbers without leading zeros: year, month, point release; or major, minor, patch.
	numbers []string
	post    bool   // calendar: YYYY.MM.postN, the form of point releases before 2022
	pre     string // semver-like: what follows the hyphen
}

var (
	calendarForm = regexp.MustCompile(`^([0-9]{4})\.([0-9]{1,2})(?:(\.|\.?post)([0-9]{1,6}))?$`)
	semverForm   = regexp.MustCompile(`^(v?)([0-9]{1,9})\.([0-9]{1,9})(?:\.([0-9]{1,9}))?(?:-([0-9A-Za-z][0-9A-Za-z.]{0,40}))?$`)
)

// ParseScheme reads the name of a scheme; "" is [Calendar].
func ParseScheme(name string) (Scheme, error) {
	switch Scheme(name) {
	case "", Calendar:
		return Calendar, nil
	case SemverLike:
		return SemverLike, nil
	}
	return "", errs.E("release.scheme", errs.Invalid, fmt.Errorf("there is no version scheme %q", name)).
		Hint("Use calendar (2019.01) or semver-like (1.2.3)")
}

// NewVersion reads the number of a release that is to be made. It refuses what [ParseVersion]
// refuses, and the old form YYYY.MM.postN.
func NewVersion(s Scheme, text string) (Version, error) {
	v, err := ParseVersion(s, text)
	if err != nil {
		return Version{}, err
	}
	if v.post {
		return Version{}, refuse("%q has the old form of a point release", text).
			Hint("Did you mean %s.%s.%s?", v.Text[:4], v.Text[5:7], v.numbers[2])
	}
	return v, nil
}

// ParseVersion reads a well-formed release number, old forms among them. Errors are of kind
// Invalid, name the number and say what to write.
func ParseVersion(s Scheme, text string) (Version, error) {
	v, ok := ReadTag(s, text)
	switch {
	case s == SemverLike:
		return parseSemver(text, v, ok)
	case s != Calendar:
		_, err := ParseScheme(string(s))
		return Version{}, err
	case !ok:
		return Version{}, unread(s, text, "it does not have the form YYYY.MM or YYYY.MM.N").
			Hint("Write the year, a point and a month of two digits, for example 2019.01 or 2019.01.1")
	}
	month := v.numbers[1]
	switch {
	case v.numbers[0] < "2000" || len(v.numbers[0]) != 4:
		return Version{}, unread(s, text, "the year must be 2000 or later").
			Hint("Write a year of four digits, for example 2019.01")
	case month == "" || len(month) == 2 && month > "12":
		return Version{}, unread(s, text, "there is no such month").Hint("Write a month from 01 to 12, for example 2019.01")
	case v.fixed() != text && len(text) > 6 && text[6] == '.' || len(text) == 6:
		return Version{}, unread(s, text, "the month has one digit").Hint("Did you mean %s?", v.fixed())
	case v.post && !strings.Contains(text, ".post"):
		return Version{}, unread(s, text, `a point is missing before "post"`).Hint("Did you mean %s?", v.fixed())
	case len(v.numbers) == 3 && v.numbers[2] == "":
		return Version{}, unread(s, text, "point releases are counted from 1").Hint("Did you mean %s.1?", text[:7])
	case v.fixed() != text:
		return Version{}, unread(s, text, "a number in it starts with 0").Hint("Did you mean %s?", v.fixed())
	}
	return v, nil
}

func parseSemver(text string, v Version, ok bool) (Version, error) {
	if !ok {
		return Version{}, unread(SemverLike, text, "it does not have the form 1.2.3").
			Hint("Write two or three numbers with points between them, for example 1.2.3, v1.2.3 or 1.2.3-rc1")
	}
	if v.fixed() != text {
		return Version{}, unread(SemverLike, text, "a number in it starts with 0").Hint("Did you mean %s?", v.fixed())
	}
	return v, nil
}

// unread refuses text as a version, saying what is wrong with which characters first: a version
// ends up in file names, tags and package versions, so those come before the form.
func unread(s Scheme, text, why string) *errs.Error {
	for _, c := range text {
		if !isAlnum(c) && !strings.ContainsRune(".+-~", c) {
			why = fmt.Sprintf("%q may not stand in a version", c)
			break
		}
	}
	if text == "" {
		return refuse("the version is missing")
	}
	return refuse("%q is not a version this project can use: %s", shorten(text), why)
}

func refuse(format string, args ...any) *errs.Error {
	return errs.E("release.version", errs.Invalid, fmt.Errorf(format, args...))
}

func shorten(text string) string {
	text = OneLine(text)
	if r := []rune(text); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return text
}

// ReadTag reads any form that was ever used for a release, as tags have it: one-digit months,
// YYYY.MM.postN and YYYY.MpostN too. It reports false for tags that name no release
// ("debian/2019.01-1", "show").
func ReadTag(s Scheme, tag string) (Version, bool) {
	v := Version{Scheme: s, Text: tag}
	switch s {
	case Calendar:
		m := calendarForm.FindStringSubmatch(tag)
		if m == nil {
			return Version{}, false
		}
		v.numbers = []string{m[1], strings.TrimLeft(m[2], "0")}
		if m[4] != "" {
			v.numbers = append(v.numbers, strings.TrimLeft(m[4], "0"))
			v.post = m[3] != "."
		}
	case SemverLike:
		m := semverForm.FindStringSubmatch(tag)
		if m == nil {
			return Version{}, false
		}
		for _, n := range m[2:5] {
			if n != "" {
				v.numbers = append(v.numbers, strings.TrimLeft(n, "0"))
			}
		}
		v.pre = m[5]
	default:
		return Version{}, false
	}
	return v, true
}

// fixed is v as it should have been written.
func (v Version) fixed() string {
	n := make([]string, len(v.numbers))
	for i := range n {
		if n[i] = v.numbers[i]; n[i] == "" {
			n[i] = "0"
		}
	}
	if v.Scheme == Calendar {
		if len(n[1]) == 1 {
			n[1] = "0" + n[1]
		}
		if v.post {
			n[2] = "post" + n[2]
		}
		return strings.Join(n, ".")
	}
	text := strings.Join(n, ".")
	if strings.HasPrefix(v.Text, "v") {
		text = "v" + text
	}
	if v.pre != "" {
		text += "-" + v.pre
	}
	return text
}

func (v Version) String() string { return v.Text }

// Upstream is v as the upstream part of a package version: without a leading v, and with a
// tilde before a pre-release, which dpkg sorts before the release itself.
func (v Version) Upstream() string {
	text := strings.TrimPrefix(v.Text, "v")
	if v.pre != "" {
		text = strings.TrimSuffix(text, "-"+v.pre) + "~" + v.pre
	}
	return text
}

// TagLike is the name of v's tag, in the style of the newest release among tags: 1.1.0 is tagged
// v1.1.0 where v1.0.0 was the last one.
func (v Version) TagLike(tags []string) string {
	var newest *Version
	for _, tag := range tags {
		if w, ok := ReadTag(v.Scheme, tag); ok && (newest == nil || w.Compare(*newest) > 0) {
			newest = &w
		}
	}
	if newest == nil || v.Scheme != SemverLike {
		return v.Text
	}
	text := strings.TrimPrefix(v.Text, "v")
	if strings.HasPrefix(newest.Text, "v") {
		text = "v" + text
	}
	return text
}

// Debian is the package version with this revision, which counts from 1: "2019.01-1".
func (v Version) Debian(revision int) string {
	return fmt.Sprintf("%s-%d", v.Upstream(), max(revision, 1))
}

// Compare orders releases as dpkg orders their packages: negative when v sorts before w. The
// month's zero makes no difference: 2019.1 and 2019.01 are one release.
func (v Version) Compare(w Version) int { return version.ComparePart(v.Upstream(), w.Upstream()) }

// Equal reports whether v and w are the same release.
func (v Version) Equal(w Version) bool { return v.Compare(w) == 0 }

// Equal reports whether two texts name the same release, as a run's name is compared. Texts that
// are no versions of the scheme are equal only when they are the same.
func Equal(s Scheme, a, b string) bool {
	v, ok := ReadTag(s, a)
	w, ok2 := ReadTag(s, b)
	if !ok || !ok2 {
		return a == b
	}
	return v.Equal(w)
}

// Order tells releases among tags apart and puts them in order, by the name of a scheme. It is
// what an integration that lists tags needs to find the last release.
type Order struct{}

// IsRelease reports whether tag names a release in the scheme; "" is [Calendar].
func (Order) IsRelease(scheme, tag string) bool {
	s, err := ParseScheme(scheme)
	if err != nil {
		return false
	}
	_, ok := ReadTag(s, tag)
	return ok
}

// Compare orders two release tags. Tags that are the same release are ordered by their text, so
// that the result never depends on the order in which they were listed.
func (Order) Compare(scheme, a, b string) int {
	s, _ := ParseScheme(scheme)
	v, _ := ReadTag(s, a)
	w, _ := ReadTag(s, b)
	if c := v.Compare(w); c != 0 {
		return c
	}
	return strings.Compare(a, b)
}
