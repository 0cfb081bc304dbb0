package playbook

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"slipway/bot/action"
)

// reader collects findings while the tree is turned into a Playbook.
type reader struct {
	file string
	src  *source
	errs []Finding
}

func (r *reader) bad(code string, pos Pos, text, fix string) {
	if len(r.errs) < 200 { // more than anybody reads
		r.errs = append(r.errs, Finding{Code: code, Severity: Error, Pos: pos, Text: text, Fix: fix})
	}
}

// object is a map whose keys are known in advance.
type object struct {
	*node
	what string
	by   map[string]entry
}

func (o object) get(key string) *node { return o.by[key].val }
func (o object) has(key string) bool  { _, ok := o.by[key]; return ok }

// object reads n as a map with only the given keys. What names it for people.
func (r *reader) object(n *node, what string, keys ...string) object {
	o := object{node: n, what: what, by: map[string]entry{}}
	if n.kind != mapNode {
		r.bad("value", n.pos, fmt.Sprintf("%s is %s, want a map", what, n.describe()), "its keys are: "+strings.Join(keys, ", "))
		return o
	}
	for _, e := range n.entries {
		if !contains(keys, e.key) {
			r.bad("key", e.pos, fmt.Sprintf("unknown key %q in %s", e.key, what), didYouMean(e.key, keys))
			continue
		}
		o.by[e.key] = e
	}
	return o
}

// named reads n as a map with free keys of the form re.
func (r *reader) named(n *node, what string, re *regexp.Regexp, rule string) []entry {
	if n == nil {
		return nil
	}
	if n.kind != mapNode {
		r.bad("value", n.pos, fmt.Sprintf("%s is %s, want a map", what, n.describe()), "")
		return nil
	}
	var out []entry
	for _, e := range n.entries {
		if !re.MatchString(e.key) {
			r.bad("value", e.pos, fmt.Sprintf("%q cannot be a name in %s: %s", e.key, what, rule), suggestName(e.key, re))
			continue
		}
		out = append(out, e)
	}
	return out
}

// suggestName bends a word into the form re, when that is easy.
func suggestName(word string, re *regexp.Regexp) string {
	bent := strings.Map(func(c rune) rune {
		switch c {
		case ' ', '.', '-', '/':
			return '_'
		}
		return c
	}, strings.ToLower(word))
	if bent != word && re.MatchString(bent) {
		return "write " + bent
	}
	return ""
}

func (n *node) describe() string {
	switch n.kind {
	case emptyNode:
		return "empty"
	case mapNode:
		return "a map"
	case listNode:
		return "a list"
	}
	text := n.text
	if len(text) > 40 {
		text = text[:37] + "..."
	}
	return "the text " + strconv.Quote(text)
}

var (
	idForm   = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	nameForm = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)
	refForm  = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+@[1-9][0-9]{0,4}$`)
	verbForm = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$`)
	durForm  = regexp.MustCompile(`^([0-9]{1,9}[smhdw])+$`)
	durPart  = regexp.MustCompile(`[0-9]+[smhdw]`)
)

const (
	idRule   = "small letters, digits and _, beginning with a letter"
	nameRule = "small letters, digits, - and _, beginning with a letter"
)

// text reads a scalar as it was typed. nil gives "".
func (r *reader) text(n *node, what string) string {
	if n == nil {
		return ""
	}
	if n.kind != scalarNode {
		r.bad("value", n.pos, fmt.Sprintf("%s is %s, want text", what, n.describe()), "")
		return ""
	}
	return n.text
}

func (r *reader) form(n *node, what string, re *regexp.Regexp, rule string) string {
	if n == nil {
		return ""
	}
	before := len(r.errs)
	s := r.text(n, what)
	if len(r.errs) == before && !re.MatchString(s) {
		r.bad("value", n.pos, fmt.Sprintf("%s is %s, want %s", what, n.describe(), rule), suggestName(s, re))
		return ""
	}
	return s
}

func (r *reader) name(n *node, what string) string { return r.form(n, what, nameForm, nameRule) }

// ref reads the reference of an action with its version.
func (r *reader) ref(n *node, what string) string {
	s := r.text(n, what)
	switch {
	case s == "" || refForm.MatchString(s):
		if s == "" && n != nil && n.kind != listNode && n.kind != mapNode {
			r.bad("value", n.pos, what+" is empty, want an action", "write it with its version, like git.push_tag@1")
		}
		return s
	case verbForm.MatchString(s):
		r.bad("action", n.pos, fmt.Sprintf("%s names %s without its contract version", what, s), "write "+s+"@1, or the version that you mean")
	default:
		r.bad("action", n.pos, fmt.Sprintf("%s is %s, want an action with its version", what, n.describe()), "write it like git.push_tag@1")
	}
	return ""
}

