package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/test/fakes/gitlab"
)

// TestDoctorOfGitLab makes every finding of GitLab appear, and not appear.
func TestDoctorOfGitLab(t *testing.T) {
	w := newHookWorld(t, "19.0.1-ee", nil)
	w.start()
	if told, err := w.install(""); err != nil {
		t.Fatalf("%v\n%s", err, told)
	}
	hookOf := func(project int) int { return w.lab.Hooks(project)[0].ID }
	today := time.Now().UTC().Truncate(24 * time.Hour)
	scopes := func(all ...string) func() {
		return func() { w.lab.SetToken(w.token, func(x *gitlab.Token) { x.Scopes = all }) }
	}
	expires := func(at time.Time) func() {
		return func() { w.lab.SetToken(w.token, func(x *gitlab.Token) { x.Expires = at }) }
	}
	roomed := func(from, to string) func() {
		fork := fmt.Sprintf("fork: %d", w.fork)
		return func() {
			text := strings.Replace(w.text(), fork+from+"}", fork+to+"}", 1)
			if err := os.WriteFile(filepath.Join(w.dir, "slipway.yaml"), []byte(text), 0o600); err != nil {
				t.Error(err)
			}
		}
	}
	role := func(project, role int) func() { return func() { w.lab.AddMember(project, w.bot, role) } }
	for _, c := range []struct {
		code, name   string
		change, back func()
		what, fix    string // what is found; "" is nothing
	}{
		{"gitlab.unreachable", "it is away", w.lab.Away, func() {
			if err := w.lab.Back(); err != nil {
				t.Error(err)
			}
		}, "GitLab cannot be reached", ""},
		{"gitlab.unreachable", "it fails", func() { w.lab.BadGateways(true) }, func() { w.lab.BadGateways(false) }, "GitLab answered 502", ""},
		{"gitlab.unreachable", "the token is bad", func() { w.lab.SetToken(w.token, func(x *gitlab.Token) { x.Revoked = true }) },
			func() { w.lab.SetToken(w.token, func(x *gitlab.Token) { x.Revoked = false }) }, "", ""},
		{"gitlab.token_bad", "it is revoked", func() { w.lab.SetToken(w.token, func(x *gitlab.Token) { x.Revoked = true }) },
			func() { w.lab.SetToken(w.token, func(x *gitlab.Token) { x.Revoked = false }) }, "does not accept the bot's token", "make a new one with the scope api"},
		{"gitlab.token_bad", "it has expired", expires(today.AddDate(0, 0, -1)), expires(time.Time{}), "does not accept the bot's token", "make a new one"},
		{"gitlab.token_bad", "GitLab is away", func() { w.lab.BadGateways(true) }, func() { w.lab.BadGateways(false) }, "", ""},
		{"gitlab.scope_missing", "it reads", scopes("read_api", "read_user"), scopes("api"), "its scopes are: read_api, read_user", ""},
		{"gitlab.token_expires", "in a year", expires(today.AddDate(1, 0, 0)), nil, "", ""},
		{"gitlab.token_expires", "in 31 days", expires(today.AddDate(0, 0, 32)), nil, "", ""},
		{"gitlab.token_expires", "in 29 days", expires(today.AddDate(0, 0, 29)), expires(time.Time{}), "expires on " + today.AddDate(0, 0, 29).Format(time.DateOnly), ""},
		{"gitlab.project_moved", "it is renamed", func() { w.lab.RenameProject(w.fork, "maria/pier") }, func() { w.lab.RenameProject(w.fork, "maria/harbour") },
			"the fork of harbour: the GitLab project ", "change its remote to"},
		{"gitlab.project_moved", "the bot is no member", role(w.fork, 0), role(w.fork, gitlab.Maintainer), "or does not show it to the bot", "make the bot's account a member"},
		{"gitlab.role_low", "of the project", role(w.project, gitlab.Developer), role(w.project, gitlab.Maintainer),
			"in harbour the bot's account is Developer, and needs to be Maintainer", "make it Maintainer"},
		{"gitlab.role_low", "of the fork", role(w.fork, gitlab.Reporter), role(w.fork, gitlab.Maintainer), "in the fork of harbour the bot's account is Reporter", "make it Maintainer"},
		{"gitlab.room_missing", "it never was", roomed("", ", rooms: [issues/99]"), roomed(", rooms: [issues/99]", ""), "/issues/99 of harbour", ""},
		{"gitlab.hook_paused", "it is", func() { w.lab.Pause(hookOf(w.project), 5) }, func() { w.lab.Pause(hookOf(w.project), 0) }, "sends nothing to the hook harbour until", "slipway hooks install harbour"},
		{"gitlab.hook_paused", "for good", func() { w.lab.Pause(hookOf(w.project), 40) }, func() { w.lab.Pause(hookOf(w.project), 0) }, "any more", "slipway hooks install harbour"},
		{"gitlab.hook_wrong", "it does not sign", func() { w.lab.SetHook(hookOf(w.fork), func(h *gitlab.Hook) { h.SigningToken = "" }) },
			func() { w.lab.SetHook(hookOf(w.fork), func(h *gitlab.Hook) { h.SigningToken = hookSigning }) }, "the hook harbour-fork: it does not sign", "slipway hooks install"},
		{"gitlab.hook_wrong", "there are two", func() { w.lab.AddHook(gitlab.Hook{Project: w.project, URL: w.hooks + harbourPath}) },
			func() { w.lab.DeleteProject(w.project) }, "1 more of its webhooks send to the same address", ""},
		{"gitlab.hook_missing", "the project is gone", nil, nil, "", ""}, // gitlab.project_moved tells
		{"gitlab.project_moved", "it is gone", nil, nil, "harbour: GitLab has no project", "make the bot's account a member"},
	} {
		t.Run(c.code+"/"+c.name, func(t *testing.T) {
			all := gitlabAilments()
			a := all[slices.IndexFunc(all, func(a ailment) bool { return a.code == c.code })]
			p := func() *patient { return &patient{conf: w.config()} } // one that has asked nothing yet
			if c.change != nil && c.what != "" {
				if c.name != "it is gone" {
					expectSymptom(t, a.look(t.Context(), p()), "", "")
				}
			}
			if c.change != nil {
				c.change()
			}
			found := a.look(t.Context(), p())
			for _, s := range found {
				w.secretsKept(s.what + s.fix)
			}
			if c.back != nil {
				c.back()
			}
			if c.what != "" && len(found) > 1 {
				found = found[:1]
			}
			expectSymptom(t, found, c.what, c.fix)
			if doc := gitlabDocs()[c.code]; doc.meaning == "" || doc.fix == "" || doc.every == 0 {
				t.Error("nothing says what the code means")
			}
		})
	}
}

