package notes

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"slipway/bot/card"
	"slipway/bot/errs"
	fake "slipway/test/fakes/gitlab"
)

func TestReactionsOfSeveralPeople(t *testing.T) {
	y := newYard(t)
	_, gate := y.gate()
	if got := y.votes(gate); got != "" {
		t.Fatalf("at first: %s", got)
	}
	y.award(y.maria, gate, "thumbsup")
	y.award(y.maria, gate, "white_check_mark") // the same thing said twice
	y.award(y.chen, gate, "thumbsup_tone4")
	y.award(y.mallory, gate, "x")
	y.award(y.mallory, gate, "eyes")
	y.award(y.bot, gate, "thumbsup") // the bot never answers itself
	if got := y.votes(gate); got != "maria_s✅ chen✅ mallory❌ mallory:eyes:" {
		t.Errorf("got %s", got)
	}
	y.ok(y.fake.Revoke(y.chen.ID, noteOf(gate), "thumbsup_tone4"))
	y.ok(y.fake.Revoke(y.maria.ID, noteOf(gate), "thumbsup"))
	y.fake.RenameUser(y.mallory.ID, "maria")
	y.fake.RenameUser(y.maria.ID, "mallory")
	if got := y.votes(gate); got != "mallory✅ maria❌ maria:eyes:" {
		t.Errorf("after two took theirs back and two changed names: %s", got)
	}
	found, err := y.poster.Reactions(y.Context(), gate)
	y.ok(err)
	if found[0].User != y.maria.ID || found[1].User != y.mallory.ID {
		t.Errorf("a name stands for an account: %+v", found)
	}
	y.fake.BlockUser(y.maria.ID)
	if got := y.votes(gate); got != "maria❌ maria:eyes:" {
		t.Errorf("after one was blocked: %s", got)
	}
}

func TestALookAlikeIsNoGateMessage(t *testing.T) {
	y := newYard(t)
	_, gate := y.gate()
	twin, err := y.fake.Comment(y.mallory.ID, y.at, y.says(gate))
	y.ok(err)
	_, err = y.fake.Award(y.maria.ID, twin.ID, "thumbsup")
	y.ok(err)
	ref := Ref{Place: string(y.at), Message: fmt.Sprint(twin.ID)}
	_, err = y.poster.Reactions(y.Context(), ref)
	y.want(errs.Gone, err)
	y.want(errs.Gone, y.poster.Edit(y.Context(), ref, gateMessage().Card()))
	y.want(errs.Gone, y.poster.Edit(y.Context(), Ref{Place: string(y.at), Message: twin.Discussion}, gateMessage().Card()))
	if got := y.votes(gate); got != "" {
		t.Errorf("the gate message bears %s", got)
	}
	y.ok(y.fake.DeleteComment(y.maria.ID, noteOf(gate)))
	if found, ok, err := y.poster.Find(y.Context(), "gate-1", y.room()); ok || err != nil {
		t.Errorf("the look-alike was found: %+v %v", found, err)
	}
	second, err := y.fake.Discuss(y.mallory.ID, y.at, strings.Replace(twin.Body, "gate-1", "card-9", 1))
	y.ok(err)
	if found, ok, err := y.poster.Find(y.Context(), "card-9", y.room()); ok || err != nil {
		t.Errorf("the look-alike %s was found: %+v %v", second.Discussion, found, err)
	}
}

func TestAReactionElsewhereCountsNowhere(t *testing.T) {
	y := newYard(t)
	cardRef, gate := y.gate()
	y.ok(y.fake.AwardItem(y.maria.ID, y.at, "thumbsup")) // on the issue itself
	first := y.mine()[0].ID
	_, err := y.fake.Award(y.maria.ID, first, "thumbsup") // on the card
	y.ok(err)
	if got := y.votes(gate); got != "" {
		t.Errorf("the gate message bears %s", got)
	}
	_, err = y.poster.Reactions(y.Context(), cardRef) // a card asks for nothing
	y.want(errs.Conflict, err)
	other, err := y.fake.OpenIssue(y.maria.ID, fake.Issue{Item: fake.Item{Project: y.project, Title: "Other"}})
	y.ok(err)
	_, err = y.poster.Reactions(y.Context(), Ref{Place: string(fake.IssuePlace(y.project, other.IID)), Message: gate.Message})
	y.want(errs.Gone, err)
}

