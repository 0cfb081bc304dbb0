package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// builders build Debian packages, each in its way.
func builders() []string { return []string{"dpkg-buildpackage", "debuild", "sbuild", "gbp"} }

// fillArchive sets what the profile says of packages: how they are built and where they go. A
// project without an archive builds none.
func (r rawProject) fillArchive(profile action.Values, archives map[string]archiveConfig) error {
	for field, none := range map[string]any{"archive": "", "archive_address": "", "archive_keys": texts(nil), "suites": texts(nil),
		"architectures": texts(nil), "build": texts(nil), "lintian": "off"} {
		profile[field] = none
	}
	if r.Archive == "" {
		if len(r.Suites) > 0 || r.Build.With != "" || len(r.Build.Command) > 0 {
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
	slices.Sort(architectures)
	build, err := r.Build.command()
	if err != nil {
		return err
	}
	if r.Build.Lintian != "" {
		profile["lintian"] = r.Build.Lintian
	}
	profile["archive"], profile["archive_address"], profile["archive_keys"] = a.Name, a.Address, texts(a.Keys)
	profile["suites"], profile["architectures"], profile["build"] = texts(r.Suites), texts(slices.Compact(architectures)), texts(build)
	return nil
}

// command is the pipeline that builds the packages: this very program, unless another is given.
func (b rawBuild) command() ([]string, error) {
	if !slices.Contains([]string{"", "off", "report", "gate"}, b.Lintian) {
		return nil, invalid(fmt.Sprintf("build: lintian is %q", b.Lintian), "it is off, report or gate")
	}
	if len(b.Command) > 0 {
		if b.With != "" || b.User != "" || b.Chroot != "" {
			return nil, invalid("build: command is given beside with, user or chroot", "put them into the command")
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
	if b.Lintian == "report" || b.Lintian == "gate" {
		command = append(command, "--lintian")
	}
	return command, nil
}
