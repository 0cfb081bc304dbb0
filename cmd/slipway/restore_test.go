package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/state/backup"
)

// hosted is a whole bot in this process.
type hosted struct {
	*bot
	stop func() error
}

// host starts the bot of a configuration. point may be nil; it is told of the bot before it works.
func host(ctx context.Context, config string, point func(*bot, string)) (hosted, error) {
	conf, err := loadConfig(config)
	if err != nil {
		return hosted{}, err
	}
	conf.Apt = lookout()
	var at atomic.Pointer[bot]
	passed := func(name string) {
		if b := at.Load(); b != nil && point != nil {
			point(b, name)
		}
	}
	b, err := build(ctx, conf, slog.New(slog.DiscardHandler), passed)
	if err != nil {
		return hosted{}, err
	}
	at.Store(b)
	ctx, cancel := context.WithCancel(ctx)
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- b.serve(ctx, func() { close(ready) }) }()
	stop := sync.OnceValue(func() error {
		cancel()
		err := <-ended
		b.close()
		return err
	})
	select {
	case <-ready:
		return hosted{b, stop}, nil
	case err := <-ended:
		ended <- err
		return hosted{}, errors.Join(err, stop())
	}
}

// elsewhere is the configuration of another machine with the same remotes, mailbox and archive, and
// a state folder of its own. The mail archive can be left out, so that nobody can look mails up.
func (y *yard) elsewhere(name string, blind bool) (*yard, error) {
	raw, err := os.ReadFile(y.config)
	if err != nil {
		return nil, err
	}
	text := strings.NewReplacer("state: state\n", "state: "+name+"\n", "socket: slipway.sock", "socket: "+name+".sock").Replace(string(raw))
	if blind {
		var lines []string
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "  archive: mailbox") && !strings.HasPrefix(line, "  settle:") {
				lines = append(lines, line)
			}
		}
		text = strings.Join(lines, "")
	}
	other := *y
	other.config = filepath.Join(y.dir, name+".yaml")
	return &other, os.WriteFile(other.config, []byte(text), 0o600)
}

// moments are when backups are taken in one release: its effects follow, or are under way. Plain
// tests take those of what cannot be taken back.
func moments() map[string]string {
	all := map[string]string{
		"before the push":         "effect/git.push_release@1/before-do",
		"pushed, not noted":       "effect/git.push_release@1/after-do",
		"the archive is switched": "archive/publish.renamed",
		"told, not noted":         "effect/chat.broadcast@1/after-do",
		"not mailed, nobody sees": "effect/mail.announce@1/before-do",
	}
	if wholeSweep {
		all["the gate is open"] = "effect/slipway.gate_message@1/after-result"
		all["published, not noted"] = "effect/archive.publish@1/after-do"
		all["mailed, not noted"] = "effect/mail.announce@1/after-do"
	}
	return all
}

