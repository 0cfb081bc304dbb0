package chat

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/integrations/slack"
	fake "slipway/test/fakes/slack"
)

func TestACardIsPostedAndEditedInPlace(t *testing.T) {
	y := newYard(t)
	top, gate := y.gate()
	m := y.message(gate)
	if m.Thread != top.Message || m.Key("key") != "gate-1" || gate.Place != top.Place {
		t.Fatalf("got %+v", m)
	}
	c := live()
	c.Status = "5 of 9 steps"
	y.ok(y.poster.Edit(y.Context(), top, c))
	m = y.message(top)
	if len(y.fake.Ours(y.channel)) != 2 || m.Updates != 1 || m.Edited != "" || m.Key("key") != c.Key {
		t.Errorf("got %+v", m)
	}
	for _, want := range []string{"5 of 9 steps", y.grace.ID, "text:release/harbour/2019.01", "build[armel]"} {
		if !strings.Contains(y.says(top), want) && !strings.Contains(y.says(top), strings.TrimPrefix(want, "text:")) {
			t.Errorf("%q is missing in %s", want, y.says(top))
		}
	}
}

func TestALostAnswerIsOneMessage(t *testing.T) {
	for _, how := range []fake.Kind{fake.BadGatewayAfter, fake.InternalAfter, fake.ResetAfter, fake.Cut} {
		for _, thread := range []bool{false, true} {
			y := newYard(t)
			to := y.room()
			if thread {
				to.Thread = y.post("card-1", to, live()).Message
			}
			before := len(y.fake.Ours(y.channel))
			y.fake.Fault(fake.Fault{Method: "chat.postMessage", Do: how})
			_, err := y.poster.Post(y.Context(), "gate-1", to, gateMessage().Card())
			y.want(errs.Doubtful, err)
			ref, found, err := y.poster.Find(y.Context(), "gate-1", to, time.Time{})
			y.ok(err)
			if !found || len(y.fake.Ours(y.channel)) != before+1 || !strings.Contains(y.says(ref), "approve") || ref.Thread != to.Thread {
				t.Fatalf("%s, thread %v: found %v %+v", how, thread, found, ref)
			}
			if _, found, err = y.poster.Find(y.Context(), "gate-2", to, time.Time{}); err != nil || found {
				t.Errorf("another key: %v, %v", found, err)
			}
		}
	}
}

func TestFindLooksPastOthersAndForgeries(t *testing.T) {
	y := newYard(t)
	ref := y.post("card-1", y.room(), live())
	for range 450 {
		y.fake.Say(y.hana.ID, y.channel, "card-1 slipway_card", "")
	}
	found, ok, err := y.poster.Find(y.Context(), "card-1", y.room(), time.Time{})
	if y.ok(err); !ok || found != ref {
		t.Errorf("got %+v, %v", found, ok)
	}
	y.later(31 * 24 * time.Hour)
	if _, ok, err = y.poster.Find(y.Context(), "card-1", y.room(), time.Time{}); err != nil || ok {
		t.Errorf("older than anybody looks: %v, %v", ok, err)
	}
	if found, ok, err = y.poster.Find(y.Context(), "card-1", y.room(), y.Now().Add(-32*24*time.Hour)); err != nil || !ok || found != ref {
		t.Errorf("as old as it may be: %v, %v", ok, err)
	}
}

func TestAThreadThatIsGoneKeepsNoAnswerBack(t *testing.T) {
	y := newYard(t)
	to := y.room()
	to.Thread = "1700000000.000100"
	ref := y.post("a", to, card.Card{Key: "a", Title: "Done.", Mentions: []string{"hana"}})
	if m := y.message(ref); m.Thread != "" {
		t.Errorf("it is in the thread %q", m.Thread)
	}
	if _, found, err := y.poster.Find(y.Context(), "b", to, time.Time{}); err != nil || found {
		t.Errorf("got %v, %v", found, err)
	}
	y.fake.Fault(fake.Fault{Method: "chat.postMessage", Skip: 1, Do: fake.BadGatewayAfter})
	_, err := y.poster.Post(y.Context(), "b", to, live())
	y.want(errs.Doubtful, err)
	if _, found, err := y.poster.Find(y.Context(), "b", to, time.Time{}); err != nil || !found {
		t.Errorf("it would be said twice: %v, %v", found, err)
	}
}

