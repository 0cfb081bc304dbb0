package gate

import (
	"fmt"
	"slices"
	"strings"
)

// Rule says who must approve:
//
//	rule  = any { ", not requester" | ", not author" }
//	any   = all { "or" all }
//	all   = part { "and" part }
//	part  = NUMBER "of" ROLE | "(" any ")"
//
// "and" binds tighter than "or". An exclusion applies to the whole rule. The terms of an "and"
// are filled by different persons, even when one person holds both roles: "1 of qa and 1 of
// maintainer" means two pairs of eyes. Make a Rule with [ParseRule]; the zero Rule can never
// pass.
type Rule struct {
	text         string
	ways         []way // each is enough by itself
	roles        []string
	notRequester bool
	notAuthor    bool
}

// way is one of the alternatives of a rule: all its terms are needed. A role occurs once.
type way []term

type term struct {
	n    int
	role string
}

func (w way) slots() int {
	n := 0
	for _, t := range w {
		n += t.n
	}
	return n
}

// String is the rule in canonical form: [ParseRule] gives the same rule again.
func (r Rule) String() string { return r.text }

// IsZero reports whether r is the zero Rule.
func (r Rule) IsZero() bool { return r.text == "" }

// Roles are the roles that the rule names, in its order, each once. The list is not to be changed.
func (r Rule) Roles() []string { return r.roles }

// NotRequester reports whether the requester of the run does not count.
func (r Rule) NotRequester() bool { return r.notRequester }

// NotAuthor reports whether the authors of what is approved do not count.
func (r Rule) NotAuthor() bool { return r.notAuthor }

// Equal reports whether the two rules have the same canonical form.
func (r Rule) Equal(other Rule) bool { return r.text == other.text }

// MarshalText gives the canonical form.
func (r Rule) MarshalText() ([]byte, error) { return []byte(r.text), nil }

// UnmarshalText parses a rule; no text is the zero Rule.
func (r *Rule) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*r = Rule{}
		return nil
	}
	parsed, err := ParseRule(string(text))
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}

// node is a rule as it was written, without its exclusions.
type node struct {
	op   byte // 't' term, '&' and, '|' or
	term term
	kids []node
}

func (n node) text() string {
	var b strings.Builder
	n.write(&b, false)
	return b.String()
}

func (n node) write(b *strings.Builder, inAnd bool) {
	word := " and "
	switch n.op {
	case 't':
		fmt.Fprintf(b, "%d of %s", n.term.n, n.term.role)
		return
	case '|':
		word = " or "
		if inAnd {
			b.WriteByte('(')
			defer b.WriteByte(')')
		}
	}
	for i, k := range n.kids {
		if i > 0 {
			b.WriteString(word)
		}
		k.write(b, n.op == '&')
	}
}

// expand lists the ways through n. It gives up, with false, beyond most ways.
func (n node) expand(most int) ([]way, bool) {
	switch n.op {
	case 't':
		return []way{{n.term}}, true
	case '|':
		var out []way
		for _, k := range n.kids {
			ways, ok := k.expand(most)
			if out = append(out, ways...); !ok || len(out) > most {
				return nil, false
			}
		}
		return out, true
	}
	out := []way{nil}
	for _, k := range n.kids {
		ways, ok := k.expand(most)
		if !ok || len(out)*len(ways) > most {
			return nil, false
		}
		next := make([]way, 0, len(out)*len(ways))
		for _, head := range out {
			for _, tail := range ways {
				next = append(next, join(head, tail))
			}
		}
		out = next
	}
	return out, true
}

// join is both ways together; terms of one role become one: "1 of a and 1 of a" is "2 of a".
func join(a, b way) way {
	out := slices.Clone(a)
	for _, t := range b {
		if i := slices.IndexFunc(out, func(o term) bool { return o.role == t.role }); i >= 0 {
			out[i].n += t.n
		} else {
			out = append(out, t)
		}
	}
	return out
}

func (n node) roles(out []string) []string {
	if n.op == 't' && !slices.Contains(out, n.term.role) {
		out = append(out, n.term.role)
	}
	for _, k := range n.kids {
		out = k.roles(out)
	}
	return out
}
