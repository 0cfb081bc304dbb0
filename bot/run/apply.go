package run

import (
	"maps"
	"slices"
	"strings"
	"time"

	"slipway/bot/gate"
	"slipway/bot/people"
)

// Apply gives the state after e. It changes nothing of s: what e touches is copied. It accepts
// every sequence of events, so that a damaged log can still be looked at.
func (s *State) Apply(e Event) *State {
	f := newFold(s)
	f.apply(e)
	return f.s
}

// Replay gives the state after events, in order. It is Apply for many events at once.
func (s *State) Replay(events []Event) *State {
	f := newFold(s)
	for _, e := range events {
		f.apply(e)
	}
	return f.s
}

// fold applies events to a copy of a state; each map and each step is copied once, when it is
// first written.
type fold struct {
	s     *State
	own   map[string]bool // steps that were copied
	maps_ map[string]bool // maps of the head that were copied
}

func newFold(s *State) *fold {
	if s == nil {
		s = &State{}
	}
	next := *s
	return &fold{s: &next}
}

// step is the step at path, for writing.
func (f *fold) step(path string) *Step {
	if f.own == nil {
		f.own = make(map[string]bool, 4)
		steps := make(map[string]*Step, len(f.s.Steps)+4)
		maps.Copy(steps, f.s.Steps)
		f.s.Steps = steps
	}
	old := f.s.Steps[path]
	if old != nil && f.own[path] {
		return old
	}
	next := &Step{Path: path, Status: Waiting}
	if old != nil {
		*next = *old
	}
	f.own[path] = true
	f.s.Steps[path] = next
	return next
}

// writable copies the map m of the head once.
func writable[K comparable, V any](f *fold, name string, m *map[K]V) map[K]V {
	if !f.maps_[name] {
		next := make(map[K]V, len(*m)+1)
		maps.Copy(next, *m)
		*m = next
		if f.maps_ == nil {
			f.maps_ = make(map[string]bool, 4)
		}
		f.maps_[name] = true
	}
	return *m
}

// put is m with k set to v, in a new map.
func put[K comparable, V any](m map[K]V, k K, v V) map[K]V {
	next := make(map[K]V, len(m)+1)
	maps.Copy(next, m)
	next[k] = v
	return next
}

func (f *fold) apply(e Event) {
	if e.Body == nil {
		return
	}
	f.s.Events++
	switch b := e.Body.(type) {
	case Started:
		f.s.Start, f.s.Name, f.s.Status, f.s.Began = b.Start, b.Name, Live, e.At
		if len(b.Start.Inherited) > 0 {
			f.s.Filled = maps.Clone(b.Start.Inherited)
		}
	case StepStarted, StepDone, StepFailed, StepSkipped, StepStuck, StepWaits, StepStale, StepWithdrawn, Listed, Relisted, Answered, OfferClosed, Again:
		f.applyStep(e)
	case EffectIntended, EffectEnded, EffectVoided, Undone:
		f.applyEffect(e)
	case GateOpened, GateVoided, Voted, Withdrawn, GateClosing, GateClosed, GateReopened:
		f.applyGate(e)
	default:
		f.applyRun(e)
	}
}

// to sets a step's status, and forgets what belonged to the status before.
func (st *Step) to(status StepStatus, at time.Time) {
	if st.Status != status || st.Since.IsZero() {
		st.Since = at
	}
	st.Status = status
	st.Message, st.On, st.Told = "", "", nil
	st.RetryAt = time.Time{}
}

