package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// StartRequest asks for a run.
type StartRequest struct {
	Family  string            `json:"family"` // name of the playbook
	Project string            `json:"project"`
	Inputs  map[string]any    `json:"inputs,omitempty"` // of plain values; text is fitted to the input's type
	Person  people.PersonID   `json:"person,omitempty"`
	Owner   string            `json:"owner,omitempty"` // role, when there is no person
	Private bool              `json:"private,omitempty"`
	Circle  []people.PersonID `json:"circle,omitempty"`
	Parent  string            `json:"parent,omitempty"`
	Via     string            `json:"via,omitempty"`
	Plan    bool              `json:"plan,omitempty"`  // only say what would happen
	Match   string            `json:"match,omitempty"` // digest of a plan, or its first digits: refused when it is another now
	ID      string            `json:"id,omitempty"`    // given by a parent; else a new one
	Closure string            `json:"closure,omitempty"`

	Priority int `json:"priority,omitempty"` // for locks, given by an offer

	Inherited map[string][]people.PersonID `json:"inherited,omitempty"` // roles filled in the parent
	Adopt     bool                         `json:"adopt,omitempty"`     // first look for what was done by hand
}

// Started is what became of a start.
type Started struct {
	Run     string // id; "" when it waits for its name
	Name    string
	Reply   string // for the person
	Plan    run.Decision
	Book    *playbook.Playbook
	Waiting bool   // it begins when the run that has its name ends
	Digest  string // of the plan: what the run would pin and be given
}

// StartRun begins a run, or, with Plan, says what the beginning would be. Errors: [errs.NotFound]
// for an unknown family or project, [errs.Invalid] for inputs that do not fit, [errs.Denied],
// [errs.Exists] for a name that a live run has.
func (e *Engine) StartRun(ctx context.Context, r StartRequest) (Started, error) {
	return e.startRun(ctx, r, also{})
}

// StartRunOnce is StartRun under a semantic key.
func (e *Engine) StartRunOnce(ctx context.Context, r StartRequest, once Once) (Started, error) {
	return e.startRun(ctx, r, also{once: once})
}

func (e *Engine) startRun(ctx context.Context, r StartRequest, more also) (Started, error) {
	const op = "engine.start"
	project, ok := e.cfg.Projects.Project(r.Project)
	if !ok {
		return Started{}, unknown(op, "project", r.Project, e.cfg.Projects.Names())
	}
	p, closure, err := e.definition(ctx, r)
	if err != nil {
		return Started{}, err
	}
	if role := project.Starters[r.Family]; role != "" && r.Person != "" && r.Parent == "" {
		if _, ok := e.World().Directory.Has(project.Name, role, r.Person, e.now()); !ok {
			return Started{}, errs.E(op, errs.Denied, fmt.Errorf("starting %s in %s takes the role %s", r.Family, project.Name, role)).
				Hint("ask somebody who has it, or an admin to grant it")
		}
	}
	for _, id := range r.Circle {
		if _, ok := e.World().Directory.Person(id); !ok {
			return Started{}, errs.E(op, errs.Invalid, fmt.Errorf("%q, who is to see the run, is not known here", id)).Hint("`people` lists everybody")
		}
	}
	inputs, err := fitInputs(p, r.Inputs)
	if err != nil {
		return Started{}, err
	}
	profile := map[string]any{}
	for _, field := range p.ProfileReads() {
		if v, ok := project.Profile[field]; ok {
			profile[field] = v
		}
	}
	start := run.Start{ID: r.ID, Project: project.Name, Playbook: p.Digest, Closure: closure, Requester: r.Person, Owner: r.Owner,
		Inputs: inputs, Profile: profile, Private: r.Private, Circle: r.Circle, Parent: r.Parent, Via: r.Via, Priority: r.Priority,
		Inherited: r.Inherited, Adopt: r.Adopt}
	if start.ID == "" {
		start.ID = e.cfg.IDs()
	}
	if r.Match != "" {
		if err := matches(r.Match, planDigest(start)); err != nil {
			return Started{}, err
		}
		r.Match = "" // a start that waits for its name was looked at now
	}
	if r.Plan {
		d := run.Decide(p, &run.State{}, start, e.World())
		if d.Refusal != nil {
			return Started{}, d.Refusal
		}
		return Started{Name: d.After.Name, Plan: d, Book: p, Digest: planDigest(start)}, nil
	}
	if err := e.doneBefore(ctx, p, r, start); err != nil {
		return Started{}, err
	}
	d, err := e.submit(ctx, start.ID, start, more)
	switch {
	case err == nil && d.Refusal != nil:
		return Started{}, d.Refusal
	case err == nil:
		return Started{Run: start.ID, Name: d.After.Name, Reply: d.Reply, Plan: d, Book: p}, nil
	case errs.Is(err, errs.Conflict):
		if d := run.Decide(p, &run.State{}, start, e.World()); d.Refusal == nil && d.After != nil {
			return e.nameTaken(ctx, p, r, start, d.After.Name, more)
		}
	}
	return Started{}, err
}

