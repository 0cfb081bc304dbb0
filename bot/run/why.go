package run

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/bot/gate"
	"slipway/bot/people"
	"slipway/bot/playbook"
)

// Explanation tells how a step stands, or, with Step "", the run.
type Explanation struct {
	Step     string
	Title    string
	Status   string
	Since    time.Time
	Lines    []string  // in words, most important first
	Blockers []Blocker // what keeps it from starting
	Awaited  []Awaited // what persons could do about it now
}

// Awaited is something that waits for persons.
type Awaited struct {
	Step    string // "" the run itself
	Kind    string // gate, ask, by_hand, collect, offer, stuck, doubtful, hold, undo
	What    string // in words
	Say     string // the command with which a person does it, if there is one
	Role    string
	Persons []people.PersonID // who could do it now, sorted; may be empty
	Since   time.Time
}

// Why explains the step at path, or the run when path is "". It changes nothing, and asks the
// functions that Decide asks. An unknown path gives an Explanation whose Status is "".
func Why(p *playbook.Playbook, s *State, w World, path string) Explanation {
	d := newDecider(p, s, w)
	if path == "" {
		return d.whyRun()
	}
	in := d.find(path)
	if st := d.s.Steps[path]; in == nil && st != nil {
		return d.whyGone(path, st)
	}
	if in == nil {
		return Explanation{Step: path, Lines: []string{"there is no such step; " + d.stepsHint()}}
	}
	return d.whyStep(in)
}

// Who lists everything that waits for persons.
func Who(p *playbook.Playbook, s *State, w World) []Awaited {
	return newDecider(p, s, w).who()
}

// Waits lists what waits for one person.
func Waits(p *playbook.Playbook, s *State, w World, person people.PersonID) []Awaited {
	return slices.DeleteFunc(Who(p, s, w), func(a Awaited) bool { return !slices.Contains(a.Persons, person) })
}

// GateLines says how the gate at path stands, or how it closed: who counts, who does not and why,
// and what is still needed. It is nil for a gate that is not open and has not closed.
func GateLines(p *playbook.Playbook, s *State, w World, path string) []string {
	d := newDecider(p, s, w)
	in := d.find(path)
	if in == nil || in.def.Kind != playbook.GateK {
		return nil
	}
	st := d.at(path)
	switch {
	case st.Gate == nil:
		return nil
	case st.Gate.Verdict != nil:
		return st.Gate.Verdict.Explain()
	case st.Status != Running || st.Gate.Digest == "":
		return nil
	}
	var out []string
	if s.Status == OnHold && s.Hold != nil {
		out = append(out, "the run is "+held(s.Hold)+"; the gate collects, but does not close")
	}
	if st.Gate.Closing > 0 {
		out = append(out, d.readAgain(in, st))
	}
	if st.Gate.Note != "" {
		out = append(out, st.Gate.Note)
	}
	return append(out, d.verdict(in, st).Explain()...)
}

// readAgain says what is looked at before a gate closes.
func (d *decider) readAgain(in *inst, st *Step) string {
	if d.verdict(in, st).Rejected {
		return "somebody said no; who did, and whether that counts, is being read again"
	}
	return "the quorum stands; roles and reactions are being read again"
}