func (f *fold) applyStep(e Event) {
	switch b := e.Body.(type) {
	case StepStarted:
		st := f.step(b.Step)
		if st.Digest != b.Digest {
			st.Failures = nil
		}
		st.to(Running, e.At)
		st.Attempt, st.Inputs, st.Digest, st.Saw = b.Attempt, b.Inputs, b.Digest, b.Saw
		st.Output, st.Prior, st.Effect, st.Despite = nil, nil, "", ""
		st.Since = e.At
	case StepDone:
		st := f.step(b.Step)
		if b.Reused && st.Prior != nil {
			st.to(st.Prior.Status, e.At)
			st.Output, st.Digest, st.Inputs, st.Gate, st.Saw = st.Prior.Output, st.Prior.Digest, st.Prior.Inputs, st.Prior.Gate, st.Prior.Saw
			st.Prior = nil
			return
		}
		st.to(Done, e.At)
		if b.Adopted {
			st.Status = Adopted
		}
		st.Output, st.Effect, st.Prior, st.Told = b.Output, "", nil, b.Told
		if e.By != "" {
			st.By = e.By
		}
	case StepFailed:
		st := f.step(b.Step)
		status := FailedSt
		if !b.RetryAt.IsZero() {
			status = Waiting
		}
		st.to(status, e.At)
		st.Message, st.RetryAt, st.Effect, st.Told = b.Message, b.RetryAt, "", b.Told
		if !b.RetryAt.IsZero() {
			st.On = "retry"
		}
		st.Failures = put(st.Failures, b.Class, st.Failures[b.Class]+1)
	case StepSkipped:
		st := f.step(b.Step)
		st.to(SkippedSt, e.At)
		st.Message, st.Output, st.Prior, st.Effect, st.By = b.Why, nil, nil, "", e.By
	case StepStuck:
		st := f.step(b.Step)
		on, told := st.On, st.Told
		st.to(Stuck, e.At)
		st.Message, st.Told = b.Why, told
		if b.On != "" {
			on = b.On
		}
		st.On = on
	case StepWaits:
		st := f.step(b.Step)
		st.On, st.Message = b.On, b.Why
	case StepStale:
		f.stale(b, e.At)
	case StepWithdrawn:
		st := f.step(b.Step)
		st.to(WithdrawnSt, e.At)
		st.Message, st.Effect, st.Prior = b.Why, "", nil
	case Listed:
		st := f.step(b.Step)
		st.Keys, st.Items = b.Keys, b.Items
	case Relisted:
		f.relisted(b)
	case Answered:
		st := f.step(b.Step)
		st.Answers = put(st.Answers, b.Member, b.Values)
		st.By = e.By
		if b.Late {
			st.Late = append(slices.Clip(st.Late), b.Member)
		}
		st.AnsweredBy = put(st.AnsweredBy, b.Member, e.By)
	case OfferClosed:
		f.step(b.Step).Closed = true
	case Again:
		st := f.step(b.Step)
		st.Generations = put(st.Generations, b.Digest, st.Generations[b.Digest]+1)
		st.Prior = nil
	}
}

func (f *fold) stale(b StepStale, at time.Time) {
	st := f.step(b.Step)
	if (st.Status == Done || st.Status == Adopted) && !b.Forget {
		st.Prior = &Prior{Status: st.Status, Digest: st.Digest, Inputs: st.Inputs, Output: st.Output, Gate: st.Gate, Saw: st.Saw}
	} else if b.Forget {
		st.Prior = nil
	}
	st.to(Waiting, at)
	st.Message, st.Despite = b.Because, b.Despite
	st.Output, st.Effect, st.Closed, st.Probed = nil, "", false, ""
	st.Answers, st.AnsweredBy, st.Late = nil, nil, nil
	st.Failures = nil
	if st.Gate != nil { // manifests and closing reads are numbered for ever
		st.Gate = &Gate{Number: st.Gate.Number, Closings: st.Gate.Closings}
	}
}

func (f *fold) applyEffect(e Event) {
	switch b := e.Body.(type) {
	case EffectIntended:
		inputs := b.Inputs
		switch b.For {
		case ForMessage, ForClosing: // the head is written with every commit, and nobody asks for these again
			inputs = nil
		}
		writable(f, "effects", &f.s.Effects)[b.Key] = &Effect{Step: b.Step, Action: b.Action, Inputs: inputs,
			Generation: b.Generation, Undoes: b.Undoes, UndoesOf: b.UndoesOf, For: b.For, Digest: b.Digest, Forget: b.Forget, ProbeOnly: b.ProbeOnly, After: b.After}
		if b.Step == "" {
			return
		}
		st := f.step(b.Step)
		if b.For != ForStep {
			st.Polls++
		}
		switch b.For {
		case ForStep, ForPoll, ForConfirm, ForChild:
			st.Effect = b.Key
		}
		if b.For == ForStep && st.Status == InDoubt {
			st.to(Running, e.At)
		}
	case EffectEnded:
		f.effectEnded(b, e.At)
	case EffectVoided:
		if old := f.s.Effects[b.Key]; old != nil {
			delete(writable(f, "effects", &f.s.Effects), b.Key)
			if st := f.s.Steps[old.Step]; st != nil && st.Effect == b.Key {
				f.step(old.Step).Effect = ""
			}
		}
	case Undone:
		st := f.step(b.Step)
		old := st.Past[b.Key]
		if old == nil || old.Undone {
			return
		}
		next := *old
		next.Undone = true
		st.Past = put(st.Past, b.Key, &next)
		st.Generations = put(st.Generations, old.Digest, st.Generations[old.Digest]+1)
		if st.Prior != nil && st.Prior.Digest == old.Digest {
			st.Prior = nil
		}
	}
}

