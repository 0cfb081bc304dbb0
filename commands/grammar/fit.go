package grammar

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"slipway/bot/errs"
)

// problem is what is wrong with the arguments of a known command.
type problem struct {
	what    string // a clause: "STEP is missing"
	fix     string // a question or an order: "Did you mean go?"; "" gives the usage instead
	subject bool   // it is the first argument of a family's start command that does not fit
	start   string // that argument as it was given
}

func (p *problem) text(e Entry, rest []token) string {
	if p.start != "" {
		s := fmt.Sprintf("I can't start %s %s: %s.", e.Path, clip(p.start, 60), p.what)
		if p.fix != "" {
			return s + " " + p.fix
		}
		return s + " Usage: " + e.Usage()
	}
	s := fmt.Sprintf("I can't read %q: %s.", corrected(e.Path, rest), p.what)
	if p.fix != "" {
		s += " " + p.fix
	}
	return s + " Usage: " + e.Usage()
}

// fit matches words with what e takes.
func (e Entry) fit(tokens []token, ctx Context) (Command, *problem) {
	names := ctx.Names
	c := Command{Args: map[string]string{}, Inputs: map[string]string{}, Options: map[string]string{}, Near: map[string]string{}}
	pos := 0
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		switch {
		case t.option:
			used, p := e.fitOption(&c, t, tokens[i+1:], names)
			if p != nil {
				return c, p
			}
			i += used
		case t.hasVal && e.TakesInput:
			if p := e.fitInput(&c, t, names); p != nil {
				return c, p
			}
		default:
			if t.hasVal {
				if pos >= len(e.Args) || e.Args[pos].Kind != Text {
					return c, &problem{what: fmt.Sprintf("%s takes no key=value", e.Path)}
				}
				t.text = t.key + "=" + t.text
			}
			if pos >= len(e.Args) {
				return c, &problem{what: fmt.Sprintf("I don't know what %q is for; text of several words goes in quotes", clip(t.text, 40))}
			}
			a := e.Args[pos]
			value, p := e.argument(&c, a, pos, t, names)
			if p != nil {
				return c, p
			}
			if a.Variadic {
				c.Rest = append(c.Rest, value)
				continue
			}
			c.Args[a.Name] = value
			pos++
		}
	}
	for ; pos < len(e.Args); pos++ {
		a := e.Args[pos]
		if _, given := c.Args["run"]; a.Kind == Run && a.Name == "run" && !given && ctx.Run != "" {
			c.Args["run"] = ctx.Run
			continue
		}
		if !a.Optional && !(a.Variadic && len(c.Rest) > 0) {
			return c, &problem{what: strings.ToUpper(a.Name) + " is missing", fix: e.missing(a, pos, names)}
		}
	}
	for _, o := range e.Options {
		if _, given := c.Options[o.Name]; o.Required && !given {
			return c, &problem{what: fmt.Sprintf("--%s is missing", o.Name)}
		}
	}
	if len(c.Inputs) < e.MinInputs {
		return c, &problem{what: "KEY=VALUE is missing"}
	}
	return c, nil
}

// missing helps who left out the argument a: with the runs there are, or an example.
func (e Entry) missing(a Arg, pos int, names Names) string {
	switch {
	case a.Kind == Run && names != nil:
		runs := names.Runs(e.Family)
		if len(runs) == 0 {
			return "No run is under way."
		}
		return "Under way: " + strings.Join(runs[:min(len(runs), 5)], ", ") + "."
	case pos == 0 && len(e.Examples) > 0:
		return "For example: " + e.Examples[0] + "."
	}
	return ""
}

func (e Entry) argument(c *Command, a Arg, pos int, t token, names Names) (string, *problem) {
	start := pos == 0 && (e.Check != nil || e.Suggest != nil)
	p := func(what, fix string) *problem {
		r := &problem{what: what, fix: fix, subject: pos == 0}
		if start {
			r.start = t.text
		}
		return r
	}
	value, err := a.Kind.check(t.text)
	if err != nil {
		fix := ""
		if start && e.Suggest != nil {
			if s := e.Suggest(t.text); s != "" {
				fix = fmt.Sprintf("Did you mean %s %s?", e.Path, s)
			}
		}
		return "", p(err.Error(), fix)
	}
	if len(a.Choice) > 0 && !slices.Contains(a.Choice, value) {
		fix := ""
		if best, ok := nearest(value, a.Choice); ok {
			fix = "Did you mean " + best + "?"
		}
		return "", p(fmt.Sprintf("%s is %s, not %q", strings.ToUpper(a.Name), orList(a.Choice), clip(value, 40)), fix)
	}
	if start && e.Check != nil {
		if err := e.Check(value); err != nil {
			what, fix := words(err)
			if e.Suggest != nil {
				if s := e.Suggest(value); s != "" && s != value {
					fix = fmt.Sprintf("Did you mean %s %s?", e.Path, s)
				}
			}
			return "", p(what, fix)
		}
	}
	value, near, what, fix := known(a.Kind, value, e.Family, c.Args["run"], names)
	if what != "" {
		return "", p(what, fix)
	}
	if near != "" {
		c.Near[a.Name] = near
	}
	return value, nil
}

