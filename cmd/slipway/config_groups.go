package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
)

// slackGroup is a role that the members of a user group of Slack hold, through their linked accounts.
type slackGroup struct{ Project, Role, ID string }

// slackGroupID is how Slack names user groups.
var slackGroupID = regexp.MustCompile(`^S[A-Z0-9]{2,20}$`)

// validGroup takes over a role that is a user group.
func (r rawRole) validGroup(project, role string, c *config) error {
	bad := func(what, hint string) error {
		return invalid(fmt.Sprintf("roles: %s of %s %s", role, project, what), hint)
	}
	switch {
	case len(r.Persons) > 0 || r.Roster != "":
		return bad("has a slack_group beside persons or a roster", "keep one of them")
	case role == people.Admin:
		return bad("cannot be a group of Slack", "whoever may change the group there could do everything here: name persons, or a roster")
	case !slackGroupID.MatchString(r.SlackGroup):
		return bad(fmt.Sprintf("has the slack_group %q", clipped(r.SlackGroup)), "write the id of the user group, S and capital letters or digits: its address in a browser ends with it")
	}
	c.Groups = append(c.Groups, slackGroup{project, role, r.SlackGroup})
	return nil
}

// validGroups looks, once Slack's part was read, whether there is a workspace to read groups from.
func (r rawConfig) validGroups(_ string, c *config) error {
	if len(c.Groups) > 0 && !c.Slack.on() {
		g := c.Groups[0]
		return invalid(fmt.Sprintf("roles: %s of %s is a user group of Slack, and slack: is not configured", g.Role, g.Project), "write slack: with team, app and token_file; deploy/example/slipway.yaml shows how")
	}
	return nil
}

// grouped reports whether a role of a project is a group, whose members are not known here.
func (c *config) grouped(project, role string) bool {
	for _, g := range c.Groups {
		if g.Role == role && (g.Project == project || g.Project == people.EveryProject) {
			return true
		}
	}
	return false
}

// groups reads user groups where they are kept: the ids of the accounts in one, as that place names
// them. Errors are those of a place that cannot be reached, or of a group that is not there.
type groups interface {
	Group(ctx context.Context, id string) ([]string, error)
}

// staff is who there is: the people of the configuration, with the roles that are groups elsewhere.
// Without groups nobody holds those.
type staff struct {
	configured
	groups groups
}

// Elsewhere lists the roles that are groups.
func (s staff) Elsewhere() []engine.Role {
	var out []engine.Role
	for _, g := range s.c.Groups {
		out = append(out, engine.Role{Project: g.Project, Role: g.Role})
	}
	return out
}

// Again reads one role where it is kept; a group as it is now. Its members are accounts, and whoever
// they belong to holds the role.
func (s staff) Again(ctx context.Context, project, role string) ([]people.Grant, error) {
	out, err := s.configured.Again(ctx, project, role)
	if err != nil {
		return nil, err
	}
	for _, g := range s.c.Groups {
		if g.Role != role || g.Project != project {
			continue
		}
		if s.groups == nil {
			return nil, errs.E("roles", errs.Unavailable, errors.New("user groups of Slack cannot be read here"))
		}
		users, err := s.groups.Group(ctx, g.ID)
		if err != nil {
			kind := errs.Unavailable // whatever keeps it from being read
			if errs.Is(err, errs.Busy) {
				kind = errs.Busy // it is there, and says so a little later: nobody loses a role by that
			}
			return nil, errs.E("roles", kind, fmt.Errorf("the user group %s of Slack: %s", g.ID, errs.Cause(err))).Hint("%s", errs.HintOf(err)).AskedToWait(errs.After(err))
		}
		for _, user := range users {
			a := people.Account{Source: slackSource, ID: s.c.Slack.Team + "/" + user}
			out = append(out, people.Grant{ID: "slack/" + project + "/" + role + "/" + user, Account: a, Role: role, Project: project})
		}
	}
	return out, nil
}
