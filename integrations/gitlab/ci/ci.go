// Package ci runs and reads the pipelines of a GitLab: the provider "gitlab" of ci.start, ci.pipeline,
// ci.cancel, ci.retry and ci.artifacts.
//
// A pipeline is told by its ref, its commit and its id, or by the key that the bot put into it, and
// never by being the newest one. What GitLab gives (names of jobs, logs, archives) is data of strangers:
// it is cleaned and bounded, logs and archives are streamed, and nothing in them is run.
package ci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	gogitlab "github.com/xanzy/go-gitlab"

	"slipway/bot/action"
	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/pipeline"
	"slipway/integrations/gitlab"
)

// Bounds of what is gone through.
const (
	maxPipelines = 500 // of one ref and commit
	maxJobs      = 1000
)

// settle is how long a request that got no answer may still be worked on: GitLab ends one after 60
// seconds (GitLab docs, "Worker timeout").
const settle = 75 * time.Second

// Depot keeps the content of artifacts, named by its digest. PutFrom returns errors of kind Full and
// Unavailable for the disk, and Invalid for more than limit bytes; what it returned is durable.
type Depot interface {
	PutFrom(ctx context.Context, r io.Reader, limit int64) (digest string, size int64, err error)
}

// Bind gives the actions of this package with their code, for the set that cmd builds. Contracts alone
// need neither client nor depot.
func Bind(c *gitlab.Client, d Depot) ([]action.Bound, error) {
	var all []action.Bound
	var first error
	add := func(b action.Bound, err error) {
		b.Provider = gitlab.Provider
		if all = append(all, b); err != nil && first == nil {
			first = err
		}
	}
	start, read, cancel, retry, artifacts := NewStart(c), NewPipeline(c), NewCancel(c), NewRetry(c), NewArtifacts(c, d)
	add(action.Of(start.Contract(), start))
	add(action.Of(read.Contract(), read))
	add(action.Of(cancel.Contract(), cancel))
	add(action.Of(retry.Contract(), retry))
	add(action.Of(artifacts.Contract(), artifacts))
	return all, first
}

// project is the project of one call.
type project struct {
	c   *gitlab.Client
	op  string
	pid int
}

func open(ctx context.Context, c *gitlab.Client, op, remote string) (project, error) {
	if c == nil {
		return project{}, errs.E(op, errs.Unavailable, errors.New("no GitLab is configured")).Hint("add gitlab: to the configuration")
	}
	if remote == "" {
		return project{}, errs.E(op, errs.Invalid, errors.New("the repository of the pipeline is not given")).Hint("give its address as remote")
	}
	pid, err := c.ProjectID(ctx, remote)
	return project{c: c, op: op, pid: pid}, err
}

// read and wrote say what became of a call.
func (p project) read(resp *gogitlab.Response, err error) error {
	return gitlab.Err(p.op, resp, err, false)
}

func (p project) wrote(resp *gogitlab.Response, err error) error {
	return gitlab.Err(p.op, resp, err, true)
}

func (p project) fail(kind errs.Kind, hint, format string, args ...any) error {
	return errs.E(p.op, kind, fmt.Errorf(format, args...)).Hint("%s", hint)
}

var (
	commitForm = regexp.MustCompile(`^(?:[0-9a-f]{40}|[0-9a-f]{64})$`)
	idForm     = regexp.MustCompile(`^[1-9][0-9]{0,17}$`)
)

// number reads the id of a pipeline.
func (p project) number(id string) (int, error) {
	if !idForm.MatchString(id) {
		return 0, p.fail(errs.Invalid, "give the id that ci.start gave", "%s is not the id of a pipeline", quote(id))
	}
	return strconv.Atoi(id)
}

// check refuses a ref or commit that cannot be one.
func (p project) check(ref, commit string) error {
	switch {
	case !commitForm.MatchString(commit):
		return p.fail(errs.Invalid, "give all 40 digits of the commit, in lower case", "%s is not the id of a commit", quote(commit))
	case ref == "" || len(ref) > 250 || strings.HasPrefix(ref, "-") || strings.HasPrefix(ref, "refs/") || strings.ContainsAny(ref, " ~^:?*[\\\x00\n\r\t"):
		return p.fail(errs.Invalid, "give the name of a branch or a tag", "%s is not the name of a branch or a tag", quote(ref))
	}
	return nil
}

// get reads one pipeline by its id.
func (p project) get(ctx context.Context, id int) (*gogitlab.Pipeline, error) {
	got, resp, err := p.c.API().Pipelines.GetPipeline(p.pid, id, gogitlab.WithContext(ctx))
	switch {
	case err != nil:
		if err = p.read(resp, err); errs.Is(err, errs.NotFound) {
			return nil, p.fail(errs.NotFound, "look whether somebody deleted it", "GitLab has no pipeline %d in this project", id)
		}
		return nil, err
	case got.ID != id:
		return nil, p.fail(errs.Unavailable, "it is asked again", "asked for the pipeline %d, GitLab gave the pipeline %d", id, got.ID)
	}
	return got, nil
}

