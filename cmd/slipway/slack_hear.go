package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/integrations/slack/chat"
	"slipway/integrations/slack/hook"
)

// What is said on Slack and which reactions are given there is told by deliveries, and these get lost now
// and then. What keeps anything from being missed for good:
//
//   - While the bot runs, every place is read again from its mark on, and [chatMargin] before it. A mark
//     moves only when the engine has stored all that was found, so a place that could not be read is read
//     from there later. Of one that was read in part, package chat knows which part, and goes on with the
//     rest. Events that were dropped and gaps of Socket Mode are found so.
//   - The marks are kept in a file, so that the next process goes on where this one ended, however short
//     its life or the time between them was. A place without a mark is new, and begins with now.
//   - The messages of open gates are asked for their reactions in the same way. After each start the
//     engine asks for all of them, and what it has asked for is watched from then on.
//   - After an absence of more than a minute the engine reads back besides ([engine.Engine.ReadBack]) what
//     no mark is for: direct messages that nobody knew of, and old threads. It keeps in its store which of
//     that is still to be done. A channel that is not open to the bot holds this up no more than others:
//     when it is, its mark is there.
//
// What Slack does not keep cannot be read: slash commands, presses and forms. Whoever gives one while
// nobody hears it is told so by Slack. And of a reply that was lost while the bot ran nothing is found if
// its thread begins before the latest 200 messages of the channel.

// hearTimes bound one reading. Each part has its own, so that none takes it from the others; what a part
// cannot do in its time it does the next time first.
type hearTimes struct {
	reactions time.Duration
	place     time.Duration // for one place: its threads wait for their turns
	rooms     time.Duration
}

func usualTimes() hearTimes { return hearTimes{time.Minute, 2 * time.Minute, 30 * time.Second} }

// readMost is how far back a place is read that could not be read for long: less than the engine remembers
// what it has heard.
const readMost = 7 * 24 * time.Hour

// roomsAtOnce is how many direct messages are read at once, the others the next times: Slack allows only so
// many readings a minute.
const roomsAtOnce = 20

// closedFor is for how long the direct message is not asked for with somebody with whom there is none.
const closedFor = time.Hour

// listenSlack reads now and then what was written and which reactions were given on Slack, of which
// nothing may have been told.
func (b *bot) listenSlack(ctx context.Context, clock engine.Clock) error {
	if b.slack == nil {
		return nil
	}
	for wait := min(chatFirst, b.conf.Slack.Every); ; wait = b.conf.Slack.Every {
		wake, stop := clock.Wake(clock.Now().Add(wait))
		select {
		case <-ctx.Done():
			stop()
			return nil
		case <-b.slack.nudge:
		case <-wake:
		}
		stop()
		if err := b.hearSlack(ctx, clock.Now()); err != nil && ctx.Err() == nil {
			b.log.Info("not everything on Slack can be read now", "error", errs.Text(err))
		}
	}
}

// hearSlack reads once: first what votes may depend on, then what was said, and last it opens direct
// messages. What cannot be read keeps nobody from reading the rest.
func (b *bot) hearSlack(ctx context.Context, now time.Time) error {
	c := b.slack.chat
	c.reading.Lock()
	defer c.reading.Unlock()
	return errors.Join(b.hearReactions(ctx), b.hearMessages(ctx, now), b.openRooms(ctx, now))
}

// hearReactions tells the engine of the gate messages whose reactions are not those that it has read.
func (b *bot) hearReactions(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, b.slack.chat.times.reactions)
	defer cancel()
	poster := b.slack.chat.poster
	changed, failed := poster.Changed(limited)
	for _, change := range changed {
		body, err := json.Marshal(change.Ref)
		if err != nil {
			continue // texts can always be written
		}
		d := engine.Delivery{Source: slackSource, ID: "reactions-" + change.Message + "-" + newID(), Place: change.Place, Body: body, Headers: map[string]string{hook.HeaderKind: slackRead}}
		if err := b.engine.Deliver(ctx, d); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		poster.Told(change)
	}
	return failed
}

