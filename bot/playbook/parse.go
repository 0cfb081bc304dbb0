package playbook

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// Parse reads a playbook file. It checks everything that needs no knowledge of actions, people
// or other playbooks: keys, shapes, names, references between steps, cycles. On failure the
// error is of kind [errs.Invalid] and its cause is [Errors], every finding of one pass in order.
// The result cannot be run: [Check] makes it ready.
func Parse(file string, src []byte) (*Playbook, error) {
	r := &reader{file: file}
	p := r.parse(src)
	if len(r.errs) > 0 {
		return nil, errs.E("playbook.parse", errs.Invalid, Errors(sorted(r.errs)))
	}
	return p, nil
}

func (r *reader) parse(src []byte) *Playbook {
	start := Pos{File: r.file, Line: 1, Col: 1}
	if len(src) > MaxSource {
		r.bad("yaml", start, fmt.Sprintf("the file has %d bytes, more than the limit of %d", len(src), MaxSource), "split the playbook with call:")
		return nil
	}
	text := normal(src)
	if i := badByte(text); i >= 0 {
		r.bad("yaml", newSource(r.file, text[:i]).at(i), "this byte is no text (UTF-8 without control characters)", "remove it")
		return nil
	}
	r.src = newSource(r.file, text)
	r.tabs(text)
	if len(r.errs) > 0 {
		return nil
	}
	root := r.readYAML(text)
	if root == nil {
		return nil
	}
	o := r.object(root, "a playbook", keysOf(fileForm)...)
	if root.kind != mapNode {
		return nil
	}
	p := &Playbook{File: r.file, Source: src, pos: root.pos, index: map[string]*Step{}}
	for _, key := range []string{"playbook", "steps"} {
		if !o.has(key) {
			r.bad("key", root.pos, fmt.Sprintf("the key %q is missing", key), "every playbook has playbook: NAME and steps:")
		}
	}
	p.Name = r.name(o.get("playbook"), "playbook")
	p.Doc = r.text(o.get("doc"), "doc")
	p.Inputs = r.inputs(o.get("inputs"), "inputs")
	p.RunName = r.template(o.get("name"), "name", false)
	p.Overlap = Overlap(r.word(o.get("overlap"), "overlap", string(Refuse), string(Refuse), string(Queue), string(Replace)))
	p.Once = o.has("once") && r.flag(o.get("once"), "once")
	p.Uses = r.templates(o.get("uses"), "uses")
	p.Roles = r.roles(o.get("roles"))
	p.Ledgers = r.ledgers(o.get("ledgers"))
	p.Guards = r.guards(o.get("guards"))
	p.Never = r.nevers(o.get("never"))
	p.Trigger = r.trigger(o.get("trigger"), p.Inputs)
	for _, e := range r.named(o.get("outputs"), "outputs", idForm, idRule) {
		if e.key == "run" || e.key == "outcome" {
			r.bad("value", e.pos, fmt.Sprintf("the output %q has a name that every call has", e.key), "choose another name")
		}
		p.Outputs = append(p.Outputs, Output{Name: e.key, Value: r.template(e.val, "outputs."+e.key, false), Pos: e.pos})
	}
	if n := o.get("steps"); n != nil {
		p.Steps = r.steps(n, nil, p)
		if n.kind == emptyNode || n.kind == mapNode && len(n.entries) == 0 {
			r.bad("value", n.pos, "there are no steps", "")
		}
	}
	r.link(p)
	if len(r.errs) == 0 {
		p.Digest = action.DigestOf(canonical(root))
	}
	return p
}

// badByte is the index of the first byte that is not UTF-8, or is a control character other
// than line end and tab; or -1.
func badByte(text []byte) int {
	for i := 0; i < len(text); {
		c, n := utf8.DecodeRune(text[i:])
		if c == utf8.RuneError && n == 1 || c < ' ' && c != '\n' && c != '\t' || c == 0x7f || c == 0x2028 || c == 0x2029 || c == 0x85 || c == 0xfeff {
			return i
		}
		i += n
	}
	return -1
}

