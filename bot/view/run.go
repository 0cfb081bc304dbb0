package view

import (
	"context"
	"slices"
	"time"

	"slipway/bot/action"
	"slipway/bot/card"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// PersonID names a person.
type PersonID = people.PersonID

type personID = people.PersonID

// Run is one run as a whole.
type Run struct {
	Line
	Playbook  string    `json:"playbook" doc:"digest of the playbook that it began with"`
	Doc       string    `json:"doc,omitempty" doc:"what the playbook is for"`
	Via       string    `json:"via,omitempty" doc:"how it was started: the message, or the schedule"`
	Owner     string    `json:"owner,omitempty" doc:"role that owns a run that nobody asked for"`
	Circle    []Person  `json:"circle,omitempty" doc:"who sees a private run"`
	Inputs    []Value   `json:"inputs"`
	Outputs   []Value   `json:"outputs,omitempty" doc:"of one that has ended"`
	Roles     []Role    `json:"roles,omitempty" doc:"roles that are filled in this run"`
	Awaited   []Awaited `json:"awaited" doc:"what waits for persons, those first for whom it waits longest"`
	Lines     []string  `json:"lines" doc:"why it stands as it does, most important first"`
	Steps     []Step    `json:"steps" doc:"in the order of the playbook; the elements of a list are counted, not listed"`
	Locks     []string  `json:"locks,omitempty" doc:"that it holds"`
	Queued    []string  `json:"queued,omitempty" doc:"locks that it waits for"`
	Parent    *Ref      `json:"parent,omitempty"`
	Children  []Child   `json:"children,omitempty" doc:"the newest, at most 100"`
	Undo      []Undo    `json:"undo,omitempty" doc:"of an aborted run: what it left, newest first"`
	Unused    []string  `json:"unused,omitempty" doc:"results that came too late to be used"`
	Actions   []Action  `json:"actions" doc:"what the viewer may try with the run as a whole; the core decides"`
	Threads   []Thread  `json:"threads" doc:"where people speak about it, as far as the viewer may read there"`
	Seq       uint64    `json:"seq" doc:"commits in its log so far"`
	Chain     string    `json:"chain" doc:"value of the hash chain of its log after the newest commit"`
	AsOf      time.Time `json:"as_of" doc:"when this was read"`
	Effects   []Effect  `json:"effects,omitempty" doc:"under way, to be tried again, or in doubt"`
	StepCount int       `json:"step_count" doc:"of all steps and elements that have begun"`
}

// Role is a role that is filled in a run.
type Role struct {
	Name    string   `json:"name"`
	Persons []Person `json:"persons"`
}

// Child is a run that this one started.
type Child struct {
	Ref
	Step  string `json:"step" doc:"path of the step that started it"`
	Entry string `json:"entry,omitempty" doc:"of an offer: which"`
}

// Undo is one line of an undo plan.
type Undo struct {
	Step  string `json:"step"`
	Did   string `json:"did" doc:"the action that was done"`
	By    string `json:"by,omitempty" doc:"the action that undoes it; absent if only a person can"`
	State string `json:"state,omitempty" doc:"empty while nobody has answered; confirmed, declined, undone or failed"`
}

// Thread is a place where people speak about a run.
type Thread struct {
	Source  string `json:"source" doc:"the chat: console, or another"`
	Channel string `json:"channel"`
	Message string `json:"message" doc:"the run's card; its thread is the run's"`
}

// Step is a step of a run in short.
type Step struct {
	Path    string         `json:"path" doc:"build[armel]/compile"`
	Title   string         `json:"title" doc:"what it is for"`
	Kind    string         `json:"kind" doc:"do, gate, ask, wait, each, call, by_hand, collect or offer"`
	What    string         `json:"what,omitempty" doc:"action, rule or fact, e.g. git.push_release@1"`
	State   card.State     `json:"state"`
	Status  string         `json:"status" doc:"waiting, running, done, adopted, skipped, failed, stuck, doubtful or withdrawn"`
	Words   string         `json:"words,omitempty" doc:"what else there is to say of it"`
	Since   time.Time      `json:"since,omitzero" doc:"of the status"`
	Began   time.Time      `json:"began,omitzero" doc:"of the present attempt"`
	Took    int64          `json:"took,omitempty" doc:"seconds of the present attempt, to its end or to now"`
	Attempt int            `json:"attempt,omitempty"`
	Counts  map[string]int `json:"counts,omitempty" doc:"of a list: elements by status"`
	By      *Person        `json:"by,omitempty" doc:"who answered, closed or skipped it"`
	Needs   []string       `json:"needs,omitempty" doc:"paths of the steps that it comes after"`
	Depth   int            `json:"depth,omitempty" doc:"in how many lists it is"`
}

// Run shows one run. id may be its name too.
func (r *Reader) Run(ctx context.Context, p people.PersonID, id string) (Run, error) {
	v, err := r.open(ctx, p, id)
	if err != nil {
		return Run{}, err
	}
	s, w := v.state, v.world
	out := Run{Line: r.head(v), Playbook: s.Playbook, Via: s.Via, Owner: s.Owner, AsOf: w.Now, StepCount: len(s.Steps),
		Inputs: []Value{}, Awaited: []Awaited{}, Lines: []string{}, Steps: []Step{}, Actions: []Action{}, Threads: []Thread{}}
	if out.Seq, out.Chain, err = r.e.Log(ctx, v.id); err != nil {
		return Run{}, err
	}
	log, err := r.log(ctx, v.id, out.Seq)
	if err != nil {
		return Run{}, err
	}
	if v.book != nil {
		out.Doc = v.book.Doc
		out.Inputs = values(s.Inputs, inputType(v.book.Inputs))
		why := run.Why(v.book, s, w, "")
		out.Lines = append(out.Lines, why.Lines...)
		out.Awaited = r.awaited(v, p, why.Awaited)
		out.Steps = r.steps(v, log)
	} else {
		out.Inputs = values(s.Inputs, action.Type{})
		out.Lines = append(out.Lines, out.Misfit)
	}
	out.Outputs = values(s.Output, action.Type{})
	for _, name := range sortedKeys(s.Filled) {
		out.Roles = append(out.Roles, Role{name, r.persons(w, s.Filled[name])})
	}
	if s.Private || len(s.Circle) > 0 {
		circle := slices.Clone(s.Circle)
		if s.Requester != "" && !slices.Contains(circle, s.Requester) {
			circle = append([]people.PersonID{s.Requester}, circle...)
		}
		out.Circle = r.persons(w, circle)
	}
	out.Locks, out.Queued = sortedKeys(s.Locks), sortedKeys(s.Queued)
	if s.Parent != "" {
		parent := r.ref(ctx, p, s.Parent, s.Parent)
		out.Parent = &parent
	}
	out.Children = r.children(ctx, p, s)
	for _, item := range s.Undo {
		out.Undo = append(out.Undo, Undo{item.Step, item.Did, item.Action, item.State})
	}
	if out.Unused, err = r.e.Unused(ctx, v.id); err != nil {
		return Run{}, err
	}
	if out.Effects, err = r.effects(ctx, v, ""); err != nil {
		return Run{}, err
	}
	out.Actions = r.runActions(v)
	if out.Threads, err = r.threads(ctx, p, v); err != nil {
		return Run{}, err
	}
	return out, nil
}

// head is the line of a run that was read.
func (r *Reader) head(v seen) Line {
	s, w := v.state, v.world
	out := Line{ID: v.id, Name: s.Name, Project: s.Project, Status: string(s.Status), Outcome: s.Outcome, State: stateOf(s),
		Words: statusWords(v.book, s, w), Began: s.Began, Ended: s.EndedAt, Private: s.Private, Misfit: r.e.Misfits()[s.Playbook]}
	if v.book != nil {
		out.Family = v.book.Name
	}
	end := w.Now
	if !s.EndedAt.IsZero() {
		end = s.EndedAt
	}
	out.Took = seconds(end.Sub(s.Began))
	if s.Requester != "" {
		who := r.person(w, s.Requester)
		out.Requester = &who
	}
	out.Done, out.All = progress(v.book, s)
	return out
}

func inputType(inputs []playbook.Input) action.Type {
	var fields []action.Field
	for _, in := range inputs {
		fields = append(fields, action.Field{Name: in.Name, Type: in.Type, Optional: in.Optional, Doc: in.Help})
	}
	return action.Obj(fields...)
}

// children are the newest runs that a run started.
func (r *Reader) children(ctx context.Context, p people.PersonID, s *run.State) []Child {
	ids := sortedKeys(s.Children)
	slices.SortFunc(ids, func(a, b string) int { return s.Children[b].Order - s.Children[a].Order })
	var out []Child
	for _, id := range ids[:min(len(ids), 100)] {
		c := s.Children[id]
		child := Child{Ref: r.ref(ctx, p, id, id), Step: c.Step, Entry: c.Entry}
		if child.Outcome == "" {
			child.Outcome = c.Outcome
		}
		out = append(out, child)
	}
	return out
}

// threads are the threads of a run that the person may read. A private run has its threads in direct
// rooms: only one's own is given.
func (r *Reader) threads(ctx context.Context, p people.PersonID, v seen) ([]Thread, error) {
	refs, err := r.e.ShownAt(ctx, v.id)
	if err != nil {
		return nil, err
	}
	reads := r.reads(p, v)
	out := []Thread{}
	for _, ref := range refs {
		if reads(ref.Place) {
			out = append(out, Thread{ref.Place.Source, ref.Place.ID, ref.Message})
		}
	}
	return out, nil
}
