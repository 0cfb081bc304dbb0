package main

import (
	"context"
	"strings"
	"time"

	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/people"
	"slipway/integrations/console"
	"slipway/integrations/gitlab"
)

// systemClock is the wall clock.
type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) Wake(t time.Time) (<-chan struct{}, func()) {
	c := make(chan struct{})
	timer := time.AfterFunc(time.Until(t), func() { close(c) })
	return c, func() { timer.Stop() }
}

// consolePoster is the engine's port to the console.
type consolePoster struct{ poster console.Poster }

func (p consolePoster) Find(ctx context.Context, key string, to engine.Ref, _ time.Time) (engine.Ref, bool, error) {
	ref, found, err := p.poster.Find(ctx, key, console.Place{Channel: to.Place.ID, Thread: to.Thread})
	return consoleRef(ref, to), found, err
}

func (p consolePoster) Post(ctx context.Context, key string, to engine.Ref, c card.Card) (engine.Ref, error) {
	ref, err := p.poster.Post(ctx, key, console.Place{Channel: to.Place.ID, Thread: to.Thread}, c)
	return consoleRef(ref, to), err
}

func (p consolePoster) Edit(ctx context.Context, ref engine.Ref, c card.Card) error {
	return p.poster.Edit(ctx, console.Ref{Channel: ref.Place.ID, ID: ref.Message}, c)
}

func (p consolePoster) Reactions(ctx context.Context, ref engine.Ref) ([]engine.Reaction, error) {
	found, err := p.poster.Reactions(ctx, console.Ref{Channel: ref.Place.ID, ID: ref.Message})
	out := make([]engine.Reaction, len(found))
	for i, r := range found {
		out[i] = engine.Reaction{Account: account(r.Account), Emoji: r.Emoji}
	}
	return out, err
}

func consoleRef(ref console.Ref, to engine.Ref) engine.Ref {
	return engine.Ref{Place: engine.Place{Source: console.Source, ID: ref.Channel}, Message: ref.ID, Thread: to.Thread}
}

// account reads an account of the console: "unix:1000", "console:maria".
func account(text string) people.Account {
	source, id, _ := strings.Cut(text, ":")
	return people.Account{Source: source, ID: id, Handle: text}
}

// consoleDecoder turns the console's deliveries into facts. Everything typed there is meant for
// Slipway.
type consoleDecoder struct{}

func (consoleDecoder) Decode(d engine.Delivery) ([]engine.Fact, error) {
	found, err := console.Decode(console.Delivery{Source: d.Source, ID: d.ID, Account: d.Account.Source + ":" + d.Account.ID,
		Place: d.Place, Body: d.Body})
	if err != nil {
		return nil, err
	}
	var out []engine.Fact
	for _, f := range found {
		switch f := f.(type) {
		case console.Said:
			out = append(out, engine.Said{Account: d.Account, Place: engine.Place{Source: console.Source, ID: f.Place},
				Message: f.Message, Thread: f.Thread, Text: f.Text, Addressed: true,
				Direct: console.IsDirect(f.Place)})
		case console.Touched:
			out = append(out, engine.Touched{Place: engine.Place{Source: console.Source, ID: f.Place}, Message: f.Message})
		}
	}
	return out, nil
}

// deliverer hands the console's deliveries to the engine.
func deliverer(e *engine.Engine) func(context.Context, console.Delivery) error {
	return func(ctx context.Context, d console.Delivery) error {
		return e.Deliver(ctx, engine.Delivery{Source: d.Source, ID: d.ID, Account: account(d.Account), Place: d.Place, Body: d.Body})
	}
}

// directRoom is the direct room of the person whose account this is.
func (b *bot) directRoom(who string) string {
	person, ok := b.engine.World().Directory.ByAccount(account(who))
	if !ok || person.ID == "" || person.Gone {
		return ""
	}
	return console.DirectRoom(string(person.ID))
}

// configured is what the configuration says of projects and people.
type configured struct{ c *config }

func (p configured) Project(name string) (engine.Project, bool) {
	found, ok := p.c.Projects[name]
	if !ok {
		return engine.Project{}, false
	}
	out := engine.Project{Name: name, Profile: found.Profile, Providers: found.Providers, Triggers: found.Triggers, Starters: found.Starters,
		Places: []engine.Place{{Source: console.Source, ID: found.Channel}}}
	out.Places = append(append(out.Places, p.c.rooms(name)...), p.c.slackShows(name)...)
	told, _ := found.Profile["broadcast"].([]any)
	for _, channel := range told {
		if id, ok := channel.(string); ok {
			out.Tell = append(out.Tell, engine.Place{Source: console.Source, ID: id})
		}
	}
	out.Tell = append(out.Tell, p.c.slackTells(name)...)
	return out, true
}

func (p configured) Home(place engine.Place) string {
	switch {
	case place.Source == gitlab.Provider:
		return p.c.homeOf(place)
	case place.Source == slackSource:
		return p.c.slackHome(place)
	case place.Source != console.Source:
		return ""
	case console.IsDirect(place.ID) && len(p.c.Projects) == 1:
		return p.Names()[0]
	}
	return p.c.Channels[place.ID]
}

func (p configured) Names() []string { return sortedKeys(p.c.Projects) }
