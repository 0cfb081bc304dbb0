package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/people"
	"slipway/bot/run"
	"slipway/bot/subscription"
)

// subscribed are the subscriptions of these tests.
type subscribed []subscription.Subscription

func (s subscribed) Subscriptions() []subscription.Subscription { return s }
func (subscribed) Broadcasts(context.Context, string, int) ([]engine.Broadcast, error) {
	return nil, nil
}
func (subscribed) World() run.World {
	return run.World{Now: time.Date(2019, 1, 31, 14, 0, 0, 0, time.UTC), Directory: people.NewDirectory(
		[]people.Person{{ID: "hana", Name: "Hana", Mail: "hana@example.org", Zone: "Europe/Berlin"}, {ID: "ben", Name: "Ben"}},
		[]people.Grant{{ID: "1", Person: "hana", Role: "maintainer", Project: "harbour"}}, nil, nil)}
}
func (subscribed) Location(string) *time.Location { return time.FixedZone("CET", 3600) }

// telling gives the site pages about who is told what.
func (w *world) telling(list ...subscription.Subscription) {
	w.t.Helper()
	o := w.site.o
	o.Tellings = Tellings{Told: subscribed(list), Projects: []string{"harbour", "pier"}, Families: []string{"release"}}
	w.site.Close()
	var err error
	if w.site, err = New(o); err != nil {
		w.t.Fatal(err)
	}
}

func sub(id string, to subscription.Subscriber, project string) subscription.Subscription {
	at := time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC)
	return subscription.Subscription{ID: id, To: to, Filter: subscription.Filter{Project: project}, Added: at, Confirmed: at}
}

func TestSubscriptionsPageShowsWhatConcernsTheViewer(t *testing.T) {
	w := newWorld(t)
	waits := sub("s5", subscription.Subscriber{Mail: "list@example.net"}, "harbour")
	waits.Confirmed, waits.GivenUp = time.Time{}, `<script>alert("x")</script>`
	w.telling(sub("s1", subscription.Subscriber{Person: "hana"}, "harbour"), sub("s2", subscription.Subscriber{Mail: "hana@example.org"}, "pier"),
		sub("s3", subscription.Subscriber{Source: "console", Place: "general"}, "pier"), sub("s4", subscription.Subscriber{Mail: "other@example.org"}, "pier"), waits,
		sub("s6", subscription.Subscriber{Source: "console", Place: "secret"}, "pier"))
	has := func(as string, want ...string) {
		t.Helper()
		page := w.page(as, "/subscriptions")
		for _, id := range []string{"s1", "s2", "s3", "s4", "s5", "s6"} {
			wanted := strings.Contains(strings.Join(want, " "), id)
			if strings.Contains(page, `data-subscription="`+id+`"`) != wanted {
				t.Errorf("%s sees %s: want %v", as, id, wanted)
			}
		}
		if strings.Contains(page, "<script>alert") || strings.Contains(page, " style=") || strings.Contains(page, "onclick") {
			t.Errorf("markup in the page of %s", as)
		}
	}
	has("hana", "s1", "s2", "s3", "s5", "s6")
	has("ben", "s3")
}

func TestSubscriptionFormSaysACommand(t *testing.T) {
	w := newWorld(t)
	w.telling()
	for want, form := range map[string]url.Values{
		"subscribe harbour me": {"project": {"harbour"}, "how": {"me"}},
		"subscribe * release severity>=warning about=stuck,doubtful by mail ben@example.org daily at 07:30 quiet 22:00-07:00 except urgent in Europe/Berlin": {
			"family": {"release"}, "severity": {"warning"}, "about": {"stuck,doubtful"}, "how": {"mail"}, "address": {"ben@example.org"}, "when": {"daily"}, "at": {"07:30"},
			"quiet": {"22:00-07:00"}, "urgent": {"yes"}, "zone": {"Europe/Berlin"}},
		`subscribe "a b release 2019.01" me`: {"project": {"a b\nrelease 2019.01"}},
		"subscribe pier here":                {"project": {"pier"}, "how": {"#general"}, "zone": {"Europe/Berlin"}},
	} {
		form.Set("id", w.id())
		a := w.send("ben", "POST", "/subscriptions", form, "")
		if a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), "/subscriptions?said=") {
			t.Fatalf("%d %s %s", a.status, a.header.Get("Location"), a.body)
		}
		channel := "@ben"
		if strings.HasSuffix(want, "here") {
			channel = "general"
		}
		list, err := w.room.Messages(channel, "", 100)
		if err != nil || len(list) == 0 || list[len(list)-1].Text != want {
			t.Errorf("in %s: %+v %v, want %s", channel, list, err, want)
		}
		if back := w.page("ben", a.header.Get("Location")); !strings.Contains(back, "The answer is there") {
			t.Error("no link to what was said")
		}
	}
	if a := w.send("ben", "POST", "/subscriptions/end", url.Values{"id": {"end1"}, "subscription": {"s1\nrelease 2019.01"}}, ""); a.status != http.StatusSeeOther {
		t.Fatal(a.status, a.body)
	}
	list, err := w.room.Messages("@ben", "", 100)
	if err != nil || list[len(list)-1].Text != `unsubscribe "s1 release 2019.01"` {
		t.Errorf("%+v %v", list, err)
	}
	if a := w.send("ben", "POST", "/subscriptions", url.Values{"id": {"x1"}}, "", "Test-Scopes", "read"); a.status != http.StatusForbidden {
		t.Errorf("a token that may only read: %d", a.status)
	}
}

func TestSubscriptionPreviewSaysNothing(t *testing.T) {
	w := newWorld(t)
	w.telling()
	page := w.page("hana", "/subscriptions?preview=yes&project=harbour&how=mail&when=daily&at=08%3A00")
	for _, want := range []string{"subscribe harbour by mail daily at 08:00", "harbour; together, daily 08:00 Europe/Berlin", `datetime="2019-02-01T07:00:00Z"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the preview lacks %q", want)
		}
	}
	if page = w.page("hana", "/subscriptions?preview=yes&project=harbour&quiet=22-07"); !strings.Contains(page, "write quiet 22:00-07:00") {
		t.Error("what is wrong is not said")
	}
	if list, err := w.room.Messages("@hana", "", 10); err != nil || len(list) != 0 {
		t.Errorf("said: %+v %v", list, err)
	}
}

// A subscription is said only where there is a channel that the viewer may see: a form makes none.
func TestASubscriptionMakesNoChannel(t *testing.T) {
	w := newWorld(t)
	w.telling()
	for channel, status := range map[string]int{"#nowhere": http.StatusNotFound, "#secret": http.StatusNotFound, "#@hana": http.StatusNotFound, "#general": http.StatusSeeOther} {
		if a := w.send("ben", "POST", "/subscriptions", url.Values{"id": {"s" + channel[1:2]}, "how": {channel}}, ""); a.status != status {
			t.Errorf("%s: %d, want %d", channel, a.status, status)
		}
	}
	if all, err := w.room.Channels(); err != nil || len(all) != 1 || all[0] != "general" {
		t.Errorf("there are the channels %v, %v", all, err)
	}
}