// TestRestoreInMidRun takes backups at moments of one release, which goes on to its end: the tag is
// pushed, the archive is switched, the mail is sent. Each backup is then restored on another machine
// with the same outside. Nothing is done again, and the run comes to its end once.
func TestRestoreInMidRun(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	s := newSlip(t)
	s.publish = true
	y, err := s.yard(ctx, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := y.startSigner(s.signer); err != nil {
		t.Fatal(err)
	}
	defer y.close()
	var mu sync.Mutex
	taken := map[string]string{} // moment → path
	failed := []error{}
	point := func(b *bot, name string) {
		for moment, at := range moments() {
			mu.Lock()
			_, had := taken[moment]
			if at == name && !had {
				taken[moment] = ""
			}
			mu.Unlock()
			if at != name || had {
				continue
			}
			done, err := b.backups.to(ctx, filepath.Join(y.dir, "backups")+"/")
			mu.Lock()
			taken[moment] = done.Path
			if err != nil {
				failed = append(failed, fmt.Errorf("%s: %w", moment, err))
			}
			mu.Unlock()
		}
	}
	b, err := host(ctx, y.config, point)
	if err != nil {
		t.Fatal(err)
	}
	var story strings.Builder
	_, err = drive(ctx, y.socket(), y.version, func(line string) { fmt.Fprintln(&story, line) })
	if err = errors.Join(append(failed, err, b.stop())...); err != nil {
		t.Fatalf("%v\n%s", err, story.String())
	}
	if _, err := y.inspect(ctx, expect{mails: 1}); err != nil {
		t.Fatal(err)
	}
	for moment, at := range moments() {
		if taken[moment] == "" {
			t.Errorf("%s: %s was never passed", moment, at)
		}
	}
	n := 0
	for _, moment := range sortedKeys(taken) {
		if taken[moment] == "" {
			continue
		}
		n++
		if err := y.again(ctx, taken[moment], fmt.Sprint("state", n), strings.Contains(moment, "nobody sees")); err != nil {
			t.Errorf("a backup when %s: %v", moment, err)
		}
	}
}

// again restores one backup, plays the rest of the release, and looks at what is outside.
func (y *yard) again(ctx context.Context, from, name string, blind bool) (err error) {
	other, err := y.elsewhere(name, blind)
	if err != nil {
		return err
	}
	src, err := backup.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dir := filepath.Join(y.dir, name)
	if err := restore(ctx, src, dir, func(string, int64, int64) {}); err != nil {
		return err
	}
	b, err := host(ctx, other.config, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.stop()) }()
	d := newDriver(b.conf.Socket, y.version, func(string) {})
	if _, why, paused := b.engine.Paused(); !paused || !strings.Contains(why, "restored") {
		return fmt.Errorf("it is not paused: %q", why)
	}
	if w, err := d.look(ctx); err != nil || w.Status == "ended" {
		return fmt.Errorf("it went on by itself: %s %s %w", w.Status, w.Outcome, err)
	}
	if err := d.say(ctx, demoManager, "resume-"+name, "resume effects"); err != nil {
		return err
	}
	w, err := d.play(ctx)
	if asked := stuck(w); blind && strings.Contains(asked, "restored on") {
		if err := d.say(ctx, demoManager, "doubt-"+name, fmt.Sprintf("doubt %s %s happened", y.version, "announce")); err != nil {
			return err
		}
		for w.Status != "ended" {
			if w, err = d.look(ctx); err != nil {
				return err
			}
			if err := pause(ctx, 50*time.Millisecond); err != nil {
				return fmt.Errorf("it does not end: %+v", w)
			}
		}
	} else if err != nil || blind {
		return fmt.Errorf("%w: %+v, asked %q", err, w, asked)
	}
	if err := errors.Join(other.nothingTwice(ctx, b, src.Manifest), b.stop()); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(dir), os.Remove(other.config))
}

// nothingTwice looks at the outside after a restored bot has ended the release.
func (y *yard) nothingTwice(ctx context.Context, b hosted, from backup.Manifest) error {
	id, err := b.engine.Resolve(ctx, y.version, demoManager)
	if err != nil {
		return err
	}
	s, _, err := b.engine.RunState(ctx, id)
	if err != nil {
		return err
	}
	var bad []error
	add := func(err error) {
		if err != nil {
			bad = append(bad, err)
		}
	}
	if s.Outcome != "done" {
		add(fmt.Errorf("the run is %s %s", s.Status, s.Outcome))
	}
	if n, err := b.engine.Runs(ctx, engine.Filter{Person: demoManager, Past: true}); err != nil || len(n) != 1 {
		add(fmt.Errorf("there are %d runs %w", len(n), err))
	}
	add(y.onePush(ctx, s))
	add(y.mailsAre(1, s))
	add(y.onePublication(ctx, b.conf))
	for _, m := range from.Members {
		run, ended := strings.CutSuffix(m.Path, "/verdict")
		if _, err := os.Stat(filepath.Join(b.conf.State, run, "home")); ended && err == nil { // made when a command runs, and in no backup
			add(fmt.Errorf("the pipeline %s was run again", run))
		}
	}
	add(b.engine.FsckFull(ctx, func(what string) { add(errors.New("fsck: " + what)) }))
	titles, cards := 0, map[string]int{}
	messages, err := b.room.Messages(demoChannel, "", 10_000)
	add(err)
	for _, m := range messages {
		if m.Card == nil || m.Author != botAccount {
			continue
		}
		if strings.Contains(m.Card.Title, y.project+" "+y.version+" is released") {
			titles++
		}
		cards[m.Card.Title]++
	}
	if titles != 1 {
		add(fmt.Errorf("there are %d broadcasts", titles))
	}
	if n := cards["release/"+y.project+"/"+y.version]; n != 1 {
		add(fmt.Errorf("there are %d cards: %v", n, cards))
	}
	if cards["Slipway was restored from a backup"] != 1 {
		add(fmt.Errorf("nobody was told of the restore: %v", cards))
	}
	return errors.Join(bad...)
}
