package run

import (
	"slices"

	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/playbook"
)

// beginCollect asks every row of the register.
func (d *decider) beginCollect(in *inst) {
	d.listMembers(in)
	if after := in.def.Collect.Deadline; after > 0 {
		d.emit(TimerSet{"at/" + in.path, d.now.Add(after)})
	}
}

// listMembers fixes who is asked: the rows of the register as they are now. The register grows.
func (d *decider) listMembers(in *inst) {
	keys, items := []string{}, map[string]any{}
	if a := d.s.Ledgers[in.def.Collect.Ledger]; a != nil {
		for _, r := range a.Rows {
			keys = append(keys, r.Key)
			items[r.Key] = rowItem(r)
		}
	}
	d.relistLiving(in.path, keys, items)
}

// lookCollect ends the collection when enough have answered.
func (d *decider) lookCollect(in *inst, st *Step) {
	part := in.def.Collect
	if d.inFlight(in.path, ForRow) != nil {
		return // what follows may move the rows, and must find the answers in them
	}
	if part.Deadline > 0 && !d.now.Before(st.Since.Add(part.Deadline)) {
		d.done(in, map[string]any{"answers": answers(st)})
		return
	}
	if part.Enough != nil {
		ok, err := part.Enough.Bool(d.scope(in, map[string]any{"answers": answers(st)}))
		if err != nil {
			d.stuck(in.path, "enough cannot be told: "+errs.Text(err))
			return
		}
		if ok {
			d.done(in, map[string]any{"answers": answers(st)})
		}
		return
	}
	if len(st.Keys) == 0 {
		return
	}
	for _, key := range st.Keys {
		if _, ok := st.Answers[key]; !ok {
			return
		}
	}
	d.done(in, map[string]any{"answers": answers(st)})
}

// answers lists what was answered, in the order of the register.
func answers(st *Step) []any {
	out := []any{}
	for _, key := range st.Keys {
		values, ok := st.Answers[key]
		if !ok {
			continue
		}
		row := map[string]any{"key": key, "by": string(st.AnsweredBy[key]), "late": slices.Contains(st.Late, key)}
		for name, v := range values {
			row[name] = v
		}
		out = append(out, row)
	}
	return out
}

func (d *decider) answerCollect(in *inst, a Answer) *errs.Error {
	part, st := in.def.Collect, d.at(in.path)
	if a.Member == "" {
		a.Member = d.memberOf(st, a.Person)
	}
	if !slices.Contains(st.Keys, a.Member) {
		return refuse(errs.NotFound, "%q is not in the register %s", a.Member, part.Ledger).Hint("say for which row you answer")
	}
	if !speaksFor(st, a.Member, a.Person) && !d.may(a.Person) {
		return refuse(errs.Denied, "%s does not answer for %s", a.Person, a.Member).
			Hint("the person named in its row can, or %s", d.whoMay())
	}
	values, bad := fit("field", part.Ask, a.Values, true)
	if bad != nil {
		return bad
	}
	switch st.Status {
	case Running:
		d.emit(Answered{Step: in.path, Member: a.Member, Values: values})
		d.note(in, a.Member, values)
		d.reply = "thank you, recorded"
		return nil
	case Done:
	default:
		return d.answerable(in, st)
	}
	was, before := st.Answers[a.Member]
	if !before && part.Late != "accept" {
		return refuse(errs.Conflict, "the answers to %s were closed at %s", in.path, st.Since.Format("2006-01-02 15:04 MST")).
			Hint("this playbook takes no late answers")
	}
	old, _ := canonical(was)
	if now, _ := canonical(values); before && string(old) == string(now) {
		d.reply = "that is the answer of " + a.Member + " already; nothing changes"
		return nil
	}
	used := d.usedAfter(in.path)
	if used != "" && before {
		return refuse(errs.Conflict, "the answer of %s can no longer change: %s has used it", a.Member, used)
	}
	d.emit(Answered{Step: in.path, Member: a.Member, Values: values, Late: !before})
	d.note(in, a.Member, values)
	if used != "" {
		d.reply = "recorded as late; " + used + " went on without it"
		return nil
	}
	d.done(in, map[string]any{"answers": answers(d.at(in.path))})
	d.staleAfter(in.path, "the answer of "+a.Member+" changed")
	d.reply = "recorded"
	return nil
}

// memberOf is the one row that names the person.
func (d *decider) memberOf(st *Step, p people.PersonID) string {
	found := ""
	for _, key := range st.Keys {
		if speaksFor(st, key, p) {
			if found != "" {
				return ""
			}
			found = key
		}
	}
	return found
}

// speaksFor: the row is the person's own, or one of its columns names the person.
func speaksFor(st *Step, member string, p people.PersonID) bool {
	if member == string(p) {
		return true
	}
	row, _ := st.Items[member].(map[string]any)
	for _, v := range row {
		if v == string(p) {
			return true
		}
	}
	return false
}

func rowItem(r Row) map[string]any {
	item := map[string]any{"key": r.Key, "state": r.State}
	for name, v := range r.Values {
		item[name] = v
	}
	return item
}

// note writes an answer into the columns of its row that have the names of questions.
func (d *decider) note(in *inst, member string, values map[string]any) {
	i := slices.IndexFunc(d.p.Ledgers, func(l playbook.Ledger) bool { return l.Name == in.def.Collect.Ledger })
	if i < 0 {
		return
	}
	set := map[string]any{}
	for _, c := range d.p.Ledgers[i].Columns {
		if v, asked := values[c.Name]; asked {
			set[c.Name] = v
		}
	}
	if len(set) > 0 {
		d.intend(in.path, ForRow, SetRow, map[string]any{"ledger": in.def.Collect.Ledger, "key": member, "set": set}, intent{})
	}
}
