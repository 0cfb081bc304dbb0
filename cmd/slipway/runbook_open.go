package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"slipway/bot/action"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/commands/release"
	"slipway/integrations/debian"
	debbuild "slipway/integrations/debian/build"
	"slipway/integrations/git"
	"slipway/integrations/localci"
	"slipway/integrations/signing"
	"slipway/state/blob"
	"slipway/state/bolt"
)

// reader is what of the bot can be read from its disk: the runs as they are, and what they name.
type reader struct {
	db     *bolt.DB
	blobs  *blob.Store // nil when none are kept
	engine *engine.Engine
}

// openReader opens the store for reading alone. Errors: Busy while the bot runs, NotFound when there
// is no store.
func openReader(ctx context.Context, conf *config) (_ *reader, err error) {
	b := &reader{}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if b.db, err = bolt.Open(filepath.Join(conf.State, "slipway.db"), bolt.Options{Large: engine.LargeSpaces(), ReadOnly: true}); err != nil {
		return nil, err
	}
	if b.blobs, err = blobsOf(conf); err != nil {
		return nil, err
	}
	set, err := readerActions(conf)
	if err != nil {
		return nil, err
	}
	own, err := engine.Contracts()
	if err != nil {
		return nil, err
	}
	books, err := loadShelf(conf.Playbooks, append(set.Contracts(), own...), false)
	if err != nil {
		return nil, err
	}
	kept := engine.Blobs(b.blobs)
	if b.blobs == nil {
		kept = noBodies{}
	}
	b.engine, err = engine.New(ctx, engine.Config{Store: b.db, Blobs: kept, Actions: set, Playbooks: books, Projects: configured{conf},
		Clock: systemClock{}, IDs: newID, Zone: time.LoadLocation, People: staff{configured: configured{conf}}})
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (b *reader) close() {
	for _, close := range []func() error{
		func() error { return closeIf(b.db != nil, b.db.Close) },
		func() error { return closeIf(b.blobs != nil, b.blobs.Close) },
	} {
		_ = close() // nothing was written
	}
}

// readerActions are the actions of this program for their contracts alone: nothing is made on disk.
func readerActions(conf *config) (*action.Set, error) {
	runner := &localci.Runner{}
	if ci := filepath.Join(conf.State, "ci"); exists(ci) {
		opened, err := localci.Open(ci, nil, localci.Options{})
		if err != nil {
			return nil, err
		}
		runner = opened
	}
	archives, err := archiveActions(conf, nil, time.Now, nil)
	if err != nil {
		return nil, err
	}
	announce, err := mailer(conf.SMTP)
	if err != nil {
		return nil, err
	}
	var all []action.Bound
	var failed error
	for _, bind := range []func() ([]action.Bound, error){
		func() ([]action.Bound, error) { return git.Bind(&git.Repositories{}, release.Order{}, nil) },
		func() ([]action.Bound, error) { return localci.Bind(runner, nil) },
		func() ([]action.Bound, error) { return gitlabActions(nil, nil) },
		func() ([]action.Bound, error) { return release.Bind(time.Now) },
		func() ([]action.Bound, error) {
			one, err := signing.NewTag(pinned{conf}, time.Now).Bind()
			return []action.Bound{one}, err
		},
		func() ([]action.Bound, error) {
			one, err := signing.NewRelease(pinned{conf}, time.Now).Bind()
			return []action.Bound{one}, err
		},
		archives.Bind,
		func() ([]action.Bound, error) { return debian.Bind(nil) },
		func() ([]action.Bound, error) { return debbuild.BindImport(nil, debbuild.ImportOptions{}) },
		func() ([]action.Bound, error) { one, err := announce.Bind(); return []action.Bound{one}, err },
	} {
		bounds, err := bind()
		all, failed = append(all, bounds...), errors.Join(failed, err)
	}
	if failed != nil {
		return nil, errs.E("runbook", errs.Internal, failed)
	}
	return action.NewSet(all...)
}

// noBodies is a store of bodies that has none.
type noBodies struct{}

func (noBodies) Put(context.Context, []byte) (string, error) {
	return "", errs.E("runbook", errs.Denied, errors.New("nothing is written"))
}

func (noBodies) Get(_ context.Context, digest string) ([]byte, error) {
	return nil, errs.E("runbook", errs.NotFound, errors.New("the body "+digest+" is not kept"))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
