package slack

import (
	"slices"
	"sync"
	"time"
)

// Bounds of being held back.
const (
	usualHold = 30 * time.Second // when Slack does not say for how long
	leastHold = time.Second
	mostHold  = 15 * time.Minute
	maxKeys   = 1024 // of which something is remembered
)

// window is how many calls there may be in any stretch of time of this length.
type window struct {
	calls   int
	length  time.Duration
	channel bool // counted in each channel by itself
}

// pace are the windows of a method, and the longest wait for one's turn: whoever would wait longer is
// told so.
type pace struct {
	windows []window
	most    time.Duration
}

// paceOf are Slack's tiers (docs.slack.dev, "Rate limits" and the page of each method), most cut into
// quarters of a minute, so that nobody waits for most of a minute after a burst. Messages to a channel
// are about one a second, and short bursts pass.
func paceOf(method string) pace {
	tier := func(perMinute int) window { return window{calls: perMinute / 4, length: 15 * time.Second} }
	whole := func(perMinute int) window { return window{calls: perMinute, length: time.Minute} }
	inChannel := window{calls: 3, length: 3 * time.Second, channel: true}
	switch method {
	case "chat.postMessage":
		return pace{[]window{inChannel, tier(300)}, 5 * time.Second}
	case "chat.update":
		// Four at once, for four cards whose time has come together. Nobody waits here, as the words would
		// grow old meanwhile: whoever is told to come again says what is true then.
		return pace{[]window{{calls: 4, length: 2400 * time.Millisecond}, whole(50)}, 0}
	case "chat.postEphemeral":
		return pace{[]window{inChannel, tier(100)}, 5 * time.Second}
	// Roles, people and their direct messages are read one after the other at a start, and then seldom.
	case "usergroups.users.list":
		return pace{[]window{whole(20)}, 20 * time.Second}
	case "users.info":
		return pace{[]window{whole(100)}, 20 * time.Second}
	case "conversations.open", "conversations.info":
		return pace{[]window{whole(50)}, 20 * time.Second}
	case "conversations.list":
		return pace{[]window{tier(20)}, 20 * time.Second}
	case "files.getUploadURLExternal", "files.completeUploadExternal":
		return pace{[]window{tier(100)}, 20 * time.Second}
	case "apps.connections.open", "auth.test", "views.open", "views.update", "views.push":
		return pace{most: time.Second} // seldom, or somebody looks at it: Slack itself says when it is too much
	}
	return pace{[]window{tier(50)}, 20 * time.Second}
}

// turns hands out turns to call.
type turns struct {
	mu    sync.Mutex
	taken map[string][]time.Time // sorted; some are still to come
	until map[string]time.Time   // when Slack may be asked again
}

func newTurns() *turns {
	return &turns{taken: map[string][]time.Time{}, until: map[string]time.Time{}}
}

// key names what is counted by itself.
func (w window) key(method, channel string) string {
	if !w.channel {
		channel = ""
	}
	return method + " " + channel + " " + w.length.String()
}

// next is how long to wait for a turn, and how to give it back. A wait that asked says is Slack's wish,
// and one without giveBack is not worth it: then it is when to come again.
func (t *turns) next(method, channel string, now time.Time) (wait time.Duration, giveBack func(), asked bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if left := t.left(method, channel, now); left > 0 {
		return left, nil, true
	}
	p, at := paceOf(method), now
	for _, w := range p.windows {
		key := w.key(method, channel)
		t.taken[key] = slices.DeleteFunc(t.taken[key], func(x time.Time) bool {
			return !x.Add(w.length).After(now) || x.After(now.Add(p.most+w.length))
		})
		if past := t.taken[key]; len(past) >= w.calls {
			if free := past[len(past)-w.calls].Add(w.length); free.After(at) {
				at = free
			}
		}
	}
	if wait = at.Sub(now); wait > p.most {
		return wait, nil, false
	}
	for _, w := range p.windows {
		key := w.key(method, channel)
		t.taken[key] = append(t.taken[key], at)
	}
	t.forget(now)
	return wait, func() { t.giveBack(p, method, channel, at) }, false
}

func (t *turns) giveBack(p pace, method, channel string, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range p.windows {
		key := w.key(method, channel)
		if i := slices.Index(t.taken[key], at); i >= 0 {
			t.taken[key] = slices.Delete(t.taken[key], i, i+1)
		}
	}
}

// hold notes that Slack wants to be left alone with a method: in one channel if it counts that by itself,
// else everywhere.
func (t *turns) hold(method, channel string, until time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if key := holdKey(method, channel); until.After(t.until[key]) {
		t.until[key] = until
	}
}

// held is for how long Slack still wants to be left alone.
func (t *turns) held(method, channel string, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.left(method, channel, now)
}

// left is [turns.held] for who holds the lock. A clock that was set back holds nobody for ever.
func (t *turns) left(method, channel string, now time.Time) time.Duration {
	key := holdKey(method, channel)
	if left := t.until[key].Sub(now); left > 0 && left <= mostHold {
		return left
	}
	delete(t.until, key)
	return 0
}

func holdKey(method, channel string) string {
	if slices.ContainsFunc(paceOf(method).windows, func(w window) bool { return w.channel }) {
		return method + " " + channel
	}
	return method
}

// forget drops what says nothing any more, when there is much of it.
func (t *turns) forget(now time.Time) {
	if len(t.taken)+len(t.until) < maxKeys {
		return
	}
	for key, past := range t.taken {
		if len(past) == 0 || past[len(past)-1].Add(time.Minute).Before(now) {
			delete(t.taken, key)
		}
	}
	for key, until := range t.until {
		if !until.After(now) {
			delete(t.until, key)
		}
	}
}
