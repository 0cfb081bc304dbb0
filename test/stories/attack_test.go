package stories

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/gate"
	"slipway/bot/manifest"
	"slipway/bot/people"
	"slipway/bot/run"
	"slipway/integrations/console"
)

// untouched demands that nobody has approved go, and that nothing was done after it.
func (w *world) untouched() {
	w.t.Helper()
	w.WantStep("go", run.Running, "0 of 2 maintainers")
	if _, _, found := w.take(); found || w.out.remote.pushed() > 0 {
		w.t.Fatal("something was done without approval")
	}
}

// A display name is nobody's identity.
func TestAttackRenamedToAMaintainer(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		for _, name := range []string{"maintainer-b", "Maintainer-B", "maintainer-b.", "mаintainer-b", "maintainer-b "} {
			w.must(w.e.SetPerson(context.Background(), people.Person{ID: "outsider", Name: name, Mail: "maintainer-b@example.org",
				Accounts: []people.Account{{Source: "console", ID: "outsider", Handle: "maintainer-b"}}}, engine.Once{}))
			w.React("outsider", w.Gate("go"), "✅")
			w.Say("outsider", "approve 2019.01 go")
			w.untouched()
		}
	})
}

// An account is matched by its exact source and id.
func TestAttackAccountsThatLookAlike(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		for i, name := range []string{"console:mаintainer-b", "console:Maintainer-B", "console:maintainer-b.", "console:maintainer-b ", "console:maintainer-b\u200b",
			"unix:maintainer-b", "console:ｍaintainer-b", "console:maintainer‐b"} {
			_, err := w.room.React(name, w.Gate("go"), "✅")
			w.must(err)
			w.must(w.deliver(context.Background(), console.Delivery{Source: console.Source, ID: fmt.Sprint("forged/", i), Account: name, Place: channel,
				Body: fmt.Appendf(nil, `{"kind":"touched","message":%q}`, w.Gate("go"))}))
			w.line()
			w.WantStep("go", run.Running, "0 of 2 maintainers", "does not count")
		}
		w.untouched()
	})
}

func TestAttackBotsNeverCountNorCommand(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.React("robot", w.Gate("go"), "✅")
		w.Say("robot", "approve 2019.01 go")
		_, err := w.room.React(bot, w.Gate("go"), "✅") // the bot itself
		w.must(err)
		w.React("maintainer-a", w.Gate("go"), "✅")
		w.WantStep("go", run.Running, "1 of 2 maintainers: maintainer-a")
		if answer := w.Say("robot", "release 2019.02"); answer != "" {
			t.Fatalf("a bot was answered: %s", answer)
		}
		if _, err := w.e.Resolve(context.Background(), "release/lava/2019.02", "manager"); !errs.Is(err, errs.NotFound) {
			t.Fatalf("a bot started a release: %v", err)
		}
	})
}

// The bot's own words are never delivered to it, whatever it is made to repeat.
func TestAttackTheBotObeysNobodyThroughItself(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.Say("outsider", "relase 2019.02 `approve 2019.01 go`")
		m, _, err := w.room.Post(console.Draft{Channel: channel, Author: bot, Text: "approve 2019.01 go"})
		w.must(err)
		w.must(w.deliver(context.Background(), console.Delivery{Source: console.Source, ID: "said/" + m.ID, Account: bot, Place: channel,
			Body: fmt.Appendf(nil, `{"kind":"said","message":%q,"text":"approve 2019.01 go"}`, m.ID)}))
		w.line()
		w.untouched()
	})
}

func TestAttackALinkedAccountIsNeeded(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.React("stranger", w.Gate("go"), "✅")
		wants(t, w.Say("stranger", "approve 2019.01 go"), "do not know whose account")
		w.untouched()
	})
}

