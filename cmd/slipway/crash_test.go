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
	state "slipway/bot/run"
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
// looks at what it left. The bot is killed where the plan says, one time after the other; hit is where it
// was.
func (s *slip) release(ctx context.Context, plan []killAt, seen string, beside func(context.Context, *keeper)) (t trace, hit []killAt, kills int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	y, err := s.yard(ctx, true)
	if err != nil {
		return t, nil, 0, err
	}
	k, err := keep(y, s.signer, plan, seen)
	if err != nil {
		return t, nil, 0, err
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
	if err == nil && (len(plan) > 0 || seen != "") {
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
		return t, k.hit, kills, fmt.Errorf("%w\n%s%s", err, story.String(), y.dir)
	}
	return t, k.hit, kills, os.RemoveAll(y.dir)
}

func (y *yard) socket() string { return filepath.Join(y.dir, "slipway.sock") }

// points are what was passed in a release without a kill: in order, and how often each.
func points(path string) (passed []string, count map[string]int, err error) {
	data, err := os.ReadFile(path)
	count = map[string]int{}
	for name := range strings.Lines(string(data)) {
		passed = append(passed, strings.TrimSpace(name))
		count[strings.TrimSpace(name)]++
	}
	return passed, count, err
}

// performed are the actions of the release playbook but for the steps that this yard leaves out, and the
// engine's own that a release uses.
func performed(t *testing.T, s *slip, want trace) []string {
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
		case strings.HasPrefix(want.steps[st.Path], string(state.SkippedSt)):
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
	want, _, _, err := s.release(t.Context(), nil, seen, nil)
	if err != nil {
		t.Fatalf("without a kill: %v", err)
	}
	passed, count, err := points(seen)
	if err != nil {
		t.Fatal(err)
	}
	actions := performed(t, s, want)
	for _, ref := range actions {
		for _, when := range []string{"before-do", "after-do"} {
			if count["effect/"+ref+"/"+when] == 0 {
				t.Errorf("the action %s has no crash point %s", ref, when)
			}
		}
	}
	killed := s.sweep(t, want, passed, chosen(count, wholeSweep || os.Getenv("SLIPWAY_SOAK") == "1"))
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
				got, _, kills, err := s.release(t.Context(), nil, "", func(ctx context.Context, k *keeper) {
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

// killsEach is at how many points a bot dies in one release. They lie far apart, so that each time it goes
// on for a while: to be killed again is nothing that a bot may count on not to happen.
const killsEach = 4

// chains spreads the points over releases, each with points that follow one another: the nth time counts
// from the start of the bot that is to die.
func chains(passed []string, list []killAt) (plans, points [][]killAt) {
	at := map[killAt]int{} // place in a release without a kill
	count := map[string]int{}
	for i, name := range passed {
		count[name]++
		at[killAt{name, count[name]}] = i
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b killAt) int { return at[a] - at[b] })
	releases := (len(list) + killsEach - 1) / killsEach
	for first := range releases {
		var plan, whole []killAt
		from := 0
		for i := first; i < len(list); i += releases {
			k, n := list[i], 0
			for _, name := range passed[from : at[k]+1] {
				if name == k.point {
					n++
				}
			}
			plan, whole, from = append(plan, killAt{k.point, n}), append(whole, k), at[k]+1
		}
		plans, points = append(plans, plan), append(points, whole)
	}
	return plans, points
}

// sweep dies at each point and gives how often it did, by the point's name. What a chain did not come to is
// died at alone.
func (s *slip) sweep(t *testing.T, want trace, passed []string, list []killAt) map[string]int {
	t.Helper()
	killed := map[string]int{}
	plans, points := chains(passed, list)
	var alone [][]killAt
	for i, hit := range s.die(t, want, plans, killed) {
		for _, at := range points[i][hit:] {
			alone = append(alone, []killAt{at})
		}
	}
	s.die(t, want, alone, killed)
	// How often a card is edited or a pipeline read depends on the pace; the first time is always.
	for _, at := range list {
		if at.n == 1 && killed[at.point] == 0 {
			t.Errorf("the sweep never hit %s", at.point)
		}
	}
	return killed
}

// die plays a release for each plan, several at a time, and gives how many points of each were come to.
func (s *slip) die(t *testing.T, want trace, plans [][]killAt, killed map[string]int) []int {
	t.Helper()
	hits := make([]int, len(plans))
	var mu sync.Mutex
	work := make(chan int)
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for i := range work {
				got, hit, _, err := s.release(t.Context(), plans[i], "", nil)
				if err == nil {
					err = want.differs(got)
				}
				mu.Lock()
				for _, at := range hit {
					killed[at.point]++
				}
				if hits[i] = len(hit); err != nil {
					t.Errorf("killed at %v: %v", plans[i], err)
				}
				mu.Unlock()
			}
		})
	}
	for i := range plans {
		work <- i
	}
	close(work)
	all.Wait()
	return hits
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
			if err := s.doubtful(t.Context(), killAt{mail + c.point, 1}, c.answer, c.mails); err != nil {
				t.Errorf("killed at %s, then %q: %v", c.point, c.answer, err)
			}
		})
	}
	all.Wait()
}

// doubtful plays a release that dies at a point of the announcement, and answers the question
// that must follow; answer "" expects none.
func (s *slip) doubtful(ctx context.Context, at killAt, answer string, mails int) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	y, err := s.yard(ctx, false)
	if err != nil {
		return err
	}
	k, err := keep(y, s.signer, []killAt{at}, "")
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
