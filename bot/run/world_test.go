package run

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"slipway/bot/action"
	"slipway/bot/calendar"
	"slipway/bot/errs"
	"slipway/bot/gate"
	"slipway/bot/people"
	"slipway/bot/playbook"
)

// contracts are the actions of the test playbooks.
func contracts() []action.Contract {
	str := action.Type{Kind: action.String}
	in := action.Obj(action.Field{Name: "v", Type: str, Optional: true}, action.Field{Name: "n", Type: action.Type{Kind: action.Int}, Optional: true})
	out := action.Obj(action.Field{Name: "r", Type: str})
	return []action.Contract{
		{Name: "t.make", Version: 1, Policy: action.Keyed, Classes: []string{"flaky"}, In: in, Out: out, Undo: "t.unmake@1", UndoIn: map[string]string{"v": "out.r"}},
		{Name: "t.unmake", Version: 1, Policy: action.Keyed, In: in, Out: action.Obj()},
		{Name: "t.push", Version: 1, Policy: action.Conditional, In: in, Out: out, Irreversible: true},
		{Name: "t.mail", Version: 1, Policy: action.OnceOrAsk, In: in, Out: action.Obj()},
		{Name: "t.job", Version: 1, Policy: action.Keyed, In: in, Out: out, Job: "build"},
		{Name: "t.read", Version: 1, Policy: action.Read, In: in, Out: action.Obj(action.Field{Name: "r", Type: action.Type{Kind: action.Digest}}, action.Field{Name: "authors", Type: action.ListOf(str)}), Authors: "authors"},
		{Name: "t.list", Version: 1, Policy: action.Read, In: in, Out: action.Obj(action.Field{Name: "names", Type: action.ListOf(str)})},
		{Name: "t.state", Version: 1, Policy: action.Read, In: in, Watched: true, Out: action.Obj(action.Field{Name: "status", Type: str})},
		{Name: "t.again", Version: 1, Policy: action.Keyed, In: in, Out: action.Obj()},
	}
}

func profileType() action.Type {
	str := action.Type{Kind: action.String}
	return action.Obj(action.Field{Name: "name", Type: str}, action.Field{Name: "tag", Type: str})
}

func testPlaybook(t testing.TB, src string, others ...string) *playbook.Playbook {
	t.Helper()
	named := map[string]*playbook.Playbook{}
	for _, other := range others {
		p, err := playbook.Parse("other.yaml", []byte(other))
		if err != nil {
			t.Fatalf("parse: %v", err)
		}
		named[p.Name] = p
	}
	parsed, err := playbook.Parse("test.yaml", []byte(src))
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	p, findings := playbook.Check(parsed, playbook.Known{Contracts: contracts(), Profile: profileType(),
		Playbooks: func(name string) *playbook.Playbook { return named[name] }})
	if p == nil {
		t.Fatalf("check: %v", findings)
	}
	return p
}

// world drives one run: it says what people say, answers effects, moves the clock, and checks
// after every decision that the log alone gives the same state.
type world struct {
	t      fataler
	p      *playbook.Playbook
	s      *State
	log    []Event
	now    time.Time
	grants []people.Grant
	people []people.Person
	down   map[string]string
	freeze []calendar.Freeze
	locks  map[string]Lock
	vers   uint64
	asks   []string
	barred []people.Barred
	last   Decision
}

func newWorld(t testing.TB, src string, others ...string) *world {
	t.Helper()
	return newWorldOf(t, testPlaybook(t, src, others...))
}

// fataler is what the driver needs of a test, so that a property may drive it too.
type fataler interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func newWorldOf(t fataler, p *playbook.Playbook) *world {
	t.Helper()
	w := &world{t: t, p: p, now: time.Date(2019, 1, 10, 12, 0, 0, 0, time.UTC), down: map[string]string{}, locks: map[string]Lock{}}
	for _, id := range []people.PersonID{"requester", "maintainer-a", "maintainer-b", "maintainer-c", "manager", "stranger", "coordinator"} {
		w.people = append(w.people, people.Person{ID: id, Name: string(id), Mail: string(id) + "@example.org", Accounts: []people.Account{{Source: "console", ID: string(id)}}})
	}
	w.Grant("maintainer-a", "maintainer")
	w.Grant("maintainer-b", "maintainer")
	w.Grant("maintainer-c", "maintainer")
	w.Grant("requester", "maintainer")
	w.Grant("manager", "release-manager")
	return w
}

func (w *world) Grant(p people.PersonID, role string) {
	w.vers++
	w.grants = append(w.grants, people.Grant{ID: fmt.Sprint(len(w.grants)), Person: p, Role: role, Project: "lava"})
}

