package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"slipway/bot/errs"
)

// bundleEnd is how the name of a bundle ends, beside the working copy of the same name.
const bundleEnd = ".bundle"

// Bundles writes into dir, for a backup, what the working copies hold and no remote has: the commits
// that [Prepare] made and nobody pushed yet. It gives the names of the files; put back into the
// folder of the repositories, the working copies take them in. Everything else is fetched anew.
func (r *Repositories) Bundles(ctx context.Context, dir string) (names []string, err error) {
	list, err := filepath.Glob(filepath.Join(r.root, "*.git"))
	if err != nil {
		return nil, err
	}
	for _, copied := range list {
		c := &Copy{repos: r, dir: copied}
		out, err := c.exec(ctx, call{args: []string{"for-each-ref", "--format=%(refname)", preparedAt}})
		if err != nil {
			return names, err
		}
		refs := strings.Fields(out)
		if len(refs) == 0 {
			continue
		}
		known := []string{"--not", "--glob=" + headsAt + "*", "--glob=" + tagsAt + "*"}
		count, err := c.exec(ctx, call{args: append(append([]string{"rev-list", "--count"}, refs...), known...)})
		if err != nil {
			return names, err
		}
		if strings.TrimSpace(count) == "0" {
			continue
		}
		name := filepath.Base(copied) + bundleEnd
		args := append(append([]string{"bundle", "create", "--quiet", filepath.Join(dir, name)}, refs...), known...)
		if _, err := c.exec(ctx, call{args: args}); err != nil {
			return names, err
		}
		names = append(names, name)
	}
	return names, nil
}

// unbundle takes in what a backup kept of this working copy. It needs the remote, since a bundle
// holds only what the remote did not have.
func (c *Copy) unbundle(ctx context.Context) error {
	path := c.dir + bundleEnd
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := c.Fetch(ctx); err != nil {
		return err
	}
	if _, err := c.exec(ctx, call{args: []string{"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--", path,
		"+" + preparedAt + "*:" + preparedAt + "*"}}); err != nil {
		return errs.E("git.restore", errs.Failed, fmt.Errorf("the prepared commits of a backup cannot be taken in: %w", err)).
			Hint("prepare the release again; then remove %s", path)
	}
	return os.Remove(path)
}