// TestSilentHooks: gitlab.hook_silent is told when a project changed and its hook did not tell.
func TestSilentHooks(t *testing.T) {
	now := time.Date(2019, 1, 31, 14, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	h := gitlabHook{Project: "harbour", ID: 4711}
	h.Name = "harbour"
	for name, c := range map[string]struct {
		last, activity time.Time
		refused, what  string
	}{
		"nothing happened":   {ago(48 * time.Hour), ago(72 * time.Hour), "", ""},
		"it told":            {ago(time.Minute), ago(2 * time.Minute), "", ""},
		"within the hour":    {ago(3 * time.Hour), ago(150 * time.Minute), "", ""},
		"a moment ago":       {ago(3 * time.Hour), ago(time.Minute), "", ""},
		"it told nothing":    {ago(3 * time.Hour), ago(time.Hour), "", "project 4711 changed at 2019-01-31 13:00 UTC, and the hook harbour has told nothing since 2019-01-31 11:00 UTC"},
		"what came was bad":  {ago(3 * time.Hour), ago(time.Hour), "the token is missing or wrong", "what came was refused: the token is missing or wrong"},
		"no activity at all": {ago(3 * time.Hour), time.Time{}, "", ""},
	} {
		found := silence(h, c.last, c.activity, now, c.refused)
		if (len(found) > 0) != (c.what != "") || c.what != "" && !strings.Contains(found[0].what, c.what) {
			t.Errorf("%s: %+v", name, found)
		}
	}
	h.Of = "handover"
	if found := silence(h, ago(3*time.Hour), ago(time.Hour), now, ""); len(found) > 0 {
		t.Errorf("of a project in which others work: %+v", found)
	}
	w := newHookWorld(t, "19.0.1-ee", nil)
	w.start()
	expectSymptom(t, silentHooks(t.Context(), &patient{conf: w.b.conf, bot: w.b}), "", "")
	w.b.forge.began = time.Now().Add(-5 * time.Hour)
	w.ahead.Store(int64(-2 * time.Hour))
	if _, err := w.lab.CommitFiles(w.project, w.bot, "master", "Change", map[string]string{"NEWS": "x\n"}); err != nil {
		t.Fatal(err)
	}
	found := silentHooks(t.Context(), &patient{conf: w.b.conf, bot: w.b})
	if !slices.ContainsFunc(found, func(s symptom) bool { return strings.Contains(s.what, "the hook harbour has told nothing") }) {
		t.Errorf("found %+v", found)
	}
}

// TestRefusedDeliveries: gitlab.hook_refused is told when GitLab has another secret than the bot, and no
// more once it has the same.
func TestRefusedDeliveries(t *testing.T) {
	w := newHookWorld(t, "19.0.1-ee", nil)
	w.start()
	p := &patient{conf: w.b.conf, bot: w.b}
	expectSymptom(t, refusingHooks(t.Context(), p), "", "")
	send := func(token string, want int) {
		t.Helper()
		if got := w.post("/hooks/gitlab/harbour", w.pushed(), "X-Gitlab-Token", token); got != want {
			t.Fatalf("answered with %d, want %d", got, want)
		}
	}
	for range 12 {
		send("a-secret-of-somebody-else", 401)
	}
	expectSymptom(t, refusingHooks(t.Context(), p), "the hook harbour refused 12 deliveries since 20", "slipway hooks install harbour gives GitLab the secret of the configuration")
	send(w.b.conf.GitLab.Hooks[0].Tokens[0], 200)
	expectSymptom(t, refusingHooks(t.Context(), p), "", "")
}

// TestDoctorWithoutGitLab: nothing is asked, and nothing found.
func TestDoctorWithoutGitLab(t *testing.T) {
	p := &patient{conf: &config{}, bot: &bot{}}
	for _, a := range append(gitlabAilments(), liveGitLabAilments()...) {
		if found := a.look(t.Context(), p); len(found) > 0 {
			t.Errorf("%s: %+v", a.code, found)
		}
	}
}
