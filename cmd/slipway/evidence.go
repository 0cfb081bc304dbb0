package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/view"
	"slipway/commands/release"
	"slipway/integrations/console/client"
	"slipway/state/blob"
)

// evidenceCmd writes the evidence of a run.
type evidenceCmd struct {
	Name   string `arg:"" name:"run" help:"Name, version or id of the run."`
	Output string `short:"o" help:"File to write it to; - is the terminal. By default the name of the run and .evidence.tar." placeholder:"FILE"`
	Files  bool   `name:"with-files" help:"Put the released files themselves in, not only their digests."`
}

// Run asks the running bot, or reads what is on disk when it is stopped.
func (v *evidenceCmd) Run(ctx context.Context, c *cli) error {
	from, err := v.source(ctx, c)
	if err != nil {
		return err
	}
	defer from.close()
	if v.Output == "-" {
		return from.write(ctx, os.Stdout)
	}
	if v.Output == "" {
		v.Output = evidenceName(from.name)
	}
	err = writeWhole(v.Output, func(w io.Writer) error { return from.write(ctx, w) })
	if err != nil {
		return err
	}
	fmt.Printf("The evidence of %s is in %s. Check it with: slipway verify %s --key FINGERPRINT\n", from.name, v.Output, v.Output)
	return nil
}

// evidenceSource is where a bundle comes from.
type evidenceSource struct {
	name  string
	write func(context.Context, io.Writer) error
	close func()
}

// source finds the run, at the bot or on disk.
func (v *evidenceCmd) source(ctx context.Context, c *cli) (evidenceSource, error) {
	if c.URL != "" || c.Socket != "" {
		return v.fromBot(ctx, c)
	}
	conf, err := loadConfig(c.Config)
	if err != nil {
		return evidenceSource{}, err
	}
	b, err := openReader(ctx, conf)
	if errs.Is(err, errs.Busy) {
		return v.fromBot(ctx, c)
	}
	if err != nil {
		return evidenceSource{}, err
	}
	id, err := b.find(ctx, v.Name)
	if err != nil {
		b.close()
		return evidenceSource{}, err
	}
	state, _, err := b.engine.RunState(ctx, id)
	if state == nil {
		b.close()
		return evidenceSource{}, err
	}
	return evidenceSource{name: state.Name, close: b.close, write: func(ctx context.Context, w io.Writer) error {
		o := evidenceOf(b.blobs, v.Files)
		o.Key = logKey(conf)
		return b.engine.Evidence(ctx, id, o, w)
	}}, nil
}

// evidenceOf are the parts of evidence that this program knows beside the engine.
func evidenceOf(blobs *blob.Store, files bool) engine.EvidenceOptions {
	o := engine.EvidenceOptions{Tell: release.Told, Picture: evidencePicture}
	if files && blobs != nil {
		o.Open = func(digest string) (io.ReadCloser, int64, error) { return blobs.Open(context.Background(), digest) }
	}
	return o
}

// evidenceName is the file name of a run's evidence.
func evidenceName(run string) string {
	name := []byte(run)
	for i, c := range name {
		if c != '.' && c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			name[i] = '-'
		}
	}
	return string(name) + ".evidence.tar"
}

// writeWhole writes a new file that appears whole or not at all. Errors: [errs.Exists].
func writeWhole(path string, write func(io.Writer) error) error {
	const op = "evidence"
	if _, err := os.Lstat(path); err == nil {
		return errs.E(op, errs.Exists, fmt.Errorf("%s is there already", path)).Hint("name another file with -o")
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".evidence-*")
	if err != nil {
		return errs.E(op, errs.Unavailable, fmt.Errorf("%s cannot be written: %w", path, err)).Hint("name a file in a folder that you may write to with -o")
	}
	defer os.Remove(f.Name())
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return errs.E(op, errs.Unavailable, fmt.Errorf("%s cannot be written: %w", path, err)).Hint("name another file with -o")
	}
	return nil
}

// find resolves the name of a run for those who may read the disk, and so all private runs.
func (b *reader) find(ctx context.Context, name string) (string, error) {
	id, err := b.engine.Resolve(ctx, name, "")
	for _, p := range b.engine.World().Directory.Persons() {
		if !errs.Is(err, errs.NotFound) {
			break
		}
		if found, err2 := b.engine.Resolve(ctx, name, p.ID); err2 == nil {
			id, err = found, nil
		}
	}
	return id, err
}

// fromBot asks the running bot, which answers for runs that this person may see.
func (v *evidenceCmd) fromBot(ctx context.Context, c *cli) (evidenceSource, error) {
	bot, err := c.client()
	if err != nil {
		return evidenceSource{}, err
	}
	run, err := client.Get[view.Run](ctx, bot, client.Path("runs", v.Name), nil)
	if err != nil {
		return evidenceSource{}, errors.Join(err, bot.Close())
	}
	return evidenceSource{name: run.Name, close: func() { _ = bot.Close() }, write: func(ctx context.Context, w io.Writer) error {
		q := client.Call{Method: http.MethodGet, Path: client.Path("runs", run.ID, "evidence")}
		if v.Files {
			q.Query = url.Values{"files": {"true"}}
		}
		return bot.Save(ctx, q, w)
	}}, nil
}
