package talk

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/commands/grammar"
)

// aboutLinks reports whether an account of nobody may say the command too.
func aboutLinks(path string) bool { return path == "link" || path == "link confirm" }

// linking carries out what is said of accounts; handled is false for any other command. What it changes
// it answers itself, in the same commit.
func (a *Answers) linking(ctx context.Context, s engine.Spoken, c grammar.Command, once engine.Once) (text string, handled bool, err error) {
	switch c.Path {
	case "link":
		return "", true, a.link(ctx, s, c, once)
	case "link confirm":
		return "", true, a.Engine.LinkConfirm(ctx, s, c.Args["code"], once)
	case "unlink":
		return "", true, a.Engine.Unlink(ctx, s, c.Args["account"], once)
	case "link list":
		text, err = a.linked(ctx, s, c)
		return text, true, err
	}
	return "", false, nil
}

// link is asked for a code, or told one: what looks like a code is none of the chats.
func (a *Answers) link(ctx context.Context, s engine.Spoken, c grammar.Command, once engine.Once) error {
	what, person := c.Args["what"], people.PersonID(c.Args["person"])
	sources := a.Engine.LinkSources()
	source := strings.ToLower(what)
	_, coded := people.ReadCode(what)
	switch {
	case coded && !slices.Contains(sources, source):
		return a.Engine.LinkTyped(ctx, s, what, once)
	case s.Person == "":
		e := errs.E("talk.link", errs.Denied, fmt.Errorf("nobody knows whose account %s is, so it gets no code", s.Account))
		return e.Hint("ask for one with `link %s` where I know you, and type it to me alone here", s.Account.Source)
	case person == "":
		person = s.Person
	}
	return a.Engine.LinkBegin(ctx, s, person, source, once)
}

// logMost bounds how much of the log one answer shows.
const logMost = 30

// linked lists the accounts of a person, or what happened with those of all.
func (a *Answers) linked(ctx context.Context, s engine.Spoken, c grammar.Command) (string, error) {
	w := a.Engine.World()
	if c.Options["log"] != "" {
		if !w.Directory.IsAdmin(s.Person, people.EveryProject, w.Now) {
			return "", errs.E("talk.link", errs.Denied, fmt.Errorf("the log of accounts takes the role admin")).Hint("`link list` shows yours")
		}
		events, err := a.Engine.LinkLog(ctx, logMost)
		if err != nil || len(events) == 0 {
			return "nothing happened with accounts yet", err
		}
		var lines []string
		for _, e := range events {
			lines = append(lines, logLine(e))
		}
		return strings.Join(lines, "\n"), nil
	}
	id := people.PersonID(c.Args["person"])
	if id == "" {
		id = s.Person
	}
	p, ok := w.Directory.Person(id)
	if !ok {
		return "", errs.E("talk.link", errs.NotFound, fmt.Errorf("there is no person %q", id)).Hint("`people` lists them")
	}
	list, err := a.Engine.Accounts(ctx, id)
	if err != nil {
		return "", err
	}
	if len(list) == 0 {
		return fmt.Sprintf("%s (%s) has no account", p.Name, p.ID), nil
	}
	lines := []string{fmt.Sprintf("%s (%s) is", p.Name, p.ID)}
	for _, one := range list {
		line := fmt.Sprintf("• %s, by the configuration", one.Account)
		if !one.At.IsZero() {
			line = fmt.Sprintf("• %s, linked on %s, confirmed by %s", one.Account.Shown(), card.Moment(one.At), one.By)
		}
		if why := w.Directory.Barred(one.Account); why != "" {
			line += "; it does not count: " + why
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n"), nil
}

func logLine(e engine.LinkEvent) string {
	text := fmt.Sprintf("• %s: ", card.Moment(e.At))
	switch who := e.Account.Shown(); {
	case e.Account.ID == "":
		text += fmt.Sprintf("%s %s", e.By, e.What)
		if e.By != e.Person {
			text += " for " + string(e.Person)
		}
	case e.Why != "" && e.Person != "":
		text += fmt.Sprintf("a code for %s is %s: %s (%s)", e.Person, e.What, e.Why, who)
	case e.Why != "":
		text += who + ": " + e.Why
	case e.By != "":
		text += fmt.Sprintf("%s was %s, as an account of %s, by %s", who, e.What, e.Person, e.By)
	default:
		text += fmt.Sprintf("%s %s of %s", who, e.What, e.Person)
	}
	return text
}

// accountsOf are the accounts of a person in one line.
func accountsOf(p people.Person) string {
	var out []string
	for _, a := range p.Accounts {
		text := a.String()
		if at := p.LinkedAt(a); !at.IsZero() {
			text += " (linked on " + at.UTC().Format("2006-01-02") + ")"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}
