package aptrepo

import (
	"context"
	"slices"
	"testing"
	"time"

	"slipway/bot/action"
)

// TestASuiteIsDueInTheSecondHalfOfItsTime asks before and after the middle, and for suites that
// never expire or were never published.
func TestASuiteIsDueInTheSecondHalfOfItsTime(t *testing.T) {
	forever, empty := stable(), stable()
	forever.Name, forever.ValidFor = "forever", 0
	empty.Name = "empty"
	w := newWorld(t, Options{}, stable(), forever, empty)
	w.publish(w.change(w.deb("hello", "1.0", "amd64", "Source: world")))
	began := w.now
	c := w.change(w.deb("other", "1.0", "amd64", "Source: world"))
	c.Suite = "forever"
	w.publish(c)
	configured := Configured{Place: w.a, Suites: []Suite{stable(), forever, empty}}
	actions := &Actions{Archives: func(string) (Configured, bool) { return configured, true }, Now: func() time.Time { return w.now }}
	ask := func(suites ...string) ExpiryOut {
		t.Helper()
		out, err := expiry{actions}.Do(context.Background(), action.Key{}, ExpiryIn{Archive: "example", Suites: suites, Source: "world"})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	w.now = began.Add(15 * 24 * time.Hour)
	if got := ask(); got.Due || len(got.Suites) > 0 || got.Until != began.Add(30*24*time.Hour).Format(time.RFC3339) {
		t.Errorf("in the middle of its time: %+v", got)
	}
	w.now = w.now.Add(time.Second)
	got := ask()
	if !got.Due || !slices.Equal(got.Suites, []string{"stable"}) {
		t.Fatalf("a second later: %+v", got)
	}
	if o := got.Offers[0]; o.Suite != "stable" || o.Version != "1.0" || !slices.Equal(o.Packages, []string{"hello"}) {
		t.Errorf("it offers %+v", o)
	}
	if got := ask("forever", "empty"); got.Due || got.Until != "" {
		t.Errorf("suites that do not expire: %+v", got)
	}
}