// inputs reads inputs, fields of an ask, evidence, columns: name → type, or name → {type: …}.
func (r *reader) inputs(n *node, what string) []Input {
	var out []Input
	for _, e := range r.named(n, what, idForm, idRule) {
		in := Input{Name: e.key, Pos: e.pos}
		where := what + "." + e.key
		if e.val.kind == scalarNode {
			in.Type, in.Person = r.typ(e.val, where)
			out = append(out, in)
			continue
		}
		o := r.object(e.val, where, keysOf(inputForm)...)
		if !o.has("type") && e.val.kind == mapNode {
			r.bad("key", e.pos, where+" has no type", "write type: string, or another type")
		}
		if t := o.get("type"); t != nil {
			in.Type, in.Person = r.typ(t, where+".type")
		}
		in.Help = r.text(o.get("help"), where+".help")
		in.Optional = r.flag(o.get("optional"), where+".optional")
		if en := o.get("enum"); en != nil {
			if in.Type.Kind != action.String {
				r.bad("type", en.pos, where+" has an enum, which only text can have", "write type: string")
			}
			for _, item := range r.list(en, where+".enum") {
				in.Type.Enum = append(in.Type.Enum, r.text(item, where+".enum"))
			}
		}
		if d := o.get("default"); d != nil && in.Type.Kind != "" {
			v, err := constant(d, in.Type)
			if d.kind == emptyNode {
				err = fmt.Errorf("it is empty")
			}
			if err != nil {
				r.bad("type", d.pos, fmt.Sprintf("the default of %s does not fit: %v", where, err), `an empty text is ""`)
			}
			in.Default = v
		}
		out = append(out, in)
	}
	return out
}

func (r *reader) roles(n *node) []Role {
	var out []Role
	for _, e := range r.named(n, "roles", nameForm, nameRule) {
		role := Role{Name: e.key, Pos: e.pos}
		if e.val.kind != emptyNode {
			o := r.object(e.val, "roles."+e.key, keysOf(roleForm)...)
			role.Doc = r.text(o.get("doc"), "doc")
			role.By = r.names(o.get("by"), "roles."+e.key+".by")
			role.Many = r.flag(o.get("many"), "roles."+e.key+".many")
		}
		out = append(out, role)
	}
	return out
}

func (r *reader) ledgers(n *node) []Ledger {
	var out []Ledger
	for _, e := range r.named(n, "ledgers", idForm, idRule) {
		where := "ledgers." + e.key
		l := Ledger{Name: e.key, Pos: e.pos, Moves: map[string][]string{}, persons: map[string]bool{}}
		o := r.object(e.val, where, keysOf(ledgerForm)...)
		for _, key := range []string{"key", "columns", "states"} {
			if !o.has(key) {
				r.bad("key", e.pos, fmt.Sprintf("%s has no %s", where, key), "a ledger has key:, columns: and states:")
			}
		}
		for _, c := range r.inputs(o.get("columns"), where+".columns") {
			if c.Name == "key" || c.Name == "state" {
				r.bad("value", c.Pos, fmt.Sprintf("the column %q has a name that every row has", c.Name), "choose another name")
			}
			l.persons[c.Name] = c.Person && c.Type.Kind == action.String
			l.Columns = append(l.Columns, action.Field{Name: c.Name, Type: c.Type, Optional: c.Optional, Doc: c.Help})
		}
		l.Key = r.form(o.get("key"), where+".key", idForm, idRule)
		if f, ok := action.Obj(l.Columns...).Field(l.Key); !ok && l.Key != "" && len(l.Columns) > 0 {
			r.bad("value", o.get("key").pos, fmt.Sprintf("%s.key names the column %q, which does not exist", where, l.Key), didYouMean(l.Key, fieldNames(action.Obj(l.Columns...))))
		} else if ok && (!textual(f.Type) || f.Optional) {
			r.bad("type", o.get("key").pos, fmt.Sprintf("the key column %q is not text that is always there", l.Key), "")
		}
		for _, item := range r.list(o.get("states"), where+".states") {
			if s := r.form(item, where+".states", idForm, idRule); s != "" && contains(l.States, s) {
				r.bad("value", item.pos, fmt.Sprintf("the state %q stands twice", s), "remove one of the two")
			} else if s != "" {
				l.States = append(l.States, s)
			}
		}
		state := func(item *node, what string) string {
			s := r.text(item, what)
			if s != "" && !contains(l.States, s) {
				r.bad("value", item.pos, fmt.Sprintf("%s names the state %q, which does not exist", what, s), didYouMean(s, l.States))
			}
			return s
		}
		for _, item := range r.list(o.get("final"), where+".final") {
			l.Final = append(l.Final, state(item, where+".final"))
		}
		for _, m := range r.named(o.get("moves"), where+".moves", idForm, idRule) {
			state(&node{text: m.key, pos: m.pos}, where+".moves")
			if contains(l.Final, m.key) {
				r.bad("value", m.pos, fmt.Sprintf("the final state %q has moves", m.key), fmt.Sprintf("a row in a final state stays there, but for what a person asks for: actions: {retry: {%s: STATE}}", m.key))
			}
			for _, item := range r.list(m.val, where+".moves."+m.key) {
				l.Moves[m.key] = append(l.Moves[m.key], state(item, where+".moves."+m.key))
			}
		}
		r.rowActions(&l, o.get("actions"), where, state)
		out = append(out, l)
	}
	return out
}

