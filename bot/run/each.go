package run

import (
	"fmt"
	"slices"
	"strings"

	"slipway/bot/errs"
	"slipway/bot/playbook"
)

// beginEach lists the elements and lets them start.
func (d *decider) beginEach(in *inst) {
	if in.def.Each.Job != nil {
		return // its rows are no part of the run
	}
	keys, items, err := d.elements(in)
	if err != nil {
		d.stuck(in.path, "its list cannot be made: "+errs.Text(err))
		return
	}
	d.relist(in, keys, items)
	d.eachAgain(in)
}

// eachAgain lets a new attempt of a list try again what failed in its elements; what is done
// stays done.
func (d *decider) eachAgain(in *inst) {
	again := "its list is tried again"
	for _, sub := range slices.Clone(d.instances()) {
		if st := d.at(sub.path).Status; !under(sub.path, in.path) || st != Stuck && st != FailedSt {
			continue
		}
		after := d.after(sub.path)
		d.staleWith(StepStale{Step: sub.path, Because: again, Forget: true})
		for _, path := range after {
			if under(path, in.path) {
				d.staleStep(path, again)
			}
		}
	}
}

// elements evaluates the list of an each: its keys in order, and the elements by key.
func (d *decider) elements(in *inst) ([]string, map[string]any, error) {
	part := in.def.Each
	var list []any
	if part.Ledger != "" {
		if a := d.s.Ledgers[part.Ledger]; a != nil {
			for _, r := range a.Rows {
				row := rowItem(r)
				if part.Where != nil {
					ok, err := part.Where.Bool(d.scope(in, map[string]any{part.As: row}))
					if err != nil {
						return nil, nil, err
					}
					if !ok {
						continue
					}
				}
				list = append(list, row)
			}
		}
	} else {
		v, err := part.Of.Eval(d.scope(in, nil))
		if err != nil {
			return nil, nil, err
		}
		list, _ = v.([]any)
	}
	keys, items := make([]string, 0, len(list)), make(map[string]any, len(list))
	for i, item := range list {
		key, err := d.elementKey(in, item)
		if err != nil {
			return nil, nil, fmt.Errorf("element %d: %w", i+1, err)
		}
		if _, twice := items[key]; twice {
			return nil, nil, fmt.Errorf("two elements have the key %q", key)
		}
		keys = append(keys, key)
		items[key] = item
	}
	return keys, items, nil
}

func (d *decider) elementKey(in *inst, item any) (string, error) {
	part := in.def.Each
	v := item
	if part.Key != nil {
		var err error
		if v, err = part.Key.Eval(d.scope(in, map[string]any{part.As: item})); err != nil {
			return "", err
		}
	} else if row, ok := item.(map[string]any); ok {
		v = row["key"]
	}
	key, ok := v.(string)
	if !ok || strings.TrimSpace(key) == "" {
		return "", fmt.Errorf("its key is not a text, or is empty")
	}
	return key, nil
}

// relist records the elements. One that is gone ends as withdrawn when nothing of it is in
// flight; one whose value changed is examined again.
func (d *decider) relist(in *inst, keys []string, items map[string]any) {
	st := d.at(in.path)
	living := in.def.Each.Ledger != ""
	if !living && st.Keys != nil && slices.Equal(keys, st.Keys) && sameValue(items, st.Items) {
		return
	}
	var changed []string
	for _, key := range st.Keys {
		path := ElementPath(in.path, key)
		if item, stays := items[key]; !stays {
			d.withdrawElement(path, key)
		} else if !living && !sameValue(item, st.Items[key]) {
			changed = append(changed, path)
		}
	}
	if living {
		others, something := d.relistLiving(in.path, keys, items)
		if !something {
			return
		}
		for _, key := range others {
			changed = append(changed, ElementPath(in.path, key))
		}
	} else {
		d.emit(Listed{in.path, keys, items})
	}
	for _, sub := range slices.Clone(d.instances()) { // an element that came back
		if under(sub.path, in.path) && d.at(sub.path).Status == WithdrawnSt && (sub.in == nil || slices.Contains(keys, sub.in.key)) {
			d.emit(StepStale{Step: sub.path, Because: "its element is in the list again", Forget: true})
		}
	}
	for _, path := range changed {
		for _, sub := range d.instances() {
			if strings.HasPrefix(sub.path, path+"/") {
				d.staleStep(sub.path, "its element has other values now")
			}
		}
	}
}

