package view_test

import (
	"context"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/run"
	"slipway/bot/view"
	"slipway/test/fleet"
)

// Whatever a person types into the fields of a form arrives as it was typed: the line that the form
// stands for is read by the grammar as that very answer.
func TestWhatIsTypedArrives(t *testing.T) {
	w := newWorld(t, fleet.Options{})
	// Together shorter than a line may be; a field is trimmed by the browser's form.
	text := rapid.Map(rapid.StringOfN(rapid.OneOf(rapid.RuneFrom([]rune("ab \"'\\=-–—`“”«»‘’#,.;:|&<>()[]{}$%ü€中")), rapid.RuneFrom(nil, unicode.L, unicode.Nd)), -1, -1, 700), strings.TrimSpace)
	rapid.Check(t, func(t *rapid.T) {
		value, reason := text.Draw(t, "value"), text.Draw(t, "reason")
		a := view.Action{Command: "doubt 2026.02 push happened", Fields: []view.Field{{Name: "note", Type: "string"}, {Name: "reason", Option: true, Type: "string"},
			{Name: "result", In: "output", Type: "string"}, {Name: "count", In: "output", Type: "int"}}}
		line, err := a.Line(map[string]string{"note": value, "reason": reason, "result": value, "count": "7"})
		if err != nil {
			t.Fatal(err)
		}
		asked := w.Parser.Parse(line, engine.Spoken{Person: "grace", Addressed: true, Project: "lava"})
		if len(asked) != 1 || asked[0].Input == nil {
			t.Fatalf("%q is read as %+v", line, asked)
		}
		c, ok := asked[0].Input.(run.Command)
		if !ok {
			t.Fatalf("%q is read as %+v", line, asked[0].Input)
		}
		note, _ := c.Values["note"].(string)
		if note != value || c.Reason != reason {
			t.Fatalf("%q and %q arrive as %q and %q in %q", value, reason, note, c.Reason, line)
		}
		if out, _ := c.Values["output"].(string); !strings.Contains(out, `"count":7`) {
			t.Fatalf("the output arrives as %q", out)
		}
	})
}

func TestALineRefusesWhatItCannotSay(t *testing.T) {
	a := view.Action{Text: "Answer", Command: "answer x y", Fields: []view.Field{{Name: "good", Type: "bool", Required: true}, {Name: "n", In: "output", Type: "int"}}}
	for _, given := range []map[string]string{{}, {"good": " "}, {"good": "true\nrelease 2"}, {"good": "true", "other": "x"}, {"good": "true", "n": "seven"}} {
		if line, err := a.Line(given); !errs.Is(err, errs.Invalid) || errs.HintOf(err) == "" {
			t.Errorf("%v gives %q, %v", given, line, err)
		}
	}
}

// Lists and pages stay bounded, however large the run.
func TestLargeRunsAreShownInPieces(t *testing.T) {
	w := newWorld(t, fleet.Options{More: []string{fleet.BigYAML(30, 10)}})
	ctx := context.Background()
	id, err := w.Big(ctx, "9.9", 400, true)
	if err != nil {
		t.Fatal(err)
	}
	r, err := w.r.Run(ctx, "grace", id)
	if err != nil || r.StepCount < 400 || len(r.Steps) != 31 || len(r.Awaited) != 50 || r.Steps[30].Counts["done"] != 350 {
		t.Fatalf("%v: %d steps, %d awaited, %+v", err, len(r.Steps), len(r.Awaited), r.Steps[30])
	}
	seen := map[string]bool{}
	for pick := (view.Pick{Limit: 100}); ; {
		st, err := w.r.Step(ctx, "grace", id, "parts", pick)
		if err != nil || len(st.Elements.Items) > 100 {
			t.Fatal(err, len(st.Elements.Items))
		}
		for _, el := range st.Elements.Items {
			seen[el.Key] = true
		}
		if pick.From = st.Elements.Next; pick.From == 0 {
			break
		}
	}
	if len(seen) != 400 {
		t.Errorf("the pages have %d of 400 elements", len(seen))
	}
	events := 0
	for about := (view.About{Fine: true, Limit: 60}); ; {
		page, err := w.r.Timeline(ctx, "grace", id, about)
		if err != nil || len(page.Events) > 60 {
			t.Fatal(err, len(page.Events))
		}
		events += len(page.Events)
		if about.Before = page.Before; about.Before == 0 {
			break
		}
	}
	if events < 450 {
		t.Errorf("the timeline has %d events", events)
	}
	m, err := w.r.Mine(ctx, "grace")
	if err != nil || len(m.Waits) != 50 {
		t.Errorf("%v: %d", err, len(m.Waits))
	}
}

func TestManyRunsAreListedInPages(t *testing.T) {
	w := newWorld(t, fleet.Options{})
	ctx := context.Background()
	if err := w.Fill(ctx, 230, 30); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		p    people.PersonID
		q    view.Query
		want int
	}{{"grace", view.Query{}, 230}, {"oskar", view.Query{}, 207}, {"", view.Query{Which: "live"}, 27}, {"hana", view.Query{Text: "2000.03"}, 30}, {"oskar", view.Query{Text: "2000.03"}, 27}} {
		n := 0
		for c.q.Limit = 20; ; {
			list, err := w.r.Runs(ctx, c.p, c.q)
			if err != nil || len(list.Runs) > 20 {
				t.Fatal(err)
			}
			n += len(list.Runs)
			if c.q.After = list.Next; c.q.After == "" {
				break
			}
		}
		if n != c.want {
			t.Errorf("%q %+v: %d runs, want %d", c.p, c.q, n, c.want)
		}
	}
}
