package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/people"
	"slipway/integrations/console"
	"slipway/integrations/console/client"
)

// embargoYAML is a release whose name and whose inputs nobody outside of its circle may read.
const embargoYAML = `
playbook: release
doc: A release that may be under embargo.
name: "release/${project.name}/${inputs.version}"
inputs:
  version: {type: version, help: "a version"}
  note: {type: string, default: "nothing special", help: "what it mends"}
uses: ["repo/${project.name}"]
steps:
  words: {ask: requester, prompt: "How is ${inputs.note} told?", fields: {headline: {type: string, help: "one line"}}}
  go: {gate: "1 of maintainer, not requester", binds: ["${inputs.version}", "${inputs.note}", "${steps.words.headline}"], needs: [words], remind: 1h}
  tell: {do: chat.broadcast@1, with: {title: "${inputs.version} mends ${inputs.note}"}, needs: [go]}
`

// What is secret in the test: the version, the input, and the run's id, which is added.
const secretVersion, secretNote = "2077.11", "embargo-2019"

// embargoed is the configuration of a demo in which tessa, who is in no circle, is an admin, and the
// release playbook is the one above.
func embargoed(text, addr, books string) string {
	text = strings.Replace(asMany(text, addr), "admin: {persons: [hana]}", "admin: {persons: [hana, tessa]}", 1)
	return fmt.Sprintf("playbooks: %q\n", books) + text
}

// secretWorld is a bot in which hana and ben know of a private run that waits at its gate, and holds
// the lock that a run of chen's waits for.
type secretWorld struct {
	*doorWorld
	id     string
	secret []string
}

func newSecretWorld(t *testing.T) *secretWorld {
	t.Helper()
	books := t.TempDir()
	if err := os.WriteFile(filepath.Join(books, "release.yaml"), []byte(embargoYAML), 0o600); err != nil {
		t.Fatal(err)
	}
	w := &secretWorld{doorWorld: newDoorWorld(t, func(text, addr string) string { return embargoed(text, addr, books) })}
	w.until("the run begins", func() bool {
		w.ask("hana", console.Mine, fmt.Sprintf("release %s --private --circle ben note=%s", secretVersion, secretNote))
		w.id, _ = w.b.engine.Resolve(t.Context(), secretVersion, "ben")
		return w.id != ""
	})
	w.secret = []string{secretVersion, secretNote, w.id}
	w.ask("hana", console.Mine, "answer "+secretVersion+" words headline="+secretNote+"-headline")
	w.until("it waits at its gate", func() bool {
		return strings.Contains(w.ask("hana", console.Mine, "release why "+secretVersion), "go is running")
	})
	w.ask("chen", "general", "release 2019.01")
	return w
}

// ask says a command as a person and gives the answer; "" when none came.
func (w *secretWorld) ask(who, channel, text string) string {
	w.t.Helper()
	c := &client.Client{Path: w.b.conf.Socket, As: who}
	defer c.Close()
	a, err := c.Command(w.t.Context(), console.Saying{ID: newID(), Channel: channel, Text: text}, 20*time.Second)
	if err != nil {
		w.t.Fatalf("%s: %s: %v", who, text, err)
	}
	return a.Text
}

// tells are the secrets in a text.
func (w *secretWorld) tells(text string) (out []string) {
	for _, s := range w.secret {
		if strings.Contains(text, s) {
			out = append(out, s)
		}
	}
	return out
}

