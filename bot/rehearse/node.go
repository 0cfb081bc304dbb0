package rehearse

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/calendar"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// stage is what stays the same during a rehearsal.
type stage struct {
	p         *playbook.Playbook
	dir       people.Directory
	project   string
	requester people.PersonID
	contracts map[string]action.Contract
	begin     time.Time
	frozen    time.Time // calendars are frozen from begin until then; zero: never
	busy      bool      // every lock is held by another run when it is first asked for
	start     run.Start
	free      map[string]bool // conditions that may be true or false, whatever they say; nil: none
}

const otherRun = "other"

func newStage(o Options) (*stage, error) {
	if o.Playbook == nil || o.Playbook.Digest == "" {
		return nil, errs.E("rehearse", errs.Invalid, fmt.Errorf("there is no playbook to rehearse"))
	}
	s := &stage{p: o.Playbook, project: o.Project, requester: o.Requester, begin: o.Start, contracts: map[string]action.Contract{}}
	if s.project == "" {
		s.project = "project"
	}
	if s.requester == "" {
		s.requester = "requester"
	}
	if s.begin.IsZero() {
		s.begin = time.Date(2019, 1, 31, 12, 0, 0, 0, time.UTC)
	}
	s.busy = o.Busy
	if o.Frozen {
		s.frozen = s.begin.Add(time.Hour)
	}
	if o.Directory != nil {
		s.dir = *o.Directory
	} else {
		s.dir = cast(s.p, s.requester, s.project)
	}
	for _, c := range o.Contracts {
		s.contracts[c.Ref()] = c
	}
	eachStep(s.p.Steps, func(step *playbook.Step) {
		if step.Do != nil {
			s.contracts[step.Do.Ref] = step.Do.Contract
		}
		if step.Each != nil && step.Each.Job != nil {
			s.contracts[step.Each.Job.Do.Ref] = step.Each.Job.Do.Contract
		}
		if step.Wait != nil && step.Wait.Ref != "" {
			s.contracts[step.Wait.Ref] = step.Wait.Contract
		}
		if step.ByHand != nil && step.ByHand.Probe != nil {
			s.contracts[step.ByHand.Probe.Ref] = step.ByHand.Probe.Contract
		}
		if step.OnFail != nil && step.OnFail.Ref != nil {
			s.contracts[step.OnFail.Ref.Ref] = step.OnFail.Ref.Contract
		}
	})
	inputs := map[string]any{}
	m := maker{seed: "inputs", now: s.begin}
	for _, in := range s.p.Inputs {
		switch v, given := o.Inputs[in.Name]; {
		case given:
			inputs[in.Name] = v
		case in.Person:
			inputs[in.Name] = string(s.requester)
		case in.Default == nil && !in.Optional:
			inputs[in.Name] = m.value(in.Name, in.Type)
		}
	}
	profile := maps.Clone(o.Profile)
	if profile == nil {
		profile = map[string]any{}
	}
	for _, name := range s.p.ProfileReads() {
		if _, given := profile[name]; !given {
			return nil, errs.E("rehearse", errs.Invalid, fmt.Errorf("the playbook reads project.%s, which is not given", name)).
				Hint("give a profile with a value for %s", name)
		}
	}
	digest := o.Digest
	if digest == "" {
		digest = s.p.Digest
	}
	s.start = run.Start{ID: "rehearsal", Project: s.project, Playbook: digest, Closure: digest, Requester: s.requester,
		Inputs: inputs, Profile: profile, Via: "rehearsal", Inherited: s.inherited()}
	return s, nil
}

// inherited fills the declared roles that no ask of the playbook fills: its parent does, or
// somebody who may appoint them, before the run gets to what they are asked for.
func (st *stage) inherited() map[string][]people.PersonID {
	fills := map[string]bool{}
	eachStep(st.p.Steps, func(s *playbook.Step) {
		if s.Ask != nil {
			fills[s.Ask.Fills] = true
		}
	})
	filled := map[string][]people.PersonID{}
	for _, r := range st.p.Roles {
		held := st.dir.Members(st.project, r.Name, st.begin)
		if fills[r.Name] || len(held) == 0 {
			continue
		}
		if !r.Many {
			held = held[:1]
		}
		filled[r.Name] = held
	}
	return filled
}

// node is one moment of a run: its state, the time, the locks, and what was noted on the way.
type node struct {
	s     *run.State
	now   time.Time
	locks map[string]run.Lock
	salt  map[string]string // by step: makes the outputs of its action differ from before

	taken     map[string]bool // what free conditions were taken to be
	undecided *string         // where to note the first free condition that was asked and not taken yet
}

