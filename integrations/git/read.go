package git

import (
	"context"
	"fmt"
	"strings"

	"slipway/bot/errs"
)

// Copies opens the working copy of a remote for one action at a time. It returns errors of kind
// Invalid for an address that cannot be used and Unavailable when the copy cannot be had in time.
type Copies interface {
	With(ctx context.Context, remote string, do func(*Copy) error) error
}

// resolve finds the commit that rev names at the remote: a whole object id, a tag or a branch.
// Nothing else that git understands is accepted.
func (c *Copy) resolve(ctx context.Context, rev string) (string, error) {
	if oidForm.MatchString(rev) {
		if out, err := c.line(ctx, "rev-parse", "--quiet", "--verify", "--end-of-options", rev+"^{commit}"); err == nil && out == rev {
			return out, nil
		}
		return "", errs.E("git.resolve", errs.NotFound, fmt.Errorf("the commit %s is not in %s", rev, Redact(c.remote))).
			Hint("Check the commit; it must be in a branch or a tag of the remote")
	}
	if err := checkRef("tag or branch", rev); err != nil {
		return "", err
	}
	for _, at := range []string{tagsAt, headsAt} {
		if out, err := c.line(ctx, "rev-parse", "--quiet", "--verify", "--end-of-options", at+rev+"^{commit}"); err == nil && oidForm.MatchString(out) {
			return out, nil
		}
	}
	return "", errs.E("git.resolve", errs.NotFound, fmt.Errorf("%s has no tag and no branch %s", Redact(c.remote), quote(rev))).
		Hint("Check the name; tags and branches are case-sensitive")
}

// tip is the commit a branch of the remote is at, as it was fetched.
func (c *Copy) tip(ctx context.Context, branch string) (string, error) {
	if err := CheckBranch(branch); err != nil {
		return "", err
	}
	out, err := c.line(ctx, "rev-parse", "--quiet", "--verify", "--end-of-options", headsAt+branch+"^{commit}")
	if err == nil && oidForm.MatchString(out) {
		return out, nil
	}
	list, err := c.line(ctx, "for-each-ref", "--format=%(refname)", "--count=10", headsAt)
	if err != nil {
		return "", err
	}
	missing := errs.E("git.branch", errs.NotFound, fmt.Errorf("%s has no branch %s", Redact(c.remote), quote(branch)))
	if list == "" {
		return "", missing.Hint("The repository has no commits yet; push the first one")
	}
	return "", missing.Hint("Its branches are %s", strings.ReplaceAll(strings.ReplaceAll(list, headsAt, ""), "\n", ", "))
}

// contains reports whether commit is an ancestor of tip, or tip itself. Both must be here.
func (c *Copy) contains(ctx context.Context, tip, commit string) (bool, error) {
	if tip == commit {
		return true, nil
	}
	out, err := c.line(ctx, "rev-list", "--count", "--max-count=1", "--end-of-options", commit, "^"+tip, "--")
	if err != nil {
		return false, err
	}
	return out == "0", nil
}

// has reports whether the object is in the working copy.
func (c *Copy) has(ctx context.Context, oid string) bool {
	_, err := c.exec(ctx, call{args: []string{"cat-file", "-e", oid + "^{commit}"}})
	return err == nil
}
