package stories

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"slipway/bot/run"
)

// Every message and reaction comes one to eleven times, under its own transport id or another,
// mixed with what came before: the release is the same, each thing is done and said once.
func TestRepeatsChangeNothing(t *testing.T) {
	seeds := 4
	if os.Getenv("SLIPWAY_SOAK") == "1" {
		seeds = 200
	}
	quiet := newWorld(t, false)
	quiet.busyRelease()
	want := quiet.account()
	for seed := range seeds {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			w := newWorld(t, seed%2 == 1)
			w.noise = rand.New(rand.NewPCG(uint64(seed), 1))
			w.busyRelease()
			if got := w.account(); got != want {
				t.Fatalf("with repeats:\n%s\nwithout:\n%s", got, want)
			}
		})
	}
}

// busyRelease is a release in which people change their minds.
func (w *world) busyRelease() {
	w.t.Helper()
	w.Ask("2019.01")
	gate := w.Gate("go")
	w.emoji("outsider", gate, "✅", true)
	w.emoji("maintainer-a", gate, "✅", true)
	w.emoji("maintainer-a", gate, "✅", false)
	w.line()
	w.Say("maintainer-b", "approve 2019.01 go")
	w.Say("maintainer-b", "withdraw 2019.01 go")
	w.Say("requester", `release hold 2019.01 --reason "lunch"`)
	w.Say("requester", "release resume 2019.01")
	w.emoji("maintainer-a", gate, "✅", true)
	w.emoji("maintainer-b", gate, "✅", true)
	w.line()
	w.WantStep("go", run.Done)
	w.Sign()
	w.React("manager", w.Gate("publish"), "✅")
}

// account is what a release has come to, and how much was said on the way.
func (w *world) account() string {
	w.t.Helper()
	s := w.run("2019.01")
	said := 0
	for _, m := range w.messages(channel) {
		if m.Author == bot {
			said++
		}
	}
	text := fmt.Sprintf("%s %s, %d pushes, %d mails, %d pipelines, %d messages of the bot\n", s.Status, s.Outcome, w.out.remote.pushed(), w.out.post.count(), w.out.ci.starts, said)
	for _, step := range []string{"go", "publish"} {
		text += fmt.Sprintf("%s: %s %v\n", step, w.Step(step), s.Steps[step].Output["by"])
	}
	if s.Status != run.RunEnded {
		w.t.Errorf("the release has not ended:\n%s", w.Why(""))
	}
	return text
}

// repeat delivers again what came in this line, and some of what came before, in any order.
func (w *world) repeat() {
	w.t.Helper()
	if w.noise == nil {
		return
	}
	w.mu.Lock()
	all, from := w.delivered[:len(w.delivered):len(w.delivered)], w.repeated
	w.repeated = len(all)
	w.mu.Unlock()
	var copies []int
	for i := from; i < len(all); i++ {
		for range w.noise.IntN(11) {
			copies = append(copies, i)
		}
	}
	for range 3 {
		copies = append(copies, w.noise.IntN(len(all)))
	}
	w.noise.Shuffle(len(copies), func(i, j int) { copies[i], copies[j] = copies[j], copies[i] })
	for _, i := range copies {
		d := all[i]
		if w.noise.IntN(2) == 0 {
			w.again++
			d.ID = fmt.Sprintf("%s/again/%d", d.ID, w.again)
		}
		w.replay(d)
	}
	w.drain()
	w.clock.pass(time.Second) // a closing gate lets what was delivered meanwhile go first
}