func (d *decider) whyRun() Explanation {
	e := Explanation{Title: d.s.Name, Status: string(d.s.Status), Since: d.s.Began, Awaited: d.who()}
	switch d.s.Status {
	case RunEnded:
		e.Lines = append(e.Lines, "it has ended: "+d.s.Outcome)
		e.Since = d.s.EndedAt
	case IsAborting:
		e.Lines = append(e.Lines, "it is being aborted: "+d.s.Why)
		if b, waits := d.whyUndo(); waits {
			e.Blockers = append(e.Blockers, b)
			e.Lines = append(e.Lines, b.Why)
		}
	case OnHold:
		if d.s.Hold != nil {
			e.Lines = append(e.Lines, "it is "+held(d.s.Hold))
		}
	}
	if d.s.Adopting {
		e.Lines = append(e.Lines, "it looks for what was done outside of it; nothing is started meanwhile")
	}
	if d.s.Status == Live {
		if names, err := d.wanted(nil, d.p.Uses); err == nil {
			for _, name := range names {
				if by, blocked := d.inTheWay(name, ""); blocked {
					b := Blocker{Kind: "lock", What: name, Why: lockedBy(name, by)}
					e.Blockers = append(e.Blockers, b)
					e.Lines = append(e.Lines, b.Why)
				}
			}
		}
	}
	halted := false
	for _, in := range d.instances() {
		st := d.at(in.path)
		if settledWell(st.Status) || st.Status == WithdrawnSt || st.Status == Waiting && st.Attempt == 0 && st.On == "" {
			continue
		}
		sub := d.whyStep(in)
		line := in.path + " is " + sub.Status
		if len(sub.Lines) > 0 {
			line += ": " + sub.Lines[0]
		}
		e.Lines = append(e.Lines, line)
		halted = halted || d.halted(in.path)
	}
	for _, path := range d.goneInDoubt() {
		e.Lines = append(e.Lines, path+" is "+string(InDoubt)+": "+d.whyGone(path, d.at(path)).Lines[0])
	}
	if changed := Reconfigured(d.p, d.s, d.w); halted && changed != "" {
		e.Lines = append(e.Lines, changed)
	}
	if d.s.Status == Live || d.s.Status == OnHold {
		e.Lines = append(e.Lines, d.blocksOthers()...)
	}
	return e
}

// blocksOthers names who queues for what this run holds.
func (d *decider) blocksOthers() []string {
	var out []string
	for _, name := range sortedNames(d.s.Locks) {
		for _, c := range d.lock(name).Queue {
			if c.Run != d.s.ID {
				out = append(out, "it holds "+name+", for which "+c.Name+" waits")
			}
		}
	}
	return out
}

func (d *decider) whyStep(in *inst) Explanation {
	st := d.at(in.path)
	e := Explanation{Step: in.path, Title: in.def.Title(), Status: string(st.Status), Since: st.Since, Awaited: d.awaited(in, st)}
	add := func(format string, args ...any) { e.Lines = append(e.Lines, fmt.Sprintf(format, args...)) }
	d.whyAway(in.path, add)
	switch st.Status {
	case Waiting:
		e.Blockers = d.blockers(in, false)
		for _, b := range e.Blockers {
			line := b.Why
			if !b.Until.IsZero() {
				line += ", until " + b.Until.Format(time.RFC3339)
			}
			e.Lines = append(e.Lines, line)
		}
		if len(e.Blockers) == 0 && st.Message != "" {
			e.Lines = append(e.Lines, st.Message)
		}
	case Running:
		d.whyRunning(in, st, add)
	case Done, Adopted:
		add("%s since %s", st.Status, st.Since.Format(time.RFC3339))
		if st.By != "" {
			add("by %s", st.By)
		}
		if told := st.ToldWords(); told != "" {
			add("%s", told)
		}
		if st.Status == Adopted {
			add("it was done outside of this run and found by a probe")
		}
		if st.Gate != nil && st.Gate.Verdict != nil {
			e.Lines = append(e.Lines, st.Gate.Verdict.Explain()...)
		}
	default:
		add("%s", orElse(st.Message, string(st.Status)))
		if told := st.ToldWords(); told != "" {
			add("%s", told)
		}
		if st.Gate != nil && st.Gate.Verdict != nil {
			e.Lines = append(e.Lines, st.Gate.Verdict.Explain()...)
		}
	}
	for _, key := range sortedNames(d.s.Locks) {
		if d.s.Locks[key] == in.path {
			add("it holds the lock %s", key)
		}
	}
	if changed := Reconfigured(d.p, d.s, d.w); changed != "" && d.halted(in.path) {
		add("%s", changed)
	}
	return e
}

