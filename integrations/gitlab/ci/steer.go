package ci

import (
	"context"

	gogitlab "github.com/xanzy/go-gitlab"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/pipeline"
	"slipway/integrations/gitlab"
)

// Cancel is ci.cancel@1: it stops a pipeline. Policy: conditional: one that ended keeps its verdict.
type Cancel struct{ c *gitlab.Client }

// NewCancel makes ci.cancel@1.
func NewCancel(c *gitlab.Client) Cancel { return Cancel{c} }

// Contract of ci.cancel@1.
func (Cancel) Contract() action.Contract { return pipeline.Cancel() }

// Probe reports a pipeline that has ended.
func (a Cancel) Probe(ctx context.Context, _ action.Key, in pipeline.CancelIn) (pipeline.CancelOut, bool, error) {
	_, got, err := a.get(ctx, in)
	if err != nil || !pipeline.Ended(state(got.Status)) {
		return pipeline.CancelOut{}, false, err
	}
	return pipeline.CancelOut{State: state(got.Status)}, true, nil
}

func (a Cancel) get(ctx context.Context, in pipeline.CancelIn) (p project, got *gogitlab.Pipeline, err error) {
	if p, err = open(ctx, a.c, "ci.cancel", in.Remote); err != nil {
		return p, nil, err
	}
	id, err := p.number(in.Pipeline)
	if err != nil {
		return p, nil, err
	}
	got, err = p.get(ctx, id)
	return p, got, err
}

// Do stops it. GitLab ends running jobs in the background: canceled is what it will be, unless it
// reached a verdict before.
func (a Cancel) Do(ctx context.Context, _ action.Key, in pipeline.CancelIn) (pipeline.CancelOut, error) {
	p, got, err := a.get(ctx, in)
	if err != nil {
		return pipeline.CancelOut{}, err
	}
	if s := state(got.Status); pipeline.Ended(s) {
		return pipeline.CancelOut{State: s}, nil
	}
	after, resp, err := p.c.API().Pipelines.CancelPipelineBuild(p.pid, got.ID, gogitlab.WithContext(ctx))
	if err != nil {
		return pipeline.CancelOut{}, p.wrote(resp, err)
	}
	if s := state(after.Status); pipeline.Ended(s) {
		return pipeline.CancelOut{State: s}, nil
	}
	return pipeline.CancelOut{State: pipeline.Canceled}, nil
}

// Retry is ci.retry@1: it runs the failed and canceled jobs of a pipeline again; its id stays. Policy:
// conditional: one that is not red was begun again already, by the bot or by a person.
type Retry struct{ c *gitlab.Client }

// NewRetry makes ci.retry@1.
func NewRetry(c *gitlab.Client) Retry { return Retry{c} }

// Contract of ci.retry@1.
func (Retry) Contract() action.Contract {
	c := pipeline.Retry()
	c.Policy, c.ByHand = action.Conditional, retryByHand
	return c
}

// Probe reports a pipeline that is not red.
func (a Retry) Probe(ctx context.Context, _ action.Key, in pipeline.RetryIn) (pipeline.RetryOut, bool, error) {
	_, got, err := a.get(ctx, in)
	if err != nil || red(got) {
		return pipeline.RetryOut{}, false, err
	}
	return pipeline.RetryOut{State: state(got.Status), URL: page(got.WebURL)}, true, nil
}

func red(p *gogitlab.Pipeline) bool {
	s := state(p.Status)
	return s == pipeline.Failed || s == pipeline.Canceled
}

func (a Retry) get(ctx context.Context, in pipeline.RetryIn) (p project, got *gogitlab.Pipeline, err error) {
	if p, err = open(ctx, a.c, "ci.retry", in.Remote); err != nil {
		return p, nil, err
	}
	id, err := p.number(in.Pipeline)
	if err != nil {
		return p, nil, err
	}
	if got, err = p.get(ctx, id); err != nil {
		return p, nil, err
	}
	if err := p.fits(got, "", in.Commit); err != nil {
		return p, nil, err
	}
	if got.Status == "skipped" {
		return p, nil, p.fail(errs.Invalid, "start a pipeline of its own", "GitLab skipped the pipeline %d, so there is nothing in it to run again", got.ID)
	}
	return p, got, nil
}

// Do runs it again. One in which nothing can be run again, such as that of a wrong .gitlab-ci.yml, is an
// error of kind [errs.Invalid].
func (a Retry) Do(ctx context.Context, _ action.Key, in pipeline.RetryIn) (pipeline.RetryOut, error) {
	p, got, err := a.get(ctx, in)
	if err != nil {
		return pipeline.RetryOut{}, err
	}
	out := pipeline.RetryOut{State: state(got.Status), URL: page(got.WebURL)}
	if !red(got) {
		return out, nil
	}
	after, resp, err := p.c.API().Pipelines.RetryPipelineBuild(p.pid, got.ID, gogitlab.WithContext(ctx))
	if err != nil {
		return pipeline.RetryOut{}, p.wrote(resp, err)
	}
	if out.State = state(after.Status); !red(after) {
		return out, nil
	}
	// The status of a pipeline follows those of its jobs a little later.
	jobs, err := p.jobs(ctx, got.ID)
	if err != nil {
		return pipeline.RetryOut{}, err
	}
	for _, j := range jobs {
		if s := state(j.Status); !pipeline.Ended(s) {
			out.State = s
			return out, nil
		}
	}
	return pipeline.RetryOut{}, p.fail(errs.Invalid, "mend what its page says, and push again", "nothing in the pipeline %d can be run again", got.ID)
}
