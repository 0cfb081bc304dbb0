package playbook

import (
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"

	"slipway/bot/action"
)

// Known is what the checker may rely on besides the file.
type Known struct {
	Contracts []action.Contract
	Profile   action.Type                 // object; the fields of `project`
	Playbooks func(name string) *Playbook // as parsed or checked; nil when there is none of that name
	Roles     []string                    // of the project; nil: not known at load, so not checked
	MaxCost   uint64                      // of one expression; 0: 20 million steps of CEL

	within []string // playbooks that are being checked around this one
}

// checker is one check. It works on a copy made by parsing the source again, so that a parsed
// playbook may be checked against several projects at once.
type checker struct {
	p        *Playbook
	known    Known
	refs     map[string]action.Contract
	findings []Finding
	maxCost  uint64

	types       *celTypes
	base        *cel.Env
	envs        map[string]*cel.Env
	functions   []string
	functionSet map[string]bool
	nextID      int64
	text        *valueType
	int         *valueType
	bool        *valueType

	may, must map[string]map[string]bool // step → steps that may, that must have ended before it starts
	reads     map[string][]string
	profile   map[string]bool
	proofs    map[string]*proof // by gate
}

// Check types every expression of p and proves what can be proved before a run starts (DESIGN
// §4.9). The playbook that it returns is ready to run and never changes; it is nil when one of
// the findings is an error. p itself is not changed. Findings are in order of position.
func Check(p *Playbook, known Known) (*Playbook, []Finding) {
	fresh, err := Parse(p.File, p.Source)
	if err != nil {
		var list Errors
		if errors.As(err, &list) {
			return nil, list
		}
		return nil, []Finding{{Code: "yaml", Severity: Error, Pos: p.pos, Text: err.Error()}}
	}
	c := &checker{p: fresh, known: known, refs: map[string]action.Contract{}, maxCost: known.MaxCost, envs: map[string]*cel.Env{},
		functionSet: map[string]bool{}, reads: map[string][]string{}, profile: map[string]bool{}, proofs: map[string]*proof{}}
	if c.maxCost == 0 {
		c.maxCost = defaultMaxCost
	}
	for _, k := range known.Contracts {
		c.refs[k.Ref()] = k
	}
	if err := c.prepare(); err != nil {
		c.bad("expr", fresh.pos, "expressions cannot be checked: "+firstLine(err.Error()), "")
		return nil, c.findings
	}
	c.order()
	c.top()
	c.roles()
	c.shape()
	c.nevers()
	c.findings = sorted(c.findings)
	if Refused(c.findings) {
		return nil, c.findings
	}
	for name := range c.profile {
		fresh.reads = append(fresh.reads, name)
	}
	sort.Strings(fresh.reads)
	return fresh, c.findings
}

func (c *checker) bad(code string, pos Pos, text, fix string) {
	c.findings = append(c.findings, Finding{code, Error, pos, text, fix})
}

func (c *checker) warn(code string, pos Pos, text, fix string) {
	c.findings = append(c.findings, Finding{code, Warning, pos, text, fix})
}

func (c *checker) prepare() (err error) {
	if c.types, err = newCelTypes(); err != nil {
		return err
	}
	c.text = c.types.of("", action.Type{Kind: action.String})
	c.int = c.types.of("", action.Type{Kind: action.Int})
	c.bool = c.types.of("", action.Type{Kind: action.Bool})
	if c.base, err = cel.NewEnv(celOptions(c.types)...); err != nil {
		return err
	}
	for name := range c.base.Functions() {
		c.functionSet[name] = true
		if wordy(name) && name != "dyn" && name != "type" {
			c.functions = append(c.functions, name)
		}
	}
	c.functions = append(c.functions, "has", "all", "exists", "exists_one", "filter", "map", "optMap", "optFlatMap")
	sort.Strings(c.functions)
	return nil
}

