package playbook

import (
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/bot/gate"
)

// stepKeys are the keys of each kind of step, besides those of every step.
func stepKeys() map[StepKind][]string {
	return map[StepKind][]string{
		Do:      {"with"},
		GateK:   {"binds", "expires", "say", "on_reject", "lifts"},
		Ask:     {"prompt", "fields", "fills"},
		Wait:    {"with", "as", "until", "fail", "poll", "at"},
		Each:    {"as", "key", "in", "enough", "until", "job", "steps"},
		Call:    {"with"},
		ByHand:  {"text", "evidence", "probe", "as", "until"},
		Collect: {},
		Offer:   {"closes"},
	}
}

func everyStep() []string {
	return []string{"doc", "needs", "any", "when", "uses", "on_fail", "may_skip", "remind", "deadline", "frozen_by"}
}

func stepKinds() []string {
	return []string{"do", "gate", "ask", "wait", "each", "call", "by_hand", "collect", "offer"}
}

// steps reads a body.
func (r *reader) steps(n *node, parent *Step, p *Playbook) []*Step {
	var out []*Step
	for _, e := range r.named(n, "steps", idForm, idRule) {
		path := e.key
		if parent != nil {
			path = parent.Path + "/" + e.key
		}
		s := r.step(e, path, parent, p)
		if s == nil {
			continue
		}
		p.index[path] = s
		out = append(out, s)
	}
	return out
}

func (r *reader) step(e entry, path string, parent *Step, p *Playbook) *Step {
	where := "step " + path
	if e.val.kind != mapNode {
		r.bad("value", e.pos, fmt.Sprintf("%s is %s, want a map", where, e.val.describe()), "write it like {do: git.log@1, needs: [before]}")
		return nil
	}
	s := &Step{ID: e.key, Path: path, Parent: parent, Pos: e.pos}
	var kinds []string
	for _, f := range e.val.entries {
		if contains(stepKinds(), f.key) {
			kinds = append(kinds, f.key)
		}
	}
	all := append([]string(nil), everyStep()...)
	if len(kinds) == 0 {
		fix := "write one of " + strings.Join(stepKinds(), ", ")
		for _, f := range e.val.entries {
			if c := near(f.key, stepKinds()); c != "" && !contains(everyStep(), f.key) {
				r.bad("key", f.pos, fmt.Sprintf("unknown key %q in %s", f.key, where), "did you mean "+strconv.Quote(c)+"?")
				return s
			}
		}
		r.bad("key", e.pos, where+" has no kind", fix)
		return s
	}
	if len(kinds) > 1 {
		r.bad("key", e.pos, fmt.Sprintf("%s is two things at once: %s", where, strings.Join(kinds, " and ")), "make two steps of it")
		return s
	}
	s.Kind = StepKind(kinds[0])
	own := stepKeys()[s.Kind]
	all = append(append(all, own...), kinds[0])
	o := object{node: e.val, what: where, by: map[string]entry{}}
	for _, f := range e.val.entries {
		if contains(all, f.key) {
			o.by[f.key] = f
			continue
		}
		fix := didYouMean(f.key, all)
		for _, k := range stepKinds() {
			if contains(stepKeys()[StepKind(k)], f.key) {
				fix = fmt.Sprintf("%q belongs to %s: steps; %s: steps take %s", f.key, k, kinds[0], strings.Join(all, ", "))
				break
			}
		}
		r.bad("key", f.pos, fmt.Sprintf("unknown key %q in %s", f.key, where), fix)
	}
	r.common(s, o)
	switch s.Kind {
	case Do:
		s.Do = r.doPart(o.get("do"), o.get("with"), where)
	case GateK:
		r.gate(s, o, where)
	case Ask:
		of, person := r.addressee(o.get("ask"), where+".ask")
		s.Ask = &AskPart{Of: of, Person: person, Prompt: r.template(o.get("prompt"), where+".prompt", false),
			Fields: r.inputs(o.get("fields"), where+".fields"), Fills: r.name(o.get("fills"), where+".fills")}
		r.asking(s.Ask.Fields, o, where)
		r.fills(s, o, p)
	case Wait:
		r.wait(s, o, where)
	case Each:
		r.each(s, o, where, p)
	case Call:
		s.Call = &CallPart{Playbook: r.name(o.get("call"), where+".call"), With: r.with(o.get("with"), where+".with"), Pos: o.get("call").pos}
	case ByHand:
		of, person := r.addressee(o.get("by_hand"), where+".by_hand")
		h := &ByHandPart{Of: of, Person: person, Text: r.template(o.get("text"), where+".text", false),
			Evidence: r.inputs(o.get("evidence"), where+".evidence"), Until: r.condition(o.get("until"), where+".until")}
		if !o.has("text") {
			r.bad("key", e.pos, where+" has no text", "say what the person is to do")
		}
		if n := o.get("probe"); n != nil {
			po := r.object(n, where+".probe", keysOf(actionForm)...)
			h.Probe = r.doPart(po.get("do"), po.get("with"), where+".probe")
			h.As = r.watchedAs(o, h.Probe.Ref, h.Probe.Pos, where)
		} else if o.has("as") {
			r.bad("key", o.by["as"].pos, where+" has as, but no probe that it could name", "remove it")
		}
		if (h.Probe == nil) != (h.Until == nil) {
			r.bad("key", e.pos, where+" has one of probe and until, want both or none", "the probe looks, until says what it must see")
		}
		s.ByHand = h
	case Collect:
		r.collect(s, o, where, p)
	case Offer:
		r.offer(s, o, where)
	}
	return s
}

