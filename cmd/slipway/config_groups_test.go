package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
)

func badGroups() []badConfig {
	const tester = "tester: {persons: [tessa]}"
	return []badConfig{
		{name: "group of Slack and persons", old: tester, new: "tester: {persons: [tessa], slack_group: S0123ABCD}"},
		{name: "group of Slack and a roster", old: "roster: maintainers", new: "roster: maintainers, slack_group: S0123ABCD"},
		{name: "name of a group of Slack", old: tester, new: "tester: {slack_group: \"@testers\"}"},
		{name: "admins as a group of Slack", old: "admin: {persons: [hana]}", new: "admin: {slack_group: S0123ABCD}"},
	}
}

// circle is a user group.
type circle struct {
	id      string
	members []string
	down    error
}

func (c *circle) Group(_ context.Context, id string) ([]string, error) {
	if id != c.id {
		return nil, errs.E("slack.group", errs.NotFound, errors.New("there is no such group"))
	}
	return c.members, c.down
}

func TestRolesThatAreGroupsOfSlack(t *testing.T) {
	text, _ := exampleFolder(t)
	text = strings.Replace(text, "tester: {persons: [tessa]}", "tester: {slack_group: S0123ABCD}", 1)
	text = strings.Replace(text, "  \"*\":\n", "  \"*\":\n    watcher: {slack_group: S0456EFGH}\n", 1)
	c, err := parseConfig("slipway.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	group := &circle{id: "S0123ABCD", members: []string{"U0456EFGH", "U1"}}
	s := staff{configured{c}, group}
	if got := s.Elsewhere(); !slices.Equal(got, []engine.Role{{Project: "*", Role: "watcher"}, {Project: "harbour", Role: "tester"}}) {
		t.Fatalf("elsewhere are %v", got)
	}
	_, grants, err := s.People(t.Context())
	if err != nil || slices.ContainsFunc(grants, func(g people.Grant) bool { return g.Role == "tester" }) {
		t.Fatalf("%v %v", grants, err)
	}
	again, err := s.Again(t.Context(), "harbour", "tester")
	if err != nil || len(again) != 2 || again[0].Account.String() != "slack:T0123ABCD/U0456EFGH" || again[0].Person != "" || again[0].Project != "harbour" {
		t.Fatalf("%+v %v", again, err)
	}
	for _, role := range []engine.Role{{Project: "*", Role: "tester"}, {Project: "harbour", Role: "watcher"}} {
		if again, err := s.Again(t.Context(), role.Project, role.Role); err != nil || len(again) != 0 {
			t.Errorf("%v: %+v %v", role, again, err)
		}
	}
	if _, err := s.Again(t.Context(), "*", "watcher"); !errs.Is(err, errs.Unavailable) { // the group is gone
		t.Errorf("%v", err)
	}
	group.down = errs.E("slack", errs.Busy, errors.New("Slack asks to wait")).AskedToWait(7 * time.Second)
	if _, err := s.Again(t.Context(), "harbour", "tester"); !errs.Is(err, errs.Busy) || errs.After(err) != 7*time.Second { // it is not away
		t.Errorf("%v", err)
	}
	group.down = errs.E("slack", errs.Denied, errors.New("the token has ended"))
	for _, one := range []staff{s, {configured{c}, nil}} {
		if _, err := one.Again(t.Context(), "harbour", "tester"); !errs.Is(err, errs.Unavailable) {
			t.Errorf("%v", err)
		}
	}
	if !c.grouped("harbour", "tester") || !c.grouped("harbour", "watcher") || c.grouped("harbour", "maintainer") || !c.slackGroups() {
		t.Error("groups are not known")
	}
	c.Slack = slackConfig{}
	if err := (rawConfig{}).validGroups("", c); !errs.Is(err, errs.Invalid) {
		t.Errorf("without a workspace: %v", err)
	}
}
