package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"slipway/bot/calendar"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/integrations/console"
)

// lowName is what persons and roles are called: as they are typed in a chat.
var lowName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

func (r rawConfig) validPeople(_ string, c *config) error {
	owner := map[string]string{}
	for _, id := range slices.Sorted(maps.Keys(r.People)) {
		raw := r.People[id]
		p := people.Person{ID: people.PersonID(id), Name: raw.Name, Mail: raw.Mail, Zone: raw.Zone}
		if !lowName.MatchString(id) {
			return invalid(fmt.Sprintf("people: %q is no id of a person", id), "use lower-case letters, digits, dots, _ and -")
		}
		if raw.Name == "" {
			return invalid(fmt.Sprintf("people: %s has no name", id), "write name: as others know the person")
		}
		if _, err := mail.ParseAddress(raw.Mail); raw.Mail != "" && err != nil {
			return invalid(fmt.Sprintf("people: %s has the mail address %q", id, raw.Mail), "write mail: name@example.org")
		}
		if err := validZone(id, raw.Zone); err != nil {
			return err
		}
		for _, text := range raw.Accounts {
			source, account, ok := strings.Cut(text, ":")
			if !ok || source == "" || account == "" {
				return invalid(fmt.Sprintf("people: %s has the account %q", id, text), "an account is source:id, e.g. unix:1000")
			}
			if _, err := strconv.Atoi(account); err != nil && source == "gitlab" {
				return invalid(fmt.Sprintf("people: %s has the account %q", id, text), "an account on GitLab is gitlab:NUMBER; the person's page shows the number")
			}
			if source == slackSource && !slackAccount.MatchString(account) {
				return invalid(fmt.Sprintf("people: %s has the account %q", id, text), "an account on Slack is slack:TEAM/USER, such as slack:T0123ABCD/U0456EFGH; Copy member ID in the person's profile gives the second part")
			}
			if other := owner[text]; other == id {
				return invalid(fmt.Sprintf("people: %s has the account %s twice", id, text), "keep one of them")
			} else if other != "" {
				return invalid(fmt.Sprintf("people: the account %s belongs to both %s and %s", text, other, id),
					"an account belongs to one person")
			}
			owner[text] = id
			p.Accounts = append(p.Accounts, people.Account{Source: source, ID: account, Handle: id})
		}
		c.Persons = append(c.Persons, p)
	}
	if len(c.Persons) == 0 {
		return invalid("people: names nobody", "at least one person with the role admin is needed")
	}
	return nil
}

func (r rawConfig) validRoles(dir string, c *config) error {
	admins := 0
	for _, name := range slices.Sorted(maps.Keys(r.Roles)) {
		if _, ok := r.Projects[name]; !ok && name != "*" {
			return invalid(fmt.Sprintf("roles: there is no project %q", name), suggest(name, maps.Keys(r.Projects)))
		}
		for _, role := range slices.Sorted(maps.Keys(r.Roles[name])) {
			if !lowName.MatchString(role) {
				return invalid(fmt.Sprintf("roles: %q of %s is no name of a role", role, name), "use lower-case letters, digits, dots, _ and -")
			}
			raw := r.Roles[name][role]
			if raw.SlackGroup != "" {
				if err := raw.validGroup(name, role, c); err != nil {
					return err
				}
				continue
			}
			if raw.Roster != "" {
				if len(raw.Persons) > 0 {
					return invalid(fmt.Sprintf("roles: %s of %s has both persons and a roster", role, name), "keep one of them")
				}
				list := roster{Project: name, Role: role, Path: beside(dir, raw.Roster)}
				found, err := list.read(c)
				if err != nil {
					return err
				}
				if role == people.Admin {
					admins += len(found)
				}
				c.Rosters = append(c.Rosters, list)
				continue
			}
			for _, id := range raw.Persons {
				if _, ok := r.People[id]; !ok {
					return invalid(fmt.Sprintf("roles: %s of %s names %q, who is not in people", role, name, id), suggest(id, maps.Keys(r.People)))
				}
				if role == people.Admin {
					admins++
				}
				c.Grants = append(c.Grants, people.Grant{ID: "config/" + name + "/" + role + "/" + id,
					Person: people.PersonID(id), Role: role, Project: name})
			}
		}
	}
	if admins == 0 {
		return invalid("roles: nobody is admin", `write roles: {"*": {admin: {persons: [ID]}}}`)
	}
	return nil
}