// common reads the keys that every step may have.
func (r *reader) common(s *Step, o object) {
	where := o.what
	s.Doc = r.text(o.get("doc"), where+".doc")
	s.When = r.condition(o.get("when"), where+".when")
	s.Uses = r.templates(o.get("uses"), where+".uses")
	s.Remind = r.duration(o.get("remind"), where+".remind")
	refs := func(n *node, key string) {
		for _, item := range r.list(n, where+"."+key) {
			if name := r.text(item, where+"."+key); name != "" {
				s.refs = append(s.refs, reference{key: key, path: name, pos: item.pos})
			}
		}
	}
	refs(o.get("needs"), "needs")
	refs(o.get("any"), "any")
	if n := o.get("any"); n != nil && n.kind == listNode && len(n.items) < 2 {
		r.bad("value", n.pos, where+".any has fewer than two steps", "use needs for one")
	}
	if n := o.get("deadline"); n != nil {
		s.Deadline = &Deadline{Then: "stuck"}
		if n.kind == mapNode {
			d := r.object(n, where+".deadline", keysOf(deadlineForm)...)
			s.Deadline.After = r.duration(d.get("after"), where+".deadline.after")
			s.Deadline.Then = r.word(d.get("then"), where+".deadline.then", "stuck", "stuck", "skip", "fail")
			if !d.has("after") {
				r.bad("key", n.pos, where+".deadline has no after", "write {after: 3d, then: stuck}")
			}
		} else {
			s.Deadline.After = r.duration(n, where+".deadline")
		}
	}
	if n := o.get("frozen_by"); n != nil {
		s.FrozenBy = &FrozenBy{Then: "wait"}
		if n.kind == mapNode {
			f := r.object(n, where+".frozen_by", keysOf(frozenForm)...)
			s.FrozenBy.Calendar = r.name(f.get("calendar"), where+".frozen_by.calendar")
			s.FrozenBy.Then = r.word(f.get("then"), where+".frozen_by.then", "wait", "wait", "ask", "skip")
			if !f.has("calendar") {
				r.bad("key", n.pos, where+".frozen_by has no calendar", "write {calendar: NAME, then: wait}")
			}
		} else {
			s.FrozenBy.Calendar = r.name(n, where+".frozen_by")
		}
	}
	if n := o.get("may_skip"); n != nil {
		m := r.object(n, where+".may_skip", keysOf(skipForm)...)
		s.MaySkip = &MaySkip{By: r.names(m.get("by"), where+".may_skip.by"), When: r.condition(m.get("when"), where+".may_skip.when")}
		if n.kind == mapNode && len(s.MaySkip.By) == 0 {
			r.bad("key", n.pos, where+".may_skip names nobody", "write by: [ROLE]")
		}
	}
	if n := o.get("on_fail"); n != nil {
		f := r.object(n, where+".on_fail", keysOf(failForm)...)
		s.OnFail = &OnFail{}
		for _, c := range r.named(f.get("retry"), where+".on_fail.retry", nameForm, nameRule) {
			ro := r.object(c.val, where+".on_fail.retry."+c.key, keysOf(retryForm)...)
			if c.val.kind == mapNode && !ro.has("times") {
				r.bad("retry", c.pos, fmt.Sprintf("%s retries %s without a bound", where, c.key), "write {times: 3, after: 1m}")
			}
			s.OnFail.Retries = append(s.OnFail.Retries, Retry{Class: c.key, Times: r.number(ro.get("times"), where+".on_fail.retry.times", 1, 1, 100),
				After: r.zeroDuration(ro.get("after"), where+".on_fail.retry.after"), pos: c.pos})
		}
		refs(f.get("goto"), "goto")
		refs(f.get("undo"), "undo")
		if a := f.get("ask_again"); a != nil {
			ao := r.object(a, where+".on_fail.ask_again", keysOf(actionForm)...)
			s.OnFail.Ref = r.doPart(ao.get("do"), ao.get("with"), where+".on_fail.ask_again")
			if len(s.OnFail.Retries) == 0 {
				r.bad("retry", a.pos, where+" asks again, but has no retry", "write retry: {any: {times: 3, after: 10m}} beside it")
			}
		}
		if n.kind == mapNode && len(n.entries) == 0 {
			r.bad("value", n.pos, where+".on_fail is empty", "remove it")
		}
	}
}

