package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// Filter chooses runs. Empty fields choose all. Person sees what a private run's circle sees.
type Filter struct {
	Family  string
	Books   []string // the playbooks of the family; empty: the one of its name
	Project string
	Status  string // of live runs
	Past    bool   // ended runs instead of live ones
	Person  people.PersonID
	Limit   int // 0: 100
}

// Listed is one run in a list.
type Listed struct {
	ID, Name, Project, Family string
	Status, Outcome           string
	Requester                 people.PersonID
	Began, Ended              time.Time
	Private                   bool
	Parent                    string // id of the run that started it
	Misfit                    string // why it cannot go on with this program
}

// Runs lists runs by name.
func (e *Engine) Runs(ctx context.Context, f Filter) ([]Listed, error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	space, prefix := spNames, ""
	if f.Past {
		space = spPast
	}
	if f.Family != "" {
		prefix = f.Family + "/"
		if f.Project != "" {
			prefix += f.Project + "/"
		}
	}
	books := f.Books
	if len(books) == 0 {
		books = []string{f.Family}
	}
	misfits := e.Misfits()
	var out []Listed
	var bad error
	err := e.cfg.Store.Scan(ctx, space, prefix, after(prefix), false, func(k string, value []byte) bool {
		var r nameRecord
		if bad = decode(space+"/"+k, value, &r); bad != nil {
			return false
		}
		if f.Family != "" && r.Family != "" && !slices.Contains(books, r.Family) || f.Project != "" && r.Project != f.Project || f.Status != "" && r.Status != f.Status || !visible(r, f.Person) {
			return true
		}
		out = append(out, Listed{ID: r.ID, Name: r.Name, Project: r.Project, Family: r.Family, Status: r.Status, Outcome: r.Outcome,
			Requester: r.Requester, Began: r.Began, Ended: r.Ended, Private: r.Private, Misfit: misfits[r.Book]})
		return len(out) < f.Limit
	})
	return out, errors.Join(err, bad)
}

func visible(r nameRecord, p people.PersonID) bool {
	return !r.Private || p != "" && (r.Requester == p || slices.Contains(r.Circle, p))
}

// Resolve finds a run by its id, its name, or a part of its name that fits one run only, such as
// the version. Live runs go before ended ones. The hint of the error names the nearest.
func (e *Engine) Resolve(ctx context.Context, name string, p people.PersonID) (string, error) {
	return e.resolveFor(ctx, Spoken{Person: p, Direct: true}, name)
}

// ResolveHere is Resolve for what was said in a place: without a name it is the run of the thread,
// and a hint names no private run where others read.
func (e *Engine) ResolveHere(ctx context.Context, s Spoken, name string) (string, error) {
	return e.resolveFor(ctx, s, name)
}

func (e *Engine) resolveFor(ctx context.Context, s Spoken, name string) (string, error) {
	const op = "engine.resolve"
	if name == "" {
		if s.Run != "" {
			return s.Run, nil
		}
		return "", errs.E(op, errs.Invalid, errors.New("no run was named")).Hint("name one, or say it in the thread of its card")
	}
	if l, err := e.load(ctx, name); err != nil {
		return "", err
	} else if l.raw != nil && visible(*l.name, s.Person) {
		return name, nil
	}
	var r nameRecord
	if _, found, err := e.get(ctx, spNames, nameKey(name), &r); err != nil {
		return "", err
	} else if found && visible(r, s.Person) {
		return r.ID, nil
	}
	fits, err := e.endingIn(ctx, name, s)
	if err != nil {
		return "", err
	}
	live, names := liveOf(fits, s.Viewer())
	switch {
	case len(live) == 1:
		return live[0].ID, nil
	case len(live) > 1:
		return "", errs.E(op, errs.Invalid, fmt.Errorf("%q could be one of several runs", name)).Hint("say which: %s", strings.Join(names, ", "))
	case len(fits) > 0:
		return fits[len(fits)-1].ID, nil
	}
	known, err := e.nearby(ctx, name, s.Viewer()) // the answer may be read by others
	if err != nil {
		return "", err
	}
	return "", unknown(op, "run", name, known)
}

// endingMost bounds how many runs of one last part of a name are looked at.
const endingMost = 64

