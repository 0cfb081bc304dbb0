package chat

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"slices"

	"slipway/bot/errs"
	"slipway/integrations/slack"
)

// span is from one message to another, both by their times.
type span struct{ from, to string }

// holds reports whether a span has all from one time to another.
func (s span) holds(from, to string) bool {
	return s.from != "" && order(s.from, from) <= 0 && order(to, s.to) <= 0
}

// progress is how far a place was read by calls that came to no end. The next one goes on there.
type progress struct {
	since   string             // what was written from then on is read
	listed  span               // of the list of the channel this was gone through
	waiting map[string]waiting // threads that are to be read, by their first messages
	done    string             // when it was read to the end; "" if it was not
}

// waiting is a thread that is to be read.
type waiting struct {
	latest string // reply; "" if Slack did not say
	rounds int    // how often others took its time
}

// visit is one reading of a channel and its threads.
type visit struct {
	p             *Past
	op            string
	me            slack.Self
	place         slack.Place
	since, oldest string // what was written is read from the first on, and threads are looked for from the second
	key           string // of at
	at            progress
	read          map[string]span // of threads, by their first messages
	all           []spoken
}

// deep reports whether threads are looked for that began long before.
func (v *visit) deep() bool { return v.since != v.oldest }

// closed reports whether a channel is not there, or not open to the bot.
func closed(err error) bool { return errs.Is(err, errs.NotFound) || errs.Is(err, errs.Gone) }

