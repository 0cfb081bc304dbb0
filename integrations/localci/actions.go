package localci

import (
	"context"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// Provider is the name under which a profile chooses this package.
const Provider = "local"

// Start is ci.start@1: it runs the pipeline of a commit. Policy: keyed. One key is one run,
// whatever happens in between; another attempt is another key.
type Start struct{ runner *Runner }

// NewStart makes ci.start@1.
func NewStart(r *Runner) Start { return Start{runner: r} }

// StartIn is a pipeline to run.
type StartIn struct {
	Remote  string   `cel:"remote" json:"remote" doc:"address of the repository"`
	Ref     string   `cel:"ref" json:"ref" doc:"tag or branch the pipeline is for"`
	Commit  string   `cel:"commit" json:"commit" doc:"whole id of the commit"`
	Command []string `cel:"command" json:"command" doc:"program and arguments; no shell reads them"`
	Attempt int      `cel:"attempt,optional" json:"attempt,omitempty" doc:"a higher number runs it again"`
}

// StartOut names what was started.
type StartOut struct {
	Pipeline string `cel:"pipeline" json:"pipeline" doc:"id of this run of the pipeline"`
	URL      string `cel:"url" json:"url" doc:"where its log is"`
}

// Contract of ci.start@1.
func (Start) Contract() action.Contract {
	return action.Contract{ByHand: startByHand, Name: "ci.start", Version: 1, Policy: action.Keyed, Timeout: 10 * time.Minute,
		Doc: "Runs the pipeline of a commit.", Undo: "ci.cancel@1", UndoIn: map[string]string{"pipeline": "out.pipeline"},
		Shell: "check the commit out and run COMMAND in it"}
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

// Pipeline is ci.pipeline@1: how the pipeline of a commit goes. Policy: read.
type Pipeline struct{ runner *Runner }

// NewPipeline makes ci.pipeline@1.
func NewPipeline(r *Runner) Pipeline { return Pipeline{runner: r} }

// PipelineIn names the pipeline: the last run of the commit under the ref, or one run by its id.
type PipelineIn struct {
	Remote   string `cel:"remote" json:"remote" doc:"address of the repository"`
	Ref      string `cel:"ref" json:"ref" doc:"tag or branch the pipeline is for"`
	Commit   string `cel:"commit" json:"commit" doc:"whole id of the commit"`
	Pipeline string `cel:"pipeline,optional" json:"pipeline,omitempty" doc:"id of one run, from ci.start; empty means the last one"`
}

// PipelineOut is how it goes.
type PipelineOut struct {
	State   string `cel:"state" json:"state" enum:"pending,running,success,failed,canceled"`
	URL     string `cel:"url" json:"url" doc:"where its log is; empty before it starts"`
	Log     string `cel:"log" json:"log" doc:"the last lines of its log"`
	Seconds int    `cel:"seconds" json:"seconds" doc:"how long it ran"`
}

// Contract of ci.pipeline@1.
func (Pipeline) Contract() action.Contract {
	return action.Contract{ByHand: pipelineByHand, Name: "ci.pipeline", Version: 1, Policy: action.Read, Watched: true,
		Doc: "Reads how the pipeline of a commit goes.", Shell: "look at the page of the pipeline"}
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

// CancelIn names a run.
type CancelIn struct {
	Pipeline string `cel:"pipeline" json:"pipeline" doc:"id of the run, from ci.start"`
}

// CancelOut is how it stands now.
type CancelOut struct {
	State string `cel:"state" json:"state" doc:"canceled, or the verdict it had reached"`
}

// Contract of ci.cancel@1.
func (Cancel) Contract() action.Contract {
	return action.Contract{Name: "ci.cancel", Version: 1, Policy: action.Conditional, Doc: "Stops the pipeline of a commit.", Shell: "stop the pipeline on its page"}
}

// Probe reports a run that has ended.
func (a Cancel) Probe(_ context.Context, _ action.Key, in CancelIn) (CancelOut, bool, error) {
	s, err := a.runner.Status(in.Pipeline)
	return CancelOut{State: s.State}, err == nil && s.State != Running && s.State != Pending, err
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
	start, pipeline, cancel, artifacts := NewStart(r), NewPipeline(r), NewCancel(r), NewArtifacts(r, d)
	s, err := action.Of(start.Contract(), start)
	if err != nil {
		return nil, err
	}
	p, err := action.Of(pipeline.Contract(), pipeline)
	if err != nil {
		return nil, err
	}
	c, err := action.Of(cancel.Contract(), cancel)
	if err != nil {
		return nil, err
	}
	a, err := action.Of(artifacts.Contract(), artifacts)
	if err != nil {
		return nil, err
	}
	s.Provider, p.Provider, c.Provider, a.Provider = Provider, Provider, Provider, Provider
	return []action.Bound{s, p, c, a}, nil
}
