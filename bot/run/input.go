package run

import (
	"time"

	"slipway/bot/calendar"
	"slipway/bot/gate"
	"slipway/bot/people"
)

// World is what Decide may know besides the run: the time, the people, the calendar and the
// locks, as they are when it is called. The versions it read are in [Decision.Reads]; the commit
// is refused when one of them has moved (SEMANTICS §5).
type World struct {
	Now       time.Time
	Directory people.Directory
	Calendar  calendar.Calendar
	Locks     map[string]Lock // those that are held or queued for, by name
	Away      map[string]Away // effects that do not get through, by key; nothing is decided by them
	Asks      []string        // sources that say of an account whether it counts; they are asked before a gate closes

	// Profile gives the values of a project as they are configured now, nil for one that is not; nil: not
	// known. Nothing is decided by them: a run goes on with those that it began with.
	Profile func(project string) map[string]any

	// Free, when it is set, gives conditions a value of its own; see Decide of [playbook.Scope]. It is
	// nil for every real run.
	Free func(expr string) (value, known bool)
}

// Lock is an exclusive resource: first come, first served.
type Lock struct {
	Name    string  `json:"name"`
	Version uint64  `json:"version"`
	Holder  Claim   `json:"holder,omitzero"` // zero: free
	Queue   []Claim `json:"queue,omitempty"` // in order of arrival, higher priority first
}

// Claim is one scope of one run that holds or waits for a lock.
type Claim struct {
	Run      string    `json:"run,omitempty"`
	Name     string    `json:"name,omitempty"`  // of the run, for people; [PrivateRun] for one that outsiders must not see
	Scope    string    `json:"scope,omitempty"` // path of the step whose body holds it; "" the whole run
	Priority int       `json:"priority,omitempty"`
	Since    time.Time `json:"since,omitzero"`
}

// PrivateRun is the name of every private run in the table of locks, which all runs read.
const PrivateRun = "a private run"

// Input is something that happened to a run. The set of inputs is closed.
type Input interface{ input() }

// Start begins a run. It is the only input of an empty State.
type Start struct {
	ID        string // opaque, unique for ever
	Project   string
	Playbook  string          // digest of the playbook
	Closure   string          // digest over every playbook it can call or offer
	Requester people.PersonID // "" for a triggered run
	Owner     string          // role that owns a triggered run
	Inputs    map[string]any  // checked against the playbook, defaults filled in
	Profile   map[string]any  // the profile values that the playbook reads, pinned
	Private   bool
	Circle    []people.PersonID
	Parent    string // id of the run that called it
	Via       string // the delivery it came through
	Priority  int    // for locks: higher goes first; from the offer's entry that started it

	// Inherited are the roles filled in the parent; those that the playbook declares or uses are
	// kept, as they are at the start.
	Inherited map[string][]people.PersonID `json:",omitempty"`
	// Adopt: before anything is done, it is looked for what was done by hand already.
	Adopt bool `json:",omitempty"`
}

// Result is how an effect ended, or what a probe found.
type Result struct {
	Key     string // effect key
	Outcome Outcome
	Output  []byte // canonical JSON, when Outcome is OK
	Class   string // of a failure, for on_fail
	Message string // for people
	Found   bool   // a probe found it already done
	Told    *Told  // of a wait: what made it look; nil when nobody knows
}

// Outcome of an effect.
type Outcome string

const (
	OK       Outcome = "ok"
	Fail     Outcome = "fail"
	Doubtful Outcome = "doubtful"
	Skipped  Outcome = "skipped" // was never tried (voided, aborted before the start)
)

// Vote is a person's word on a gate by command, button or review. Withdraw takes back an
// approval or reject; Lift takes back a veto.
type Vote struct {
	Step     string // path of the gate
	Vote     gate.Vote
	Withdraw bool
	Lift     bool
}

// Reactions is what a gate message was found to bear when it was read: level-triggered, it
// replaces what was known of that message.
type Reactions struct {
	Step    string
	Message string
	Votes   []gate.Vote // one per account and kind
}

