package run

import (
	"time"

	"slipway/bot/gate"
	"slipway/bot/manifest"
	"slipway/bot/people"
)

// State is a run as its events have made it. The zero State is a run that has not started.
type State struct {
	Head
	Steps map[string]*Step // by path of the instance
}

// Head is everything of a run but its steps. A store keeps it as one record and each step as
// another, so that a commit costs what it changes.
type Head struct {
	Start                                 // what it was started with; Inputs and Requester as they are now
	Name     string                       `json:"name"`
	Status   Status                       `json:"status"`
	Outcome  string                       `json:"outcome,omitempty"` // set with Ended
	Began    time.Time                    `json:"began"`
	EndedAt  time.Time                    `json:"ended_at,omitzero"`
	Events   uint64                       `json:"events"` // how many were applied
	Hold     *Hold                        `json:"hold,omitempty"`
	Filled   map[string][]people.PersonID `json:"filled,omitempty"`  // declared roles
	Effects  map[string]*Effect           `json:"effects,omitempty"` // by key: in flight, and those an undo or `again` must know
	Timers   map[string]time.Time         `json:"timers,omitempty"`
	Locks    map[string]string            `json:"locks,omitempty"`  // lock → scope that holds it
	Queued   map[string]string            `json:"queued,omitempty"` // lock → scope that waits for it
	Children map[string]*Child            `json:"children,omitempty"`
	Ledgers  map[string]*Aggregate        `json:"ledgers,omitempty"`
	Guards   map[string]any               `json:"guards,omitempty"` // values first seen
	Undo     []UndoItem                   `json:"undo,omitempty"`   // the plan after abort
	Why      string                       `json:"why,omitempty"`    // of abort or replacement

	Requesters []people.PersonID `json:"requesters,omitempty"` // who were requesters before the present one
	Adopting   bool              `json:"adopting,omitempty"`   // the search for what was done outside goes on
	Planned    bool              `json:"planned,omitempty"`    // the undo plan was made
	Output     map[string]any    `json:"output,omitempty"`     // set with Ended
}

// Status of a run.
type Status string

const (
	Live       Status = "live"
	OnHold     Status = "held"
	IsAborting Status = "aborting"
	RunEnded   Status = "ended"
)

// Hold is a person's stop.
type Hold struct {
	By     people.PersonID `json:"by"`
	Reason string          `json:"reason,omitempty"`
	At     time.Time       `json:"at"`
	Now    bool            `json:"now,omitempty"`

	Paused map[string]time.Duration `json:"paused,omitempty"` // what is left of the deadlines
}

// Step is one instance of a playbook's step.
type Step struct {
	Path        string                     `json:"path"`
	Status      StepStatus                 `json:"status"`
	Attempt     int                        `json:"attempt,omitempty"`
	Since       time.Time                  `json:"since,omitzero"` // of the status
	Inputs      map[string]any             `json:"inputs,omitempty"`
	Digest      string                     `json:"digest,omitempty"` // of the inputs
	Saw         map[string]any             `json:"saw,omitempty"`    // the counters of ledgers that it read, as they were when it started
	Output      map[string]any             `json:"output,omitempty"`
	Message     string                     `json:"message,omitempty"`  // failure, stuck, skipped, waits: why
	On          string                     `json:"on,omitempty"`       // what a waiting step waits on: "lock archive/stable"
	Failures    map[string]int             `json:"failures,omitempty"` // by class, of the present inputs
	Effect      string                     `json:"effect,omitempty"`   // key in flight
	Prior       *Prior                     `json:"prior,omitempty"`    // the result before it went stale
	Gate        *Gate                      `json:"gate,omitempty"`
	Answers     map[string]map[string]any  `json:"answers,omitempty"`     // ask and by_hand under "", collect by member
	Keys        []string                   `json:"keys,omitempty"`        // each: its elements in order
	Items       map[string]any             `json:"items,omitempty"`       // each: elements by key
	Living      bool                       `json:"living,omitempty"`      // its elements follow a ledger: a store keeps each by itself
	Closed      bool                       `json:"closed,omitempty"`      // offer, living each
	Generations map[string]int             `json:"generations,omitempty"` // by digest of the inputs: raised by undo and again
	RetryAt     time.Time                  `json:"retry_at,omitzero"`     // when the next attempt follows by itself
	Polls       int                        `json:"polls,omitempty"`       // effects of the step that are numbered
	Past        map[string]*Effect         `json:"past,omitempty"`        // effects that ended, by key, as far as an undo or `again` must know them
	Despite     string                     `json:"despite,omitempty"`     // a freeze that a person set aside for the next attempt
	Probed      string                     `json:"probed,omitempty"`      // digest of the inputs for which adopt found nothing
	Late        []string                   `json:"late,omitempty"`        // collect: members that answered late
	AnsweredBy  map[string]people.PersonID `json:"answered_by,omitempty"` // by member
	By          people.PersonID            `json:"by,omitempty"`          // who answered, closed or skipped
	Told        *Told                      `json:"told,omitempty"`        // of a wait that ended: what made it look
}

