package run

import (
	"time"

	"slipway/bot/gate"
	"slipway/bot/manifest"
	"slipway/bot/people"
)

// Event is one thing that happened to a run and will never change. Its body is one of a closed
// set; every body has a type name and a version, so that later readers can upcast old ones.
type Event struct {
	At   time.Time
	By   people.PersonID // the person who caused it, or "" for Slipway itself
	Body Body
}

// Kind is the type name of the event, e.g. "step.done".
func (e Event) Kind() string {
	if e.Body == nil {
		return ""
	}
	return e.Body.kind()
}

// Purpose says what an effect is for, so that its result finds its way.
type Purpose string

const (
	ForStep    Purpose = ""          // the action of a do step
	ForPoll    Purpose = "poll"      // of a wait
	ForConfirm Purpose = "confirm"   // the probe of a by_hand
	ForAgain   Purpose = "ask_again" // on_fail: ask the outside to try again
	ForMessage Purpose = "message"   // of a gate: posted or edited
	ForClosing Purpose = "closing"   // the closing read of a gate
	ForRemind  Purpose = "remind"
	ForChild   Purpose = "child"    // a child run is started
	ForTell    Purpose = "tell"     // a child run is told to hold, resume or abort
	ForUndo    Purpose = "undo"     // an item of the undo plan
	ForBack    Purpose = "rollback" // on_fail: undo
	ForGuard   Purpose = "guard"    // a guard's fact is read again
	ForAdopt   Purpose = "adopt"    // was it done already?
	ForRow     Purpose = "row"      // the answer of a member is noted in its row
)

// Body is what an event says. The set is closed.
type Body interface{ kind() string }

// Started is the first event of every run.
type Started struct {
	Start Start  `json:"start"`
	Name  string `json:"name"` // release/lava/2019.01
}

// StepStarted begins an attempt of a step.
type StepStarted struct {
	Step    string         `json:"step"` // path of the instance: "build[armel]/compile"
	Attempt int            `json:"attempt"`
	Inputs  map[string]any `json:"inputs,omitempty"` // evaluated
	Digest  string         `json:"digest"`           // of the canonical inputs
	Saw     map[string]any `json:"saw,omitempty"`    // the counters of ledgers that it reads: later rows do not make it stale
}

// StepDone ends an attempt well. Adopted: a probe found it done by others.
type StepDone struct {
	Step    string         `json:"step"`
	Output  map[string]any `json:"output,omitempty"`
	Adopted bool           `json:"adopted,omitempty"`
	Reused  bool           `json:"reused,omitempty"` // unchanged inputs: the earlier result still stands
	Told    *Told          `json:"told,omitempty"`   // of a wait
}

// StepFailed ends an attempt badly. RetryAt is set when another attempt follows by itself.
type StepFailed struct {
	Step    string    `json:"step"`
	Class   string    `json:"class,omitempty"`
	Message string    `json:"message"`
	RetryAt time.Time `json:"retry_at,omitzero"`
	Told    *Told     `json:"told,omitempty"` // of a wait
}

// NoCondition begins the reason of a step that was skipped by its when; the condition follows.
const NoCondition = "its condition does not hold: "

// StepSkipped: by its when, by a person, by a freeze or by a deadline.
type StepSkipped struct {
	Step string `json:"step"`
	Why  string `json:"why"`
}

// StepStuck is a dead end that needs a person.
type StepStuck struct {
	Step string `json:"step"`
	Why  string `json:"why"`
	On   string `json:"on,omitempty"` // "freeze debian": a person may let it go on in spite of it
}

// StepWaits tells that a step that could start does not, and why (lock, freeze, hold).
type StepWaits struct {
	Step string `json:"step"`
	On   string `json:"on"`
	Why  string `json:"why"`
}

// StepStale sets a step back to the beginning because something before it changed.
type StepStale struct {
	Step    string `json:"step"`
	Because string `json:"because"`
	Despite string `json:"despite,omitempty"` // a freeze that a person set aside for the next attempt
	Forget  bool   `json:"forget,omitempty"`  // its earlier result must not be used again
}