func sameValue(a, b any) bool {
	x, _ := canonical(a)
	y, _ := canonical(b)
	return string(x) == string(y)
}

// withdrawElement ends the steps of an element that is gone from its list. What is in flight is
// awaited; its step is withdrawn when the outcome comes. Effects that were done stay known for
// the undo plan.
func (d *decider) withdrawElement(element, key string) {
	why := key + " is gone from the list"
	for _, sub := range slices.Clone(d.instances()) {
		if !strings.HasPrefix(sub.path, element+"/") || d.s.Steps[sub.path] == nil {
			continue
		}
		if sub.def.Kind == playbook.GateK {
			d.voidGate(sub.path, why)
		}
		d.voidEffects(sub.path, why, ForPoll, ForConfirm, ForClosing, ForRemind, ForGuard, ForAdopt)
		if step, _ := d.effectUnder(sub.path); step == "" {
			d.end(sub.path, StepWithdrawn{sub.path, why})
		}
	}
	d.emit(StepWithdrawn{element, why})
}

// elementState is where an element stands: waiting (nothing was started), running, done,
// skipped, failed, stuck or doubtful.
func (d *decider) elementState(each *inst, key string) string {
	prefix := ElementPath(each.path, key) + "/"
	var running, doubtful, stuck, failed, done, skipped, fresh int
	for _, def := range each.def.Each.Steps {
		st := d.at(prefix + def.ID)
		switch st.Status {
		case Running:
			running++
		case InDoubt:
			doubtful++
		case Stuck:
			stuck++
		case Done, Adopted:
			done++
		case SkippedSt, WithdrawnSt:
			skipped++
		case FailedSt:
			failed++
		case Waiting:
			if !st.RetryAt.IsZero() || strings.HasPrefix(st.On, "lock ") || strings.HasPrefix(st.On, "freeze ") || strings.HasPrefix(st.On, "guard ") {
				running++
			} else if failed > 0 && d.unreachable(prefix+def.ID) {
				failed++
			} else {
				fresh++
			}
		}
	}
	switch {
	case running > 0:
		return "running"
	case doubtful > 0:
		return "doubtful"
	case stuck > 0:
		return "stuck"
	case fresh > 0 && done+skipped+failed > 0:
		return "running"
	case fresh > 0:
		return "waiting"
	case failed > 0 && !d.elementBypassed(each, prefix):
		return "failed"
	case done == 0 && skipped > 0:
		return "skipped"
	}
	return "done"
}

// elementStates is elementState of every element, in order. It is made once until something
// happens: a list may have thousands of elements.
func (d *decider) elementStates(each *inst) []string {
	if d.states == nil || d.statesAt != len(d.events) {
		d.states, d.statesAt = map[string][]string{}, len(d.events)
	}
	out, known := d.states[each.path]
	if !known {
		keys := d.at(each.path).Keys
		out = make([]string, len(keys))
		for i, key := range keys {
			out[i] = d.elementState(each, key)
		}
		d.states[each.path] = out
	}
	return out
}

// elementBypassed reports whether every failure in an element was answered by another way that
// ended well.
func (d *decider) elementBypassed(each *inst, prefix string) bool {
	for _, def := range each.def.Each.Steps {
		if d.at(prefix+def.ID).Status != FailedSt {
			continue
		}
		bypassed := false
		for _, other := range each.def.Each.Steps {
			bypassed = bypassed || slices.Contains(other.Any, def.Path) && settledWell(d.at(prefix+other.ID).Status)
		}
		if !bypassed {
			return false
		}
	}
	return true
}

// hasTurn reports whether the steps of an element may start: in order, one element after the
// other; in parallel, no more than so many at a time.
func (d *decider) hasTurn(e *elem) bool {
	if d.turns == nil {
		d.turns = map[string]map[string]bool{}
	}
	turn, ok := d.turns[e.each.path]
	if !ok {
		turn = d.turnOf(e.each)
		d.turns[e.each.path] = turn
	}
	return turn[e.key]
}

func (d *decider) turnOf(each *inst) map[string]bool {
	part, st := each.def.Each, d.at(each.path)
	turn := make(map[string]bool, max(part.Parallel, 1))
	free := max(part.Parallel, 1)
	var waiting []string
	states := d.elementStates(each)
	for i, key := range st.Keys {
		switch state := states[i]; state {
		case "done", "skipped":
		case "failed", "stuck", "doubtful":
			turn[key] = true // what a person does about it may go on
			if part.Parallel <= 1 && (part.Enough == nil || state == "doubtful") {
				return turn
			}
		case "running":
			turn[key] = true
			free--
		default:
			waiting = append(waiting, key)
		}
	}
	for _, key := range waiting {
		if free <= 0 {
			break
		}
		turn[key] = true
		free--
	}
	return turn
}

