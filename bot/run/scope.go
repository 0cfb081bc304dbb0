package run

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/playbook"
)

// scope is what the expressions of in see, with further locals. in is nil for those of the run.
func (d *decider) scope(in *inst, more map[string]any) playbook.Scope {
	locals := map[string]any{"roles": d.roles(), "ledgers": d.ledgersFor(in)}
	if in != nil {
		for e := in.in; e != nil; e = e.each.in {
			locals[e.each.def.Each.As] = e.item
		}
	}
	for k, v := range more {
		locals[k] = v
	}
	return playbook.Scope{
		Inputs:  d.s.Inputs,
		Project: d.s.Profile,
		Run:     map[string]any{"id": d.s.ID, "name": d.s.Name, "requester": string(d.s.Requester), "adopts": d.s.Adopt},
		Step: func(declared string) (map[string]any, bool) {
			st := d.s.Steps[d.resolve(in, declared)]
			if st == nil || st.Status != Done && st.Status != Adopted {
				return nil, false
			}
			return st.Output, true
		},
		Locals: locals,
		Now:    d.now,
		Decide: d.w.Free,
	}
}

// roles lists who fills the declared roles; each is there, so that an unfilled one is empty.
func (d *decider) roles() map[string]any {
	out := make(map[string]any, len(d.p.Roles))
	for _, r := range d.p.Roles {
		list := make([]any, 0, len(d.s.Filled[r.Name]))
		for _, id := range d.s.Filled[r.Name] {
			list = append(list, string(id))
		}
		out[r.Name] = list
	}
	return out
}

// ledgersFor is what in sees of the ledgers: a step that is examined again sees what it saw when
// it started, for later rows are no reason to do it anew (SEMANTICS §2).
func (d *decider) ledgersFor(in *inst) map[string]any {
	if in != nil && d.anew != in.path {
		if st := d.s.Steps[in.path]; st != nil && st.Status == Waiting && st.Prior != nil && st.Prior.Saw != nil {
			now := d.ledgers()
			for name, l := range st.Prior.Saw {
				now[name] = l
			}
			return now
		}
	}
	return d.ledgers()
}

// sees is what a step that starts now sees of the ledgers that it names; nil when it names none.
func (d *decider) sees(in *inst) map[string]any {
	if len(d.p.Ledgers) == 0 {
		return nil
	}
	var out map[string]any
	all := d.ledgers()
	for _, text := range texts(in.def) {
		for name, l := range all {
			if mentionsWord(text, "ledgers."+name) {
				if out == nil {
					out = map[string]any{}
				}
				out[name] = l
			}
		}
	}
	return out
}

func (d *decider) ledgers() map[string]any {
	out := make(map[string]any, len(d.p.Ledgers))
	for _, l := range d.p.Ledgers {
		counts, total := make(map[string]any, len(l.States)), int64(0)
		a := d.s.Ledgers[l.Name]
		for _, state := range l.States {
			n := int64(0)
			if a != nil {
				n = int64(a.Counts[state])
			}
			counts[state] = n
		}
		if a != nil {
			total = int64(a.Total)
		}
		out[l.Name] = map[string]any{"total": total, "count": counts}
	}
	return out
}

// directory is the directory with the roles that the playbook declares, filled as they are now.
func (d *decider) directory() people.Directory {
	if !d.hasDir {
		d.dir, d.hasDir = d.w.Directory, true
		if len(d.p.Roles) > 0 || len(d.s.Inherited) > 0 {
			filled := make(map[string][]people.PersonID, len(d.p.Roles))
			for role := range d.s.Inherited {
				filled[role] = d.s.Filled[role]
			}
			for _, r := range d.p.Roles {
				filled[r.Name] = d.s.Filled[r.Name]
			}
			d.dir = d.w.Directory.WithRoles(filled)
		}
	}
	return d.dir
}

// eval evaluates named templates in the order of their names. Absent values are left out.
func eval(with map[string]*playbook.Template, scope playbook.Scope) (map[string]any, error) {
	names := make([]string, 0, len(with))
	for name := range with {
		names = append(names, name)
	}
	sort.Strings(names)
	out := make(map[string]any, len(with))
	for _, name := range names {
		v, err := with[name].Eval(scope)
		if err != nil {
			return nil, fmt.Errorf("%s: %s", name, errs.Text(err))
		}
		if v != nil {
			out[name] = v
		}
	}
	return out, nil
}

// evalText evaluates a template whose value is shown to people. nil gives "".
func evalText(t *playbook.Template, scope playbook.Scope) (string, error) {
	if t == nil {
		return "", nil
	}
	v, err := t.Eval(scope)
	if err != nil {
		return "", err
	}
	if s, ok := v.(string); ok {
		return s, nil
	}
	return fmt.Sprint(v), nil
}

// fit checks values against declared fields: unknown names, missing values and wrong types are
// refused by name. With defaults, absent values are filled in.
func fit(what string, fields []playbook.Input, values map[string]any, defaults bool) (map[string]any, *errs.Error) {
	out := make(map[string]any, len(fields))
	for _, f := range fields {
		v, given := values[f.Name]
		switch {
		case given && v != nil:
			if err := f.Type.Check(f.Name, v); err != nil {
				return nil, refuse(errs.Invalid, "the %s %s does not fit: %w", what, f.Name, err).Hint("%s", fieldHint(f))
			}
			out[f.Name] = v
		case defaults && f.Default != nil:
			out[f.Name] = f.Default
		case !f.Optional && f.Default == nil:
			return nil, refuse(errs.Invalid, "the %s %s is missing", what, f.Name).Hint("%s", fieldHint(f))
		}
	}
	for _, name := range sortedNames(values) {
		if !slices.ContainsFunc(fields, func(f playbook.Input) bool { return f.Name == name }) {
			known := make([]string, len(fields))
			for i, f := range fields {
				known[i] = f.Name
			}
			return nil, refuse(errs.Invalid, "there is no %s %q", what, name).Hint("there are: %s", strings.Join(known, ", "))
		}
	}
	return out, nil
}

func fieldHint(f playbook.Input) string {
	hint := "write " + f.Name + "=… with a value of type " + f.Type.String()
	if len(f.Type.Enum) > 0 {
		hint = "write " + f.Name + "= and one of " + strings.Join(f.Type.Enum, ", ")
	}
	if f.Help != "" {
		hint += " (" + f.Help + ")"
	}
	return hint
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// canonical is v as canonical JSON and its digest. Values come from expressions and decoded
// JSON, so encoding cannot fail; a failure would show as an empty digest in the log.
func canonical(v any) ([]byte, string) {
	data, err := action.Canonical(v)
	if err != nil {
		return nil, ""
	}
	return data, action.DigestOf(data)
}

// plain turns the numbers of decoded JSON into int64, in place.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		n, err := v.Int64()
		if err != nil {
			return v.String()
		}
		return n
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return v
}