// Prior is a result that may still stand when its step is examined again.
type Prior struct {
	Status StepStatus     `json:"status"`
	Inputs map[string]any `json:"inputs,omitempty"`
	Digest string         `json:"digest"`
	Output map[string]any `json:"output,omitempty"`
	Gate   *Gate          `json:"gate,omitempty"`
	Saw    map[string]any `json:"saw,omitempty"`
}

// StepStatus is where a step stands.
type StepStatus string

const (
	Waiting     StepStatus = "waiting" // for what it needs, or blocked (On says by what)
	Running     StepStatus = "running"
	Done        StepStatus = "done"
	Adopted     StepStatus = "adopted"
	SkippedSt   StepStatus = "skipped"
	FailedSt    StepStatus = "failed"
	Stuck       StepStatus = "stuck"
	InDoubt     StepStatus = "doubtful"
	WithdrawnSt StepStatus = "withdrawn"
)

// Gate is an open or closed gate.
type Gate struct {
	Digest   manifest.Digest   `json:"digest"`
	Manifest manifest.Manifest `json:"manifest"`
	Number   int               `json:"number"` // manifests so far
	Votes    []gate.Vote       `json:"votes,omitempty"`
	Closing  int               `json:"closing,omitempty"` // number of the closing read that is awaited; 0 none
	Closings int               `json:"closings,omitempty"`
	Again    bool              `json:"again,omitempty"`   // the one awaited follows one that did not ask about every account
	Verdict  *gate.Verdict     `json:"verdict,omitempty"` // set when closed
	Note     string            `json:"note,omitempty"`    // why it was opened again

	RetryAt  time.Time                     `json:"retry_at,omitzero"`  // closing is not tried before
	Lifted   map[people.PersonID]time.Time `json:"lifted,omitempty"`   // vetoes up to then were lifted
	At       time.Time                     `json:"at,omitzero"`        // when it closed
	Approved bool                          `json:"approved,omitempty"` // with Verdict: how it closed
	Read     []string                      `json:"read,omitempty"`     // messages whose reactions are read
	Opened   time.Time                     `json:"opened,omitzero"`    // when the manifest was put to people; zero: an older program did
}

// Effect is an effect that is in flight, or done and not forgotten.
type Effect struct {
	Step       string    `json:"step"`
	Action     string    `json:"action"`
	Inputs     []byte    `json:"inputs,omitempty"`
	Generation int       `json:"generation,omitempty"`
	Outcome    Outcome   `json:"outcome,omitempty"` // "": in flight
	Output     []byte    `json:"output,omitempty"`
	Order      uint64    `json:"order"` // of its end, for undo newest first
	Undoes     string    `json:"undoes,omitempty"`
	Undone     bool      `json:"undone,omitempty"`
	Message    string    `json:"message,omitempty"`
	For        Purpose   `json:"for,omitempty"`
	Digest     string    `json:"digest,omitempty"`
	Forget     bool      `json:"forget,omitempty"`
	ProbeOnly  bool      `json:"probe_only,omitempty"`
	UndoesOf   string    `json:"undoes_of,omitempty"`
	After      time.Time `json:"after,omitzero"`
}

// Child is a run started by call or offer.
type Child struct {
	Step    string `json:"step"`
	Entry   string `json:"entry,omitempty"`
	Outcome string `json:"outcome,omitempty"` // "": running
	Output  []byte `json:"output,omitempty"`
	Order   int    `json:"order"` // in which they were wanted
}
