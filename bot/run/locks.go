package run

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"

	"slipway/bot/errs"
	"slipway/bot/playbook"
)

// After is the lock after body, an event of run. Its version rises with every change. Bodies
// that do not speak of this lock change nothing. The engine keeps its table of locks by it, so
// that the table and the log cannot disagree.
func (l Lock) After(body Body, run string) Lock {
	same := func(c Claim, scope string) bool { return c.Run == run && c.Scope == scope }
	switch b := body.(type) {
	case LockTaken:
		if b.Lock != l.Name {
			return l
		}
		l.Holder = b.Claim
		l.Queue = slices.DeleteFunc(slices.Clone(l.Queue), func(c Claim) bool { return same(c, b.Claim.Scope) })
	case LockQueued:
		if b.Lock != l.Name || slices.ContainsFunc(l.Queue, func(c Claim) bool { return same(c, b.Claim.Scope) }) {
			return l
		}
		at := len(l.Queue)
		for at > 0 && l.Queue[at-1].Priority < b.Claim.Priority {
			at--
		}
		l.Queue = slices.Insert(slices.Clone(l.Queue), at, b.Claim)
	case LockReleased:
		if b.Lock != l.Name {
			return l
		}
		if same(l.Holder, b.Scope) {
			l.Holder = Claim{}
		}
		l.Queue = slices.DeleteFunc(slices.Clone(l.Queue), func(c Claim) bool { return same(c, b.Scope) })
		if b.First != "" {
			slices.SortStableFunc(l.Queue, func(x, y Claim) int { return cmp.Compare(behind(x, b.First), behind(y, b.First)) })
		}
	default:
		return l
	}
	l.Version++
	return l
}

// behind is 0 for the claims of the run that goes first, and 1 for all others.
func behind(c Claim, first string) int {
	if c.Run == first {
		return 0
	}
	return 1
}

// Free reports whether nobody holds the lock.
func (l Lock) Free() bool { return l.Holder.Run == "" }

// lock is the lock as it is after what this decision did to it. Its version is a read.
func (d *decider) lock(name string) Lock {
	if l, ok := d.locks[name]; ok {
		return l
	}
	l, ok := d.w.Locks[name]
	if !ok {
		l = Lock{Name: name}
	}
	d.read("lock", name, l.Version)
	if d.locks == nil {
		d.locks = map[string]Lock{}
	}
	d.locks[name] = l
	return l
}

func (d *decider) emitLock(name string, body Body) {
	l := d.lock(name).After(body, d.s.ID)
	d.locks[name] = l
	d.emit(body)
}

func (d *decider) release(name, scope, why string) {
	d.emitLock(name, LockReleased{Lock: name, Scope: scope, Why: why})
}

// wanted lists the locks of a scope that the run does not hold yet, by name. A lock that an
// enclosing scope holds is held for what is inside it.
func (d *decider) wanted(in *inst, uses []*playbook.Template) ([]string, error) {
	if len(uses) == 0 {
		return nil, nil
	}
	scope := d.scope(in, nil)
	var names []string
	for _, t := range uses {
		name, err := evalText(t, scope)
		if err != nil {
			return nil, err
		}
		if name == "" || slices.Contains(names, name) || d.holds(name, in) {
			continue
		}
		names = append(names, name)
	}
	sort.Strings(names)
	return names, nil
}

func (d *decider) holds(lock string, in *inst) bool {
	scope, held := d.s.Locks[lock]
	if !held {
		return false
	}
	return scope == "" || in != nil && (scope == in.path || under(in.path, scope))
}

// inTheWay is the claim that keeps scope from the lock, if there is one: the holder, or the
// first of those who queue before it.
func (d *decider) inTheWay(name, scope string) (Claim, bool) {
	l := d.lock(name)
	if !l.Free() {
		return l.Holder, true
	}
	if len(l.Queue) > 0 && !(l.Queue[0].Run == d.s.ID && l.Queue[0].Scope == scope) {
		if first := l.Queue[0]; first.Priority >= d.s.Priority || slices.ContainsFunc(l.Queue, func(c Claim) bool { return c.Run == d.s.ID && c.Scope == scope }) {
			return first, true
		}
	}
	return Claim{}, false
}

