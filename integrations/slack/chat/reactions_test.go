package chat

import (
	"fmt"
	"strings"
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

// changed are the messages at which somebody should look again.
func (y *yard) changed() (out []Change) {
	y.Helper()
	out, err := y.poster.Changed(y.Context())
	y.ok(err)
	return out
}

// What no delivery told of is found on every message that was asked for, as after a start.
func TestReactionsThatNobodyToldOf(t *testing.T) {
	y := newYard(t)
	_, gate := y.gate()
	y.react(y.hana, gate, "white_check_mark")
	if got := y.changed(); len(got) != 0 {
		t.Fatalf("nobody asked for it: %+v", got)
	}
	for range 2 { // two processes, one after the other
		y.poster = NewPoster(y.poster.o)
		if got := y.votes(gate); got != "hana✅" || len(y.changed()) != 0 {
			t.Fatalf("got %s", got)
		}
		y.react(y.grace, gate, "x")
		got := y.changed()
		if len(got) != 1 || got[0].Message != gate.Message || got[0].Place != gate.Place {
			t.Fatalf("got %+v", got)
		}
		if got = y.changed(); len(got) != 1 {
			t.Fatalf("it is forgotten before somebody took it: %+v", got)
		}
		y.poster.Told(got[0])
		if got = y.changed(); len(got) != 0 {
			t.Errorf("told again: %+v", got)
		}
		y.ok(y.fake.Unreact(y.grace.ID, y.channel, gate.Message, "x"))
		if got = y.changed(); len(got) != 1 {
			t.Errorf("taken back: %+v", got)
		}
		if y.votes(gate); len(y.changed()) != 0 {
			t.Error("what was read is listed")
		}
	}
	open := gateMessage()
	open.Verdict = []string{"✓ hana"}
	y.ok(y.poster.Edit(y.Context(), gate, open.Card()))
	y.react(y.grace, gate, "x")
	if got := y.changed(); len(got) != 1 {
		t.Errorf("an open gate is not watched any more: %+v", got)
	}
	open.Closed = "Approved."
	y.ok(y.poster.Edit(y.Context(), gate, open.Card()))
	if got := y.changed(); len(got) != 0 {
		t.Errorf("a closed gate is watched: %+v", got)
	}
}

// A message that was deleted is told of once.
func TestAMessageThatIsGoneIsToldOfOnce(t *testing.T) {
	y := newYard(t)
	_, gate := y.gate()
	y.votes(gate)
	y.ok(y.fake.Delete(y.fake.App().User, y.channel, gate.Message))
	for range 2 { // until somebody has taken it
		if got := y.changed(); len(got) != 1 {
			t.Fatalf("got %+v", got)
		}
	}
	y.poster.Told(y.changed()[0])
	if got := y.changed(); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
}

// More messages than can be read at once are all read in turn, whatever some of them meet.
func TestManyOpenGatesAreWatchedInTurn(t *testing.T) {
	y := newYard(t, func(o *fake.Options) { o.Limits = true })
	var all []Ref
	for range 50 {
		all = append(all, y.post("gate", y.room(), gateMessage().Card()))
		y.votes(all[len(all)-1])
		y.later(5 * time.Second)
	}
	for _, ref := range all {
		y.react(y.hana, ref, "white_check_mark")
	}
	found := map[string]int{}
	for round := range 4 {
		y.later(time.Minute)
		if round == 1 { // Slack wants to be left alone in the middle of a round
			y.fake.Fault(fake.Fault{Method: "reactions.get", Skip: 7, Do: fake.TooMany})
		}
		before := y.fake.Asked("reactions.get")
		got, err := y.poster.Changed(y.Context())
		if round != 1 {
			y.ok(err)
		} else {
			y.want(errs.Busy, err)
		}
		if n := y.fake.Asked("reactions.get") - before; n > atOnce {
			t.Errorf("%d messages are read at once", n)
		}
		for _, c := range got {
			found[c.Message]++
			y.poster.Told(c)
		}
	}
	for _, ref := range all {
		if found[ref.Message] != 1 {
			t.Errorf("%s was found %d times", ref.Message, found[ref.Message])
		}
	}
}

// join is somebody new in the channel.
func (y *yard) join(name string) fake.User {
	u := y.fake.AddUser(fake.User{Name: name})
	y.fake.Invite(y.channel, u.ID)
	return u
}

// Reactions that answer nothing cost nothing, whoever gives them, and are none.
func TestWhatIsNoVoteCostsNothing(t *testing.T) {
	y := newYard(t)
	_, gate := y.gate()
	for i := range 300 {
		y.react(y.join(fmt.Sprintf("guest%03d", i)), gate, "tada")
	}
	y.react(y.hana, gate, "white_check_mark")
	if got := y.votes(gate); got != "hana✅" || y.fake.Asked("users.info") != 1 {
		t.Errorf("got %s, and asked for %d users", got, y.fake.Asked("users.info"))
	}
	for _, n := range []string{"+1", "thumbsdown::skin-tone-2", "heavy_check_mark", "negative_squared_cross_mark"} {
		y.react(y.grace, gate, n)
	}
	if got := y.votes(gate); got != "hana✅ grace👍 grace👎 grace✅ grace❌" {
		t.Errorf("got %s", got)
	}
}

// However many people vote whom nobody knows, those who are known are heard, and a message can be read.
func TestManyStrangersKeepNobodyFromBeingHeard(t *testing.T) {
	y := newYard(t, func(o *fake.Options) { o.Limits = true })
	y.poster.o.Known = func(user string) bool { return user == y.hana.ID || user == y.grace.ID }
	_, gate := y.gate()
	for i := range 300 {
		u := y.join(fmt.Sprintf("eve%03d", i))
		y.react(u, gate, "white_check_mark")
		y.react(u, gate, "x")
	}
	y.react(y.hana, gate, "white_check_mark")
	y.react(y.grace, gate, "x")
	all, err := y.poster.Reactions(y.Context(), gate)
	if y.ok(err); len(all) != 602 || y.fake.Asked("users.info") != maxStrangers+2 {
		t.Fatalf("%d reactions, and asked for %d users", len(all), y.fake.Asked("users.info"))
	}
	ours, named := 0, 0
	for _, r := range all {
		switch {
		case r.Account == "T0HARBOUR/"+y.hana.ID && r.Emoji == "✅", r.Account == "T0HARBOUR/"+y.grace.ID && r.Emoji == "❌":
			ours++
		case r.Name != "": // as long as they are few, people are told who does not count
			named++
		case !strings.HasPrefix(r.Account, "/"):
			t.Errorf("%s is nameless, and of a workspace", r.Account)
		}
	}
	if ours != 2 || named != 2*maxStrangers {
		t.Errorf("%d of ours, %d with names", ours, named)
	}
}
