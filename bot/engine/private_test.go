package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/run"
)

func TestGateMessageShowsWhoCounts(t *testing.T) {
	w := newWorld(t, strings.Replace(releaseYAML, "1 of maintainer", "2 of maintainer", 1))
	w.open()
	w.say("requester", "release 2019.01")
	says := func() string {
		var b strings.Builder
		p := w.room.titled(": gate go")[0]
		for _, x := range p.c.Blocks {
			b.WriteString(x.Text + "\n")
		}
		return p.c.Status + "\n" + b.String()
	}
	if got := says(); !strings.Contains(got, "needs 2 maintainers") {
		t.Fatalf("at first: %s", got)
	}
	w.react("requester")
	w.react("maintainer-a")
	w.pass(time.Second)
	if got := says(); !strings.Contains(got, "1 of 2 maintainers: maintainer-a") || !strings.Contains(got, "requester does not count") || !strings.Contains(got, "needs 1 more maintainer: maintainer-b") {
		t.Fatalf("after one: %s", got)
	}
	w.open()
	w.react("maintainer-b")
	w.pass(time.Minute)
	if got := says(); !strings.Contains(got, "approved") || !strings.Contains(got, "2 of 2 maintainers: maintainer-a and maintainer-b") {
		t.Fatalf("at the end: %s", got)
	}
	n := w.room.titled(": gate go")[0].n
	w.open()
	w.pass(time.Hour)
	if now := w.room.titled(": gate go")[0].n; now != n {
		t.Fatalf("edited again after its end: %d, then %d", n, now)
	}
}

func TestPrivateRunIsNotSeen(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.cfg = func(c *engine.Config) { c.Projects = yard{tell: []engine.Place{{Source: "chat", ID: "news"}}} }
	w.open()
	w.say("requester", "secret 2019.01")
	if len(w.room.titled("2019.01")) != 0 {
		t.Fatalf("posted: %+v", w.room.posts)
	}
	for _, p := range []string{"maintainer-b", "manager", ""} {
		if list, _ := w.e.Runs(ctx, engine.Filter{Person: "maintainer-b"}); len(list) != 0 {
			t.Errorf("%s lists %+v", p, list)
		}
	}
	if _, err := w.e.Resolve(ctx, "2019.01", "maintainer-b"); !errs.Is(err, errs.NotFound) || strings.Contains(errs.Text(err), "2019.01\"?") {
		t.Errorf("resolve: %v", err)
	}
	if _, err := w.e.Resolve(ctx, "2019.02", "maintainer-b"); strings.Contains(errs.Text(err), "2019.01") {
		t.Errorf("did you mean tells: %v", err)
	}
	w.say("requester", "approve 2019.0 go") // a circle member mistypes in a channel: nobody else learns the name
	for _, p := range w.room.titled("there is no run") {
		if strings.Contains(p.c.Title, "2019.01") {
			t.Errorf("a channel was told: %s", p.c.Title)
		}
	}
	w.say("maintainer-b", "approve 2019.01 go")
	if len(w.room.titled("there is no run")) != 2 {
		t.Errorf("posts: %+v", w.room.posts[len(w.room.posts)-1].c)
	}
	waits, err := w.e.Mine(ctx, "maintainer-b")
	if err != nil || len(waits) != 0 {
		t.Errorf("mine: %+v %v", waits, err)
	}
	if waits, _ = w.e.Mine(ctx, "maintainer-a"); len(waits) != 1 {
		t.Errorf("the circle's mine: %+v", waits)
	}
	w.say("requester", "open 2019.01")
	w.pass(time.Minute)
	if got := w.room.titled("release/lava/2019.01 is open"); len(got) != 1 || got[0].ref.Place.ID != "news" {
		t.Fatalf("told: %+v", got)
	}
	if len(w.room.titled(": gate go")) != 1 || len(w.room.titled("card of")) != 1 {
		t.Fatal("what was private is not shown")
	}
	w.react("maintainer-b")
	w.pass(time.Minute)
	w.wantStep("2019.01", "ship", run.Done)
}

