package release

import (
	"cmp"
	"fmt"
	"strings"

	"slipway/bot/errs"
	"slipway/bot/version"
)

// DebianVersion is a package version, [epoch:]upstream[-revision] (Debian Policy 5.6.12).
type DebianVersion struct {
	Epoch    int
	Upstream string
	Revision string // "" for a native package
}

// ParseDebianVersion reads a package version. An error of kind Invalid names the character or
// the part that dpkg would refuse.
func ParseDebianVersion(text string) (DebianVersion, error) {
	bad := func(format string, args ...any) (DebianVersion, error) {
		return DebianVersion{}, errs.E("release.debian_version", errs.Invalid,
			fmt.Errorf("%q is not a Debian version: %s", text, fmt.Sprintf(format, args...))).
			Hint("Write [epoch:]upstream[-revision], for example 2019.01-1")
	}
	var v DebianVersion
	rest := text
	if epoch, after, found := strings.Cut(text, ":"); found {
		// dpkg keeps the epoch in an int and refuses what does not fit.
		if epoch == "" || len(epoch) > 9 || strings.Trim(epoch, "0123456789") != "" {
			return bad("the epoch before the colon must be a small number")
		}
		for _, c := range epoch {
			v.Epoch = v.Epoch*10 + int(c-'0')
		}
		rest = after
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
	if c := v.Upstream[0]; c < '0' || c > '9' {
		return bad("the upstream part must start with a digit")
	}
	for _, c := range v.Upstream {
		if !isAlnum(c) && !strings.ContainsRune(".+-:~", c) {
			return bad("%q may not stand in it", c)
		}
	}
	for _, c := range v.Revision {
		if !isAlnum(c) && !strings.ContainsRune(".+~", c) {
			return bad("%q may not stand in the revision", c)
		}
	}
	return v, nil
}

func isAlnum(c rune) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (v DebianVersion) String() string {
	s := v.Upstream
	if v.Epoch != 0 {
		s = fmt.Sprintf("%d:%s", v.Epoch, s)
	}
	if v.Revision != "" {
		s += "-" + v.Revision
	}
	return s
}

// Compare orders versions as dpkg does: negative when v sorts before w, 0 when they are equal.
func (v DebianVersion) Compare(w DebianVersion) int {
	if c := cmp.Compare(v.Epoch, w.Epoch); c != 0 {
		return c
	}
	if c := version.ComparePart(v.Upstream, w.Upstream); c != 0 {
		return c
	}
	return version.ComparePart(v.Revision, w.Revision)
}