func TestPlacesThatCannotBeReached(t *testing.T) {
	y := newYard(t)
	top, gate := y.gate()
	y.fake.Remove(y.channel, y.fake.App().User)
	_, err := y.poster.Post(y.Context(), "x", y.room(), live())
	y.want(errs.Gone, err, "/invite @slipway")
	y.fake.Fault(fake.Fault{Method: "chat.update", Do: fake.Refuse, Error: "not_in_channel"})
	y.want(errs.Unavailable, y.poster.Edit(y.Context(), top, live()), "/invite @slipway")
	y.fake.Invite(y.channel, y.fake.App().User)
	y.ok(y.poster.Edit(y.Context(), top, live()))
	y.fake.Archive(y.channel, true)
	_, err = y.poster.Post(y.Context(), "x", y.room(), live())
	y.want(errs.Gone, err, "archived")
	y.fake.Archive(y.channel, false)
	y.ok(y.fake.Delete(y.fake.App().User, y.channel, gate.Message))
	y.want(errs.Gone, y.poster.Edit(y.Context(), gate, gateMessage().Card()))
	_, err = y.poster.Reactions(y.Context(), gate)
	y.want(errs.Gone, err)
	for _, place := range []string{"T0OTHER/" + y.channel, "T0HARBOUR/C0NOWHERE"} {
		_, err = y.poster.Post(y.Context(), "x", Ref{Place: place}, live())
		y.want(errs.Gone, err)
	}
	for _, place := range []string{"", y.channel, "T0HARBOUR/general", "../x"} {
		_, err = y.poster.Post(y.Context(), "x", Ref{Place: place}, live())
		y.want(errs.Invalid, err)
	}
	y.want(errs.Gone, y.poster.Edit(y.Context(), Ref{Place: top.Place, Message: "<!channel>"}, live()))
}

// Another app of the workspace may copy everything that a message of the bot shows and bears.
func TestAnotherAppCannotPassForTheBot(t *testing.T) {
	y := newYard(t)
	other := y.fake.AddUser(fake.User{Name: "slipway", RealName: "Slipway", Bot: true})
	y.fake.Invite(y.channel, other.ID)
	token := y.fake.AddToken(fake.Token{User: other.ID, Bot: other.BotID, Scopes: y.fake.App().Scopes})
	client, err := slack.New(slack.Options{URL: y.fake.URL, Token: token.Value, Team: "T0HARBOUR", Now: y.Now, Wait: y.wait})
	y.ok(err)
	forged, err := NewPoster(Options{Client: client}).Post(y.Context(), "gate-1", y.room(), gateMessage().Card())
	if y.ok(err); y.message(forged).Key("key") != "gate-1" {
		t.Fatal("the forgery is none")
	}
	if _, found, err := y.poster.Find(y.Context(), "gate-1", y.room(), time.Time{}); err != nil || found {
		t.Errorf("it is taken for ours: %v, %v", found, err)
	}
	y.react(y.hana, forged, "white_check_mark")
	_, err = y.poster.Reactions(y.Context(), forged)
	y.want(errs.Gone, err, "not the bot's own")
	y.want(errs.Gone, y.poster.Edit(y.Context(), forged, live()))
	if changed, err := y.poster.Changed(y.Context()); err != nil || len(changed) > 0 {
		t.Errorf("it is watched: %v, %v", changed, err)
	}
}

func TestATokenThatIsRefusedPasses(t *testing.T) {
	y := newYard(t)
	top := y.post("card-1", y.room(), live())
	y.fake.SetApp(func(a *fake.App) {
		a.Scopes = slices.DeleteFunc(a.Scopes, func(s string) bool { return s == "chat:write" })
	})
	y.want(errs.Unavailable, y.poster.Edit(y.Context(), top, live()), "scope chat:write")
	y.fake.Revoke(y.fake.App().Token)
	_, err := y.poster.Post(y.Context(), "x", y.room(), live())
	y.want(errs.Unavailable, err, "token_file")
}

func TestEveryRunIsShownWithinTheLimitsOfSlack(t *testing.T) {
	y := newYard(t)
	for name, c := range map[string]card.Card{"small": live(), "200": big(200), "hostile": hostile(), "gate": gateMessage().Card()} {
		ref := y.post(name, y.room(), c)
		if y.ok(y.poster.Edit(y.Context(), ref, c)); len(y.message(ref).Blocks) == 0 {
			t.Errorf("%s has no blocks", name)
		}
		y.later(time.Minute)
	}
	long := card.Card{Key: "l", Title: "Here it is.", Mentions: []string{"hana"}}
	for range 9 {
		long.Blocks = append(long.Blocks, card.Block{Text: strings.Repeat("word and word ", 200)})
	}
	ref := y.post("long", y.room(), long)
	parts := 0
	for _, m := range y.fake.Ours(y.channel) {
		if m.Thread == ref.Message && m.TS != ref.Message && strings.HasPrefix(m.Key("key"), "long/") {
			parts++
		}
	}
	if parts < 2 {
		t.Errorf("%d messages follow", parts)
	}
}

