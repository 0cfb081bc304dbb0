package main

import (
	"context"
	"log/slog"
	"strings"

	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/integrations/slack/chat"
)

// fileLines is how much of an answer is shown that is given as a file: the beginning tells what it is.
const fileLines = 12

// withFile puts an answer that is too long for one message, such as the log of a step, as a file into the
// thread, and gives the card that says so. Where that cannot be done now the card stays as it is, and goes
// on in further messages. A file that is there is not put there again.
func withFile(ctx context.Context, p *chat.Poster, key string, to engine.Ref, c card.Card, log *slog.Logger) card.Card {
	text, long := longAnswer(c)
	ref := slackRef(to)
	if !long || ref.Thread == "" {
		return c
	}
	f := chat.File{Name: "answer-" + key[max(0, len(key)-12):] + ".txt", Title: c.Title, Content: []byte(text + "\n")}
	there, err := p.HasFile(ctx, ref, f.Name)
	if err == nil && !there {
		err = p.PostFile(ctx, ref, f)
	}
	if err != nil {
		log.Info("an answer on Slack is given without a file", "error", errs.Text(err))
		return c
	}
	lines := strings.SplitN(c.Blocks[0].Text, "\n", fileLines+1)
	c.Blocks = []card.Block{{Text: strings.Join(lines[:min(len(lines), fileLines)], "\n")}, {Text: "… The whole answer is in the file " + f.Name + " in this thread."}}
	return c
}

// longAnswer is the whole text of a card that is nothing but an answer of several parts.
func longAnswer(c card.Card) (text string, long bool) {
	if c.State != "" || c.Status != "" || len(c.Blocks) < 2 {
		return "", false
	}
	var parts []string
	for _, b := range c.Blocks {
		if b.Text == "" || b.Heading != "" {
			return "", false
		}
		parts = append(parts, b.Text)
	}
	text = strings.Join(parts, "")
	if !strings.HasPrefix(text, strings.TrimSuffix(c.Title, "…")) { // else it has its title already
		text = c.Title + "\n" + text
	}
	return text, true
}
