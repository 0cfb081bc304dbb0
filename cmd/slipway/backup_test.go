package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/integrations/console"
	"slipway/state/backup"
	"slipway/state/blob"
	"slipway/state/bolt"
)

// oldState is a state folder with the records of an earlier format, a room and a pipeline, open as
// by a bot that works on it.
func oldState(t *testing.T) keeps {
	t.Helper()
	dir := t.TempDir()
	k := keeps{state: dir, config: "sha256:" + strings.Repeat("0", 64), now: time.Now}
	var err error
	if k.db, err = bolt.Open(filepath.Join(dir, "slipway.db"), bolt.Options{Large: engine.LargeSpaces()}); err != nil {
		t.Fatal(err)
	}
	if k.blobs, err = blob.Open(filepath.Join(dir, "blobs"), blob.Options{}); err != nil {
		t.Fatal(err)
	}
	if k.room, err = console.Open(filepath.Join(dir, "console.db"), time.Now); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _, _ = k.db.Close(), k.blobs.Close(), k.room.Close() })
	f, err := os.Open(filepath.Join("..", "..", "bot", "engine", "testdata", "store-1.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := &engine.Batch{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var r struct{ Space, ID, Value string }
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if r.Space == "meta" && r.ID == "format" {
			continue // the store's own
		}
		b.Puts = append(b.Puts, engine.Record{Key: engine.Key{Space: r.Space, ID: r.ID}, Value: []byte(r.Value)})
	}
	if err := k.db.Commit(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	if _, _, err := k.room.Post(console.Draft{Channel: "general", Author: "console:hana", Text: "hello"}); err != nil {
		t.Fatal(err)
	}
	const run = "0123456789abcdef0123456789abcdef"
	for name, text := range map[string]string{"runs/" + run + "/request": "{}", "runs/" + run + "/verdict": "0", "runs/" + run + "/log": "all good",
		"runs/" + run + "/home/secret": "x", "runs/" + run + "/src/main.c": "x", "runs/" + run + "/artifacts/a/b.deb": "package", "latest/x": run,
		"../tokens.db": "secret", "../sessions": "secret"} {
		path := filepath.Join(dir, "ci", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

func silent(string, int64, int64) {}

// A backup of an earlier format is checked, brought up and restored, as often as one likes; the
// folder that it goes to must be new.
func TestABackupOfAnEarlierFormatIsRestored(t *testing.T) {
	ctx := context.Background()
	k := oldState(t)
	dir := t.TempDir()
	to := filepath.Join(dir, "old.tar")
	done, err := k.backup(ctx, to, silent)
	if err != nil || done.Path != to || done.Manifest.Store != 1 {
		t.Fatalf("%+v %v", done, err)
	}
	var names []string
	for _, m := range done.Manifest.Members {
		names = append(names, strings.Replace(m.Path, "0123456789abcdef0123456789abcdef", "R", 1))
	}
	if got := strings.Join(names, " "); got != "ci/latest/x ci/runs/R/artifacts/a/b.deb ci/runs/R/log ci/runs/R/request ci/runs/R/verdict console.db slipway.db" {
		t.Errorf("it holds %s", got)
	}
	if err := (&backupCheck{From: to}).Run(ctx); err != nil {
		t.Fatal(err)
	}
	src, err := backup.Open(to)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	for _, name := range []string{"one", "two"} {
		state := filepath.Join(dir, name)
		if err := restore(ctx, src, state, silent); err != nil {
			t.Fatal(err)
		}
		db, err := bolt.Open(filepath.Join(state, "slipway.db"), bolt.Options{Large: engine.LargeSpaces()})
		if err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]string{"layout": `"4"`, "pause": "restored from a backup", "restored": `"epoch":`} {
			raw, err := db.Get(ctx, engine.Key{Space: "meta", ID: key})
			if err != nil || !strings.Contains(`"`+string(raw)+`"`, want) {
				t.Errorf("%s: %s is %s %v", name, key, raw, err)
			}
		}
		if err := restore(ctx, src, state, silent); !errs.Is(err, errs.Busy) || !strings.Contains(errs.Text(err), "is running in") {
			t.Errorf("over a bot that runs: %v", err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := restore(ctx, src, state, silent); !errs.Is(err, errs.Exists) {
			t.Errorf("over another state: %v", err)
		}
		if got, err := os.ReadFile(filepath.Join(state, "ci", "runs", "0123456789abcdef0123456789abcdef", "log")); err != nil || string(got) != "all good" {
			t.Errorf("the log is %q %v", got, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// An altered backup is refused before anything has the name of a state folder.
func TestAnAlteredBackupIsNotRestored(t *testing.T) {
	ctx := context.Background()
	k := oldState(t)
	dir := t.TempDir()
	done, err := k.backup(ctx, filepath.Join(dir, "backups")+"/", silent)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range done.Manifest.Members {
		sum := strings.TrimPrefix(m.Digest, "sha256:")
		path := filepath.Join(dir, "backups", "objects", sum[:2], sum[2:])
		was, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		changed := append([]byte{}, was...)
		changed[len(changed)/2] ^= 1
		if err := os.WriteFile(path, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		src, err := backup.Open(done.Path)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, "state")
		if err := restore(ctx, src, to, silent); !errs.Is(err, errs.Corrupt) {
			t.Errorf("%s is altered: %v", m.Path, err)
		}
		if _, err := os.Stat(to); err == nil {
			t.Fatalf("%s is altered, and there is a state folder", m.Path)
		}
		if err := (&backupCheck{From: done.Path}).Run(ctx); !errs.Is(err, errs.Corrupt) {
			t.Errorf("%s is altered: check says %v", m.Path, err)
		}
		if err := os.WriteFile(path, was, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// A full disk ends a backup cleanly: nothing is left of it, the bot goes on, and the next one is whole.
func TestABackupOnAFullDisk(t *testing.T) {
	ctx := context.Background()
	k := oldState(t)
	if err := os.WriteFile(filepath.Join(k.state, "ci", "runs", "0123456789abcdef0123456789abcdef", "log"), make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{filepath.Join(t.TempDir(), "b.tar"), t.TempDir() + "/"} {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 2 << 20, Max: old.Max}); err != nil {
			t.Fatal(err)
		}
		_, err := k.backup(ctx, to, silent)
		if back := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); back != nil {
			t.Fatal(back)
		}
		if !errs.Is(err, errs.Full) {
			t.Errorf("%s: %v", to, err)
		}
		var left []string
		for _, form := range []string{"*.tar*", ".slipway*", "*.backup", "objects/*", "objects/*/*"} {
			found, err := filepath.Glob(filepath.Join(filepath.Dir(to), form))
			if err != nil {
				t.Fatal(err)
			}
			left = append(left, found...)
		}
		if slices.ContainsFunc(left, func(path string) bool { info, err := os.Stat(path); return err != nil || !info.IsDir() }) {
			t.Errorf("left: %v", left)
		}
		if _, err := k.blobs.Collect(ctx, func(string) bool { return true }, time.Now()); err != nil {
			t.Errorf("the blobs are still held: %v", err)
		}
		if _, err := k.backup(ctx, to, silent); err != nil {
			t.Errorf("the next one: %v", err)
		}
	}
}

// Backups are made when they are due, and only so many stay. One that fails is tried again.
func TestBackupsAreMadeByThemselves(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "backups")
	b := &backups{keeps: oldState(t), conf: backupConfig{Dir: dir, Every: 24 * time.Hour, Keep: 2}}
	turns := func(n int) time.Duration {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		clock := &steps{now: time.Now().Add(24 * time.Hour), left: n, stop: cancel}
		began := clock.now
		b.now = func() time.Time { return clock.now }
		if err := b.everyNow(ctx, clock, quiet()); err != nil {
			t.Fatal(err)
		}
		if age, due, known := b.BackupAge(clock.now); known && (age != 0 || due != 24*time.Hour) {
			t.Errorf("it is %s old, and due after %s", age, due)
		}
		return clock.now.Sub(began)
	}
	if _, _, known := b.BackupAge(time.Now()); known {
		t.Error("a backup is known of before there is one")
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // in the way
		t.Fatal(err)
	}
	if took := turns(3); took != time.Minute+2*time.Hour {
		t.Errorf("three tries that fail took %s", took)
	}
	if s := b.standing(); !strings.Contains(s.Error, dir) || s.Running {
		t.Errorf("the last one: %+v", s)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if took := turns(4); took != time.Minute+3*24*time.Hour {
		t.Errorf("four took %s", took)
	}
	if all, err := backup.List(dir); err != nil || len(all) != 2 {
		t.Errorf("%v %v", all, err)
	}
}
