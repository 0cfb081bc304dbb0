package grammar

import (
	"fmt"
	"slices"
	"strings"

	"slipway/bot/errs"
)

// Context is what the parser must know about a message besides its text.
type Context struct {
	Addressed bool     // every line is meant for the bot: a direct message, the console
	Forwarded bool     // forwarded, shared or edited text, or a bot's: it never runs
	Addresses []string // how the bot is called there, e.g. "slipway", "<@U0B0T>"; empty means "slipway"
	Markdown  bool     // the place shows text as Markdown: what it quotes, folds or hides never runs
	Run       string   // the run in whose thread this is said; it stands for a RUN that is left out
	Names     Names    // may be nil: then names are not suggested
}

// Result is one of [Command], [Reply] and [Ignore].
type Result interface{ result() }

// Command is one line that was understood. Args and Options hold every value as text in its
// written form (an @ before a person's name is dropped; a flag's value is "true").
type Command struct {
	Path    string
	Family  string            // "" for commands of no family
	Verb    string            // within the family
	Args    map[string]string // by argument name; absent when not given
	Rest    []string          // words of the variadic argument
	Inputs  map[string]string // key=value
	Options map[string]string
	Near    map[string]string // for names that nobody knows but that may still exist: the nearest known one
	Line    int               // from 1, within the message
	Raw     string            // the line as it was written, without the address
}

// Reply is the one answer to everything in a message that could not be understood.
type Reply struct {
	Text  string
	Lines []int // the lines it speaks of
}

// Ignore means that the message holds nothing for the bot. Why is for logs.
type Ignore struct{ Why string }

func (Command) result() {}
func (Reply) result()   {}
func (Ignore) result()  {}

// Parse reads a message. Results are in the order of its lines; there is at least one, at most
// one [Reply], which comes last, and an [Ignore] is always alone. Lines are independent: a line
// that is understood counts although another is not.
func (t *Table) Parse(text string, ctx Context) []Result {
	if ctx.Forwarded {
		return []Result{Ignore{"forwarded or edited text is not carried out"}}
	}
	type asked struct {
		number int
		text   string
	}
	var lines []asked
	for _, l := range plainLines(text, ctx.Markdown) {
		rest, named := strip(l.text, ctx.Addresses)
		if !named && !ctx.Addressed {
			continue
		}
		lines = append(lines, asked{l.number, rest})
	}
	if len(lines) == 0 {
		return []Result{Ignore{"no line speaks to me"}}
	}
	if len(lines) > MaxCommands {
		return []Result{Reply{
			Text:  fmt.Sprintf("I carried out none of your %d lines: one message may hold %d commands. Send them in parts.", len(lines), MaxCommands),
			Lines: []int{lines[0].number}}}
	}
	var out []Result
	var reply Reply
	for _, l := range lines {
		c, problem := t.parseLine(l.text, ctx)
		if problem != "" {
			if len(lines) > 1 {
				problem = fmt.Sprintf("Line %d: %s", l.number, problem)
			}
			if reply.Text != "" {
				reply.Text += "\n"
			}
			reply.Text += problem
			reply.Lines = append(reply.Lines, l.number)
			continue
		}
		c.Line = l.number
		out = append(out, c)
	}
	if len(reply.Lines) > 0 {
		out = append(out, reply)
	}
	return out
}

// strip takes the bot's address off the start of a line: "slipway x", "@slipway: x".
func strip(l string, addresses []string) (rest string, named bool) {
	if len(addresses) == 0 {
		addresses = []string{"slipway"}
	}
	for _, a := range addresses {
		for _, form := range []string{a, "@" + a} {
			if len(l) < len(form) || a == "" || fold(l[:len(form)]) != fold(form) {
				continue
			}
			after := l[len(form):]
			if after == "" {
				return "", true
			}
			if trimmed := strings.TrimLeft(after, ":,"); trimmed != after || strings.HasPrefix(after, " ") ||
				strings.HasPrefix(after, "\t") || strings.HasPrefix(after, "\u00a0") {
				return strings.TrimSpace(trimmed), true
			}
		}
	}
	return l, false
}

// parseLine understands one line, or says what is wrong with it in words for the person.
func (t *Table) parseLine(l string, ctx Context) (Command, string) {
	if l == "" {
		l = "help"
	}
	if err := checkRunes(l); err != nil {
		return Command{}, fmt.Sprintf("I can't read that line: %v. Type it again in plain text.", err)
	}
	tokens, err := lex(l)
	if err != nil {
		return Command{}, fmt.Sprintf("I can't read %q: %v.", clip(l, 60), err)
	}
	if len(tokens) == 0 { // only spaces of an unusual kind
		return Command{}, "I can't read an empty line. Say help to see what I can do."
	}
	words := verbWords(tokens)
	if len(words) > 0 {
		if r, odd := strange(words[0]); odd {
			return Command{}, fmt.Sprintf("I can't read %q: it contains %q (U+%04X), which is not a plain letter.%s",
				clip(words[0], 30), r, r, t.didYouMean(tokens, words))
		}
	}
	path, used := t.match(words)
	if path == "" {
		return Command{}, t.unknown(l, tokens, words)
	}
	e, _ := t.Entry(path)
	c, problem := e.fit(tokens[used:], ctx)
	if problem != nil {
		if alt := t.subverb(e, tokens, words); used == 1 && problem.subject && alt != "" {
			return Command{}, fmt.Sprintf("I know no command %q. Did you mean %s?", clip(strings.Join(words, " "), 60), alt)
		}
		return Command{}, problem.text(e, tokens[used:])
	}
	c.Path, c.Family, c.Verb, c.Raw = e.Path, e.Family, e.Verb, l
	return c, ""
}