func TestPrivateRunIsShownInDirectPlacesOfItsCircle(t *testing.T) {
	w := newWorld(t)
	w.cfg = func(c *engine.Config) {
		c.Direct = func(p people.PersonID) []engine.Place { return []engine.Place{{Source: "chat", ID: "@" + string(p)}} }
	}
	w.open()
	w.say("requester", "secret 2019.01")
	w.pass(time.Minute)
	places := func(title string) string {
		var out []string
		for _, p := range w.room.titled(title) {
			out = append(out, p.ref.Place.ID)
		}
		slices.Sort(out)
		return strings.Join(out, " ")
	}
	if got := places("card of"); got != "@maintainer-a @requester" {
		t.Fatalf("cards in %q", got)
	}
	if got := places(": gate go"); got != "@maintainer-a @requester" {
		t.Fatalf("gates in %q", got)
	}
	for _, p := range w.room.titled(": gate go") {
		if p.ref.Place.ID == "@maintainer-a" {
			w.room.mu.Lock()
			w.room.reactions[p.ref.Message] = []engine.Reaction{{Account: account("maintainer-a"), Emoji: "✅"}}
			w.room.mu.Unlock()
			if err := w.deliver(wire{Place: p.ref.Place.ID, Touched: p.ref.Message}, "direct"); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.pass(time.Minute)
	list, err := w.e.Runs(context.Background(), engine.Filter{Past: true, Person: "requester"})
	if err != nil || len(list) != 1 || list[0].Outcome != "done" {
		t.Fatalf("runs: %+v %v", list, err)
	}
	if got := places("card of") + places(": gate go"); strings.Contains(got, "lava") {
		t.Fatalf("the channel was told: %s", got)
	}
}

func TestPrivateRunIsApprovedByCommand(t *testing.T) {
	w := newWorld(t)
	w.open()
	w.say("requester", "secret 2019.01")
	w.say("maintainer-a", "approve 2019.01 go")
	w.pass(time.Minute)
	list, err := w.e.Runs(context.Background(), engine.Filter{Past: true, Person: "requester"})
	if err != nil || len(list) != 1 || list[0].Outcome != "done" {
		t.Fatalf("runs: %+v %v", list, err)
	}
}

func TestPrivateRunHidesBehindItsLock(t *testing.T) {
	w := newWorld(t, strings.Replace(releaseYAML, "steps:", "uses: [archive/stable]\nsteps:", 1), lockedYAML)
	w.open()
	w.say("requester", "secret 9.9")
	w.say("requester", "locked 1.0")
	if l := w.e.Locks(); len(l) != 1 || l[0].Holder.Name != run.PrivateRun {
		t.Fatalf("locks: %+v", l)
	}
	e, err := w.e.Why(context.Background(), w.run("locked/lava/1.0").ID, "")
	if text := strings.Join(e.Lines, "\n"); err != nil || strings.Contains(text, "9.9") || !strings.Contains(text, "a private run") {
		t.Fatalf("why: %s %v", text, err)
	}
}

func TestWithdrawalInAnotherChannelMakesTheClosingReadUnclean(t *testing.T) {
	w := newWorld(t)
	w.open()
	w.say("requester", "release 2019.01")
	tries := 0
	w.point = func(name string) {
		if strings.HasSuffix(name, "closing_read@1/before-do") {
			if tries++; tries == 1 {
				// Typed in a direct message, far from the gate, at exactly this moment.
				x := wire{Who: "maintainer-a", Place: "elsewhere", Message: "x1", Text: "withdraw release/lava/2019.01 go"}
				if err := w.e.Deliver(context.Background(), delivery(t, x, "x1")); err != nil {
					t.Error(err)
				}
			}
		}
	}
	w.open()
	w.say("maintainer-a", "approve 2019.01 go")
	w.pass(time.Minute)
	if tries == 0 {
		t.Fatal("there was no closing read")
	}
	w.wantStep("2019.01", "go", run.Running)
	w.wantApplied("test.lookup 2019.01", 0)
	w.say("maintainer-b", "approve 2019.01 go")
	w.pass(time.Minute)
	w.wantStep("2019.01", "ship", run.Done)
}

func TestAbbreviatedManifest(t *testing.T) {
	w := newWorld(t)
	w.open()
	w.say("requester", "release 2019.01")
	digest := string(w.run("2019.01").Steps["go"].Gate.Digest)
	for written, told := range map[string]string{"sha256:00000000000000": "does not show", digest[:16]: "too short"} {
		w.say("maintainer-a", "approve 2019.01 go "+written)
		if len(w.room.titled(told)) != 1 {
			t.Errorf("%s: %+v", written, w.room.posts[len(w.room.posts)-1].c)
		}
		w.wantStep("2019.01", "go", run.Running)
	}
	w.say("maintainer-a", "approve 2019.01 go "+digest[:19])
	w.pass(time.Minute)
	w.wantStep("2019.01", "ship", run.Done)
}

// What a person of the circle says of a private run in a channel is answered to that person alone.
func TestAnswersAboutAPrivateRunAreGivenAlone(t *testing.T) {
	for _, direct := range []bool{false, true} {
		w := newWorld(t)
		if direct {
			w.cfg = func(c *engine.Config) {
				c.Direct = func(p people.PersonID) []engine.Place { return []engine.Place{{Source: "chat", ID: "@" + string(p)}} }
			}
		}
		w.open()
		w.say("requester", "secret 2019.01")
		w.say("requester", "hold 2019.01")
		w.say("requester", "abort 2019.02")
		w.say("maintainer-a", "hold 2019.01")
		alone := 0
		for _, p := range w.room.posts {
			switch {
			case p.ref.Place.ID == "@requester" || p.ref.Place.ID == "@maintainer-a":
				if strings.Contains(p.c.Title, "held") || strings.Contains(p.c.Title, "may not hold") {
					alone++
				}
			case strings.Contains(p.c.Title+p.c.Status, "held") || strings.Contains(p.c.Title, "may not"):
				t.Errorf("a channel reads: %s", p.c.Title)
			}
		}
		want := "That is not spoken of where others read"
		if direct {
			want = "I have answered you alone"
		}
		if n := len(w.room.titled(want)); n != 2 || direct != (alone == 2) {
			t.Errorf("direct %v: %d times told so, %d answers alone", direct, n, alone)
		}
	}
}