// Four cards of one channel that change all the time, each edited when its share of what Slack takes has come,
// are never older than 5 s, and Slack never has to say that it is too much. Nobody waits for a turn while others could go.
func TestManyEditsKeepToTheLimits(t *testing.T) {
	y := newYard(t, func(o *fake.Options) { o.Limits = true })
	type shown struct {
		ref           Ref
		due, at, asks time.Time // when it may be edited, was edited, and wanted to be
	}
	var all []*shown
	for _, key := range []string{"a", "b", "c", "d"} {
		all = append(all, &shown{ref: y.post(key, y.room(), live())})
	}
	for i, c := range all { // spread evenly, as the engine does it
		at := y.Now().Add(time.Duration(i) * 1210 * time.Millisecond)
		c.due, c.at, c.asks = at, at, at
	}
	for range 400 {
		slices.SortFunc(all, func(a, b *shown) int { return cmp.Or(a.due.Compare(b.due), a.asks.Compare(b.asks)) })
		c := all[0]
		y.later(max(0, c.due.Sub(y.Now())))
		began := y.Now()
		err := y.poster.Edit(y.Context(), c.ref, live())
		if waited := y.Now().Sub(began); waited > time.Second {
			t.Fatalf("an edit waited for %s", waited)
		}
		if errs.Is(err, errs.Busy) {
			c.due = y.Now().Add(errs.After(err))
			continue
		}
		y.ok(err)
		if d := y.Now().Sub(c.at); d > 5*time.Second {
			t.Errorf("a card was %s old", d)
		}
		c.at, c.due, c.asks = y.Now(), y.Now().Add(5*time.Second), y.Now().Add(5*time.Second)
	}
	y.later(10 * time.Second)
	y.fake.Throttle("chat.update", "", 20*time.Second)
	asked := y.fake.Asked("chat.update")
	err := y.poster.Edit(y.Context(), all[0].ref, live())
	y.want(errs.Busy, err)
	if errs.After(err) < 15*time.Second || errs.After(err) > 20*time.Second {
		t.Errorf("it asks for %s", errs.After(err))
	}
	y.want(errs.Busy, y.poster.Edit(y.Context(), all[1].ref, live()), "asked us to wait")
	if n := y.fake.Asked("chat.update"); n != asked+1 {
		t.Errorf("Slack was asked %d times while it wanted to be left alone", n-asked)
	}
	y.post("e", y.room(), live()) // another method goes on
	y.later(21 * time.Second)
	y.ok(y.poster.Edit(y.Context(), all[0].ref, live()))
}

func TestDirectMessages(t *testing.T) {
	y := newYard(t)
	place, err := y.poster.Direct(y.Context(), "T0HARBOUR/"+y.hana.ID)
	if y.ok(err); place != "T0HARBOUR/"+y.fake.DM(y.hana.ID) {
		t.Errorf("got %s", place)
	}
	again, err := y.poster.Direct(y.Context(), "T0HARBOUR/"+y.hana.ID)
	if y.ok(err); again != place || y.fake.Asked("conversations.open") != 1 {
		t.Errorf("%s, %d requests", again, y.fake.Asked("conversations.open"))
	}
	y.post("p", Ref{Place: place}, live())
	if n := len(y.fake.Ours(y.fake.DM(y.hana.ID))); n != 1 {
		t.Errorf("%d messages", n)
	}
	_, err = y.poster.Direct(y.Context(), "T0OTHER/"+y.hana.ID)
	y.want(errs.Gone, err)
	_, err = y.poster.Direct(y.Context(), "T0HARBOUR/U0NOBODY")
	y.want(errs.Gone, err)
	// An account that cannot be spoken to is no token that is refused, whatever the words for it are.
	for code, want := range map[string]errs.Kind{"cannot_dm_bot": errs.Gone, "user_disabled": errs.Gone, "messages_tab_disabled": errs.Gone, "missing_scope": errs.Unavailable,
		"team_access_not_granted": errs.Unavailable, "invalid_auth": errs.Unavailable} {
		y.fake.Fault(fake.Fault{Method: "conversations.open", Do: fake.Refuse, Error: code})
		_, err = y.poster.Direct(y.Context(), "T0HARBOUR/"+y.grace.ID)
		y.want(want, err)
	}
	_, err = y.poster.Direct(y.Context(), "hana")
	y.want(errs.Invalid, err)
}