// TestAPrivateRunIsInvisible is one table of everything that can be read: commands in channels and in
// direct rooms, pages, the API, feeds, event streams, the inbox and the log. No byte of it that
// reaches somebody outside of the circle names the run, its inputs or its id; those inside see it.
func TestAPrivateRunIsInvisible(t *testing.T) {
	w := newSecretWorld(t)
	streams := w.streams(t, "chen", "tessa")
	// The run moves while others watch.
	w.ask("hana", console.Mine, "release hold "+secretVersion+" --reason "+secretNote)
	w.ask("hana", console.Mine, "release resume "+secretVersion)
	w.ask("ben", console.Mine, "veto "+secretVersion+" go --reason "+secretNote)
	w.ask("ben", console.Mine, "unveto "+secretVersion+" go")

	// Questions that name nothing.
	for _, q := range []string{"mine", "release list", "release list --all", "lock list", "lock show repo/harbour", "release why 2019.01", "who 2019.01", "release show 2019.01",
		"release history 2019.01", "people", "whoami", "freeze list", "inbox list", "playbook list", "playbook show release", "help", "away list", "release why", "release why 2077", "release why 2077.1",
		"subscriptions", "receipts", "release show x"} {
		for _, who := range []string{"chen", "tessa"} {
			for _, where := range []string{"general", console.Mine} {
				if got := w.tells(w.ask(who, where, q)); got != nil {
					t.Errorf("%s asks in %s: %s, and is told %v", who, where, q, got)
				}
			}
		}
	}
	w.pages(t)
	for who, text := range streams() {
		if len(text) == 0 {
			t.Errorf("the stream of %s was silent", who)
		}
		if got := w.tells(text); got != nil {
			at := strings.Index(text, got[0])
			t.Errorf("the stream of %s tells %v: …%s…", who, got, text[max(0, at-200):min(len(text), at+200)])
		}
	}
	// From here on outsiders guess names, which all may read then. Those inside who ask where others read are answered alone, and typing errors suggest nothing.
	for _, q := range []string{"mine", "release list", "release why " + secretVersion, "release show " + secretVersion, "release why 2077.1", "approve 2077.1", "release hold " + secretVersion + " --reason x", "release resume " + secretVersion} {
		answer := w.ask("hana", "general", q)
		if got := w.tells(strings.ReplaceAll(answer, lastWord(q), "")); got != nil {
			t.Errorf("hana asks in general: %s, and all read %v: %s", q, got, answer)
		}
	}
	// Commands that name it are answered like those that name what never was.
	never := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return '9' - (r - '0')
		}
		return r
	}, w.id)
	for _, q := range []string{"release why %s", "release show %s", "who %s", "release history %s", "release runbook %s", "release undo-plan %s", "release migrate %s --plan", "approve %s go",
		"reject %s go --reason no", "veto %s go --reason no", "withdraw %s go", "answer %s words headline=x", "done %s words", "doubt %s tell happened", "appoint tessa maintainer %s",
		"hand-over %s tessa", "lock take repo/harbour --from %s --reason now", "release hold %s --reason x", "release resume %s", "release retry %s tell", "release skip %s tell --reason x",
		"release again %s tell --reason x", "release abort %s --reason x", "release open %s", "release migrate %s", "release undo-confirm %s"} {
		for i, names := range [][2]string{{secretVersion, "2066.11"}, {w.id, never}, {"release/harbour/" + secretVersion, "release/harbour/2066.11"}, {"harbour/" + secretVersion, "harbour/2066.11"}} {
			if i > 1 && q != "release why %s" && q != "approve %s go" {
				break // names are found in one place
			}
			for _, who := range []string{"chen", "tessa"} {
				real, none := w.ask(who, "general", fmt.Sprintf(q, names[0])), w.ask(who, "general", fmt.Sprintf(q, names[1]))
				if strings.ReplaceAll(real, names[0], "NAME") != strings.ReplaceAll(none, names[1], "NAME") {
					t.Errorf("%s: %s is answered\n%s\nand of what never was\n%s", who, fmt.Sprintf(q, names[0]), real, none)
				}
			}
		}
	}
	if text := w.ask("chen", "general", "release why 2019.01"); !strings.Contains(text, "a private run") {
		t.Errorf("chen is not told what holds the lock: %s", text)
	}
	// A second run of the name, asked for from outside, is refused without a word of why.
	if text := w.ask("chen", "general", "release "+secretVersion); strings.Contains(text, "private") || strings.Contains(text, "under way") || w.tells(strings.ReplaceAll(text, secretVersion, "")) != nil {
		t.Errorf("the name is taken, and chen is told: %s", text)
	}
	w.inbox(t)
	w.rooms(t)
	if got := w.tells(w.log.String()); got != nil {
		t.Errorf("the log tells %v:\n%s", got, w.log.String())
	}
	w.opened(t)
}

func lastWord(s string) string {
	f := strings.Fields(s)
	for _, x := range f {
		if strings.HasPrefix(x, "20") {
			return x
		}
	}
	return f[len(f)-1]
}

// streams follows everything that the people may follow, and gives what they were sent.
func (w *secretWorld) streams(t *testing.T, who ...string) func() map[string]string {
	t.Helper()
	var mu sync.Mutex
	got := map[string]string{}
	var stops []func()
	for _, name := range who {
		for _, path := range []string{"/events", "/events?channel=general", "/events?runs=1", "/events?run=" + w.id, "/api/v1/events", "/api/v1/events?channel=general", "/api/v1/events?runs=true"} {
			b := w.browser(name + ".localhost")
			b.c.Timeout = 0
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+b.host+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Accept", "text/event-stream")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			a, err := b.c.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				buf := make([]byte, 4096)
				for {
					n, err := a.Body.Read(buf)
					mu.Lock()
					got[name+" "+strings.ReplaceAll(path, w.id, "ID")] += strings.ReplaceAll(string(buf[:n]), "run="+w.id, "run=ID")
					mu.Unlock()
					if err != nil {
						return
					}
				}
			}()
			stops = append(stops, func() { _ = a.Body.Close(); <-done })
		}
	}
	return func() map[string]string {
		for _, stop := range stops {
			stop()
		}
		return got
	}
}

