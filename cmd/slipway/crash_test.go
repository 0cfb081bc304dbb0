package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/bot/playbook"
)

// atOnce is how many yards are at work at a time: most of a release is waiting for the disk and
// for people.
const atOnce = 4

// killAt is one point to die at: the Nth time that it is passed.
type killAt struct {
	point string
	n     int
}

func (k killAt) String() string { return fmt.Sprintf("%s#%d", k.point, k.n) }

// release plays one whole release in a yard of its own, with do beside it while it runs, and
// looks at what it left. hit tells whether the bot was killed.
func (s *slip) release(ctx context.Context, at, seen string, beside func(context.Context, *keeper)) (t trace, kills int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	y, err := s.yard(ctx, true)
	if err != nil {
		return t, 0, err
	}
	k, err := keep(y, s.signer, at, seen)
	if err != nil {
		return t, 0, err
	}
	var story strings.Builder
	playing, stop := context.WithCancel(ctx)
	var others sync.WaitGroup
	if beside != nil {
		others.Go(func() { beside(playing, k) })
	}
	_, err = drive(ctx, y.socket(), y.version, func(line string) { fmt.Fprintln(&story, line) })
	stop()
	others.Wait()
	if err == nil && (at != "" || seen != "") {
		// The last edits of cards follow the end by up to a second.
		select {
		case <-k.dead:
			_, err = newDriver(y.socket(), y.version, func(string) {}).look(ctx) // it is up again
		case <-time.After(1500 * time.Millisecond):
		}
	}
	kills, stopped := k.stop()
	if err = errors.Join(err, stopped); err == nil {
		t, err = y.inspect(ctx, expect{mails: 1})
	}
	if err != nil {
		return t, kills, fmt.Errorf("%w\n%s%s", err, story.String(), y.dir)
	}
	return t, kills, os.RemoveAll(y.dir)
}

func (y *yard) socket() string { return filepath.Join(y.dir, "slipway.sock") }

// points counts what was passed in a release without a kill.
func points(path string) (map[string]int, error) {
	data, err := os.ReadFile(path)
	count := map[string]int{}
	for name := range strings.Lines(string(data)) {
		count[strings.TrimSpace(name)]++
	}
	return count, err
}