// verbWords are the first two words if they can be part of a command's path.
func verbWords(tokens []token) []string {
	var out []string
	for _, tok := range tokens[:min(2, len(tokens))] {
		if tok.quoted || tok.option || tok.hasVal {
			break
		}
		out = append(out, fold(tok.text))
	}
	return out
}

func (t *Table) match(words []string) (path string, used int) {
	if len(words) == 2 {
		if p := words[0] + " " + words[1]; t.has(p) {
			return p, 2
		}
	}
	if len(words) > 0 && t.has(words[0]) {
		return words[0], 1
	}
	return "", 0
}

func (t *Table) has(path string) bool { _, ok := t.byPath[path]; return ok }

// under lists the second words of commands that begin with first.
func (t *Table) under(first string) []string {
	var out []string
	for _, e := range t.entries {
		if second, ok := strings.CutPrefix(e.Path, first+" "); ok {
			out = append(out, second)
		}
	}
	return out
}

// unknown answers a line whose command does not exist.
func (t *Table) unknown(l string, tokens []token, words []string) string {
	if len(words) == 0 {
		return fmt.Sprintf("I can't read %q: it does not begin with a command. Say help to see what I can do.", clip(l, 60))
	}
	if subs := t.under(words[0]); len(subs) > 0 {
		what := words[0]
		if len(words) == 1 {
			return fmt.Sprintf("I can't read %q: it needs one more word. Say %s %s.", what, what, orList(subs))
		}
		if best, ok := nearest(words[1], subs); ok {
			return fmt.Sprintf("I know no command %q. Did you mean %s?", clip(what+" "+words[1], 60), corrected(what+" "+best, tokens[2:]))
		}
		if alt := t.familyVerb(tokens, words); alt != "" {
			return fmt.Sprintf("I know no command %q. Did you mean %s?", clip(what+" "+words[1], 60), alt)
		}
		return fmt.Sprintf("I know no command %q. Say %s %s.", clip(what+" "+words[1], 60), what, orList(subs))
	}
	return fmt.Sprintf("I know no command %q.%s", clip(words[0], 40), t.didYouMean(tokens, words))
}

// didYouMean proposes the nearest command for words that are none, keeping what follows them.
func (t *Table) didYouMean(tokens []token, words []string) string {
	const none = " Say help to see what I can do."
	if len(words) == 0 {
		return none
	}
	if alt := t.familyVerb(tokens, words); alt != "" {
		return " Did you mean " + alt + "?"
	}
	var firsts, paths []string
	for _, e := range t.entries {
		first, _, two := strings.Cut(e.Path, " ")
		if two {
			paths = append(paths, e.Path)
		}
		if !slices.Contains(firsts, first) {
			firsts = append(firsts, first)
		}
	}
	if len(words) == 2 {
		if best, ok := nearest(words[0]+" "+words[1], paths); ok && errs.Distance(best, words[0]+" "+words[1]) <= 2 {
			return " Did you mean " + corrected(best, tokens[2:]) + "?"
		}
	}
	if best, ok := nearest(words[0], firsts); ok {
		return " Did you mean " + corrected(best, tokens[1:]) + "?"
	}
	return none
}

// familyVerb completes a family's verb that came without its family: "why 2019.01".
func (t *Table) familyVerb(tokens []token, words []string) string {
	for _, e := range t.entries {
		if e.Family != "" && strings.HasSuffix(e.Path, " "+words[0]) {
			return corrected(e.Path, tokens[1:])
		}
	}
	return ""
}

// subverb finds the family command that was meant by "release lsit": the second word is not a
// subject but is close to a verb.
func (t *Table) subverb(e Entry, tokens []token, words []string) string {
	if e.Family == "" || len(words) < 2 {
		return ""
	}
	first, _, _ := strings.Cut(e.Path, " ")
	if best, ok := nearest(words[1], t.under(first)); ok {
		return corrected(first+" "+best, tokens[2:])
	}
	return ""
}

// corrected is the path with the words that followed.
func corrected(path string, rest []token) string {
	if len(rest) == 0 {
		return path
	}
	return clip(path+" "+spell(rest), 120)
}

// spell writes tokens as they could have been typed.
func spell(tokens []token) string {
	var words []string
	for _, t := range tokens {
		value := t.text
		if t.quoted || value == "" && t.hasVal {
			value = Quote(value)
		}
		switch {
		case t.option && t.hasVal:
			value = "--" + t.key + "=" + value
		case t.option:
			value = "--" + t.key
		case t.hasVal:
			value = t.key + "=" + value
		}
		words = append(words, value)
	}
	return strings.Join(words, " ")
}

// Quote writes s in double quotes so that the parser reads back s.
func Quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// orList is "a, b or c".
func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
