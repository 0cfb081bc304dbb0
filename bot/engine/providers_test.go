package engine_test

import (
	"context"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/engine"
	"slipway/bot/run"
)

// timed notes how much time its tries were given.
type timed struct {
	deed
	given *[]time.Duration
}

func (d timed) Do(ctx context.Context, key action.Key, in doIn) (doOut, error) {
	end, _ := ctx.Deadline()
	*d.given = append(*d.given, time.Until(end))
	return d.deed.Do(ctx, key, in)
}

// chosen are projects that choose a provider.
type chosen struct {
	projects
	providers map[string]string
}

func (c chosen) Project(name string) (engine.Project, bool) {
	p, ok := c.projects.Project(name)
	p.Providers = c.providers
	return p, ok
}

// A playbook is checked against the first provider of a contract; what is done follows the one that
// the project chose: its policy, its settle time, and how long a try may take.
func TestTheChosenProviderSaysHowAnEffectIsRepeated(t *testing.T) {
	for name, settles := range map[string]bool{"": false, "other": true} {
		var given []time.Duration
		w := newWorld(t, effectYAML("quick", "test.keyed@1", ""))
		w.cfg = func(c *engine.Config) {
			b, err := action.Of(action.Contract{Name: "test.keyed", Version: 1, Doc: "for tests", Policy: action.Lookup, Settle: 10 * time.Minute, Timeout: 5 * time.Hour},
				timed{deed{"test.keyed", action.Lookup, w.out}, &given})
			if err != nil {
				t.Fatal(err)
			}
			b.Provider = "other"
			if c.Actions, err = action.NewSet(append(w.bounds(), b)...); err != nil {
				t.Fatal(err)
			}
			c.Projects = chosen{providers: map[string]string{"test.keyed": name}}
		}
		func() {
			defer func() { _ = recover() }()
			w.point = func(name string) {
				if name == "effect/test.keyed@1/after-do" {
					panic(crash{name})
				}
			}
			w.open()
			w.say("requester", "quick 1.0")
			t.Fatal("the crash point was not passed")
		}()
		w.point = nil
		w.open()
		w.drain()
		want := run.Done
		if settles {
			want = run.Running
		}
		w.wantStep("1.0", "it", want)
		w.pass(11 * time.Minute)
		w.wantStep("1.0", "it", run.Done)
		w.wantApplied("test.keyed 1.0", 1)
		if settles != (len(given) == 1 && given[0] > 4*time.Hour) {
			t.Errorf("%q: the tries were given %v", name, given)
		}
	}
}