func (d *decider) whyRunning(in *inst, st *Step, add func(string, ...any)) {
	if d.s.Status == IsAborting {
		switch in.def.Kind {
		case playbook.GateK, playbook.Ask, playbook.ByHand, playbook.Collect:
			add("nobody is asked any more: the run is being aborted: %s", d.s.Why)
			return
		}
	}
	switch in.def.Kind {
	case playbook.GateK:
		if st.Gate == nil || st.Gate.Digest == "" {
			return
		}
		if st.Gate.Closing > 0 {
			add("%s", d.readAgain(in, st))
		}
		if st.Gate.Note != "" {
			add("%s", st.Gate.Note)
		}
		for _, line := range d.verdict(in, st).Explain() {
			add("%s", line)
		}
	case playbook.Do:
		add("%s is under way, attempt %d", in.def.Do.Ref, st.Attempt)
	case playbook.Wait:
		if in.def.Wait.At != nil {
			add("it waits until %v", st.Inputs["at"])
			return
		}
		if st.Message != "" {
			add("%s", st.Message)
		}
		add("it waits until %s, and looks every %s", in.def.Wait.Until.Text, in.def.Wait.Poll)
	case playbook.Each:
		if in.def.Each.Job != nil {
			add("%s", d.rowsInWords(in, st))
			return
		}
		counts := map[string]int{}
		for _, key := range st.Keys {
			counts[d.elementState(in, key)]++
		}
		var parts []string
		for _, state := range sortedNames(counts) {
			parts = append(parts, fmt.Sprintf("%d %s", counts[state], state))
		}
		add("%d elements: %s", len(st.Keys), strings.Join(parts, ", "))
	case playbook.Collect:
		add("%d of %d have answered", len(st.Answers), len(st.Keys))
	case playbook.Call, playbook.Offer:
		running := 0
		for _, c := range d.s.Children {
			if c.Step == in.path && c.Outcome == "" {
				running++
			}
		}
		add("%d child runs are under way", running)
	case playbook.Ask, playbook.ByHand:
		for _, a := range d.awaited(in, st) {
			add("%s", a.What)
		}
	}
	if st.Message != "" {
		add("%s", st.Message)
	}
}

func (d *decider) who() []Awaited {
	var out []Awaited
	switch d.s.Status {
	case RunEnded, "":
		return nil
	case OnHold:
		if h := d.s.Hold; h != nil {
			persons := d.steerers()
			if h.By != "" {
				persons = []people.PersonID{h.By}
			}
			out = append(out, Awaited{Kind: "hold", What: "resume it: it is " + held(h), Persons: persons, Since: h.At})
		}
	case IsAborting:
		if d.s.Planned {
			for _, item := range d.s.Undo {
				if item.Action != "" && (item.State == "" || item.State == "failed") {
					out = append(out, Awaited{Kind: "undo", Step: item.Step, What: "say whether " + item.Did + " of " + item.Step + " is undone by " + item.Action,
						Persons: d.steerers()})
				}
			}
		}
	}
	for _, in := range d.instances() {
		out = append(out, d.awaited(in, d.at(in.path))...)
	}
	for _, path := range d.goneInDoubt() {
		out = append(out, d.inDoubt(path, d.at(path))...)
	}
	return out
}

// steerers are those who may steer the run, as far as they are persons by name.
func (d *decider) steerers() []people.PersonID {
	out := append(slices.Clone(d.holders("requester")), d.holders(ReleaseManager)...)
	slices.Sort(out)
	return slices.Compact(out)
}

// inDoubt asks persons for their word on an effect, unless it is being tried again.
func (d *decider) inDoubt(path string, st *Step) []Awaited {
	if e := d.s.Effects[st.Effect]; e == nil || e.Outcome == "" {
		return nil
	}
	return []Awaited{{Step: path, Kind: "doubtful", What: "say whether " + path + " happened" + colon(st.Message),
		Say: "doubt " + d.s.Name + " " + path + " happened, redo or failed", Persons: d.steerers(), Since: st.Since}}
}