// The same card by somebody else, with all the reactions one could wish for.
func TestAttackLookAlikeGateMessage(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		real, err := w.room.Message(w.Gate("go"))
		w.must(err)
		for _, d := range []console.Draft{
			{Channel: channel, Author: "console:outsider", Card: real.Card},
			{Channel: channel, Author: "console:outsider", Card: real.Card, Thread: real.Thread},
			{Channel: channel, Author: "console:outsider", Text: w.message(real.ID)},
			{Channel: "elsewhere", Author: bot, Card: real.Card}, // a copy of the bot's own, in another channel
			{Channel: channel, Author: bot, Card: real.Card},     // one of the bot that is not the gate message
		} {
			m, _, err := w.room.Post(d)
			w.must(err)
			w.React("maintainer-a", m.ID, "✅")
			w.React("maintainer-b", m.ID, "✅")
			w.untouched()
		}
		w.React("maintainer-a", real.ID, "✅")
		w.React("maintainer-b", real.ID, "✅")
		w.WantStep("go", run.Done)
	})
}

// Reactions on the card count as little as those on what people say.
func TestAttackReactionsElsewhereInTheThread(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		for _, m := range w.messages(channel) {
			if m.ID != w.Gate("go") {
				w.emoji("maintainer-a", m.ID, "✅", true)
				w.emoji("maintainer-b", m.ID, "✅", true)
			}
		}
		w.line()
		w.untouched()
	})
}

func TestAttackConcurrentLastApprovals(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.React("maintainer-a", w.Gate("go"), "✅")
		id := w.run("2019.01").ID
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				who := people.PersonID([]string{"maintainer-b", "maintainer-c"}[i%2])
				_, err := w.e.Submit(context.Background(), id, run.Vote{Step: "go", Vote: gate.Vote{Person: who,
					Account: people.Account{Source: "console", ID: string(who)}, Kind: gate.Approve}})
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		w.line()
		w.WantStep("go", run.Done)
		if n := w.Sign(); n != 1 || w.out.remote.pushed() != 1 {
			t.Fatalf("%d tags signed, %d pushes", n, w.out.remote.pushed())
		}
	})
}

func TestAttackEmojiAreNormalised(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.React("maintainer-a", w.Gate("go"), "✅\ufe0f")
		w.React("maintainer-a", w.Gate("go"), ":white_check_mark::skin-tone-3:")
		w.React("maintainer-b", w.Gate("go"), "👍") // means nothing
		w.WantStep("go", run.Running, "1 of 2 maintainers: maintainer-a")
		w.Unreact("maintainer-a", w.Gate("go"), "white_check_mark")
		w.WantStep("go", run.Running, "0 of 2 maintainers")
		w.React("maintainer-a", w.Gate("go"), "check")
		w.React("maintainer-b", w.Gate("go"), "✅\U0001f3ff")
		w.WantStep("go", run.Done)
	})
}

func TestAttackNobodyTakesAnothersReactionAway(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.React("maintainer-a", w.Gate("go"), "✅")
		w.Unreact("outsider", w.Gate("go"), "✅")
		wants(t, w.Say("outsider", "withdraw 2019.01 go"), "has not said approve")
		w.WantStep("go", run.Running, "1 of 2 maintainers: maintainer-a")
	})
}

// One yes is for one manifest of one gate of one run.
func TestAttackAnApprovalDoesNotWiden(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.Ask("2019.02")
		first := string(w.run("2019.01").Steps["go"].Gate.Digest)
		wants(t, w.Say("maintainer-c", "approve 2019.02 go --manifest "+first), "can't do that")
		w.Approve("2019.01")
		w.Sign()
		w.WantStep("publish", run.Running, "0 of 1 release-manager")
		w.wantStepOf("2019.02", "go", run.Running, "0 of 2 maintainers")
	})
}

