package main

import (
	"context"
	"fmt"
	"os"

	"slipway/bot/errs"
	debbuild "slipway/integrations/debian/build"
)

// packageCmd is work on packages, meant as the build command of a project's profile.
type packageCmd struct {
	Build packageBuildCmd `cmd:"" help:"Build the Debian packages of a checkout, as an ordinary user."`
}

type packageBuildCmd struct {
	With       string   `help:"The builder: ${enum}." enum:"dpkg-buildpackage,debuild,sbuild,gbp" default:"dpkg-buildpackage"`
	User       string   `help:"Account that builds when this runs as root; by default the owner of the checkout, or for root's the account slipway-build if there is one, else nobody."`
	Version    string   `help:"Build under this version, with a changelog entry for this build only, as daily builds do."`
	Dist       string   `help:"Distribution named in the .changes; by default the one of debian/changelog."`
	HostArch   string   `help:"Architecture to build for, with a cross compiler if it is not this machine's."`
	Also       []string `help:"Further architectures to build in the same go, each with -B and a cross compiler." placeholder:"ARCH"`
	BinaryOnly bool     `short:"B" help:"Only packages of that architecture, without the source and those for all: for a second architecture."`
	Lintian    bool     `help:"Let lintian write lintian.txt."`
	Chroot     string   `help:"Tarball of a chroot, for sbuild." type:"path"`
	Orig       string   `help:"Upstream tarball to use, for a further Debian revision of a release; by default it is made of the commit." type:"path"`
	Source     string   `help:"The checkout; what is built is its commit." default:"." type:"path"`
	To         string   `help:"Folder for what is built, the log and lintian.txt." env:"CI_ARTIFACTS" type:"path"`
}

// Help tells the exit status, which is sbuild's.
func (packageBuildCmd) Help() string {
	return "Nothing is signed and nothing is installed; missing build dependencies are named. DEB_BUILD_OPTIONS is passed on.\n\n" +
		"Exit status: 0 built; 2 attempted, the package or the request is at fault; 3 given back, this machine is at fault " +
		"(missing programs or build dependencies, no room); 1 unknown."
}

// exitStatus is an error whose exit status is not that of its kind.
type exitStatus struct {
	error
	status int
}

func (e exitStatus) Unwrap() error { return e.error }

func (c *packageBuildCmd) Run(ctx context.Context) error {
	if c.To == "" {
		return exitStatus{errs.E("package.build", errs.Invalid, fmt.Errorf("there is no folder for what is built")).
			Hint("Give --to DIR; in a local pipeline it is $CI_ARTIFACTS"), debbuild.StatusAttempted}
	}
	if err := c.build(ctx, c.HostArch, c.BinaryOnly, c.Lintian); err != nil {
		return err
	}
	for _, arch := range c.Also { // lintian has seen the source, and keeps one report
		if err := c.build(ctx, arch, true, false); err != nil {
			return err
		}
	}
	return nil
}

// build makes the packages of one architecture; "" is this machine's.
func (c *packageBuildCmd) build(ctx context.Context, arch string, binaryOnly, lintian bool) error {
	made, err := debbuild.Run(ctx, debbuild.Host{Log: os.Stdout}, debbuild.Request{
		With: debbuild.With(c.With), Source: c.Source, To: c.To, User: c.User, Version: c.Version, Dist: c.Dist, HostArch: arch,
		BinaryOnly: binaryOnly, Lintian: lintian, Chroot: c.Chroot, Orig: c.Orig, Options: os.Getenv("DEB_BUILD_OPTIONS"),
	})
	if err != nil {
		// The log was shown as it grew, but who reads only the end must see both.
		for _, line := range made.Tail {
			fmt.Fprintln(os.Stderr, "| "+line)
		}
		status := debbuild.ExitStatus(err)
		fmt.Fprintln(os.Stderr, "slipway: "+debbuild.Verdict(status))
		return exitStatus{err, status}
	}
	fmt.Printf("Built %s %s:\n", made.Source, made.Version)
	for _, name := range made.Files {
		fmt.Println("  " + name)
	}
	return nil
}
