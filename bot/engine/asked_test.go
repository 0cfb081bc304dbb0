package engine_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/gate"
	"slipway/bot/people"
	"slipway/bot/run"
)

// delayed is a service whose answer to one question, once it is armed, is long on its way.
type delayed struct {
	mu            sync.Mutex
	armed         bool
	entered, free chan struct{}
}

func newDelayed() *delayed { return &delayed{entered: make(chan struct{}), free: make(chan struct{})} }

func (s *delayed) arm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed = true
}

func (s *delayed) travel() {
	s.mu.Lock()
	armed := s.armed
	s.armed = false
	s.mu.Unlock()
	if armed {
		close(s.entered)
		<-s.free
	}
}

// late lets the slow answer arrive when a closing read has its answers and the gate is not closed yet.
func (s *delayed) late(w *world, ask func() error) (arrived *bool) {
	arrived = new(bool)
	ended := make(chan error, 1)
	s.arm()
	go func() { ended <- ask() }()
	<-s.entered
	w.point = func(name string) {
		if name == "effect/slipway.closing_read@1/after-do" && !*arrived {
			*arrived = true
			close(s.free)
			if err := <-ended; err != nil {
				w.t.Error(err)
			}
		}
	}
	return arrived
}

type slowGuild struct {
	*guild
	*delayed
}

func (s slowGuild) Again(ctx context.Context, project, role string) ([]people.Grant, error) {
	grants, err := s.guild.Again(ctx, project, role)
	if project == "lava" && role == "maintainer" {
		s.travel()
	}
	return grants, err
}

// Attack: an old answer that still names who was removed arrives after the closing read has found it out.
func TestAnOldAnswerPutsNobodyBackIntoARole(t *testing.T) {
	w := newWorld(t)
	s := slowGuild{&guild{staff: staff{gone: map[string]bool{}}, project: "lava", members: []string{"U-maintainer-a"}}, newDelayed()}
	w.cfg = func(c *engine.Config) {
		c.People = s
		c.Point = func(name string) {
			if w.point != nil {
				w.point(name)
			}
		}
	}
	w.open()
	w.drain()
	w.say("requester", "release 1.0")
	w.pass(time.Second)
	arrived := s.late(w, func() error { return w.e.RoleAgain(context.Background(), "lava", "maintainer") })
	s.set(nil)
	w.react("maintainer-a")
	w.pass(time.Second)
	if !*arrived {
		t.Fatal("no gate was closing")
	}
	w.wantStep("1.0", "go", run.Running)
	if got := w.maintainers(); got != "" {
		t.Errorf("it is held by %s", got)
	}
	s.set(nil, "U-maintainer-a") // what is asked later counts
	w.pass(3 * time.Minute)
	w.wantStep("1.0", "ship", run.Done)
	w.wantSound()
}

type slowRegistry struct {
	*registry
	*delayed
}

func (s slowRegistry) Standing(ctx context.Context, a people.Account) (engine.Stands, error) {
	said, err := s.registry.Standing(ctx, a)
	s.travel()
	return said, err
}

func votesOf(who ...people.PersonID) (out []gate.Vote) {
	for _, p := range who {
		out = append(out, gate.Vote{Kind: gate.Approve, Person: p, Account: account(string(p))})
	}
	return out
}

// Attack: an old answer that an account counts, asked for by another gate, arrives after the closing read
// has found that it was switched off.
func TestAnOldAnswerLetsNoAccountCountAgain(t *testing.T) {
	w := newWorld(t)
	s := slowRegistry{&registry{bad: map[string]string{}}, newDelayed()}
	w.cfg = func(c *engine.Config) {
		c.Standings = map[string]engine.Standing{"chat": s}
		c.Point = func(name string) {
			if w.point != nil {
				w.point(name)
			}
		}
	}
	w.open()
	w.say("requester", "release 1.0")
	w.pass(time.Second)
	arrived := s.late(w, func() error { return w.e.ReadStanding(context.Background(), votesOf("maintainer-a")) })
	s.set("U-maintainer-a", "it is deactivated", nil)
	w.react("maintainer-a")
	w.pass(time.Second)
	if !*arrived {
		t.Fatal("no gate was closing")
	}
	w.wantStep("1.0", "go", run.Running)
	if why := w.e.World().Directory.Barred(account("maintainer-a")); why != "it is deactivated" {
		t.Errorf("the directory says %q", why)
	}
	s.set("U-maintainer-a", "", nil) // what is asked later counts
	w.pass(16 * time.Minute)
	w.pass(2 * time.Minute)
	w.wantStep("1.0", "ship", run.Done)
}

// tired is a registry that has no more time after so many answers.
type tired struct {
	*registry
	most int
	stop func()
}

func (r *tired) Standing(ctx context.Context, a people.Account) (engine.Stands, error) {
	said, err := r.registry.Standing(ctx, a)
	if r.most--; r.most == 0 {
		r.stop()
	}
	return said, err
}

// Nobody is forgotten where not all can be asked about in the time of one round.
func TestTheNextRoundAsksThoseWhoWereNotAsked(t *testing.T) {
	w := newWorld(t)
	r := &tired{registry: &registry{bad: map[string]string{}}}
	w.cfg = func(c *engine.Config) { c.Standings = map[string]engine.Standing{"chat": r} }
	w.open()
	list := votesOf("maintainer-a", "maintainer-b", "manager", "requester")
	for _, v := range list {
		r.bad[v.Account.ID] = "it is a guest"
	}
	if err := w.e.ReadStanding(context.Background(), list); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"U-maintainer-a U-maintainer-b", "U-manager U-requester", "U-maintainer-a U-maintainer-b",
	} {
		ctx, stop := context.WithCancel(context.Background())
		r.asked, r.most, r.stop = nil, 2, stop
		w.clock.pass(16 * time.Minute)
		if did, _, err := w.e.BarredDue(ctx); err != nil || !did {
			t.Fatal(did, err)
		}
		if got := strings.Join(r.asked, " "); got != want {
			t.Errorf("asked about %s, not %s", got, want)
		}
	}
}