// order works out which steps have ended before each step starts.
func (c *checker) order() {
	c.may, c.must = map[string]map[string]bool{}, map[string]map[string]bool{}
	walk(c.p.Steps, func(s *Step) {
		s.Optional = s.When != nil || s.MaySkip != nil || len(s.Branch) > 0 ||
			s.Deadline != nil && s.Deadline.Then == "skip" || s.FrozenBy != nil && s.FrozenBy.Then != "wait"
	})
	var visit func(path string)
	visit = func(path string) {
		if c.may[path] != nil {
			return
		}
		may, must := map[string]bool{}, map[string]bool{}
		c.may[path] = may // the graph has no circles: link refused them
		s := c.p.index[path]
		join := func(to, from map[string]bool) {
			for k := range from {
				to[k] = true
			}
		}
		if s.Parent != nil {
			visit(s.Parent.Path)
			join(may, c.may[s.Parent.Path])
			join(must, c.must[s.Parent.Path])
		}
		for _, n := range s.Needs {
			visit(n)
			may[n] = true
			join(may, c.may[n])
			must[n] = true
			if c.p.index[n].MaySkip == nil { // a person may skip it before what it needs has ended
				join(must, c.must[n])
			}
		}
		either := func(paths []string, ended bool) {
			var common map[string]bool
			for _, a := range paths {
				visit(a)
				may[a] = true
				join(may, c.may[a])
				sure := map[string]bool{}
				if ended {
					sure[a] = true
				}
				if c.p.index[a].MaySkip == nil {
					join(sure, c.must[a])
				}
				if common == nil {
					common = sure
				}
				for k := range common {
					if !sure[k] {
						delete(common, k)
					}
				}
			}
			join(must, common)
		}
		either(s.Any, true)
		either(s.Branch, false)
		c.must[path] = must
	}
	for _, path := range pathsOf(c.p, "") {
		visit(path)
	}
}

// needsFix says how reader comes to need s.
func (c *checker) needsFix(reader, s *Step) string {
	if c.may[s.Path][reader.Path] {
		return fmt.Sprintf("%s comes after it", s.Path)
	}
	for r := reader; r != nil; r = r.Parent {
		if r.Parent == s.Parent {
			if r == reader {
				return fmt.Sprintf("write needs: [%s] in it", s.ID)
			}
			return fmt.Sprintf("write needs: [%s] in %s", s.ID, r.Path)
		}
	}
	return "only steps of the same body, or around it, can be read"
}

// always reports whether a run that ends as done has the output of s.
func (c *checker) always(s *Step) bool { return !s.Optional && s.Parent == nil }

// top checks what stands outside of steps, and then the steps.
func (c *checker) top() {
	p := c.p
	inputs := make([]action.Field, len(p.Inputs))
	for i, in := range p.Inputs {
		inputs[i] = action.Field{Name: in.Name, Type: in.Type, Optional: in.Optional && in.Default == nil}
	}
	text := action.Type{Kind: action.String}
	field := func(name string) action.Field { return action.Field{Name: name, Type: text} }
	inputT := c.types.of("slipway.inputs", action.Obj(inputs...))
	profile := c.known.Profile
	profile.Kind = action.Object
	projectT := c.types.of("slipway.project", profile)
	before := &place{names: map[string]*valueType{"inputs": inputT, "project": projectT,
		"run": c.types.of("slipway.before", action.Obj(field("id"), field("requester")))}}
	c.fill(p.RunName, "name", text, false, before)

	root := &body{steps: c.types.of("slipway.steps", action.Obj()), own: map[string]*Step{}}
	during := &place{body: root, names: map[string]*valueType{"inputs": inputT, "project": projectT,
		"run": c.types.of("slipway.run", action.Obj(field("id"), field("name"), field("requester"),
			action.Field{Name: "adopts", Type: action.Type{Kind: action.Bool}})),
		"steps": root.steps, "roles": c.types.of("", action.MapOf(action.ListOf(text)))}}
	if len(p.Ledgers) > 0 {
		during.names["ledgers"] = c.ledgers()
	}
	for _, u := range p.Uses {
		c.fill(u, "uses", text, false, before)
	}
	c.trigger(projectT)
	c.body(p.Steps, root, during)
	for _, o := range p.Outputs {
		c.fill(o.Value, "outputs."+o.Name, action.Type{}, true, during)
	}
	for i := range p.Guards {
		c.guard(&p.Guards[i], during)
	}
}

