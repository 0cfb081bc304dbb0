package localci

import (
	"context"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/pipeline"
)

// Provider is the name under which a profile chooses this package.
const Provider = "local"

// What the actions take and give, as with every provider.
type (
	StartIn      = pipeline.StartIn
	StartOut     = pipeline.StartOut
	PipelineIn   = pipeline.ReadIn
	PipelineOut  = pipeline.ReadOut
	CancelIn     = pipeline.CancelIn
	CancelOut    = pipeline.CancelOut
	RetryIn      = pipeline.RetryIn
	RetryOut     = pipeline.RetryOut
	ArtifactsIn  = pipeline.ArtifactsIn
	ArtifactsOut = pipeline.ArtifactsOut
	Artifact     = pipeline.Artifact
)

// Start is ci.start@1: it runs the pipeline of a commit. Policy: keyed. One key is one run,
// whatever happens in between; another attempt is another key.
type Start struct{ runner *Runner }

// NewStart makes ci.start@1.
func NewStart(r *Runner) Start { return Start{runner: r} }

// Contract of ci.start@1.
func (Start) Contract() action.Contract {
	c := pipeline.Start()
	c.Policy, c.Timeout, c.ByHand, c.Shell = action.Keyed, 10*time.Minute, startByHand, "check the commit out and run COMMAND in it"
	return c
}

// Probe reports a run that has begun; one that was interrupted is left to Do and [Runner.Resume].
func (a Start) Probe(_ context.Context, key action.Key, _ StartIn) (StartOut, bool, error) {
	s, err := a.runner.Status(key.String())
	if errs.Is(err, errs.NotFound) || err == nil && s.State == Pending {
		return StartOut{}, false, nil
	}
	return StartOut{Pipeline: key.String(), URL: s.URL}, err == nil, err
}

// Do starts the run, unless it was started under this key.
func (a Start) Do(ctx context.Context, key action.Key, in StartIn) (StartOut, error) {
	q := request(in)
	if err := a.runner.Start(ctx, key.String(), q); err != nil {
		return StartOut{}, err
	}
	return StartOut{Pipeline: key.String(), URL: a.runner.url(key.String())}, nil
}

// Pipeline is ci.pipeline@1: how the pipeline of a commit goes. Policy: read. Without the id of a run
// it reads the last one of the commit under the ref.
type Pipeline struct{ runner *Runner }

// NewPipeline makes ci.pipeline@1.
func NewPipeline(r *Runner) Pipeline { return Pipeline{runner: r} }

// Contract of ci.pipeline@1.
func (Pipeline) Contract() action.Contract {
	c := pipeline.Read()
	c.ByHand = pipelineByHand
	return c
}

// Probe has nothing to look for: a read is done anew each time.
func (a Pipeline) Probe(context.Context, action.Key, PipelineIn) (PipelineOut, bool, error) {
	return PipelineOut{}, false, nil
}

// Do reads. A pipeline that nobody started is pending.
func (a Pipeline) Do(_ context.Context, _ action.Key, in PipelineIn) (PipelineOut, error) {
	run := in.Pipeline
	if run == "" {
		var err error
		if run, err = a.runner.latest(in.Remote, in.Ref, in.Commit); err != nil || run == "" {
			return PipelineOut{State: Pending, Log: "it has not been started"}, err
		}
	}
	s, err := a.runner.Status(run)
	return PipelineOut{State: s.State, URL: s.URL, Log: s.Log, Seconds: s.Seconds}, err
}

// Cancel is ci.cancel@1: it stops a run. Policy: conditional: a run that ended keeps its verdict.
type Cancel struct{ runner *Runner }

// NewCancel makes ci.cancel@1.
func NewCancel(r *Runner) Cancel { return Cancel{runner: r} }

// Contract of ci.cancel@1.
func (Cancel) Contract() action.Contract { return pipeline.Cancel() }

// Probe reports a run that has ended.
func (a Cancel) Probe(_ context.Context, _ action.Key, in CancelIn) (CancelOut, bool, error) {
	s, err := a.runner.Status(in.Pipeline)
	return CancelOut{State: s.State}, err == nil && pipeline.Ended(s.State), err
}

// Do stops the run.
func (a Cancel) Do(_ context.Context, _ action.Key, in CancelIn) (CancelOut, error) {
	if _, err := a.runner.Status(in.Pipeline); err != nil {
		return CancelOut{}, err
	}
	if err := a.runner.Stop(in.Pipeline, Canceled); err != nil {
		return CancelOut{}, err
	}
	s, err := a.runner.Status(in.Pipeline)
	return CancelOut{State: s.State}, err
}

// Bind gives the actions of this package with their code, for the set that cmd builds.
func Bind(r *Runner, d Depot) ([]action.Bound, error) {
	var all []action.Bound
	var first error
	add := func(b action.Bound, err error) {
		b.Provider = Provider
		if all = append(all, b); err != nil && first == nil {
			first = err
		}
	}
	start, read, cancel, retry, artifacts := NewStart(r), NewPipeline(r), NewCancel(r), NewRetry(r), NewArtifacts(r, d)
	add(action.Of(start.Contract(), start))
	add(action.Of(read.Contract(), read))
	add(action.Of(cancel.Contract(), cancel))
	add(action.Of(retry.Contract(), retry))
	add(action.Of(artifacts.Contract(), artifacts))
	return all, first
}
