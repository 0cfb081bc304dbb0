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
	"time"

	"slipway/bot/calendar"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/state"
	"slipway/state/backup"
)

// rawBackup is how slipway.yaml asks for backups: {dir: /var/backups/slipway, every: 24h, keep: 14}.
type rawBackup struct {
	Dir   string `yaml:"dir"`   // folder of the backups, best on another disk; without one none is made by itself
	Every string `yaml:"every"` // default 24h
	Keep  int    `yaml:"keep"`  // how many stay; default 14
}

// backupConfig is when backups are made by themselves.
type backupConfig struct {
	Dir   string // "": never
	Every time.Duration
	Keep  int
}

func (r rawConfig) validBackup(dir string, c *config) error {
	b := backupConfig{Dir: beside(dir, r.Backup.Dir), Every: 24 * time.Hour, Keep: r.Backup.Keep}
	if r.Backup.Dir == "" {
		if r.Backup != (rawBackup{}) {
			return invalid("backup: dir is missing", "name the folder of the backups, best on another disk")
		}
		return nil
	}
	if rel, err := filepath.Rel(c.State, b.Dir); err == nil && filepath.IsLocal(rel) {
		return invalid("backup: dir "+b.Dir+" is inside the state folder, and would be lost with it", "name a folder on another disk")
	}
	if r.Backup.Every != "" {
		var err error
		if b.Every, err = calendar.ParseDuration(r.Backup.Every); err != nil {
			return invalid("backup: every: "+errs.Cause(err), "write 24h or 1d")
		}
	}
	if b.Every < time.Minute {
		return invalid(fmt.Sprintf("backup: every %s is too often", r.Backup.Every), "at least a minute must be between two backups")
	}
	if b.Keep == 0 {
		b.Keep = 14
	}
	if b.Keep < 1 {
		return invalid(fmt.Sprintf("backup: keep is %d", r.Backup.Keep), "at least one backup must stay")
	}
	c.Backup = b
	return nil
}

// backups makes them one at a time, in the bot, and knows how the last one went.
type backups struct {
	keeps
	conf backupConfig

	making sync.Mutex
	mu     sync.Mutex
	status backupStatus
}

// backupStatus is how a backup stands, for whoever waits for it.
type backupStatus struct {
	Number  int    `json:"number"` // counts since the start
	Running bool   `json:"running,omitempty"`
	Stage   string `json:"stage,omitempty"`
	Done    int64  `json:"done,omitempty"`  // bytes
	Total   int64  `json:"total,omitempty"` // bytes
	Path    string `json:"path,omitempty"`  // of the last one that was made
	Size    int64  `json:"size,omitempty"`
	Written int64  `json:"written,omitempty"`
	Seal    string `json:"seal,omitempty"`
	Kind    string `json:"kind,omitempty"`  // of the error
	Error   string `json:"error,omitempty"` // of the last one that failed
}

func newBackups(b *bot) *backups {
	return &backups{conf: b.conf.Backup, keeps: keeps{db: b.db, blobs: b.blobs, room: b.room, state: b.conf.State, config: b.conf.Digest, now: time.Now}}
}

// to makes a backup; another that is under way is waited for.
func (b *backups) to(ctx context.Context, path string) (done backup.Done, err error) {
	b.making.Lock()
	defer b.making.Unlock()
	b.set(func(s *backupStatus) { *s = backupStatus{Number: s.Number + 1, Running: true} })
	done, err = b.backup(ctx, path, func(stage string, n, total int64) {
		b.set(func(s *backupStatus) { s.Stage, s.Done, s.Total = stage, n, total })
	})
	if err == nil {
		err = b.remember(done)
	}
	b.set(func(s *backupStatus) {
		*s = backupStatus{Number: s.Number, Path: done.Path, Size: done.Manifest.Size(), Written: done.Written, Seal: done.Manifest.Seal}
		if err != nil {
			s.Error, s.Kind = errs.Text(err), errs.KindOf(err).String()
		}
	})
	return done, err
}

func (b *backups) set(change func(*backupStatus)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.status)
}

