package playbook

import (
	"fmt"
	"regexp"
	"sort"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"

	"slipway/bot/action"
)

// Sizes that the cost estimate assumes, since nobody knows them at load.
const (
	assumedItems   = 1000 // elements of a list
	assumedText    = 1024 // characters of a text
	defaultMaxCost = 20_000_000
)

// sizes tells the estimate how large values may be.
type sizes struct{}

func (sizes) EstimateCallCost(function, _ string, _ *cost.AstNode, args []cost.AstNode) *cost.CallEstimate {
	switch function {
	case "version_older", "version_same", "short":
		return &cost.CallEstimate{CostEstimate: cost.Estimate{Min: 1, Max: 64}}
	case "lines":
		elem := cost.SizeEstimate{Min: 0, Max: assumedText}
		return &cost.CallEstimate{CostEstimate: cost.Estimate{Min: 1, Max: assumedText}, ResultSize: &cost.SizeEstimate{Max: assumedItems, Elem: &elem}}
	}
	return nil
}

func (sizes) EstimateSize(n cost.AstNode) *cost.SizeEstimate {
	if n.ComputedSize() != nil {
		return nil
	}
	switch n.Type().Kind() {
	case types.ListKind, types.MapKind:
		return &cost.SizeEstimate{Min: 0, Max: assumedItems}
	case types.StringKind, types.BytesKind:
		return &cost.SizeEstimate{Min: 0, Max: assumedText}
	}
	return &cost.SizeEstimate{Min: 0, Max: 1}
}

// env is the CEL environment for the names of a place; places with the same names share it.
func (c *checker) env(at *place) (*cel.Env, error) {
	if at.env != nil {
		return at.env, nil
	}
	names := make([]string, 0, len(at.names))
	for n := range at.names {
		names = append(names, n)
	}
	sort.Strings(names)
	var key strings.Builder
	opts := make([]cel.EnvOption, 0, len(names))
	for _, n := range names {
		fmt.Fprintf(&key, "%s=%s;", n, at.names[n].cel)
		opts = append(opts, cel.Variable(n, at.names[n].cel))
	}
	if env := c.envs[key.String()]; env != nil {
		at.env = env
		return env, nil
	}
	env, err := c.base.Extend(opts...)
	if err != nil {
		return nil, err
	}
	c.envs[key.String()], at.env = env, env
	return env, nil
}

// compile types e where it stands and makes it ready to run. It reports what is wrong and then
// returns false.
func (c *checker) compile(e *Expr, at *place) bool {
	if e == nil {
		return false
	}
	env, err := c.env(at)
	if err != nil {
		c.bad("expr", e.Pos, fmt.Sprintf("%q cannot be checked: %v", e.Text, err), "")
		return false
	}
	before := len(c.findings)
	parsed, iss := env.Parse(e.Text)
	if iss.Err() != nil {
		c.celErrors(e, iss)
		return false
	}
	tree := parsed.NativeRep()
	for id := range tree.SourceInfo().OffsetRanges() {
		if id > c.nextID {
			c.nextID = id
		}
	}
	t := &typing{c: c, at: at, ast: tree, fac: ast.NewExprFactory(), next: c.nextID + 1000, funcs: func(n string) bool { return c.functionSet[n] },
		steps: map[string]bool{}, profile: c.profile, optional: map[string]bool{}}
	t.report = func(id int64, code, text, fix string) {
		loc := tree.SourceInfo().GetStartLocation(id)
		c.bad(code, e.position(loc.Line(), loc.Column()), text, fix)
	}
	g := t.walk(tree.Expr(), nil)
	if at.step != nil {
		for path := range t.steps {
			c.reads[at.step.Path] = append(c.reads[at.step.Path], path)
		}
	}
	if len(c.findings) > before {
		return false
	}
	checked, iss := env.Check(parsed)
	if iss.Err() != nil {
		c.celErrors(e, iss)
		return false
	}
	if !c.settled(e, checked.NativeRep()) {
		return false
	}
	out := checked.OutputType()
	typ, opt, err := c.typeOf(out)
	if err != nil {
		c.bad("type", e.Pos, fmt.Sprintf("%q is %v", e.Text, err), "")
		return false
	}
	e.Type, e.Optional = typ, opt
	e.exact = g.typ != nil
	if g.typ != nil && sameShape(g.typ.typ, typ) {
		e.Type = g.typ.typ
	}
	estimate, err := env.EstimateCost(checked, sizes{})
	if err == nil && estimate.Max > c.maxCost {
		c.bad("cost", e.Pos, fmt.Sprintf("%q could cost up to %d steps for lists of %d elements, more than the limit of %d", e.Text, estimate.Max, assumedItems, c.maxCost), "use fewer loops inside loops")
		return false
	}
	opts := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if loops(tree.Expr()) {
		// Without a loop the cost is bounded by the expression's size, which is bounded itself;
		// counting would cost more than the evaluation.
		opts = append(opts, cel.CostLimit(c.maxCost))
	}
	prog, err := env.Program(checked, opts...)
	if err != nil {
		c.bad("expr", e.Pos, fmt.Sprintf("%q cannot be made ready: %s", e.Text, firstLine(err.Error())), "")
		return false
	}
	e.prog, e.at = prog, at
	return true
}