// endingIn finds the newest run of each name that ends in name, by the index of last parts; those
// that ended last come last.
func (e *Engine) endingIn(ctx context.Context, name string, s Spoken) ([]nameRecord, error) {
	key, prefix := nameKey(name), ending(name)+sep
	var ids []string
	err := e.cfg.Store.Scan(ctx, spEndings, prefix, after(prefix), true, func(k string, value []byte) bool {
		if full := nameKey(string(value)); full == key || strings.HasSuffix(full, "/"+key) {
			ids = append(ids, k[len(prefix):])
		}
		return len(ids) < endingMost
	})
	if err != nil {
		return nil, err
	}
	newest := map[string]nameRecord{}
	for _, runID := range ids {
		l, err := e.load(ctx, runID)
		if err != nil {
			return nil, err
		}
		if l.raw == nil || !visible(*l.name, s.Person) || s.Project != "" && l.name.Project != s.Project && !strings.Contains(name, "/") {
			continue
		}
		full := nameKey(l.name.Name)
		was, had := newest[full]
		newer := l.name.Began.After(was.Began)
		if nothing := l.name.Outcome == "refused"; nothing != (was.Outcome == "refused") {
			newer = !nothing // a run that was refused came to nothing: the one before it is meant
		}
		if !had || !l.state.NameFree() || newer {
			newest[full] = *l.name
		}
	}
	fits := slices.Collect(maps.Values(newest))
	slices.SortFunc(fits, func(a, b nameRecord) int { return cmp.Or(a.Ended.Compare(b.Ended), strings.Compare(a.ID, b.ID)) })
	return fits, nil
}

// liveOf are those that have not ended, with the names of them that the viewer may read.
func liveOf(fits []nameRecord, viewer people.PersonID) (live []nameRecord, names []string) {
	for _, r := range fits {
		if !r.Ended.IsZero() {
			continue
		}
		live = append(live, r)
		if visible(r, viewer) {
			names = append(names, r.Name)
		}
	}
	slices.Sort(names)
	return live, names
}

// nearbyMost bounds how many neighbours of a mistyped name are looked at, on each side.
const nearbyMost = 32

// nearby lists the names of live runs whose last part stands near that of name in the index.
func (e *Engine) nearby(ctx context.Context, name string, viewer people.PersonID) ([]string, error) {
	var keys []string
	at := ending(name)
	for _, back := range []bool{false, true} {
		from, to, n := at, "", 0
		if back {
			from, to = "", at
		}
		err := e.cfg.Store.Scan(ctx, spEndings, from, to, back, func(_ string, value []byte) bool {
			if key := nameKey(string(value)); !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
			n++
			return n < nearbyMost
		})
		if err != nil {
			return nil, err
		}
	}
	var known []string
	for _, key := range keys {
		var r nameRecord
		_, found, err := e.get(ctx, spNames, key, &r)
		if err != nil {
			return nil, err
		}
		if found && visible(r, viewer) {
			known = append(known, r.Name, r.Name[strings.LastIndexByte(r.Name, '/')+1:])
		}
	}
	return known, nil
}

// Run gives a run as it is, with its playbook. The state is shared and must not be changed.
func (e *Engine) RunState(ctx context.Context, runID string) (*run.State, *playbook.Playbook, error) {
	l, err := e.load(ctx, runID)
	if err != nil {
		return nil, nil, err
	}
	if l.raw == nil {
		return nil, nil, errs.E("engine.run", errs.NotFound, fmt.Errorf("there is no run %s", runID))
	}
	p, err := e.book(ctx, l.state.Playbook)
	return l.state, p, err
}

// Why explains a run, or a step of it, by the functions that decide.
func (e *Engine) Why(ctx context.Context, runID, step string) (run.Explanation, error) {
	s, p, err := e.RunState(ctx, runID)
	if err != nil {
		return run.Explanation{}, err
	}
	return run.Why(p, s, e.World(), step), nil
}

// Who lists what a run waits for from persons.
func (e *Engine) Who(ctx context.Context, runID string) ([]run.Awaited, error) {
	s, p, err := e.RunState(ctx, runID)
	if err != nil {
		return nil, err
	}
	return run.Who(p, s, e.World()), nil
}

// Wait is something that waits for a person, in a run.
type Wait struct {
	Run     string
	Name    string
	Private bool
	run.Awaited
}