func (w *world) Revoke(p people.PersonID, role string) {
	w.vers++
	w.grants = slices.DeleteFunc(w.grants, func(g people.Grant) bool { return g.Person == p && g.Role == role })
}

func (w *world) World() World {
	versions := map[string]uint64{}
	for _, g := range w.grants {
		versions[g.Project+"/"+g.Role] = w.vers
	}
	return World{Now: w.now, Directory: people.NewDirectory(w.people, w.grants, versions, w.down).WithBarred(w.barred), Asks: w.asks,
		Calendar: calendar.NewCalendar(w.freeze, map[string]uint64{"debian": 7}), Locks: w.locks}
}

// equal compares states as the log makes them: an empty map is no map.
func equal(a, b *State) string {
	return cmp.Diff(a, b, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(people.Directory{}))
}

// Do decides in, checks what every decision must keep, and takes it over.
func (w *world) Do(in Input) Decision {
	w.t.Helper()
	before := w.s
	var snapshot []byte
	if before != nil {
		snapshot, _ = json.Marshal(before)
	}
	d := Decide(w.p, before, in, w.World())
	if again := Decide(w.p, before, in, w.World()); !cmp.Equal(d.Events, again.Events, cmpopts.EquateEmpty()) {
		w.t.Fatalf("the same decision twice differs: %s", cmp.Diff(d.Events, again.Events, cmpopts.EquateEmpty()))
	}
	if before != nil {
		if after, _ := json.Marshal(before); string(after) != string(snapshot) {
			w.t.Fatalf("Decide changed the state that it was given")
		}
	}
	if d.Refusal != nil && len(d.Events) > 0 {
		w.t.Fatalf("a refusal with events")
	}
	for _, e := range d.Events {
		data, err := EncodeEvent(e)
		if err != nil {
			w.t.Fatal(err)
		}
		back, err := DecodeEvent(data)
		if err != nil {
			w.t.Fatal(err)
		}
		w.log = append(w.log, back)
		for name := range lockNames(e.Body) {
			l := w.locks[name]
			l.Name = name
			w.locks[name] = l.After(e.Body, w.id())
		}
	}
	if len(d.Events) > 0 {
		w.s = d.After
		if diff := equal((*State)(nil).Replay(w.log), d.After); diff != "" {
			w.t.Fatalf("the log gives another state than Decide (-log +decide):\n%s", diff)
		}
		one := before
		for _, e := range d.Events {
			one = one.Apply(e)
		}
		if diff := equal(one, d.After); diff != "" {
			w.t.Fatalf("applying one by one differs:\n%s", diff)
		}
	}
	for _, st := range w.s.Steps {
		if got := Why(w.p, w.s, w.World(), st.Path); got.Status == "" && w.p.Step(DeclaredPath(st.Path)) != nil && w.s.Steps[st.Path].Status != WithdrawnSt {
			w.t.Fatalf("why %s says nothing", st.Path)
		}
	}
	w.last = d
	return d
}

func lockNames(b Body) map[string]bool {
	switch b := b.(type) {
	case LockTaken:
		return map[string]bool{b.Lock: true}
	case LockQueued:
		return map[string]bool{b.Lock: true}
	case LockReleased:
		return map[string]bool{b.Lock: true}
	}
	return nil
}

func (w *world) id() string {
	if w.s == nil {
		return "run1"
	}
	return w.s.ID
}

func (w *world) Start(inputs map[string]any) Decision {
	w.t.Helper()
	w.s = &State{}
	d := w.Do(Start{ID: "run1", Project: "lava", Playbook: "sha256:p", Closure: "sha256:c", Requester: "requester", Inputs: inputs,
		Profile: map[string]any{"name": "lava", "tag": "2018.12"}})
	if d.Refusal != nil {
		w.t.Fatalf("start: %v", errs.Text(d.Refusal))
	}
	return d
}

// Say is a command that must be taken.
func (w *world) Say(c Command) Decision {
	w.t.Helper()
	if c.Person == "" {
		c.Person = "requester"
	}
	d := w.Do(c)
	if d.Refusal != nil {
		w.t.Fatalf("%s %s: %s", c.Verb, c.Step, errs.Text(d.Refusal))
	}
	return d
}

