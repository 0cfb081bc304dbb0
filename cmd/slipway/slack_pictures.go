package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/view"
	"slipway/integrations/slack"
	"slipway/integrations/slack/chat"
)

// picturePoster puts the pictures of cards as files beside them, since Slack shows PNG and no SVG.
type picturePoster struct {
	slackPoster
	draw func(ctx context.Context, viewer people.PersonID, run string) (view.Drawn, error)
}

// drawn draws a run for somebody.
func (b *bot) drawn(ctx context.Context, viewer people.PersonID, run string) (view.Drawn, error) {
	if b.web.view == nil {
		return view.Drawn{}, errs.E("slack.picture", errs.Unavailable, errors.New("nothing can be drawn while it starts"))
	}
	return b.web.view.PNG(ctx, viewer, run)
}

// Post is that of the engine's port.
func (p picturePoster) Post(ctx context.Context, key string, to engine.Ref, c card.Card) (engine.Ref, error) {
	c, err := p.withPicture(ctx, key, to, c)
	if err != nil {
		return engine.Ref{}, err
	}
	return p.slackPoster.Post(ctx, key, to, c)
}

// withPicture puts the picture of an answer as a file to where the answer goes, before it, and gives the
// card that says so. A file that is there is not put there again. Where it cannot be put there now, the
// card says that, and what the picture would show. The error is [errs.Doubtful] when nobody can tell
// whether it is there.
func (p picturePoster) withPicture(ctx context.Context, key string, to engine.Ref, c card.Card) (card.Card, error) {
	at := slices.IndexFunc(c.Blocks, func(b card.Block) bool { return b.Picture != nil })
	if at < 0 {
		return c, nil
	}
	shows := *c.Blocks[at].Picture
	name := "run-" + key[max(0, len(key)-12):] + ".png"
	text, _, _ := strings.Cut(shows.Alt, "\n")
	text += "\nThe picture is in the file " + name + "."
	err := p.poster.PutFile(ctx, key, slackRef(to), name, func(ctx context.Context) (chat.File, error) {
		d, err := p.draw(ctx, viewerOf(to, c), shows.Run)
		return chat.File{Title: d.Name, Alt: d.Name + ": " + d.Alt, Content: d.PNG}, err
	})
	if errs.Is(err, errs.Doubtful) {
		return c, err
	}
	if err != nil {
		p.log.Info("an answer on Slack is given without its picture", "error", errs.Text(err))
		why := "\nThe picture could not be put here: " + errs.Text(err)
		alt := []rune(shows.Alt)
		text = string(alt[:min(len(alt), max(0, card.MaxText-len(why)))]) + why
	}
	c.Blocks = slices.Clone(c.Blocks)
	c.Blocks[at] = card.Block{Heading: c.Blocks[at].Heading, Text: text}
	return c, nil
}

// viewerOf is for whom a picture may be drawn that goes to a place: the person who is answered in a direct
// message, and nobody in particular where others read.
func viewerOf(to engine.Ref, c card.Card) people.PersonID {
	place, err := slack.ParsePlace(to.Place.ID)
	if err != nil || !strings.HasPrefix(place.Channel, "D") || len(c.Mentions) != 1 {
		return ""
	}
	return people.PersonID(c.Mentions[0])
}
