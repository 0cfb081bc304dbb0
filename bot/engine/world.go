package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"slipway/bot/action"
	"slipway/bot/calendar"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/run"
)

// world is what runs may know besides themselves. The view is replaced, never changed.
type world struct {
	view    atomic.Pointer[view]
	mu      sync.Mutex // replacing the view
	change  sync.Mutex // changing people and freezes, commit included
	stripes stripes    // of lock names, held over a commit that changes or reads them
	epoch   uint64     // of the store: raised by each restore
	paused  atomic.Pointer[pauseRecord]

	restored atomic.Pointer[restoreRecord] // the last restore; nil: there was none

	persons []people.Person // from the source; under change
	granted []people.Grant  // from the source
	again   []people.Grant  // of roles read again
	reread  map[string]bool // roles whose grants are in again
	down    map[string]string
	freezes []calendar.Freeze
	reads   map[string]roleRead // of roles, at their sources
	absent  time.Time           // until when beginnings and ends of absences were looked at

	barred    map[people.Account]string // accounts that do not count, and why
	askBarred time.Time                 // when they are asked about again
	lastAsked string                    // the account that was asked about last by itself

	questions atomic.Uint64             // asked of services about roles and accounts: what was asked later is newer
	vouched   map[people.Account]uint64 // the newest question about an account that was answered
}

// view is the world at one moment with the stored bytes that guard what was read of it.
type view struct {
	dir     people.Directory
	cal     calendar.Calendar
	locks   map[string]run.Lock
	lockRaw map[string][]byte
	roleRaw map[string][]byte
	calRaw  map[string][]byte
	asks    []string // sources of accounts that say whether one counts
}

func (v *view) forRun(now time.Time) run.World {
	return run.World{Now: now, Directory: v.dir, Calendar: v.cal, Locks: v.locks, Asks: v.asks}
}

// everywhere is the record of the same role in every project.
func everywhere(role string) string {
	return people.EveryProject + role[strings.LastIndexByte(role, '/'):]
}

func (w *world) edit(change func(v *view)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := *w.view.Load()
	change(&next)
	w.view.Store(&next)
}

// setLocks puts locks into the view that were just committed; the caller holds their stripes.
func (w *world) setLocks(locks map[string]run.Lock, raw map[string][]byte) {
	if len(locks) == 0 {
		return
	}
	w.edit(func(v *view) {
		v.locks, v.lockRaw = maps.Clone(v.locks), maps.Clone(v.lockRaw)
		for name, l := range locks {
			if raw[name] == nil {
				delete(v.locks, name)
				delete(v.lockRaw, name)
				continue
			}
			v.locks[name], v.lockRaw[name] = l, raw[name]
		}
	})
}

// refreshWorld waits until changes of people, freezes and locks in flight are in the view.
func (e *Engine) refreshWorld(context.Context) error {
	e.world.change.Lock()
	defer e.world.change.Unlock()
	return e.failed()
}

// World is what a decision made now would know, for questions and for pages.
func (e *Engine) World() run.World {
	w := e.world.view.Load().forRun(e.now())
	w.Away = e.aways.view()
	w.Profile = e.configured
	return w
}

// configured are the values of a project as they are configured now.
func (e *Engine) configured(project string) map[string]any {
	p, _ := e.cfg.Projects.Project(project)
	return p.Profile
}

func (e *Engine) readWorld(ctx context.Context) error {
	v := &view{locks: map[string]run.Lock{}, lockRaw: map[string][]byte{}, asks: slices.Sorted(maps.Keys(e.cfg.Standings))}
	e.world.view.Store(v)
	var bad error
	err := e.cfg.Store.Scan(ctx, spLocks, "", "", false, func(name string, value []byte) bool {
		var l run.Lock
		if bad = decode("locks/"+name, value, &l); bad != nil {
			return false
		}
		v.locks[name], v.lockRaw[name] = l, value
		return true
	})
	if err = errors.Join(err, bad); err != nil {
		return err
	}
	e.world.reread, e.world.down, e.world.reads = map[string]bool{}, map[string]string{}, map[string]roleRead{}
	return e.ReloadPeople(ctx)
}

// ReloadPeople reads the source of people again and raises the version of every role whose
// holders are not what they were. Runs look again.
func (e *Engine) ReloadPeople(ctx context.Context) error {
	e.world.change.Lock()
	defer e.world.change.Unlock()
	if e.cfg.People != nil {
		persons, grants, err := e.cfg.People.People(ctx)
		if err != nil {
			return err
		}
		e.world.persons, e.world.granted = persons, grants
		e.keepElsewhere()
	}
	e.wake(loopPeople)
	return e.rebuild(ctx, newBatch())
}