// ledgers is the type of the counters: ledgers.sites.total, ledgers.sites.count.asked.
func (c *checker) ledgers() *valueType {
	number := action.Type{Kind: action.Int}
	var fields []action.Field
	for _, l := range c.p.Ledgers {
		var states []action.Field
		for _, s := range l.States {
			states = append(states, action.Field{Name: s, Type: number})
		}
		fields = append(fields, action.Field{Name: l.Name, Type: action.Obj(action.Field{Name: "total", Type: number}, action.Field{Name: "count", Type: action.Obj(states...)})})
	}
	t := c.types.of("slipway.ledgers", action.Obj(fields...))
	for _, l := range t.fields {
		l.typ.zeros, l.typ.fields["count"].typ.zeros = true, true
	}
	t.zeros = true
	return t
}

func (c *checker) trigger(project *valueType) {
	t := c.p.Trigger
	if t == nil {
		return
	}
	at := &place{names: map[string]*valueType{"project": project}}
	if t.Fact != "" {
		at.names["fact"] = c.types.of("", action.MapOf(action.Type{Kind: action.String}))
	}
	c.condition(t.When, "trigger.when", at)
	c.fillFields(t.With, t.Pos, "trigger", inputType(c.p.Inputs), "trigger", c.withNow(at))
}

// inputType is the object that starts a run: inputs with a default may be left out.
func inputType(inputs []Input) action.Type {
	var fields []action.Field
	for _, in := range inputs {
		fields = append(fields, action.Field{Name: in.Name, Type: in.Type, Optional: in.Optional || in.Default != nil})
	}
	return action.Obj(fields...)
}

// withNow is the place with the clock in sight.
func (c *checker) withNow(at *place) *place {
	return at.with("now", c.types.of("", action.Type{Kind: action.Time}))
}

// with is the place with one more name.
func (at *place) with(name string, t *valueType) *place {
	names := make(map[string]*valueType, len(at.names)+1)
	for k, v := range at.names {
		names[k] = v
	}
	names[name] = t
	return &place{names: names, body: at.body, step: at.step}
}

func (at *place) of(s *Step) *place { return &place{names: at.names, body: at.body, step: s} }

// contract finds the contract of a reference, or reports what is near it.
func (c *checker) contract(ref string, pos Pos) (action.Contract, bool) {
	if k, ok := c.refs[ref]; ok {
		return k, true
	}
	name, _, _ := strings.Cut(ref, "@")
	var versions, refs []string
	for have, k := range c.refs {
		refs = append(refs, have)
		if k.Name == name {
			versions = append(versions, have)
		}
	}
	sort.Strings(versions)
	if len(versions) > 0 {
		c.bad("action", pos, fmt.Sprintf("there is no %s", ref), "there is "+strings.Join(versions, ", "))
		return action.Contract{}, false
	}
	fix := ""
	if n := near(ref, refs); n != "" {
		fix = "did you mean " + strconv.Quote(n) + "?"
	}
	c.bad("action", pos, fmt.Sprintf("there is no action %s", ref), fix)
	return action.Contract{}, false
}

// reader finds a contract that must be of policy read.
func (c *checker) reader(ref string, pos Pos, what string) (action.Contract, bool) {
	k, ok := c.contract(ref, pos)
	if ok && k.Policy != action.Read {
		c.bad("policy", pos, fmt.Sprintf("%s uses %s, which changes the outside", what, ref), "use an action of policy read")
		return k, false
	}
	return k, ok
}

func (c *checker) guard(g *Guard, at *place) {
	k, ok := c.reader(g.Watch, g.Pos, "guard "+g.Name)
	if !ok {
		return
	}
	from := c.p.index[g.From]
	if g.From == g.To || !c.may[g.To][g.From] {
		c.bad("needs", g.toPos, fmt.Sprintf("guard %s ends at %s, which does not come after %s", g.Name, g.To, g.From), fmt.Sprintf("let %s need %s", g.To, g.From))
	}
	here := at.of(from)
	c.fillFields(g.With, g.Pos, "guard "+g.Name, k.In, k.Ref(), here)
	object := g.As
	if c.compile(g.Value, &place{names: map[string]*valueType{object: c.types.of("slipway.watched."+k.Ref(), k.Out)}}) && g.Value.Type.Kind == action.Bool {
		c.bad("type", g.Value.Pos, fmt.Sprintf("the value of guard %s is a condition, want the value that must not move", g.Name), "name a field, like "+object+".digest")
	}
}