// doneBefore refuses what a playbook lets be done once, when a run of that name was done. A run
// that adopts looks at what is there, so it may follow.
func (e *Engine) doneBefore(ctx context.Context, p *playbook.Playbook, r StartRequest, start run.Start) error {
	if !p.Once || r.Adopt {
		return nil
	}
	d := run.Decide(p, &run.State{}, start, e.World())
	if d.Refusal != nil || d.After == nil {
		return nil // submit says so
	}
	var ids []string
	key, prefix := nameKey(d.After.Name), ending(d.After.Name)+sep
	err := e.cfg.Store.Scan(ctx, spEndings, prefix, after(prefix), true, func(k string, value []byte) bool {
		if nameKey(string(value)) == key {
			ids = append(ids, k[len(prefix):])
		}
		return len(ids) < endingMost
	})
	if err != nil {
		return err
	}
	var was nameRecord
	for _, runID := range ids {
		l, err := e.load(ctx, runID)
		if err != nil {
			return err
		}
		if l.raw != nil && l.name.Outcome == "done" && visible(*l.name, r.Person) && l.name.Ended.After(was.Ended) {
			was = *l.name
		}
	}
	if was.ID == "" {
		return nil
	}
	short := was.Name[strings.LastIndexByte(was.Name, '/')+1:]
	return errs.E("engine.start", errs.Exists, fmt.Errorf("%s was done on %s", was.Name, was.Ended.UTC().Format("2006-01-02 15:04 UTC"))).
		Hint("`%[1]s show %[2]s` shows it; `%[1]s adopt %[2]s` looks what of it is missing and does that", p.Name, short)
}

// definition finds the playbook of a start: the one its parent began with, or the present one.
func (e *Engine) definition(ctx context.Context, r StartRequest) (*playbook.Playbook, string, error) {
	if r.Closure != "" {
		p, err := e.pinned(ctx, r.Closure, r.Family)
		return p, r.Closure, err
	}
	p := e.cfg.Playbooks.Current(r.Family)
	if p == nil {
		return nil, "", errs.E("engine.start", errs.NotFound, fmt.Errorf("there is no playbook %q", r.Family)).
			Hint("see playbook list")
	}
	closure, members, err := e.closure(p)
	if err == nil {
		err = e.keepBooks(ctx, closure, members, p)
	}
	return p, closure, err
}

// nameTaken does what the playbook says of a second run of a live name.
func (e *Engine) nameTaken(ctx context.Context, p *playbook.Playbook, r StartRequest, start run.Start, name string, more also) (Started, error) {
	const op = "engine.start"
	var other nameRecord
	_, found, err := e.get(ctx, spNames, nameKey(name), &other)
	if err != nil {
		return Started{}, err
	}
	if !found {
		return Started{}, errs.E(op, errs.Busy, fmt.Errorf("%s changed hands meanwhile", name)).Hint("Try again.")
	}
	shown := other.Name
	if other.Private && !slices.Contains(other.Circle, r.Person) && other.Requester != r.Person {
		return Started{}, errs.E(op, errs.Busy, fmt.Errorf("%s cannot be started now", name)).Hint("Ask a release manager.")
	}
	if p.Overlap != playbook.Queue && p.Overlap != playbook.Replace {
		return Started{}, errs.E(op, errs.Exists, fmt.Errorf("%s is under way already", shown)).
			Hint("`%[1]s why %[2]s` says what it waits for; `%[1]s abort %[2]s --reason …` ends it", word(shown), shown)
	}
	r.ID = start.ID
	b := newBatch()
	if more.once.Key != "" {
		b.guard(spSaid, more.once.Key, nil)
		b.put(spSaid, more.once.Key, saidAt(e.now(), start.ID))
	}
	b.put(spStarts, id(nameKey(name), stamp(e.now()), start.ID), encode(startRecord{Request: r, ID: start.ID}))
	if err := e.commit(ctx, "start", b); err != nil {
		if errs.Is(err, errs.Conflict) {
			err = errRepeat
		}
		return Started{}, err
	}
	reply := fmt.Sprintf("%s is under way; yours begins when it has ended.", shown)
	if p.Overlap == playbook.Replace {
		refusal, err := e.replace(ctx, other.ID, r)
		if err != nil {
			return Started{}, err
		}
		reply = fmt.Sprintf("%s is being stopped; yours begins when nothing of it is under way.", shown)
		if refusal != nil {
			reply = fmt.Sprintf("%s is under way and is not stopped: %s. Yours begins when it has ended.", shown, errs.Text(refusal))
		}
	}
	e.nameFreed(ctx, name) // it may have ended meanwhile
	return Started{Name: name, Reply: reply, Waiting: true, Book: p}, nil
}

// word is the first word of the commands about a run: its name begins with that of its family.
func word(name string) string {
	family, _, _ := strings.Cut(name, "/")
	return family
}

