package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/playbook"
	"slipway/integrations/console"
	"slipway/state/backup"
	"slipway/state/blob"
	"slipway/state/bolt"
)

type backupCmd struct {
	Make  backupMake  `cmd:"" default:"withargs" help:"Make one, while the bot works or while it is stopped."`
	Check backupCheck `cmd:"" help:"Check that one is whole and can be restored; nothing else is needed for that."`
}

type backupMake struct {
	To string `arg:"" help:"A file to be made, or a folder that keeps several: there only what is new is added. A folder that is to be made ends in /."`
}

func (m *backupMake) Run(ctx context.Context, c *cli) error {
	to, err := filepath.Abs(m.To)
	if err != nil {
		return err
	}
	if strings.HasSuffix(m.To, "/") {
		to += "/"
	}
	show := newBar(os.Stderr)
	defer show.end()
	s, err := m.online(ctx, c, to, show)
	if errors.Is(err, errStopped) {
		s, err = m.offline(ctx, c, to, show)
	}
	if err != nil {
		return err
	}
	show.end()
	fmt.Printf("%s: %s, of which %s are new\nseal %s\n", s.Path, bytesOf(s.Size), bytesOf(s.Written), s.Seal)
	fmt.Println("Not in it: the configuration and its secrets, keys, sessions and tokens. Keep those elsewhere.")
	return nil
}

// errStopped means that there is no bot to ask.
var errStopped = errors.New("the bot is not running")

