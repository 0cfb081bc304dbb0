// Package grammar is what people can ask for, as data.
//
// One [Table] yields the parser, the help, the nearest right spelling of verbs and of arguments,
// completion and the reference page, so that none of them can promise what another refuses. A
// command that has no example cannot enter a table.
//
// [Table.Parse] is pure: it turns the text of one message into commands, at most one reply, or
// nothing. It decides what was asked, never whether it may be done: names of runs are only text
// here, and whoever carries a command out resolves them and checks roles. Quoted text, code and
// forwarded text never become a command.
package grammar

import (
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"

	"slipway/bot/errs"
)

// Kind is what an argument, an option or an input holds.
type Kind string

// The kinds. Word to ID are one word of plain ASCII; Text may hold anything that can be shown.
const (
	Flag     Kind = "flag" // of options only: no value
	Word     Kind = "word"
	Text     Kind = "text"
	Version  Kind = "version"
	Project  Kind = "project"
	Run      Kind = "run" // 2019.01, lava/2019.01, release/lava/2019.01, or an id
	Step     Kind = "step"
	Gate     Kind = "gate"
	Person   Kind = "person"
	Role     Kind = "role"
	Lock     Kind = "lock"
	Date     Kind = "date"     // 2019-01-31 or 2019-01-31T14:00:00Z
	Duration Kind = "duration" // 90m, 4h30m, 2d, 1w
	Number   Kind = "number"   // a whole number from 0 to 999999999
	ID       Kind = "id"
)

// Names knows the words that exist, for suggestions and completion. The caller shows only what
// the asking person may see: a private run's name must not come out of it. An empty list means
// "not known", not "none".
type Names interface {
	Projects() []string
	Runs(family string) []string // full names; family "" means all
	Steps(run string) []string   // run as the person wrote it; empty when that run is not known
	Persons() []string
	Roles() []string
	Locks() []string
}

// Arg is a positional argument.
type Arg struct {
	Name     string
	Kind     Kind
	Optional bool
	Variadic bool     // takes all words that are left; only the last argument
	Choice   []string // the only values allowed, if any
	Help     string
}

// Option is written --name, --name VALUE or --name=VALUE.
type Option struct {
	Name     string
	Kind     Kind // Flag has no value
	Required bool
	Help     string
}

// Input is a known key=value.
type Input struct {
	Name string
	Kind Kind
	Help string
}

// Entry is one command.
type Entry struct {
	Path       string // "release why"
	Args       []Arg
	Options    []Option
	TakesInput bool    // accepts key=value
	Inputs     []Input // if any, the only keys accepted
	MinInputs  int     // how many key=value must be given
	Summary    string  // one sentence: what it does
	Who        string  // who may use it, in words
	Examples   []string

	// Family and Verb say to which family the command belongs and what it does there:
	// "release" and "why". Commands that are of no family have an empty Family.
	Family string
	Verb   string

	// Check tells, for the first argument of a family's start command, what is wrong with it in
	// words, and Suggest gives what was probably meant, or "". Both are pure and may be nil.
	Check   func(subject string) error
	Suggest func(subject string) string
}

// Table is a set of commands that fit together. It does not change after [New].
type Table struct {
	entries []Entry // sorted by path
	byPath  map[string]int
}

var (
	pathRE = regexp.MustCompile(`^[a-z][a-z-]*( [a-z][a-z-]*)?$`)
	nameRE = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)
)

// New builds a table and checks it: each entry has a summary, says who may use it, has at least
// one example, and each example is parsed as a command of that entry. The error names the entry.
func New(entries ...Entry) (*Table, error) {
	t := &Table{byPath: map[string]int{}}
	for _, e := range entries {
		if err := checkEntry(e); err != nil {
			return nil, errs.E("grammar.table", errs.Invalid, fmt.Errorf("command %q: %w", e.Path, err))
		}
		t.entries = append(t.entries, e)
	}
	sort.SliceStable(t.entries, func(i, j int) bool { return t.entries[i].Path < t.entries[j].Path })
	for i, e := range t.entries {
		if _, dup := t.byPath[e.Path]; dup {
			return nil, errs.E("grammar.table", errs.Exists, fmt.Errorf("command %q is in the table twice", e.Path))
		}
		t.byPath[e.Path] = i
	}
	for _, e := range t.entries {
		for _, x := range e.Examples {
			got := t.Parse(x, Context{Addressed: true})
			if c, ok := got[0].(Command); !ok || len(got) != 1 || c.Path != e.Path {
				return nil, errs.E("grammar.table", errs.Invalid, fmt.Errorf("the example %q is not a command %q: %v", x, e.Path, got[0]))
			}
		}
	}
	return t, nil
}