// Closing is the answer of a numbered closing read: roles and reactions of the counted
// approvals, read again at their sources.
type Closing struct {
	Step        string
	Number      int
	Votes       []gate.Vote // of messages that were read again, replacing what was known of them
	Messages    []string    // that were read again
	Clean       bool        // no delivery that touches the gate was committed since the read began
	Unavailable string      // the source that could not be reached, in words; "" when all answered

	// An approval or a reject that rests on an account of one of [World.Asks] closes the gate only if the
	// account is in Stood: then the directory knows what was said of it.
	Stood  []people.Account
	Unread []Unread // accounts of which it could not be read
}

// Unread is an account of which its source could not say whether it counts, and why.
type Unread struct {
	Account people.Account
	Why     string
}

// TimerFired is a timer whose time has come.
type TimerFired struct{ ID string }

// LocksChanged wakes a run that waits for a lock which may be free now.
type LocksChanged struct{ Names []string }

// Wake makes a run look again: roles, freezes or playbooks changed around it.
type Wake struct{ Why string }

// Ended is what became of a child run.
type Ended struct {
	Child   string
	Outcome string
	Output  []byte
}

// Aggregate is the state of a ledger as the run sees it: counters only, with the head of the
// ledger's chain.
type Aggregate struct {
	Ledger string
	Total  int
	Counts map[string]int // rows by state
	Head   string
	Rows   []Row // rows that came to match, changed or ceased to match a living each, since the last
}

// Row is one ledger row, as an each over a ledger sees it.
type Row struct {
	Key    string
	State  string
	Values map[string]any
	Match  bool
}

// Answer is a person's answer to an ask, a by_hand or a collect.
type Answer struct {
	Step   string
	Person people.PersonID
	Member string // collect: the row it speaks for
	Values map[string]any
}

// Command is everything else a person can tell a run to do. Person is who says it; the roles
// are checked here, in the core.
type Command struct {
	Verb              Verb
	Person            people.PersonID
	Step              string          // path, where the verb takes one
	Role              string          // appoint
	To                people.PersonID // appoint, hand-over
	Reason            string
	Values            map[string]any // changed inputs of retry --from and rename; a doubt's answer under "answer"
	Now               bool           // hold --now
	Lock              string         // lock take: the lock that another run takes from this one
	First             string         // lock take: id of the run that goes first; "": whoever has waited longest
	Items             []string       // undo: items confirmed; empty: all
	Child             string         // offer: id of the child to start
	Entry             string         // offer: which entry
	Playbook, Closure string         // migrate
}

// Replaced ends a run because one that began by itself takes its place, as its playbook says with
// overlap. It is no person's word: what follows is as after an abort.
type Replaced struct{ Why string }

// Look makes a wait read its fact at once: something happened outside that touches it. A step
// that does not wait makes nothing of it.
type Look struct{ Step string }

// Triggered starts a child of an offer because of a fact or a schedule.
type Triggered struct {
	Step   string
	Entry  string
	Child  string         // its id; "": made from the run's
	Values map[string]any // inputs that the entry does not give
	Fact   map[string]any // what the entry's expressions call fact; nil for a schedule
	Why    string
}

// Verb is what a Command does.
type Verb string

const (
	HoldVerb     Verb = "hold"
	ResumeVerb   Verb = "resume"
	RetryVerb    Verb = "retry"
	SkipVerb     Verb = "skip"
	AbortVerb    Verb = "abort"
	UndoVerb     Verb = "undo" // confirms items of the undo plan after abort
	RenameVerb   Verb = "rename"
	AppointVerb  Verb = "appoint"
	HandOverVerb Verb = "hand-over"
	AdoptVerb    Verb = "adopt"
	AgainVerb    Verb = "again"
	DoubtVerb    Verb = "doubt" // Values["answer"]: happened | redo | failed
	YieldVerb    Verb = "yield" // lock take: this run loses a lock
	StartVerb    Verb = "start" // offer: start a child
	CloseVerb    Verb = "close" // offer: close it; ledger each: close the list
	MigrateVerb  Verb = "migrate"
	OpenVerb     Verb = "open" // a private run is opened
)

func (Start) input()        {}
func (Result) input()       {}
func (Vote) input()         {}
func (Reactions) input()    {}
func (Closing) input()      {}
func (TimerFired) input()   {}
func (LocksChanged) input() {}
func (Wake) input()         {}
func (Ended) input()        {}
func (Aggregate) input()    {}
func (Answer) input()       {}
func (Command) input()      {}
func (Triggered) input()    {}
func (Look) input()         {}
func (Replaced) input()     {}