func (st *stage) world(n *node) run.World {
	w := run.World{Now: n.now, Directory: st.dir, Locks: n.locks}
	if len(st.free) > 0 {
		w.Free = n.condition(st.free)
	}
	if !st.frozen.IsZero() {
		var freezes []calendar.Freeze
		eachStep(st.p.Steps, func(s *playbook.Step) {
			if s.FrozenBy != nil {
				freezes = append(freezes, calendar.Freeze{ID: "freeze-" + s.Path, Calendar: s.FrozenBy.Calendar,
					Why: "a release is near", From: st.begin.Add(-time.Hour), Until: st.frozen})
			}
		})
		w.Calendar = calendar.NewCalendar(freezes, nil)
	}
	return w
}

// condition gives the value that a free condition was taken to have.
func (n *node) condition(free map[string]bool) func(string) (bool, bool) {
	return func(text string) (value, known bool) {
		if value, known = n.taken[text]; known {
			return value, true
		}
		if free[text] && n.undecided != nil && *n.undecided == "" {
			*n.undecided = text
		}
		return false, false
	}
}

// conditions are the texts of what decides whether steps start or may be skipped, but for those
// that say "true" or "false" themselves, and, with named, for those of the profile.
func conditions(p *playbook.Playbook, named bool) map[string]bool {
	free := map[string]bool{}
	add := func(e *playbook.Expr) {
		if e != nil && e.Text != "true" && e.Text != "false" && !(named && ofProfile(e.Text)) {
			free[e.Text] = true
		}
	}
	eachStep(p.Steps, func(s *playbook.Step) {
		add(s.When)
		if s.MaySkip != nil {
			add(s.MaySkip.When)
		}
	})
	return free
}

