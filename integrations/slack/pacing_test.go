package slack

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whoever waits for the turns that he is given never calls more often than Slack allows.
func TestNoWindowHasTooManyCalls(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		turns, now := newTurns(), time.Unix(1_700_000_000, 0)
		type call struct {
			method, channel string
			at              time.Time
		}
		var calls []call
		for range rapid.IntRange(1, 150).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.IntRange(0, 1500).Draw(t, "pause")) * time.Millisecond)
			c := call{method: rapid.SampledFrom([]string{"chat.postMessage", "chat.update", "reactions.get", "users.list"}).Draw(t, "method"),
				channel: rapid.SampledFrom([]string{"C1", "C2"}).Draw(t, "channel")}
			wait, giveBack, asked := turns.next(c.method, c.channel, now)
			if giveBack == nil {
				if asked || wait <= paceOf(c.method).most {
					t.Fatalf("%+v is sent away for %s", c, wait)
				}
				continue
			}
			if rapid.IntRange(0, 9).Draw(t, "given up") == 0 {
				giveBack()
				continue
			}
			c.at = now.Add(wait)
			calls = append(calls, c)
		}
		for _, c := range calls {
			for _, w := range paceOf(c.method).windows {
				n := 0
				for _, d := range calls {
					if d.method == c.method && (!w.channel || d.channel == c.channel) && !d.at.Before(c.at) && d.at.Before(c.at.Add(w.length)) {
						n++
					}
				}
				if n > w.calls {
					t.Fatalf("%d calls of %s in %s", n, c.method, w.length)
				}
			}
		}
	})
}

func TestSlackIsLeftAloneWhereItAsks(t *testing.T) {
	turns, now := newTurns(), time.Unix(1_700_000_000, 0)
	turns.hold("chat.postMessage", "C1", now.Add(time.Minute))
	turns.hold("chat.postMessage", "C1", now.Add(time.Second)) // the later time stands
	if wait, giveBack, asked := turns.next("chat.postMessage", "C1", now); wait != time.Minute || giveBack != nil || !asked {
		t.Errorf("got %s, %v", wait, asked)
	}
	for _, other := range [][2]string{{"chat.postMessage", "C2"}, {"chat.update", "C1"}} {
		if wait, giveBack, _ := turns.next(other[0], other[1], now); wait != 0 || giveBack == nil {
			t.Errorf("%v waits for %s", other, wait)
		}
	}
	if _, giveBack, _ := turns.next("chat.postMessage", "C1", now.Add(time.Minute)); giveBack == nil {
		t.Error("it waits for longer than asked")
	}
	turns.hold("chat.postMessage", "C1", now.Add(time.Minute))
	if _, giveBack, _ := turns.next("chat.postMessage", "C1", now.Add(-time.Hour)); giveBack == nil {
		t.Error("a clock that was set back holds it for an hour")
	}
}

func TestOldTurnsAreForgotten(t *testing.T) {
	turns, now := newTurns(), time.Unix(1_700_000_000, 0)
	for i := range 5000 {
		now = now.Add(time.Second)
		turns.next("chat.postMessage", "C"+time.Duration(i).String(), now)
		turns.hold("chat.postEphemeral", "C"+time.Duration(i).String(), now.Add(time.Second))
	}
	if n := len(turns.taken) + len(turns.until); n > 2*maxKeys {
		t.Errorf("%d are remembered", n)
	}
}
