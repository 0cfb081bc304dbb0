package git

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"slipway/bot/errs"
)

// CopyFrom makes a bare copy of somebody's repository at dst, for trying a release out. The copy
// has its branches and tags, but no remotes, no hooks and none of its configuration: nothing
// that is pushed to the copy can reach the repository or its remotes. Both are absolute paths;
// dst must not exist (kind Exists).
func (r *Repositories) CopyFrom(ctx context.Context, src, dst string) error {
	const op = "git.copy"
	if !filepath.IsAbs(src) || !filepath.IsAbs(dst) {
		return invalid("Give absolute paths", "%s or %s is not an absolute path", quote(src), quote(dst))
	}
	if _, err := os.Lstat(dst); err == nil {
		return errs.E(op, errs.Exists, fmt.Errorf("%s exists already", dst)).Hint("Remove it, or name another folder")
	}
	if info, err := os.Stat(src); err != nil || !info.IsDir() {
		return errs.E(op, errs.NotFound, fmt.Errorf("there is no folder %s", src)).Hint("Give the path of a git repository")
	}
	if err := os.MkdirAll(filepath.Dir(dst), 0o755); err != nil {
		return errs.E(op, errs.Unavailable, fmt.Errorf("the folder of %s cannot be made: %w", dst, err)).Hint("Name a folder that can be written")
	}
	c := &Copy{repos: r, remote: src, dir: dst}
	// Not --local: that shares files with the source, and takes its alternates over.
	steps := []call{
		{args: []string{"clone", "--quiet", "--bare", "--no-local", "--template=", "--", src, dst}, outside: true},
		{args: []string{"remote", "remove", "origin"}},
	}
	for _, k := range steps {
		if _, err := c.exec(ctx, k); err != nil {
			_ = os.RemoveAll(dst)
			return err
		}
	}
	return nil
}

// Checkout puts the files of a commit into dir, which must not exist, as a repository of its own
// with the branches and tags of the remote, so that a build can ask git for its version. It has
// no remote and no hooks. On an error dir is removed.
func (r *Repositories) Checkout(ctx context.Context, remote, commit, dir string) error {
	if err := CheckCommit(commit); err != nil {
		return err
	}
	if _, err := os.Lstat(dir); err == nil || !filepath.IsAbs(dir) {
		return errs.E("git.checkout", errs.Exists, fmt.Errorf("%s exists already, or is no absolute path", dir)).Hint("Name a new folder")
	}
	return r.With(ctx, remote, func(c *Copy) error {
		if err := c.Fetch(ctx); err != nil {
			return err
		}
		if _, err := c.resolve(ctx, commit); err != nil {
			return err
		}
		steps := []call{
			{args: []string{"init", "--quiet", "--template=", "--initial-branch=none", "--", dir}, outside: true},
			{args: []string{"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--", c.dir,
				"+" + tagsAt + "*:refs/tags/*", "+" + headsAt + "*:refs/remotes/origin/*", "+" + preparedAt + "*:" + preparedAt + "*"}, dir: dir},
			{args: []string{"checkout", "--quiet", "--detach", "--force", commit, "--"}, dir: dir},
		}
		for _, k := range steps {
			if _, err := c.exec(ctx, k); err != nil {
				_ = os.RemoveAll(dir)
				return err
			}
		}
		return nil
	})
}
