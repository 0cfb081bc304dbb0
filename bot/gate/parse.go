package gate

import (
	"fmt"
	"strconv"
	"strings"

	"slipway/bot/errs"
)

// Bounds of a rule. They keep the cost of a verdict small whatever is written.
const (
	maxRule  = 1000 // bytes
	maxCount = 100  // persons of one role
	maxWays  = 32   // alternatives, once "and" is multiplied out
	maxDepth = 10   // parentheses
	maxRoles = 32
)

// RuleError is why a rule cannot be read, and where.
type RuleError struct {
	Column int // in bytes, from 1
	What   string
}

func (e *RuleError) Error() string { return fmt.Sprintf("column %d: %s", e.Column, e.What) }

// ParseRule reads a rule such as "2 of maintainer and 1 of security, not requester". Its errors
// are of kind [errs.Invalid], have a [*RuleError] as their cause, and suggest what to write.
func ParseRule(text string) (Rule, error) {
	if len(text) > maxRule {
		return Rule{}, refuse(maxRule, "a shorter rule, with fewer roles", "the rule is longer than %d characters", maxRule)
	}
	p := parser{text: text}
	if err := p.split(); err != nil {
		return Rule{}, err
	}
	if p.peek().text == "" {
		return Rule{}, refuse(1, example, "the rule is empty")
	}
	tree, err := p.any(0)
	if err != nil {
		return Rule{}, err
	}
	r := Rule{}
	if err := p.exclusions(&r); err != nil {
		return Rule{}, err
	}
	ways, ok := tree.expand(maxWays)
	if !ok {
		return Rule{}, refuse(1, "a simpler rule", "the rule has more than %d ways to pass", maxWays)
	}
	r.ways = ways
	if r.roles = tree.roles(nil); len(r.roles) > maxRoles {
		return Rule{}, refuse(1, "a rule with fewer roles", "the rule names more than %d roles", maxRoles)
	}
	for _, w := range ways {
		for _, t := range w {
			if t.n > maxCount {
				return Rule{}, refuse(1, example, "the rule asks for %d persons of %s, at most %d are possible", t.n, t.role, maxCount)
			}
		}
	}
	r.text = tree.text()
	if r.notRequester {
		r.text += ", not requester"
	}
	if r.notAuthor {
		r.text += ", not author"
	}
	return r, nil
}

const example = `"2 of maintainer, not requester"`

func refuse(column int, write, format string, args ...any) error {
	return errs.E("gate.rule", errs.Invalid, &RuleError{column, fmt.Sprintf(format, args...)}).Hint("write %s", write)
}

type token struct {
	text   string // "" at the end
	column int
}

type parser struct {
	text   string
	tokens []token
	at     int
}

// split cuts the text into words and the signs ( ) and comma.
func (p *parser) split() error {
	for i := 0; i < len(p.text); {
		c := p.text[i]
		switch {
		case c == ' ' || c == '\t':
			i++
		case c == '(' || c == ')' || c == ',':
			p.tokens = append(p.tokens, token{p.text[i : i+1], i + 1})
			i++
		case wordByte(c):
			start := i
			for i < len(p.text) && wordByte(p.text[i]) {
				i++
			}
			p.tokens = append(p.tokens, token{p.text[start:i], start + 1})
		default:
			r := []rune(p.text[i:])[0]
			write := example
			switch r {
			case '&', '+':
				write = `"and" between two parts`
			case '|', '/':
				write = `"or" between two parts`
			case '\n', '\r':
				write = "the rule on one line"
			case '!':
				write = `", not requester" or ", not author" at the end`
			}
			return refuse(i+1, write, "%q has no meaning in a rule", r)
		}
	}
	return nil
}

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.'
}

func (p *parser) peek() token {
	if p.at < len(p.tokens) {
		return p.tokens[p.at]
	}
	return token{"", len(p.text) + 1}
}

func (p *parser) next() token {
	t := p.peek()
	if p.at < len(p.tokens) {
		p.at++
	}
	return t
}

func (p *parser) any(depth int) (node, error) { return p.series(depth, "or", '|', p.all) }
func (p *parser) all(depth int) (node, error) { return p.series(depth, "and", '&', p.part) }

func (p *parser) series(depth int, word string, op byte, operand func(int) (node, error)) (node, error) {
	out := node{op: op}
	for {
		n, err := operand(depth)
		if err != nil {
			return node{}, err
		}
		if n.op == op { // (a or b) or c is a or b or c
			out.kids = append(out.kids, n.kids...)
		} else {
			out.kids = append(out.kids, n)
		}
		if p.peek().text != word {
			break
		}
		p.next()
	}
	if len(out.kids) == 1 {
		return out.kids[0], nil
	}
	return out, nil
}