// rebuild commits b with the versions of the roles and calendars that are not what they were,
// and makes the view from the records as they are then. The caller holds change.
func (e *Engine) rebuild(ctx context.Context, b *batch) error {
	persons, err := e.allPersons(ctx, b)
	if err != nil {
		return err
	}
	grants, err := scanned(ctx, e, spGrants, b, func(g people.Grant) string { return g.ID })
	if err != nil {
		return err
	}
	for _, g := range e.world.granted {
		if !e.world.reread[g.Project+"/"+g.Role] {
			grants = append(grants, g)
		}
	}
	grants = ofAccounts(append(grants, e.world.again...), persons)
	freezes, err := scanned(ctx, e, spFreezes, b, func(f calendar.Freeze) string { return f.ID })
	if err != nil {
		return err
	}
	away, err := scanned(ctx, e, spAway, b, awayID)
	if err != nil {
		return err
	}
	versions, roleRaw, err := e.roleVersions(ctx, b, persons, grants, away)
	if err != nil {
		return err
	}
	calVersions, calRaw, err := e.calVersions(ctx, b, freezes)
	if err != nil {
		return err
	}
	if !b.empty() {
		if err := e.commit(ctx, "people", b); err != nil {
			return err
		}
	}
	e.world.freezes = freezes
	e.world.edit(func(v *view) {
		v.dir = people.NewDirectory(persons, grants, versions, e.world.down).WithAbsences(away).WithBarred(barredList(e.world.barred))
		v.cal = calendar.NewCalendar(freezes, calVersions)
		v.roleRaw, v.calRaw = roleRaw, calRaw
	})
	return nil
}

// scanned reads all records of a small space, as they will be after b.
func scanned[T any](ctx context.Context, e *Engine, space string, b *batch, key func(T) string) ([]T, error) {
	var out []T
	var bad error
	add := func(what string, value []byte) bool {
		var t T
		if bad = decode(space+"/"+what, value, &t); bad == nil {
			out = append(out, t)
		}
		return bad == nil
	}
	err := e.cfg.Store.Scan(ctx, space, "", "", false, func(k string, value []byte) bool {
		if b.writesTo(Key{space, k}) {
			return true
		}
		return add(k, value)
	})
	for _, w := range b.writes {
		if w.Key.Space == space && w.Value != nil && bad == nil {
			add(w.Key.ID, w.Value)
		}
	}
	slices.SortFunc(out, func(x, y T) int { return strings.Compare(key(x), key(y)) })
	return out, errors.Join(err, bad)
}

// allPersons are the persons of the source; a stored person of the same id replaces it, with the
// accounts of both.
func (e *Engine) allPersons(ctx context.Context, b *batch) ([]people.Person, error) {
	stored, err := scanned(ctx, e, spPeople, b, func(p people.Person) string { return string(p.ID) })
	if err != nil {
		return nil, err
	}
	out := slices.Clone(stored)
	for _, p := range e.world.persons {
		i := slices.IndexFunc(out, func(q people.Person) bool { return q.ID == p.ID })
		if i < 0 {
			out = append(out, p)
			continue
		}
		for _, a := range p.Accounts {
			if !slices.ContainsFunc(out[i].Accounts, func(b people.Account) bool { return a.Source == b.Source && a.ID == b.ID }) {
				out[i].Accounts = append(slices.Clone(out[i].Accounts), a)
			}
		}
		out[i].Bot, out[i].Gone = out[i].Bot || p.Bot, out[i].Gone || p.Gone
		if out[i].Name == "" {
			out[i].Name = p.Name
		}
		if out[i].Mail == "" {
			out[i].Mail = p.Mail
		}
		if out[i].Zone == "" {
			out[i].Zone = p.Zone
		}
	}
	return e.withLinks(ctx, b, out)
}

// roleVersions raises the version of each role whose grants or holders changed. A person's
// accounts count too: a vote is counted by them.
func (e *Engine) roleVersions(ctx context.Context, b *batch, persons []people.Person, grants []people.Grant, away []people.Absence) (map[string]uint64, map[string][]byte, error) {
	byID := map[people.PersonID]people.Person{}
	for _, p := range persons {
		byID[p.ID] = p
	}
	type line struct {
		Grant  people.Grant
		Person people.Person
		For    people.Person
		Away   []people.Absence `json:",omitempty"` // of Person
	}
	absent := map[people.PersonID][]people.Absence{}
	for _, a := range away {
		absent[a.Person] = append(absent[a.Person], a)
	}
	lines := map[string][]line{}
	for _, g := range grants {
		key := g.Project + "/" + g.Role
		lines[key] = append(lines[key], line{g, byID[g.Person], byID[g.For], absent[g.Person]})
	}
	versions, raw := map[string]uint64{}, map[string][]byte{}
	empty := action.DigestOf(nil)
	digest := func(key string) string {
		if len(lines[key]) == 0 {
			return empty
		}
		return action.DigestOf(encode(lines[key]))
	}
	var bad error
	err := e.cfg.Store.Scan(ctx, spRoles, "", "", false, func(key string, value []byte) bool {
		var r roleRecord
		if bad = decode("roles/"+key, value, &r); bad != nil {
			return false
		}
		if d := digest(key); d != r.Digest {
			b.guard(spRoles, key, value)
			r = roleRecord{r.Version + 1, d}
			value = encode(r)
			b.put(spRoles, key, value)
		}
		versions[key], raw[key] = r.Version, value
		return true
	})
	for key := range lines {
		if _, had := raw[key]; !had {
			value := encode(roleRecord{1, digest(key)})
			b.guard(spRoles, key, nil)
			b.put(spRoles, key, value)
			versions[key], raw[key] = 1, value
		}
	}
	return versions, raw, errors.Join(err, bad)
}