// loops reports whether the expression has a comprehension or a call whose cost depends on
// text, which could be long.
func loops(e ast.Expr) bool {
	found := false
	ast.PreOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.ComprehensionKind || e.Kind() == ast.CallKind && wordy(e.AsCall().FunctionName()) {
			switch {
			case e.Kind() == ast.ComprehensionKind:
				found = true
			case !contains([]string{"orValue", "hasValue", "value", "or", "size", "duration", "timestamp"}, e.AsCall().FunctionName()):
				found = true
			}
		}
	}))
	return found
}

// settled looks at the checked tree for a selection that may find nothing and for dyn.
func (c *checker) settled(e *Expr, tree *ast.AST) bool {
	ok := true
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(n ast.Expr) {
		if !ok || n.Kind() != ast.SelectKind || n.AsSelect().IsTestOnly() {
			return
		}
		of := tree.GetType(n.AsSelect().Operand().ID())
		if of == nil {
			return
		}
		if of.Kind() == types.OpaqueKind && len(of.Parameters()) == 1 {
			of = of.Parameters()[0]
		}
		field := n.AsSelect().FieldName()
		if v := c.types.named[of.TypeName()]; of.Kind() == types.StructKind && v != nil && v.fields[field] != nil && v.fields[field].optional {
			loc := tree.SourceInfo().GetStartLocation(n.ID())
			c.bad("absent", e.position(loc.Line(), loc.Column()), fmt.Sprintf("%s may be absent", field), fmt.Sprintf("write .?%s and then .orValue(…)", field))
			ok = false
		}
	}))
	return ok
}

// position of a line and column (from 1 and 0, as CEL counts) inside the expression.
func (e *Expr) position(line, col int) Pos {
	off := 0
	for l := 1; l < line; l++ {
		i := strings.IndexByte(e.Text[off:], '\n')
		if i < 0 {
			break
		}
		off += i + 1
	}
	for i := range e.Text[off:] {
		if col == 0 {
			off += i
			if e.Text[off] == '.' { // a selection stands at its dot; people look at the name
				off += len(e.Text[off:]) - len(strings.TrimLeft(e.Text[off:], ".? "))
			}
			for e.Text[off] == '(' && off > 0 && wordByte(e.Text[off-1]) || off > 0 && wordByte(e.Text[off]) && wordByte(e.Text[off-1]) {
				off-- // a call stands at its bracket; people look at the name
			}
			return e.node.place(e.off + off)
		}
		col--
	}
	return e.node.place(e.off + max(0, len(e.Text)-1))
}

func wordByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

var (
	noOverload = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '(.*)'$`)
	wordName   = regexp.MustCompile(`'([^']*)'`)
)

// celErrors reports what CEL found, in plain words.
func (c *checker) celErrors(e *Expr, iss *cel.Issues) {
	for _, err := range iss.Errors() {
		text, fix := celText(err.Message)
		c.bad("expr", e.position(err.Location.Line(), err.Location.Column()), text, fix)
	}
}