// rowActions reads what a person may do to a row: retry: {failed: waiting}.
func (r *reader) rowActions(l *Ledger, n *node, where string, state func(*node, string) string) {
	for _, a := range r.named(n, where+".actions", nameForm, nameRule) {
		what := where + ".actions." + a.key
		ways := map[string]string{}
		for _, m := range r.named(a.val, what, idForm, idRule) {
			state(&node{text: m.key, pos: m.pos}, what)
			to := state(m.val, what+"."+m.key)
			if to != "" && to == m.key {
				r.bad("value", m.val.pos, fmt.Sprintf("%s leads from %q to itself", what, to), "name another state")
			}
			ways[m.key] = to
		}
		if len(ways) == 0 && a.val.kind != scalarNode {
			r.bad("value", a.pos, what+" leads nowhere", "write it like {failed: waiting}: from a state to a state")
		}
		if l.Actions == nil {
			l.Actions = map[string]map[string]string{}
		}
		l.Actions[a.key] = ways
	}
}

func (r *reader) guards(n *node) []Guard {
	var out []Guard
	for _, e := range r.named(n, "guards", idForm, idRule) {
		where := "guards." + e.key
		o := r.object(e.val, where, keysOf(guardForm)...)
		for _, key := range []string{"watch", "value", "from", "to"} {
			if !o.has(key) && e.val.kind == mapNode {
				r.bad("key", e.pos, fmt.Sprintf("%s has no %s", where, key), "a guard has watch:, value:, from: and to:")
			}
		}
		g := Guard{Name: e.key, Pos: e.pos, With: r.with(o.get("with"), where+".with"), Value: r.condition(o.get("value"), where+".value")}
		if o.has("watch") {
			g.Watch = r.ref(o.get("watch"), where+".watch")
			g.As = r.watchedAs(o, g.Watch, o.get("watch").pos, where)
		}
		g.From, g.To = r.text(o.get("from"), where+".from"), r.text(o.get("to"), where+".to")
		g.fromPos, g.toPos = o.by["from"].pos, o.by["to"].pos
		if v := o.get("from"); v != nil {
			g.fromPos = v.pos
		}
		if v := o.get("to"); v != nil {
			g.toPos = v.pos
		}
		out = append(out, g)
	}
	return out
}

