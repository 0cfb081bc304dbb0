package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/console"
	"slipway/integrations/console/api"
)

type serveCmd struct {
	Verbose bool `help:"Log what goes on."`
}

func (s *serveCmd) Run(ctx context.Context, c *cli) error {
	conf, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	return serveConfig(ctx, conf, s.Verbose)
}

// serveConfig is the bot of a configuration, until ctx ends.
func serveConfig(ctx context.Context, conf *config, verbose bool) error {
	debug.SetGCPercent(400) // what lives is small beside what each command makes
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	b, err := build(ctx, conf, log, crashPoint())
	if err != nil {
		return err
	}
	defer b.close()
	return b.serve(ctx, func() { fmt.Printf("slipway serves on %s\n", conf.Socket) })
}

// serve works until ctx ends or the store cannot be trusted any more. ready is called once
// people can be heard.
func (b *bot) serve(ctx context.Context, ready func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if _, err := b.ci.Resume(ctx); err != nil {
		// A remote that is away now must not keep people from being heard; the wait shows it.
		b.log.Warn("a pipeline that was interrupted is not begun again yet", "error", errs.Text(err))
	}
	socket, err := console.Listen(b.conf.Socket, b.conf.Group)
	if err != nil {
		return err
	}
	pages, err := b.listenConsole()
	if err != nil {
		return errors.Join(err, socket.Close())
	}
	hooks, err := b.listenHooks()
	if err != nil {
		if pages != nil {
			err = errors.Join(err, pages.Close())
		}
		return errors.Join(err, socket.Close())
	}
	server := api.Socket{Handler: b.web.door.Peer(b.web.api)}
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel(nil)
	work := func(what string, do func(context.Context) error) {
		all.Go(func() {
			if err := do(ctx); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("%s: %w", what, err))
			}
		})
	}
	work("the socket", func(ctx context.Context) error { return server.Serve(ctx, socket) })
	if pages != nil {
		work("the web console", func(ctx context.Context) error { return b.serveConsole(ctx, pages) })
	}
	if hooks != nil {
		work("the webhooks", func(ctx context.Context) error { return b.serveHooks(ctx, hooks) })
	}
	work("the account on GitLab", func(ctx context.Context) error { return b.learnAccount(ctx, systemClock{}, b.log) })
	work("the account on Slack", func(ctx context.Context) error { return b.learnSlack(ctx, systemClock{}) })
	work("the engine", b.engine.Run)
	work("the checks", func(ctx context.Context) error { return b.health.watch(ctx, systemClock{}) })
	work("maintenance", func(ctx context.Context) error { return maintain(ctx, systemClock{}, b.engine, b.blobs, b.log) })
	work("backups", func(ctx context.Context) error { return b.backups.everyNow(ctx, systemClock{}, b.log) })
	work("what was missed", b.readBack)
	work("the comments on GitLab", func(ctx context.Context) error { return b.listenAgain(ctx, systemClock{}) })
	work("Slack's Socket Mode", b.serveSlackSocket)
	work("the messages on Slack", func(ctx context.Context) error { return b.listenSlack(ctx, systemClock{}) })
	work("the store", func(ctx context.Context) error {
		select {
		case err := <-b.db.Fatal():
			return err
		case err := <-b.room.Fatal():
			return err
		case <-ctx.Done():
			return nil
		}
	})
	if b.door != nil {
		door, err := listenAt("signers", b.conf.Signing.Listen, "choose another port in signing: listen")
		if err != nil {
			return err
		}
		work("the signers' door", func(ctx context.Context) error { return serveHTTP(ctx, door, b.door) })
	}
	b.health.serves(true)
	defer b.health.serves(false)
	ready()
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// listenAt opens a port for those named; hint says what to do when it is taken.
func listenAt(whom, at, hint string) (net.Listener, error) {
	l, err := net.Listen("tcp", at)
	if err != nil {
		return nil, errs.E("serve", errs.Unavailable, fmt.Errorf("listening for %s on %s: %w", whom, at, err)).Hint("%s", hint)
	}
	return l, nil
}

func serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 60 * time.Second, MaxHeaderBytes: 16 << 10}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
