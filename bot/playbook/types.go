// Package playbook reads, checks and explains the definition of one process.
//
// A playbook is a strict YAML file: inputs, roles and steps (DESIGN §5, SEMANTICS §2–4). [Parse]
// gives the tree with positions; [Check] types every expression and proves what can be proved
// before a run starts. A checked [Playbook] is immutable and is shared by all its runs.
package playbook

import (
	"time"

	"slipway/bot/action"
	"slipway/bot/gate"
)

// Pos is a place in the source file; lines and columns count from 1.
type Pos struct {
	File string
	Line int
	Col  int
}

// Playbook is one checked definition.
type Playbook struct {
	File    string // as given to Parse
	Name    string // the command family: "release"
	Doc     string
	Source  []byte
	Digest  string // of the canonical form: comments and layout do not change it
	Inputs  []Input
	RunName *Template // name of a run; nil: the run's id under the playbook's name
	Roles   []Role    // roles that are filled in the run
	Ledgers []Ledger
	Guards  []Guard
	Overlap Overlap // what a second run of a live name does
	Once    bool    // a name whose run ended as done is not given again
	Never   []Never
	Trigger *Trigger
	Uses    []*Template // locks held by the whole run
	Outputs []Output    // what a playbook that calls this one sees, by name
	Steps   []*Step     // in order of declaration

	pos   Pos
	index map[string]*Step
	reads []string // profile fields that expressions read, sorted
}

// Step finds a step by its declared path: "build", or "build/compile" inside an each.
func (p *Playbook) Step(path string) *Step { return p.index[path] }

// ProfileReads lists the fields of the project's profile that the playbook uses, sorted; a run
// pins exactly these (SEMANTICS §2).
func (p *Playbook) ProfileReads() []string { return p.reads }

// Output is one value that a calling playbook sees. It is absent when its expression is.
type Output struct {
	Name  string
	Value *Template
	Pos   Pos
}

// Input is a typed value that a person gives: at the start, to an ask, or as evidence.
type Input struct {
	Name     string
	Type     action.Type
	Help     string
	Optional bool
	Person   bool // the text is the id of a person
	Default  any  // nil: none
	Pos      Pos
}

// Role is filled while the run goes on, by an ask, by `appoint`, or from a register.
type Role struct {
	Name string
	Doc  string
	By   []string // roles whose holders may appoint; empty: the requester and release managers
	Many bool     // held by several persons at once
	Pos  Pos
}

// Ledger declares the rows that a run keeps: their columns and their small state machine.
type Ledger struct {
	Name    string
	Key     string // the column that names a row
	Columns []action.Field
	States  []string            // the first is where a row begins
	Moves   map[string][]string // state → states it may move to
	Final   []string
	Actions map[string]map[string]string // row commands: name → state → state; the only way out of a final state
	Pos     Pos

	persons map[string]bool // columns that hold the id of a person
}

// Guard watches a fact from one step to another: a value that must not move between.
type Guard struct {
	Name     string
	Watch    string // reference of a Read action
	With     map[string]*Template
	As       string // name of the watched object in Value
	Value    *Expr  // over the watched object; must stay equal
	From, To string
	Pos      Pos

	fromPos, toPos Pos
}

// Overlap says what a second run of a live name does.
type Overlap string

const (
	Refuse  Overlap = "refuse" // the default
	Queue   Overlap = "queue"
	Replace Overlap = "replace"
)

// Never is a promise that the checker proves: the action is not started unless the gate closed.
type Never struct {
	Do      string // name of an action, without version
	Without string // path of a gate
	Pos     Pos

	doPos, withoutPos Pos
}

// Trigger starts runs without a command.
type Trigger struct {
	Every  string // a schedule: "daily 03:00 UTC", "mon 09:00 Europe/London", or a duration
	Fact   string // or a fact, e.g. "git.pushed"
	When   *Expr
	Missed string // run-once | run-all | skip: what becomes of times that passed while we were away
	Owner  string // role that owns runs without a requester
	With   map[string]*Template
	Pos    Pos
}

// StepKind is the kind of a step.
type StepKind string

const (
	Do      StepKind = "do"
	GateK   StepKind = "gate"
	Ask     StepKind = "ask"
	Wait    StepKind = "wait"
	Each    StepKind = "each"
	Call    StepKind = "call"
	ByHand  StepKind = "by_hand"
	Collect StepKind = "collect"
	Offer   StepKind = "offer"
)