// performed are the actions of the release playbook, and the engine's own that a release uses.
func performed(t *testing.T, s *slip) []string {
	t.Helper()
	y, err := s.yard(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer y.close()
	conf, err := loadConfig(y.config)
	if err != nil {
		t.Fatal(err)
	}
	b, err := build(t.Context(), conf, quiet(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	refs := []string{"slipway.gate_message@1", "slipway.edit_gate_message@1", "slipway.closing_read@1", "slipway.reply@1", "slipway.read_reactions@1"}
	steps := slices.Clone(b.shelf.Current("release").Steps)
	for i := 0; i < len(steps); i++ {
		switch st := steps[i]; {
		case st.Each != nil:
			steps = append(steps, st.Each.Steps...)
		case st.Kind == playbook.Do:
			refs = append(refs, st.Do.Ref)
		case st.Kind == playbook.Wait && st.Wait.Ref != "":
			refs = append(refs, st.Wait.Ref)
		}
	}
	slices.Sort(refs)
	return slices.Compact(refs)
}

// TestCrashSweep kills the bot before and after every durable step and effect of a whole release,
// and starts it again. Whatever the point, the release comes to the same end, with one tag, one
// push, one mail, one broadcast, one generation of the archive and one run of each pipeline. Plain tests kill at the effects that
// cannot be taken back; the tag prove, and SLIPWAY_SOAK=1, at every occurrence of every point.
func TestCrashSweep(t *testing.T) {
	s := newSlip(t)
	s.publish = true
	began := time.Now()
	seen := filepath.Join(s.dir, "seen")
	want, _, err := s.release(t.Context(), "", seen, nil)
	if err != nil {
		t.Fatalf("without a kill: %v", err)
	}
	count, err := points(seen)
	if err != nil {
		t.Fatal(err)
	}
	actions := performed(t, s)
	for _, ref := range actions {
		for _, when := range []string{"before-do", "after-do"} {
			if count["effect/"+ref+"/"+when] == 0 {
				t.Errorf("the action %s has no crash point %s", ref, when)
			}
		}
	}
	killed := s.sweep(t, want, chosen(count, wholeSweep || os.Getenv("SLIPWAY_SOAK") == "1"))
	killTable(t, actions, count, killed, time.Since(began))
	if os.Getenv("SLIPWAY_SOAK") == "1" {
		s.randomly(t, want, 200)
	}
}

// randomly kills at any time, from outside, two or three times a release, until there were enough.
func (s *slip) randomly(t *testing.T, want trace, enough int) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("random kills with the seed %d", seed)
	var mu sync.Mutex
	random, total := rand.New(rand.NewPCG(seed, 0)), 0
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for round := 0; round < enough; round++ {
				mu.Lock()
				done := total >= enough
				waits := make([]time.Duration, 3)
				for i := range waits {
					waits[i] = time.Duration(random.Int64N(int64(1500 * time.Millisecond)))
				}
				mu.Unlock()
				if done {
					return
				}
				got, kills, err := s.release(t.Context(), "", "", func(ctx context.Context, k *keeper) {
					for _, d := range waits {
						if pause(ctx, d) != nil {
							return
						}
						k.kill()
					}
				})
				if err == nil {
					err = want.differs(got)
				}
				mu.Lock()
				if total += kills; err != nil {
					t.Errorf("killed after %v: %v", waits, err)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	t.Logf("%d random kills", total)
}

// chosen are the points to die at.
func chosen(count map[string]int, all bool) []killAt {
	once := []string{"effect/git.push_release@", "effect/mail.announce@", "effect/archive.publish@"}
	if !raced {
		once = append(once, "effect/chat.broadcast@", "effect/sign.tag@", "effect/archive.stage@", "effect/sign.release@", "archive/publish.", "inbox/", "start/", "head/")
	}
	var list []killAt
	for _, name := range sortedKeys(count) {
		irreversible := slices.ContainsFunc(once, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
		for n := 1; n <= count[name]; n++ {
			if all || irreversible && n == 1 {
				list = append(list, killAt{name, n})
			}
		}
	}
	return list
}

// sweep dies at each point and gives how often it did, by the point's name.
func (s *slip) sweep(t *testing.T, want trace, list []killAt) map[string]int {
	t.Helper()
	var mu sync.Mutex
	killed := map[string]int{}
	work := make(chan killAt)
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for at := range work {
				got, kills, err := s.release(t.Context(), at.String(), "", nil)
				if err == nil {
					err = want.differs(got)
				}
				mu.Lock()
				if killed[at.point] += kills; err != nil {
					t.Errorf("killed at %s: %v", at, err)
				}
				mu.Unlock()
			}
		})
	}
	for _, at := range list {
		work <- at
	}
	close(work)
	all.Wait()
	// How often a card is edited or a pipeline read depends on the pace; the first time is always.
	for _, at := range list {
		if at.n == 1 && killed[at.point] == 0 {
			t.Errorf("the sweep never hit %s", at.point)
		}
	}
	return killed
}

// killTable prints the points hit and the kills for each action, and for the commits beside them.
func killTable(t *testing.T, actions []string, count, killed map[string]int, took time.Duration) {
	t.Helper()
	type line struct{ names, points, kills int }
	lines := map[string]*line{}
	sum := 0
	for name, n := range count {
		group, _, _ := strings.Cut(name, "/")
		for _, ref := range actions {
			if strings.HasPrefix(name, "effect/"+ref+"/") {
				group = ref
			}
		}
		if lines[group] == nil {
			lines[group] = &line{}
		}
		l := lines[group]
		l.names, l.points, l.kills = l.names+1, l.points+n, l.kills+killed[name]
		sum += killed[name]
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%-34s %6s %7s %6s\n", "what", "points", "passed", "kills")
	for _, name := range sortedKeys(lines) {
		l := lines[name]
		fmt.Fprintf(&out, "%-34s %6d %7d %6d\n", name, l.names, l.points, l.kills)
	}
	t.Logf("%d kills in %s\n%s", sum, took.Round(time.Second), out.String())
}

// TestMailWithoutAnArchive: nobody can tell whether a mail was sent when the bot died between the
// mark and the verdict. A person is asked, and what they say is done.
func TestMailWithoutAnArchive(t *testing.T) {
	s := newSlip(t)
	const mail = "effect/mail.announce@1/"
	var all sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, c := range []struct {
		point, answer string
		mails         int
	}{
		{"mark/before-commit", "", 1}, // not marked: it was not begun
		{"mark/after-commit", "redo", 1},
		{"before-do", "redo", 1},
		{"after-do", "happened", 1},
		{"after-do", "redo", 2}, // a person asked for it; list software drops the second by its id
		{"before-result", "happened", 1},
		{"after-result", "", 1},
	} {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if err := s.doubtful(t.Context(), mail+c.point+"#1", c.answer, c.mails); err != nil {
				t.Errorf("killed at %s, then %q: %v", c.point, c.answer, err)
			}
		})
	}
	all.Wait()
}

// doubtful plays a release that dies at a point of the announcement, and answers the question
// that must follow; answer "" expects none.
func (s *slip) doubtful(ctx context.Context, at, answer string, mails int) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	y, err := s.yard(ctx, false)
	if err != nil {
		return err
	}
	k, err := keep(y, s.signer, at, "")
	if err != nil {
		return err
	}
	asked := func() error {
		w, err := drive(ctx, y.socket(), y.version, func(string) {})
		if answer == "" {
			return err
		}
		if err == nil || stuck(w) == "" {
			return fmt.Errorf("nobody was asked: %+v %w", w, err)
		}
		if err := y.question(ctx); err != nil {
			return err
		}
		d := newDriver(y.socket(), y.version, func(string) {})
		if err := d.say(ctx, demoManager, "doubt", fmt.Sprintf("doubt %s announce %s", y.version, answer)); err != nil {
			return err
		}
		for {
			w, err := d.look(ctx)
			if err != nil || w.Status == "ended" {
				return err
			}
			if err := pause(ctx, 50*time.Millisecond); err != nil {
				return fmt.Errorf("it does not end: %+v", w)
			}
		}
	}
	err = asked()
	kills, stopped := k.stop()
	if err = errors.Join(err, stopped); err != nil {
		return err
	}
	if kills != 1 {
		return fmt.Errorf("it was killed %d times", kills)
	}
	_, err = y.inspect(ctx, expect{mails: mails})
	return err
}

// question looks for the question where people see it: on the card, and in the answer to why.
func (y *yard) question(ctx context.Context) error {
	const want = "say whether announce happened"
	d := newDriver(y.socket(), y.version, func(string) {})
	c := d.as(demoManager)
	defer c.Close()
	if err := d.say(ctx, demoManager, "why", "release why "+y.version); err != nil {
		return err
	}
	for {
		found := map[bool]bool{} // in the answer to why; on the card
		short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		since := uint64(0)
		err := c.Watch(short, demoChannel, &since, func(change consoleChange) error {
			if m := change.Message; m != nil && m.Author == botAccount {
				text, reply := m.Text, m.Card == nil || strings.HasPrefix(m.Card.Key, "reply-")
				if m.Card != nil {
					text = fmt.Sprintf("%+v", *m.Card)
				}
				found[reply] = found[reply] || strings.Contains(text, want)
			}
			return nil
		})
		cancel()
		if found[true] && found[false] {
			return nil
		}
		if ctx.Err() != nil {
			return errs.E("test", errs.Failed, fmt.Errorf("the question is seen in the answer to why %t, on the card %t: %w", found[true], found[false], err))
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