// online asks the running bot.
func (m *backupMake) online(ctx context.Context, c *cli, to string, show *bar) (s backupStatus, err error) {
	client, err := c.client()
	if err != nil {
		return s, err
	}
	defer client.Close()
	if _, err := os.Stat(client.Path); err != nil {
		return s, errStopped
	}
	client.Tries = 2
	ask := func(to string) error {
		now, err := client.Backup(ctx, to)
		s = backupStatus(now)
		return err
	}
	if err := ask(to); err != nil {
		if errs.Is(err, errs.Unavailable) && c.Socket == "" {
			return s, errStopped
		}
		return s, err
	}
	before := s.Number
	for {
		if err := ask(""); err != nil {
			return s, err
		}
		if s.Number > before && !s.Running {
			break
		}
		show.told(s.Stage, s.Done, s.Total)
		select {
		case <-ctx.Done():
			return s, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	if s.Error != "" {
		return s, errs.E("backup", errs.Failed, errors.New(s.Error))
	}
	return s, nil
}

// offline makes it from the files of a bot that is stopped.
func (m *backupMake) offline(ctx context.Context, c *cli, to string, show *bar) (s backupStatus, err error) {
	conf, err := loadConfig(c.Config)
	if err != nil {
		return s, err
	}
	if _, err := os.Stat(filepath.Join(conf.State, "slipway.db")); err != nil {
		return s, errs.E("backup", errs.NotFound, fmt.Errorf("there is nothing to back up in %s", conf.State)).Hint("state: of the configuration names the folder; slipway serve fills it")
	}
	b := &bot{conf: conf, log: quiet()}
	defer b.close()
	if b.db, err = bolt.Open(filepath.Join(conf.State, "slipway.db"), bolt.Options{Large: engine.LargeSpaces()}); err != nil {
		return s, err
	}
	if b.blobs, err = blob.Open(filepath.Join(conf.State, "blobs"), blob.Options{}); err != nil {
		return s, err
	}
	if b.room, err = console.Open(filepath.Join(conf.State, "console.db"), time.Now); err != nil {
		return s, err
	}
	k := newBackups(b)
	done, err := k.backup(ctx, to, show.told)
	if err == nil {
		err = k.remember(done)
	}
	return backupStatus{Path: done.Path, Size: done.Manifest.Size(), Written: done.Written, Seal: done.Manifest.Seal}, err
}

type backupCheck struct {
	From    string `arg:"" help:"The file, a folder of backups (the newest is checked), or one NAME.backup in it."`
	Scratch string `help:"Folder with room for a copy, on which the records are checked." placeholder:"DIR" type:"path"`
}

// Run checks every digest, and then the records on a copy.
func (k *backupCheck) Run(ctx context.Context) error {
	src, err := backup.Open(k.From)
	if err != nil {
		return err
	}
	defer src.Close()
	describe(src)
	dir, err := os.MkdirTemp(k.Scratch, "slipway-backup-check-")
	if err != nil {
		return errs.E("backup.check", errs.Unavailable, err).Hint("name a folder with room for a copy: --scratch DIR")
	}
	defer os.RemoveAll(dir)
	show := newBar(os.Stderr)
	defer show.end()
	if err := src.Lay(ctx, dir, func(done, total int64) { show.told("contents", done, total) }); err != nil {
		return err
	}
	show.end()
	if err := sound(ctx, dir, nil); err != nil {
		return err
	}
	fmt.Println("It is whole: every digest fits, and all records fit the events they were made from.")
	return nil
}

func describe(src *backup.Source) {
	m := src.Manifest
	fmt.Printf("%s\ntaken   %s by slipway %s\nrecords of format %d, epoch %d\nholds   %s in %s and %s\nseal    %s\n", src.Path, card.Moment(m.Taken), m.Program,
		m.Store, m.Epoch, bytesOf(m.Size()), counted(len(m.Members), "file", "files"), counted(len(m.Blobs), "blob", "blobs"), m.Seal)
}

// sound opens a state folder that nobody uses, brings its records up to the format of this program,
// and checks them. With then, that is done last.
func sound(ctx context.Context, dir string, then func(*engine.Engine) error) error {
	db, err := bolt.Open(filepath.Join(dir, "slipway.db"), bolt.Options{Large: engine.LargeSpaces()})
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.Check(ctx); err != nil {
		return err
	}
	blobs, err := blob.Open(filepath.Join(dir, "blobs"), blob.Options{})
	if err != nil {
		return err
	}
	defer blobs.Close()
	actions, err := action.NewSet()
	if err != nil {
		return err
	}
	e, err := engine.New(ctx, engine.Config{Store: db, Blobs: blobs, Actions: actions, Playbooks: noBooks{}, Projects: noProjects{}, Clock: systemClock{}, IDs: newID})
	if err != nil {
		return err
	}
	var findings []string
	if err := e.FsckFull(ctx, func(what string) { findings = append(findings, what) }); err != nil {
		return err
	}
	if len(findings) > 0 {
		for _, f := range findings[:min(len(findings), 10)] {
			fmt.Println(f)
		}
		return errs.E("backup.check", errs.Corrupt, fmt.Errorf("%d records do not fit", len(findings))).Hint("take another backup; slipway fsck checks the state that it was made from")
	}
	room, err := console.Open(filepath.Join(dir, "console.db"), time.Now)
	if err != nil {
		return err
	}
	defer room.Close()
	if then == nil {
		return nil
	}
	if err := room.Restored(); err != nil {
		return err
	}
	return then(e)
}

// noBooks and noProjects are for an engine that only looks after records.
type noBooks struct{}

func (noBooks) Current(string) *playbook.Playbook  { return nil }
func (noBooks) ByDigest(string) *playbook.Playbook { return nil }
func (noBooks) Check(name string, _ []byte) (*playbook.Playbook, error) {
	return nil, fmt.Errorf("the playbook %s is not looked at", name)
}

type noProjects struct{}

func (noProjects) Project(string) (engine.Project, bool) { return engine.Project{}, false }
func (noProjects) Home(engine.Place) string              { return "" }
func (noProjects) Names() []string                       { return nil }

// bar shows how far something is, on a terminal only.
type bar struct {
	to   *os.File
	on   bool
	last string
}

func newBar(to *os.File) *bar { return &bar{to: to, on: screen(to) > 0} }

func (b *bar) told(stage string, done, total int64) {
	line := stage
	if total > 0 {
		line = fmt.Sprintf("%-10s %3d %%  %s of %s", stage, done*100/total, bytesOf(done), bytesOf(total))
	}
	if b.on && line != b.last {
		fmt.Fprintf(b.to, "\r\x1b[K%s", fit(line, screen(b.to)))
		b.last = line
	}
}

func (b *bar) end() {
	if b.on && b.last != "" {
		fmt.Fprint(b.to, "\r\x1b[K")
		b.last = ""
	}
}

// bytesOf is a size for people.
func bytesOf(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d bytes", n)
	case n < 1000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1000_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}