// effectEnded moves an effect out of the head, which holds only those without an outcome and
// the doubtful ones, into the step that an undo or `again` will ask.
func (f *fold) effectEnded(b EffectEnded, at time.Time) {
	old := f.s.Effects[b.Key]
	if old == nil {
		old = &Effect{Step: b.Step, Forget: true}
	}
	effects := writable(f, "effects", &f.s.Effects)
	next := *old
	next.Outcome, next.Output, next.Message, next.Order = b.Outcome, b.Output, b.Message, f.s.Events
	switch {
	case b.Outcome == Doubtful:
		effects[b.Key] = &next
		if b.Step != "" {
			st := f.step(b.Step)
			st.to(InDoubt, at)
			st.Message, st.Effect = b.Message, b.Key
		}
		return
	case b.Outcome == OK && !old.Forget && b.Step != "":
		st := f.step(b.Step)
		st.Past = put(st.Past, b.Key, &next)
	}
	delete(effects, b.Key)
	if b.Step == "" {
		return
	}
	if old.For == ForAdopt && b.Outcome != OK {
		f.step(b.Step).Probed = old.Digest
	}
	if st := f.s.Steps[b.Step]; st != nil && st.Effect == b.Key {
		st = f.step(b.Step)
		st.Effect = ""
		if st.Status == InDoubt && old.For == ForAgain { // its next attempt follows
			st.to(Waiting, at)
		} else if st.Status == InDoubt {
			st.to(Running, at)
		}
	}
	if old.For == ForUndo {
		state := "undone"
		if b.Outcome != OK {
			state = "failed"
		}
		f.s.Undo = slices.Clone(f.s.Undo)
		for i := range f.s.Undo {
			if f.s.Undo[i].Key == old.Undoes {
				f.s.Undo[i].State = state
			}
		}
	}
}

// gate is the gate at path, for writing.
func (f *fold) gate(path string) *Gate {
	st := f.step(path)
	next := &Gate{}
	if st.Gate != nil {
		*next = *st.Gate
	}
	st.Gate = next
	return next
}

func (f *fold) applyGate(e Event) {
	switch b := e.Body.(type) {
	case GateOpened:
		old := f.gate(b.Step)
		f.s.Steps[b.Step].Gate = &Gate{Digest: b.Digest, Manifest: b.Manifest, Number: b.Manifest.Number, Closings: old.Closings, Opened: b.Opened}
	case GateVoided:
		g := f.gate(b.Step)
		g.Votes, g.Read, g.Closing, g.Again, g.Digest, g.Note, g.Lifted = nil, nil, 0, false, "", b.Why, nil
	case Voted:
		g := f.gate(b.Step)
		g.Votes = merged(g.Votes, b.Message, b.Votes, g.Lifted)
		if b.Message != "" && !slices.Contains(g.Read, b.Message) {
			g.Read = append(slices.Clip(g.Read), b.Message)
		}
		g.RetryAt = time.Time{}
	case Withdrawn:
		g := f.gate(b.Step)
		g.Votes = slices.DeleteFunc(slices.Clone(g.Votes), func(v gate.Vote) bool { return v.Person == b.Person && v.Kind == b.Kind })
		if b.Kind == gate.Veto {
			g.Lifted = put(g.Lifted, b.Person, e.At)
		}
	case GateClosing:
		g := f.gate(b.Step)
		g.Closing, g.Closings, g.Again, g.Note, g.RetryAt = b.Number, b.Number, b.Again, "", time.Time{}
	case GateReopened:
		g := f.gate(b.Step)
		g.Closing, g.Again, g.Note, g.RetryAt = 0, false, b.Why, b.RetryAt
	case GateClosed:
		g := f.gate(b.Step)
		v := b.Verdict
		g.Closing, g.Again, g.Note, g.Verdict, g.At = 0, false, "", &v, e.At
		g.Approved = b.Approved
	}
}

// merged is votes after those of message were read again, or, with message "", after one more
// command. A veto that was lifted does not come back by reading its message again.
func merged(votes []gate.Vote, message string, given []gate.Vote, lifted map[people.PersonID]time.Time) []gate.Vote {
	next := make([]gate.Vote, 0, len(votes)+len(given))
	for _, v := range votes {
		replaced := message != "" && v.Message == message
		for _, g := range given {
			replaced = replaced || message == "" && v.Person == g.Person && v.Account == g.Account && v.Message == g.Message
		}
		if !replaced {
			next = append(next, v)
		}
	}
	for _, v := range given {
		if until, ok := lifted[v.Person]; ok && v.Kind == gate.Veto && !v.At.After(until) {
			continue
		}
		next = append(next, v)
	}
	return next
}

