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
// on in further messages, as does one that stands there in part already. A file that is there is not put
// there again. The error is [errs.Doubtful] when nobody can tell whether it is there.
func withFile(ctx context.Context, p *chat.Poster, key string, to engine.Ref, c card.Card, log *slog.Logger) (card.Card, error) {
	text, long := longAnswer(c)
	ref := slackRef(to)
	if !long || ref.Thread == "" || p.Begun(key, ref, withForms(c)) {
		return c, nil
	}
	name := "answer-" + key[max(0, len(key)-12):] + ".txt"
	err := p.PutFile(ctx, key, ref, name, func(context.Context) (chat.File, error) {
		return chat.File{Title: c.Title, Content: []byte(text + "\n")}, nil
	})
	if errs.Is(err, errs.Doubtful) {
		return c, err
	}
	if err != nil {
		log.Info("an answer on Slack is given without a file", "error", errs.Text(err))
		return c, nil
	}
	lines := strings.SplitN(c.Blocks[0].Text, "\n", fileLines+1)
	c.Blocks = []card.Block{{Text: strings.Join(lines[:min(len(lines), fileLines)], "\n")}, {Text: "… The whole answer is in the file " + name + " in this thread."}}
	return c, nil
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
