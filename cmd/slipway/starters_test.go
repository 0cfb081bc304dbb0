package main

import (
	"strings"
	"testing"

	"slipway/bot/errs"
)

func TestStartersNamePlaybooksThatExist(t *testing.T) {
	all, err := contracts()
	if err != nil {
		t.Fatal(err)
	}
	s, err := loadShelf("", all, true)
	if err != nil {
		t.Fatal(err)
	}
	conf := func(playbook string) *config {
		return &config{Projects: map[string]project{"harbour": {Name: "harbour", Starters: map[string]string{playbook: "release-manager"}}}}
	}
	if err := s.triggers(conf("release")); err != nil {
		t.Fatal(err)
	}
	err = s.triggers(conf("relaese"))
	if !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Text(err), `did you mean "release"`) {
		t.Errorf("a misspelt playbook: %v", errs.Text(err))
	}
	p, _ := configured{conf("release")}.Project("harbour")
	if p.Starters["release"] != "release-manager" {
		t.Error("the engine does not get the role that may start a release")
	}
}
