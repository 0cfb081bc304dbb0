package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"time"

	"slipway/integrations/aptrepo"
)

// ours adds the packages at path, a file or a folder of them, in a process of its own.
func (f *field) ours(ctx context.Context, path string, have int) (spent, error) {
	const dist = "slipway/dists/stable"
	if have < 0 {
		before, err := f.count(dist)
		if err != nil {
			return spent{}, err
		}
		have = before + 1
	}
	self, err := os.Executable()
	if err != nil {
		return spent{}, err
	}
	f.date = f.date.Add(time.Minute)
	took, err := measured(f.key.command(ctx, self, "-publish", f.path("slipway"), f.date.UTC().Format(time.RFC3339), f.key.print, path))
	if err != nil {
		return took, err
	}
	return took, f.holds(dist, have)
}

// publishOnce is the process that is measured: it publishes to the archive in root.
func publishOnce(ctx context.Context, root string, args []string) error {
	if len(args) != 3 {
		return errors.New("-publish is used by itself: -publish ROOT DATE KEY PACKAGES")
	}
	debug.SetGCPercent(gcPercent)
	date, err := time.Parse(time.RFC3339, args[0])
	if err != nil {
		return err
	}
	key, path := args[1], args[2]
	paths := []string{path}
	if info, err := os.Stat(path); err != nil {
		return err
	} else if info.IsDir() {
		if paths, err = filepath.Glob(filepath.Join(path, "*.deb")); err != nil {
			return err
		}
	}
	c := aptrepo.Change{Key: args[0], Suite: "stable", Date: date}
	for _, p := range paths {
		c.Add = append(c.Add, aptrepo.File{Path: p})
	}
	a, err := aptrepo.Open(root, aptrepo.Options{Link: true}, aptrepo.Suite{Name: "stable", Codename: "bookworm", Origin: "Bench", Label: "Bench",
		Architectures: []string{"amd64"}, Compressions: []aptrepo.Compression{aptrepo.Plain, aptrepo.Gzip},
		Algorithms: []aptrepo.Algorithm{aptrepo.MD5Sum, aptrepo.SHA1, aptrepo.SHA256}, ByHash: true})
	if err != nil {
		return err
	}
	s, err := a.Stage(ctx, c)
	if err != nil {
		return err
	}
	detached, err := gpg(ctx, s.Release, "--armor", "-u", key, "--detach-sign")
	if err != nil {
		return err
	}
	inline, err := gpg(ctx, s.Release, "-u", key, "--clearsign")
	if err != nil {
		return err
	}
	_, err = a.Publish(ctx, aptrepo.Publication{Suite: "stable", Generation: s.ID, Digest: s.Digest, Expect: s.Parent,
		InRelease: inline, ReleaseGPG: detached, Now: date})
	return err
}

// gpg is one call of gpg, as in the script for apt-ftparchive.
func gpg(ctx context.Context, in []byte, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "gpg", append([]string{"--batch", "--quiet"}, args...)...)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("gpg: %w", err)
	}
	return out, nil
}