func (f *fold) applyRun(e Event) {
	s := f.s
	switch b := e.Body.(type) {
	case Appointed:
		filled := writable(f, "filled", &s.Filled)
		if len(b.Persons) == 0 {
			delete(filled, b.Role)
		} else {
			filled[b.Role] = b.Persons
		}
	case HandedOver:
		if s.Requester != "" && s.Requester != b.To && !slices.Contains(s.Requesters, s.Requester) {
			s.Requesters = append(slices.Clip(s.Requesters), s.Requester)
		}
		s.Requester = b.To
	case Renamed:
		s.Name = b.Name
		maps.Copy(writable(f, "inputs", &s.Inputs), b.Inputs)
	case InputsChanged:
		maps.Copy(writable(f, "inputs", &s.Inputs), b.Inputs)
	case Held:
		s.Status = OnHold
		s.Hold = &Hold{By: e.By, Reason: b.Reason, At: e.At, Now: b.Now, Paused: b.Paused}
	case Resumed:
		s.Status, s.Hold = Live, nil
	case Aborting:
		s.Status, s.Why, s.Hold, s.Adopting = IsAborting, b.Reason, nil, false
	case UndoPlanned:
		s.Undo, s.Planned = b.Items, true
	case UndoConfirmed:
		s.Undo = slices.Clone(s.Undo)
		for i := range s.Undo {
			switch item := &s.Undo[i]; {
			case slices.Contains(b.Keys, item.Key):
				item.State = "confirmed"
			case slices.Contains(b.Declined, item.Key):
				item.State = "declined"
			case b.Rest && (item.State == "" || item.State == "failed"):
				item.State = "declined"
			}
		}
	case TimerSet:
		writable(f, "timers", &s.Timers)[b.ID] = b.Due
	case TimerCleared:
		delete(writable(f, "timers", &s.Timers), b.ID)
	case LockTaken:
		writable(f, "locks", &s.Locks)[b.Lock] = b.Claim.Scope
		delete(writable(f, "queued", &s.Queued), b.Lock)
	case LockQueued:
		writable(f, "queued", &s.Queued)[b.Lock] = b.Claim.Scope
	case LockReleased:
		if scope, ok := s.Locks[b.Lock]; ok && scope == b.Scope {
			delete(writable(f, "locks", &s.Locks), b.Lock)
		} else if scope, ok := s.Queued[b.Lock]; ok && scope == b.Scope {
			delete(writable(f, "queued", &s.Queued), b.Lock)
		}
	case ChildWanted:
		writable(f, "children", &s.Children)[b.Child] = &Child{Step: b.Step, Entry: b.Entry, Order: len(s.Children) + 1}
	case ChildEnded:
		next := Child{Step: b.Step}
		if old := s.Children[b.Child]; old != nil {
			next = *old
		}
		next.Outcome, next.Output = b.Outcome, b.Output
		writable(f, "children", &s.Children)[b.Child] = &next
	case Counted:
		f.counted(b.Aggregate)
	case GuardSeen:
		writable(f, "guards", &s.Guards)[b.Guard] = b.Value
	case GuardBroken: // the value first seen stays: only a new attempt from the guard's start reads it anew
	case Migrated:
		s.Playbook, s.Closure = b.Playbook, b.Closure
		if b.Profile != nil {
			s.Profile = b.Profile
		}
	case Adopting:
		s.Adopting = true
	case AdoptEnded:
		s.Adopting = false
	case Opened:
		s.Private = false
	case Finished:
		s.Status, s.Outcome, s.EndedAt, s.Hold = RunEnded, b.Outcome, e.At, nil
		s.Output = b.Output
	}
}

// counted keeps the counters of a ledger and, of its rows, those that match.
func (f *fold) counted(a Aggregate) {
	var rows []Row
	if old := f.s.Ledgers[a.Ledger]; old != nil {
		rows = slices.Clone(old.Rows)
	}
	for _, r := range a.Rows { // by key: a store keeps each row by itself and gives them back in that order
		i, had := slices.BinarySearchFunc(rows, r.Key, func(o Row, key string) int { return strings.Compare(o.Key, key) })
		switch {
		case !had && r.Match:
			rows = slices.Insert(rows, i, r)
		case had && r.Match:
			rows[i] = r
		case had:
			rows = slices.Delete(rows, i, i+1)
		}
	}
	a.Rows = rows
	writable(f, "ledgers", &f.s.Ledgers)[a.Ledger] = &a
}
