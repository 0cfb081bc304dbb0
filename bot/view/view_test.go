package view_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"slipway/bot/calendar"
	"slipway/bot/errs"
	"slipway/bot/picture"
	"slipway/bot/view"
	"slipway/test/fleet"
)

// world is a fleet with a reader of it.
type world struct {
	*fleet.Fleet
	t *testing.T
	r *view.Reader
}

func newWorld(t *testing.T, o fleet.Options) *world {
	t.Helper()
	f, err := fleet.New(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return &world{f, t, view.New(f.Engine)}
}

func (w *world) say(who, text string) {
	w.t.Helper()
	w.sayIn(who, fleet.Channel, text)
}

func (w *world) sayIn(who, channel, text string) {
	w.t.Helper()
	if _, err := w.Say(context.Background(), who, channel, "", text); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) run(who view.PersonID, name string) view.Run {
	w.t.Helper()
	r, err := w.r.Run(context.Background(), who, name)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) gate(who view.PersonID, name string) view.Gate {
	w.t.Helper()
	g, err := w.r.Gate(context.Background(), who, name, "go")
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

// press says the line of an action as its button does.
func (w *world) press(who string, a view.Action, given map[string]string) {
	w.t.Helper()
	line, err := a.Line(given)
	if err != nil {
		w.t.Fatal(err)
	}
	w.say(who, line)
}

func action(t *testing.T, list []view.Action, id string) view.Action {
	t.Helper()
	for _, a := range list {
		if a.ID == id {
			return a
		}
	}
	t.Fatalf("there is no action %s in %+v", id, list)
	return view.Action{}
}

const name = "release/lava/2026.02"

// atGate brings a release to its gate.
func (w *world) atGate() {
	w.t.Helper()
	w.say("grace", "release 2026.02 note=hello")
	r := w.run("grace", name)
	if len(r.Awaited) != 1 || r.Awaited[0].Kind != "ask" || !r.Awaited[0].Mine {
		w.t.Fatalf("awaited: %+v", r.Awaited)
	}
	w.press("grace", action(w.t, r.Awaited[0].Actions, "answer"), map[string]string{"merged": "true", "moved": `the "blue" one = later`})
}

// A release is carried to its end by nothing but the lines that the buttons stand for.
func TestEveryButtonIsALineThatWorks(t *testing.T) {
	w := newWorld(t, fleet.Options{})
	ctx := context.Background()
	w.atGate()
	g := w.gate("alan", name)
	if g.State != "open" || g.Digest == "" || len(g.Bound) != 5 || len(g.Actions) != 3 {
		t.Fatalf("gate: %+v", g)
	}
	if g.Bound[0].Kind != "commit" || g.Bound[3].Text != `the "blue" one = later` {
		t.Errorf("bound: %+v", g.Bound)
	}
	if b := g.Bound[1]; b.Kind != "digest" || len(b.Behind) == 0 || !strings.HasPrefix(b.Behind[0].Text, "Announcing 2026.02") {
		t.Errorf("behind the announcement: %+v", b)
	}
	if b := g.Bound[2]; len(b.Behind) == 0 || b.Behind[0].Text != "2026.02.dsc" || b.Behind[0].Body != b.Text {
		t.Errorf("behind the file: %+v", b)
	}
	why, err := w.Engine.Why(ctx, w.run("alan", name).ID, "go")
	if err != nil || strings.Join(why.Lines, "\n") != strings.Join(g.Lines, "\n") {
		t.Errorf("the gate says %q, why says %q (%v)", g.Lines, why.Lines, err)
	}
	if no := action(t, g.Actions, "reject").Command; !strings.HasSuffix(no, " go --manifest "+g.Digest) { // a no is final, and to what is shown
		t.Errorf("the line of a no is %s", no)
	}
	w.press("alan", action(t, g.Actions, "approve"), nil)
	if g := w.gate("alan", name); !g.Yes || g.Actions[0].ID != "withdraw" || len(g.Votes) != 1 || !g.Votes[0].Counts {
		t.Errorf("after an approval: %+v", g)
	}
	w.Break("fleet.push", true, errs.E("push", errs.Doubtful, errors.New("the line went dead")))
	w.press("hana", action(t, w.gate("hana", name).Actions, "approve"), nil)
	r := w.run("grace", name)
	if len(r.Awaited) == 0 || r.Awaited[0].Kind != "doubtful" || len(r.Effects) == 0 || r.Effects[0].State != "doubtful" {
		t.Fatalf("no doubt is shown: %+v %+v", r.Awaited, r.Effects)
	}
	w.Break("fleet.push", false, nil)
	w.press("grace", action(t, r.Awaited[0].Actions, "happened"), map[string]string{"result": "seen at the remote"})
	r = w.run("grace", name)
	if len(r.Awaited) != 1 || r.Awaited[0].Kind != "by_hand" {
		t.Fatalf("after the doubt: %+v", r.Awaited)
	}
	w.press("grace", action(t, r.Actions, "hold"), map[string]string{"reason": "lunch"})
	if r = w.run("grace", name); r.Status != "held" || !strings.Contains(r.Words, "lunch") {
		t.Errorf("held: %+v", r.Line)
	}
	w.press("grace", action(t, r.Actions, "resume"), nil)
	w.press("grace", action(t, w.run("grace", name).Awaited[0].Actions, "done"), map[string]string{"who": "Ms. O'Hara & co"})
	if r = w.run("grace", name); r.Outcome != "done" || len(r.Awaited) != 0 || r.State != "done" {
		t.Errorf("the end: %+v", r.Line)
	}
	if err := w.Engine.FsckFull(ctx, func(p string) { t.Error(p) }); err != nil {
		t.Fatal(err)
	}
}

func TestWhatChangedSinceIApproved(t *testing.T) {
	w := newWorld(t, fleet.Options{})
	w.atGate()
	w.press("alan", action(t, w.gate("alan", name).Actions, "approve"), nil)
	w.say("grace", "release retry "+name+` --from checklist note="good bye"`)
	w.press("grace", action(t, w.run("grace", name).Awaited[0].Actions, "answer"), map[string]string{"merged": "true", "moved": "nothing"})
	g := w.gate("alan", name)
	if g.State != "open" || g.Number != 2 || g.Yes || g.Changed == nil {
		t.Fatalf("the new gate: %+v", g)
	}
	if g.Changed.Number != 1 || g.Changed.Same == 0 {
		t.Errorf("changed: %+v", g.Changed)
	}
	var names []string
	for _, d := range g.Changed.Lines {
		names = append(names, d.Name+" "+d.Kind+" "+d.Was+" → "+d.Now)
	}
	all := strings.Join(names, "\n")
	if !strings.Contains(all, `steps.checklist.moved changed the "blue" one = later → nothing`) || !strings.Contains(all, "hello → good bye") {
		t.Errorf("changed:\n%s", all)
	}
	if other := w.gate("hana", name); other.Changed != nil {
		t.Errorf("hana approved nothing, and is shown %+v", other.Changed)
	}
}

func TestStepsTellAttemptsAndElements(t *testing.T) {
	w := newWorld(t, fleet.Options{})
	ctx := context.Background()
	w.atGate()
	w.press("alan", action(t, w.gate("alan", name).Actions, "approve"), nil)
	w.Break("fleet.build", false, errs.E("build", errs.Failed, errors.New("the <oven> is cold")))
	w.press("hana", action(t, w.gate("hana", name).Actions, "approve"), nil)
	st, err := w.r.Step(ctx, "grace", name, "images", view.Pick{})
	if err != nil || st.Elements == nil || st.Elements.Total != 3 || len(st.Elements.Items) != 3 {
		t.Fatalf("%v: %+v", err, st.Elements)
	}
	path := "images[arm64]/image"
	one, err := w.r.Step(ctx, "grace", name, path, view.Pick{})
	if err != nil || len(one.Attempts) != 1 || one.Attempts[0].Outcome == "" || !strings.Contains(one.Attempts[0].Message, "<oven>") {
		t.Fatalf("%v: %+v", err, one.Attempts)
	}
	if got, err := w.r.Step(ctx, "grace", name, "images", view.Pick{Status: "done"}); err != nil || len(got.Elements.Items) != 0 {
		t.Errorf("%v: %+v", err, got.Elements)
	}
	if got, err := w.r.Step(ctx, "grace", name, "images", view.Pick{Limit: 2}); err != nil || len(got.Elements.Items) != 2 || got.Elements.Next != 2 {
		t.Errorf("%v: %+v", err, got.Elements)
	}
	w.Break("fleet.build", false, nil)
	w.press("grace", action(t, one.Awaited[0].Actions, "retry"), nil)
	if one, err = w.r.Step(ctx, "grace", name, path, view.Pick{}); err != nil || len(one.Attempts) != 2 || one.Attempts[0].Outcome != "done" {
		t.Fatalf("%v: %+v", err, one.Attempts)
	}
	if _, err := w.r.Step(ctx, "grace", name, "images[riscv]/image", view.Pick{}); !errs.Is(err, errs.NotFound) {
		t.Errorf("an element that is not there: %v", err)
	}
	svg, err := w.r.Picture(ctx, "grace", name, picture.Options{})
	if err != nil || !strings.Contains(string(svg), "<svg") {
		t.Errorf("%v: %s", err, svg)
	}
}

func TestTheTimelineIsWholeInEveryPageSize(t *testing.T) {
	w := newWorld(t, fleet.Options{})
	ctx := context.Background()
	w.atGate()
	w.press("alan", action(t, w.gate("alan", name).Actions, "approve"), nil)
	for _, about := range []view.About{{}, {Fine: true}, {Step: "go", Fine: true}} {
		about.Limit = 500
		all, err := w.r.Timeline(ctx, "alan", name, about)
		if err != nil || all.Before != 0 || len(all.Events) == 0 {
			t.Fatalf("%v: %+v", err, all)
		}
		for _, limit := range []int{1, 3, 7} {
			about.Limit, about.Before = limit, 0
			var got []view.Event
			for n := 0; ; n++ {
				page, err := w.r.Timeline(ctx, "alan", name, about)
				if err != nil || n > 500 {
					t.Fatal(n, err)
				}
				got = append(got, page.Events...)
				if page.Before == 0 {
					break
				}
				about.Before = page.Before
			}
			if len(got) != len(all.Events) {
				t.Errorf("%+v: pages of %d have %d events, and there are %d", about, limit, len(got), len(all.Events))
			}
		}
	}
	page, err := w.r.Timeline(ctx, "alan", name, view.About{})
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, e := range page.Events {
		words = append(words, e.Words)
	}
	all := strings.Join(words, "\n")
	for _, want := range []string{"Alan Anchor approves go", "Grace Harbour asked for " + name, "Grace Harbour answered checklist", "go asks for approval"} {
		if !strings.Contains(all, want) {
			t.Errorf("nothing says %q:\n%s", want, all)
		}
	}
	if m := page.Events[0].Message; m == nil || m.Channel != fleet.Channel {
		t.Errorf("the approval came through %+v", m)
	}
}

func TestMineCalendarAndQueue(t *testing.T) {
	w := newWorld(t, fleet.Options{})
	ctx := context.Background()
	w.atGate()
	m, err := w.r.Mine(ctx, "alan")
	if err != nil || len(m.Waits) != 1 || m.Waits[0].Kind != "gate" || m.Waits[0].Run.Name != name || len(m.Waits[0].Threads) != 1 {
		t.Fatalf("%v: %+v", err, m)
	}
	if m, err := w.r.Mine(ctx, "grace"); err != nil || len(m.Waits) != 0 || len(m.Asked) != 1 {
		t.Errorf("%v: %+v", err, m)
	}
	now := w.Clock.Now()
	if err := w.Freeze(ctx, calendar.Freeze{ID: "easter", Calendar: "release", Why: "nobody is there", From: now.Add(-time.Hour), Until: now.Add(48 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	c, err := w.r.Calendar(ctx, "alan", now.AddDate(0, 0, -3), now.AddDate(0, 0, 20))
	if err != nil || len(c.Freezes) != 1 || !c.Freezes[0].Holds || len(c.Planned) == 0 {
		t.Fatalf("%v: %+v", err, c)
	}
	var expires bool
	for _, d := range c.Due {
		expires = expires || d.Kind == "expire" && d.Step == "go" && d.Run.Name == name
	}
	if !expires {
		t.Errorf("nothing says that the manifest expires: %+v", c.Due)
	}
	w.press("alan", action(t, w.gate("alan", name).Actions, "approve"), nil)
	w.press("hana", action(t, w.gate("hana", name).Actions, "approve"), nil)
	q, err := w.r.Queue(ctx, "alan")
	if err != nil || len(q.Locks) != 0 {
		t.Errorf("a frozen step holds no lock: %v %+v", err, q)
	}
	if r := w.run("alan", name); !strings.Contains(strings.Join(r.Lines, "\n"), "nobody is there") {
		t.Errorf("why: %q", r.Lines)
	}
	s, err := w.r.Status(ctx, "alan")
	if err != nil || s.Live != 1 || len(s.Freezes) != 1 {
		t.Errorf("%v: %+v", err, s)
	}
}