func TestASupersededGateMessageKeepsItsReactions(t *testing.T) {
	y := newYard(t)
	cardRef, old := y.gate()
	y.award(y.maria, old, "thumbsup")
	closed := gateMessage()
	closed.State, closed.Closed = card.Stale, "superseded: the commit changed"
	y.edit(old, closed.Card())
	in := y.room()
	in.Thread = cardRef.Message
	fresh := gateMessage()
	fresh.Key = "gate-2"
	gate := y.post("gate-2", in, fresh.Card())
	if got := y.votes(gate); got != "" {
		t.Errorf("the new message bears %s", got)
	}
	if text := y.says(old); strings.Contains(text, "pprove release") || strings.Contains(text, "👍") {
		t.Errorf("the old one still asks: %s", text)
	}
}

func TestAMessageThatSomebodyChangedCountsAgainOnlyAfterItIsRestored(t *testing.T) {
	y := newYard(t)
	_, gate := y.gate()
	y.award(y.chen, gate, "thumbsup")
	text := y.says(gate)
	y.ok(y.fake.EditComment(y.mallory.ID, noteOf(gate), strings.ReplaceAll(text, "4c6d2f1e", "deadbeef")))
	y.award(y.maria, gate, "thumbsup")
	_, err := y.poster.Reactions(y.Context(), gate)
	y.want(errs.Conflict, err, "does not say what Slipway wrote", "react again")
	y.edit(gate, gateMessage().Card())
	if got := y.votes(gate); got != "" {
		t.Errorf("reactions on the changed text count: %s", got)
	}
	if got := y.says(gate); !strings.Contains(got, "For a while this comment did not say what Slipway wrote") || !strings.Contains(got, "4c6d2f1e") || strings.Contains(got, "deadbeef") {
		t.Errorf("it says %s", got)
	}
	y.ok(y.fake.Revoke(y.maria.ID, noteOf(gate), "thumbsup"))
	y.award(y.maria, gate, "thumbsup")
	if got := y.votes(gate); got != "maria_s✅" {
		t.Errorf("after reacting again: %s", got)
	}
	next := gateMessage()
	next.Verdict = []string{"✓ maria"}
	y.edit(gate, next.Card()) // the mark stays over later edits
	if got := y.votes(gate); got != "maria_s✅" {
		t.Errorf("after the next edit: %s", got)
	}
	y.ok(y.fake.EditComment(y.mallory.ID, noteOf(gate), "approve nothing"))
	y.edit(gate, next.Card())
	if got := y.votes(gate); got != "" {
		t.Errorf("after it was changed once more: %s", got)
	}
}

func TestTheTextOfOneMessageIsNoneOfAnother(t *testing.T) {
	y := newYard(t)
	cardRef, first := y.gate()
	in := y.room()
	in.Thread = cardRef.Message
	other := gateMessage()
	other.Key, other.Bound = "gate-2", []card.Field{{Name: "commit", Value: "0000001"}}
	second := y.post("gate-2", in, other.Card())
	harmless := y.says(first)
	y.ok(y.fake.EditComment(y.mallory.ID, noteOf(second), harmless)) // it shows the harmless one, with its seal
	y.award(y.maria, second, "thumbsup")
	_, err := y.poster.Reactions(y.Context(), second)
	y.want(errs.Conflict, err)
	y.edit(second, other.Card())
	if got := y.votes(second); got != "" {
		t.Errorf("the copy counts: %s", got)
	}
}

