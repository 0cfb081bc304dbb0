package web_test

import (
	"context"
	"testing"

	"slipway/bot/people"
	"slipway/bot/view"
	"slipway/integrations/console"
)

// TestWhatIsMarkedAsABodyMayBeRead: every value that pages show as a file is one that they serve, and
// the digest that a gate gives is none.
func TestWhatIsMarkedAsABodyMayBeRead(t *testing.T) {
	y, secret, open := embargoed(t)
	ctx := context.Background()
	marked, gates := 0, 0
	for id, who := range map[string]people.PersonID{secret: "grace", open: "oskar"} {
		one, err := y.r.Run(ctx, who, id)
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range one.Steps {
			page, err := y.r.Step(ctx, who, id, st.Path, view.Pick{})
			if err != nil {
				t.Fatal(err)
			}
			list := page.Outputs
			if page.Gate != nil {
				for _, v := range page.Outputs {
					if gates++; v.Body != "" {
						t.Errorf("%s.%s of a gate is shown as a file", st.Path, v.Name)
					}
				}
				for _, b := range page.Gate.Bound {
					for _, v := range b.Behind {
						if v.Type == "digest" {
							list = append(list, v)
						}
					}
				}
			}
			for _, v := range list {
				if v.Body == "" {
					continue
				}
				marked++
				if _, err := y.r.Holds(ctx, who, id, v.Body); err != nil {
					t.Errorf("%s.%s is marked, and is not to be had: %v", st.Path, v.Name, err)
				}
			}
		}
	}
	if marked == 0 || gates == 0 {
		t.Errorf("%d values are marked, and gates give %d", marked, gates)
	}
}

// TestNobodyIsToldOfOthersRooms: alan approved in his own room, and only he is led there.
func TestNobodyIsToldOfOthersRooms(t *testing.T) {
	y, secret, _ := embargoed(t)
	ctx := context.Background()
	for _, who := range []people.PersonID{"alan", "grace"} {
		line, err := y.r.Timeline(ctx, who, secret, view.About{Fine: true})
		if err != nil {
			t.Fatal(err)
		}
		g, err := y.r.Gate(ctx, who, secret, "go")
		if err != nil {
			t.Fatal(err)
		}
		told := map[string]int{}
		for _, ev := range line.Events {
			if ev.Message != nil {
				told[ev.Message.Channel]++
			}
		}
		for _, v := range g.Votes {
			if v.Message != nil {
				told[v.Message.Channel]++
			}
		}
		for channel := range told {
			if console.IsDirect(channel) && channel != console.DirectRoom(string(who)) {
				t.Errorf("%s is told of a message in %s", who, channel)
			}
		}
		if who == "alan" && told[console.DirectRoom("alan")] == 0 {
			t.Errorf("alan is not led to where he approved: %v", told)
		}
	}
}