// zeroDuration is a duration that may be absent or 0s.
func (r *reader) zeroDuration(n *node, what string) time.Duration {
	if n != nil && n.kind == scalarNode && n.text == "0s" {
		return 0
	}
	return r.duration(n, what)
}

func (r *reader) doPart(n, with *node, where string) *DoPart {
	d := &DoPart{With: r.with(with, where+".with")}
	if n == nil {
		r.bad("key", r.at(with), where+" has no do", "name the action: do: git.push_tag@1")
		return d
	}
	d.Ref, d.Pos = r.ref(n, where+".do"), n.pos
	return d
}

func (r *reader) at(n *node) Pos {
	if n == nil {
		return Pos{File: r.file, Line: 1, Col: 1}
	}
	return n.pos
}

func (r *reader) gate(s *Step, o object, where string) {
	g := &GatePart{Binds: r.templates(o.get("binds"), where+".binds"), Expires: r.duration(o.get("expires"), where+".expires"),
		Lifts: r.name(o.get("lifts"), where+".lifts"), Say: r.template(o.get("say"), where+".say", false)}
	n := o.get("gate")
	before := len(r.errs)
	text := r.text(n, where+".gate")
	rule, err := gate.ParseRule(text)
	switch {
	case len(r.errs) > before:
	case err != nil:
		pos := n.pos
		var re *gate.RuleError
		if errors.As(err, &re) && re.Column > 0 {
			pos = n.place(byteOfColumn(text, re.Column))
		}
		why, fix, _ := strings.Cut(errs.Text(err), ". ")
		r.bad("gate", pos, fmt.Sprintf("the rule of %s cannot be read: %s", where, why), fix)
	}
	g.Rule = rule
	if len(g.Binds) == 0 {
		r.bad("gate", s.Pos, where+" approves nothing", `name what is approved: binds: ["${steps.build.digest}"]`)
	}
	if v := o.get("on_reject"); v != nil {
		g.OnReject = r.text(v, where+".on_reject")
		s.refs = append(s.refs, reference{key: "on_reject", path: g.OnReject, pos: v.pos})
	}
	s.Gate = g
}