func (r *reader) nevers(n *node) []Never {
	if n == nil {
		return nil
	}
	if n.kind != listNode {
		r.bad("value", n.pos, fmt.Sprintf("never is %s, want a list", n.describe()), "write it like [{do: git.push_release, without: go}]")
		return nil
	}
	var out []Never
	for _, item := range n.items {
		o := r.object(item, "never", keysOf(neverForm)...)
		if item.kind != mapNode {
			continue
		}
		v := Never{Pos: item.pos}
		for _, key := range []string{"do", "without"} {
			if !o.has(key) {
				r.bad("key", item.pos, "this never has no "+key, "write {do: ACTION, without: GATE}")
			}
		}
		if d := o.get("do"); d != nil {
			v.Do = r.text(d, "never.do")
			v.doPos = d.pos
			if name, _, has := strings.Cut(v.Do, "@"); has {
				r.bad("value", d.pos, fmt.Sprintf("never.do names a version: %q", v.Do), "write "+name+": the promise holds for every version")
			} else if v.Do != "" && !verbForm.MatchString(v.Do) {
				r.bad("value", d.pos, fmt.Sprintf("never.do is %s, want the name of an action", d.describe()), "write it like git.push_tag")
			}
		}
		if w := o.get("without"); w != nil {
			v.Without, v.withoutPos = r.text(w, "never.without"), w.pos
		}
		out = append(out, v)
	}
	return out
}

func (r *reader) trigger(n *node, inputs []Input) *Trigger {
	if n == nil {
		return nil
	}
	o := r.object(n, "trigger", keysOf(triggerForm)...)
	if n.kind != mapNode {
		return nil
	}
	t := &Trigger{Pos: n.pos, When: r.condition(o.get("when"), "trigger.when"), With: r.with(o.get("with"), "trigger.with")}
	t.Missed = r.word(o.get("missed"), "trigger.missed", "run-once", "run-once", "run-all", "skip")
	t.Owner = r.name(o.get("owner"), "trigger.owner")
	if !o.has("owner") {
		r.bad("key", n.pos, "trigger has no owner", "name the role that owns runs without a requester")
	}
	if o.has("every") == o.has("fact") {
		r.bad("key", n.pos, "trigger needs either every or fact", "write one of them")
	}
	t.Every = r.schedule(o.get("every"), "trigger.every")
	t.Fact = r.form(o.get("fact"), "trigger.fact", verbForm, "the name of a fact, like git.pushed")
	return t
}

// schedule reads "daily 03:00 UTC", "weekdays 08:00 UTC", "mon 09:00 Europe/London",
// "monthly 1 06:00 UTC", or a duration. The zone's name is only looked at here, not looked up.
func (r *reader) schedule(n *node, what string) string {
	if n == nil {
		return ""
	}
	s := strings.Join(strings.Fields(r.text(n, what)), " ")
	if _, err := ParseDuration(s); err == nil {
		return s
	}
	words := strings.Fields(s)
	days := []string{"daily", "weekdays", "mon", "tue", "wed", "thu", "fri", "sat", "sun", "monthly"}
	wrong := func(why, fix string) string {
		r.bad("value", n.pos, fmt.Sprintf("%s is %s: %s", what, n.describe(), why), fix)
		return ""
	}
	const form = "write it like daily 03:00 UTC, mon 09:00 Europe/London, monthly 1 06:00 UTC or 6h"
	if len(words) == 0 {
		return wrong("it is empty", form)
	}
	if !contains(days, words[0]) {
		fix := didYouMean(words[0], days)
		return wrong("it is no schedule", fix)
	}
	if words[0] == "monthly" {
		if len(words) != 4 {
			return wrong("monthly has a day, a time and a zone", form)
		}
		var day int
		if _, err := fmt.Sscanf(words[1], "%d", &day); err != nil || day < 1 || day > 28 {
			return wrong("the day of the month is not 1 to 28", form)
		}
		words = append(words[:1], words[2:]...)
	}
	if len(words) != 3 {
		return wrong("it has no time and zone", form)
	}
	if _, err := time.Parse("15:04", words[1]); err != nil || len(words[1]) != 5 {
		return wrong(words[1]+" is no time of day", form)
	}
	if strings.Trim(words[2], "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz/_-+0123456789") != "" {
		return wrong(words[2]+" is no time zone", form)
	}
	return s
}

// canonical writes the tree without comments, layout, quotes or the order of keys.
func canonical(n *node) []byte {
	var b bytes.Buffer
	writeCanonical(&b, n)
	return b.Bytes()
}
