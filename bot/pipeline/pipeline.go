// Package pipeline is the capability of continuous integration: what the actions ci.start,
// ci.pipeline, ci.cancel, ci.retry and ci.artifacts take and give, whoever runs the pipelines.
//
// Every provider uses these types and begins its contracts with these, so that a playbook means the
// same whichever provider a project's profile names. How a provider keeps an action single (its
// policy, its times) and how a person does it by hand is its own affair.
//
// A pipeline is told by the commit, the ref and its id, never by being the newest one.
package pipeline

import "slipway/bot/action"

// The states of a pipeline. Success, Failed and Canceled are its end.
const (
	Pending  = "pending"
	Running  = "running"
	Success  = "success"
	Failed   = "failed"
	Canceled = "canceled"
)

// Ended reports whether a pipeline in this state has come to its end.
func Ended(state string) bool { return state == Success || state == Failed || state == Canceled }

// StartIn is a pipeline to run.
type StartIn struct {
	Remote  string   `cel:"remote" json:"remote" doc:"address of the repository"`
	Ref     string   `cel:"ref" json:"ref" doc:"tag or branch the pipeline is for"`
	Commit  string   `cel:"commit" json:"commit" doc:"whole id of the commit"`
	Command []string `cel:"command" json:"command" doc:"program and arguments; no shell reads them. A forge has its own list of what to run, and ignores it"`
	Attempt int      `cel:"attempt,optional" json:"attempt,omitempty" doc:"a higher number runs it again"`
}

// StartOut names what was started.
type StartOut struct {
	Pipeline string `cel:"pipeline" json:"pipeline" doc:"id of this run of the pipeline"`
	URL      string `cel:"url" json:"url" doc:"where its log is"`
}

// ReadIn names the pipeline of a commit under a ref.
type ReadIn struct {
	Remote   string `cel:"remote" json:"remote" doc:"address of the repository"`
	Ref      string `cel:"ref" json:"ref" doc:"tag or branch the pipeline is for"`
	Commit   string `cel:"commit" json:"commit" doc:"whole id of the commit"`
	Pipeline string `cel:"pipeline,optional" json:"pipeline,omitempty" doc:"id of one run, from ci.start; empty means the one of this ref and commit"`
}

// ReadOut is how it goes.
type ReadOut struct {
	State   string `cel:"state" json:"state" enum:"pending,running,success,failed,canceled"`
	URL     string `cel:"url" json:"url" doc:"where its log is; empty before it starts"`
	Log     string `cel:"log" json:"log" doc:"what to know of it: the last lines of its log, or of its failed jobs"`
	Seconds int    `cel:"seconds" json:"seconds" doc:"how long it ran"`
}

// CancelIn names a run.
type CancelIn struct {
	Remote   string `cel:"remote,optional" json:"remote,omitempty" doc:"address of the repository"`
	Pipeline string `cel:"pipeline" json:"pipeline" doc:"id of the run, from ci.start"`
}

// CancelOut is how it stands now.
type CancelOut struct {
	State string `cel:"state" json:"state" doc:"canceled, or the verdict it had reached"`
}

// RetryIn names a run that did not pass.
type RetryIn struct {
	Remote   string `cel:"remote" json:"remote" doc:"address of the repository"`
	Commit   string `cel:"commit" json:"commit" doc:"whole id of the commit"`
	Pipeline string `cel:"pipeline" json:"pipeline" doc:"id of the run, from ci.start; it stays the same"`
}

// RetryOut is how it stands now.
type RetryOut struct {
	State string `cel:"state" json:"state" enum:"pending,running,success,failed,canceled"`
	URL   string `cel:"url" json:"url" doc:"where its log is"`
}

// ArtifactsIn names the pipeline whose files are fetched.
type ArtifactsIn struct {
	Remote   string   `cel:"remote" json:"remote" doc:"address of the repository"`
	Ref      string   `cel:"ref" json:"ref" doc:"tag or branch the pipeline is for"`
	Commit   string   `cel:"commit" json:"commit" doc:"whole id of the commit"`
	Pipeline string   `cel:"pipeline,optional" json:"pipeline,omitempty" doc:"id of one run, from ci.start; empty means the one of this ref and commit"`
	Jobs     []string `cel:"jobs,optional" json:"jobs,omitempty" doc:"names of the jobs whose files are taken; empty means all. A provider that runs one command ignores it"`
}

// Artifact is a file that a pipeline made.
type Artifact struct {
	Name   string `cel:"name" json:"name" doc:"name of the file, without a folder"`
	Digest string `cel:"digest" json:"digest" kind:"digest" doc:"of its content"`
	Size   int    `cel:"size" json:"size" doc:"in bytes"`
}

// ArtifactsOut are the files, in the order of their names.
type ArtifactsOut struct {
	Files []Artifact `cel:"files" json:"files"`
}

// Start is the beginning of the contract ci.start@1; policy, times and words for people are the
// provider's, here and below.
func Start() action.Contract {
	return action.Contract{Name: "ci.start", Version: 1, Doc: "Runs the pipeline of a commit.",
		Undo: "ci.cancel@1", UndoIn: map[string]string{"remote": "in.remote", "pipeline": "out.pipeline"}}
}

// Read is the beginning of ci.pipeline@1.
func Read() action.Contract {
	return action.Contract{Name: "ci.pipeline", Version: 1, Policy: action.Read, Watched: true, Doc: "Reads how the pipeline of a commit goes.",
		Shell: "look at the page of the pipeline"}
}

// Cancel is the beginning of ci.cancel@1.
func Cancel() action.Contract {
	return action.Contract{Name: "ci.cancel", Version: 1, Policy: action.Conditional, Doc: "Stops the pipeline of a commit.",
		Shell: "stop the pipeline on its page"}
}

// Retry is the beginning of ci.retry@1.
func Retry() action.Contract {
	return action.Contract{Name: "ci.retry", Version: 1, Doc: "Runs again what failed in a pipeline that did not pass.",
		Shell: "press retry on the page of the pipeline"}
}

// Artifacts is the beginning of ci.artifacts@1.
func Artifacts() action.Contract {
	return action.Contract{Name: "ci.artifacts", Version: 1, Policy: action.Read, Doc: "Fetches what the pipeline of a commit made.",
		Shell: "download the artifacts of the pipeline"}
}