// StepWithdrawn ends an element of an each that is gone from its list.
type StepWithdrawn struct {
	Step string `json:"step"`
	Why  string `json:"why"`
}

// EffectIntended is the intent of an effect, committed before it is tried. Actions whose name
// begins with "slipway." are performed by the engine itself.
type EffectIntended struct {
	Key        string    `json:"key"`
	Step       string    `json:"step"`
	Action     string    `json:"action"` // reference: "git.push_tag@1"
	Inputs     []byte    `json:"inputs"` // canonical JSON
	Generation int       `json:"generation,omitempty"`
	Undoes     string    `json:"undoes,omitempty"`     // key of the effect that this one undoes
	UndoesOf   string    `json:"undoes_of,omitempty"`  // step of that effect
	After      time.Time `json:"after,omitzero"`       // not before; for polls
	ProbeOnly  bool      `json:"probe_only,omitempty"` // adopt: look, do not do
	For        Purpose   `json:"for,omitempty"`        // what the result is for; "": the step's own action
	Digest     string    `json:"digest,omitempty"`     // of the inputs, as the key has it
	Forget     bool      `json:"forget,omitempty"`     // nothing of it is kept once it ended well
}

// EffectEnded is its outcome.
type EffectEnded struct {
	Key     string  `json:"key"`
	Step    string  `json:"step"`
	Outcome Outcome `json:"outcome"`
	Output  []byte  `json:"output,omitempty"`
	Class   string  `json:"class,omitempty"`
	Message string  `json:"message,omitempty"`
	Found   bool    `json:"found,omitempty"`
}

// EffectVoided withdraws an intent: it is not to be tried any more. Fence is raised for jobs.
type EffectVoided struct {
	Key  string `json:"key"`
	Step string `json:"step,omitempty"`
	Why  string `json:"why"`
}

// Undone marks that the effect Key was undone, so that its generation rises.
type Undone struct {
	Step string `json:"step"`
	Key  string `json:"key"`
}

// Again lets a person repeat what was done with these inputs and was not undone: the generation
// of the step's effect rises.
type Again struct {
	Step   string `json:"step"`
	Digest string `json:"digest"`
}

// GateOpened puts a manifest to the people.
type GateOpened struct {
	Step     string            `json:"step"`
	Digest   manifest.Digest   `json:"digest"`
	Manifest manifest.Manifest `json:"manifest"`
	Opened   time.Time         `json:"opened,omitzero"` // the time of the event; zero: an older program wrote it
}

// GateVoided: the manifest changed, expired or its run was aborted; its approvals are void.
type GateVoided struct {
	Step   string          `json:"step"`
	Digest manifest.Digest `json:"digest"`
	Why    string          `json:"why"`
}

// Voted records the standing votes of one message (level-triggered) or one command.
type Voted struct {
	Step    string      `json:"step"`
	Message string      `json:"message,omitempty"` // replaces all votes of this message
	Votes   []gate.Vote `json:"votes"`
}

// Withdrawn takes back a person's vote given by command, or lifts a veto.
type Withdrawn struct {
	Step   string          `json:"step"`
	Person people.PersonID `json:"person"`
	Kind   gate.VoteKind   `json:"kind"`
	Reason string          `json:"reason,omitempty"`
}

// GateClosing: the quorum stands, or a no; roles and reactions are being read again.
type GateClosing struct {
	Step   string `json:"step"`
	Number int    `json:"number"`
	Again  bool   `json:"again,omitempty"` // at once, since the read before did not ask about every account
}

// GateClosed is a gate's end. Verdict says who counted; Roles records the versions relied on.
type GateClosed struct {
	Step     string       `json:"step"`
	Approved bool         `json:"approved"`
	Verdict  gate.Verdict `json:"verdict"`
	Roles    []Read       `json:"roles,omitempty"`
}

// GateReopened: the closing read found that the quorum, or the no, does not stand.
type GateReopened struct {
	Step    string    `json:"step"`
	Why     string    `json:"why"`
	RetryAt time.Time `json:"retry_at,omitzero"` // when closing is tried again by itself
}