func checkEntry(e Entry) error {
	switch {
	case !pathRE.MatchString(e.Path):
		return fmt.Errorf("a path is one or two words of small letters")
	case strings.TrimSpace(e.Summary) == "":
		return fmt.Errorf("it has no summary")
	case strings.TrimSpace(e.Who) == "":
		return fmt.Errorf("it does not say who may use it")
	case len(e.Examples) == 0:
		return fmt.Errorf("it has no example")
	case e.MinInputs > 0 && !e.TakesInput:
		return fmt.Errorf("it wants inputs but takes none")
	}
	seen := map[string]bool{}
	optional := false
	for i, a := range e.Args {
		switch {
		case !nameRE.MatchString(a.Name) || seen[a.Name]:
			return fmt.Errorf("argument %q needs a name of its own in small letters", a.Name)
		case a.Kind == "" || a.Kind == Flag:
			return fmt.Errorf("argument %s needs a kind that holds a value", a.Name)
		case a.Variadic && i != len(e.Args)-1:
			return fmt.Errorf("argument %s takes all the rest but is not the last", a.Name)
		case optional && !a.Optional:
			return fmt.Errorf("argument %s is required but follows an optional one", a.Name)
		}
		seen[a.Name] = true
		optional = optional || a.Optional
	}
	for _, o := range e.Options {
		if !nameRE.MatchString(o.Name) || seen["--"+o.Name] || o.Kind == "" {
			return fmt.Errorf("option %q needs a name of its own and a kind", o.Name)
		}
		seen["--"+o.Name] = true
	}
	for _, in := range e.Inputs {
		if !nameRE.MatchString(in.Name) || seen["="+in.Name] || in.Kind == "" || in.Kind == Flag {
			return fmt.Errorf("input %q needs a name of its own and a kind that holds a value", in.Name)
		}
		seen["="+in.Name] = true
	}
	return nil
}

// Entries lists the commands by path. The caller owns the slice, not what its elements point to.
func (t *Table) Entries() []Entry { return slices.Clone(t.entries) }

// Entry finds a command by its path.
func (t *Table) Entry(path string) (Entry, bool) {
	i, ok := t.byPath[path]
	if !ok {
		return Entry{}, false
	}
	return t.entries[i], true
}

func (e Entry) option(name string) (Option, bool) {
	i := slices.IndexFunc(e.Options, func(o Option) bool { return o.Name == name })
	if i < 0 {
		return Option{}, false
	}
	return e.Options[i], true
}

// Usage is the command in one line, optional parts in brackets: "release retry RUN [STEP]".
func (e Entry) Usage() string {
	var b strings.Builder
	b.WriteString(e.Path)
	for _, a := range e.Args {
		word := strings.ToUpper(a.Name)
		if len(a.Choice) > 0 {
			word = strings.Join(a.Choice, "|")
		}
		if a.Variadic {
			word += "…"
		}
		if a.Optional {
			word = "[" + word + "]"
		}
		b.WriteString(" " + word)
	}
	for _, o := range e.Options {
		word := "--" + o.Name
		if o.Kind != Flag {
			word += " " + strings.ToUpper(string(o.Kind))
		}
		if !o.Required {
			word = "[" + word + "]"
		}
		b.WriteString(" " + word)
	}
	switch {
	case e.TakesInput && e.MinInputs > 0:
		b.WriteString(" KEY=VALUE…")
	case e.TakesInput:
		b.WriteString(" [KEY=VALUE…]")
	}
	return b.String()
}
