package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"slipway/bot/errs"
)

// besideUs finds a program of ours: beside this one, or in PATH.
func besideUs(program string) (string, error) {
	if self, err := os.Executable(); err == nil {
		path := filepath.Join(filepath.Dir(self), program)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return "", errs.E("demo", errs.NotFound, fmt.Errorf("the program %s is not beside this one", program)).Hint("make build makes both")
	}
	return path, nil
}

// needed are the programs that the demo uses besides Go and git, with the Debian packages that have
// them: gpg for the proofs, and those of an archive where packages are published.
func needed(publish bool) map[string]string {
	programs := map[string]string{"gpg": "gnupg"}
	if publish {
		maps.Copy(programs, (*demoArchive)(nil).needs())
	}
	return programs
}

// installMissing installs what the demo needs, after saying what.
func installMissing(ctx context.Context, auto, publish bool) error {
	if _, err := exec.LookPath("git"); err != nil {
		return errs.E("demo", errs.NotFound, errors.New("git is not installed")).Hint("apt-get install git")
	}
	var missing []string
	for program, pkg := range needed(publish) {
		if _, err := exec.LookPath(program); err != nil && !slices.Contains(missing, pkg) {
			missing = append(missing, pkg)
		}
	}
	if publish && lacksBuildEssential(ctx) && !slices.Contains(missing, buildEssential) {
		missing = append(missing, buildEssential)
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	list := strings.Join(missing, " ")
	fmt.Println("The demo needs packages that are missing: " + list)
	refused := errs.E("demo", errs.NotFound, fmt.Errorf("not installed: %s", list))
	apt, err := exec.LookPath("apt-get")
	if err != nil || os.Geteuid() != 0 {
		return refused.Hint("sudo apt-get install %s", list)
	}
	if !auto {
		fmt.Print("Install them with apt-get? [y/N] ")
		answer, _ := bufio.NewReader(os.Stdin).ReadString('\n')
		if !strings.HasPrefix(strings.ToLower(answer), "y") {
			return refused.Hint("apt-get install %s", list)
		}
	}
	for _, args := range [][]string{{"update", "-q"}, append([]string{"install", "-y", "-q", "--no-install-recommends"}, missing...)} {
		cmd := exec.CommandContext(ctx, apt, args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return errs.E("demo", errs.Unavailable, fmt.Errorf("apt-get %s: %w", args[0], err))
		}
	}
	return nil
}
