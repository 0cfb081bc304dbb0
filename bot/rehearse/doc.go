// Package rehearse runs a checked playbook with simulated people and simulated outcomes.
//
// [Rehearse] follows one way through a playbook and tells it as a timeline: who is asked, what is
// done, what follows from what. [Walk] follows every way, within bounds, and holds each state
// against what a run promises. Both drive run.Decide, the function that drives real runs, so what
// they show is what would happen; only the answers of the outside are made up, from the types
// that contracts declare. The package is pure: the same options give the same report.
package rehearse

import (
	"time"

	"slipway/bot/action"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// Options say what is rehearsed. Playbook is required; everything else has a default.
type Options struct {
	Playbook  *playbook.Playbook // as Check returned it
	Contracts []action.Contract  // for the outputs of actions; those of steps come with the playbook
	Project   string             // default "project"
	Profile   map[string]any     // fields that are missing and that the playbook reads are made up
	Inputs    map[string]any     // inputs that are missing and have no default are made up
	Directory *people.Directory  // nil: a requester, and two persons for each role that is named
	Requester people.PersonID    // default "requester"
	Digest    string             // stands for the playbook's digest in manifests, to compare playbooks; default its own
	Start     time.Time          // default 2019-01-31 12:00 UTC

	Busy    bool // locks are held by another run when they are first asked for
	Frozen  bool // every calendar that the playbook names is frozen for the first hour
	Named   bool // Walk: Profile is a project as it is, so conditions that read nothing else are as they are for it
	Unasked bool // choices go on with what people may do unasked: hold, abort, veto, rename …

	// Choose picks what happens next; choices are in a fixed order, the good way first. Its
	// result is an index. nil always picks the first.
	Choose func([]Choice) int
	// Limit is how many things may happen before a rehearsal gives up; default 2000.
	Limit int
}

// Kind is what sort of thing happens.
type Kind string

const (
	Effect  Kind = "effect"  // an action ends, or a fact is read
	Message Kind = "message" // a gate message, reminder or word to a child is sent
	Closing Kind = "closing" // a closing read answers
	Answer  Kind = "answer"  // a person answers an ask, a by_hand or a collect
	Vote    Kind = "vote"    // a person approves, rejects, vetoes, lifts or withdraws
	Child   Kind = "child"   // a child run ends
	Timer   Kind = "timer"   // a timer fires
	Command Kind = "command" // a person tells the run something
	Outside Kind = "outside" // a lock is freed, rows of a ledger change
)

// Choice is one thing that can happen now.
type Choice struct {
	Kind    Kind
	Step    string          // path of the instance; "" the run
	What    string          // action, verb, timer or kind of vote
	Outcome string          // ok, fail, doubtful, not yet, approve, reject …
	Class   string          // of a failure
	Person  people.PersonID // who does it
	Text    string          // one line for people
	Trouble bool            // not on the good way

	input   run.Input
	at      time.Time         // not before
	free    string            // a lock that another run gives back
	changes map[string]string // salt of the outputs from now on, by step: another answer than before
}

// Key names the choice without the ids and digests of one run: equal choices of different runs
// have equal keys.
func (c Choice) Key() string {
	key := string(c.Kind) + " " + c.Step + " " + c.What + " " + c.Outcome
	if c.Class != "" {
		key += "/" + c.Class
	}
	if c.Person != "" {
		key += " by " + string(c.Person)
	}
	return key
}