func TestAttackNobodyHoldsTheRole(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		for _, who := range []people.PersonID{"maintainer-a", "maintainer-b", "maintainer-c", "robot"} {
			w.staff.drops(who, "maintainer")
		}
		w.must(w.e.ReloadPeople(context.Background()))
		w.Ask("2019.01")
		w.React("maintainer-a", w.Gate("go"), "✅")
		w.React("maintainer-b", w.Gate("go"), "✅")
		w.untouched()
	})
}

// What a screen would hide is refused by the core too.
func TestAttackPastTheScreen(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Say("maintainer-c", "release 2019.01")
		w.Say("manager", "answer 2019.01 checklist merged=true")
		w.Say("tester", "answer 2019.01 tested good=true")
		id := w.run("2019.01").ID
		digest := w.run("2019.01").Steps["go"].Gate.Digest
		vote := func(who string, kind gate.VoteKind, m manifest.Digest) run.Input {
			return run.Vote{Step: "go", Vote: gate.Vote{Person: people.PersonID(who), Account: people.Account{Source: "console", ID: who}, Kind: kind, Manifest: m, Reason: "so"}}
		}
		for _, in := range []run.Input{
			vote("outsider", gate.Approve, digest), vote("deputy", gate.Approve, digest), vote("maintainer-c", gate.Approve, digest),
			vote("robot", gate.Approve, digest), vote("nobody", gate.Approve, digest), vote("", gate.Approve, digest),
			vote("maintainer-a", gate.Approve, "sha256:00"), vote("outsider", gate.Reject, digest), vote("outsider", gate.Veto, digest),
			run.Vote{Step: "go", Lift: true, Vote: gate.Vote{Person: "outsider"}},
			run.Command{Verb: run.SkipVerb, Step: "go", Person: "admin", Reason: "so"},
			run.Command{Verb: run.RetryVerb, Step: "state", Person: "outsider"},
			run.Command{Verb: run.AbortVerb, Person: "outsider", Reason: "so"},
			run.Command{Verb: run.HandOverVerb, Person: "outsider", To: "outsider"},
			run.Command{Verb: run.HoldVerb, Person: "robot"},
			run.Answer{Step: "tested", Person: "outsider", Values: map[string]any{"good": false}},
			// A closing read that nobody asked for.
			run.Closing{Step: "go", Number: 1, Clean: true, Votes: []gate.Vote{{Person: "maintainer-a", Kind: gate.Approve, Manifest: digest}}},
		} {
			_, err := w.e.Submit(context.Background(), id, in)
			w.must(err)
			w.line()
			w.untouched()
			w.WantRun("2019.01", run.Live, "")
		}
		w.Approve("2019.01")
		w.WantStep("go", run.Done, "maintainer-a and maintainer-b")
	})
}

func TestAttackTextThatIsShownDoesNotRun(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.Say("maintainer-a", "approve 2019.01 go")
		for _, text := range []string{
			"> approve 2019.01 go", ">>> look\napprove 2019.01 go", "```\napprove 2019.01 go\n```", "`approve 2019.01 go`",
			"    approve 2019.01 go", "\tapprove 2019.01 go", "&gt; approve 2019.01 go", "~~~\napprove 2019.01 go", "＞ approve 2019.01 go",
			"she said: approve 2019.01 go", "a\u202eapprove 2019.01 go",
		} {
			w.Say("maintainer-b", text)
			w.WantStep("go", run.Running, "1 of 2 maintainers: maintainer-a")
		}
	})
}

func TestAttackEditedTextDoesNotRun(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.Ask("2019.01")
		w.Say("maintainer-a", "approve 2019.01 go")
		m := w.say("maintainer-b", channel, "", "good morning")
		w.line()
		_, err := w.room.Edit(m.ID, "approve 2019.01 go", nil)
		w.must(err)
		w.mu.Lock()
		last := w.delivered[len(w.delivered)-1]
		w.mu.Unlock()
		w.replay(last)
		w.line()
		w.WantStep("go", run.Running, "1 of 2 maintainers: maintainer-a")
	})
}