// awaited says what persons could do about a step now.
func (d *decider) awaited(in *inst, st *Step) []Awaited {
	one := func(kind, role, what string, persons []people.PersonID) []Awaited {
		return []Awaited{{Step: in.path, Kind: kind, Role: role, What: what, Say: d.say(in, kind), Persons: persons, Since: st.Since}}
	}
	switch st.Status {
	case Stuck:
		if d.s.Status == IsAborting {
			return nil // only undo and doubt are left
		}
		return one("stuck", "", in.path+" is stuck: "+st.Message, d.steerers())
	case InDoubt:
		return d.inDoubt(in.path, st)
	case Running:
	default:
		return nil
	}
	if d.s.Status == IsAborting {
		return nil
	}
	switch in.def.Kind {
	case playbook.GateK:
		if st.Gate == nil || st.Gate.Digest == "" {
			return nil
		}
		var out []Awaited
		v := d.verdict(in, st)
		for _, need := range v.Needs {
			what := fmt.Sprintf("approve %s: %d of %s", in.path, need.Count, need.Role)
			if need.Why != "" {
				what += " (" + need.Why + ")"
			}
			out = append(out, Awaited{Step: in.path, Kind: "gate", Role: need.Role, What: what, Say: d.say(in, "gate"), Persons: need.From, Since: st.Since})
		}
		for _, other := range v.Other { // who is asked on one way is not asked again on another
			for _, need := range other.Needs {
				more := ""
				if other.Given > 0 {
					more = "more "
				}
				what := fmt.Sprintf("or else approve %s: %d %sof %s", in.path, need.Count, more, need.Role)
				out = append(out, Awaited{Step: in.path, Kind: "gate", Role: need.Role, What: what, Say: d.say(in, "gate"), Persons: need.From, Since: st.Since})
			}
		}
		if v.Vetoed {
			out = append(out, d.liftable(in, st, v))
		}
		return out
	case playbook.Offer:
		if st.Closed {
			return nil
		}
		return d.offered(in, st)
	case playbook.Ask:
		prompt, _ := st.Inputs["prompt"].(string)
		return one("ask", in.def.Ask.Of, "answer "+in.path+colon(prompt), d.addressees(in, in.def.Ask.Of))
	case playbook.ByHand:
		if st.On == "check" {
			return nil
		}
		text, _ := st.Inputs["text"].(string)
		return one("by_hand", in.def.ByHand.Of, "do "+in.path+" by hand"+colon(text), d.addressees(in, in.def.ByHand.Of))
	case playbook.Collect:
		var persons []people.PersonID
		for _, key := range st.Keys {
			if _, answered := st.Answers[key]; answered {
				continue
			}
			for _, id := range append([]any{key}, rowValues(st, key)...) {
				if name, ok := id.(string); ok {
					if p, known := d.w.Directory.Person(people.PersonID(name)); known {
						persons = append(persons, p.ID)
					}
				}
			}
		}
		slices.Sort(persons)
		return one("collect", "", "answer "+in.path, slices.Compact(persons))
	}
	return nil
}

// liftable names who may lift the vetoes on a gate: who laid them, and a role that the gate names.
func (d *decider) liftable(in *inst, st *Step, v gate.Verdict) Awaited {
	var persons []people.PersonID
	var against []string
	for _, no := range v.Against {
		if no.Kind == gate.Veto {
			persons = append(persons, no.Person)
			against = append(against, string(no.Person)+colon(no.Reason))
		}
	}
	if in.def.Gate.Lifts != "" {
		persons = append(persons, d.holders(in.def.Gate.Lifts)...)
	}
	slices.Sort(persons)
	return Awaited{Step: in.path, Kind: "gate", Role: in.def.Gate.Lifts, What: "lift the veto on " + in.path + " (" + strings.Join(against, "; ") + ")",
		Persons: slices.Compact(persons), Since: st.Since}
}

// offered lists an open offer for each role that may start something of it or close it. Nothing
// hangs on them: an offer may stay open.
func (d *decider) offered(in *inst, st *Step) []Awaited {
	may := map[string][]string{}
	var roles []string
	add := func(role, what string) {
		if may[role] == nil {
			roles = append(roles, role)
		}
		may[role] = append(may[role], what)
	}
	for _, entry := range in.def.Offer.Entries {
		for _, role := range entry.By {
			add(role, "start "+entry.Name)
		}
	}
	add(in.def.Offer.Closes, "close it")
	var out []Awaited
	for _, role := range roles {
		out = append(out, Awaited{Step: in.path, Kind: "offer", Role: role, What: in.path + " is open: " + strings.Join(may[role], ", "),
			Persons: d.holders(role), Since: st.Since})
	}
	return out
}

// addressees are those who are asked: one person, or the holders of the role.
func (d *decider) addressees(in *inst, role string) []people.PersonID {
	if id := d.asked(in); id != "" {
		return []people.PersonID{id}
	}
	return d.holders(role)
}

func rowValues(st *Step, key string) []any {
	row, _ := st.Items[key].(map[string]any)
	out := make([]any, 0, len(row))
	for _, name := range sortedNames(row) {
		out = append(out, row[name])
	}
	return out
}