func TestACrashWhileAMessageIsRestored(t *testing.T) {
	for skip := range 2 {
		y := newYard(t)
		_, gate := y.gate()
		y.ok(y.fake.EditComment(y.mallory.ID, noteOf(gate), "something else"))
		y.award(y.maria, gate, "thumbsup")
		y.fake.Fault(fake.Fault{Method: "PUT", Path: "/projects/*/issues/*/notes/*", Skip: skip, Do: fake.BadGatewayAfter})
		y.want(errs.Unavailable, y.poster.Edit(y.Context(), gate, gateMessage().Card()))
		y.poster = y.newPoster()
		if skip == 0 {
			_, err := y.poster.Reactions(y.Context(), gate)
			y.want(errs.Conflict, err)
		}
		y.edit(gate, gateMessage().Card())
		if got := y.votes(gate); got != "" {
			t.Errorf("after %d: %s", skip, got)
		}
	}
}

func TestAnotherSecretTrustsNothing(t *testing.T) {
	y := newYard(t)
	_, gate := y.gate()
	y.award(y.maria, gate, "thumbsup")
	p, err := NewPoster(Options{Client: y.client, Secret: []byte("another secret of enough bytes"), Now: y.poster.o.Now})
	y.ok(err)
	_, err = p.Reactions(y.Context(), gate)
	y.want(errs.Conflict, err)
	for _, secret := range [][]byte{nil, {}, []byte("short")} {
		_, err := NewPoster(Options{Client: y.client, Secret: secret, Now: y.poster.o.Now})
		y.want(errs.Invalid, err)
	}
}

func TestHostileNamesAndTitlesStayText(t *testing.T) {
	y := newYard(t)
	for i, s := range hostile() {
		c := everywhere(s)
		c.Key = fmt.Sprint("k", i)
		ref := y.post(c.Key, y.room(), c)
		again, found, err := y.poster.Find(y.Context(), c.Key, y.room())
		if y.ok(err); !found || again.Message != ref.Message {
			t.Fatalf("%q: found %v", s, again)
		}
		text := y.says(ref)
		tame(t, text[:strings.LastIndex(text, "\n\n<!-- slipway ")])
		if strings.Count("\n"+text, "\n<!--") != 1 || !strings.HasSuffix(text, " -->") {
			t.Fatalf("%q: %s", s, text)
		}
	}
}

func TestReactionsThatNoWebhookToldOf(t *testing.T) {
	y := newYard(t)
	_, gate := y.gate()
	want := func(when string, n int) {
		t.Helper()
		got, err := y.poster.Changed(context.Background())
		if y.ok(err); len(got) != n || n == 1 && (got[0].Message != gate.Message || got[0].Place != gate.Place) {
			t.Fatalf("%s: %+v", when, got)
		}
	}
	want("at first", 0)
	y.award(y.maria, gate, "thumbsup")
	want("after a reaction", 1)
	want("until it is read", 1)
	y.votes(gate)
	want("after it was read", 0)
	y.ok(y.fake.Revoke(y.maria.ID, noteOf(gate), "thumbsup"))
	want("after it was taken back", 1)
	y.poster = y.newPoster()
	want("of a new process that knows of nothing", 0)
	y.ok(y.poster.Recall(context.Background(), string(y.at)))
	want("of a new process that has looked", 1)
	y.votes(gate)
	y.ok(y.poster.Recall(context.Background(), string(y.at)))
	want("of a new process that has read", 0)
	y.award(y.chen, gate, "x")
	want("of a new process that read it", 1)
	told := func() {
		t.Helper()
		all, err := y.poster.Changed(context.Background())
		y.ok(err)
		for _, c := range all {
			y.poster.Told(c)
		}
	}
	told()
	want("of what somebody will read", 0)
	y.award(y.mallory, gate, "x")
	want("of one more after that", 1)
	y.ok(y.fake.EditComment(y.mallory.ID, noteOf(gate), "something else"))
	want("of a changed message", 1)
	told()
	want("of a changed message that somebody will read", 0)
	y.edit(gate, gateMessage().Card())
	want("of one that was restored", 1)
	closed := gateMessage()
	closed.State, closed.Closed = card.Done, "approved"
	y.edit(gate, closed.Card())
	y.award(y.chen, gate, "eyes")
	want("of a closed gate", 0)
	y.votes(gate)
	y.award(y.mallory, gate, "eyes")
	want("of a closed gate that was read", 0)
}
