package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/integrations/debian"
	"slipway/integrations/git"
)

// builders build Debian packages, each in its way.
func builders() []string { return []string{"dpkg-buildpackage", "debuild", "sbuild", "gbp"} }

// fillArchive sets what the profile says of packages: how they are built and where they go. A
// project without an archive builds none.
func (r rawProject) fillArchive(profile action.Values, archives map[string]archiveConfig) error {
	for field, none := range map[string]any{"archive": "", "archive_address": "", "archive_keys": texts(nil), "suites": texts(nil),
		"daily_suites": texts(nil), "architectures": texts(nil), "build": texts(nil), "lintian": "off"} {
		profile[field] = none
	}
	if r.Archive == "" {
		if len(r.Suites) > 0 || len(r.DailySuites) > 0 || r.Build.With != "" || len(r.Build.Command) > 0 {
			return invalid("suites or build are given without an archive", "name the archive that the packages go to")
		}
		return nil
	}
	a, ok := archives[r.Archive]
	if !ok {
		return invalid(fmt.Sprintf("archive is %q, which archives: does not have", r.Archive), suggest(r.Archive, maps.Keys(archives)))
	}
	if len(r.Suites) == 0 {
		return invalid("suites names none", "name the suites of the archive that releases go to")
	}
	var names, architectures []string
	for _, s := range a.Suites {
		names = append(names, s.Name)
	}
	for _, name := range r.Suites {
		s, ok := a.suite(name)
		if !ok {
			return invalid(fmt.Sprintf("suites has %q, which the archive %s does not have", name, r.Archive), suggest(name, slices.Values(names)))
		}
		architectures = append(architectures, s.Architectures...)
	}
	for _, name := range r.DailySuites {
		if _, ok := a.suite(name); !ok {
			return invalid(fmt.Sprintf("daily_suites has %q, which the archive %s does not have", name, r.Archive), suggest(name, slices.Values(names)))
		}
	}
	slices.Sort(architectures)
	build, err := r.Build.command()
	if err != nil {
		return err
	}
	if r.Build.Lintian != "" {
		profile["lintian"] = r.Build.Lintian
	}
	profile["archive"], profile["archive_address"], profile["archive_keys"] = a.Name, a.Address, texts(a.Keys)
	profile["suites"], profile["daily_suites"] = texts(r.Suites), texts(r.DailySuites)
	profile["architectures"], profile["build"] = texts(slices.Compact(architectures)), texts(build)
	return nil
}

// dailyApart checks that no project's daily builds go where any project's releases go. Daily builds go
// out without a gate: they must not reach those who get releases.
func (r rawConfig) dailyApart() error {
	releases := map[[2]string]string{} // archive and suite → project
	names := slices.Sorted(maps.Keys(r.Projects))
	for _, name := range names {
		for _, suite := range r.Projects[name].Suites {
			releases[[2]string{r.Projects[name].Archive, suite}] = name
		}
	}
	for _, name := range names {
		for _, suite := range r.Projects[name].DailySuites {
			if other, ok := releases[[2]string{r.Projects[name].Archive, suite}]; ok {
				return invalid(fmt.Sprintf("projects: %s: daily_suites has %q, where the releases of %s go", name, suite, other), "give daily builds a suite of their own")
			}
		}
	}
	return nil
}

// fill sets what the profile says of packaging that is kept apart.
func (p rawPackaging) fill(profile action.Values, dir string) error {
	profile["packaging"], profile["packaging_branch"], profile["packaging_upstream"], profile["packaging_debian"] = "", "", "", "keep"
	if p.Remote == "" {
		if p != (rawPackaging{}) {
			return invalid("packaging: remote is missing", "name the repository that the branches are in; it may be the project's own")
		}
		return nil
	}
	remote := beside2(dir, p.Remote)
	if err := git.CheckRemote(remote); err != nil || git.Redact(remote) != remote && !strings.HasPrefix(remote, "ssh://") || sshPassword.MatchString(remote) {
		return invalid("packaging: remote is no address that can be used", "write a whole path or an address such as https://example.org/project.git, without a user or a password")
	}
	if !slices.Contains([]string{"", "keep", "release"}, p.Debian) {
		return invalid(fmt.Sprintf("packaging: debian is %q", p.Debian), "it is keep or release")
	}
	if p.Branch == "" {
		p.Branch = "debian/latest" // DEP-14
	}
	if p.Upstream == "" {
		p.Upstream = "upstream/latest"
	}
	if p.Debian == "" {
		p.Debian = "keep"
	}
	profile["packaging"], profile["packaging_branch"], profile["packaging_upstream"], profile["packaging_debian"] = remote, p.Branch, p.Upstream, p.Debian
	return nil
}

// command is the pipeline that builds the packages: this very program, unless another is given.
func (b rawBuild) command() ([]string, error) {
	if !slices.Contains([]string{"", "off", "report", "gate"}, b.Lintian) {
		return nil, invalid(fmt.Sprintf("build: lintian is %q", b.Lintian), "it is off, report or gate")
	}
	if len(b.Command) > 0 {
		if b.With != "" || b.User != "" || b.Chroot != "" || len(b.Also) > 0 {
			return nil, invalid("build: command is given beside with, user, chroot or also", "put them into the command")
		}
		return b.Command, nil
	}
	if b.With == "" {
		b.With = "dpkg-buildpackage"
	}
	if !slices.Contains(builders(), b.With) {
		return nil, invalid(fmt.Sprintf("build: with is %q", b.With), "it is one of "+strings.Join(builders(), ", "))
	}
	if (b.Chroot != "") != (b.With == "sbuild") {
		return nil, invalid("build: sbuild and chroot belong together", "give with: sbuild and the file of its chroot, or neither")
	}
	self, err := os.Executable()
	if err != nil {
		return nil, errs.E("config", errs.Unavailable, fmt.Errorf("finding this program: %w", err))
	}
	command := []string{self, "package", "build", "--with", b.With}
	if b.User != "" {
		command = append(command, "--user", b.User)
	}
	if b.Chroot != "" {
		command = append(command, "--chroot", b.Chroot)
	}
	for _, arch := range b.Also {
		if err := debian.CheckArchitecture(arch); err != nil {
			return nil, invalid("build: also: "+errs.Cause(err), errs.HintOf(err))
		}
		command = append(command, "--also", arch)
	}
	if b.Lintian == "report" || b.Lintian == "gate" {
		command = append(command, "--lintian")
	}
	return command, nil
}
