package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/integrations/console"
	"slipway/state"
	"slipway/state/backup"
	"slipway/state/bolt"
)

type restoreCmd struct {
	From string `arg:"" help:"The file of a backup, a folder of backups (the newest is taken), or one NAME.backup in it."`
	To   string `help:"State folder to be made; by default that of the configuration." placeholder:"DIR" type:"path"`
}

// Run lays a backup out as the state of a bot that was never started.
func (r *restoreCmd) Run(ctx context.Context, c *cli) error {
	conf, confErr := loadConfig(c.Config)
	to := r.To
	if to == "" {
		if confErr != nil {
			return confErr
		}
		to = conf.State
	}
	src, err := backup.Open(r.From)
	if err != nil {
		return err
	}
	defer src.Close()
	describe(src)
	show := newBar(os.Stderr)
	defer show.end()
	if err := restore(ctx, src, to, show.told); err != nil {
		return err
	}
	show.end()
	fmt.Printf("Restored to %s.\n\n", to)
	if confErr == nil && conf.Digest != src.Manifest.Config {
		fmt.Println("The configuration is not the one of the time of the backup: slipway doctor says whether it fits.")
	}
	if confErr == nil && conf.State != filepath.Clean(to) {
		fmt.Printf("The configuration names another folder: set state: %s\n", to)
	}
	fmt.Printf(`Now:
  1. Make sure that the bot of before never starts again.
  2. Put back what a backup does not hold: secrets, tokens and the log key, where the configuration names them.
  3. slipway serve. It starts with effects paused: nothing is done outside and no gate closes.
  4. Read what it tells the admins, and whoever approved or answered since %s says it again.
  5. slipway ask resume effects
What was done outside since then is looked for before it is done again, and asked where nobody can look.
`, card.Moment(src.Manifest.Taken))
	return nil
}

// restore lays a backup out at to, which must not exist or be empty. Everything is checked before
// the folder has its name, and the epoch is raised by then: there is never a state that could be
// started as if nothing had happened.
func restore(ctx context.Context, src *backup.Source, to string, tell told) (err error) {
	const op = "restore"
	if to, err = filepath.Abs(to); err != nil {
		return errs.E(op, errs.Invalid, err)
	}
	if err := unused(ctx, to); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return state.DiskError(op, filepath.Dir(to), err)
	}
	dir, err := os.MkdirTemp(filepath.Dir(to), "."+filepath.Base(to)+".restoring-")
	if err != nil {
		return state.DiskError(op, filepath.Dir(to), err)
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	if err := src.Lay(ctx, dir, func(done, total int64) { tell("contents", done, total) }); err != nil {
		return err
	}
	tell("records", 0, 0)
	if err := sound(ctx, dir, func(e *engine.Engine) error { return e.Restored(ctx, src.Manifest.Taken) }); err != nil {
		return err
	}
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unused(ctx, to)
	}
	if err := os.Rename(dir, to); err != nil {
		return state.DiskError(op, to, err)
	}
	parent, err := os.Open(filepath.Dir(to))
	if err != nil {
		return state.DiskError(op, to, err)
	}
	defer parent.Close()
	return parent.Sync()
}

// unused refuses a folder that holds anything, and says when a bot runs in it.
func unused(ctx context.Context, to string) error {
	const op = "restore"
	found, err := os.ReadDir(to)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(found) == 0 {
		return ctx.Err()
	}
	if err != nil {
		return state.DiskError(op, to, err)
	}
	if db, err := bolt.Open(filepath.Join(to, "slipway.db"), bolt.Options{ReadOnly: true, LockTimeout: 100 * time.Millisecond}); err == nil {
		_ = db.Close()
	} else if errs.Is(err, errs.Busy) {
		return errs.E(op, errs.Busy, fmt.Errorf("a bot is running in %s", to)).Hint("stop it, and restore into another folder: --to DIR")
	}
	return errs.E(op, errs.Exists, fmt.Errorf("%s is not empty", to)).Hint("move it away, or restore into another folder with --to DIR: nothing is ever overwritten")
}

// roomPast tells again what people said on the console.
type roomPast struct{ room *console.Room }

func (p roomPast) Since(ctx context.Context, from time.Time, deliver func(engine.Delivery) error) error {
	return p.room.Since(ctx, from, func(d console.Delivery, at time.Time) error {
		return deliver(engine.Delivery{Source: d.Source, ID: d.ID, Account: account(d.Account), Place: d.Place, Body: d.Body, At: at})
	})
}

// readBackAgain is how long a source that could not be reached is left alone.
const readBackAgain = time.Minute

// readBack hears what was delivered while nobody heard it: since the backup after a restore, and while
// the bot was away. A source that cannot be reached is asked again.
func (b *bot) readBack(ctx context.Context) error {
	clock := systemClock{}
	for {
		n, err := b.engine.ReadBack(ctx)
		if n > 0 {
			b.log.Warn("deliveries that were missed were read back", "new", n)
		}
		if err == nil || ctx.Err() != nil {
			return nil
		}
		b.log.Warn("what was missed cannot be read back yet", "error", errs.Text(err))
		due, stop := clock.Wake(clock.Now().Add(readBackAgain))
		select {
		case <-ctx.Done():
		case <-due:
		}
		stop()
	}
}
