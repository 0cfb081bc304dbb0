package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/run"
)

// paced are people whose roles are kept where only so many may be read in 15 seconds.
type paced struct {
	staff
	clock *clock
	most  int

	mu     sync.Mutex
	window time.Time
	taken  int
	reads  map[string][]time.Time
}

const pacedRoles = 8

func (*paced) Elsewhere() (out []engine.Role) {
	for i := range pacedRoles {
		out = append(out, engine.Role{Project: "lava", Role: fmt.Sprint("role-", i)})
	}
	return out
}

func (p *paced) Again(ctx context.Context, project, role string) ([]people.Grant, error) {
	if !strings.HasPrefix(role, "role-") || project != "lava" {
		return p.staff.Again(ctx, project, role)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	p.reads[role] = append(p.reads[role], now)
	if !now.Before(p.window.Add(15 * time.Second)) {
		p.window, p.taken = now, 0
	}
	if p.taken++; p.taken > p.most {
		return nil, errs.E("chat", errs.Busy, errors.New("it takes no more now")).AskedToWait(p.window.Add(15 * time.Second).Sub(now))
	}
	return []people.Grant{{ID: role, Account: account("maintainer-a"), Role: role, Project: project}}, nil
}

func pacedWorld(t *testing.T, most int) (*world, *paced) {
	w := newWorld(t)
	p := &paced{staff: staff{gone: map[string]bool{}}, clock: w.clock, most: most, reads: map[string][]time.Time{}}
	w.cfg = func(c *engine.Config) { c.People = p }
	w.open()
	w.drain()
	return w, p
}

// A service that lets itself be asked only so often takes no role from anybody, once each was read; each
// is read in its turn, and none twice at once.
func TestARoleStandsWhileItsSourceAsksToWait(t *testing.T) {
	w, p := pacedWorld(t, 5)
	unread := func() (out []string) {
		for _, r := range p.Elsewhere() {
			if dir := w.e.World().Directory; dir.Unavailable("lava", r.Role) != "" || len(dir.Members("lava", r.Role, w.clock.Now())) == 0 {
				out = append(out, r.Role)
			}
		}
		return out
	}
	if got := unread(); len(got) != pacedRoles-5 {
		t.Fatalf("after the start %v are not read", got)
	}
	w.pass(15 * time.Second)
	if got := unread(); len(got) > 0 {
		t.Fatalf("after 15 seconds %v are not read", got)
	}
	for i := range 120 {
		if i%4 == 0 { // somebody else asks
			p.mu.Lock()
			p.window, p.taken = w.clock.Now(), p.most
			p.mu.Unlock()
		}
		w.pass(5 * time.Second)
		if got := unread(); len(got) > 0 {
			t.Fatalf("at %s nobody holds %v", w.clock.Now(), got)
		}
	}
	for role, at := range p.reads {
		for i, x := range at[1:] {
			if gap := x.Sub(at[i]); gap <= 0 || gap > 2*time.Minute {
				t.Errorf("%s was read again after %s", role, gap)
			}
		}
		if last := at[len(at)-1]; w.clock.Now().Sub(last) > 2*time.Minute {
			t.Errorf("%s was read last at %s", role, last)
		}
	}
}

// unread is why nobody holds the role of maintainers; "" when it could be read.
func (w *world) unread() string { return w.e.World().Directory.Unavailable("lava", "maintainer") }

// What was read longer ago than a few minutes stands no more, however politely its source asks to wait.
func TestWhatWasReadOfARoleIsNotKeptForLong(t *testing.T) {
	w, g := guildWorld(t, "lava", "U-maintainer-a")
	g.set(errs.E("chat", errs.Busy, errors.New("it takes no more now")).AskedToWait(20 * time.Second))
	for range 8 {
		w.pass(30 * time.Second)
	}
	if why := w.unread(); why != "" {
		t.Fatalf("after four minutes it is held by nobody: %s", why)
	}
	for range 6 {
		w.pass(30 * time.Second)
	}
	if why := w.unread(); !strings.Contains(why, "no more now") {
		t.Fatalf("after seven minutes it still stands: %q", why)
	}
	g.set(nil, "U-maintainer-a")
	w.pass(30 * time.Second)
	if why := w.unread(); why != "" || w.maintainers() != "maintainer-a" {
		t.Fatalf("it is held by %q when it is read again: %s", w.maintainers(), why)
	}
}

// A role that was never read is held by nobody, also when its source only asks to wait.
func TestARoleThatWasNeverReadIsHeldByNobody(t *testing.T) {
	w, g := guildWorld(t, "lava", "U-maintainer-a")
	g.set(errs.E("chat", errs.Busy, errors.New("it takes no more now")))
	w.open()
	w.drain()
	if got := w.maintainers(); got != "" || w.unread() == "" {
		t.Fatalf("it is held by %q", got)
	}
}

// Attack: a source is kept busy so that a gate closes on what was read of a role before. It closes on
// what is read as it closes, or not.
func TestNoGateClosesOnARoleThatCannotBeReadNow(t *testing.T) {
	w, g := guildWorld(t, "lava", "U-maintainer-a")
	w.say("requester", "release 1.0")
	w.pass(time.Minute)
	g.set(errs.E("chat", errs.Busy, errors.New("it takes no more now")).AskedToWait(10 * time.Second))
	w.react("maintainer-a")
	w.pass(30 * time.Second)
	w.wantStep("1.0", "go", run.Running)
	if text := w.why("1.0", "go"); !strings.Contains(text, "it takes no more now") {
		t.Errorf("why: %s", text)
	}
	if why := w.unread(); why != "" {
		t.Errorf("the role is held by nobody: %s", why)
	}
	g.set(nil)
	w.pass(3 * time.Minute)
	w.wantStep("1.0", "go", run.Running)
	g.set(nil, "U-maintainer-a")
	w.pass(3 * time.Minute)
	w.wantStep("1.0", "ship", run.Done)
	w.wantSound()
}

// stuckGuild is a guild whose group hangs when it is read, until somebody lets it go.
type stuckGuild struct {
	*guild
	entered, free chan struct{}
}

func (s stuckGuild) Again(ctx context.Context, project, role string) ([]people.Grant, error) {
	if project == "lava" && role == "maintainer" {
		select {
		case s.entered <- struct{}{}:
		default:
		}
		<-s.free
	}
	return s.guild.Again(ctx, project, role)
}

// A service of people that hangs keeps no timer waiting.
func TestAServiceOfPeopleThatHangsKeepsNoTimerWaiting(t *testing.T) {
	w := newWorld(t)
	s := stuckGuild{&guild{staff: staff{gone: map[string]bool{}}, project: "lava"}, make(chan struct{}, 1), make(chan struct{})}
	w.cfg = func(c *engine.Config) { c.People = s }
	w.open()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.e.Run(ctx) }()
	<-s.entered
	w.clock.pass(time.Hour)
	w.e.Nudge()
	for limit := time.Now().Add(time.Minute); w.e.Turned()["timers"].Before(w.clock.Now()); {
		if time.Now().After(limit) {
			t.Fatal("the timers do not turn")
		}
	}
	if at := w.e.Turned()["people"]; !at.Before(w.clock.Now()) {
		t.Errorf("what hangs has turned at %s", at)
	}
	close(s.free)
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// Whoever holds a role by a group could pass a gate that opens now, and a plan says so.
func TestAPlanNamesThoseWhoHoldARoleByAGroup(t *testing.T) {
	w, _ := guildWorld(t, "lava", "U-maintainer-a", "U-phone")
	w.linked("manager", account("phone"))
	w.pass(time.Minute)
	started, err := w.e.StartRun(context.Background(), engine.StartRequest{Project: "lava", Family: "release", Person: "requester",
		Inputs: map[string]any{"version": "1.0"}, Plan: true})
	if err != nil {
		t.Fatal(err)
	}
	if text := w.e.PlanText(started); !strings.Contains(text, "could pass it now: maintainer-a, manager") {
		t.Errorf("the plan says\n%s", text)
	}
}

// What was read as a gate closed is not read again a moment later.
func TestARoleThatWasReadAsAGateClosedIsNotReadTwice(t *testing.T) {
	w, g := guildWorld(t, "lava", "U-maintainer-a")
	w.say("requester", "release 1.0")
	w.pass(50 * time.Second)
	before := g.count()
	w.react("maintainer-a")
	w.wantStep("1.0", "ship", run.Done)
	w.pass(20 * time.Second)
	if n := g.count() - before; n != 1 {
		t.Errorf("it was read %d times", n)
	}
}
