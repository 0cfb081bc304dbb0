package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/runbook"
	"slipway/state/blob"
)

// runbookCmd writes how to end a run by hand, from what is on disk.
type runbookCmd struct {
	Name   string `arg:"" name:"run" help:"Name, version or id of the run."`
	Output string `help:"File to write it to, in place of the terminal." placeholder:"FILE" type:"path"`
	Files  string `help:"Folder for a runbook that can be run (runbook.sh), with all files that it reads. It must be new or empty." placeholder:"DIR" type:"path"`
}

// Run reads the store. Nothing in it is changed, and the bot must not be running.
func (r *runbookCmd) Run(ctx context.Context, c *cli) error {
	conf, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	b, err := openReader(ctx, conf)
	if errs.Is(err, errs.Busy) {
		return errs.E("runbook", errs.Busy, errors.New("the bot is running, and has the store for itself")).
			Hint("ask it: slipway ask release runbook %s; or stop it first: two who do the same do it twice", r.Name)
	}
	if err != nil {
		return err
	}
	defer b.close()
	if r.Files != "" {
		if err := r.folder(ctx, b); err != nil {
			return err
		}
		fmt.Printf("%s asks before each step that people must have agreed to. Read it, then run it: sh %s\n",
			filepath.Join(r.Files, script), action.Quote(filepath.Join(r.Files, script)))
		if r.Output == "" {
			return nil
		}
	}
	book, err := b.runbook(ctx, r.Name, runbook.Options{Inline: -1,
		Files: "slipway runbook " + action.Quote(r.Name) + " --files DIR, which writes the files into DIR"})
	if err != nil {
		return err
	}
	if r.Output == "" {
		_, err = io.WriteString(os.Stdout, book.Text())
		return err
	}
	if err := os.WriteFile(r.Output, []byte(book.Text()), 0o600); err != nil {
		return errs.E("runbook", errs.Unavailable, fmt.Errorf("%s cannot be written: %w", r.Output, err)).Hint("name a file in a folder that is there")
	}
	return nil
}

// script is the runbook that can be run, among its files.
const script = "runbook.sh"

// folder writes the runbook that can be run, and every file that it reads.
func (r *runbookCmd) folder(ctx context.Context, b *reader) error {
	const op = "runbook"
	fail := func(err error) error {
		return errs.E(op, errs.Unavailable, fmt.Errorf("%s cannot be written: %w", r.Files, err)).Hint("name another folder")
	}
	if there, err := os.ReadDir(r.Files); err == nil && len(there) > 0 {
		return errs.E(op, errs.Exists, fmt.Errorf("%s is not empty", r.Files)).Hint("name a new folder: what was done with another runbook stands in its own")
	}
	book, err := b.runbook(ctx, r.Name, runbook.Options{Script: true})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(r.Files, 0o700); err != nil {
		return fail(err)
	}
	for _, f := range book.Files {
		path := filepath.Join(r.Files, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return fail(err)
		}
		if f.Digest == "" {
			err = os.WriteFile(path, []byte(f.Text), 0o600)
		} else {
			err = b.copy(ctx, f.Digest, path)
		}
		if errs.Is(err, errs.NotFound) {
			fmt.Fprintf(os.Stderr, "slipway: %s is not kept any more (%s): find it elsewhere, and put it there\n", path, f.Digest)
			continue
		}
		if err != nil {
			return fail(err)
		}
	}
	// Written last: a folder that has it is complete.
	if err := os.WriteFile(filepath.Join(r.Files, script), []byte(book.Text()), 0o700); err != nil {
		return fail(err)
	}
	return nil
}

// copy writes a kept body into a file.
func (b *reader) copy(ctx context.Context, digest, path string) error {
	if b.blobs == nil {
		return errs.E("runbook", errs.NotFound, errors.New("no bodies are kept"))
	}
	from, _, err := b.blobs.Open(ctx, digest)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}

// runbook makes the runbook of a run. Whoever may read the disk may see private runs.
func (b *reader) runbook(ctx context.Context, name string, o runbook.Options) (runbook.Book, error) {
	id, err := b.engine.Resolve(ctx, name, "")
	for _, p := range b.engine.World().Directory.Persons() {
		if !errs.Is(err, errs.NotFound) {
			break
		}
		if found, err2 := b.engine.Resolve(ctx, name, p.ID); err2 == nil {
			id, err = found, nil
		}
	}
	if err != nil {
		return runbook.Book{}, err
	}
	state, book, err := b.engine.RunState(ctx, id)
	if err != nil {
		return runbook.Book{}, err
	}
	return runbook.Make(book, state, b.engine.World(), o), nil
}

// blobsOf opens the kept bodies; nil when there are none.
func blobsOf(conf *config) (*blob.Store, error) {
	s, err := blob.Open(filepath.Join(conf.State, "blobs"), blob.Options{ReadOnly: true})
	if errs.Is(err, errs.NotFound) {
		return nil, nil
	}
	return s, err
}
