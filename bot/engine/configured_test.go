package engine_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/run"
)

// renamed is a configuration in which the profile of lava has another name.
type renamed struct{ projects }

func (p renamed) Project(name string) (engine.Project, bool) {
	found, ok := p.projects.Project(name)
	found.Profile = map[string]any{"name": "obsidian"}
	return found, ok
}

// retries reads every command as a retry of it.
type retries struct{}

func (retries) Parse(string, engine.Spoken) []engine.Asked {
	return []engine.Asked{{Run: "1.0", Input: run.Command{Verb: run.RetryVerb, Step: "it"}}}
}

// A run goes on with the profile that it began with. Whoever mended the configuration and has a step
// tried again is told why that does not help.
func TestAMendedConfigurationIsNotInTheRun(t *testing.T) {
	w := newWorld(t, effectYAML("quick", "test.keyed@1", ""))
	w.out.fail = func(string, string) error { return errs.E("test", errs.Denied, errors.New("the door is shut")) }
	w.open()
	w.say("requester", "quick 1.0")
	w.wantStep("1.0", "it", run.Stuck)
	const said = "But the configuration of lava changed since this run began (name): `quick migrate quick/lava/1.0 --plan` shows the difference"
	calls := w.room.titled("it is stuck")
	if len(calls) != 1 || strings.Contains(calls[0].c.Blocks[0].Text, "configuration") {
		t.Fatalf("before it changed: %+v", calls)
	}
	w.cfg = func(c *engine.Config) { c.Projects, c.Parser = renamed{}, retries{} }
	w.open()
	w.say("requester", "retry 1.0 it")
	w.pass(time.Minute)
	w.wantStep("1.0", "it", run.Stuck)
	calls = w.room.titled("it is stuck")
	if len(calls) == 0 || !strings.Contains(calls[len(calls)-1].c.Blocks[0].Text, said) {
		t.Errorf("after it changed: %+v", calls)
	}
}