func (d *decider) claim(scope string) Claim {
	name := d.s.Name
	switch {
	case d.s.Private:
		name = PrivateRun
	case d.s.Status == IsAborting: // the name may be another run's
		name += " (aborted)"
	}
	return Claim{Run: d.s.ID, Name: name, Scope: scope, Priority: d.s.Priority, Since: d.now}
}

// take takes all locks of a scope at once, in the order of their names, or queues for each. It
// returns the name and the claim that are in the way of the first.
func (d *decider) take(names []string, scope string) (string, Claim, bool) {
	for _, name := range names {
		blocker, blocked := d.inTheWay(name, scope)
		if !blocked {
			continue
		}
		for _, queue := range names {
			if _, waits := d.s.Queued[queue]; !waits {
				d.emitLock(queue, LockQueued{queue, d.claim(scope)})
			}
		}
		return name, blocker, false
	}
	for _, name := range names {
		d.emitLock(name, LockTaken{name, d.claim(scope)})
	}
	return "", Claim{}, true
}

// takeLocks takes the locks of a step, or tells what they wait for.
func (d *decider) takeLocks(in *inst) bool {
	names, err := d.wanted(in, in.def.Uses)
	if err != nil {
		d.stuck(in.path, "its locks cannot be named: "+errs.Text(err))
		return false
	}
	if len(names) == 0 {
		return true
	}
	name, by, ok := d.take(names, in.path)
	if ok {
		return true
	}
	if st := d.at(in.path); st.On != "lock "+name || st.Message != lockedBy(name, by) {
		d.emit(StepWaits{in.path, "lock " + name, lockedBy(name, by)})
	}
	return false
}

func lockedBy(name string, by Claim) string {
	text := "the lock " + name + " is held by " + by.Name
	if by.Scope != "" && by.Name != PrivateRun {
		text += " (" + by.Scope + ")"
	}
	if !by.Since.IsZero() {
		text += " since " + by.Since.Format("2006-01-02 15:04 MST")
	}
	return text
}

// locked says which locks keep in from starting.
func (d *decider) locked(in *inst) []Blocker {
	names, err := d.wanted(in, in.def.Uses)
	if err != nil {
		return nil
	}
	var out []Blocker
	for _, name := range names {
		if by, blocked := d.inTheWay(name, in.path); blocked {
			out = append(out, Blocker{Kind: "lock", What: name, Why: lockedBy(name, by)})
		}
	}
	return out
}

// runLocked takes the locks of the whole run before its first step, and says what is in the way.
func (d *decider) runLocked() *Blocker {
	if len(d.p.Uses) == 0 {
		return nil
	}
	names, err := d.wanted(nil, d.p.Uses)
	if err != nil || len(names) == 0 {
		return nil
	}
	if d.s.Status == OnHold {
		return &Blocker{Kind: "lock", What: names[0], Why: held(d.s.Hold)}
	}
	if name, by, ok := d.take(names, ""); !ok {
		return &Blocker{Kind: "lock", What: name, Why: lockedBy(name, by)}
	}
	return nil
}

// releaseLocks frees what is held or waited for by scopes that are over.
func (d *decider) releaseLocks() {
	if d.s.Status == IsAborting && d.s.Planned {
		d.releaseAborted()
		return
	}
	if len(d.s.Locks) > 0 {
		for _, name := range sortedNames(d.s.Locks) {
			if scope := d.s.Locks[name]; scope != "" && d.scopeOver(scope) {
				d.release(name, scope, scope+" is over")
			}
		}
	}
	if len(d.s.Queued) > 0 {
		for _, name := range sortedNames(d.s.Queued) {
			scope := d.s.Queued[name]
			if d.s.Status == IsAborting || scope != "" && d.at(scope).Status != Waiting {
				d.release(name, scope, "it is not wanted any more")
			}
		}
	}
}

// scopeOver reports whether the step that holds a lock has ended. One that is stuck, in doubt or
// waits for another attempt keeps it; so does one whose rollback is under way.
func (d *decider) scopeOver(scope string) bool {
	st := d.at(scope)
	switch st.Status {
	case Done, Adopted, SkippedSt, WithdrawnSt:
		return true
	case FailedSt:
		in := d.find(scope)
		return in == nil || !d.rollbackLeft(in)
	case Waiting:
		return st.RetryAt.IsZero() && !strings.HasPrefix(st.On, "guard ") && d.inFlight(scope, ForAgain) == nil
	}
	return false
}

