package run

import (
	"fmt"
	"slices"

	"slipway/bot/errs"
	"slipway/bot/people"
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
	st := d.at(in.path)
	keys, items := []string{}, map[string]any{}
	if a := d.s.Ledgers[in.def.Collect.Ledger]; a != nil {
		for _, r := range a.Rows {
			keys = append(keys, r.Key)
			items[r.Key] = rowItem(r)
		}
	}
	if !slices.Equal(keys, st.Keys) {
		d.emit(Listed{in.path, keys, items})
	}
}

// lookCollect ends the collection when enough have answered.
func (d *decider) lookCollect(in *inst, st *Step) {
	part := in.def.Collect
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
		d.reply = "thank you, recorded"
		return nil
	case Done:
	default:
		return d.answerable(in, st)
	}
	_, before := st.Answers[a.Member]
	if !before && part.Late != "accept" {
		return refuse(errs.Conflict, "the answers to %s were closed at %s", in.path, st.Since.Format("2006-01-02 15:04 MST")).
			Hint("this playbook takes no late answers")
	}
	used := d.usedAfter(in.path)
	if used != "" && before {
		return refuse(errs.Conflict, "the answer of %s can no longer change: %s has used it", a.Member, used)
	}
	d.emit(Answered{Step: in.path, Member: a.Member, Values: values, Late: !before})
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

// fill gives a declared role to the person that an ask named.
func (d *decider) fill(role string, person any) *errs.Error {
	id, _ := person.(string)
	p, ok := d.w.Directory.Person(people.PersonID(id))
	if !ok || p.Bot || p.Gone {
		return refuse(errs.Invalid, "%v is not a person who can be %s", orElse(fmt.Sprint(person), "nobody"), article(role)).
			Hint("give the id of a person")
	}
	d.emit(Appointed{role, []people.PersonID{p.ID}})
	return nil
}
