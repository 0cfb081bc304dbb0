package aptrepo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"slipway/bot/errs"
)

// Install installs packages from the archive into q.Root, which becomes a small system of the first
// architecture, and gives the versions that dpkg then has there. A package may be written
// name=version. Maintainer scripts are not run in a chroot, so that no privilege is needed; it is
// for packages that have none, or that can do without.
//
// What apt or dpkg refuse is an error of kind [errs.Failed], in their words.
func (c Client) Install(ctx context.Context, q Look, packages ...string) (map[string]string, error) {
	const op = "archive.install"
	if err := q.check(); err != nil {
		return nil, errs.E(op, errs.Invalid, err)
	}
	if q.Root == "" || len(packages) == 0 {
		return nil, errs.E(op, errs.Invalid, errors.New("a folder and a package are needed"))
	}
	dir, err := filepath.Abs(filepath.Join(q.Root, q.Architectures[0]))
	if err != nil {
		return nil, errs.E(op, errs.Invalid, err)
	}
	root, err := newRoot(dir, q.Architectures[0], q)
	if err != nil {
		return nil, errs.E(op, errs.Unavailable, fmt.Errorf("making a root for apt: %w", err))
	}
	for _, sub := range []string{"info", "updates", "triggers", "parts"} {
		if err := os.MkdirAll(filepath.Join(dir, "var/lib/dpkg", sub), 0o755); err != nil {
			return nil, errs.E(op, errs.Unavailable, err)
		}
	}
	said, err := root.run(ctx, "apt-get", "update", "-o", "APT::Update::Error-Mode=any")
	if err != nil {
		return nil, err
	}
	if bad := complaints(said); len(bad) > 0 {
		return nil, errs.E(op, errs.Failed, errors.New(strings.Join(bad, "; ")))
	}
	args := []string{"install", "--yes", "--quiet", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0", "-o", "Debug::NoLocking=true",
		"-o", "DPkg::Options::=--root=" + dir, "-o", "DPkg::Options::=--force-not-root", "-o", "DPkg::Options::=--force-script-chrootless",
		"-o", "DPkg::Options::=--log=" + filepath.Join(dir, "var/log/dpkg.log"), "--"}
	if said, err = root.run(ctx, "apt-get", append(args, packages...)...); err != nil {
		return nil, err
	}
	for _, line := range complaints(said) {
		if strings.HasPrefix(line, "E: ") {
			return nil, errs.E(op, errs.Failed, errors.New(strings.TrimSpace(said)))
		}
	}
	said, err = root.run(ctx, "dpkg-query", "--admindir="+filepath.Join(dir, "var/lib/dpkg"), "--showformat=${Package} ${Version} ${db:Status-Status}\n", "--show")
	if err != nil {
		return nil, err
	}
	have := map[string]string{}
	for line := range strings.Lines(said) {
		if f := strings.Fields(line); len(f) == 3 && f[2] == "installed" {
			have[f[0]] = f[1]
		}
	}
	return have, nil
}
