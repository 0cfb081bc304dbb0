package version

import (
	"fmt"
	"strings"

	"slipway/bot/errs"
)

// Version is the version of a package, [epoch:]upstream[-revision] (Debian Policy 5.6.12). Its
// parts are as they were written.
type Version struct {
	Epoch    string // "" when there is none
	Upstream string
	Revision string // "" for a native package
}

// Parse reads a version as strictly as dpkg does. Errors are of kind Invalid and name the part or
// the character.
func Parse(text string) (Version, error) {
	bad := func(format string, args ...any) (Version, error) {
		shown := text
		if len(shown) > 100 {
			shown = shown[:97] + "..."
		}
		return Version{}, errs.E("version", errs.Invalid, fmt.Errorf("%q is not a Debian version: %s", shown, fmt.Sprintf(format, args...))).
			Hint("write [epoch:]upstream[-revision], for example 2019.01-1")
	}
	if len(text) > 200 {
		return bad("it is longer than 200 characters")
	}
	var v Version
	rest := text
	if epoch, after, found := strings.Cut(text, ":"); found {
		// dpkg keeps the epoch in an int and refuses what does not fit.
		if epoch == "" || len(epoch) > 9 || strings.Trim(epoch, "0123456789") != "" {
			return bad("the epoch before the colon must be a small number")
		}
		v.Epoch, rest = epoch, after
	}
	v.Upstream = rest
	if i := strings.LastIndexByte(rest, '-'); i >= 0 {
		v.Upstream, v.Revision = rest[:i], rest[i+1:]
		if v.Revision == "" {
			return bad("nothing follows the last hyphen")
		}
	}
	if v.Upstream == "" {
		return bad("the upstream part is empty")
	}
	if !digit(v.Upstream[0]) {
		return bad("the upstream part must start with a digit")
	}
	for _, c := range v.Upstream {
		if !alnum(c) && !strings.ContainsRune(".+-:~", c) {
			return bad("%q may not stand in it", c)
		}
	}
	for _, c := range v.Revision {
		if !alnum(c) && !strings.ContainsRune(".+~", c) {
			return bad("%q may not stand in the revision", c)
		}
	}
	return v, nil
}

func alnum(c rune) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (v Version) String() string {
	s := v.Upstream
	if v.Epoch != "" {
		s = v.Epoch + ":" + s
	}
	if v.Revision != "" {
		s += "-" + v.Revision
	}
	return s
}

// NoEpoch is the version as it stands in names of files: without the epoch.
func (v Version) NoEpoch() string {
	return Version{Upstream: v.Upstream, Revision: v.Revision}.String()
}

// Native reports whether the version is of a package that has no upstream apart from Debian.
func (v Version) Native() bool { return v.Revision == "" }

// Compare orders versions as dpkg does: negative when v sorts before w, 0 when dpkg takes them
// for the same. For text that need not be a version, use [Compare].
func (v Version) Compare(w Version) int { return Compare(v.String(), w.String()) }
