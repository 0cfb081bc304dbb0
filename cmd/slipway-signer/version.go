package main

import (
	"strings"

	"slipway/bot/version"
)

// splitTag splits a tag's name into what stands before its version and the version, which begins
// with the first digit: "debian/2019.01-1" → "debian/", "2019.01-1".
func splitTag(tag string) (prefix, number string) {
	i := strings.IndexFunc(tag, func(r rune) bool { return r >= '0' && r <= '9' })
	if i < 0 {
		return tag, ""
	}
	return tag[:i], tag[i:]
}

// older reports whether the version in tag a is below that in tag b.
func older(a, b string) bool {
	_, x := splitTag(a)
	_, y := splitTag(b)
	return version.Compare(x, y) < 0
}
