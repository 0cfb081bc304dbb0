package slack

import (
	"testing"

	"slipway/bot/errs"
	fake "slipway/test/fakes/slack"
)

// TestConnection: what only a person can mend is told apart from troubles of Slack's own.
func TestConnection(t *testing.T) {
	s := newSite(t)
	c := s.as(Options{AppToken: s.fake.App().AppToken})
	_, err := c.Connection(t.Context())
	wantKind(t, errs.Denied, err, "connections:write") // Socket Mode is off
	s.fake.SetApp(func(a *fake.App) { a.Socket = true })
	for _, name := range []string{"internal_error", "service_unavailable", "request_timeout", "ratelimited", "too_many_websockets"} {
		s.fake.Fault(fake.Fault{Method: "apps.connections.open", Do: fake.Refuse, Error: name})
		if _, err := s.as(Options{AppToken: s.fake.App().AppToken}).Connection(t.Context()); err == nil || errs.Is(err, errs.Denied) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if address, err := c.Connection(t.Context()); err != nil || address == "" {
		t.Errorf("got %q, %v", address, err)
	}
}