// Refuses checks that in is refused with that kind and words.
func (w *world) Refuses(in Input, kind errs.Kind, words string) {
	w.t.Helper()
	d := w.Do(in)
	if d.Refusal == nil {
		w.t.Fatalf("%#v was not refused; reply %q", in, d.Reply)
	}
	if errs.KindOf(d.Refusal) != kind || !strings.Contains(errs.Text(d.Refusal), words) {
		w.t.Fatalf("refused as %v: %s; want %v with %q", errs.KindOf(d.Refusal), errs.Text(d.Refusal), kind, words)
	}
}

// effect finds the effect in flight of a step for a purpose.
func (w *world) effect(step string, purpose Purpose) string {
	w.t.Helper()
	for key, e := range w.s.Effects {
		if e.Step == step && e.For == purpose && e.Outcome == "" {
			return key
		}
	}
	w.t.Fatalf("no effect of %s for %q is in flight; status %+v", step, purpose, w.s.Steps[step])
	return ""
}

func (w *world) flying(step string, purpose Purpose) bool {
	for _, e := range w.s.Effects {
		if e.Step == step && e.For == purpose && e.Outcome == "" {
			return true
		}
	}
	return false
}

// OK ends the action of a step well.
func (w *world) OK(step, result string) Decision {
	w.t.Helper()
	return w.End(step, ForStep, Result{Outcome: OK, Output: []byte(result)})
}

func (w *world) Fail(step, class string) Decision {
	w.t.Helper()
	return w.End(step, ForStep, Result{Outcome: Fail, Class: class, Message: "it broke"})
}

func (w *world) End(step string, purpose Purpose, r Result) Decision {
	w.t.Helper()
	r.Key = w.effect(step, purpose)
	return w.Do(r)
}

const r1 = `{"r":"x"}`

func (w *world) vote(p people.PersonID, step string, kind gate.VoteKind, message string) gate.Vote {
	return gate.Vote{Kind: kind, Person: p, Account: people.Account{Source: "console", ID: string(p)}, Manifest: w.s.Steps[step].Gate.Digest, Message: message, At: w.now}
}

// React sets all reactions on the gate message: one approval each.
func (w *world) React(step string, who ...people.PersonID) Decision {
	w.t.Helper()
	var votes []gate.Vote
	for _, p := range who {
		votes = append(votes, w.vote(p, step, gate.Approve, ""))
	}
	return w.Do(Reactions{Step: step, Message: "msg-" + fmt.Sprint(w.s.Steps[step].Gate.Number), Votes: votes})
}

// Close answers the closing read with what is known.
func (w *world) Close(step string) Decision {
	w.t.Helper()
	g := w.s.Steps[step].Gate
	if g.Closing == 0 {
		w.t.Fatalf("%s is not closing: %v", step, w.why(step))
	}
	var messages []string
	for _, v := range g.Votes {
		if v.Message != "" && !slices.Contains(messages, v.Message) {
			messages = append(messages, v.Message)
		}
	}
	return w.Do(Closing{Step: step, Number: g.Closing, Votes: g.Votes, Messages: messages, Clean: true})
}

func (w *world) why(step string) string {
	return strings.Join(Why(w.p, w.s, w.World(), step).Lines, "; ")
}

// Pass moves the clock and fires the timers that are due, in order.
func (w *world) Pass(d time.Duration) {
	w.t.Helper()
	end := w.now.Add(d)
	for {
		next, at := "", end
		for _, id := range sortedNames(w.s.Timers) {
			if due := w.s.Timers[id]; !due.After(at) && (next == "" || due.Before(at)) {
				next, at = id, due
			}
		}
		if next == "" {
			w.now = end
			return
		}
		if at.After(w.now) {
			w.now = at
		}
		w.Do(TimerFired{next})
	}
}

func (w *world) Want(step string, status StepStatus) *Step {
	w.t.Helper()
	st := w.s.Steps[step]
	if st == nil {
		if status == Waiting {
			return nil
		}
		w.t.Fatalf("%s was never started; %s", step, w.why(step))
	}
	if st.Status != status {
		w.t.Fatalf("%s is %s, want %s; message %q, why %s", step, st.Status, status, st.Message, w.why(step))
	}
	return st
}

func (w *world) WantOutcome(outcome string) {
	w.t.Helper()
	if w.s.Outcome != outcome {
		w.t.Fatalf("the run ended as %q (%s), want %q; %s", w.s.Outcome, w.s.Status, outcome, w.why(""))
	}
	if outcome != "" && (len(w.s.Locks) > 0 || len(w.s.Timers) > 0 || len(w.s.Queued) > 0) {
		w.t.Fatalf("the run ended and keeps locks %v, queues %v, timers %v", w.s.Locks, w.s.Queued, w.s.Timers)
	}
}
