package console

import (
	"context"
	"errors"
	"strings"
	"testing"

	"slipway/bot/card"
	"slipway/bot/errs"
)

func TestDirectRoomIsThereForItsPersonOnly(t *testing.T) {
	ctx := context.Background()
	h := serve(t, func(s *Server) {
		s.Direct = func(account string) string { return DirectRoom(strings.TrimPrefix(account, "console:")) }
	})
	grace, alan := h.client(t, "grace"), h.client(t, "alan")
	mine, err := grace.Say(ctx, Saying{Channel: Mine, Text: "help"})
	if err != nil || mine.Channel != "@grace" {
		t.Fatalf("said in %q: %v", mine.Channel, err)
	}
	answer, err := h.Room.Poster("bot:slipway").Post(ctx, "k", Place{Channel: "@grace", Thread: mine.ID}, card.Card{Key: "k", Title: "a secret"})
	if err != nil {
		t.Fatal(err)
	}
	// To others neither the room nor what is in it exists.
	_, said := alan.Say(ctx, Saying{Channel: "@grace", Text: "let me in"})
	_, threaded := alan.Say(ctx, Saying{Channel: Mine, Thread: mine.ID, Text: "let me in"})
	_, shown := alan.Show(ctx, answer.ID)
	_, reacted := alan.React(ctx, answer.ID, "✅", true)
	watched := alan.Watch(ctx, "@grace", new(uint64), func(Change) error { return errors.New("seen") })
	for what, err := range map[string]error{"say": said, "thread": threaded, "show": shown, "react": reacted, "watch": watched} {
		if !errs.Is(err, errs.NotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := alan.Say(ctx, Saying{Channel: "general", Text: "the end"}); err != nil {
		t.Fatal(err)
	}
	for who, want := range map[*Client]int{grace: 3, alan: 1} {
		seen, end := 0, errors.New("end")
		err := who.Watch(ctx, "", new(uint64), func(c Change) error {
			if c.Kind == Posted {
				seen++
			}
			if c.Kind == Posted && c.Channel == "general" {
				return end
			}
			return nil
		})
		if !errors.Is(err, end) || seen != want {
			t.Errorf("%s sees %d messages, want %d: %v", who.As, seen, want, err)
		}
	}
}

func TestWithoutDirectRoomsThereAreNone(t *testing.T) {
	h := serve(t, nil)
	for _, channel := range []string{Mine, "@grace"} {
		if _, err := h.client(t, "grace").Say(context.Background(), Saying{Channel: channel, Text: "help"}); !errs.Is(err, errs.NotFound) {
			t.Errorf("%s: %v", channel, err)
		}
	}
	if CheckChannel("@grace") == nil || checkPlace("@") == nil || checkPlace("@@grace") == nil || checkPlace("@Grace") == nil {
		t.Error("an odd name is taken")
	}
}
