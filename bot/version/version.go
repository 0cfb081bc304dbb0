// Package version orders versions as dpkg does (Debian Policy 5.6.12).
//
// Every place that compares versions uses this one: the expressions of playbooks, the rules of
// releases, and the signer's "never backwards". 2019.1 and 2019.01 are the same version here,
// which is why two runs cannot have both names.
package version

import (
	"cmp"
	"strings"
)

// Compare orders two whole versions, [epoch:]upstream[-revision]: negative when a sorts before b,
// 0 when they are the same. It accepts any text; what begins with something that is no epoch has
// none.
func Compare(a, b string) int {
	ae, au, ar := split(a)
	be, bu, br := split(b)
	return cmp.Or(ComparePart(ae, be), ComparePart(au, bu), ComparePart(ar, br))
}

func split(v string) (epoch, upstream, revision string) {
	if e, rest, ok := strings.Cut(v, ":"); ok && strings.Trim(e, "0123456789") == "" {
		epoch, v = e, rest
	}
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		return epoch, v[:i], v[i+1:]
	}
	return epoch, v, ""
}

// ComparePart orders one part of a version, such as the upstream version: runs of other
// characters and runs of digits in turn, the first by weight and the second as numbers of any
// length.
func ComparePart(a, b string) int {
	for a != "" || b != "" {
		for a != "" && !digit(a[0]) || b != "" && !digit(b[0]) {
			if c := cmp.Compare(weight(a), weight(b)); c != 0 {
				return c
			}
			a, b = a[1:], b[1:] // equal weights: neither is at its end
		}
		var x, y string
		x, a = number(a)
		y, b = number(b)
		if c := cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y)); c != 0 {
			return c
		}
	}
	return 0
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// weight orders the first character of s: tilde, then the end of the part or a digit, then
// letters, then all else.
func weight(s string) int {
	switch {
	case s == "" || digit(s[0]):
		return 0
	case s[0] == '~':
		return -1
	case s[0] >= 'a' && s[0] <= 'z' || s[0] >= 'A' && s[0] <= 'Z':
		return int(s[0])
	}
	return int(s[0]) + 256
}

// number splits the leading digits off s, without their leading zeros.
func number(s string) (digits, rest string) {
	i := 0
	for i < len(s) && digit(s[i]) {
		i++
	}
	return strings.TrimLeft(s[:i], "0"), s[i:]
}
