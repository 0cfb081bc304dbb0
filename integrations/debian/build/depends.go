package build

import (
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"slipway/bot/errs"
)

// depends asks dpkg-checkbuilddeps what the build needs and this machine lacks. sbuild installs
// that in its chroot.
func (j *job) depends() error {
	if j.q.With == Sbuild {
		return nil
	}
	args := []string{}
	if j.q.BinaryOnly {
		args = append(args, "-B")
	}
	if j.cross {
		args = append(args, "-a", j.arch)
	}
	said := &lines{max: 1 << 20}
	err := command{who: j.who, dir: j.tree, path: j.host.find("dpkg-checkbuilddeps"), env: append(j.env(), "LC_ALL=C.UTF-8"),
		args: append(args, filepath.Join("debian", "control")), stdout: said, stderr: said}.run(j.ctx)
	if err == nil {
		return nil
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return fail(errs.Unavailable, "Check the installation of dpkg-dev", "dpkg-checkbuilddeps cannot be run: %w", err)
	}
	needs, conflicts := unmet(said.String())
	switch {
	case exit.ExitCode() == 1 && len(needs) > 0:
		return fail(errs.Unavailable, "Install them: apt-get install "+strings.Join(toInstall(needs, j.arch, j.cross), " "),
			"the build needs packages that are not installed: %s", strings.Join(needs, ", "))
	case exit.ExitCode() == 1 && len(conflicts) > 0:
		return fail(errs.Unavailable, "Remove them, or build in a chroot with sbuild",
			"packages are installed that must not be there in the build: %s", strings.Join(conflicts, ", "))
	}
	return fail(errs.Failed, "Mend debian/control", "dpkg-checkbuilddeps refuses the package: %s", lastWords(said.String()))
}

// unmet reads what dpkg-checkbuilddeps says: one line each for what is missing and what conflicts,
// entries with a blank between, alternatives with a bar.
func unmet(said string) (needs, conflicts []string) {
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		lower := strings.ToLower(line)
		for _, kind := range []struct {
			mark string
			to   *[]string
		}{{"unmet build dependencies: ", &needs}, {"build conflicts: ", &conflicts}} {
			if i := strings.Index(lower, kind.mark); i >= 0 {
				*kind.to = append(*kind.to, relations(line[i+len(kind.mark):])...)
			}
		}
	}
	return needs, conflicts
}

// relations splits "a (>= 1) | b c [amd64]" into its entries.
func relations(text string) []string {
	var all []string
	joined, open := false, 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case word == "|":
			joined = true
			if len(all) > 0 {
				all[len(all)-1] += " |"
			}
			continue
		case len(all) > 0 && (open > 0 || joined || strings.ContainsAny(word[:1], "([<")):
			all[len(all)-1] += " " + word
		default:
			all = append(all, word)
		}
		open += strings.Count(word, "(") + strings.Count(word, "[") - strings.Count(word, ")") - strings.Count(word, "]")
		joined = false
	}
	return all
}

// toInstall gives the words for apt-get: the first of alternatives, and for another architecture with
// its name.
func toInstall(needs []string, arch string, cross bool) []string {
	var names []string
	for _, need := range needs {
		first, _, _ := strings.Cut(need, "|")
		words := strings.Fields(first)
		if len(words) == 0 {
			continue
		}
		name, of, qualified := strings.Cut(words[0], ":")
		if name == "debhelper-compat" { // only a name that debhelper provides
			name, qualified, of = "debhelper", true, "native"
		}
		if cross && !qualified {
			name += ":" + arch
		} else if qualified && of != "native" && of != "any" {
			name += ":" + of
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
