package main

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"slipway/bot/subscription"
)

// A person subscribes on the page, is told in their own room, sees the receipts, and whoever holds
// a mail ends its subscription by the link without being anybody here.
func TestSubscribeInABrowser(t *testing.T) {
	w := newDoorWorld(t, asMany)
	hana, tessa := w.browser("hana.localhost"), w.browser("tessa.localhost")
	subscribe := func(fields string) {
		t.Helper()
		n := len(w.b.engine.Subscriptions())
		form, err := url.ParseQuery(fields)
		if err != nil {
			t.Fatal(err)
		}
		form.Set("id", rand.Text())
		to := hana.send(http.MethodPost, "/subscriptions", form).want(t, http.StatusSeeOther).Header.Get("Location")
		hana.get(to).want(t, http.StatusOK, "The answer is there")
		w.until("the subscription is there", func() bool { return len(w.b.engine.Subscriptions()) == n+1 })
	}
	subscribe("project=harbour&how=me")
	subscribe("project=harbour&how=mail&when=daily&at=08%3A00")
	hana.get("/subscriptions").want(t, http.StatusOK, "You, in this console", "hana@harbour.example")
	if page := tessa.get("/subscriptions").want(t, http.StatusOK); strings.Contains(page.text, "hana@harbour.example") {
		t.Error("others see her address")
	}
	hana.say("release 2019.01").want(t, http.StatusSeeOther)
	w.until("hana is told in her own room", func() bool {
		list, err := w.b.room.Messages("@hana", "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			if m.Card != nil && m.Card.Title == "release/harbour/2019.01 has begun" {
				return strings.Contains(hana.get("/c/@me").text, "has begun")
			}
		}
		return false
	})
	told := "/runs/" + w.runOf("release/harbour/2019.01") + "/told"
	hana.get(told).want(t, http.StatusOK, "has begun", "person:hana", "mail:hana@harbour.example")
	if page := tessa.get(told).want(t, http.StatusOK, "mail:ha…@harbour.example"); strings.Contains(page.text, "hana@harbour.example") {
		t.Error("the receipts show her address to others")
	}
	hana.say("release 2019.02 --private").want(t, http.StatusSeeOther)
	private := "/runs/" + w.runOf("release/harbour/2019.02") + "/told"
	hana.get(private).want(t, http.StatusOK, "Nothing was told")
	tessa.get(private).want(t, http.StatusNotFound)

	var link string
	for _, p := range w.b.engine.Preview(subscription.News{Project: "harbour", Severity: subscription.Urgent, Kind: subscription.Told, Title: "x"}, false) {
		if _, rest, found := strings.Cut(p.Whole, "To stop: "); found {
			link, _, _ = strings.Cut(rest, "\n")
		}
	}
	path, ok := strings.CutPrefix(link, fmt.Sprintf("http://%s", w.addr))
	if !ok {
		t.Fatalf("the link is %q", link)
	}
	stranger := w.browser("")
	stranger.get("/subscriptions").want(t, http.StatusSeeOther) // to the login
	stranger.get(path).want(t, http.StatusOK, "hana@harbour.example is told of harbour", "Send no more")
	post := func(path string) answer { // as a mail program does: no cookie, no origin
		return stranger.send(http.MethodPost, path, url.Values{"List-Unsubscribe": {"One-Click"}}, func(r *http.Request) {
			for _, name := range []string{"Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Accept"} {
				r.Header.Del(name)
			}
		})
	}
	post(path+"x").want(t, http.StatusNotFound)
	post(path).want(t, http.StatusOK, "told no more")
	if left := w.b.engine.Subscriptions(); len(left) != 1 || left[0].To.Person != "hana" {
		t.Errorf("left: %+v", left)
	}
	post(path).want(t, http.StatusNotFound)
}
