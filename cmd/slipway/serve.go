package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/commands/grammar"
	"slipway/commands/talk"
	"slipway/integrations/console"
)

type serveCmd struct {
	Verbose bool `help:"Log what goes on."`
}

func (s *serveCmd) Run(ctx context.Context, c *cli) error {
	conf, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	level := slog.LevelWarn
	if s.Verbose {
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
		return err
	}
	socket, err := console.Listen(b.conf.Socket, b.conf.Group)
	if err != nil {
		return err
	}
	server := &console.Server{Room: b.room, Deliver: deliverer(b.engine), Query: b.query, ManyPeople: b.conf.Many}
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
	work("the engine", b.engine.Run)
	work("the store", func(ctx context.Context) error {
		select {
		case err := <-b.db.Fatal():
			return err
		case <-ctx.Done():
			return nil
		}
	})
	if b.door != nil {
		door, err := net.Listen("tcp", b.conf.Signing.Listen)
		if err != nil {
			return errs.E("serve", errs.Unavailable, fmt.Errorf("listening for signers on %s: %w", b.conf.Signing.Listen, err)).
				Hint("choose another port in signing: listen")
		}
		work("the signers' door", func(ctx context.Context) error { return serveHTTP(ctx, door, b.door) })
	}
	ready()
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
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

// query answers the socket's questions with what the account may see.
func (b *bot) query(ctx context.Context, who, name string, args map[string]string) (any, error) {
	person, _ := b.engine.World().Directory.ByAccount(account(who))
	switch name {
	case "runs":
		return b.runs(ctx, engine.Filter{Person: person.ID})
	case "show":
		id, err := b.engine.Resolve(ctx, args["run"], person.ID)
		if err != nil {
			return nil, err
		}
		state, p, err := b.engine.RunState(ctx, id)
		if err != nil {
			return nil, err
		}
		return card.Text(talk.Cards{}.Render(p, state, b.engine.World()), columns), nil
	case "waits":
		waits, err := b.waits(ctx, args["run"], person.ID)
		return waits, err
	}
	return nil, errs.E("query", errs.NotFound, fmt.Errorf("there is no question %q", name)).Hint("there are runs, show and waits")
}

func (b *bot) runs(ctx context.Context, f engine.Filter) ([]runLine, error) {
	lines := []runLine{}
	for _, past := range []bool{false, true} {
		f.Past = past
		found, err := b.engine.Runs(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			lines = append(lines, runLine{Name: r.Name, Project: r.Project, Status: r.Status, Outcome: r.Outcome,
				Requester: string(r.Requester), Began: card.Moment(r.Began)})
		}
	}
	return lines, nil
}

// waitLine is something a run waits for, for clients.
type waitLine struct {
	Step     string   `json:"step"`
	Kind     string   `json:"kind"`
	What     string   `json:"what"`
	Persons  []string `json:"persons"`
	Manifest string   `json:"manifest,omitempty"` // of a gate: digest of what is to be approved
}

// runWaits is a run with what it waits for.
type runWaits struct {
	Status  string            `json:"status"`
	Outcome string            `json:"outcome"`
	Steps   map[string]string `json:"steps"`
	Waits   []waitLine        `json:"waits"`
}

func (b *bot) waits(ctx context.Context, name string, person people.PersonID) (runWaits, error) {
	id, err := b.engine.Resolve(ctx, name, person)
	if err != nil {
		return runWaits{}, err
	}
	state, _, err := b.engine.RunState(ctx, id)
	if err != nil {
		return runWaits{}, err
	}
	out := runWaits{Status: string(state.Status), Outcome: state.Outcome, Steps: map[string]string{}, Waits: []waitLine{}}
	for path, st := range state.Steps {
		out.Steps[path] = string(st.Status)
	}
	awaited, err := b.engine.Who(ctx, id)
	if err != nil {
		return runWaits{}, err
	}
	for _, a := range awaited {
		line := waitLine{Step: a.Step, Kind: a.Kind, What: a.What}
		for _, p := range a.Persons {
			line.Persons = append(line.Persons, string(p))
		}
		if st := state.Steps[a.Step]; st != nil && st.Gate != nil {
			line.Manifest = string(st.Gate.Digest)
		}
		out.Waits = append(out.Waits, line)
	}
	return out, nil
}

// known tells the parser what exists, for suggestions: only what the person may see.
type known struct {
	conf   *config
	engine *engine.Engine
}

func (k *known) names(s engine.Spoken) grammar.Names { return namesFor{k, s} }

type namesFor struct {
	k *known
	s engine.Spoken
}

func (n namesFor) Projects() []string { return sortedKeys(n.k.conf.Projects) }

func (n namesFor) Runs(family string) []string {
	found, err := n.k.engine.Runs(context.Background(), engine.Filter{Family: family, Person: n.s.Person})
	if err != nil {
		return nil // suggestions are a kindness, not a duty
	}
	names := make([]string, len(found))
	for i, r := range found {
		names[i] = r.Name
	}
	return names
}

func (n namesFor) Steps(name string) []string {
	id, err := n.k.engine.Resolve(context.Background(), name, n.s.Person)
	if err != nil {
		return nil
	}
	state, p, err := n.k.engine.RunState(context.Background(), id)
	if err != nil {
		return nil
	}
	var out []string
	for _, st := range p.Steps {
		out = append(out, st.Path)
	}
	for path := range state.Steps {
		if p.Step(path) == nil {
			out = append(out, path)
		}
	}
	return out
}

func (n namesFor) Persons() []string {
	var out []string
	for _, p := range n.k.engine.World().Directory.Persons() {
		out = append(out, string(p.ID))
	}
	return out
}

func (n namesFor) Roles() []string {
	roles := n.k.engine.World().Directory.Roles()
	if n.s.Run != "" {
		if _, p, err := n.k.engine.RunState(context.Background(), n.s.Run); err == nil {
			for _, r := range p.Roles {
				roles = append(roles, r.Name)
			}
		}
	}
	return roles
}

func (n namesFor) Locks() []string {
	var out []string
	for _, l := range n.k.engine.Locks() {
		out = append(out, l.Name)
	}
	return out
}
