package talk

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"slipway/bot/calendar"
	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
	"slipway/commands/grammar"
)

// operate carries out what changes people, freezes and the inbox, and what lists them.
func (a *Answers) operate(ctx context.Context, s engine.Spoken, c grammar.Command, once engine.Once) (string, error) {
	w := a.Engine.World()
	switch c.Path {
	case "people":
		return a.people(w.Directory, c.Args["project"], w.Now), nil
	case "grant", "delegate", "revoke":
		return a.grant(ctx, s, c, w.Directory, w.Now, once)
	case "freeze list":
		return freezes(a.Engine.Freezes(), c.Args["project"], w.Now), nil
	}
	// Effects and the inbox are the whole bot's: an admin of one project is not enough.
	projects := []string{people.EveryProject}
	lead := c.Path == "freeze add" || c.Path == "freeze end"
	if lead {
		var err error
		if projects, err = a.frozen(c); err != nil {
			return "", err
		}
	}
	for _, project := range projects {
		if !w.Directory.IsAdmin(s.Person, project, w.Now) {
			if lead && project == people.EveryProject {
				return "", errs.E("talk.operate", errs.Denied, fmt.Errorf("a freeze of all projects is an admin's of all of them")).
					Hint("add --project %s for a freeze of one, or ask an admin; `people` lists them", example(s.Project))
			}
			if _, ok := w.Directory.Has(project, run.ReleaseManager, s.Person, w.Now); !lead || !ok {
				return "", errs.E("talk.operate", errs.Denied, fmt.Errorf("%s takes the role admin", c.Path)).Hint("ask an admin; `people` lists them")
			}
		}
	}
	switch c.Path {
	case "freeze add":
		return a.freeze(ctx, c, once)
	case "freeze end":
		return "the freeze " + c.Args["name"] + " has ended", a.Engine.EndFreeze(ctx, c.Args["name"], once)
	case "pause effects":
		return "effects are paused; everything else goes on", a.Engine.PauseEffects(ctx, s.Person, c.Options["reason"])
	case "resume effects":
		if c.Options["nothing-lost"] != "" {
			if err := a.Engine.NothingLost(ctx); err != nil {
				return "", err
			}
		}
		return "effects go on", a.Engine.ResumeEffects(ctx)
	case "inbox list":
		return a.inbox(ctx, c.Options["since"])
	case "inbox show":
		return a.delivery(ctx, c.Args["delivery"], s.Viewer())
	case "inbox replay":
		return "it is decoded again; what was done already is not done twice", a.Engine.InboxReplay(ctx, number(c.Args["delivery"]))
	}
	return "", errs.E("talk.operate", errs.Invalid, fmt.Errorf("%s cannot be done here", c.Path)).Hint("say help")
}

// frozen lists the projects whose people a change of a freeze concerns: the one it is for and, when
// there is one of that name already, the one that was frozen. A freeze of all concerns all.
func (a *Answers) frozen(c grammar.Command) ([]string, error) {
	of := func(project string) string {
		if project == "" {
			return people.EveryProject
		}
		return project
	}
	var out []string
	if c.Path == "freeze add" {
		out = append(out, of(c.Options["project"]))
	}
	for _, f := range a.Engine.Freezes() {
		if f.ID == c.Args["name"] {
			_, project, _ := strings.Cut(f.Calendar, "/")
			return append(out, of(project)), nil
		}
	}
	if c.Path == "freeze end" {
		return nil, errs.E("talk.freeze", errs.NotFound, fmt.Errorf("there is no freeze %q to end", c.Args["name"])).
			Hint("`freeze list` lists them; those of the configuration end there")
	}
	return out, nil
}

func (a *Answers) whoami(s engine.Spoken) string {
	w := a.Engine.World()
	p, ok := w.Directory.Person(s.Person)
	if !ok {
		return fmt.Sprintf("I know the account %s, but not whose it is", s.Account)
	}
	text := fmt.Sprintf("You are %s (%s), through %s.", p.Name, p.ID, s.Account)
	for _, project := range a.Projects.Names() {
		if roles := a.roles(w.Directory, project, p.ID, w.Now); len(roles) > 0 {
			text += fmt.Sprintf("\n%s: %s", project, strings.Join(roles, ", "))
		}
	}
	return text + "\naccounts: " + accountsOf(p)
}

// roles are those that a person has in a project, of those that anybody has.
func (a *Answers) roles(dir people.Directory, project string, id people.PersonID, now time.Time) []string {
	var out []string
	for _, role := range dir.Roles() {
		if _, ok := dir.Has(project, role, id, now); ok {
			out = append(out, role)
		}
	}
	return out
}

