package main

import "strings"

// splitTag splits a tag's name into what stands before its version and the version, which begins
// with the first digit: "debian/2019.01-1" → "debian/", "2019.01-1".
func splitTag(tag string) (prefix, version string) {
	i := strings.IndexFunc(tag, func(r rune) bool { return r >= '0' && r <= '9' })
	if i < 0 {
		return tag, ""
	}
	return tag[:i], tag[i:]
}

// compareVersions orders versions as dpkg does (Debian Policy, section 5.6.12): epoch, upstream
// version, revision. It returns a number below, equal to or above zero.
func compareVersions(a, b string) int {
	ae, au, ar := splitVersion(a)
	be, bu, br := splitVersion(b)
	for _, p := range [3][2]string{{ae, be}, {au, bu}, {ar, br}} {
		if c := comparePart(p[0], p[1]); c != 0 {
			return c
		}
	}
	return 0
}

func splitVersion(v string) (epoch, upstream, revision string) {
	if e, rest, ok := strings.Cut(v, ":"); ok {
		epoch, v = e, rest
	}
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		v, revision = v[:i], v[i+1:]
	}
	return epoch, v, revision
}

// comparePart compares text and numbers in turn. In text "~" comes before the end, the end before
// letters, letters before the rest. An absent number is zero.
func comparePart(a, b string) int {
	for a != "" || b != "" {
		var at, bt string
		at, a = span(a, false)
		bt, b = span(b, false)
		for i := 0; i < len(at) || i < len(bt); i++ {
			if d := weight(at, i) - weight(bt, i); d != 0 {
				return d
			}
		}
		at, a = span(a, true)
		bt, b = span(b, true)
		at, bt = strings.TrimLeft(at, "0"), strings.TrimLeft(bt, "0")
		if d := len(at) - len(bt); d != 0 {
			return d
		}
		if d := strings.Compare(at, bt); d != 0 {
			return d
		}
	}
	return 0
}

func span(s string, digits bool) (part, rest string) {
	i := 0
	for i < len(s) && (s[i] >= '0' && s[i] <= '9') == digits {
		i++
	}
	return s[:i], s[i:]
}

func weight(s string, i int) int {
	switch {
	case i >= len(s):
		return 0
	case s[i] == '~':
		return -1
	case s[i] >= 'a' && s[i] <= 'z' || s[i] >= 'A' && s[i] <= 'Z':
		return int(s[i])
	}
	return int(s[i]) + 256
}