// replace aborts the run that has the name. What begins by itself, or as the step of a parent,
// replaces it by the playbook's own word; a person must be one who may abort it.
func (e *Engine) replace(ctx context.Context, other string, r StartRequest) (refusal error, err error) {
	const why = "replaced by a newer run of the same name"
	var in run.Input = run.Command{Verb: run.AbortVerb, Person: r.Person, Reason: why}
	if r.Person == "" || r.Parent != "" {
		in = run.Replaced{Why: why}
	}
	d, err := e.Submit(ctx, other, in)
	if err != nil && !errs.Is(err, errs.NotFound) || d.Refusal == nil {
		return nil, err
	}
	if errs.Is(d.Refusal, errs.Conflict) {
		return nil, nil // it has ended meanwhile
	}
	return d.Refusal, nil
}

// nameFreed lets the first start that waits for a name begin, if the name is free.
func (e *Engine) nameFreed(ctx context.Context, name string) {
	key := nameKey(name)
	if taken, err := e.cfg.Store.Get(ctx, Key{spNames, key}); err != nil || taken != nil {
		return
	}
	prefix := key + sep
	var row string
	var r startRecord
	var raw []byte
	err := e.cfg.Store.Scan(ctx, spStarts, prefix, after(prefix), false, func(k string, value []byte) bool {
		row, raw = k, value
		return false
	})
	if err != nil || row == "" {
		return
	}
	if err := decode("starts/"+row, raw, &r); err != nil {
		e.cfg.Log.Error("a waiting start does not read back", "start", row[strings.LastIndex(row, sep)+len(sep):])
		return
	}
	_, err = e.startRun(ctx, r.Request, also{
		guards: []Guard{{Key{spStarts, row}, raw}},
		then:   func(b *batch, _ *live, _ run.Decision) { b.del(spStarts, row) },
	})
	if err == nil || stops(err) || errs.Is(err, errs.Conflict) || errs.Is(err, errs.Busy) || ctx.Err() != nil {
		return
	}
	// It can never begin, or has begun: the next one has its turn.
	if r.Request.Private {
		e.cfg.Log.Warn("a waiting start could not begin", "name", run.PrivateRun)
	} else {
		e.cfg.Log.Warn("a waiting start could not begin", "name", name, "error", errs.Text(err))
	}
	b := newBatch()
	b.guard(spStarts, row, raw)
	b.del(spStarts, row)
	if e.commit(ctx, "start", b) == nil {
		e.wakes.freed(name)
	}
}

// fitInputs checks what a person gave against the playbook and reads text as the input's type.
// The core checks it again; here the errors are for people.
func fitInputs(p *playbook.Playbook, given map[string]any) (map[string]any, error) {
	const op = "engine.start"
	out := map[string]any{}
	names := make([]string, len(p.Inputs))
	for i, in := range p.Inputs {
		names[i] = in.Name
		v, ok := given[in.Name]
		if !ok {
			if in.Default != nil || in.Optional {
				continue
			}
			return nil, errs.E(op, errs.Invalid, fmt.Errorf("%s needs %s: %s", p.Name, in.Name, in.Help)).
				Hint("add %s=…", in.Name)
		}
		fitted, err := fitValue(in.Type, v)
		if err == nil {
			err = in.Type.Check(in.Name, fitted)
		}
		if err != nil {
			return nil, errs.E(op, errs.Invalid, fmt.Errorf("%s: %w", in.Name, err)).Hint("%s", expected(in))
		}
		out[in.Name] = fitted
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if _, ok := out[name]; !ok && !slices.Contains(names, name) {
			return nil, unknown(op, "input", name, names)
		}
	}
	return out, nil
}

// expected says what an input takes.
func expected(in playbook.Input) string {
	text := in.Name + " takes a value of type " + in.Type.String()
	if in.Type.Kind == action.Bool {
		text = fmt.Sprintf("write %s=true or %[1]s=false", in.Name)
	}
	if in.Help != "" {
		text += " (" + in.Help + ")"
	}
	return text
}

// fitValue reads text as a number, a truth or a list where the type asks for one.
func fitValue(t action.Type, v any) (any, error) {
	s, ok := v.(string)
	if !ok {
		return v, nil
	}
	switch t.Kind {
	case action.Bool:
		switch strings.ToLower(s) {
		case "yes", "true":
			return true, nil
		case "no", "false":
			return false, nil
		}
		return nil, fmt.Errorf("%q is neither yes nor no", s)
	case action.Int, action.Map, action.Object:
		w, err := action.Decode([]byte(s))
		if err != nil {
			return nil, fmt.Errorf("%q is not a value of type %s", s, t)
		}
		return w, nil
	case action.List:
		if strings.HasPrefix(s, "[") {
			return action.Decode([]byte(s))
		}
		list := []any{}
		for _, part := range strings.Split(s, ",") {
			e, err := fitValue(*t.Elem, strings.TrimSpace(part))
			if err != nil {
				return nil, err
			}
			list = append(list, e)
		}
		return list, nil
	}
	return v, nil
}

// unknown is the error for a name that does not exist, with the nearest that does.
func unknown(op, what, name string, known []string) error {
	err := errs.E(op, errs.NotFound, fmt.Errorf("there is no %s %q", what, name))
	if near := errs.Nearest(name, known); near != "" {
		return err.Hint("did you mean %s?", near)
	}
	if len(known) > 0 && len(known) <= 12 {
		return err.Hint("there is %s", strings.Join(known, ", "))
	}
	return err
}
