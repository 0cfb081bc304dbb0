package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/integrations/gitlab/hook"
	"slipway/test/fakes/gitlab"
)

// gatedYAML is a release that two maintainers approve.
const gatedYAML = `
playbook: release
doc: A release that two maintainers approve.
name: "release/${project.name}/${inputs.version}"
inputs:
  version: {type: version, help: "a version"}
steps:
  go: {gate: "2 of maintainer", binds: ["${inputs.version}"], remind: 1h}
  tell: {do: chat.broadcast@1, with: {title: "${inputs.version} is out"}, needs: [go]}
`

// chatWorld is a bot with a room on GitLab, and people who write there.
type chatWorld struct {
	*hookWorld
	at               gitlab.Place
	ben, chen, other int
}

func newChatWorld(t *testing.T) *chatWorld {
	t.Helper()
	w := &chatWorld{hookWorld: newHookWorld(t, "18.11.1-ee", nil)}
	w.ben, w.chen, w.other = w.lab.AddUser(gitlab.User{Username: "ben"}).ID, w.lab.AddUser(gitlab.User{Username: "chen_c"}).ID, w.lab.AddUser(gitlab.User{Username: "hana"}).ID
	for _, u := range []int{w.ben, w.chen, w.other} {
		w.lab.AddMember(w.project, u, gitlab.Maintainer)
	}
	issue, err := w.lab.OpenIssue(w.ben, gitlab.Issue{Item: gitlab.Item{Project: w.project, Title: "Releases"}})
	w.fine(err)
	w.at = gitlab.IssuePlace(w.project, issue.IID)
	books := t.TempDir()
	w.fine(os.WriteFile(filepath.Join(books, "release.yaml"), []byte(gatedYAML), 0o600))
	path := filepath.Join(w.dir, "slipway.yaml")
	raw, err := os.ReadFile(path)
	w.fine(err)
	text := fmt.Sprintf("playbooks: %q\n", books) + string(raw)
	for old, with := range map[string]string{
		`"console:ben"`:                  fmt.Sprintf(`"console:ben", "gitlab:%d"`, w.ben),
		`"console:chen"`:                 fmt.Sprintf(`"console:chen", "gitlab:%d"`, w.chen),
		fmt.Sprintf("fork: %d}", w.fork): fmt.Sprintf("fork: %d, rooms: [issues/%d]}", w.fork, issue.IID),
	} {
		if !strings.Contains(text, old) {
			t.Fatalf("the configuration has no %s", old)
		}
		text = strings.Replace(text, old, with, 1)
	}
	w.fine(os.WriteFile(path, []byte(text), 0o600))
	w.lab.Take()
	return w
}