// fits refuses a pipeline of another ref or commit.
func (p project) fits(got *gogitlab.Pipeline, ref, commit string) error {
	switch {
	case got.SHA != commit:
		return p.fail(errs.Conflict, "give the pipeline of this commit", "the pipeline %d is of the commit %s, not of %s", got.ID, quote(got.SHA), commit)
	case ref != "" && got.Ref != ref:
		return p.fail(errs.Conflict, "give the pipeline of this branch or tag", "the pipeline %d is of %s, not of %s", got.ID, quote(got.Ref), quote(ref))
	}
	return nil
}

// list gives the pipelines of exactly this ref and commit, the oldest first. With a source, only those.
// One that GitLab skipped, since the commit asks for it, never runs and is not one.
func (p project) list(ctx context.Context, ref, commit, source string) ([]*gogitlab.PipelineInfo, error) {
	var asked *string
	if source != "" {
		asked = &source
	}
	all, err := gitlab.All(ctx, p.op, maxPipelines, func(page gogitlab.ListOptions, with gogitlab.RequestOptionFunc) ([]*gogitlab.PipelineInfo, *gogitlab.Response, error) {
		return p.c.API().Pipelines.ListProjectPipelines(p.pid, &gogitlab.ListProjectPipelinesOptions{ListOptions: page, Ref: &ref, SHA: &commit, Source: asked,
			OrderBy: gogitlab.Ptr("id"), Sort: gogitlab.Ptr("asc")}, with)
	})
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(i *gogitlab.PipelineInfo) bool {
		return i == nil || i.Ref != ref || i.SHA != commit || source != "" && i.Source != source || i.Status == "skipped"
	})
	slices.SortFunc(all, func(a, b *gogitlab.PipelineInfo) int { return a.ID - b.ID })
	return all, nil
}

// one finds the pipeline that inputs name: by its id, else the one that the push of this ref and commit
// made, else the only one of them. nil means that there is none.
func (p project) one(ctx context.Context, id, ref, commit string) (*gogitlab.Pipeline, error) {
	if err := p.check(ref, commit); err != nil {
		return nil, err
	}
	if id != "" {
		n, err := p.number(id)
		if err != nil {
			return nil, err
		}
		got, err := p.get(ctx, n)
		if err != nil {
			return nil, err
		}
		return got, p.fits(got, ref, commit)
	}
	all, err := p.list(ctx, ref, commit, "")
	if err != nil || len(all) == 0 {
		return nil, err
	}
	at := slices.IndexFunc(all, func(i *gogitlab.PipelineInfo) bool { return i.Source == "push" })
	if at < 0 {
		if at = 0; len(all) > 1 {
			return nil, p.fail(errs.Conflict, "say which one", "%s at %s has %d pipelines, and no push made one of them: %d to %d", quote(ref), commit, len(all), all[0].ID, all[len(all)-1].ID)
		}
	}
	got, err := p.get(ctx, all[at].ID)
	if err != nil {
		return nil, err
	}
	return got, p.fits(got, ref, commit)
}

// jobs lists the jobs of a pipeline, the oldest first, without those that others took the place of.
func (p project) jobs(ctx context.Context, id int) ([]*gogitlab.Job, error) {
	all, err := gitlab.All(ctx, p.op, maxJobs, func(page gogitlab.ListOptions, with gogitlab.RequestOptionFunc) ([]*gogitlab.Job, *gogitlab.Response, error) {
		return p.c.API().Jobs.ListPipelineJobs(p.pid, id, &gogitlab.ListJobsOptions{ListOptions: page}, with)
	})
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(j *gogitlab.Job) bool { return j == nil })
	slices.SortFunc(all, func(a, b *gogitlab.Job) int { return a.ID - b.ID })
	return all, nil
}

// state is a status of GitLab in our words (GitLab docs, "Pipelines API", list of statuses). One that
// is not known is no end, and is waited for.
func state(status string) string {
	switch status {
	case "running", "canceling":
		return pipeline.Running
	case "success":
		return pipeline.Success
	case "failed":
		return pipeline.Failed
	case "canceled", "skipped":
		return pipeline.Canceled
	}
	return pipeline.Pending // created, waiting_for_resource, preparing, waiting_for_callback, pending, manual, scheduled
}

// page is the address of a page that GitLab gave, for people.
func page(url string) string {
	if url = card.Line(url, 500); strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "http://") {
		return url
	}
	return ""
}

// quote shows text from outside on one line.
func quote(text string) string { return strconv.Quote(card.Line(text, 80)) }
