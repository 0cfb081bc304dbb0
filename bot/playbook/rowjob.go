package playbook

import (
	"fmt"
	"sort"
	"strings"

	"slipway/bot/action"
)

// RowJob lets builders work the rows of a ledger by themselves: each row that is in From, and for
// which Where of its each holds, is a job. The state of a job is the state of its row.
type RowJob struct {
	Do     *DoPart // a pulled action; its with may read the row
	From   string  // state of a row that waits for a builder
	Takes  RowEnd  // where a row goes that is leased
	Back   string  // where it goes when a lease is lost or given back; default From
	Tries  int     // leases of one row that may be lost or given back; then it goes where the class "any" leads
	First  *Expr   // over the row, a whole number: the highest is leased first, then the oldest; nil: the oldest
	OK     RowEnd
	Failed []RowEnd // by class, in order of their names; the class "any" is always there
	Pos    Pos
}

// RowEnd is a state that a job leads a row to, with the columns that it sets.
type RowEnd struct {
	Class string // of the failure; "" for others
	To    string
	Set   map[string]*Template
	Pos   Pos
}

// Fails is where a failure of the class leads.
func (j *RowJob) Fails(class string) RowEnd {
	var other RowEnd
	for _, e := range j.Failed {
		if e.Class == class {
			return e
		}
		if e.Class == "any" {
			other = e
		}
	}
	return other
}

// defaultTries is how many leases of one row may be lost or given back: as many as Launchpad's
// build farm allows before it looks for the fault elsewhere (its judge_failure).
const defaultTries = 3

// rowJob reads job: of an each over a ledger.
func (r *reader) rowJob(n *node, where string, e *EachPart, s *Step, o object, p *Playbook) {
	if e.Ledger == "" {
		r.bad("key", o.by["job"].pos, where+" has job, but goes over no ledger", "builders take rows: write each: {ledger: NAME}")
		return
	}
	if s.Parent != nil {
		r.bad("key", o.by["job"].pos, where+" has job, but stands in the body of another step", "move it to the steps of the playbook")
		return
	}
	for _, key := range []string{"steps", "in", "key", "enough"} {
		if o.has(key) {
			r.bad("key", o.by[key].pos, fmt.Sprintf("%s has job, so it has no %s: its rows are worked by builders", where, key), "remove it, or put what follows a job into another each over the states that jobs lead to")
		}
	}
	jo := r.object(n, where+".job", keysOf(jobForm)...)
	if n.kind != mapNode {
		return
	}
	for _, key := range []string{"do", "from", "takes", "ok", "failed"} {
		if !jo.has(key) {
			r.bad("key", n.pos, fmt.Sprintf("%s.job has no %s", where, key), "a job has do:, from:, takes:, ok: and failed:")
			return
		}
	}
	j := &RowJob{Do: r.doPart(jo.get("do"), jo.get("with"), where+".job"), Pos: n.pos,
		From: r.text(jo.get("from"), where+".job.from"), Back: r.text(jo.get("back"), where+".job.back"),
		Tries: r.number(jo.get("tries"), where+".job.tries", defaultTries, 1, 100), First: r.condition(jo.get("first"), where+".job.first")}
	j.Takes = r.rowEnd(jo.get("takes"), where+".job.takes", "")
	j.OK = r.rowEnd(jo.get("ok"), where+".job.ok", "")
	if j.Back == "" {
		j.Back = j.From
	}
	for _, f := range r.named(jo.get("failed"), where+".job.failed", nameForm, nameRule) {
		j.Failed = append(j.Failed, r.rowEnd(f.val, where+".job.failed."+f.key, f.key))
	}
	sort.Slice(j.Failed, func(i, k int) bool { return j.Failed[i].Class < j.Failed[k].Class })
	e.Job = j
}

func (r *reader) rowEnd(n *node, what, class string) RowEnd {
	e := RowEnd{Class: class, Pos: n.pos}
	if n.kind != mapNode {
		e.To = r.text(n, what)
		return e
	}
	o := r.object(n, what, keysOf(rowEndForm)...)
	if !o.has("to") {
		r.bad("key", n.pos, what+" names no state", "write {to: STATE, set: {COLUMN: …}}")
		return e
	}
	e.To, e.Set = r.text(o.get("to"), what+".to"), r.with(o.get("set"), what+".set")
	return e
}