// words splits an error into the clause that says what is wrong and the sentence that helps.
func words(err error) (what, fix string) {
	what, fix = errs.Cause(err), errs.HintOf(err)
	if fix != "" {
		first, n := utf8.DecodeRuneInString(fix)
		fix = string(unicode.ToUpper(first)) + fix[n:]
		if !strings.ContainsAny(fix[len(fix)-1:], ".?!") {
			fix += "."
		}
	}
	return strings.TrimRight(what, "."), fix
}

func (e Entry) fitOption(c *Command, t token, rest []token, names Names) (used int, p *problem) {
	o, ok := e.option(t.key)
	if !ok {
		var all []string
		for _, o := range e.Options {
			all = append(all, o.Name)
		}
		p := &problem{what: fmt.Sprintf("%s has no option --%s", e.Path, clip(t.key, 40))}
		if best, ok := nearest(t.key, all); ok {
			p.fix = "Did you mean --" + best + "?"
		}
		return 0, p
	}
	if _, twice := c.Options[o.Name]; twice {
		return 0, &problem{what: fmt.Sprintf("--%s is given twice", o.Name)}
	}
	if o.Kind == Flag {
		if t.hasVal {
			return 0, &problem{what: fmt.Sprintf("--%s takes no value", o.Name)}
		}
		c.Options[o.Name] = "true"
		return 0, nil
	}
	value := t.text
	if !t.hasVal {
		if len(rest) == 0 || rest[0].option {
			return 0, &problem{what: fmt.Sprintf("--%s needs a value", o.Name)}
		}
		value, used = rest[0].text, 1
		if rest[0].hasVal {
			value = rest[0].key + "=" + value
		}
	}
	value, err := o.Kind.check(value)
	if err != nil {
		return 0, &problem{what: fmt.Sprintf("--%s: %v", o.Name, err)}
	}
	value, near, what, fix := known(o.Kind, value, e.Family, c.Args["run"], names)
	if what != "" {
		return 0, &problem{what: what, fix: fix}
	}
	if near != "" {
		c.Near["--"+o.Name] = near
	}
	c.Options[o.Name] = value
	return used, nil
}

func (e Entry) fitInput(c *Command, t token, names Names) *problem {
	if _, twice := c.Inputs[t.key]; twice {
		return &problem{what: fmt.Sprintf("%s= is given twice", t.key)}
	}
	kind := Text
	if len(e.Inputs) > 0 {
		i := slices.IndexFunc(e.Inputs, func(in Input) bool { return in.Name == t.key })
		if i < 0 {
			var all []string
			for _, in := range e.Inputs {
				all = append(all, in.Name)
			}
			p := &problem{what: fmt.Sprintf("%s has no input %s", e.Path, clip(t.key, 40)), fix: "It has " + orList(all) + "."}
			if best, ok := nearest(t.key, all); ok {
				p.fix = "Did you mean " + best + "=?"
			}
			return p
		}
		kind = e.Inputs[i].Kind
	}
	value, err := kind.check(t.text)
	if err != nil {
		return &problem{what: fmt.Sprintf("%s: %v", t.key, err)}
	}
	value, _, what, fix := known(kind, value, e.Family, c.Args["run"], names)
	if what != "" {
		return &problem{what: what, fix: fix}
	}
	c.Inputs[t.key] = value
	return nil
}

// known compares a value with the names that exist. Projects, roles, persons, locks and the
// steps of a known run are complete lists, so another value is wrong. Runs are not: old and
// private ones are not listed, so an unknown one passes with the nearest known name beside it.
func known(k Kind, value, family, run string, names Names) (got, near, what, fix string) {
	if names == nil {
		return value, "", "", ""
	}
	var list []string
	word := "there is no " + string(k)
	switch k {
	case Project:
		list = names.Projects()
	case Role:
		list = names.Roles()
	case Lock:
		list = names.Locks()
	case Step:
		if run != "" {
			list, word = names.Steps(run), clip(run, 60)+" has no step"
		}
	case Person:
		if strings.ContainsAny(value, "@:<") { // a mention, an address or an account: resolved later
			return value, "", "", ""
		}
		list = names.Persons()
	case Run:
		return value, nearRun(value, names.Runs(family)), "", ""
	}
	list = slices.Sorted(slices.Values(list))
	if len(list) == 0 {
		return value, "", "", ""
	}
	bare, _, element := strings.Cut(value, "[") // build[armel]/compile is an element of build
	for _, c := range list {
		if fold(c) == fold(value) || k == Step && element && (c == bare || strings.HasPrefix(c, bare+"[")) {
			if k == Step {
				return value, "", "", ""
			}
			return c, "", "", ""
		}
	}
	what = fmt.Sprintf("%s %q", word, clip(value, 60))
	if best, ok := nearest(value, list); ok {
		return value, "", what, fmt.Sprintf("Did you mean %s?", best)
	}
	if len(list) <= 8 {
		return value, "", what, fmt.Sprintf("There is %s.", orList(list))
	}
	return value, "", what, ""
}

// nearRun compares a run as written (version, project/version or full name) with the same
// number of last parts of each full name. It returns "" when the run is listed.
func nearRun(value string, runs []string) string {
	parts := strings.Count(value, "/") + 1
	var tails []string
	for _, r := range runs {
		p := strings.Split(r, "/")
		if len(p) >= parts {
			p = p[len(p)-parts:]
		}
		if tail := strings.Join(p, "/"); r == value || tail == value {
			return ""
		} else if !slices.Contains(tails, tail) {
			tails = append(tails, tail)
		}
	}
	slices.Sort(tails)
	best, _ := nearest(value, tails)
	return best
}
