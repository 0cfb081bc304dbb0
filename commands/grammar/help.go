package grammar

import (
	"fmt"
	"slices"
	"strings"
)

// Help is the help of one command, of all that begin with one word, or, for "", an overview.
// An unknown path gets the nearest one. It is plain text.
func (t *Table) Help(path string) string {
	path = fold(strings.Join(strings.Fields(path), " "))
	if path == "" {
		return t.overview()
	}
	if e, ok := t.Entry(path); ok {
		s := e.help()
		if subs := t.under(path); len(subs) > 0 {
			s += "\nMore: " + path + " " + orList(subs) + "\n"
		}
		return s
	}
	if len(t.under(path)) > 0 {
		var b strings.Builder
		for _, e := range t.entries {
			if strings.HasPrefix(e.Path, path+" ") {
				fmt.Fprintf(&b, "%s\n    %s\n", e.Usage(), e.Summary)
			}
		}
		return b.String()
	}
	var paths []string
	for _, e := range t.entries {
		paths = append(paths, e.Path)
	}
	if best, ok := nearest(path, paths); ok {
		return fmt.Sprintf("I know no command %q. Did you mean help %s?\n", clip(path, 60), best)
	}
	return fmt.Sprintf("I know no command %q. Say help to see what I can do.\n", clip(path, 60))
}

func (t *Table) overview() string {
	var b strings.Builder
	b.WriteString("What you can ask me for. Say help COMMAND for more.\n\n")
	width := 0
	for _, e := range t.entries {
		width = max(width, len(e.Path))
	}
	for _, e := range t.entries {
		fmt.Fprintf(&b, "  %-*s  %s\n", width, e.Path, e.Summary)
	}
	return b.String()
}

func (e Entry) help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\nWho: %s\n", e.Usage(), e.Summary, e.Who)
	for _, row := range e.parts() {
		fmt.Fprintf(&b, "  %-16s %s\n", row[0], row[1])
	}
	b.WriteString("For example:\n")
	for _, x := range e.Examples {
		fmt.Fprintf(&b, "  %s\n", x)
	}
	return b.String()
}

// parts lists arguments, options and known inputs with their help.
func (e Entry) parts() [][2]string {
	var rows [][2]string
	add := func(name, help string, k Kind) {
		if help == "" {
			help = string(k)
		}
		rows = append(rows, [2]string{name, help})
	}
	for _, a := range e.Args {
		help := a.Help
		if len(a.Choice) > 0 {
			help = strings.TrimSpace(help + " (" + orList(a.Choice) + ")")
		}
		add(strings.ToUpper(a.Name), help, a.Kind)
	}
	for _, o := range e.Options {
		add("--"+o.Name, o.Help, o.Kind)
	}
	for _, in := range e.Inputs {
		add(in.Name+"=", in.Help, in.Kind)
	}
	return rows
}

// Markdown is the reference page of all commands.
func (t *Table) Markdown() string {
	var b strings.Builder
	b.WriteString("# Commands\n\nEach line that begins with the bot's name is one command. Text of several words goes in double quotes.\n" +
		"Quoted text, code and forwarded messages are never carried out.\n")
	group := ""
	for _, e := range t.entries {
		if first, _, _ := strings.Cut(e.Path, " "); first != group {
			group = first
			fmt.Fprintf(&b, "\n## %s\n", group)
		}
		fmt.Fprintf(&b, "\n### %s\n\n```\n%s\n```\n\n%s\n\nWho: %s\n", e.Path, e.Usage(), e.Summary, e.Who)
		if rows := e.parts(); len(rows) > 0 {
			b.WriteString("\n| part | meaning |\n|---|---|\n")
			for _, r := range rows {
				fmt.Fprintf(&b, "| `%s` | %s |\n", r[0], strings.ReplaceAll(r[1], "|", `\|`))
			}
		}
		b.WriteString("\nFor example:\n\n```\n" + strings.Join(e.Examples, "\n") + "\n```\n")
	}
	return b.String()
}

// Complete lists what may stand in place of the last word of prefix, sorted; after a space, what
// may come next. Each answer is a whole word.
func (t *Table) Complete(prefix string, names Names) []string {
	if checkRunes(prefix) != nil {
		return nil
	}
	cut := strings.LastIndexAny(prefix, " \t") + 1
	last := prefix[cut:]
	before, err := lex(prefix[:cut])
	if err != nil {
		return nil // inside quotes
	}
	var out []string
	words := verbWords(before)
	if len(before) <= 1 {
		for _, e := range t.entries {
			first, second, _ := strings.Cut(e.Path, " ")
			switch {
			case len(before) == 0:
				out = append(out, first)
			case len(words) == 1 && first == words[0] && second != "":
				out = append(out, second)
			}
		}
	}
	if path, used := t.match(words); path != "" {
		e, _ := t.Entry(path)
		out = append(out, e.next(before[used:], names)...)
	}
	out = slices.DeleteFunc(out, func(s string) bool { return !strings.HasPrefix(s, last) })
	slices.Sort(out)
	return slices.Compact(out)
}

// next lists what may follow the words already given.
func (e Entry) next(given []token, names Names) []string {
	args, pos, run := e.Args, 0, ""
	used := map[string]bool{}
	for i := 0; i < len(given); i++ {
		g := given[i]
		switch {
		case g.option:
			used["--"+g.key] = true
			if o, ok := e.option(g.key); ok && o.Kind != Flag && !g.hasVal {
				if i == len(given)-1 {
					return values(o.Kind, e.Family, run, names)
				}
				i++
			}
		case g.hasVal:
			used[g.key+"="] = true
		default:
			if pos < len(args) && args[pos].Kind == Run && run == "" {
				run = g.text
			}
			if pos < len(args) && !args[pos].Variadic {
				pos++
			}
		}
	}
	var out []string
	if pos < len(args) {
		out = append(out, args[pos].Choice...)
		out = append(out, values(args[pos].Kind, e.Family, run, names)...)
	}
	for _, o := range e.Options {
		if !used["--"+o.Name] {
			out = append(out, "--"+o.Name)
		}
	}
	for _, in := range e.Inputs {
		if !used[in.Name+"="] {
			out = append(out, in.Name+"=")
		}
	}
	return out
}

func values(k Kind, family, run string, names Names) []string {
	if names == nil {
		return nil
	}
	switch k {
	case Project:
		return names.Projects()
	case Run:
		return names.Runs(family)
	case Step, Gate:
		return names.Steps(run)
	case Person:
		return names.Persons()
	case Role:
		return names.Roles()
	case Lock:
		return names.Locks()
	}
	return nil
}