// byteOfColumn is the byte offset of a column that counts characters from 1.
func byteOfColumn(text string, col int) int {
	for i := range text {
		if col--; col == 0 {
			return i
		}
	}
	return max(0, len(text)-1)
}

func (r *reader) wait(s *Step, o object, where string) {
	w := &WaitPart{With: r.with(o.get("with"), where+".with"), Until: r.condition(o.get("until"), where+".until"),
		Fail: r.condition(o.get("fail"), where+".fail"), Poll: r.duration(o.get("poll"), where+".poll"), At: r.template(o.get("at"), where+".at", false)}
	s.Wait = w
	n := o.get("wait")
	if n.kind == scalarNode && n.text == "time" {
		w.RefPos = n.pos
		for _, key := range []string{"with", "as", "until", "fail", "poll"} {
			if o.has(key) {
				r.bad("key", o.by[key].pos, fmt.Sprintf("%s waits for a time, so it has no %s", where, key), "a wait for a time has only at:")
			}
		}
		if w.At == nil {
			r.bad("key", s.Pos, where+" waits for a time, but names none", `write at: "${inputs.date}"`)
		}
		return
	}
	w.Ref, w.RefPos = r.ref(n, where+".wait"), n.pos
	w.As = r.watchedAs(o, w.Ref, w.RefPos, where)
	if w.At != nil {
		r.bad("key", o.by["at"].pos, where+" has at, which goes with wait: time", "use until")
	}
	if w.Until == nil && !o.has("until") {
		r.bad("key", s.Pos, where+" does not say what it waits for", fmt.Sprintf("write until: a condition over %s", w.As))
	}
	switch {
	case !o.has("poll"):
		r.bad("key", s.Pos, where+" has no poll: a lost hook would make it wait for ever", "write poll: 10m")
	case w.Poll > 0 && w.Poll < 10*time.Second:
		r.bad("value", o.get("poll").pos, where+" polls more often than every 10s", "write 10s or more")
	}
}

func (r *reader) each(s *Step, o object, where string, p *Playbook) {
	e := &EachPart{As: "item", Parallel: 1, Key: r.condition(o.get("key"), where+".key"), Enough: r.condition(o.get("enough"), where+".enough"),
		Until: r.condition(o.get("until"), where+".until")}
	s.Each = e
	if n := o.get("each"); n.kind == mapNode {
		l := r.object(n, where+".each", keysOf(eachForm)...)
		e.As = "row"
		e.Ledger = r.ledger(l.get("ledger"), where+".each", n, p)
		e.Where = r.condition(l.get("where"), where+".each.where")
		if !o.has("until") {
			r.bad("key", s.Pos, where+" goes over a ledger and never closes", "write until: the condition that closes the list")
		}
	} else {
		e.Of = r.condition(n, where+".each")
		if o.has("until") {
			r.bad("key", o.by["until"].pos, where+".until goes with a ledger only", "use enough for a list")
		}
	}
	if o.has("as") {
		e.As = r.form(o.get("as"), where+".as", idForm, idRule)
		r.notReserved(o.get("as"), e.As)
	}
	if n := o.get("in"); n != nil {
		words := strings.Fields(r.text(n, where+".in"))
		switch {
		case len(words) == 1 && words[0] == "order":
		case len(words) == 2 && words[0] == "parallel":
			e.Parallel = r.number(&node{text: words[1], plain: true, pos: n.pos}, where+".in", 1, 1, 64)
		default:
			r.bad("value", n.pos, fmt.Sprintf("%s.in is %s, want order or parallel N", where, n.describe()), "write it like parallel 4")
		}
	}
	if o.has("job") {
		r.rowJob(o.get("job"), where, e, s, o, p)
		return
	}
	body := o.get("steps")
	if body == nil {
		r.bad("key", s.Pos, where+" has no steps", "write steps: with what is done for each element")
		return
	}
	e.Steps = r.steps(body, s, p)
	if body.kind == mapNode && len(body.entries) == 0 {
		r.bad("value", body.pos, where+" has no steps", "")
	}
	for _, child := range e.Steps {
		if child.ID == "key" || child.ID == "state" || child.ID == e.As {
			r.bad("value", child.Pos, fmt.Sprintf("the step %q has the name of something that every item has", child.ID), "choose another name")
		}
	}
}

