package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/commands/grammar"
	"slipway/integrations/console"
	"slipway/integrations/console/api"
	"slipway/integrations/console/client"
	"slipway/integrations/console/login"
)

// shell runs one command line as a person would, and gives what it printed.
func (w *doorWorld) shell(args ...string) (code int, out string) {
	w.t.Helper()
	r, to, err := os.Pipe()
	if err != nil {
		w.t.Fatal(err)
	}
	was := os.Stdout
	os.Stdout = to
	defer func() { os.Stdout = was }()
	done := make(chan string, 1)
	go func() { raw, _ := io.ReadAll(r); done <- string(raw) }()
	code = run(context.Background(), append([]string{"--config", filepath.Join(w.dir, "slipway.yaml")}, args...))
	_ = to.Close()
	return code, <-done
}

// A person who is not on the machine approves with a token, whose scopes bound what it does: by
// command, by the API's own way, and by reaction.
func TestApprovingOverTheNetworkWithAToken(t *testing.T) {
	w := newDoorWorld(t, asOne)
	ctx := context.Background()
	secrets := map[string]string{}
	for _, scopes := range []string{"read", "say", "read,say,approve"} {
		name := strings.ReplaceAll(scopes, ",", "-")
		code, secret := w.shell("token", "new", name, "--scopes", scopes)
		if code != 0 || !strings.HasPrefix(secret, "slw_") {
			t.Fatalf("%d %q", code, secret)
		}
		secrets[scopes] = filepath.Join(w.dir, name)
		if err := os.WriteFile(secrets[scopes], []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	with := func(scopes string, args ...string) (int, string) {
		return w.shell(append([]string{"--url", "http://" + w.addr, "--token-file", secrets[scopes]}, args...)...)
	}
	bot := func(scopes string) *client.Client {
		secret, err := os.ReadFile(secrets[scopes])
		if err != nil {
			t.Fatal(err)
		}
		return &client.Client{URL: "http://" + w.addr, Token: strings.TrimSpace(string(secret)), Tries: 1}
	}
	if code, out := with("read", "mine"); code != 0 || !strings.Contains(out, "Nothing waits") {
		t.Errorf("%d %s", code, out)
	}
	if code, _ := with("read", "ask", "whoami"); code != 3 {
		t.Errorf("a token that may only read says something: %d", code)
	}
	if code, out := with("say", "ask", "whoami"); code != 0 || !strings.Contains(out, "hana") {
		t.Errorf("%d %s", code, out)
	}
	for _, text := range []string{"approve 2019.01 go", "slipway approve 2019.01", "@slipway: reject 2019.01 go --reason x", "help\nveto 2019.01 go --reason x", "approve go"} {
		if _, err := bot("say").Say(ctx, console.Saying{Channel: "general", Text: text}); !errs.Is(err, errs.Denied) || !strings.Contains(errs.Text(err), "approve") {
			t.Errorf("a token that may only talk says %q: %v", text, err)
		}
	}
	for _, text := range []string{"pause effects --reason x", "release hold 2019.01", "grant ben maintainer harbour", "doubt 2019.01 announce failed"} {
		if _, err := bot("read,say,approve").Say(ctx, console.Saying{Channel: "general", Text: text}); !errs.Is(err, errs.Denied) || !strings.Contains(errs.Text(err), "operate") {
			t.Errorf("a token that may not operate says %q: %v", text, err)
		}
	}
	m, err := bot("say").Say(ctx, console.Saying{Channel: "general", Text: "good morning"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bot("say").React(ctx, m.ID, "✅", true); !errs.Is(err, errs.Denied) {
		t.Errorf("a token that may only talk reacts: %v", err)
	}
	if _, err := bot("read,say,approve").React(ctx, m.ID, "✅", true); err != nil {
		t.Error(err)
	}
	if _, err := bot("read,say,approve").Backup(ctx, "/tmp/x"); !errs.Is(err, errs.Denied) {
		t.Errorf("a backup from afar: %v", err)
	}

	// A private run exists for its circle alone: Ben is not on this machine, and asks through a token.
	if code, out := w.shell("ask", "release", "2019.01"); code != 0 {
		t.Fatal(out)
	}
	if code, out := with("read", "show", "2019.01"); code != 0 || !strings.Contains(out, "release/harbour/2019.01") {
		t.Errorf("%d %s", code, out)
	}
	if code, _ := with("read", "approve", "2019.01", "--yes"); code == 0 {
		t.Error("a token that may only read approves")
	}
	if code, _ := w.shell("token", "revoke", "read"); code != 0 {
		t.Error("it is not revoked")
	}
	if code, _ := with("read", "mine"); code != 3 {
		t.Errorf("a revoked token is good: %d", code)
	}
	if strings.Contains(w.log.String(), "slw_") {
		t.Error("a token is in the log")
	}
}

// Every command of the table is sorted: what approves and what steers is never left to a way in that
// may only talk.
func TestScopesOfCommands(t *testing.T) {
	table, err := grammar.Standard(grammar.Release(nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[login.Scope][]string{}
	for _, e := range table.Entries() {
		for _, line := range e.Examples {
			s := scopeOf(table, line)
			if !slices.Contains(seen[s], e.Path) {
				seen[s] = append(seen[s], e.Path)
			}
		}
	}
	for s, must := range map[login.Scope][]string{
		login.Approve: {"approve", "reject", "veto", "unveto", "lift", "withdraw"},
		login.Operate: {"doubt", "grant", "revoke", "delegate", "appoint", "hand-over", "lock take", "freeze add", "freeze end", "inbox replay", "pause effects", "resume effects",
			"release hold", "release abort", "release retry", "release skip", "release again", "release adopt", "release undo-confirm", "release open"},
		login.Say: {"mine", "help", "whoami", "release", "release why", "release who", "release list", "answer", "done"},
	} {
		for _, path := range must {
			if !slices.Contains(seen[s], path) {
				t.Errorf("%s does not need %s", path, s)
			}
			for other, list := range seen {
				if other != s && path != "release migrate" && slices.Contains(list, path) {
					t.Errorf("%s needs %s in one example and %s in another", path, s, other)
				}
			}
		}
	}
	for text, want := range map[string]login.Scope{
		"good morning": login.Say, "": login.Say, "> approve 2019.01": login.Say, "approve 2019.01 go\npause effects --reason x": login.Operate,
		"SLIPWAY: APPROVE 2019.01": login.Approve, "help\n\n  @slipway approve 2019.01": login.Approve,
	} {
		if got := scopeOf(table, text); got != want {
			t.Errorf("%q needs %s, want %s", text, got, want)
		}
	}
}

func TestPrintingTheDocument(t *testing.T) {
	if !bytes.Contains(api.Document(), []byte(`"openapi": "3.1.0"`)) {
		t.Error("it is not OpenAPI 3.1")
	}
	if got := span(26*time.Hour + 5*time.Minute); got != "1d 2h" {
		t.Error(got)
	}
}