func (r *reader) word(n *node, what, def string, words ...string) string {
	if n == nil {
		return def
	}
	before := len(r.errs)
	s := r.text(n, what)
	if len(r.errs) == before && !contains(words, s) {
		r.bad("value", n.pos, fmt.Sprintf("%s is %s, want %s", what, n.describe(), strings.Join(words, ", ")), didYouMean(s, words))
		return def
	}
	return s
}

func (r *reader) flag(n *node, what string) bool {
	if n == nil {
		return false
	}
	switch {
	case n.kind == scalarNode && n.plain && n.text == "true":
		return true
	case n.kind == scalarNode && n.plain && n.text == "false":
	default:
		r.bad("value", n.pos, fmt.Sprintf("%s is %s, want true or false", what, n.describe()), "")
	}
	return false
}

func (r *reader) number(n *node, what string, def, low, high int) int {
	if n == nil {
		return def
	}
	v, err := strconv.Atoi(n.text)
	if n.kind != scalarNode || !n.plain || err != nil || v < low || v > high {
		r.bad("value", n.pos, fmt.Sprintf("%s is %s, want a whole number from %d to %d", what, n.describe(), low, high), "")
		return def
	}
	return v
}

// duration reads 30s, 10m, 1h30m, 7d, 2w.
func (r *reader) duration(n *node, what string) time.Duration {
	if n == nil {
		return 0
	}
	before := len(r.errs)
	s := r.text(n, what)
	if len(r.errs) > before {
		return 0
	}
	d, err := ParseDuration(s)
	if err != nil {
		r.bad("value", n.pos, fmt.Sprintf("%s is %s, want a duration", what, n.describe()), "write it like 30s, 10m, 4h, 1h30m, 3d or 2w")
		return 0
	}
	if d <= 0 {
		r.bad("value", n.pos, what+" is no time at all", "write a duration above zero")
	}
	return d
}

// ParseDuration reads the playbook form of a duration: whole numbers with s, m, h, d (24 hours)
// and w (7 days), largest first not required, at most 10 years in all.
func ParseDuration(s string) (time.Duration, error) {
	if !durForm.MatchString(s) {
		return 0, fmt.Errorf("%q is not a duration such as 30s, 10m, 1h30m, 7d or 2w", s)
	}
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	const most = 3653 * 24 * time.Hour
	var total time.Duration
	for _, part := range durPart.FindAllString(s, -1) {
		v, err := strconv.ParseInt(part[:len(part)-1], 10, 64)
		unit := units[part[len(part)-1]]
		if err != nil || time.Duration(v) > most/unit {
			return 0, fmt.Errorf("%q is longer than ten years", s)
		}
		if total += time.Duration(v) * unit; total > most {
			return 0, fmt.Errorf("%q is longer than ten years", s)
		}
	}
	return total, nil
}

// list reads a list; one scalar is short for a list of one.
func (r *reader) list(n *node, what string) []*node {
	switch {
	case n == nil:
		return nil
	case n.kind == listNode:
		return n.items
	case n.kind == scalarNode:
		return []*node{n}
	}
	r.bad("value", n.pos, fmt.Sprintf("%s is %s, want a list", what, n.describe()), "write it like [a, b]")
	return nil
}

func (r *reader) names(n *node, what string) []string {
	var out []string
	for _, item := range r.list(n, what) {
		if s := r.name(item, what); s != "" {
			if contains(out, s) {
				r.bad("value", item.pos, fmt.Sprintf("%s names %q twice", what, s), "remove one of the two")
				continue
			}
			out = append(out, s)
		}
	}
	return out
}

// typ reads string, int, …, list(T), map(T). person is text that names a person.
func (r *reader) typ(n *node, what string) (t action.Type, person bool) {
	s := r.text(n, what)
	t, person, ok := parseType(strings.ReplaceAll(s, " ", ""))
	if !ok && s != "" {
		words := []string{"string", "int", "bool", "version", "digest", "time", "duration", "person", "list(string)", "map(string)"}
		r.bad("type", n.pos, fmt.Sprintf("%s is %s, want a type", what, n.describe()), didYouMean(s, words))
		return action.Type{Kind: action.String}, false
	}
	return t, person
}

func parseType(s string) (t action.Type, person, ok bool) {
	switch k := action.Kind(s); k {
	case action.String, action.Int, action.Bool, action.Version, action.Digest, action.Time, action.Duration:
		return action.Type{Kind: k}, false, true
	case "person":
		return action.Type{Kind: action.String}, true, true
	}
	for _, k := range []action.Kind{action.List, action.Map} {
		if inner, found := strings.CutPrefix(s, string(k)+"("); found && strings.HasSuffix(inner, ")") {
			e, person, ok := parseType(strings.TrimSuffix(inner, ")"))
			if ok && e.Kind != action.List && e.Kind != action.Map {
				return action.Type{Kind: k, Elem: &e}, person, true
			}
		}
	}
	return action.Type{}, false, false
}

func contains[T comparable](list []T, v T) bool {
	for _, e := range list {
		if e == v {
			return true
		}
	}
	return false
}
