package chat

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	fake "slipway/test/fakes/slack"
)

func TestThePastIsToldInOrder(t *testing.T) {
	y := newYard(t)
	top, _ := y.gate()
	y.fake.Say(y.hana.ID, y.channel, "too early", "")
	y.later(2 * time.Hour)
	from := y.Now()
	dm := y.fake.DM(y.grace.ID)
	y.fake.Say(y.hana.ID, y.channel, "one", "")
	y.later(time.Second)
	y.fake.Say(y.grace.ID, dm, "two", "")
	y.later(time.Second)
	y.fake.Say(y.grace.ID, y.channel, "three", top.Message)
	y.later(time.Second)
	y.fake.SayToAll(y.hana.ID, y.channel, "four", top.Message)
	y.later(time.Second)
	y.fake.Notice(y.hana.ID, y.channel, "channel_topic", "a new topic")
	y.post("x", y.room(), live())
	ts := y.fake.Say(y.hana.ID, y.channel, "five", "")
	y.later(time.Minute)
	y.ok(y.fake.Edit(y.hana.ID, y.channel, ts, "five, changed"))
	y.later(time.Hour)

	p := NewPast(PastOptions{Client: y.client, Places: func() []string { return []string{y.room().Place} }})
	want := []string{y.hana.ID + " one", y.grace.ID + " two", y.grace.ID + " three", y.hana.ID + " four", y.hana.ID + " five, changed"}
	if got := heard(t, p, from); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := heard(t, p, from); len(got) != 0 {
		t.Errorf("told again: %q", got)
	}
	p = NewPast(PastOptions{Client: y.client, Places: func() []string { return []string{y.room().Place} }, Heard: func(s string) bool { return s == "one" }})
	if got := heard(t, p, from); !slices.Equal(got, []string{y.hana.ID + " one", y.grace.ID + " two"}) {
		t.Errorf("got %q", got)
	}
}

func TestWhatIsReadHasTheShapeOfADelivery(t *testing.T) {
	y := newYard(t)
	from := y.Now()
	top := y.post("card-1", y.room(), live())
	ts := y.fake.Say(y.hana.ID, y.channel, "<@"+y.fake.App().User+"> approve &amp; go", top.Message)
	var all []Written
	p := NewPast(PastOptions{Client: y.client})
	y.ok(p.SinceIn(y.Context(), y.room().Place, from, func(w Written) error { all = append(all, w); return nil }))
	if len(all) != 1 || all[0].Place != y.room().Place || all[0].Account != "T0HARBOUR/"+y.hana.ID || all[0].ID != "read-"+y.channel+"-"+ts || all[0].At.Sub(from) > time.Second {
		t.Fatalf("got %+v", all)
	}
	var body struct {
		Type  string         `json:"type"`
		Team  string         `json:"team_id"`
		App   string         `json:"api_app_id"`
		Event map[string]any `json:"event"`
	}
	if err := json.Unmarshal(all[0].Body, &body); err != nil {
		t.Fatal(err)
	}
	e := body.Event
	if body.Type != "event_callback" || body.Team != "T0HARBOUR" || body.App != y.fake.App().ID || e["type"] != "message" || e["channel"] != y.channel ||
		e["ts"] != ts || e["thread_ts"] != top.Message || e["user"] != y.hana.ID {
		t.Errorf("got %s", all[0].Body)
	}
}

func TestAPlaceThatCannotBeReadKeepsNobodyBack(t *testing.T) {
	y := newYard(t)
	from := y.Now()
	y.fake.Say(y.hana.ID, y.channel, "one", "")
	p := NewPast(PastOptions{Client: y.client, Places: func() []string { return []string{"T0HARBOUR/C0NOWHERE", y.room().Place} }})
	n := 0
	if err := p.SinceIn(y.Context(), "T0HARBOUR/C0NOWHERE", from, nil); err == nil {
		t.Error("a place that is not there is read")
	}
	if err := p.Since(y.Context(), from, func(Written) error { n++; return nil }); err != nil || n != 1 {
		t.Errorf("%d told, %v", n, err) // it may never be there: who waited for it would wait for ever
	}
	full := errors.New("no room")
	y.fake.Say(y.hana.ID, y.channel, "two", "")
	if err := p.SinceIn(y.Context(), y.room().Place, from, func(Written) error { return full }); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	if got := func() (n int) {
		y.ok(p.SinceIn(y.Context(), y.room().Place, from, func(Written) error { n++; return nil }))
		return n
	}(); got != 1 {
		t.Errorf("%d told after an error", got)
	}
}

// A week of talk is gone through, page after page, and threads that began before are found.
func TestALongPast(t *testing.T) {
	y := newYard(t)
	top := y.fake.Say(y.hana.ID, y.channel, "an old thread", "")
	y.later(6 * 24 * time.Hour)
	for range 250 {
		y.fake.Say(y.grace.ID, y.channel, "talk", "")
	}
	y.later(time.Hour)
	from := y.Now()
	for range 250 {
		y.fake.Say(y.grace.ID, y.channel, "more", "")
	}
	y.fake.Say(y.hana.ID, y.channel, "late", top)
	p := NewPast(PastOptions{Client: y.client, Places: func() []string { return []string{y.room().Place} }})
	got := heard(t, p, from)
	if len(got) != 251 || !has(got, y.hana.ID+" late") {
		t.Errorf("%d told", len(got))
	}
	// Now and then only threads are found that began in what is read anyway.
	shallow, n := NewPast(PastOptions{Client: y.client}), 0
	y.ok(shallow.SinceIn(y.Context(), y.room().Place, from, func(Written) error { n++; return nil }))
	if n != 250 {
		t.Errorf("%d told", n)
	}
}

func TestStrangersInThePast(t *testing.T) {
	y := newYard(t)
	from := y.Now()
	y.fake.AddTeam(fake.Team{ID: "T0FOREIGN", Name: "Foreign", Domain: "foreign"})
	stranger := y.fake.AddUser(fake.User{Team: "T0FOREIGN", Name: "hana"})
	shared := y.fake.AddChannel(fake.Channel{Name: "shared", Shared: []string{"T0FOREIGN"}, Members: []string{stranger.ID, y.fake.App().User}}).ID
	y.fake.Say(stranger.ID, shared, "approve", "")
	p := NewPast(PastOptions{Client: y.client})
	var all []Written
	y.ok(p.SinceIn(y.Context(), "T0HARBOUR/"+shared, from, func(w Written) error { all = append(all, w); return nil }))
	if len(all) != 1 || all[0].Account != "T0FOREIGN/"+stranger.ID {
		t.Errorf("got %+v", all)
	}
}