func (p *parser) part(depth int) (node, error) {
	t := p.next()
	if t.text == "(" {
		if depth >= maxDepth {
			return node{}, refuse(t.column, "the rule with fewer parentheses", "the parentheses are nested more than %d deep", maxDepth)
		}
		n, err := p.any(depth + 1)
		if err != nil {
			return node{}, err
		}
		if end := p.next(); end.text != ")" {
			return node{}, refuse(end.column, `")" after the last part`, "the parenthesis of column %d is not closed", t.column)
		}
		return n, nil
	}
	n, err := strconv.Atoi(t.text)
	if err != nil || t.text[0] == '-' {
		return node{}, p.notACount(t)
	}
	if n < 1 || n > maxCount || t.text[0] == '0' {
		return node{}, refuse(t.column, example, "%s is not a number of persons from 1 to %d", t.text, maxCount)
	}
	of := p.next()
	if of.text != "of" {
		if isRole(of.text) {
			return node{}, refuse(of.column, fmt.Sprintf(`"%d of %s"`, n, of.text), `"of" is missing after %d`, n)
		}
		return node{}, refuse(of.column, fmt.Sprintf(`"%d of ROLE"`, n), `"of" is missing after %d`, n)
	}
	role := p.next()
	if !isRole(role.text) {
		return node{}, refuse(role.column, fmt.Sprintf(`"%d of ROLE", where ROLE begins with a letter and is not a word of the rule`, n),
			"%s is not the name of a role", shown(role))
	}
	return node{op: 't', term: term{n, role.text}}, nil
}

// notACount explains why t does not begin a part.
func (p *parser) notACount(t token) error {
	switch {
	case t.text == "":
		return refuse(t.column, `"N of ROLE" after the last word`, "the rule ends where a part should follow")
	case t.text == "not":
		return refuse(t.column, `", not requester" or ", not author" at the end of the rule`, `"not" cannot begin a part`)
	case t.text == "all" || t.text == "any" || t.text == "each":
		return refuse(t.column, `how many: "1 of ROLE"`, "%q is not a number of persons", t.text)
	case isRole(t.text):
		return refuse(t.column, fmt.Sprintf(`"1 of %s"`, t.text), "%q stands where a number should", t.text)
	}
	return refuse(t.column, example, "%s stands where a number should", shown(t))
}

func (p *parser) exclusions(r *Rule) error {
	for {
		t := p.next()
		switch t.text {
		case "":
			return nil
		case ",":
		case ")":
			return refuse(t.column, `the rule without this ")"`, "this parenthesis closes nothing")
		case "AND", "And", "OR", "Or":
			return refuse(t.column, strconv.Quote(strings.ToLower(t.text)), "words of the rule are in small letters")
		case "not":
			return refuse(t.column, `", not"`, "the comma before \"not\" is missing")
		default:
			return refuse(t.column, `"and", "or", or ", not requester"`, "%s cannot follow here", shown(t))
		}
		not, who := p.next(), p.next()
		if not.text != "not" {
			return refuse(not.column, `", not requester" or ", not author"`, `after a comma only "not" can follow`)
		}
		var excluded *bool
		switch who.text {
		case "requester":
			excluded = &r.notRequester
		case "author":
			excluded = &r.notAuthor
		case "authors", "requestor", "requesters":
			right := "author"
			if who.text[0] == 'r' {
				right = "requester"
			}
			return refuse(who.column, fmt.Sprintf(`"not %s"`, right), "%q is not the word for it", who.text)
		default:
			return refuse(who.column, `"not requester" or "not author"`, "%s cannot be excluded", shown(who))
		}
		if *excluded {
			return refuse(not.column, "it once", "%q is excluded twice", who.text)
		}
		*excluded = true
	}
}

func shown(t token) string {
	if t.text == "" {
		return "the end of the rule"
	}
	return strconv.Quote(t.text)
}

// isRole reports whether s can name a role in a rule: it begins with a letter, and is not a word
// of the grammar.
func isRole(s string) bool {
	if s == "" || !(s[0] >= 'a' && s[0] <= 'z' || s[0] >= 'A' && s[0] <= 'Z') {
		return false
	}
	switch strings.ToLower(s) {
	case "of", "and", "or", "not", "all", "any", "requester", "author":
		return false
	}
	return true
}