// visit begins one, where the last one of its kind ended.
func (p *Past) visit(op string, me slack.Self, place slack.Place, since, oldest string) *visit {
	v := &visit{p: p, op: op, me: me, place: place, since: since, oldest: oldest, key: place.ID(), read: map[string]span{}}
	if v.deep() {
		v.key += " deep"
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	v.at = p.begun[v.key]
	if v.at.since == "" || order(since, v.at.since) < 0 || v.at.done != "" && order(since, v.at.done) > 0 {
		v.at = progress{since: since}
	}
	v.at.waiting = maps.Clone(v.at.waiting)
	if v.at.waiting == nil {
		v.at.waiting = map[string]waiting{}
	}
	maps.DeleteFunc(v.at.waiting, func(_ string, w waiting) bool { return w.latest != "" && order(w.latest, since) < 0 })
	return v
}

// keep notes how far the visits came, when all that they found is stored. When nothing is left to be read
// they are forgotten: the next ones have another time to begin with.
func (p *Past) keep(visits []*visit, over bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, v := range visits {
		if p.begun[v.key] = v.at; over {
			delete(p.begun, v.key)
		}
		if len(p.threads) > keptTold {
			clear(p.threads)
		}
		for ts, now := range v.read {
			name := v.place.ID() + " " + ts
			if old, ok := p.threads[name]; ok && order(old.from, now.to) <= 0 && order(now.from, old.to) <= 0 {
				now = span{slices.MinFunc([]string{old.from, now.from}, order), slices.MaxFunc([]string{old.to, now.to}, order)}
			}
			p.threads[name] = now
		}
	}
}

// known is what was read of a thread.
func (v *visit) known(ts string) span {
	v.p.mu.Lock()
	defer v.p.mu.Unlock()
	return v.p.threads[v.place.ID()+" "+ts]
}

// run reads the list of the channel, and then the threads that it knows of, however far the list was read.
// What was read to the end is left alone while others are not.
func (v *visit) run(ctx context.Context) error {
	if v.at.done != "" {
		return nil
	}
	now := v.p.o.Client.Now()
	err := v.list(ctx)
	if closed(err) {
		return err
	}
	if err = errors.Join(err, v.replies(ctx)); err == nil {
		v.at.done = stamp(now)
	}
	return err
}

func (v *visit) take(raw json.RawMessage) {
	if m, ok := v.p.message(v.me, v.place, raw); ok && order(m.at, v.since) >= 0 {
		v.all = append(v.all, m)
	}
}

// list goes through the list of the channel, newest first, and leaves out what was gone through before. The
// first page is looked at whole in any case, as it is asked for anyway.
func (v *visit) list(ctx context.Context) error {
	before := v.at.listed
	n, newest, last, jump := 0, "", "", false
	look := func(raw json.RawMessage) (more bool) {
		var h head
		if json.Unmarshal(raw, &h) != nil || !slack.IsMessage(h.TS) {
			return true
		}
		below := order(h.TS, v.oldest) < 0
		if n++; below && n > onePage {
			return false
		}
		newest, last = cmp.Or(newest, h.TS), h.TS
		v.note(h)
		v.take(raw)
		if n < onePage {
			return true
		}
		jump = !jump && before.holds(h.TS, h.TS)
		return !below && !jump
	}
	from := func(latest url.Values) error {
		latest.Set("channel", v.place.Channel)
		return walk(ctx, v.p.o.Client, v.p.most, v.op, "conversations.history", latest, look)
	}
	err := from(url.Values{})
	if err == nil && jump {
		last = before.from
		err = from(url.Values{"latest": {before.from}})
	}
	if newest == "" { // nothing is there, or could be asked for
		return err
	}
	v.at.listed = span{last, newest}
	if before.holds(last, last) {
		v.at.listed.from = before.from
	}
	if errors.Is(err, errBound) {
		if order(last, v.since) < 0 {
			return nil // only threads are looked for there, and those of so long ago are left alone
		}
		return v.goesOn()
	}
	return err
}

// goesOn is the error of a reading that is too long for once.
func (v *visit) goesOn() error {
	return errs.E(v.op, errs.Unavailable, errors.New("more was written in the channel "+v.place.Channel+" than is read at once")).Hint("nothing needs to be done: the rest is read the next times")
}

// note has a thread wait for being read, unless all that matters was read.
func (v *visit) note(h head) {
	switch {
	case h.Replies == 0 || h.Latest != "" && order(h.Latest, v.since) < 0:
	case h.Latest != "" && v.known(h.TS).holds(v.since, h.Latest):
		delete(v.at.waiting, h.TS)
	default:
		v.at.waiting[h.TS] = waiting{h.Latest, v.at.waiting[h.TS].rounds}
	}
}

// replies reads the threads that wait, first those for which there was no time before, and of these first
// those in which was spoken last. One that cannot be read has the others go first the next time.
func (v *visit) replies(ctx context.Context) (failed error) {
	threads := slices.SortedFunc(maps.Keys(v.at.waiting), func(a, b string) int {
		x, y := v.at.waiting[a], v.at.waiting[b]
		return cmp.Or(y.rounds-x.rounds, order(y.latest, x.latest), order(b, a))
	})
	for _, ts := range threads {
		w := v.at.waiting[ts]
		if failed != nil {
			w.rounds++
			v.at.waiting[ts] = w
			continue
		}
		read := v.known(ts)
		if !read.holds(v.since, v.since) {
			read = span{v.since, v.since}
		}
		args := url.Values{"channel": {v.place.Channel}, "ts": {ts}, "oldest": {read.to}, "inclusive": {"true"}}
		err := walk(ctx, v.p.o.Client, v.p.most, v.op, "conversations.replies", args, func(raw json.RawMessage) bool {
			var h head
			if json.Unmarshal(raw, &h) == nil && slack.IsMessage(h.TS) && order(h.TS, read.to) > 0 {
				read.to = h.TS // replies come by time
			}
			v.take(raw)
			return true
		})
		switch {
		case err == nil:
			if order(w.latest, read.to) > 0 { // deleted meanwhile
				read.to = w.latest
			}
			delete(v.at.waiting, ts)
		case errs.Is(err, errs.Gone): // deleted meanwhile
			delete(v.at.waiting, ts)
			continue
		case errors.Is(err, errBound):
			err = v.goesOn()
			fallthrough
		default:
			failed = err
			v.at.waiting[ts] = waiting{latest: w.latest}
		}
		v.read[ts] = read
	}
	return failed
}
