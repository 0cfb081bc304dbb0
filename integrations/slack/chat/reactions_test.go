package chat

import (
	"testing"
	"time"

	"slipway/bot/errs"
	fake "slipway/test/fakes/slack"
)

func TestReactionsAreReadWithTheirPeople(t *testing.T) {
	y := newYard(t)
	_, gate := y.gate()
	y.react(y.hana, gate, "white_check_mark")
	y.react(y.hana, gate, "heavy_check_mark")
	y.react(y.grace, gate, "thumbsup::skin-tone-3")
	y.react(y.grace, gate, "x")
	if err := y.fake.React(y.fake.App().User, y.channel, gate.Message, "white_check_mark"); err != nil {
		t.Fatal(err)
	}
	if got := y.votes(gate); got != "hana✅ grace👍 grace❌" {
		t.Errorf("got %s", got)
	}
	all, err := y.poster.Reactions(y.Context(), gate)
	if y.ok(err); all[0].Account != "T0HARBOUR/"+y.hana.ID {
		t.Errorf("got %+v", all[0])
	}
	y.ok(y.fake.Unreact(y.hana.ID, y.channel, gate.Message, "white_check_mark"))
	y.ok(y.fake.Unreact(y.hana.ID, y.channel, gate.Message, "heavy_check_mark"))
	if got := y.votes(gate); got != "grace👍 grace❌" {
		t.Errorf("got %s", got)
	}
}

// A name is changed as people like; the account stays.
func TestARenamedUserStaysWhoItIs(t *testing.T) {
	y := newYard(t)
	_, gate := y.gate()
	y.react(y.hana, gate, "white_check_mark")
	y.fake.SetUser(y.hana.ID, func(u *fake.User) { u.Name, u.DisplayName = "grace", "Grace" })
	all, err := y.poster.Reactions(y.Context(), gate)
	if y.ok(err); len(all) != 1 || all[0].Account != "T0HARBOUR/"+y.hana.ID {
		t.Errorf("got %+v", all)
	}
}

// A person of another workspace in a shared channel is never one of ours, whatever the name.
func TestAStrangerHasAnotherAccount(t *testing.T) {
	y := newYard(t)
	y.fake.AddTeam(fake.Team{ID: "T0FOREIGN", Name: "Foreign", Domain: "foreign"})
	stranger := y.fake.AddUser(fake.User{Team: "T0FOREIGN", Name: "hana", RealName: "Hana"})
	shared := y.fake.AddChannel(fake.Channel{Name: "shared", Shared: []string{"T0FOREIGN"}, Members: []string{y.hana.ID, stranger.ID, y.fake.App().User}}).ID
	ref := y.post("gate-9", Ref{Place: "T0HARBOUR/" + shared}, gateMessage().Card())
	y.ok(y.fake.React(stranger.ID, shared, ref.Message, "white_check_mark"))
	all, err := y.poster.Reactions(y.Context(), ref)
	if y.ok(err); len(all) != 1 || all[0].Account == "T0HARBOUR/"+stranger.ID {
		t.Errorf("got %+v", all)
	}
	ok, why, err := y.client.Standing(y.Context(), all[0].Account)
	if ok || err != nil && !errs.Is(err, errs.Invalid) {
		t.Errorf("got %v, %q, %v", ok, why, err)
	}
}

func TestOnlyOwnMessagesAreRead(t *testing.T) {
	y := newYard(t)
	y.gate()
	ts := y.fake.Say(y.grace.ID, y.channel, "release/harbour/2019.01: gate go. React with :white_check_mark: to approve exactly this.", "")
	fakeGate := Ref{Place: y.room().Place, Message: ts}
	y.react(y.hana, fakeGate, "white_check_mark")
	_, err := y.poster.Reactions(y.Context(), fakeGate)
	y.want(errs.Gone, err, "not the bot's own")
}

func TestReactionsThatCannotBeRead(t *testing.T) {
	y := newYard(t)
	_, gate := y.gate()
	y.react(y.hana, gate, "white_check_mark")
	for _, how := range []fake.Kind{fake.BadGateway, fake.Internal, fake.Reset, fake.Cut} {
		y.fake.Fault(fake.Fault{Method: "reactions.get", Do: how})
		_, err := y.poster.Reactions(y.Context(), gate)
		y.want(errs.Unavailable, err)
	}
	y.fake.Fault(fake.Fault{Method: "users.info", Do: fake.BadGateway})
	_, err := y.poster.Reactions(y.Context(), gate)
	y.want(errs.Unavailable, err)
	y.fake.Fault(fake.Fault{Method: "reactions.get", Do: fake.TooMany, RetryAfter: 7 * time.Second})
	_, err = y.poster.Reactions(y.Context(), gate)
	if y.want(errs.Busy, err); errs.After(err) != 7*time.Second {
		t.Errorf("it asks for %s", errs.After(err))
	}
	y.later(8 * time.Second)
	y.fake.Fault(fake.Fault{Method: "reactions.get", Do: fake.Refuse, Error: "not_in_channel"})
	_, err = y.poster.Reactions(y.Context(), gate)
	y.want(errs.Unavailable, err, "/invite @slipway")
	if got := y.votes(gate); got != "hana✅" {
		t.Errorf("got %s", got)
	}
}

// What no delivery told of is found, before and after a start.
func TestReactionsThatNobodyToldOf(t *testing.T) {
	y := newYard(t)
	_, gate := y.gate()
	changed := func() (out []Change) {
		t.Helper()
		out, err := y.poster.Changed(y.Context())
		y.ok(err)
		return out
	}
	if got := changed(); len(got) != 0 {
		t.Fatalf("got %+v", got)
	}
	y.react(y.hana, gate, "white_check_mark")
	got := changed()
	if len(got) != 1 || got[0].Message != gate.Message || got[0].Place != gate.Place {
		t.Fatalf("got %+v", got)
	}
	y.poster.Told(got[0])
	if got = changed(); len(got) != 0 {
		t.Errorf("told again: %+v", got)
	}
	y.ok(y.fake.Unreact(y.hana.ID, y.channel, gate.Message, "white_check_mark"))
	if got = changed(); len(got) != 1 {
		t.Errorf("taken back: %+v", got)
	}
	if y.votes(gate); len(changed()) != 0 {
		t.Error("what was read is listed")
	}

	y.poster = NewPoster(y.poster.o) // a start
	if got = changed(); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
	y.ok(y.poster.Recall(y.Context(), y.room().Place, y.Now().Add(-time.Hour)))
	if got = changed(); len(got) != 1 || got[0].Message != gate.Message {
		t.Fatalf("got %+v", got)
	}
	closed := gateMessage()
	closed.Closed = "Approved."
	y.ok(y.poster.Edit(y.Context(), gate, closed.Card()))
	y.react(y.grace, gate, "x")
	if got = changed(); len(got) != 0 {
		t.Errorf("a closed gate is watched: %+v", got)
	}
}
