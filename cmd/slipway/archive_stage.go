package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
)

// archiveStage makes the next state of an archive's suites by hand, as archive.stage@1 does.
type archiveStage struct {
	Suites   []string `arg:"" help:"Suites."`
	Kind     string   `help:"add, refresh, rollback or promote." default:"add" enum:"add,refresh,rollback,promote"`
	Files    string   `help:"With add: folder with the packages, their .dsc and what that names." placeholder:"DIR" type:"path"`
	Source   string   `help:"With rollback and promote: the source package."`
	Version  string   `help:"With rollback: the version that goes; with promote: the one that comes."`
	From     string   `help:"With promote: the suite that it comes from."`
	Backward bool     `help:"Versions may go backwards."`
}

// Run stages, and prints the id of the generation: ROOT/generations/SUITE/ID.staged has the Release
// that is to be signed.
func (a *archiveStage) Run(ctx context.Context, c *cli) error {
	conf, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	which, err := c.Archive.archive(c)
	if err != nil {
		return err
	}
	made, err := os.MkdirTemp("", "slipway-stage-")
	if err != nil {
		return errs.E("archive.stage", errs.Unavailable, fmt.Errorf("a temporary folder cannot be made: %w", err)).Hint("make room in %s", os.TempDir())
	}
	defer os.RemoveAll(made)
	folder := folders{packages: a.Files, made: made}
	in := aptrepo.StageIn{Archive: which.name, Suites: a.Suites, Kind: a.Kind, Source: a.Source, Version: a.Version, From: a.From, Backward: a.Backward}
	if a.Kind == "add" {
		if in.Files, err = artifactsIn(folder.packages); err != nil {
			return err
		}
	}
	all, err := archiveActions(conf, folder, time.Now, nil)
	if err != nil {
		return err
	}
	bounds, err := all.Bind()
	if err != nil {
		return err
	}
	set, err := action.NewSet(bounds...)
	if err != nil {
		return err
	}
	stage, err := set.Lookup("archive.stage@1", "")
	if err != nil {
		return err
	}
	inputs, err := action.Canonical(in)
	if err != nil {
		return err
	}
	raw, err := stage.Do(ctx, action.Key{Run: "by hand", Step: "stage", Inputs: action.DigestOf(inputs)}, inputs)
	if err != nil {
		return err
	}
	out, err := action.DecodeValues(raw)
	if err != nil {
		return err
	}
	if changes, ok := out["changes"].([]any); ok {
		for _, line := range changes {
			fmt.Fprintln(os.Stderr, line)
		}
	}
	fmt.Println(out["generation"])
	return nil
}

// folders are a store of bodies: packages are read where they are, and what the archive adds to them,
// such as the package with its keys, is kept as long as this goes on.
type folders struct{ packages, made string }

// artifactsIn are the files of a folder.
func artifactsIn(dir string) (out []aptrepo.Artifact, err error) {
	if dir == "" {
		return nil, errs.E("archive.stage", errs.Invalid, errors.New("no folder is named")).Hint("give --files with the folder of the packages")
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, errs.E("archive.stage", errs.NotFound, fmt.Errorf("the folder %s cannot be read", dir)).Hint("give --files with the folder of the packages")
	}
	for _, e := range list {
		if !e.Type().IsRegular() {
			continue
		}
		digest, size, err := digestOfFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		out = append(out, aptrepo.Artifact{Name: e.Name(), Digest: digest, Size: int(size)})
	}
	return out, nil
}

// Open finds a file by its digest.
func (f folders) Open(_ context.Context, digest string) (*os.File, int64, error) {
	for _, dir := range []string{f.made, f.packages} {
		all, err := artifactsIn(dir)
		if err != nil {
			return nil, 0, err
		}
		for _, one := range all {
			if one.Digest == digest {
				file, err := os.Open(filepath.Join(dir, one.Name))
				return file, int64(one.Size), err
			}
		}
	}
	return nil, 0, errs.E("archive.stage", errs.NotFound, fmt.Errorf("%s has no file %s any more", f.packages, strings.TrimPrefix(digest, "sha256:"))).
		Hint("leave the folder as it is while this goes on")
}

// PutFrom keeps what the archive made.
func (f folders) PutFrom(_ context.Context, r io.Reader, limit int64) (string, int64, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("it has more than %d bytes", limit)
	}
	digest := action.DigestOf(data)
	if err == nil {
		err = os.WriteFile(filepath.Join(f.made, strings.TrimPrefix(digest, "sha256:")), data, 0o600)
	}
	if err != nil {
		return "", 0, errs.E("archive.stage", errs.Unavailable, fmt.Errorf("what the archive adds cannot be kept: %w", err)).Hint("make room in %s", f.made)
	}
	return digest, int64(len(data)), nil
}

func digestOfFile(path string) (string, int64, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", 0, errs.E("archive.stage", errs.Unavailable, fmt.Errorf("%s cannot be read: %w", path, err))
	}
	defer file.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, file)
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), size, err
}
