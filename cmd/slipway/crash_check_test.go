package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"slipway/bot/engine"
	state "slipway/bot/run"
)

// trace is what a whole release leaves behind that must be the same whatever happened on the way.
// Times differ from one release to the next, so what depends on them is masked.
type trace struct {
	steps map[string]string // path → status and the names of its outputs, with the values that have no time in them
	said  []string          // every message of the bot, sorted: a second card or reply shows
}

// differs says how, or nil.
func (a trace) differs(b trace) error {
	var all []error
	for _, path := range slices.Sorted(maps.Keys(a.steps)) {
		if a.steps[path] != b.steps[path] {
			all = append(all, fmt.Errorf("the step %s is %q and not %q", path, b.steps[path], a.steps[path]))
		}
	}
	if len(a.steps) != len(b.steps) {
		all = append(all, fmt.Errorf("there are %d steps and not %d", len(b.steps), len(a.steps)))
	}
	if x, y := strings.Join(a.said, "\n"), strings.Join(b.said, "\n"); x != y {
		all = append(all, fmt.Errorf("what was said is\n%s\nand not\n%s", y, x))
	}
	return errors.Join(all...)
}

// expect is what may differ between releases that were told of their mail in different ways.
type expect struct{ mails int }

// inspect looks at everything that the release of a yard left behind. The bot must not be running.
func (y *yard) inspect(ctx context.Context, want expect) (t trace, err error) {
	conf, err := loadConfig(y.config)
	if err != nil {
		return t, err
	}
	b, err := build(ctx, conf, quiet(), nil)
	if err != nil {
		return t, err
	}
	defer b.close()
	if err := b.engine.Drain(ctx); err != nil { // what the stop left for later: the last edits, replies
		return t, err
	}
	var bad []error
	add := func(err error) {
		if err != nil {
			bad = append(bad, err)
		}
	}
	add(b.engine.FsckFull(ctx, func(what string) { add(errors.New("fsck: " + what)) }))
	if left, err := b.engine.Effects(ctx, "", 0); err != nil || len(left) > 0 {
		add(fmt.Errorf("effects are left: %+v %w", left, err))
	}
	id, err := b.engine.Resolve(ctx, y.version, demoManager)
	if err != nil {
		return t, err
	}
	s, _, err := b.engine.RunState(ctx, id)
	if err != nil {
		return t, err
	}
	if s.Outcome != "done" {
		add(fmt.Errorf("the run is %s %s", s.Status, s.Outcome))
	}
	if unused, err := b.engine.Unused(ctx, id); err != nil || len(unused) > 0 {
		add(fmt.Errorf("results are unused: %v %w", unused, err))
	}
	if n, err := b.engine.Runs(ctx, engine.Filter{Person: demoManager, Past: true}); err != nil || len(n) != 1 {
		add(fmt.Errorf("there are %d runs %w", len(n), err))
	}
	t.steps = map[string]string{}
	for path, st := range s.Steps {
		t.steps[path] = summary(st)
	}
	add(y.onePush(ctx, s))
	_, _, err = y.proven(ctx, b.engine, b.blobs, id)
	add(err)
	add(y.mailsAre(want.mails, s))
	pipelines := 2
	if y.archive != nil {
		pipelines = 4
		add(y.onePublication(ctx, conf))
	}
	add(y.pipelines(pipelines))
	t.said, err = b.said()
	add(err)
	titles := 0
	for _, line := range t.said {
		if strings.Contains(line, y.project+" "+y.version+" is released") {
			titles++
		}
	}
	if titles != 1 {
		add(fmt.Errorf("there are %d broadcasts", titles))
	}
	return t, errors.Join(bad...)
}

// summary is a step without what the clock or the run's id has part in.
func summary(st *state.Step) string {
	out := string(st.Status)
	for _, name := range slices.Sorted(maps.Keys(st.Output)) {
		out += " " + name
		switch v := st.Output[name].(type) {
		case bool, int64, float64:
			out += fmt.Sprint("=", v)
		case string:
			if name == "state" || name == "tag" || name == "last_tag" || name == "tip" || name == "branch" {
				out += "=" + v
			}
		}
	}
	return seconds.ReplaceAllString(out, "seconds")
}