// lookEach ends a list whose elements have all settled.
func (d *decider) lookEach(in *inst, st *Step) {
	part := in.def.Each
	if part.Job != nil {
		d.lookRows(in, st)
		return
	}
	var open, bad []string
	halted := false // in order, nothing starts after a failure
	states := d.elementStates(in)
	for i, key := range st.Keys {
		switch state := states[i]; state {
		case "done", "skipped":
		case "failed", "stuck":
			bad = append(bad, key+" is "+state)
			halted = halted || part.Parallel <= 1 && part.Enough == nil
		case "waiting":
			if !halted {
				open = append(open, key)
			}
		default:
			open = append(open, key)
		}
	}
	if step, _ := d.effectUnder(in.path); len(open) > 0 || step != "" {
		return
	}
	if part.Ledger != "" && len(bad) == 0 && !st.Closed {
		closed := false
		if part.Until != nil {
			ok, err := part.Until.Bool(d.scope(in, nil))
			if err != nil {
				d.stuck(in.path, "until cannot be told: "+errs.Text(err))
				return
			}
			closed = ok
		}
		if !closed {
			return
		}
	}
	items := d.items(in, st)
	if part.Enough != nil {
		ok, err := part.Enough.Bool(d.scope(in, map[string]any{"items": items}))
		if err != nil {
			d.stuck(in.path, "enough cannot be told: "+errs.Text(err))
			return
		}
		if ok {
			d.done(in, map[string]any{"items": items})
			return
		}
		if part.Ledger != "" && !st.Closed && len(bad) == 0 {
			return // more rows may come
		}
		bad = append(bad, "enough does not hold: "+part.Enough.Text)
	} else if len(bad) == 0 {
		d.done(in, map[string]any{"items": items})
		return
	}
	if in.def.OnFail == nil || d.asksAboutFreeze(in) {
		d.stuck(in.path, strings.Join(bad, ", "))
		return
	}
	d.fail(in, "any", strings.Join(bad, ", "))
}

// asksAboutFreeze reports whether a step of an element is stuck because a person has to say
// whether it starts in spite of a freeze: that is no failure.
func (d *decider) asksAboutFreeze(in *inst) bool {
	return slices.ContainsFunc(d.instances(), func(sub *inst) bool {
		st := d.at(sub.path)
		return under(sub.path, in.path) && st.Status == Stuck && strings.HasPrefix(st.On, "freeze ")
	})
}

// items is what expressions see of the elements: key, state, the element, and what each step of
// the body gave.
func (d *decider) items(in *inst, st *Step) []any {
	out := make([]any, 0, len(st.Keys))
	for _, key := range st.Keys {
		row := map[string]any{"key": key, "state": d.elementState(in, key)}
		if item := st.Items[key]; item != nil {
			row[in.def.Each.As] = item
		}
		prefix := ElementPath(in.path, key) + "/"
		for _, def := range in.def.Each.Steps {
			if sub := d.at(prefix + def.ID); (sub.Status == Done || sub.Status == Adopted) && sub.Output != nil {
				row[def.ID] = sub.Output
			}
		}
		out = append(out, row)
	}
	return out
}

// aggregate takes what changed of a ledger. Lists that live on it follow; steps that read it
// when they started are not set back.
func (d *decider) aggregate(a Aggregate) {
	d.emit(Counted{a})
	if d.s.Status != Live && d.s.Status != OnHold {
		return
	}
	for _, in := range slices.Clone(d.instances()) {
		st := d.at(in.path)
		if st.Status != Running && st.Status != Stuck {
			continue
		}
		switch {
		case in.def.Kind == playbook.Each && in.def.Each.Ledger == a.Ledger && in.def.Each.Job == nil && !st.Closed:
			keys, items, err := d.elements(in)
			if err != nil {
				d.stuck(in.path, "its list cannot be made: "+errs.Text(err))
				continue
			}
			d.relist(in, keys, items)
		case in.def.Kind == playbook.Collect && in.def.Collect.Ledger == a.Ledger:
			d.listMembers(in)
		}
	}
}