func (a *Answers) people(dir people.Directory, only string, now time.Time) string {
	var b strings.Builder
	for _, p := range dir.Persons() {
		fmt.Fprintf(&b, "%s (%s)", p.Name, p.ID)
		for _, project := range a.Projects.Names() {
			if only != "" && project != only {
				continue
			}
			if roles := a.roles(dir, project, p.ID, now); len(roles) > 0 {
				fmt.Fprintf(&b, "; %s: %s", project, strings.Join(roles, ", "))
			}
		}
		if accounts := accountsOf(p); accounts != "" {
			b.WriteString("; accounts: " + accounts)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// grant gives, lends or takes a role; whether it may is decided by the rules of people.
func (a *Answers) grant(ctx context.Context, s engine.Spoken, c grammar.Command, dir people.Directory, now time.Time, once engine.Once) (string, error) {
	g := people.Grant{Person: people.PersonID(c.Args["person"]), Role: c.Args["role"], Project: c.Args["project"], By: s.Person}
	var err error
	if g.From, err = moment(c.Options["from"]); err != nil {
		return "", err
	}
	if g.Until, err = moment(c.Options["until"]); err != nil {
		return "", err
	}
	g.ID = strings.Join([]string{"chat", g.Project, g.Role, string(g.Person)}, "/")
	switch c.Path {
	case "grant":
		if g, err = people.GrantRole(dir, a.Rules, s.Person, g, now); err != nil {
			return "", err
		}
	case "delegate":
		g.For = s.Person
		g.ID += "/for/" + string(s.Person)
		if g, err = people.Delegate(dir, s.Person, g, now); err != nil {
			return "", err
		}
	case "revoke":
		if err := people.Revoke(dir, a.Rules, s.Person, g, now); err != nil {
			return "", err
		}
		if err := a.Engine.EndGrant(ctx, g.ID, once); err != nil {
			return "", err
		}
		if left, ok := a.Engine.World().Directory.Has(g.Project, g.Role, g.Person, now); ok {
			return "", errs.E("talk.revoke", errs.Conflict, fmt.Errorf("%s still is %s of %s: it does not come from here (%s)", g.Person, g.Role, g.Project, left.ID)).
				Hint("take it away where it is kept: the configuration, the roster, or who delegated it")
		}
		return fmt.Sprintf("%s is no %s of %s any more", g.Person, g.Role, g.Project), nil
	}
	return fmt.Sprintf("%s is %s of %s", g.Person, g.Role, g.Project), a.Engine.Grant(ctx, g, once)
}

func (a *Answers) freeze(ctx context.Context, c grammar.Command, once engine.Once) (string, error) {
	f := calendar.Freeze{ID: c.Args["name"], Calendar: c.Options["calendar"], Why: c.Options["reason"]}
	if f.Calendar == "" {
		f.Calendar = "release"
	}
	if strings.Contains(f.Calendar, "/") {
		return "", errs.E("talk.freeze", errs.Invalid, fmt.Errorf("%q is not the name of a calendar", f.Calendar)).Hint("name the project with --project")
	}
	if project := c.Options["project"]; project != "" {
		if _, ok := a.Projects.Project(project); !ok {
			return "", errs.E("talk.freeze", errs.NotFound, fmt.Errorf("there is no project %q", project)).Hint("there is %s", strings.Join(a.Projects.Names(), ", "))
		}
		f.Calendar += "/" + project
	}
	var err error
	if f.From, err = moment(c.Options["from"]); err != nil {
		return "", err
	}
	if f.Until, err = moment(c.Options["until"]); err != nil {
		return "", err
	}
	return fmt.Sprintf("frozen from %s until %s: %s", card.Moment(f.From), card.Moment(f.Until), f.Why), a.Engine.Freeze(ctx, f, once)
}

// example is a project for a hint.
func example(project string) string {
	if project == "" {
		return "NAME"
	}
	return project
}

func freezes(list []calendar.Freeze, project string, now time.Time) string {
	var b strings.Builder
	for _, f := range list {
		_, only, _ := strings.Cut(f.Calendar, "/")
		if !f.Until.IsZero() && f.Until.Before(now) || project != "" && only != "" && only != project {
			continue
		}
		until := "until it is ended"
		if !f.Until.IsZero() {
			until = "until " + card.Moment(f.Until)
		}
		fmt.Fprintf(&b, "%s (%s): from %s %s: %s\n", f.ID, f.Calendar, card.Moment(f.From), until, f.Why)
	}
	if b.Len() == 0 {
		return "there is no freeze, now or ahead"
	}
	return b.String()
}

func (a *Answers) inbox(ctx context.Context, since string) (string, error) {
	from, err := moment(since)
	if err != nil {
		return "", err
	}
	entries, err := a.Engine.InboxList(ctx, "", 20, false)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, e := range entries {
		if e.At.Before(from) {
			break
		}
		what := strings.Join(e.Facts, "; ")
		if e.Error != "" {
			what = "not understood: " + e.Error
		}
		if e.Decoded.IsZero() {
			what = "waits"
		}
		fmt.Fprintf(&b, "%s %s %s %s: %s\n", e.Seq, card.Moment(e.At), e.Source, e.Place, what)
	}
	if b.Len() == 0 {
		return "there are none", nil
	}
	return b.String(), nil
}

func (a *Answers) delivery(ctx context.Context, seq string, viewer people.PersonID) (string, error) {
	e, err := a.Engine.InboxShowTo(ctx, number(seq), viewer)
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("%s from %s at %s, id %s, %d bytes", e.Seq, e.Source, card.Moment(e.At), e.ID, e.Size)
	for _, name := range sorted(e.Headers) {
		text += "\n" + name + ": " + e.Headers[name]
	}
	return clip(text+"\n"+string(e.Body), 2000), nil
}

func (a *Answers) playbook(name string) (string, error) {
	p := a.Shelf.Current(name)
	if p == nil {
		err := errs.E("talk.playbook", errs.NotFound, fmt.Errorf("there is no playbook %q", name))
		if near := errs.Nearest(name, a.Books); near != "" {
			return "", err.Hint("did you mean %s?", near)
		}
		return "", err
	}
	return playbook.Describe(p), nil
}

// number accepts a delivery as lists show it, with or without a prefix.
func number(id string) string { return strings.TrimLeft(strings.TrimPrefix(id, "d-"), "#") }

// moment reads a date or a time; "" is the zero time.
func moment(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errs.E("talk.time", errs.Invalid, fmt.Errorf("%q is no date", text)).Hint("write 2019-01-31 or 2019-01-31T14:00:00Z")
}

func short(digest string) string {
	digest = strings.TrimPrefix(digest, "sha256:")
	return digest[:min(12, len(digest))]
}

func clip(text string, n int) string {
	r := []rune(card.Clean(text))
	if len(r) <= n {
		return string(r)
	}
	return string(r[:n-1]) + "…"
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
