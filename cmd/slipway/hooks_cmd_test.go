package main

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/integrations/gitlab/setup"
	"slipway/test/fakes/gitlab"
)

// install runs slipway hooks install; told is what it says.
func (w *hookWorld) install(project string, options ...setup.Moved) (told string, err error) {
	w.t.Helper()
	var out strings.Builder
	moved := setup.Ask
	if len(options) > 0 {
		moved = options[0]
	}
	err = installHooks(w.t.Context(), w.config(), project, moved, &out)
	w.secretsKept(out.String() + errs.Text(err))
	return out.String(), err
}

func (w *hookWorld) check() (told string, err error) {
	w.t.Helper()
	var out strings.Builder
	err = checkHooks(w.t.Context(), w.config(), "", &out)
	w.secretsKept(out.String() + errs.Text(err))
	return out.String(), err
}

// secretsKept fails when a text tells a secret.
func (w *hookWorld) secretsKept(text string) {
	w.t.Helper()
	for _, secret := range []string{w.token, hookToken, hookNext, forkToken, hookSigning, hookSigning[6:]} {
		if strings.Contains(text, secret) {
			w.t.Errorf("a secret is told: %s", text)
		}
	}
}

// expect fails unless every part is said.
func wantSaid(t *testing.T, told string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(told, p) {
			t.Errorf("not said: %q\n%s", p, told)
		}
	}
}

// TestHooksAreInstalled: from nothing to two hooks that tell.
func TestHooksAreInstalled(t *testing.T) {
	w := newHookWorld(t, "19.0.1-ee", nil)
	told, err := w.check()
	if !errs.Is(err, errs.Failed) || errs.ExitCode(err) == 0 {
		t.Errorf("check of nothing ends with %v", err)
	}
	wantSaid(t, told, "gitlab.hook_missing", "has no hook harbour\n", "has no hook harbour-fork\n", "slipway hooks install harbour")
	if n := len(w.lab.Hooks(w.project)); n != 0 {
		t.Fatalf("check made %d hooks", n)
	}
	// Without a bot they are made, and the test says that nobody is there.
	told, err = w.install("")
	if !errs.Is(err, errs.Failed) {
		t.Errorf("installed without a bot: %v", err)
	}
	wantSaid(t, told, "harbour: made (hook", "a test did not arrive", "look whether the bot runs")
	w.start()
	told, err = w.install("")
	if err != nil {
		t.Fatalf("%v\n%s", err, told)
	}
	wantSaid(t, told, "the bot is @slipway", "harbour: its secrets set", "harbour: a test arrived, and was taken", "harbour-fork: a test arrived, and was taken")
	hooks := w.lab.Hooks(w.project)
	if len(hooks) != 1 || hooks[0].URL != w.hooks+"/hooks/gitlab/harbour" || hooks[0].Token != hookToken || hooks[0].SigningToken != "" {
		t.Errorf("hooks of the project: %+v", hooks)
	}
	for event, on := range hooks[0].Events {
		if on != slices.Contains(setup.Released.Events(), event) {
			t.Errorf("%s is %v", event, on)
		}
	}
	fork := w.lab.Hooks(w.fork)
	if len(fork) != 1 || fork[0].Token != forkToken || fork[0].SigningToken != hookSigning || fork[0].Events["note_events"] || !fork[0].Events["pipeline_events"] {
		t.Errorf("hooks of the fork: %+v", fork)
	}
	if n := w.kept(); n != 2 {
		t.Errorf("%d deliveries are kept, want the two tests", n)
	}
	if told, err := w.check(); err != nil {
		t.Errorf("%v\n%s", err, told)
	}
}