// Mine lists what waits for a person in all live runs, found by the roles that the person holds.
func (e *Engine) Mine(ctx context.Context, p people.PersonID) ([]Wait, error) {
	w := e.World()
	runs := map[string]bool{}
	scan := func(prefix string) error {
		return e.cfg.Store.Scan(ctx, spAwaits, prefix, after(prefix), false, func(k string, _ []byte) bool {
			runs[splitID(k)[2]] = true
			return len(runs) < 1000
		})
	}
	prefixes := []string{"@" + string(p) + sep, collecting + sep}
	roles := map[string]bool{}
	for name := range e.world.view.Load().roleRaw {
		roles[name[strings.LastIndexByte(name, '/')+1:]] = true
	}
	for role := range roles {
		for _, project := range e.cfg.Projects.Names() {
			if _, ok := w.Directory.Has(project, role, p, w.Now); ok {
				prefixes = append(prefixes, id(role, project)+sep)
			}
		}
	}
	for _, prefix := range prefixes {
		if err := scan(prefix); err != nil {
			return nil, err
		}
	}
	var out []Wait
	for runID := range runs {
		l, err := e.load(ctx, runID)
		if err != nil {
			return nil, err
		}
		book, err := e.book(ctx, l.state.Playbook)
		if err != nil || l.raw == nil || !visible(*l.name, p) {
			continue
		}
		for _, a := range run.Waits(book, l.state, w, p) {
			out = append(out, Wait{runID, l.state.Name, l.state.Private, a})
		}
	}
	slices.SortFunc(out, func(a, b Wait) int { return strings.Compare(a.Name+a.Step, b.Name+b.Step) })
	return out, nil
}

// Commit is what one commit of a run's log said.
type Commit struct {
	Seq    uint64
	At     time.Time
	Chain  string
	Events []run.Event
	Raw    [][]byte // the events as they are chained
}

// History reads a run's log from a commit on, at most n commits; 0: all.
func (e *Engine) History(ctx context.Context, runID string, from uint64, n int) ([]Commit, error) {
	var out []Commit
	var bad error
	err := e.cfg.Store.Scan(ctx, spEvents, id(runID, seqID(from)), after(runID+sep), false, func(k string, value []byte) bool {
		var r eventRecord
		if value, bad = e.unpack(ctx, value); bad != nil {
			return false
		}
		if bad = decode("events", value, &r); bad != nil {
			return false
		}
		c := Commit{At: r.At, Chain: r.Chain}
		fmt.Sscanf(splitID(k)[1], "%d", &c.Seq)
		for _, raw := range r.Events {
			ev, err := run.DecodeEvent(raw)
			if err != nil {
				bad = errs.E("engine.history", errs.Corrupt, fmt.Errorf("an event of run %s does not read back: %w", runID, err))
				return false
			}
			c.Events, c.Raw = append(c.Events, ev), append(c.Raw, raw)
		}
		out = append(out, c)
		return n == 0 || len(out) < n
	})
	return out, errors.Join(err, bad)
}

// Locks lists the locks that are held or waited for, by name.
func (e *Engine) Locks() []run.Lock {
	var out []run.Lock
	for _, l := range e.world.view.Load().locks {
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b run.Lock) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Pending is an effect that has not ended.
type Pending struct {
	Run, Step, Action, Key string
	After                  time.Time
	Attempts               int
	Last                   string // why the last try failed
	Begun                  bool   // once-or-ask: it may have happened
}

// Effects lists pending effects in the order in which they are due; of one run, or "" for all.
func (e *Engine) Effects(ctx context.Context, runID string, n int) ([]Pending, error) {
	var out []Pending
	var bad error
	err := e.cfg.Store.Scan(ctx, spOutbox, "", "", false, func(k string, value []byte) bool {
		var r effectRecord
		if value, bad = e.unpack(ctx, value); bad != nil {
			return false
		}
		if bad = decode("outbox/"+k, value, &r); bad != nil {
			return false
		}
		if runID == "" || r.Run == runID {
			out = append(out, Pending{r.Run, r.Step, r.Action, r.Key, later(r.After, r.NotBefore), r.Attempts, r.Last, r.Marked != ""})
		}
		return n == 0 || len(out) < n
	})
	return out, errors.Join(err, bad)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Unused lists results of a run that came too late to be used.
func (e *Engine) Unused(ctx context.Context, runID string) ([]string, error) {
	var out []string
	var bad error
	err := e.cfg.Store.Scan(ctx, spUnused, runID+sep, after(runID+sep), false, func(k string, value []byte) bool {
		var r unusedRecord
		if bad = decode("unused/"+k, value, &r); bad != nil {
			return false
		}
		out = append(out, fmt.Sprintf("%s %s: %s came too late and is not used", r.At.Format(time.RFC3339), r.Action, r.Outcome))
		return true
	})
	return out, errors.Join(err, bad)
}