// Answered is an answer to an ask, a by_hand or one member of a collect.
type Answered struct {
	Step   string         `json:"step"`
	Member string         `json:"member,omitempty"`
	Values map[string]any `json:"values"`
	Late   bool           `json:"late,omitempty"`

	For people.PersonID `json:"for,omitempty"` // the person who was asked, when another answered on their behalf
}

// Appointed fills a role in the run. Empty persons: the role is empty again.
type Appointed struct {
	Role    string            `json:"role"`
	Persons []people.PersonID `json:"persons"`
}

// HandedOver makes another person the run's requester from now on.
type HandedOver struct {
	To     people.PersonID `json:"to"`
	Reason string          `json:"reason,omitempty"`
}

// Renamed changes the inputs in the run's name.
type Renamed struct {
	Name   string         `json:"name"`
	Inputs map[string]any `json:"inputs"`
}

// InputsChanged gives inputs that are not in the run's name other values.
type InputsChanged struct {
	Inputs map[string]any `json:"inputs"`
}

// Held and Resumed stop and continue the starting of steps. Paused are the deadlines that stop
// with the run: what was left of each, by timer.
type Held struct {
	Reason string                   `json:"reason,omitempty"`
	Now    bool                     `json:"now,omitempty"`
	Paused map[string]time.Duration `json:"paused,omitempty"`
}
type Resumed struct{}

// Aborting: no new starts, manifests voided, outcomes in flight awaited.
type Aborting struct {
	Reason string `json:"reason,omitempty"`
}

// UndoPlanned lists what was done, newest first, and what would undo it.
type UndoPlanned struct {
	Items []UndoItem `json:"items"`
}

// UndoItem is one line of an undo plan. Action is "" for what cannot be undone.
type UndoItem struct {
	Key    string `json:"key"`
	Step   string `json:"step"`
	Did    string `json:"did"`
	Action string `json:"action,omitempty"`
	Inputs []byte `json:"inputs,omitempty"`
	State  string `json:"state,omitempty"` // "": nobody has answered; confirmed, declined, undone, failed
}

// UndoConfirmed lets the items of the plan run. Rest declines every item without an answer.
type UndoConfirmed struct {
	Keys     []string `json:"keys,omitempty"`
	Rest     bool     `json:"rest,omitempty"`
	Declined []string `json:"declined,omitempty"` // confirmed before and not begun, but now to stay as they are
}

// TimerSet and TimerCleared arm and disarm a durable timer. Setting an id again moves it.
type TimerSet struct {
	ID  string    `json:"id"` // unique in the run: "deadline/build"
	Due time.Time `json:"due"`
}
type TimerCleared struct {
	ID string `json:"id"`
}

// LockTaken, LockQueued and LockReleased change the table of locks in the same commit.
type LockTaken struct {
	Lock  string `json:"lock"`
	Claim Claim  `json:"claim"`
}
type LockQueued struct {
	Lock  string `json:"lock"`
	Claim Claim  `json:"claim"`
}
type LockReleased struct {
	Lock  string `json:"lock"`
	Scope string `json:"scope"`
	Why   string `json:"why,omitempty"`
	First string `json:"first,omitempty"` // lock take: the run whose claim goes before all others
}

// Listed fixes the elements of an each when it starts, or what changed of a living one.
type Listed struct {
	Step  string         `json:"step"`
	Keys  []string       `json:"keys"`
	Items map[string]any `json:"items"` // by key
}

// ChildWanted asks for a child run; ChildEnded is what became of it.
type ChildWanted struct {
	Step  string `json:"step"`
	Entry string `json:"entry,omitempty"`
	Child string `json:"child"` // its id, given with the input
}
type ChildEnded struct {
	Step    string `json:"step"`
	Child   string `json:"child"`
	Outcome string `json:"outcome"`
	Output  []byte `json:"output,omitempty"`
}

// OfferClosed: no child is started any more.
type OfferClosed struct {
	Step string `json:"step"`
}