func celText(msg string) (text, fix string) {
	msg = firstLine(msg)
	if m := noOverload.FindStringSubmatch(msg); m != nil {
		name := strings.Trim(strings.Trim(m[1], "_"), "@")
		if name == "" || strings.ContainsAny(name, "?:[") {
			name = m[1]
		}
		args := celTypeWords(m[2])
		if strings.Contains(args, "that may be absent") {
			fix = "say what an absent value means: .orValue(…)"
		} else if name == "==" || name == "!=" || name == "<" || name == ">" || name == "+" {
			fix = "both sides need the same type"
		}
		if name == "orValue" {
			fix = "the value is always there, so .orValue(…) has nothing to do, or both are of different types"
		}
		return fmt.Sprintf("%q cannot be applied to %s", name, args), fix
	}
	switch {
	case strings.HasPrefix(msg, "Syntax error:"):
		msg = strings.TrimSpace(strings.TrimPrefix(msg, "Syntax error:"))
		if i := strings.Index(msg, " expecting"); i > 0 {
			msg = msg[:i]
		}
		return "this is not an expression: " + strings.ReplaceAll(msg, "'<EOF>'", "its end"), "check brackets, quotes and operators; text in an expression stands in quotes of its own"
	case strings.Contains(msg, "undeclared reference to"):
		if m := wordName.FindStringSubmatch(msg); m != nil {
			return m[1] + " is not known here", ""
		}
	case strings.Contains(msg, "expected type"):
		return celTypeWords(msg), "both parts need the same type"
	}
	return celTypeWords(msg), ""
}

var (
	celObject   = regexp.MustCompile(`slipway\.[a-z0-9_./@]+`)
	celOptional = regexp.MustCompile(`optional_type\(([^()]*(?:\([^()]*\))?)\)`)
)

// celTypeWords takes the inner names of types out of a message.
func celTypeWords(s string) string {
	s = celObject.ReplaceAllString(s, "object")
	s = celOptional.ReplaceAllString(s, "$1 that may be absent")
	s = strings.ReplaceAll(s, "google.protobuf.Timestamp", "time")
	s = strings.ReplaceAll(s, "google.protobuf.Duration", "duration")
	return s
}

// typeOf turns the type of a CEL value into ours.
func (c *checker) typeOf(t *types.Type) (typ action.Type, optional bool, err error) {
	switch t.Kind() {
	case types.StringKind:
		return action.Type{Kind: action.String}, false, nil
	case types.IntKind:
		return action.Type{Kind: action.Int}, false, nil
	case types.BoolKind:
		return action.Type{Kind: action.Bool}, false, nil
	case types.TimestampKind:
		return action.Type{Kind: action.Time}, false, nil
	case types.DurationKind:
		return action.Type{Kind: action.Duration}, false, nil
	case types.DoubleKind:
		return action.Type{}, false, fmt.Errorf("a number with a fraction, which no value can be; use whole numbers")
	case types.ListKind, types.MapKind:
		last := t.Parameters()[len(t.Parameters())-1]
		kind := action.List
		if t.Kind() == types.MapKind {
			kind = action.Map
			if t.Parameters()[0].Kind() != types.StringKind {
				return action.Type{}, false, fmt.Errorf("a map whose keys are not text")
			}
		}
		if last.Kind() == types.DynKind || last.Kind() == types.TypeParamKind {
			last = types.StringType // an empty literal
		}
		elem, opt, err := c.typeOf(last)
		if opt {
			err = fmt.Errorf("a list of values that may be absent; use filter, or orValue")
		}
		return action.Type{Kind: kind, Elem: &elem}, false, err
	case types.StructKind:
		if v := c.types.named[t.TypeName()]; v != nil {
			return v.typ, false, nil
		}
	case types.OpaqueKind:
		if t.TypeName() == "optional_type" {
			typ, _, err := c.typeOf(t.Parameters()[0])
			return typ, true, err
		}
	}
	return action.Type{}, false, fmt.Errorf("no value that can leave an expression (%s)", celTypeWords(t.String()))
}

// sameShape reports whether two types are the same but for the kinds of text.
func sameShape(a, b action.Type) bool {
	if textual(a) && textual(b) {
		return (a.Kind == action.Time) == (b.Kind == action.Time) && (a.Kind == action.Duration) == (b.Kind == action.Duration)
	}
	if a.Kind != b.Kind {
		return false
	}
	if a.Elem != nil && b.Elem != nil {
		return sameShape(*a.Elem, *b.Elem)
	}
	return true
}