// Texts and names of an expression.
var (
	quoted = regexp.MustCompile(`'[^']*'|"[^"]*"`)
	named  = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_.?]*`)
)

// ofProfile reports whether a condition reads the profile and nothing else.
func ofProfile(text string) bool {
	return !slices.ContainsFunc(named.FindAllString(quoted.ReplaceAllString(text, ""), -1), func(name string) bool {
		return !strings.HasPrefix(name, "project.") && name != "in" && name != "true" && name != "false"
	})
}

// next lets a choice happen. The decision is returned with the node after it.
func (st *stage) next(n *node, c Choice) (*node, run.Decision) {
	after := &node{s: n.s, now: n.now, locks: n.locks, salt: n.salt, taken: n.taken, undecided: n.undecided}
	if c.at.After(after.now) {
		after.now = c.at
	}
	if len(c.changes) > 0 {
		after.salt = maps.Clone(n.salt)
		if after.salt == nil {
			after.salt = map[string]string{}
		}
		maps.Copy(after.salt, c.changes)
	}
	if c.free != "" {
		l := after.locks[c.free].After(run.LockReleased{Lock: c.free}, otherRun)
		after.locks = put(after.locks, c.free, l)
	}
	d := run.Decide(st.p, after.s, c.input, st.world(after))
	if st.busy && st.occupy(after, d) {
		d = run.Decide(st.p, after.s, c.input, st.world(after))
	}
	st.settle(after, d)
	return after, d
}

// settle takes over what a decision changed.
func (st *stage) settle(n *node, d run.Decision) {
	if d.After != nil {
		n.s = d.After
	}
	for _, e := range d.Events {
		var name string
		switch b := e.Body.(type) {
		case run.LockTaken:
			name = b.Lock
		case run.LockQueued:
			name = b.Lock
		case run.LockReleased:
			name = b.Lock
		default:
			continue
		}
		l, ok := n.locks[name]
		if !ok {
			l = run.Lock{Name: name}
		}
		n.locks = put(n.locks, name, l.After(e.Body, n.s.ID))
	}
}

// occupy gives every lock that the decision would take, and that was never asked for before, to
// another run, and reports whether there was one: the decision is to be made again.
func (st *stage) occupy(n *node, d run.Decision) bool {
	found := false
	for _, e := range d.Events {
		b, ok := e.Body.(run.LockTaken)
		if !ok {
			continue
		}
		if _, known := n.locks[b.Lock]; !known {
			n.locks = put(n.locks, b.Lock, run.Lock{Name: b.Lock, Version: 1, Holder: run.Claim{Run: otherRun, Name: "another run", Since: st.begin}})
			found = true
		}
	}
	return found
}

func put[V any](m map[string]V, key string, v V) map[string]V {
	next := maps.Clone(m)
	if next == nil {
		next = map[string]V{}
	}
	next[key] = v
	return next
}

// scope is what the expressions at path see, made apart from package run.
func (st *stage) scope(s *run.State, path string, more map[string]any, now time.Time) playbook.Scope {
	locals := map[string]any{}
	roles := map[string]any{}
	for _, r := range st.p.Roles {
		list := []any{}
		for _, id := range s.Filled[r.Name] {
			list = append(list, string(id))
		}
		roles[r.Name] = list
	}
	locals["roles"] = roles
	ledgers := map[string]any{}
	for _, l := range st.p.Ledgers {
		counts, total := map[string]any{}, int64(0)
		a := s.Ledgers[l.Name]
		for _, state := range l.States {
			counts[state] = int64(0)
			if a != nil {
				counts[state] = int64(a.Counts[state])
			}
		}
		if a != nil {
			total = int64(a.Total)
		}
		ledgers[l.Name] = map[string]any{"total": total, "count": counts}
	}
	locals["ledgers"] = ledgers
	for p := path; strings.Contains(p, "/"); {
		p = p[:strings.LastIndexByte(p, '/')]
		open := strings.LastIndexByte(p, '[')
		each := st.p.Step(run.DeclaredPath(p))
		if open < 0 || each == nil || s.Steps[p[:open]] == nil {
			break
		}
		for key, item := range s.Steps[p[:open]].Items {
			if run.ElementPath(p[:open], key) == p {
				locals[each.Each.As] = item
			}
		}
		p = p[:open]
	}
	maps.Copy(locals, more)
	return playbook.Scope{Inputs: s.Inputs, Project: s.Profile, Locals: locals, Now: now,
		Run: map[string]any{"id": s.ID, "name": s.Name, "requester": string(s.Requester), "adopts": s.Adopt},
		Step: func(declared string) (map[string]any, bool) {
			step := s.Steps[instance(path, declared)]
			if step == nil || step.Status != run.Done && step.Status != run.Adopted {
				return nil, false
			}
			return step.Output, true
		}}
}

// instance is the path of the declared step as seen from the instance at path.
func instance(path, declared string) string {
	cut := strings.LastIndexByte(declared, '/')
	if cut < 0 {
		return declared
	}
	for p := path; strings.Contains(p, "/"); {
		p = p[:strings.LastIndexByte(p, '/')]
		if run.DeclaredPath(p) == declared[:cut] {
			return p + declared[cut:]
		}
	}
	return declared
}

// paths lists every instance that exists, in order of declaration.
func (st *stage) paths(s *run.State) []string {
	var out []string
	var add func(steps []*playbook.Step, prefix string)
	add = func(steps []*playbook.Step, prefix string) {
		for _, def := range steps {
			path := prefix + def.ID
			out = append(out, path)
			if def.Kind == playbook.Each && s.Steps[path] != nil {
				for _, key := range s.Steps[path].Keys {
					add(def.Each.Steps, run.ElementPath(path, key)+"/")
				}
			}
		}
	}
	add(st.p.Steps, "")
	return out
}

// gone lists the steps in doubt of elements that left their list.
func (st *stage) gone(s *run.State) []string {
	var out []string
	all := st.paths(s)
	for _, path := range sortedKeys(s.Steps) {
		if s.Steps[path].Status == run.InDoubt && !slices.Contains(all, path) {
			out = append(out, path)
		}
	}
	return out
}

// flights lists the keys of effects without an outcome, in the order of their steps.
func (st *stage) flights(s *run.State) []string {
	order := map[string]int{}
	for i, path := range st.paths(s) {
		order[path] = i
	}
	var keys []string
	for key, e := range s.Effects {
		if e.Outcome == "" {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b string) int {
		x, y := s.Effects[a], s.Effects[b]
		if d := order[x.Step] - order[y.Step]; d != 0 {
			return d
		}
		if d := strings.Compare(string(x.For), string(y.For)); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return keys
}

func (st *stage) def(path string) *playbook.Step { return st.p.Step(run.DeclaredPath(path)) }

// members are those who hold a role now, "requester" included.
func (st *stage) members(s *run.State, role string, now time.Time) []people.PersonID {
	if role == "requester" {
		if s.Requester != "" {
			return []people.PersonID{s.Requester}
		}
		role = s.Owner
	}
	filled := map[string][]people.PersonID{}
	for _, r := range st.p.Roles {
		filled[r.Name] = s.Filled[r.Name]
	}
	return st.dir.WithRoles(filled).Members(s.Project, role, now)
}