// yield is `lock take`: this run loses a lock to another one. It is refused while an effect
// under the lock is in flight or doubtful.
func (d *decider) yield(c Command) *errs.Error {
	scope, held := d.s.Locks[c.Lock]
	if !held {
		return refuse(errs.Conflict, "%s does not hold the lock %s", d.s.Name, c.Lock)
	}
	if strings.TrimSpace(c.Reason) == "" {
		return refuse(errs.Invalid, "taking a lock needs a reason").Hint("say why the other run goes first")
	}
	first, refusal := d.taker(c)
	if refusal != nil {
		return refusal
	}
	if step, doubtful := d.effectUnder(scope); step != "" {
		word := "in flight"
		if doubtful {
			word = "doubtful"
		}
		return refuse(errs.Conflict, "an effect of %s under the lock %s is %s", step, c.Lock, word).
			Hint("wait for it, or settle the doubt first: `%s`", WhySay(d.s.Name, step))
	}
	why := fmt.Sprintf("%s took the lock %s for %s: %s", c.Person, c.Lock, first.Name, c.Reason)
	d.emitLock(c.Lock, LockReleased{Lock: c.Lock, Scope: scope, Why: why, First: first.Run})
	d.giveUp(scope, why)
	if scope == "" { // what the run does, it does under this lock
		for _, in := range d.instances() {
			d.staleStep(in.path, why)
		}
	}
	d.reply = fmt.Sprintf("%s gives up the lock %s; %s goes first", d.s.Name, c.Lock, first.Name)
	return nil
}

// taker is the claim that gets a lock which is taken from this run.
func (d *decider) taker(c Command) (Claim, *errs.Error) {
	queue := d.lock(c.Lock).Queue
	for _, q := range queue {
		if q.Run != d.s.ID && (c.First == "" || q.Run == c.First) {
			return q, nil
		}
	}
	if c.First != "" {
		return Claim{}, refuse(errs.Conflict, "that run does not wait for the lock %s", c.Lock).Hint("`lock show %s` tells who does", c.Lock)
	}
	return Claim{Name: "whoever asks first"}, nil
}

// effectUnder finds an effect in flight or doubtful within the scope.
func (d *decider) effectUnder(scope string) (step string, doubtful bool) {
	for _, key := range sortedNames(d.s.Effects) {
		e := d.s.Effects[key]
		if onlyLooks(e.For) || scope != "" && e.Step != scope && !under(e.Step, scope) {
			continue
		}
		return e.Step, e.Outcome == Doubtful
	}
	return "", false
}

func onlyLooks(p Purpose) bool {
	switch p {
	case ForPoll, ForClosing, ForRemind, ForGuard, ForConfirm, ForAdopt, ForMessage, ForTell:
		return true
	}
	return false
}

// giveUp releases all locks of the scope and sets its steps back.
func (d *decider) giveUp(scope, why string) {
	for _, name := range sortedNames(d.s.Locks) {
		if d.s.Locks[name] == scope {
			d.release(name, scope, why)
		}
	}
	if scope != "" {
		d.staleStep(scope, why)
		for _, in := range d.instances() {
			if under(in.path, scope) {
				d.staleStep(in.path, why)
			}
		}
		return
	}
	if len(d.p.Guards) == 0 {
		return
	}
	for _, g := range d.p.Guards {
		if d.at(g.From).Status != Waiting {
			d.staleStep(g.From, why)
			d.staleAfter(g.From, why)
		}
	}
}

// yieldToHigher gives locks to a claim of higher priority, at a moment without an effect in
// flight under them.
func (d *decider) yieldToHigher() {
	if d.s.Status != Live {
		return
	}
	for _, name := range sortedNames(d.s.Locks) {
		scope, held := d.s.Locks[name]
		if !held {
			continue // released together with another one of its scope
		}
		l := d.lock(name)
		if len(l.Queue) == 0 || l.Queue[0].Priority <= d.s.Priority || l.Queue[0].Run == d.s.ID {
			continue
		}
		if step, _ := d.effectUnder(scope); step == "" {
			d.giveUp(scope, "the lock "+name+" goes to "+l.Queue[0].Name+", which has a higher priority")
		}
	}
}