var seconds = regexp.MustCompile(`(seconds|unix)=[0-9.e+]+`)

// onePush asks git: the tag object of the run is on the remote, and both refs moved exactly once.
func (y *yard) onePush(ctx context.Context, s *state.State) error {
	wanted := func(name string) string { v, _ := s.Steps["push"].Output[name].(string); return v }
	got := map[string]string{}
	for name, args := range map[string][]string{
		"tag_object": {"rev-parse", y.version}, "kind": {"cat-file", "-t", y.version}, "commit": {"rev-parse", y.version + "^{commit}"},
		"branch": {"rev-parse", "master"}, "refs": {"for-each-ref", "--format=%(refname)"},
	} {
		out, err := output(ctx, y.remote, "git", args...)
		if err != nil {
			return err
		}
		got[name] = out
	}
	var bad []error
	if got["kind"] != "tag" || got["tag_object"] != wanted("tag_object") || got["commit"] != wanted("commit") || got["branch"] != wanted("commit") {
		bad = append(bad, fmt.Errorf("the remote has %v, the run pushed %v", got, s.Steps["push"].Output))
	}
	if n := len(strings.Fields(got["refs"])); n != 5 { // two branches, two old tags, the new one
		bad = append(bad, fmt.Errorf("the remote has %d refs: %s", n, got["refs"]))
	}
	for _, ref := range []string{"refs/heads/master", "refs/tags/" + y.version} {
		log, err := os.ReadFile(filepath.Join(y.remote, "logs", ref))
		if n := strings.Count(string(log), "\n"); err != nil || n != 1 {
			bad = append(bad, fmt.Errorf("%s moved %d times: %s %w", ref, n, log, err))
		}
	}
	return errors.Join(bad...)
}

// mailsAre counts the messages in the mailbox; all must be the one that the run wrote.
func (y *yard) mailsAre(want int, s *state.State) error {
	id, _ := s.Steps["notes"].Output["message_id"].(string)
	entries, err := os.ReadDir(filepath.Join(y.mailbox, "new"))
	if err != nil || len(entries) != want {
		return fmt.Errorf("there are %d mails and not %d %w", len(entries), want, err)
	}
	for _, e := range entries {
		f, err := os.Open(filepath.Join(y.mailbox, "new", e.Name()))
		if err != nil {
			return err
		}
		m, err := mail.ReadMessage(f)
		_ = f.Close()
		if err != nil {
			return err
		}
		if got := strings.TrimSpace(m.Header.Get("Message-Id")); got != "<"+id+">" || id == "" {
			return fmt.Errorf("a mail has the id %s and not %s", got, id)
		}
	}
	return nil
}

// pipelines counts how often the command of each pipeline was run.
func (y *yard) pipelines(want int) error {
	found, err := filepath.Glob(filepath.Join(y.dir, "state", "ci", "runs", "*", "home", "ran"))
	if err != nil || len(found) != want {
		return fmt.Errorf("%d pipelines were run and not %d %w", len(found), want, err)
	}
	for _, f := range found {
		if data, err := os.ReadFile(f); err != nil || string(data) != "ran\n" {
			return fmt.Errorf("a pipeline was run %d times %w", strings.Count(string(data), "\n"), err)
		}
	}
	return nil
}

// varies are digests and ids in what is said.
var varies = regexp.MustCompile(`[0-9a-f]{7,64}|[0-9]{1,2}:[0-9]{2}`)

// said lists what the bot has in the channel, sorted: title or text, and whether it is in a thread.
func (b *bot) said() ([]string, error) {
	messages, err := b.room.Messages(demoChannel, "", 10_000)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, m := range messages {
		if m.Author != botAccount {
			continue
		}
		line := "message: " + m.Text
		if m.Card != nil {
			line = "card: " + m.Card.Title
		}
		if m.Thread != "" {
			line = "in a thread, " + line
		}
		out = append(out, varies.ReplaceAllString(strings.ReplaceAll(line, "\n", " / "), "…"))
	}
	slices.Sort(out)
	return out, nil
}
