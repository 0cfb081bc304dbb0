package ci

import (
	"context"
	"fmt"
	"strings"
	"time"

	gogitlab "github.com/xanzy/go-gitlab"

	"slipway/bot/action"
	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/pipeline"
	"slipway/integrations/gitlab"
)

// Bounds of what is told of a pipeline.
const (
	toldJobs  = 5       // jobs with the end of their log; of the others the names
	toldNames = 20      // jobs that are named
	toldBytes = 8 << 10 // in all
)

// Pipeline is ci.pipeline@1: how the pipeline of a commit goes. Policy: read.
type Pipeline struct{ c *gitlab.Client }

// NewPipeline makes ci.pipeline@1.
func NewPipeline(c *gitlab.Client) Pipeline { return Pipeline{c} }

// Contract of ci.pipeline@1.
func (Pipeline) Contract() action.Contract {
	c := pipeline.Read()
	c.Timeout, c.ByHand = 3*time.Minute, pipelineByHand
	return c
}

// Probe has nothing to look for: a read is done anew each time.
func (a Pipeline) Probe(context.Context, action.Key, pipeline.ReadIn) (pipeline.ReadOut, bool, error) {
	return pipeline.ReadOut{}, false, nil
}

// Do reads. Without an id a pipeline that is not there yet is pending. One of another ref or commit is
// an error of kind [errs.Conflict], and so is a ref that lost the commit while there is no pipeline.
func (a Pipeline) Do(ctx context.Context, _ action.Key, in pipeline.ReadIn) (pipeline.ReadOut, error) {
	p, err := open(ctx, a.c, "ci.pipeline", in.Remote)
	if err != nil {
		return pipeline.ReadOut{}, err
	}
	got, err := p.one(ctx, in.Pipeline, in.Ref, in.Commit)
	switch {
	case err != nil:
		return pipeline.ReadOut{}, err
	case got == nil:
		if err := p.holds(ctx, in.Ref, in.Commit); err != nil && !errs.Is(err, errs.NotFound) {
			return pipeline.ReadOut{}, err
		}
		return pipeline.ReadOut{State: pipeline.Pending, Log: "it has not been started"}, nil
	}
	told, err := p.told(ctx, got)
	if err != nil {
		return pipeline.ReadOut{}, err
	}
	return pipeline.ReadOut{State: state(got.Status), URL: page(got.WebURL), Log: cut(told, toldBytes), Seconds: max(0, got.Duration)}, nil
}

// told says what people should know of a pipeline beside its state.
func (p project) told(ctx context.Context, got *gogitlab.Pipeline) (string, error) {
	switch got.Status {
	case "running", "created", "preparing":
		return "", nil
	case "pending":
		return "it waits for a runner", nil
	case "waiting_for_resource", "waiting_for_callback":
		return "it waits for what another pipeline holds", nil
	case "canceling":
		return "it is being canceled", nil
	case "canceled":
		return "it was canceled", nil
	case "skipped":
		return "GitLab skipped it: the commit asks for that, or no job fits", nil
	case "success", "failed", "manual", "scheduled":
	default:
		return "GitLab says that it is " + quote(got.Status), nil
	}
	jobs, err := p.jobs(ctx, got.ID)
	if err != nil {
		return "", err
	}
	pick := func(status string, allowed bool) (out []*gogitlab.Job) {
		for _, j := range jobs {
			if j.Status == status && j.AllowFailure == allowed {
				out = append(out, j)
			}
		}
		return out
	}
	switch got.Status {
	case "manual":
		waiting := pick("manual", false)
		if len(waiting) == 0 {
			waiting = pick("manual", true)
		}
		return "it waits for a person to press play on " + named(waiting), nil
	case "scheduled":
		return "it waits for the time at which it begins " + named(append(pick("scheduled", false), pick("scheduled", true)...)), nil
	case "success":
		if allowed := pick("failed", true); len(allowed) > 0 {
			return "it passed; what may fail did: " + named(allowed), nil
		}
		return "", nil
	}
	return p.failed(ctx, got, pick("failed", false))
}

// failed says which jobs failed, with the ends of their logs.
func (p project) failed(ctx context.Context, got *gogitlab.Pipeline, jobs []*gogitlab.Job) (string, error) {
	if len(jobs) == 0 {
		if why := card.Line(got.YamlErrors, 500); why != "" {
			return ".gitlab-ci.yml is wrong: " + why, nil
		}
		return p.failedBelow(ctx, got)
	}
	var b strings.Builder
	if len(jobs) > toldJobs {
		fmt.Fprintf(&b, "%d jobs failed: %s\n", len(jobs), named(jobs))
	}
	for _, j := range jobs[:min(toldJobs, len(jobs))] {
		fmt.Fprintf(&b, "%s failed", title(j))
		if why := strings.ReplaceAll(card.Line(j.FailureReason, 100), "_", " "); why != "" {
			b.WriteString(": " + why)
		}
		b.WriteString("\n")
		// The names matter more than a log, so the share of each is small where there are many.
		log, err := p.trace(ctx, j.ID, min(toldJobs, len(jobs)))
		if err != nil {
			if ctx.Err() != nil {
				return "", err
			}
			log = "(its log cannot be read: " + errs.Cause(err) + ")"
		}
		for line := range strings.SplitSeq(log, "\n") {
			if line != "" {
				b.WriteString("  " + line + "\n")
			}
		}
	}
	return strings.TrimRight(b.String(), "\n"), nil
}

// failedBelow says which pipelines that this one started failed. Nothing is said where that is not known.
func (p project) failedBelow(ctx context.Context, got *gogitlab.Pipeline) (string, error) {
	below, _, err := p.c.API().Jobs.ListPipelineBridges(p.pid, got.ID, &gogitlab.ListJobsOptions{}, gogitlab.WithContext(ctx))
	if ctx.Err() != nil {
		return "", p.read(nil, err)
	}
	var lines []string
	for _, b := range below {
		if b == nil || b.Status != "failed" || b.AllowFailure || len(lines) == toldJobs {
			continue
		}
		line := "the pipeline that " + quote(b.Name) + " started failed"
		if b.DownstreamPipeline != nil {
			line += ": " + page(b.DownstreamPipeline.WebURL)
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return "no job of it failed; its page says more", nil
	}
	return strings.Join(lines, "\n"), nil
}

// title names a job.
func title(j *gogitlab.Job) string {
	return fmt.Sprintf("the job %s (stage %s)", card.Line(j.Name, 80), card.Line(j.Stage, 40))
}

// named lists jobs by their names.
func named(jobs []*gogitlab.Job) string {
	if len(jobs) == 0 {
		return "a job"
	}
	var names []string
	for i, j := range jobs {
		if i == toldNames {
			names = append(names, fmt.Sprintf("and %d more", len(jobs)-i))
			break
		}
		names = append(names, card.Line(j.Name, 80))
	}
	if len(jobs) == 1 {
		return "the job " + names[0]
	}
	return "the jobs " + strings.Join(names, ", ")
}