// Counted is the aggregate of a ledger that a declared condition waited for.
type Counted struct {
	Aggregate Aggregate `json:"aggregate"`
}

// GuardSeen is a guard's value when it was first read; GuardBroken, a value that moved.
type GuardSeen struct {
	Guard string `json:"guard"`
	Value any    `json:"value"`
}
type GuardBroken struct {
	Guard string `json:"guard"`
	Was   any    `json:"was"`
	Is    any    `json:"is"`
}

// Migrated moves the run to another playbook, or its pin to other values of the profile.
type Migrated struct {
	Playbook string         `json:"playbook"`
	Closure  string         `json:"closure"`
	Profile  map[string]any `json:"profile,omitempty"` // nil: as it was
	What     string         `json:"what"`
}

// Adopting and AdoptEnded begin and end the search for what was done outside of the run. While
// it goes on, nothing is started.
type Adopting struct{}
type AdoptEnded struct{}

// Opened ends the privacy of a private run.
type Opened struct{}

// Finished is the last event. Outcome: done, rejected, aborted, failed, replaced.
type Finished struct {
	Outcome string         `json:"outcome"`
	Output  map[string]any `json:"output,omitempty"`
}

func (Started) kind() string        { return "run.started" }
func (StepStarted) kind() string    { return "step.started" }
func (StepDone) kind() string       { return "step.done" }
func (StepFailed) kind() string     { return "step.failed" }
func (StepSkipped) kind() string    { return "step.skipped" }
func (StepStuck) kind() string      { return "step.stuck" }
func (StepWaits) kind() string      { return "step.waits" }
func (StepStale) kind() string      { return "step.stale" }
func (StepWithdrawn) kind() string  { return "step.withdrawn" }
func (EffectIntended) kind() string { return "effect.intended" }
func (EffectEnded) kind() string    { return "effect.ended" }
func (EffectVoided) kind() string   { return "effect.voided" }
func (Undone) kind() string         { return "effect.undone" }
func (GateOpened) kind() string     { return "gate.opened" }
func (GateVoided) kind() string     { return "gate.voided" }
func (Voted) kind() string          { return "gate.voted" }
func (Withdrawn) kind() string      { return "gate.withdrawn" }
func (GateClosing) kind() string    { return "gate.closing" }
func (GateClosed) kind() string     { return "gate.closed" }
func (GateReopened) kind() string   { return "gate.reopened" }
func (Answered) kind() string       { return "ask.answered" }
func (Appointed) kind() string      { return "role.appointed" }
func (HandedOver) kind() string     { return "run.handed_over" }
func (Renamed) kind() string        { return "run.renamed" }
func (Held) kind() string           { return "run.held" }
func (Resumed) kind() string        { return "run.resumed" }
func (Aborting) kind() string       { return "run.aborting" }
func (UndoPlanned) kind() string    { return "undo.planned" }
func (UndoConfirmed) kind() string  { return "undo.confirmed" }
func (TimerSet) kind() string       { return "timer.set" }
func (TimerCleared) kind() string   { return "timer.cleared" }
func (LockTaken) kind() string      { return "lock.taken" }
func (LockQueued) kind() string     { return "lock.queued" }
func (LockReleased) kind() string   { return "lock.released" }
func (Listed) kind() string         { return "each.listed" }
func (ChildWanted) kind() string    { return "child.wanted" }
func (ChildEnded) kind() string     { return "child.ended" }
func (OfferClosed) kind() string    { return "offer.closed" }
func (Counted) kind() string        { return "ledger.counted" }
func (GuardSeen) kind() string      { return "guard.seen" }
func (GuardBroken) kind() string    { return "guard.broken" }
func (Migrated) kind() string       { return "run.migrated" }
func (Again) kind() string          { return "effect.again" }
func (InputsChanged) kind() string  { return "run.inputs_changed" }
func (Adopting) kind() string       { return "adopt.begun" }
func (AdoptEnded) kind() string     { return "adopt.ended" }
func (Opened) kind() string         { return "run.opened" }
func (Finished) kind() string       { return "run.finished" }