func (r rawConfig) validChannels(_ string, c *config) error {
	for _, name := range slices.Sorted(maps.Keys(r.Channels)) {
		if err := console.CheckChannel(name); err != nil {
			return invalid("channels: "+errs.Cause(err), errs.HintOf(err))
		}
		p := r.Channels[name].Project
		if _, ok := c.Projects[p]; !ok {
			return invalid(fmt.Sprintf("channels: %s has the project %q, which is not configured", name, p), suggest(p, maps.Keys(r.Projects)))
		}
		c.Channels[name] = p
	}
	for _, name := range sortedKeys(c.Projects) {
		told, _ := c.Projects[name].Profile["broadcast"].([]any)
		for _, channel := range append([]any{c.Projects[name].Channel}, told...) {
			text, _ := channel.(string)
			if _, ok := c.Channels[text]; !ok {
				return invalid(fmt.Sprintf("projects: %s posts to the channel %q, which is not in channels", name, text), suggest(text, maps.Keys(r.Channels)))
			}
		}
	}
	return nil
}

func (r rawConfig) validFreezes(_ string, c *config) error {
	for i, raw := range r.Freezes {
		f := calendar.Freeze{ID: fmt.Sprintf("config/%d", i+1), Calendar: raw.Calendar, Why: raw.Why}
		var err error
		if f.From, err = time.Parse(time.RFC3339, raw.From); err != nil {
			return invalid(fmt.Sprintf("freezes: from is %q", raw.From), "write a time such as 2026-11-21T18:00:00Z")
		}
		if raw.Until != "" {
			if f.Until, err = time.Parse(time.RFC3339, raw.Until); err != nil {
				return invalid(fmt.Sprintf("freezes: until is %q", raw.Until), "write a time such as 2026-11-21T18:00:00Z")
			}
		}
		if err := f.Check(); err != nil {
			return invalid("freezes: "+errs.Cause(err), errs.HintOf(err))
		}
		c.Freezes = append(c.Freezes, f)
	}
	return nil
}

// roster is a role whose holders stand in a file, one person id a line; # begins a comment.
type roster struct{ Project, Role, Path string }

// maxRoster bounds a roster file, in bytes.
const maxRoster = 256 << 10

// read gives the grants of a roster. A line that names nobody known is an error, so that the
// person is not left out in silence.
func (r roster) read(c *config) ([]people.Grant, error) {
	data, err := readBounded(r.Path, maxRoster)
	if err != nil {
		return nil, errs.E("roster", errs.Unavailable, fmt.Errorf("roles: the roster of %s: %s", r.Role, errs.Cause(err))).
			Hint("the holders of %s stand there, one person a line", r.Role)
	}
	var out []people.Grant
	line := 0
	for text := range strings.Lines(string(data)) {
		line++
		id, _, _ := strings.Cut(text, "#")
		if id = strings.TrimSpace(id); id == "" {
			continue
		}
		known := slices.ContainsFunc(c.Persons, func(p people.Person) bool { return string(p.ID) == id })
		if !known {
			all := make([]string, len(c.Persons))
			for i, p := range c.Persons {
				all[i] = string(p.ID)
			}
			return nil, errs.E("roster", errs.Invalid, fmt.Errorf("%s:%d: %q is not in people", r.Path, line, clipped(id))).
				Hint("%s", suggest(id, slices.Values(all)))
		}
		out = append(out, people.Grant{ID: "roster/" + r.Project + "/" + r.Role + "/" + id, Person: people.PersonID(id), Role: r.Role, Project: r.Project})
	}
	return out, nil
}

// People gives the persons and grants of the configuration, with those of every roster.
func (p configured) People(context.Context) ([]people.Person, []people.Grant, error) {
	grants := append([]people.Grant{}, p.c.Grants...)
	for _, r := range p.c.Rosters {
		more, err := r.read(p.c)
		if err != nil {
			return nil, nil, err
		}
		grants = append(grants, more...)
	}
	return p.c.Persons, grants, nil
}

// Again reads one role where it is kept: the configuration as it was at the start, or the roster
// as it is now.
func (p configured) Again(_ context.Context, project, role string) ([]people.Grant, error) {
	var out []people.Grant
	for _, g := range p.c.Grants {
		if g.Role == role && g.Project == project {
			out = append(out, g)
		}
	}
	for _, r := range p.c.Rosters {
		if r.Role == role && r.Project == project {
			more, err := r.read(p.c)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
	}
	return out, nil
}

// readBounded reads a file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, errs.E("config", errs.NotFound, fmt.Errorf("there is no file %s", path))
	case err != nil:
		return nil, errs.E("config", errs.Unavailable, fmt.Errorf("%s cannot be read", path))
	case !info.Mode().IsRegular():
		return nil, errs.E("config", errs.Invalid, fmt.Errorf("%s is not a file", path))
	case info.Size() > limit:
		return nil, errs.E("config", errs.Invalid, fmt.Errorf("%s has %d bytes, and %d is the limit", path, info.Size(), limit))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, errs.E("config", errs.Unavailable, fmt.Errorf("%s cannot be read", path))
	}
	return data, nil
}

func clipped(s string) string {
	if runes := []rune(s); len(runes) > 80 {
		return string(runes[:80]) + "…"
	}
	return s
}
