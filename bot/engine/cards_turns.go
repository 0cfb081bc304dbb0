package engine

import (
	"time"

	"slipway/bot/errs"
)

// A chat takes only so many edits: Slack 50 a minute, of cards and of gate messages. One that asked to slow
// down in the last minute is crowded. There a card that keeps changing is edited when its share of the pace
// has come, and one that stands still soon after, so that up to four cards are never older than 5 s, and
// true once nothing has changed for 3 s. More than four have no shares, as they would only wait longer: they
// are edited one after the other at the chat's pace. Whoever is nearest to these bounds comes first, and gate
// messages come after cards that have not waited for long.
const (
	crowdedFor  = time.Minute
	movingShare = 1150 * time.Millisecond // for each card of the chat, since the first change that is not shown
	stillShare  = 600 * time.Millisecond  // the same, since the last change
	movingMost  = 5 * time.Second
	stillMost   = 3 * time.Second
	gatesMost   = 30 * time.Second
	sharesMost  = 4                       // cards that have a share
	crowdPace   = 1200 * time.Millisecond // from one edit to the next, where there are more
	chatRest    = time.Second             // for which a chat that asked to wait is not asked about other cards either
)

// turn is a run of which a chat may show something that is not true any more.
type turn struct {
	since time.Time // when it began
	last  time.Time // the last change that is known
	not   time.Time // it is not shown before, unless something changes
	held  time.Time // it is not shown before: the chat asked for that
	gates bool      // its card is shown: only what is beside it is left
}

// deadline is when it should be shown at the latest.
func (t turn) deadline() time.Time {
	if t.gates {
		return t.since.Add(gatesMost)
	}
	return earlier(t.since.Add(movingMost), t.last.Add(stillMost))
}

// before reports whether it comes first.
func (t turn) before(other turn) bool {
	return t.deadline().Before(other.deadline())
}

// with is a turn after another mark of the same run.
func (t turn) with(other turn) turn {
	return turn{since: earlier(t.since, other.since), last: later(t.last, other.last), not: earlier(t.not, other.not), held: later(t.held, other.held), gates: t.gates && other.gates}
}

// chatCards are the cards of one chat.
type chatCards struct {
	due    map[string]turn      // by run
	failed map[string]int       // run → times in a row that it could not be shown
	shown  map[string]time.Time // run → when its card was edited last
	edited time.Time            // when anything was edited last
	asked  time.Time            // when the chat asked to slow down last
	rest   time.Time            // until when it is left alone
}

func (c *chatCards) mark(runID string, t turn) {
	if old, ok := c.due[runID]; ok {
		t = t.with(old)
	}
	c.due[runID] = t
}

// from is when a turn may be taken, in a chat with so many cards to edit; 0 where it is not crowded.
func (c *chatCards) from(t turn, cards int) time.Time {
	n, at := time.Duration(min(cards, sharesMost)), later(later(t.not, t.held), c.rest)
	if cards > sharesMost {
		at = later(at, c.edited.Add(crowdPace))
	}
	if t.gates {
		return later(at, t.since.Add(2*n*movingShare))
	}
	if cards > sharesMost {
		return at
	}
	return later(at, earlier(t.since.Add(n*movingShare), t.last.Add(n*stillShare)))
}

// crowd is how many cards share what the chat takes; 0 where it is not crowded.
func (c *chatCards) crowd(now time.Time) int {
	for r, at := range c.shown {
		if !at.Add(movingMost).After(now) {
			delete(c.shown, r)
		}
	}
	if !c.asked.Add(crowdedFor).After(now) {
		return 0
	}
	n := len(c.shown)
	for r, t := range c.due {
		if _, counted := c.shown[r]; !counted && !t.gates {
			n++
		}
	}
	return n
}

// take is the run that comes first, if the time of any has come.
func (c *chatCards) take(now time.Time) (runID string, t turn, next time.Time) {
	crowd := c.crowd(now)
	for r, other := range c.due {
		if at := c.from(other, crowd); at.After(now) {
			next = earlier(next, at)
		} else if runID == "" || other.before(t) || !t.before(other) && r < runID {
			runID, t = r, other
		}
	}
	if runID == "" {
		return "", turn{}, next
	}
	delete(c.due, runID)
	return runID, t, time.Time{}
}

// showLater marks a run that a chat could not show: the longer it does not answer, the less often it is
// asked. One that asks for time gets it.
func (e *Engine) showLater(source, runID string, t turn, err error) {
	e.cards.mu.Lock()
	defer e.cards.mu.Unlock()
	c, now, wait := e.cards.chats[source], e.now(), min(errs.After(err), askedMost)
	if errs.Is(err, errs.Busy) && wait > 0 {
		c.asked, c.rest, t.held = now, now.Add(min(wait, chatRest)), now.Add(wait)
	} else {
		wait = max(min(e.backoff(c.failed[runID]), cardPause), e.cfg.CardEvery, wait)
		c.failed[runID]++
	}
	t.not = now.Add(wait)
	c.mark(runID, t)
}