func (r *reader) ledger(n *node, what string, parent *node, p *Playbook) string {
	if n == nil {
		r.bad("key", parent.pos, what+" names no ledger", "write ledger: NAME")
		return ""
	}
	name := r.text(n, what+".ledger")
	var names []string
	for _, l := range p.Ledgers {
		names = append(names, l.Name)
	}
	if name != "" && !contains(names, name) {
		r.bad("value", n.pos, fmt.Sprintf("%s names the ledger %q, which is not declared", what, name), didYouMean(name, names))
		return ""
	}
	return name
}

func (r *reader) collect(s *Step, o object, where string, p *Playbook) {
	n := o.get("collect")
	c := r.object(n, where+".collect", keysOf(collectForm)...)
	s.Collect = &CollectPart{Ask: r.inputs(c.get("ask"), where+".ask"), Deadline: r.duration(c.get("deadline"), where+".deadline"),
		Late: r.word(c.get("late"), where+".late", "refuse", "accept", "refuse"), Prompt: r.template(c.get("prompt"), where+".prompt", false),
		Enough: r.condition(c.get("enough"), where+".enough")}
	if n.kind != mapNode {
		return
	}
	for _, key := range []string{"ask", "deadline"} {
		if !c.has(key) {
			r.bad("key", n.pos, fmt.Sprintf("%s has no %s", where, key), "collect has ledger:, ask: and deadline:")
		}
	}
	for _, f := range s.Collect.Ask {
		if f.Name == "key" || f.Name == "by" || f.Name == "late" {
			r.bad("value", f.Pos, fmt.Sprintf("the question %q has a name that every answer has", f.Name), "choose another name")
		}
	}
	s.Collect.Ledger = r.ledger(c.get("ledger"), where+".collect", n, p)
}

func (r *reader) offer(s *Step, o object, where string) {
	f := &OfferPart{Closes: r.name(o.get("closes"), where+".closes")}
	s.Offer = f
	if !o.has("closes") {
		r.bad("end", s.Pos, where+" can never end: nobody may close it", "write closes: ROLE")
	}
	n := o.get("offer")
	for _, e := range r.named(n, where+".offer", nameForm, nameRule) {
		ew := where + ".offer." + e.key
		eo := r.object(e.val, ew, keysOf(entryForm)...)
		if e.val.kind != mapNode {
			continue
		}
		entry := OfferEntry{Name: e.key, Pos: e.pos, Playbook: r.name(eo.get("playbook"), ew+".playbook"), By: r.names(eo.get("by"), ew+".by"),
			Fact: r.form(eo.get("fact"), ew+".fact", verbForm, "the name of a fact, like git.pushed"), Every: r.schedule(eo.get("every"), ew+".every"),
			Priority: r.number(eo.get("priority"), ew+".priority", 0, -100, 100), With: r.with(eo.get("with"), ew+".with")}
		if !eo.has("playbook") {
			r.bad("key", e.pos, ew+" has no playbook", "name what is started")
		}
		if !eo.has("by") && !eo.has("fact") && !eo.has("every") {
			r.bad("key", e.pos, ew+" can never start: it has no by, fact or every", "write by: [ROLE]")
		}
		f.Entries = append(f.Entries, entry)
	}
	if n.kind == mapNode && len(n.entries) == 0 {
		r.bad("value", n.pos, where+" offers nothing", "")
	}
	sort.SliceStable(f.Entries, func(i, j int) bool { return f.Entries[i].Name < f.Entries[j].Name })
}
