package engine

import (
	"context"
	"strings"

	"slipway/bot/card"
)

// AnswerPicture answers what a person said with a picture of a run, below a few words, once. Whoever
// calls it has made sure that the run may be shown where s was said. The picture is drawn when the answer
// is posted.
func (e *Engine) AnswerPicture(ctx context.Context, s Spoken, once Once, text string, p card.Picture) error {
	return e.answerWith(ctx, s, s.Message, once, func(b *batch) string {
		p.Alt = clip(p.Alt, card.MaxText)
		e.putReplyIn(b, s, s.Message, once, replyIn{Text: text, Picture: &p})
		return ""
	})
}

// withPicture adds a picture to a card, and the page where the run is seen as it stands by then.
func (e *Engine) withPicture(c card.Card, p *card.Picture) card.Card {
	if p == nil {
		return c
	}
	c.Blocks = append(c.Blocks, card.Block{Picture: p})
	if e.cfg.Link != nil {
		if to := e.cfg.Link(p.Run, ""); strings.HasPrefix(to, "http") {
			c.Blocks = append(c.Blocks, card.Block{Links: []card.Link{{Text: "The page of this run", URL: to}}})
		}
	}
	return c
}