func (w *chatWorld) fine(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// hooked has GitLab tell of comments and emoji.
func (w *chatWorld) hooked() {
	w.lab.AddHook(gitlab.Hook{Project: w.project, URL: w.hooks + hook.Path + "harbour", Token: hookToken, Events: map[string]bool{"note_events": true, "emoji_events": true}})
	w.t.Cleanup(w.lab.Pump())
}

// begin starts the bot, and waits until it knows who it is.
func (w *chatWorld) begin() {
	w.t.Helper()
	w.start()
	w.until("the account is known", func() bool { return w.b.forge.username() == "slipway" })
}

func (w *chatWorld) say(user int, text string) gitlab.Note {
	w.t.Helper()
	n, err := w.lab.Comment(user, w.at, text)
	w.fine(err)
	return n
}

// notes are the bot's comments that hold a text, oldest first.
func (w *chatWorld) notes(holds string) (out []gitlab.Note) {
	for _, n := range w.lab.Notes(w.at) {
		if n.Author == w.bot && strings.Contains(n.Body, holds) {
			out = append(out, n)
		}
	}
	return out
}

// note waits until the bot has said something, looking at GitLab again where no hook tells.
func (w *chatWorld) note(holds string) gitlab.Note {
	w.t.Helper()
	var found []gitlab.Note
	defer func() {
		if w.t.Failed() {
			for _, n := range w.notes("") {
				w.t.Logf("the bot said: %s", n.Body)
			}
		}
	}()
	w.until(holds, func() bool { found = w.notes(holds); return len(found) > 0 })
	return found[len(found)-1]
}

func (w *chatWorld) ended() bool {
	w.t.Helper()
	list, err := w.b.engine.Runs(w.t.Context(), engine.Filter{Past: true, Person: "ben"})
	w.fine(err)
	return len(list) == 1
}

// What the messages of a run say.
const (
	cardSays     = "steps, asked for by ben"
	asksForVotes = "On this comment 👍 and ✅ approve"
)

func TestAReleaseIsDrivenByCommentsAndEmoji(t *testing.T) {
	w := newChatWorld(t)
	w.hooked()
	w.begin()
	w.say(w.ben, "> slipway release 2019.02\n\nPlease:\n\n@slipway release 2019.01\n\n```\nslipway release 2019.03\n```")
	gate := w.note(asksForVotes)
	card := w.note(cardSays)
	if gate.Discussion != card.Discussion || len(w.notes("2019.02"))+len(w.notes("2019.03")) != 0 {
		t.Errorf("card %s\ngate %s", card.Body, gate.Body)
	}
	if !regexp.MustCompile("`@slipway approve release/harbour/2019.01 go --manifest sha256:[0-9a-f]{12}`").MatchString(gate.Body) {
		t.Errorf("the gate message says %s", gate.Body)
	}
	_, err := w.lab.Award(w.other, gate.ID, "thumbsup") // hana, but nobody knows that this is hers
	w.fine(err)
	_, err = w.lab.Award(w.ben, gate.ID, "thumbsup")
	w.fine(err)
	w.until("ben is counted", func() bool { return strings.Contains(w.notes(asksForVotes)[0].Body, "ben") })
	asked := w.say(w.other, "slipway approve 2019.01 go")
	answer := w.note("I do not know whose account this is")
	if answer.Discussion != asked.Discussion || !strings.Contains(answer.Body, fmt.Sprint("gitlab:", w.other)) {
		t.Errorf("a stranger is answered %s", answer.Body)
	}
	_, err = w.lab.Reply(w.chen, w.at, gate.Discussion, "@slipway approve")
	w.fine(err)
	w.until("the run ends", w.ended)
	w.until("the gate message is closed", func() bool { return len(w.notes(asksForVotes)) == 0 })
	if n := len(w.notes("gate go")); n != 1 {
		t.Errorf("%d messages of the gate", n)
	}
}

func TestCommentsAndEmojiAreHeardWithoutAnyWebhook(t *testing.T) {
	w := newChatWorld(t)
	w.lab.Fault(gitlab.Fault{Method: "POST", Path: "/projects/*/issues/*/discussions", Do: gitlab.BadGatewayAfter})
	w.lab.Fault(gitlab.Fault{Method: "POST", Path: "/projects/*/issues/*/discussions/*/notes", Do: gitlab.BadGatewayAfter})
	w.begin()
	listen := func() { w.fine(w.b.hearAgain(t.Context(), time.Now())) }
	w.say(w.ben, "slipway release 2019.01")
	listen()
	listen()
	gate := w.note(asksForVotes)
	_, err := w.lab.Award(w.ben, gate.ID, "white_check_mark")
	w.fine(err)
	_, err = w.lab.Award(w.chen, gate.ID, "thumbsup")
	w.fine(err)
	w.until("the run ends", func() bool { listen(); return w.ended() })
	for _, holds := range []string{"#### ✓ release/harbour/2019.01\n", "gate go"} {
		w.note(holds)
		if n := len(w.notes(holds)); n != 1 {
			t.Errorf("%q was said %d times", holds, n)
		}
	}
}

func TestWhatIsHeardTwiceIsDoneOnce(t *testing.T) {
	w := newChatWorld(t)
	w.hooked()
	w.begin()
	w.say(w.ben, "slipway release 2019.01")
	w.note(asksForVotes)
	kept := w.kept()
	w.fine(w.b.hearAgain(t.Context(), time.Now()))
	w.until("it is delivered again", func() bool { return w.kept() > kept })
	w.say(w.ben, "slipway release list")
	w.note("2019.01 ")
	if n := len(w.notes(cardSays)); n != 1 || len(w.notes("is already")) != 0 {
		t.Errorf("%d cards", n)
	}
}

// A comment that was changed before it was heard of is not obeyed, and its author is told so, once.
func TestAnEditOfWhatNoWebhookToldAsksItsAuthor(t *testing.T) {
	w := newChatWorld(t)
	w.begin()
	said := w.say(w.ben, "slipway release 2019.01 --plan")
	w.ahead.Store(int64(time.Minute))
	w.fine(w.lab.EditComment(w.other, said.ID, "slipway release 2019.01"))
	w.fine(w.b.hearAgain(t.Context(), time.Now()))
	told := w.note("it was changed since")
	w.fine(w.b.hearAgain(t.Context(), time.Now()))
	w.say(w.ben, "slipway release list")
	w.fine(w.b.hearAgain(t.Context(), time.Now()))
	w.until("the list is told", func() bool { return len(w.notes("@ben:")) > 1 })
	if n := len(w.notes("it was changed since")); n != 1 || told.Discussion != said.Discussion || len(w.notes(cardSays)) != 0 {
		t.Errorf("told %d times: %s", n, told.Body)
	}
}

// What cannot be read of one project does not keep the bot from the others.
func TestAForkThatIsGoneDoesNotMakeTheBotDeaf(t *testing.T) {
	w := newChatWorld(t)
	w.lab.DeleteProject(w.fork)
	w.begin()
	w.say(w.ben, "slipway release 2019.01")
	now := time.Now().Add(time.Hour)
	if err := w.b.hearAgain(t.Context(), now); err == nil {
		t.Error("nothing is said of the fork")
	}
	w.note(asksForVotes)
	c := w.b.forge.chat
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.since[w.project]; !at.Equal(now) || len(c.rooms) != 0 || c.since[w.fork].Equal(now) {
		t.Errorf("read up to %v, with %v left", c.since, c.rooms)
	}
}

func TestWhatHappensWhileTheBotIsAwayForAMoment(t *testing.T) {
	w := newChatWorld(t)
	stop := w.startOnce()
	w.until("the account is known", func() bool { return w.b.forge.username() == "slipway" })
	w.say(w.ben, "slipway release 2019.01")
	w.fine(w.b.hearAgain(t.Context(), time.Now()))
	gate := w.note(asksForVotes)
	stop()
	_, err := w.lab.Award(w.ben, gate.ID, "thumbsup")
	w.fine(err)
	w.say(w.chen, "@slipway approve 2019.01 go")
	w.start()
	if w.b.forge.username() != "slipway" {
		t.Error("the name of the bot was forgotten")
	}
	w.until("the run ends", w.ended)
	w.note("✓ release/harbour/2019.01\n")
	if n := len(w.notes("release/harbour/2019.01\n")); n != 1 {
		t.Errorf("%d cards", n)
	}
}

func TestAGateMessageThatSomebodyChangedIsWrittenAnew(t *testing.T) {
	w := newChatWorld(t)
	w.hooked()
	w.begin()
	w.say(w.ben, "slipway release 2019.01")
	gate := w.note(asksForVotes)
	w.until("it is sealed", func() bool { // until then the bot itself writes it once more
		gate = w.note(asksForVotes)
		return strings.Contains(gate.Body, fmt.Sprint("note=", gate.ID))
	})
	w.fine(w.lab.EditComment(w.other, gate.ID, strings.ReplaceAll(gate.Body, "2019.01", "2019.00")))
	_, err := w.lab.Award(w.ben, gate.ID, "thumbsup")
	w.fine(err)
	_, err = w.lab.Award(w.chen, gate.ID, "thumbsup")
	w.fine(err)
	again := w.note("For a while this comment did not say what Slipway wrote")
	if again.ID != gate.ID || strings.Contains(again.Body, "2019.00") || w.ended() {
		t.Fatalf("it says %s", again.Body)
	}
	for _, u := range []int{w.ben, w.chen} {
		w.fine(w.lab.Revoke(u, gate.ID, "thumbsup"))
		_, err := w.lab.Award(u, gate.ID, "thumbsup")
		w.fine(err)
	}
	w.until("the run ends", w.ended)
}

func TestAPrivateRunIsNotSpokenOfOnGitLab(t *testing.T) {
	w := newChatWorld(t)
	w.hooked()
	w.begin()
	w.say(w.ben, "slipway release 2077.11 --private")
	w.note("it has begun")
	id := ""
	w.until("it has begun", func() bool { id, _ = w.b.engine.Resolve(t.Context(), "2077.11", "ben"); return id != "" })
	w.say(w.ben, "slipway release why "+id)
	w.say(w.chen, "slipway release list")
	w.until("all are answered", func() bool { return len(w.notes("@ben:"))+len(w.notes("@chen_c:")) >= 3 })
	for _, n := range w.lab.Notes(w.at) {
		if n.Author == w.bot && (strings.Contains(n.Body, "2077") || strings.Contains(n.Body, id)) {
			t.Errorf("the bot said %s", n.Body)
		}
	}
}

func TestTheSecretOfSealsIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	first, err := sealSecret(path)
	if err != nil || len(first) != 32 {
		t.Fatal(err)
	}
	second, err := sealSecret(path)
	if err != nil || string(second) != string(first) {
		t.Fatalf("another one: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sealSecret(path); err == nil {
		t.Error("a broken one was taken")
	}
}