// TestHooksAreMended breaks a hook in every way, checks, and installs.
func TestHooksAreMended(t *testing.T) {
	w := newHookWorld(t, "18.11.1-ee", func(text string) string { return strings.Replace(text, ", signing_files: [hook-signing]", "", 1) })
	w.start()
	if told, err := w.install(""); err != nil {
		t.Fatalf("%v\n%s", err, told)
	}
	id := w.lab.Hooks(w.project)[0].ID
	for _, c := range []struct {
		name   string
		change func(*gitlab.Hook)
		said   []string // by check
		did    string   // by install; "": nothing of its own
	}{
		{"an event is off", func(h *gitlab.Hook) { h.Events["note_events"] = false }, []string{"gitlab.hook_wrong", "events that are used are off: note_events"}, "changed, since events that are used are off"},
		{"an event too many", func(h *gitlab.Hook) { h.Events["wiki_page_events"] = true }, []string{"gitlab.hook_wrong", "not used are on: wiki_page_events"}, "changed, since"},
		{"another secret", func(h *gitlab.Hook) { h.Token = "something else" }, nil, "its secrets set"},
		{"some branches", func(h *gitlab.Hook) { h.Branches = "release-*" }, []string{"gitlab.hook_wrong", "some branches"}, "changed, since"},
		{"paused", func(h *gitlab.Hook) { h.Failures, h.Until = 5, time.Now().Add(24*time.Hour) }, []string{"warning gitlab.hook_paused", "sends nothing to the hook harbour until"}, "GitLab sends to it again"},
		{"ended", func(h *gitlab.Hook) { h.Failures = 40 }, []string{"warning gitlab.hook_paused", "any more"}, "GitLab sends to it again"},
	} {
		w.lab.SetHook(id, c.change)
		told, err := w.check()
		if (err != nil) != (len(c.said) > 0) {
			t.Errorf("%s: check ends with %v\n%s", c.name, err, told)
		}
		wantSaid(t, told, c.said...)
		w.ahead.Add(int64(2 * time.Minute)) // GitLab tests hooks five times a minute
		told, err = w.install("harbour")
		if err != nil {
			t.Errorf("%s: install ends with %v\n%s", c.name, err, told)
		}
		wantSaid(t, told, c.did)
		hook := w.lab.Hooks(w.project)
		if len(hook) != 1 || hook[0].Token != hookToken || hook[0].Failures != 0 || hook[0].URL != w.hooks+"/hooks/gitlab/harbour" || hook[0].Branches != "" {
			t.Errorf("%s: left as %+v", c.name, hook)
		}
		if told, err = w.check(); err != nil {
			t.Errorf("%s is not mended: %v\n%s", c.name, err, told)
		}
	}
}

// TestAHookOfAnotherBot: a hook with the same path that sends to another host is not taken away without a
// word from whoever listens there.
func TestAHookOfAnotherBot(t *testing.T) {
	w := newHookWorld(t, "19.0.1-ee", nil)
	w.start()
	const there = "https://staging.harbour.example/hooks/gitlab/harbour"
	const secret = "a secret of the other bot"
	id := w.lab.AddHook(gitlab.Hook{Project: w.project, URL: there, Token: secret}).ID
	told, err := w.check()
	if err == nil {
		t.Error("check finds nothing")
	}
	wantSaid(t, told, "gitlab.hook_wrong", "it sends to "+there, "slipway hooks install harbour --take-over, if this bot was there before; --beside, if another bot is there")
	told, err = w.install("harbour")
	if !errs.Is(err, errs.Failed) {
		t.Errorf("installed: %v", err)
	}
	wantSaid(t, told, "sends to "+there+", which may be another bot", "--take-over", "--beside")
	if all := w.lab.Hooks(w.project); len(all) != 1 || all[0].URL != there || all[0].Token != secret {
		t.Fatalf("without a word: %+v", all)
	}
	told, err = w.install("harbour", setup.Beside)
	if err != nil {
		t.Fatalf("%v\n%s", err, told)
	}
	wantSaid(t, told, "harbour: made (hook", "a test arrived")
	own := w.hooks + "/hooks/gitlab/harbour"
	if all := w.lab.Hooks(w.project); len(all) != 2 || all[0].URL != there || all[0].Token != secret || all[1].URL != own {
		t.Fatalf("beside: %+v", all)
	}
	if told, err = w.install("harbour"); err != nil { // each has its own now
		t.Errorf("%v\n%s", err, told)
	}
	w.lab.SetHook(w.lab.Hooks(w.project)[1].ID, func(h *gitlab.Hook) { h.URL = "https://old.harbour.example/hooks/gitlab/harbour" })
	if told, err = w.install("harbour", setup.TakeOver); !errs.Is(err, errs.Failed) {
		t.Errorf("which of two hooks is this bot's was guessed: %v", err)
	}
	wantSaid(t, told, "1 more of the same path or name", "--beside")
	if all := w.lab.Hooks(w.project); all[0].URL != there || all[0].Token != secret {
		t.Fatalf("taken over: %+v", all)
	}
	w.lab.SetHook(id, func(h *gitlab.Hook) { h.URL = "https://ci.harbour.example/" })
	w.ahead.Add(int64(2 * time.Minute)) // GitLab tests hooks five times a minute
	told, err = w.install("harbour", setup.TakeOver)
	if err != nil {
		t.Fatalf("%v\n%s", err, told)
	}
	wantSaid(t, told, "changed, since it sends to https://old.harbour.example/")
	if all := w.lab.Hooks(w.project); len(all) != 2 || all[1].URL != own || all[1].Token != hookToken {
		t.Fatalf("taken over: %+v", all)
	}
}

