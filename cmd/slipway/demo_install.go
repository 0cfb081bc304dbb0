package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// installMissing installs what the demo needs besides Go and git, after saying what.
func installMissing(ctx context.Context, auto bool) error {
	if _, err := exec.LookPath("git"); err != nil {
		return errs.E("demo", errs.NotFound, errors.New("git is not installed")).Hint("apt-get install git")
	}
	if _, err := exec.LookPath("gpg"); err == nil {
		return nil
	}
	fmt.Println("The proof at the end needs a package that is missing: gnupg")
	apt, err := exec.LookPath("apt-get")
	if err != nil || os.Geteuid() != 0 {
		return errs.E("demo", errs.NotFound, errors.New("gpg is not installed")).Hint("sudo apt-get install gnupg")
	}
	if !auto {
		fmt.Print("Install it with apt-get? [y/N] ")
		answer, _ := bufio.NewReader(os.Stdin).ReadString('\n')
		if !strings.HasPrefix(strings.ToLower(answer), "y") {
			return errs.E("demo", errs.NotFound, errors.New("gpg is not installed")).Hint("apt-get install gnupg")
		}
	}
	for _, args := range [][]string{{"update", "-q"}, {"install", "-y", "-q", "--no-install-recommends", "gnupg"}} {
		cmd := exec.CommandContext(ctx, apt, args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return errs.E("demo", errs.Unavailable, fmt.Errorf("apt-get %s: %w", args[0], err))
		}
	}
	return nil
}
