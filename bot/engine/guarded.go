package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"slipway/bot/action"
	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// What integrations bring in runs behind these guards: a defect of one of them ends the step, the
// delivery or the card that it was met in, and nothing else. The engine's own code, with its crash
// points, runs outside of them: what is wrong with the heart must end the process.

// guarded runs f. A panic in it becomes an error of kind [errs.Internal], which says that nobody can
// tell how much was done, and is logged with its stack.
func guarded(log *slog.Logger, what string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			log.Error("a part broke; the rest goes on", "part", what, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = errs.E(what, errs.Internal, errors.New("this part of Slipway broke on what it was given")).
				Hint("an operator finds the details in the log")
		}
	}()
	return f()
}

// probe and do run the code of an action.
func (e *Engine) probe(ctx context.Context, b action.Bound, key action.Key, in []byte) (out []byte, found bool, err error) {
	err = guarded(e.cfg.Log, b.Contract.Name, func() (err error) {
		out, found, err = b.Probe(ctx, key, in)
		return err
	})
	return out, found, err
}

func (e *Engine) do(ctx context.Context, b action.Bound, key action.Key, in []byte) (out []byte, err error) {
	err = guarded(e.cfg.Log, b.Contract.Name, func() (err error) {
		out, err = b.Do(ctx, key, in)
		return err
	})
	return out, err
}

// broke reports whether err is of code that broke, so that nobody can tell how much it did.
func broke(err error) bool { return errs.Is(err, errs.Internal) }

// guardedPoster is a chat whose code is guarded.
type guardedPoster struct {
	Poster
	log    *slog.Logger
	source string
}

func (p guardedPoster) Find(ctx context.Context, key string, to Ref, since time.Time) (ref Ref, found bool, err error) {
	err = guarded(p.log, p.source+".find", func() (err error) {
		ref, found, err = p.Poster.Find(ctx, key, to, since)
		return err
	})
	return ref, found, err
}

func (p guardedPoster) Post(ctx context.Context, key string, to Ref, c card.Card) (ref Ref, err error) {
	err = guarded(p.log, p.source+".post", func() (err error) {
		ref, err = p.Poster.Post(ctx, key, to, c)
		return err
	})
	return ref, err
}

// Alone is that of [Aloner]; of a chat that is none it is [errs.Gone].
func (p guardedPoster) Alone(ctx context.Context, a people.Account) (place Place, err error) {
	opens, ok := p.Poster.(Aloner)
	if !ok {
		return Place{}, errs.E(p.source+".alone", errs.Gone, errors.New("in this chat nobody is alone with the bot"))
	}
	err = guarded(p.log, p.source+".alone", func() (err error) {
		place, err = opens.Alone(ctx, a)
		return err
	})
	return place, err
}

func (p guardedPoster) Edit(ctx context.Context, ref Ref, c card.Card) error {
	return guarded(p.log, p.source+".edit", func() error { return p.Poster.Edit(ctx, ref, c) })
}

func (p guardedPoster) Reactions(ctx context.Context, ref Ref) (list []Reaction, err error) {
	err = guarded(p.log, p.source+".reactions", func() (err error) {
		list, err = p.Poster.Reactions(ctx, ref)
		return err
	})
	return list, err
}

// guardedCards shows no card of a run whose card cannot be drawn.
type guardedCards struct {
	Cards
	log *slog.Logger
}

func (g guardedCards) Render(p *playbook.Playbook, s *run.State, w run.World) (c card.Card) {
	if guarded(g.log, "card", func() error { c = g.Cards.Render(p, s, w); return nil }) != nil {
		return card.Card{}
	}
	return c
}

// guardedParser answers what breaks it, so that the person says it otherwise.
type guardedParser struct {
	Parser
	log *slog.Logger
}

func (g guardedParser) Parse(text string, s Spoken) (asked []Asked) {
	if err := guarded(g.log, "parse", func() error { asked = g.Parser.Parse(text, s); return nil }); err != nil {
		return []Asked{{Reply: "I can't read that: " + errs.Text(err)}}
	}
	return asked
}

type guardedAnswers struct {
	Answers
	log *slog.Logger
}

func (g guardedAnswers) Answer(ctx context.Context, s Spoken, other any, once Once) (text string, err error) {
	err = guarded(g.log, "answer", func() (err error) {
		text, err = g.Answers.Answer(ctx, s, other, once)
		return err
	})
	return text, err
}

type guardedPeople struct {
	PeopleSource
	log *slog.Logger
}

func (g guardedPeople) Again(ctx context.Context, project, role string) (list []people.Grant, err error) {
	err = guarded(g.log, "people", func() (err error) {
		list, err = g.PeopleSource.Again(ctx, project, role)
		return err
	})
	if broke(err) {
		return nil, errs.E("people", errs.Unavailable, err) // who holds the role is not known: the gate stays open
	}
	return list, err
}

func (g guardedPeople) Elsewhere() []Role {
	if source, ok := g.PeopleSource.(Elsewhere); ok {
		return source.Elsewhere()
	}
	return nil
}

// guard puts the guards before what integrations bring in.
func (c *Config) guard() {
	posters := make(map[string]Poster, len(c.Posters))
	for source, p := range c.Posters {
		posters[source] = guardedPoster{p, c.Log, source}
	}
	c.Posters = posters
	if c.Cards != nil {
		c.Cards = guardedCards{c.Cards, c.Log}
	}
	if c.Parser != nil {
		c.Parser = guardedParser{c.Parser, c.Log}
	}
	if c.Answers != nil {
		c.Answers = guardedAnswers{c.Answers, c.Log}
	}
	if c.People != nil {
		c.People = guardedPeople{c.People, c.Log}
	}
}