// rowJob checks the job of an each: that its states exist and the ledger has the moves, that every
// verdict leads somewhere, and that nothing else leads rows to where only a lease may.
func (c *checker) rowJob(s *Step, elem *valueType, inside *place) {
	e := s.Each
	j, l := e.Job, c.ledger(e.Ledger)
	where := "step " + s.Path + ".job"
	c.do(j.Do, where, inside)
	if k := j.Do.Contract; k.Name != "" && k.Job == "" {
		c.bad("action", j.Do.Pos, fmt.Sprintf("%s is not pulled by builders or signers, so nobody would take its rows", j.Do.Ref), "name an action with jobs, or do it in steps of the each")
	}
	if l == nil {
		return
	}
	alone := &place{names: map[string]*valueType{e.As: elem}, body: inside.body}
	if e.Where != nil && c.compile(e.Where, alone) && (e.Where.Type.Kind != action.Bool || e.Where.Optional) {
		c.bad("type", e.Where.Pos, fmt.Sprintf("step %s.where is %s, want a condition that always holds or not", s.Path, article(e.Where.Type)), "")
	}
	if j.First != nil && c.compile(j.First, alone) && (j.First.Type.Kind != action.Int || j.First.Optional) {
		c.bad("type", j.First.Pos, fmt.Sprintf("%s.first is %s, want a whole number that is always there", where, article(j.First.Type)), "")
	}
	state := func(name, what string, pos Pos) bool {
		if !contains(l.States, name) {
			c.bad("ledger", pos, fmt.Sprintf("%s names the state %q of %s, which does not exist", what, name, l.Name), didYouMean(name, l.States))
			return false
		}
		return true
	}
	move := func(from, to, what string, pos Pos) {
		if state(to, what, pos) && contains(l.States, from) && !contains(l.Moves[from], to) {
			c.bad("ledger", pos, fmt.Sprintf("%s leads a row of %s from %s to %s, and no move leads there", what, l.Name, from, to), fmt.Sprintf("add %s to the moves of %s", to, from))
		}
	}
	state(j.From, where+".from", j.Pos)
	move(j.From, j.Takes.To, where+".takes", j.Takes.Pos)
	move(j.Takes.To, j.Back, where+".back", j.Pos)
	move(j.Takes.To, j.OK.To, where+".ok", j.OK.Pos)
	lease := c.types.of("slipway.lease", action.Obj(textField("holder"), textField("class"), textField("reason"), action.Field{Name: "attempt", Type: action.Type{Kind: action.Int}}))
	leased := inside.with("lease", lease)
	c.rowSet(j.Takes, where+".takes", l, leased)
	c.rowSet(j.OK, where+".ok", l, leased.with("job", c.types.of("slipway.job."+s.Path, j.Do.Contract.Out)))
	rest := false
	classes := append([]string{"any"}, j.Do.Contract.Classes...)
	for _, f := range j.Failed {
		what := where + ".failed." + f.Class
		move(j.Takes.To, f.To, what, f.Pos)
		c.rowSet(f, what, l, leased)
		if !contains(classes, f.Class) && j.Do.Contract.Name != "" {
			c.bad("retry", f.Pos, fmt.Sprintf("%s is for a class that %s never reports", what, j.Do.Ref), didYouMean(f.Class, classes))
		}
		if f.Class == "any" && f.To == j.From {
			c.bad("end", f.Pos, fmt.Sprintf("%s leads back to %s, so a job that always fails would be tried for ever", what, j.From), "name a state that jobs do not begin in; it is also for rows whose tries are used up")
		}
		rest = rest || f.Class == "any"
	}
	if !rest {
		c.bad("end", j.Pos, where+".failed has no any: a row could stay "+j.Takes.To+" for ever", "write any: STATE, for the classes that are not named")
	}
	if j.Takes.To == j.From || j.Takes.To == j.Back || j.Takes.To == j.OK.To || contains(l.Final, j.Takes.To) || len(l.States) > 0 && l.States[0] == j.Takes.To {
		c.bad("ledger", j.Takes.Pos, fmt.Sprintf("%s.takes is %s, which means something else too", where, j.Takes.To), "a leased row has a state of its own")
	}
	c.onlyLeased(s, l, j.Takes.To)
}

// rowSet checks the columns that a job sets.
func (c *checker) rowSet(e RowEnd, what string, l *Ledger, at *place) {
	for _, name := range withNames(e.Set) {
		t := e.Set[name]
		col, ok := action.Obj(l.Columns...).Field(name)
		switch {
		case !ok:
			c.bad("ledger", t.keyPos, fmt.Sprintf("%s sets the column %q, which %s does not have", what, name, l.Name), didYouMean(name, fieldNames(action.Obj(l.Columns...))))
		case name == l.Key:
			c.bad("ledger", t.keyPos, fmt.Sprintf("%s sets %s, the key of %s", what, name, l.Name), "a row keeps its key")
		default:
			c.fill(t, what+".set."+name, col.Type, col.Optional, at)
		}
	}
}

// onlyLeased refuses whatever else leads rows to the state of leased ones: nobody would hold them
// there, and the list could never close.
func (c *checker) onlyLeased(s *Step, l *Ledger, takes string) {
	fix := "only a lease leads there"
	walk(c.p.Steps, func(o *Step) {
		if o.Kind == Do && strings.HasPrefix(o.Do.Ref, "ledger.move@") && c.names(o.Do, "ledger", l.Name) && c.names(o.Do, "to", takes) {
			c.bad("ledger", o.Do.Pos, fmt.Sprintf("step %s moves rows of %s to %s, the state of those that builders of %s hold", o.Path, l.Name, takes, s.Path), fix)
		}
		if o != s && o.Each != nil && o.Each.Job != nil && o.Each.Ledger == l.Name {
			j := o.Each.Job
			ends := append([]RowEnd{j.Takes, j.OK, {To: j.Back}}, j.Failed...)
			for _, e := range ends {
				if e.To == takes {
					c.bad("ledger", j.Pos, fmt.Sprintf("the jobs of %s lead rows of %s to %s, the state of those that builders of %s hold", o.Path, l.Name, takes, s.Path), fix)
				}
			}
			if j.From == s.Each.Job.From && o.Path > s.Path {
				c.bad("ledger", j.Pos, fmt.Sprintf("%s and %s both take rows of %s that are %s", s.Path, o.Path, l.Name, j.From), "let each list have a state of its own")
			}
		}
	})
	for _, ways := range l.Actions {
		for _, to := range ways {
			if to == takes {
				c.bad("ledger", l.Pos, fmt.Sprintf("an action leads rows of %s to %s, the state of those that builders of %s hold", l.Name, takes, s.Path), fix)
			}
		}
	}
}

// names reports whether a value of a step is written out and is this text.
func (c *checker) names(d *DoPart, field, text string) bool {
	t := d.With[field]
	return t != nil && t.shape == fixedText && fmt.Sprint(t.fixed) == text
}
