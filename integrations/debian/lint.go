package debian

import (
	"fmt"
	"regexp"
	"strings"
)

// Severity is how grave a [Finding] is.
type Severity string

const (
	Error   Severity = "error"   // dpkg or the archive would refuse it
	Warning Severity = "warning" // it works, but seldom as it was meant
)

// Finding is one thing that is wrong, or strange.
type Finding struct {
	Code     string   `json:"code"` // stable, e.g. "version.epoch"
	Severity Severity `json:"severity"`
	Text     string   `json:"text"` // what was found, naming the input
	Fix      string   `json:"fix"`
}

var (
	prerelease = regexp.MustCompile(`(?i)(^|[^~a-z])(alpha|beta|rc|pre|dev)[.0-9]*$`)
	binNMU     = regexp.MustCompile(`\+b[0-9]+$`)
	really     = regexp.MustCompile(`\+really(.*)$`)
)

// LintVersion says what is wrong or strange about the version of a source package (Debian Policy
// 5.6.12, and 3.2.1 for epochs). A version that cannot be parsed gives one error.
func LintVersion(text string) []Finding {
	v, err := ParseVersion(text)
	if err != nil {
		return []Finding{{"version.invalid", Error, err.Error(), "write [epoch:]upstream[-revision], for example 2019.01-1"}}
	}
	var found []Finding
	warn := func(code, fix, format string, args ...any) {
		found = append(found, Finding{"version." + code, Warning, fmt.Sprintf(format, args...), fix})
	}
	switch {
	case v.Epoch != "" && strings.Trim(v.Epoch, "0") == "":
		warn("epoch_zero", "write "+v.NoEpoch(), "the epoch of %s is 0, which is the same as none", text)
	case v.Epoch != "":
		warn("epoch", "keep it if the package has it already; for a new one ask the developers first",
			"%s has an epoch, which can never be taken back and is not in the names of files", text)
	}
	if strings.Contains(v.Upstream, ":") {
		warn("colon", "write a point or a plus instead", "the upstream part of %s has a colon, which archives refuse in names of files", text)
	}
	if v.Native() {
		warn("native", "write "+text+"-1 unless the package has no upstream apart from Debian",
			"%s has no revision, so it is the version of a native package", text)
	}
	if v.Revision != "" && strings.Trim(v.Revision, "0") == "" {
		warn("revision_zero", "begin with the revision 1", "dpkg takes %s for the same as %s", text, strings.TrimSuffix(text, "-"+v.Revision))
	}
	if binNMU.MatchString(text) {
		warn("binnmu", "take "+binNMU.FindString(text)+" out", "%s is the version of binaries that were built again, not of a source", text)
	}
	for _, part := range []struct{ name, text string }{{"upstream part", v.Upstream}, {"revision", v.Revision}} {
		base := binNMU.ReplaceAllString(part.text, "")
		if m := prerelease.FindStringSubmatchIndex(base); m != nil {
			end := strings.TrimRight(base[:m[4]], ".+-")
			if part.name == "revision" {
				end = v.Upstream + end
			}
			warn("prerelease", fmt.Sprintf("write a tilde before it: %s~%s", end, base[m[4]:]),
				"the %s of %s ends in %s, and dpkg sorts it above the release it comes before", part.name, text, base[m[4]:])
		}
	}
	if m := really.FindStringSubmatch(v.Upstream); m != nil {
		if _, err := ParseVersion(m[1]); err != nil {
			warn("really", "write the true version after it, such as 2.0+really1.9", "%s has no version after +really", text)
		} else {
			warn("really", "go back to plain versions with the first upstream release above "+v.Upstream[:len(v.Upstream)-len(m[0])],
				"%s really is %s under a higher number", text, m[1])
		}
	}
	return found
}