func TestFilesGoIntoTheThread(t *testing.T) {
	y := newYard(t)
	to := y.room()
	to.Thread = y.post("card-1", to, live()).Message
	f := File{Name: "logs/../build <1>.log", Title: "The log of build", Content: []byte("one\ntwo\n")}
	y.ok(y.poster.PostFile(y.Context(), to, f))
	files := y.fake.Files()
	there, err := y.poster.HasFile(y.Context(), to, f.Name, time.Time{})
	if y.ok(err); len(files) != 1 || !there {
		t.Fatalf("%+v, found %v", files, there)
	}
	if there, err = y.poster.HasFile(y.Context(), to, "other.log", time.Time{}); err != nil || there {
		t.Errorf("got %v, %v", there, err)
	}
	y.fake.Fault(fake.Fault{Method: "files.completeUploadExternal", Do: fake.BadGatewayAfter})
	y.want(errs.Doubtful, y.poster.PostFile(y.Context(), to, File{Name: "run.png", Alt: "the run", Content: []byte("\x89PNG")}))
	if there, err = y.poster.HasFile(y.Context(), to, "run.png", time.Time{}); err != nil || !there {
		t.Errorf("got %v, %v", there, err)
	}
	y.want(errs.Invalid, y.poster.PostFile(y.Context(), to, File{Name: "x"}))
	y.want(errs.Invalid, y.poster.PostFile(y.Context(), to, File{Content: []byte("x")}))
	if _, err := slack.ParsePlace(to.Place); err != nil {
		t.Error(err)
	}
}

// Slack does not name all of its bounds: what it does not take is shown in short, with its buttons, and the
// rest follows.
func TestWhatSlackDoesNotTakeIsShownInShort(t *testing.T) {
	y := newYard(t)
	for _, code := range []string{"invalid_blocks", "msg_blocks_too_long"} {
		y.later(time.Minute)
		y.fake.Fault(fake.Fault{Method: "chat.postMessage", Do: fake.Refuse, Error: code})
		ref := y.post(code, y.room(), gateMessage().Card())
		for _, want := range []string{"gate go", "approve release", "React with", "in the thread"} {
			if !strings.Contains(y.says(ref), want) {
				t.Errorf("%q is missing in %s", want, y.says(ref))
			}
		}
		if below := y.below(ref); !strings.Contains(below, "4c6d2f1e") || !strings.Contains(below, "2 of maintainer") {
			t.Errorf("below it stands %s", below)
		}
		y.ok(y.poster.Edit(y.Context(), ref, gateMessage().Card()))
		if !strings.Contains(y.says(ref), "2 of maintainer") {
			t.Errorf("it stays short: %s", y.says(ref))
		}
		y.later(time.Minute)
		y.fake.Fault(fake.Fault{Method: "chat.update", Do: fake.Refuse, Error: code})
		y.ok(y.poster.Edit(y.Context(), ref, gateMessage().Card()))
		if !strings.Contains(y.says(ref), "which Slack does not take") {
			t.Errorf("got %s", y.says(ref))
		}
	}
	ref := y.post("x", y.room(), live())
	y.later(time.Minute)
	y.fake.Fault(fake.Fault{Method: "chat.update", Times: 2, Do: fake.Refuse, Error: "invalid_blocks"})
	y.want(errs.Invalid, y.poster.Edit(y.Context(), ref, live()))
	if ref = y.post("y", y.room(), live()); strings.Contains(y.says(ref), "does not take") {
		t.Errorf("got %s", y.says(ref))
	}
	y.fake.Fault(fake.Fault{Method: "chat.postMessage", Do: fake.Refuse, Error: "invalid_blocks"})
	if ref = y.post("z", y.room(), live()); !strings.Contains(y.says(ref), "which Slack does not take") || y.below(ref) != "" {
		t.Errorf("a live card: %s, and below it %s", y.says(ref), y.below(ref))
	}
}

// There may be a turn for one edit and not for two: the card is shown in short all the same, the next time.
func TestTheShortFormGetsItsTurn(t *testing.T) {
	y := newYard(t)
	ref, other := y.post("x", y.room(), live()), y.post("y", y.room(), live())
	y.fake.Fault(fake.Fault{Method: "chat.update", Skip: 3, Times: 1, Do: fake.Refuse, Error: "msg_blocks_too_long"})
	for range 3 {
		y.ok(y.poster.Edit(y.Context(), other, live()))
	}
	err := y.poster.Edit(y.Context(), ref, live())
	y.want(errs.Busy, err)
	y.later(errs.After(err))
	asked := y.fake.Asked("chat.update")
	if y.ok(y.poster.Edit(y.Context(), ref, live())); !strings.Contains(y.says(ref), "does not take") || y.fake.Asked("chat.update") != asked+1 {
		t.Errorf("%d requests, and it says %s", y.fake.Asked("chat.update")-asked, y.says(ref))
	}
	y.later(time.Minute)
	if y.ok(y.poster.Edit(y.Context(), ref, live())); strings.Contains(y.says(ref), "does not take") {
		t.Errorf("it stays short: %s", y.says(ref))
	}
}