// hearMessages reads the places that are due.
func (b *bot) hearMessages(ctx context.Context, now time.Time) (failed error) {
	c := b.slack.chat
	for _, place := range c.due(now) {
		from := c.since[place].Add(-chatMargin)
		if far := now.Add(-readMost); from.Before(far) {
			from = far
		}
		limited, cancel := context.WithTimeout(ctx, c.times.place)
		err := c.past.SinceIn(limited, place, from, func(w chat.Written) error {
			fresh, err := b.engine.DeliverLate(ctx, readSlack(w))
			if fresh && b.slack.untold(w.At, now) {
				c.found(w.Place)
			}
			return err
		})
		cancel()
		if err == nil {
			c.since[place] = now
		}
		failed = errors.Join(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failed, c.writeMarks())
}

// due are the places to be read now, the one whose mark is the oldest first: all channels, and of the
// direct messages those that wait the longest.
func (c *slackChat) due(now time.Time) []string {
	c.mu.Lock()
	rooms := slices.Compact(slices.Sorted(maps.Values(c.rooms)))
	c.mu.Unlock()
	for _, place := range slices.Concat(c.channels, rooms) {
		if mark, ok := c.since[place]; !ok || mark.After(now) { // it is new, or the clock was set back
			c.since[place] = now
		}
	}
	slices.SortStableFunc(rooms, func(a, b string) int { return c.tried[a].Compare(c.tried[b]) })
	rooms = rooms[:min(len(rooms), roomsAtOnce)]
	for _, place := range rooms {
		c.tried[place] = now
	}
	out := slices.Concat(c.channels, rooms)
	slices.SortFunc(out, func(a, b string) int { return cmp.Or(c.since[a].Compare(c.since[b]), strings.Compare(a, b)) })
	return out
}

// readMarks takes over how far places were read before.
func (c *slackChat) readMarks(now time.Time) {
	var marks map[string]time.Time
	raw, err := os.ReadFile(c.marks)
	if err != nil || json.Unmarshal(raw, &marks) != nil {
		marks = nil // the engine reads back an absence by itself
	}
	known := slices.Concat(c.channels, slices.Collect(maps.Values(c.rooms)))
	for _, place := range known {
		c.since[place] = now
		if mark, ok := marks[place]; ok && mark.Before(now) {
			c.since[place] = mark
		}
	}
}

// writeMarks keeps them for the next process.
func (c *slackChat) writeMarks() error {
	raw, err := json.Marshal(c.since)
	if err == nil {
		err = replaceFile(c.marks, append(raw, '\n'))
	}
	if err != nil {
		return errs.E("slack.past", errs.Unavailable, errors.New("how far Slack was read cannot be written into "+c.marks)).Hint("look at the disk")
	}
	return nil
}

// openRooms opens the direct messages with people that are not open yet, those first that were asked for
// the longest ago.
func (b *bot) openRooms(ctx context.Context, now time.Time) (failed error) {
	c := b.slack.chat
	var accounts []string
	for _, p := range b.engine.World().Directory.Persons() {
		for _, account := range b.slackAccounts(string(p.ID)) {
			if c.room(account) == "" && !c.asked[account].After(now) {
				accounts = append(accounts, account)
			}
		}
	}
	slices.SortStableFunc(accounts, func(a, b string) int { return c.asked[a].Compare(c.asked[b]) })
	limited, cancel := context.WithTimeout(ctx, c.times.rooms)
	defer cancel()
	opened := false
	for _, account := range accounts {
		c.asked[account] = now
		place, err := c.poster.Direct(limited, account)
		switch {
		case err == nil && c.fits(b.conf.Slack.Team, account, place):
			opened, err = true, c.met(account, place)
		case errs.Is(err, errs.Gone):
			c.asked[account], err = now.Add(closedFor), nil
		}
		failed = errors.Join(failed, err)
		if limited.Err() != nil {
			break
		}
	}
	if opened {
		b.engine.ShowAgain() // private runs are shown there from now on
	}
	return failed
}
