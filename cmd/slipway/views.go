package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"runtime"
	"strings"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/finding"
	"slipway/bot/view"
	"slipway/integrations/console/web"
	"slipway/integrations/git"
	"slipway/integrations/localci"
	"slipway/state/blob"
)

// lookTime bounds how long a page waits for a repository.
const lookTime = 8 * time.Second

// RunLink is the address of the page of a run, or of a step of it, for messages.
func (w webConfig) RunLink(run, step string) string {
	path := "/runs/" + url.PathEscape(run)
	if step != "" {
		path += "/steps/" + url.PathEscape(step)
	}
	return w.Link(path)
}

// views are what the pages of runs show.
func (b *bot) views() web.Views {
	return web.Views{Reader: b.web.view, Commits: commitsOf{git.NewLook(b.repos)}, Bodies: bodiesOf{b.blobs}, Logs: logsOf{b.ci}, About: b.about,
		Evidence: proofs{b},
		Findings: func(ctx context.Context) finding.Report { return b.health.report(ctx, false) }}
}

// proofs gives the bundles of runs and the heads that the log key signed.
type proofs struct{ b *bot }

func (p proofs) Write(ctx context.Context, run string, w io.Writer) error {
	return p.b.engine.Evidence(ctx, run, evidenceOf(p.b.blobs, false), w)
}

func (p proofs) Heads(ctx context.Context, run string) ([]web.Head, error) {
	found, err := p.b.engine.Heads(ctx, run)
	var out []web.Head
	for _, h := range found {
		if h.By != "" {
			out = append(out, web.Head{Seq: h.Seq, Chain: h.Chain, At: h.Signed, Key: string(h.By), What: strings.Join(h.Reasons, ", ")})
		}
	}
	return out, err
}

// commitsOf shows commits of the repository that a run has pinned.
type commitsOf struct{ look git.Look }

func (c commitsOf) Commit(ctx context.Context, project string, profile map[string]any, commit string) (web.Commit, error) {
	remote, _ := profile["remote"].(string)
	if remote == "" {
		return web.Commit{}, errs.E("view.commit", errs.NotFound, fmt.Errorf("the run of %s knows no repository", project))
	}
	pattern, _ := profile["tag_pattern"].(string)
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	s, err := c.look.At(ctx, remote, commit, pattern)
	if err != nil {
		return web.Commit{}, err
	}
	out := web.Commit{ID: s.Commit.Oid, Author: s.Commit.Name + " <" + s.Commit.Mail + ">", Subject: s.Commit.Subject, Body: s.Body, At: s.At,
		Since: s.Since, Log: s.Log, More: s.More, Diff: s.Diff, Cut: s.Cut}
	for _, f := range s.Files {
		out.Files = append(out.Files, web.FileChange{Path: f.Path, Added: f.Added, Removed: f.Removed})
	}
	return out, nil
}

// bodiesOf opens bodies of the blob store.
type bodiesOf struct{ blobs *blob.Store }

func (o bodiesOf) Open(ctx context.Context, digest string) (io.ReadSeekCloser, int64, error) {
	f, size, err := o.blobs.Open(ctx, digest)
	if err != nil {
		return nil, 0, err
	}
	return f, size, nil
}

// logsOf opens the logs of local pipelines: of the step that started one, and of the one that waits
// for it.
type logsOf struct{ ci *localci.Runner }

func (o logsOf) Open(_ context.Context, st view.StepPage) (io.ReadSeekCloser, int64, error) {
	pipeline := ""
	if strings.HasPrefix(st.What, "ci.") {
		for _, v := range append(st.Outputs, st.Inputs...) {
			if v.Name == "pipeline" && v.Text != "" {
				pipeline = v.Text
				break
			}
		}
	}
	if pipeline == "" {
		return nil, 0, errs.E("view.log", errs.NotFound, errors.New("the step has no log"))
	}
	f, err := o.ci.OpenLog(pipeline)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(errs.E("view.log", errs.Unavailable, err), f.Close())
	}
	return f, info.Size(), nil
}

// about is what the status page says of this program.
func (b *bot) about() []view.Value {
	out := []view.Value{{Name: "state folder", Text: b.conf.State}, {Name: "storage format", Text: fmt.Sprint(engine.Format)}}
	return append([]view.Value{{Name: "slipway", Text: programVersion()}, {Name: "built with", Text: runtime.Version()}}, out...)
}