// pages reads every page, feed and list. What names the run itself is TestAForbiddenRunIsLikeNone's.
func (w *secretWorld) pages(t *testing.T) {
	t.Helper()
	paths := []string{"/", "/c/general", "/c/@me", "/runs", "/runs?status=all", "/runs?past=1", "/mine", "/queue", "/calendar", "/status", "/help", "/account", "/subscriptions", "/tellings", "/public", "/public/feed.atom",
		"/complete?channel=general&line=release+why+20", "/complete?channel=@me&line=approve+", "/complete?channel=general&line=lock+take+repo/harbour+--from+",
		"/api/v1/runs", "/api/v1/runs?status=live", "/api/v1/mine", "/api/v1/queue", "/api/v1/calendar", "/api/v1/findings", "/api/v1/channels", "/api/v1/channels/general/messages", "/api/v1/channels/@me/messages",
		"/api/v1/completions?channel=general&text=release+why+20", "/api/v1/completions?channel=@me&text=approve+", "/api/openapi.json", "/healthz", "/readyz", "/metrics"}
	seen := 0
	for _, who := range []string{"chen", "tessa", ""} {
		host := who + ".localhost"
		if who == "" {
			host = "localhost"
		}
		b := w.browser(host)
		for _, path := range paths {
			a := b.get(path, header("Accept", "text/html, application/json"))
			if got := w.tells(a.text); got != nil {
				at := strings.Index(a.text, got[0])
				t.Errorf("%s tells %q %v: …%s…", path, who, got, a.text[max(0, at-150):min(len(a.text), at+150)])
			}
			if a.StatusCode == http.StatusOK {
				seen++
			}
		}
	}
	if seen < len(paths) {
		t.Errorf("only %d pages could be read", seen)
	}
	hana := w.browser("hana.localhost")
	for _, path := range []string{"/runs", "/runs/" + w.id, "/api/v1/runs", "/mine", "/c/@me"} {
		if a := hana.get(path, header("Accept", "text/html, application/json")); a.StatusCode != http.StatusOK || w.tells(a.text) == nil {
			t.Errorf("%s shows hana nothing of her run: %s", path, a.Status)
		}
	}
}

// inbox looks at every delivery as an admin outside of the circle.
func (w *secretWorld) inbox(t *testing.T) {
	t.Helper()
	list, err := w.b.engine.InboxList(t.Context(), "", 10_000, false)
	if err != nil || len(list) == 0 {
		t.Fatal(len(list), err)
	}
	hidden := 0
	for _, e := range list {
		own := false
		for _, who := range []people.PersonID{"tessa", ""} {
			one, err := w.b.engine.InboxShowTo(t.Context(), e.Seq, who)
			if err != nil {
				t.Fatal(err)
			}
			if one.Place == console.DirectRoom("hana") || one.Place == console.DirectRoom("ben") {
				if w.tells(string(one.Body)) != nil {
					t.Errorf("%q is shown what was said in %s: %s", who, one.Place, one.Body)
				}
				own = true
			}
		}
		if own {
			hidden++
			if one, err := w.b.engine.InboxShowTo(t.Context(), e.Seq, people.PersonID(strings.TrimPrefix(e.Place, "@"))); err != nil || !json.Valid(one.Body) {
				t.Errorf("who said it is not shown it: %s %v", one.Body, err)
			}
		}
	}
	if hidden < 4 {
		t.Errorf("only %d deliveries came from direct rooms", hidden)
	}
	if text := w.ask("tessa", console.Mine, "inbox show "+list[len(list)-1].Seq); !strings.Contains(text, "shown to nobody else") {
		t.Errorf("tessa is shown the first delivery: %s", text)
	}
}

// rooms reads all that the bot ever wrote where others read, with what stood there before.
func (w *secretWorld) rooms(t *testing.T) {
	t.Helper()
	private := 0
	for _, room := range []string{"general", console.DirectRoom("chen"), console.DirectRoom("tessa"), console.DirectRoom("hana"), console.DirectRoom("ben")} {
		list, err := w.b.room.Messages(room, "", 10_000)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			if m.Author != botAccount || isReply(m) {
				continue // answers were compared one by one
			}
			history, err := w.b.room.History(m.ID)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := json.Marshal(struct {
				Now    console.Message
				Before []console.Version
			}{m, history})
			if err != nil {
				t.Fatal(err)
			}
			got := w.tells(string(raw))
			switch inside := slices.Contains([]string{"@hana", "@ben"}, room); {
			case inside && got != nil:
				private++
			case !inside && got != nil:
				t.Errorf("in %s stands %v: %s", room, got, raw)
			}
		}
	}
	if private < 4 { // card and gate message, in two rooms
		t.Errorf("the circle has only %d messages", private)
	}
}

// opened opens the run: one broadcast tells of it, and from then on everybody sees it.
func (w *secretWorld) opened(t *testing.T) {
	t.Helper()
	w.ask("hana", console.Mine, "release open "+secretVersion)
	told := func() (n int) {
		list, err := w.b.room.Messages("general", "", 10_000)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			if m.Author == botAccount && m.Card != nil && strings.Contains(m.Card.Title, "release/harbour/"+secretVersion+" is open") {
				n++
			}
		}
		return n
	}
	w.until("it is told", func() bool { return told() > 0 })
	w.until("chen sees it", func() bool { return w.tells(w.ask("chen", "general", "release list")) != nil })
	w.ask("chen", "general", "approve "+secretVersion+" go")
	w.until("it is done", func() bool {
		list, err := w.b.engine.Runs(t.Context(), engine.Filter{Past: true, Person: "chen"})
		return err == nil && len(list) == 1
	})
	if n := told(); n != 1 {
		t.Errorf("it was told %d times", n)
	}
}
