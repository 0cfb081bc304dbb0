package main

import (
	"fmt"
	"strings"
	"testing"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/integrations/gitlab/hook"
)

// TestProvidersOfAFamily: forge and ci stand for all contracts that GitLab has, and a whole name for
// itself; what GitLab does not have stays where it was.
func TestProvidersOfAFamily(t *testing.T) {
	w := newHookWorld(t, "19.0.1-ee", func(text string) string {
		return strings.Replace(text, "{forge: gitlab, ci: gitlab}", "{forge: gitlab, ci: gitlab, ci.artifacts: local}", 1)
	})
	w.start()
	p, ok := configured{w.b.conf}.Project("harbour")
	if !ok {
		t.Fatal("there is no project")
	}
	for contract, provider := range map[string]string{"ci.start": "gitlab", "ci.pipeline": "gitlab", "ci.cancel": "gitlab", "ci.artifacts": "local", "forge.milestone": "gitlab",
		"forge.release": "gitlab", "git.state": "", "ci": "", "forge": ""} {
		if p.Providers[contract] != provider {
			t.Errorf("%s is given by %q, want %q", contract, p.Providers[contract], provider)
		}
	}
	if home := (configured{w.b.conf}).Home(engine.Place{Source: "gitlab", ID: fmt.Sprintf("%d/issues/1", w.project)}); home != "harbour" {
		t.Errorf("at home in %q", home)
	}
	if home := (configured{w.b.conf}).Home(engine.Place{Source: "gitlab", ID: "1/issues/1"}); home != "" {
		t.Errorf("a stranger is at home in %q", home)
	}
}

// TestDeliveriesBecomeFacts: what was taken is told with the project that it is of, or ignored with
// the reason, and a hook that was taken out of the configuration says so.
func TestDeliveriesBecomeFacts(t *testing.T) {
	w := newHookWorld(t, "19.0.1-ee", nil)
	w.start()
	d := w.b.gitlabDecoder()
	push := func(name string, project int) engine.Delivery {
		body := make([]byte, pushOf(project).Len())
		_, _ = pushOf(project).Read(body)
		return engine.Delivery{Source: hook.Source, Headers: map[string]string{hook.HeaderHook: name, hook.HeaderEvent: "Push Hook"}, Body: body}
	}
	facts, err := d.Decode(push("harbour", w.project))
	if h, ok := facts[0].(engine.Happened); err != nil || !ok || h.Name != "forge.branch" || h.Project != "harbour" || h.Fields["branch"] != "master" {
		t.Errorf("%+v, %v", facts, err)
	}
	facts, err = d.Decode(push("harbour", w.fork))
	if i, ok := facts[0].(engine.Ignored); err != nil || !ok || !strings.Contains(i.Why, "it is of the project") {
		t.Errorf("%+v, %v", facts, err)
	}
	if facts, err = d.Decode(push("gone", w.project)); !errs.Is(err, errs.NotFound) || len(facts) > 0 {
		t.Errorf("%+v, %v", facts, err)
	}
	bad := push("harbour", w.project)
	bad.Body = []byte("{")
	if facts, err = d.Decode(bad); !errs.Is(err, errs.Invalid) || len(facts) > 0 {
		t.Errorf("%+v, %v", facts, err)
	}
}
