package aptrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"slipway/bot/errs"
)

// Inspection says how thoroughly a suite is looked at.
type Inspection struct {
	Deep bool      // reads every package whole; otherwise its size alone is compared
	All  bool      // every generation that was published and is there; otherwise the one that clients read
	Now  time.Time // clients refuse a Date after it, and a Valid-Until before
	// Verify decides whether the signatures of what clients read are by the keys that they trust now;
	// nil leaves them unverified. Its error is a finding.
	Verify func(release, inRelease, releaseGPG []byte) error
}

// Finding is one thing that is wrong.
type Finding struct {
	Suite      string `json:"suite"`
	Generation string `json:"generation"`
	What       string `json:"what"`
	Hint       string `json:"hint,omitempty"`
}

// Inspect is [Archive.Check] that goes on and tells everything that is wrong: beside what clients
// of the suite read, and its signatures and dates, its dates against those of the generations
// before, and the snapshots. The error says that it could not look.
func (a *Archive) Inspect(ctx context.Context, suite string, q Inspection) ([]Finding, error) {
	const op = "aptrepo.inspect"
	s, err := a.suite(op, suite)
	if err != nil {
		return nil, err
	}
	findings := []Finding{}
	id, err := a.current(suite)
	if errs.Is(err, errs.Corrupt) {
		return append(findings, findingOf(suite, "", err)), nil
	}
	if err != nil || id == "" {
		return findings, disk(op, err)
	}
	all, err := a.generations(suite)
	if errs.Is(err, errs.Corrupt) || errors.Is(err, fs.ErrNotExist) {
		// Without all records nothing is known of the others; what clients read can still be looked at.
		if err := a.inspect(ctx, suite, id, q, &findings); err != nil {
			return nil, disk(op, err)
		}
		if len(findings) == 0 {
			findings = append(findings, findingOf(suite, "", err))
		}
		return findings, nil
	}
	if err != nil {
		return nil, disk(op, err)
	}
	if !slices.ContainsFunc(all, func(g Generation) bool { return g.Current }) {
		findings = append(findings, Finding{Suite: suite, Generation: id, What: "clients read a generation that is not there", Hint: "publish another one"})
	}
	var last Generation
	for _, g := range all {
		if !g.Published.IsZero() && !g.Staged {
			if g.Parent == last.ID && last.ID != "" && !g.Date.After(last.Date) {
				findings = append(findings, Finding{Suite: suite, Generation: g.ID, What: fmt.Sprintf("its date is not after that of %s before it; clients ignore it", last.ID), Hint: "publish again with the present date"})
			}
			last = g
		}
		if g.Staged && isDir(a.gen(suite, g.ID)) {
			findings = append(findings, Finding{Suite: suite, Generation: g.ID, What: "its publication was begun and not finished, or clients were turned back from it by hand",
				Hint: "let the run go on, or publish another one"})
		}
		if !g.Current && (!q.All || g.Staged || g.Published.IsZero()) {
			continue
		}
		if g.Current && last.ID != g.ID {
			findings = append(findings, Finding{Suite: suite, Generation: g.ID, What: "clients read it, and it was never published by Slipway", Hint: "publish another one"})
		}
		if err := a.inspect(ctx, suite, g.ID, q, &findings); err != nil {
			return nil, disk(op, err)
		}
	}
	if newest := slices.IndexFunc(all, func(g Generation) bool { return g.Current }); newest >= 0 && last.ID != all[newest].ID && !last.Published.IsZero() {
		findings = append(findings, Finding{Suite: suite, Generation: id, What: fmt.Sprintf("clients were turned back to it from %s; those that have that one ignore it", last.ID),
			Hint: "roll back by publishing the earlier content under a new date"})
	}
	return append(findings, a.inspectSnapshots(s)...), nil
}

func findingOf(suite, generation string, err error) Finding {
	return Finding{Suite: suite, Generation: generation, What: errs.Cause(err), Hint: errs.HintOf(err)}
}

// inspect looks at one generation.
func (a *Archive) inspect(ctx context.Context, suite, id string, q Inspection, findings *[]Finding) error {
	add := func(err error) error {
		f := findingOf(suite, id, err)
		var what wrongError
		if errors.As(err, &what) {
			f.What = what.what
		}
		*findings = append(*findings, f)
		return nil
	}
	t, err := a.openTree("aptrepo.inspect", suite, id)
	if errs.Is(err, errs.Corrupt) || errs.Is(err, errs.NotFound) {
		return add(err)
	}
	if err != nil {
		return err
	}
	if err := t.audit(ctx, a.root, true, q.Deep, add); err != nil {
		return err
	}
	// What clients read no more may have expired, and its keys may have been replaced.
	current, err := a.current(suite)
	if err != nil || current != id {
		return err
	}
	if err := t.release.checkTime(q.Now); err != nil {
		_ = add(err)
	}
	if q.Verify == nil {
		return nil
	}
	var text [3][]byte
	for i, name := range []string{"Release", "InRelease", "Release.gpg"} {
		if text[i], err = os.ReadFile(filepath.Join(t.dir, name)); errors.Is(err, fs.ErrNotExist) {
			return nil // told already
		} else if err != nil {
			return err
		}
	}
	if err := q.Verify(text[0], text[1], text[2]); err != nil {
		_ = add(err)
	}
	return nil
}

// inspectSnapshots looks whether each snapshot leads to a generation that is there.
func (a *Archive) inspectSnapshots(s Suite) (findings []Finding) {
	dir := filepath.Join(a.root, "snapshots", s.Name)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // none was made
	}
	for _, e := range entries {
		if _, err := time.Parse(stampForm, e.Name()); err != nil {
			continue
		}
		for _, link := range []string{"dists/" + s.Name, "pool"} {
			if _, err := os.Stat(filepath.Join(dir, e.Name(), link)); err != nil {
				findings = append(findings, Finding{Suite: s.Name, What: fmt.Sprintf("%s of the snapshot %s leads nowhere", link, e.Name()), Hint: "remove the snapshot"})
			}
		}
	}
	return findings
}