func (b *backups) standing() backupStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status
}

// BackupAge is how old the newest backup is, and how old it should be at most; due 0: none is
// configured. known is false when there never was one.
func (b *backups) BackupAge(now time.Time) (age, due time.Duration, known bool) {
	last := backedUp(b.state)
	return now.Sub(last), b.conf.Every, !last.IsZero()
}

// everyNow makes a backup whenever one is due, and keeps as many as is wanted. One that fails is
// tried again after an hour, or sooner when they are made more often.
func (b *backups) everyNow(ctx context.Context, clock engine.Clock, log *slog.Logger) error {
	if b.conf.Dir == "" {
		return nil
	}
	next := backedUp(b.state).Add(b.conf.Every)
	if first := clock.Now().Add(time.Minute); next.Before(first) {
		next = first
	}
	for {
		due, stop := clock.Wake(next)
		select {
		case <-ctx.Done():
			stop()
			return nil
		case <-due:
		}
		_, err := b.to(ctx, b.conf.Dir+"/")
		if err == nil {
			_, err = backup.Prune(ctx, b.conf.Dir, b.conf.Keep)
		}
		next = clock.Now().Add(b.conf.Every)
		if err != nil && ctx.Err() == nil {
			log.Error("the backup failed", "error", errs.Text(err))
			next = clock.Now().Add(min(b.conf.Every, time.Hour))
		}
	}
}

// mayBackup says whether an account may have backups made: an admin of every project, and whoever
// the bot runs as, who can read it all anyway.
func (b *bot) mayBackup(who string) error {
	if ownUser(who) {
		return nil
	}
	w := b.engine.World()
	if p, ok := w.Directory.ByAccount(account(who)); ok && w.Directory.IsAdmin(p.ID, people.EveryProject, w.Now) {
		return nil
	}
	return errs.E("backup", errs.Denied, errors.New("a backup takes the role admin in all projects, or the user that slipway runs as")).
		Hint("ask an admin; `people` lists them")
}

// ownUser reports whether an account is the user that slipway runs as.
func ownUser(who string) bool { return who == fmt.Sprintf("unix:%d", os.Getuid()) }

// inside reports whether a path lies in a folder, or is it. There is no folder "".
func inside(folder, path string) bool {
	rel, err := filepath.Rel(folder, filepath.Clean(path))
	return folder != "" && err == nil && filepath.IsLocal(rel)
}

// askedBackup begins a backup for a client, and tells how it stands.
func (b *bot) askedBackup(who, to string) (backupStatus, error) {
	if err := b.mayBackup(who); err != nil || to == "" {
		return b.backups.standing(), err
	}
	if !filepath.IsAbs(to) {
		return backupStatus{}, errs.E("backup", errs.Invalid, fmt.Errorf("%q is no absolute path", to))
	}
	if inside(b.conf.State, to) {
		return backupStatus{}, errs.E("backup", errs.Invalid, fmt.Errorf("%s is inside the state folder, and would be lost with it", to)).Hint("name a file or folder elsewhere")
	}
	if !ownUser(who) && !b.conf.Many && !inside(b.conf.Backup.Dir, to) {
		// An admin of releases need not be trusted with the files of this machine. In a demo
		// whoever opens the socket is this user.
		return backupStatus{}, errs.E("backup", errs.Denied, fmt.Errorf("%s is not in the folder of backups", to)).
			Hint("name a file or folder in the one that backup: dir names in the configuration, or run it as the user that slipway runs as")
	}
	was := b.backups.standing()
	if was.Running {
		return was, errs.E("backup", errs.Busy, errors.New("another backup is being made")).Hint("try again when it is done")
	}
	go func() { _, _ = b.backups.to(context.Background(), to) }()
	return was, nil
}

// fullIs tells a full disk, and other errors of the disk that have no kind yet.
func fullIs(path string, err error) error {
	var known *errs.Error
	if err == nil || errors.As(err, &known) && !state.IsFull(err) {
		return err
	}
	return state.DiskError("backup", strings.TrimSuffix(path, "/"), err)
}
