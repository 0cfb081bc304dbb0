package debian

import "strings"

// word reports whether s begins with a lower-case letter or a digit and goes on with those and
// the characters of others.
func word(s, others string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || i > 0 && strings.IndexByte(others, c) >= 0) {
			return false
		}
	}
	return s != ""
}

// CheckPackageName reports whether name may be the name of a source or binary package: lower-case
// letters, digits, plus, minus and points, two at least (Debian Policy 5.6.1).
func CheckPackageName(name string) error {
	if len(name) < 2 || len(name) > 200 || !word(name, "+.-") {
		return invalid("name", "Use lower-case letters, digits, plus, minus and points, two at least",
			"%q is not the name of a package", shorten(name))
	}
	return nil
}

// CheckArchitecture reports whether name may be the architecture of a built package: "amd64",
// "all", "hurd-i386"; no wildcard and not "source".
func CheckArchitecture(name string) error {
	if len(name) > 60 || !word(name, "-") || name == "any" || name == "source" || wildcard(name) {
		return invalid("architecture", "Give one architecture, such as amd64 or all",
			"%q is not the architecture of a built package", shorten(name))
	}
	return nil
}

// CheckBinary reports what makes the control data of a binary package useless to an archive:
// Package, Version, Architecture, Maintainer and Description must be there (Debian Policy 5.3),
// and the first three must be well-formed.
func CheckBinary(p Paragraph) error {
	for _, name := range []string{"Package", "Version", "Architecture", "Maintainer", "Description"} {
		if p.Get(name) == "" {
			return invalid("deb", "Add it in debian/control and build again", "the control file of the package has no %s", name)
		}
	}
	if err := CheckPackageName(p.Get("Package")); err != nil {
		return err
	}
	if _, err := ParseVersion(p.Get("Version")); err != nil {
		return err
	}
	return CheckArchitecture(p.Get("Architecture"))
}