// calVersions does the same for calendars; the record is "VERSION DIGEST".
func (e *Engine) calVersions(ctx context.Context, b *batch, freezes []calendar.Freeze) (map[string]uint64, map[string][]byte, error) {
	byCal := map[string][]calendar.Freeze{}
	for _, f := range freezes {
		byCal[f.Calendar] = append(byCal[f.Calendar], f)
	}
	versions, raw := map[string]uint64{}, map[string][]byte{}
	err := e.cfg.Store.Scan(ctx, spCalendars, "", "", false, func(key string, value []byte) bool {
		number, digest, _ := strings.Cut(string(value), " ")
		n, _ := strconv.ParseUint(number, 10, 64)
		if d := action.DigestOf(encode(byCal[key])); d != digest {
			b.guard(spCalendars, key, value)
			n++
			value = []byte(strconv.FormatUint(n, 10) + " " + d)
			b.put(spCalendars, key, value)
		}
		versions[key], raw[key] = n, value
		return true
	})
	for key, list := range byCal {
		if _, had := raw[key]; !had {
			value := []byte("1 " + action.DigestOf(encode(list)))
			b.guard(spCalendars, key, nil)
			b.put(spCalendars, key, value)
			versions[key], raw[key] = 1, value
		}
	}
	return versions, raw, err
}

// Grant stores a grant, SetPerson a person, Freeze a freeze; EndGrant and EndFreeze take one
// away. Whoever asks for it must have been allowed to; once makes it happen at most once. Runs
// that rely on what changed decide again.
func (e *Engine) Grant(ctx context.Context, g people.Grant, once Once) error {
	return e.changeWorld(ctx, once, func(b *batch) { b.put(spGrants, g.ID, encode(g)) })
}

// EndGrant takes a stored grant away.
func (e *Engine) EndGrant(ctx context.Context, grant string, once Once) error {
	return e.changeWorld(ctx, once, func(b *batch) { b.del(spGrants, grant) })
}

// SetPerson stores a person; the accounts that the configuration gives are kept beside.
func (e *Engine) SetPerson(ctx context.Context, p people.Person, once Once) error {
	return e.changeWorld(ctx, once, func(b *batch) { b.put(spPeople, string(p.ID), encode(p)) })
}

// Freeze stores a freeze window. Errors: [errs.Invalid] for one that can never hold.
func (e *Engine) Freeze(ctx context.Context, f calendar.Freeze, once Once) error {
	if err := f.Check(); err != nil {
		return err
	}
	var bad error
	err := e.changeWorld(ctx, once, func(b *batch) {
		b.put(spFreezes, f.ID, encode(f))
		bad = e.freezeNews(ctx, b, f, false)
	})
	return errors.Join(err, bad)
}

// EndFreeze takes a freeze away.
func (e *Engine) EndFreeze(ctx context.Context, freeze string, once Once) error {
	return e.changeWorld(ctx, once, func(b *batch) {
		b.del(spFreezes, freeze)
		if i := slices.IndexFunc(e.world.freezes, func(f calendar.Freeze) bool { return f.ID == freeze }); i >= 0 {
			_ = e.freezeNews(ctx, b, e.world.freezes[i], true) // nothing but the blob store can fail, and the end of a freeze is short
		}
	})
}

// Freezes lists the stored freezes.
func (e *Engine) Freezes() []calendar.Freeze {
	e.world.change.Lock()
	defer e.world.change.Unlock()
	return slices.Clone(e.world.freezes)
}

func (e *Engine) changeWorld(ctx context.Context, once Once, write func(b *batch)) error {
	e.world.change.Lock()
	defer e.world.change.Unlock()
	b := newBatch()
	if once.Key != "" {
		b.guard(spSaid, once.Key, nil)
		b.put(spSaid, once.Key, []byte(stamp(e.now())))
	}
	write(b)
	err := e.rebuild(ctx, b)
	if errs.Is(err, errs.Conflict) && once.Key != "" {
		return errRepeat
	}
	if err == nil {
		e.wakeAll("people or freezes changed")
	}
	return err
}