// TestHooksOfAnOldGitLab: one that does not sign cannot serve a hook that demands a signature alone.
func TestHooksOfAnOldGitLab(t *testing.T) {
	w := newHookWorld(t, "18.11.1-ee", func(text string) string {
		return strings.Replace(text, "token_files: [fork-token], ", "", 1)
	})
	told, err := w.install("")
	if err == nil {
		t.Error("installed")
	}
	wantSaid(t, told, "harbour-fork: this GitLab does not sign what it sends")
}

// TestHooksOfAProject: commands say which names there are.
func TestHooksOfAProject(t *testing.T) {
	w := newHookWorld(t, "19.0.1-ee", nil)
	var out strings.Builder
	err := checkHooks(t.Context(), w.config(), "harbor", &out)
	if !errs.Is(err, errs.NotFound) || !strings.Contains(errs.Text(err), `did you mean "harbour"?`) {
		t.Errorf("said %v", errs.Text(err))
	}
	conf := w.config()
	conf.GitLab = gitlabConfig{}
	if err := installHooks(t.Context(), conf, "", setup.Ask, &out); !errs.Is(err, errs.Invalid) {
		t.Errorf("said %v", errs.Text(err))
	}
	// A role that may not look after hooks.
	w.lab.AddMember(w.project, w.bot, gitlab.Developer)
	out.Reset()
	if err := installHooks(t.Context(), w.config(), "harbour", setup.Ask, &out); err == nil {
		t.Error("installed as Developer")
	}
	wantSaid(t, out.String(), "make the bot's account Maintainer of project")
	// A token that may only read.
	w.lab.SetToken(w.token, func(x *gitlab.Token) { x.Scopes = []string{"read_api"} })
	out.Reset()
	if err := installHooks(t.Context(), w.config(), "harbour", setup.Ask, &out); err == nil {
		t.Error("installed with a token that reads")
	}
	wantSaid(t, out.String(), "give the token the scope api")
	w.lab.SetToken(w.token, func(x *gitlab.Token) { x.Scopes = []string{"api"} })
	// A token of a person.
	conf = w.config()
	conf.Persons = []people.Person{{ID: "ben", Accounts: []people.Account{{Source: "gitlab", ID: strconv.Itoa(w.bot)}}}}
	if err := installHooks(t.Context(), conf, "harbour", setup.Ask, &out); !errs.Is(err, errs.Invalid) {
		t.Errorf("installed as a person: %v", errs.Text(err))
	}
	w.lab.RenameProject(w.fork, "maria/pier")
	out.Reset()
	if err := installHooks(t.Context(), w.config(), "", setup.Ask, &out); err == nil {
		t.Error("installed in a project that moved")
	}
	wantSaid(t, out.String(), "is maria/pier now")
}