// Step is a node of the run's graph. Exactly the part of its Kind is set.
type Step struct {
	ID   string // as declared
	Path string // with its ancestors: "rollout/deploy"
	Kind StepKind
	Doc  string // title for people
	Pos  Pos

	When     *Expr
	Needs    []string // paths; all must be done or skipped
	Any      []string // paths; one must be done or skipped
	Uses     []*Template
	OnFail   *OnFail
	MaySkip  *MaySkip
	Remind   time.Duration
	Deadline *Deadline
	FrozenBy *FrozenBy

	Do      *DoPart
	Gate    *GatePart
	Ask     *AskPart
	Wait    *WaitPart
	Each    *EachPart
	Call    *CallPart
	ByHand  *ByHandPart
	Collect *CollectPart
	Offer   *OfferPart

	Out      action.Type // object; what steps.ID has
	Optional bool        // may end without an output: skipped by when, may_skip, or any
	Parent   *Step       // the each that holds it, or nil
	Reads    []string    // paths of steps that its expressions read, sorted
	Branch   []string    // paths of the steps whose goto or on_reject leads here; it starts no other way

	refs []reference // the names of steps that it uses, where they stand
}

// reference is the name of a step as it stands in the file.
type reference struct {
	key  string // needs, any, goto, undo, on_reject
	path string // resolved
	pos  Pos
}

// DoPart performs an action.
type DoPart struct {
	Ref      string // "git.push_tag@1"
	With     map[string]*Template
	Contract action.Contract
	Pos      Pos // of the reference
}

// GatePart waits for people.
type GatePart struct {
	Rule     gate.Rule
	Binds    []*Template
	Expires  time.Duration // of a manifest; 0: none
	OnReject string        // path of the step to go to; "": the run ends as rejected
	Lifts    string        // role that may lift a veto, besides the one who laid it; "" none
	Say      *Template     // what the gate message says above the values
}

// AskPart asks a holder of a role, or one person, for typed values.
type AskPart struct {
	Of     string    // role, or "requester"; "" with Person
	Person *Template // gives the id of the one person who is asked; nil with Of
	Prompt *Template
	Fields []Input
	Fills  string // declared role that the field "person" fills, or ""; for a role of many also "persons"
}

// WaitPart waits for a fact, polling, or for a time.
type WaitPart struct {
	Ref      string // capability or Read action, Watched; "" when At is set
	With     map[string]*Template
	As       string // name of the watched object in Until and Fail
	Until    *Expr
	Fail     *Expr
	Poll     time.Duration
	At       *Template // a time
	Contract action.Contract
	RefPos   Pos
}

// EachPart fans out over a list or a ledger.
type EachPart struct {
	Of       *Expr  // a list; nil with Ledger
	Ledger   string // a living list: rows that match Where
	Where    *Expr
	Key      *Expr // of an element: text, stable and unique
	As       string
	Parallel int     // 1: in order
	Enough   *Expr   // over `items`; nil: all must be done
	Until    *Expr   // with Ledger: closes the list
	Job      *RowJob // with Ledger: rows are worked by builders, without Steps; Where and First read the row alone
	Steps    []*Step
}

// CallPart runs a child to its end.
type CallPart struct {
	Playbook string
	With     map[string]*Template
	Pos      Pos // of the name
}

// ByHandPart is done by a person, who gives evidence; Probe, when there is one, confirms it.
type ByHandPart struct {
	Of       string    // role, or "requester"; "" with Person
	Person   *Template // gives the id of the one person who does it; nil with Of
	Text     *Template
	Evidence []Input
	Probe    *DoPart // a Read action
	As       string  // name of its output in Until
	Until    *Expr
}

// CollectPart asks every member of a register the same questions.
type CollectPart struct {
	Ledger   string // the register; members are its rows
	Ask      []Input
	Deadline time.Duration
	Late     string // accept | refuse
	Prompt   *Template
	Enough   *Expr // over `answers`: ends the collection before the deadline; nil: all answered
}

// OfferPart lets people start child runs while it is open.
type OfferPart struct {
	Entries []OfferEntry
	Closes  string // role that may close it
}

// OfferEntry is one kind of child run on offer.
type OfferEntry struct {
	Name     string
	Playbook string
	By       []string // roles that may start it
	Fact     string   // or a fact that starts it
	Every    string   // or a schedule
	Priority int      // higher goes first for a lock
	With     map[string]*Template
	Pos      Pos
}

// OnFail says what a failure leads to.
type OnFail struct {
	Retries []Retry
	Goto    string   // path of a step that starts when this one has failed for good
	Undo    []string // paths whose effects are rolled back, newest first, without asking
	Ref     *DoPart  // how the outside is asked to try again (retry: by:)
}

// Retry allows Times new attempts for a class of failure ("any" for all).
type Retry struct {
	Class string
	Times int
	After time.Duration

	pos Pos
}

// MaySkip names who may skip a step, and when.
type MaySkip struct {
	By   []string
	When *Expr
}

// Deadline is when a step must have ended, counted from its start.
type Deadline struct {
	After time.Duration
	Then  string // stuck (default) | skip | fail
}

// FrozenBy names the calendar whose freezes stop the step from starting.
type FrozenBy struct {
	Calendar string
	Then     string // wait | ask | skip
}
