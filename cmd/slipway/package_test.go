package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"slipway/bot/errs"
)

// The exit status of a build tells whose fault it is, also where the kind of the error would give
// another.
func TestPackageBuildEndsLikeSbuild(t *testing.T) {
	t.Setenv("CI_ARTIFACTS", "")
	repo := t.TempDir()
	for _, args := range [][]string{{"init", "--quiet"}, {"-c", "user.name=Ann", "-c", "user.email=ann@example.org", "commit", "--quiet", "--allow-empty", "-m", "Begin"}} {
		cmd := exec.Command("git", args...)
		cmd.Dir = repo
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	to := t.TempDir()
	for _, c := range []struct {
		why  string
		args []string
		want int
	}{
		{"no folder for the result", []string{"--source", repo}, 2},
		{"nothing to build", []string{"--source", repo, "--to", to}, 2},
		{"no chroot", []string{"--source", repo, "--to", to, "--with", "sbuild", "--chroot", filepath.Join(repo, "none")}, 2},
		{"no such builder", []string{"--source", repo, "--to", to, "--with", "make"}, 2},
		{"an account with root's rights, or another's", []string{"--source", repo, "--to", to, "--user", "root"}, 1},
	} {
		if got := run(t.Context(), append([]string{"package", "build"}, c.args...)); got != c.want {
			t.Errorf("%s: exit status %d instead of %d", c.why, got, c.want)
		}
	}
	if left, err := os.ReadDir(to); err != nil || len(left) > 0 {
		t.Errorf("left %v (%v)", left, err)
	}
}

func TestOwnExitStatusKeepsTheError(t *testing.T) {
	err := exitStatus{errs.E("x", errs.Unavailable, os.ErrNotExist).Hint("look"), 3}
	if text := errs.Text(err); !strings.Contains(text, "look") || report(err) != 3 {
		t.Errorf("%q, %d", text, report(err))
	}
}
