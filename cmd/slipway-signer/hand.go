package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/integrations/debian"
	"slipway/integrations/openpgp"
	"slipway/integrations/signing"
)

// Hand signs Release files that a person brings: without a bot, but by the same policy, with the
// same question, and in the same log.
type Hand struct {
	Signer  openpgp.Signer
	More    []openpgp.Signer // other keys that are here, e.g. while a key is changed
	Policy  Policy
	Journal *Journal
	Prompt  Prompt
	Out     io.Writer
	Now     func() time.Time
}

// Sign reads the Release files, asks once for all of them and each key that signs the archive, and
// writes Release.gpg and InRelease beside each, with the signatures of all keys, InRelease last
// since clients prefer it. Nothing is written unless all were signed.
// What was signed before gets the same signatures again, without a question. Errors: those of the
// policy, and [errs.Denied] when the person says no.
func (h Hand) Sign(ctx context.Context, archive string, rollback bool, files []string) error {
	const op = "signer.sign_release"
	req := signing.ReleaseRequest{Kind: signing.AptRelease, Archive: archive, KeyFingerprint: h.Policy.Key, Rollback: rollback}
	var rule ArchiveRule
	for _, r := range h.Policy.Archives {
		if r.Archive == archive {
			rule, req.Project = r, r.Project
		}
	}
	if req.Project == "" {
		return deny("the archive %q is not in this signer's list", printable(archive))
	}
	for _, f := range files {
		text, err := readFile(f)
		if err != nil {
			return err
		}
		r, err := debian.ParseRelease(text)
		if err != nil {
			return errs.E(op, errs.Invalid, fmt.Errorf("%s: %w", f, err))
		}
		suite := r.Suite
		if suite == "" || !fits(rule.Suites, suite) && fits(rule.Suites, r.Codename) {
			suite = r.Codename
		}
		req.Releases = append(req.Releases, signing.SuiteRelease{Suite: suite, Text: string(text), Digest: action.DigestOf(text)})
	}
	made, keys := make([]signatures, len(files)), 0
	for _, s := range append([]openpgp.Signer{h.Signer}, h.More...) {
		one := h
		one.Signer, one.Policy.Key, req.KeyFingerprint = s, s.Fingerprint(), s.Fingerprint()
		if !rule.signedBy(s.Fingerprint()) {
			continue
		}
		list, err := one.signed(ctx, req)
		if err != nil {
			return err
		}
		keys++
		for i := range files {
			made[i].inline = append(made[i].inline, []byte(list[i].Inline))
			made[i].detached = append(made[i].detached, []byte(list[i].Detached))
		}
	}
	if keys == 0 {
		return deny("none of the keys here signs %s", printable(archive))
	}
	for i, f := range files {
		if err := write(f, req.Releases[i], made[i]); err != nil {
			return err
		}
		fmt.Fprintf(h.Out, "signed %s: wrote Release.gpg and InRelease beside it\n", f)
	}
	return nil
}

// signatures are those under one Release, of each key.
type signatures struct{ inline, detached [][]byte }

// signed is what one key makes for the request.
func (h Hand) signed(ctx context.Context, req signing.ReleaseRequest) ([]signing.ReleaseSignature, error) {
	content, err := req.Canonical()
	if err != nil {
		return nil, err
	}
	made, err := h.sign(ctx, content)
	if err != nil {
		return nil, err
	}
	return signing.ParseReleaseResult(made, req.Releases)
}

// sign goes the way of a job, with a person in the place of the bot.
func (h Hand) sign(ctx context.Context, content []byte) ([]byte, error) {
	what, err := h.Policy.Read(signing.ReleaseJob, content, h.Now())
	rec := Record{Fingerprint: h.Policy.Key, Note: "by hand"}
	if what != nil {
		rec = what.record(rec)
	}
	refuse := func(why error) ([]byte, error) {
		rec.Type, rec.Note = refused, "by hand: "+errs.Text(why)
		_, err := h.Journal.Append(rec)
		return nil, errors.Join(why, err)
	}
	if err != nil {
		return refuse(err)
	}
	if kept, ok := h.Journal.Kept(rec.Digest, h.Policy.Key); ok {
		rec.Type, rec.Note = repeated, fmt.Sprintf("by hand, the signature of line %d", kept.Seq)
		_, err := h.Journal.Append(rec)
		return []byte(kept.Signature), err
	}
	if err := what.forward(h.Journal); err != nil {
		return refuse(err)
	}
	yes, err := h.Prompt.Ask(ctx, what.words(called(h.Signer, len(h.More)+1), h.Journal))
	switch {
	case err != nil:
		return nil, err
	case !yes:
		return refuse(deny("the person at the signer said no"))
	}
	rec.Type, rec.By = intent, "prompt"
	if _, err := h.Journal.Append(rec); err != nil {
		return nil, err
	}
	made, err := what.sign(context.WithoutCancel(ctx), h.Signer, h.Now, func() error { return what.current(h.Now()) })
	if err != nil {
		rec.Type, rec.Note = unsigned, "by hand: "+errs.Text(err)
		_, failed := h.Journal.Append(rec)
		return nil, errors.Join(err, failed)
	}
	return made, h.Journal.Result(rec, made, what.texts())
}

func readFile(file string) ([]byte, error) {
	const op = "signer.sign_release"
	if filepath.Base(file) != "Release" {
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("%s is not called Release, so its signatures would be called wrongly", file)).
			Hint("download each Release into a folder of its own")
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, errs.E(op, errs.NotFound, fmt.Errorf("the Release file cannot be opened: %w", err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, openpgp.MaxRelease+1))
	if err != nil {
		return nil, errs.E(op, errs.Unavailable, fmt.Errorf("reading %s: %w", file, err))
	}
	if err := openpgp.CheckRelease(text); err != nil {
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("%s: %w", file, err))
	}
	return text, nil
}

// write puts both files beside the Release, each by a rename, after a last look at the Release.
func write(file string, s signing.SuiteRelease, made signatures) error {
	now, err := readFile(file)
	if err != nil {
		return err
	}
	if string(now) != s.Text {
		return errs.E("signer.sign_release", errs.Conflict, fmt.Errorf("%s changed while it was signed; its signatures are not written", file)).
			Hint("run the command again")
	}
	detached, err := openpgp.AssembleDetached(made.detached...)
	if err != nil {
		return err
	}
	in, err := openpgp.AssembleInRelease([]byte(s.Text), made.inline...)
	if err != nil {
		return err
	}
	dir := filepath.Dir(file)
	if err := replace(filepath.Join(dir, "Release.gpg"), detached); err != nil {
		return err
	}
	return replace(filepath.Join(dir, "InRelease"), in)
}

// replace writes a whole file or nothing of it.
func replace(path string, content []byte) error {
	failed := func(err error) error {
		return errs.E("signer.sign_release", errs.Unavailable, fmt.Errorf("%s cannot be written: %w", path, err))
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return failed(err)
	}
	defer os.Remove(f.Name()) // is gone already when all went well
	_, err = f.Write(content)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return failed(err)
	}
	return nil
}
