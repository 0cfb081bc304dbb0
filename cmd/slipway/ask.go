package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/integrations/console"
	"slipway/integrations/console/api"
)

type askCmd struct {
	Channel string        `help:"Channel; @me is your direct room, which only you and the bot read." default:"general" placeholder:"NAME"`
	Thread  string        `help:"Id of the message that this answers: in the thread of a card its run need not be named." placeholder:"ID"`
	ID      string        `help:"Id of this message: asking it again with the same id asks it once." placeholder:"ID"`
	Wait    time.Duration `help:"How long to wait for the answer." default:"30s"`
	inJSON
	Text []string `arg:"" passthrough:"" help:"What to say, as in a chat. Flags of this command come before it."`
}

// askedID begins the ids of what was asked with `slipway ask`. Whoever asked has the answer, so
// that it is kept in the thread and not shown to those who follow the channel.
const askedID = "ask-"

// askedOf tells answers to `slipway ask` from those that belong to the talk in a channel.
type askedOf struct {
	seen   map[string]bool // head of a thread → whether it was asked so
	lookup func(message string) (console.Message, error)
}

func (q *askedOf) answer(m console.Message) bool {
	if !isReply(m) {
		return false
	}
	asked, known := q.seen[m.Thread]
	if !known {
		head, err := q.lookup(m.Thread)
		asked = err == nil && strings.Contains(head.Key, "/"+askedID)
		q.seen[m.Thread] = asked
	}
	return asked
}

// Help is shown by `slipway ask --help`.
func (*askCmd) Help() string {
	return `Every command of the chat can be given from a shell this way. The answer is printed, and kept in the thread of the question:

  slipway ask help                      all commands
  slipway ask mine                      what waits for you
  slipway ask release 2019.01           start a release
  slipway ask release why 2019.01       why it waits
  slipway ask release who 2019.01       whom it waits for
  slipway ask release history 2019.01   what happened so far
  slipway ask inbox list                what came in and how it was understood
  slipway ask inbox show 17             one delivery; "inbox replay 17" reads it again
  slipway ask pause effects --reason "the mirror is full"     stop all that reaches outside
  slipway ask resume effects                                  go on
  slipway ask answer 2019.01 tested good=true "how=on two boards"

It ends with 1 when the bot refuses, and with 6 when no answer comes in time.`
}

func (a *askCmd) Run(ctx context.Context, c *cli) error {
	text := a.line()
	if strings.TrimSpace(text) == "" || strings.ContainsAny(text, "\n\r") {
		return errs.E("ask", errs.Invalid, errors.New("the question is not one line")).Hint("ask one thing at a time; slipway ask help lists what can be asked")
	}
	bot, err := c.client()
	if err != nil {
		return err
	}
	defer bot.Close()
	id := a.ID
	if id == "" {
		id = newID()
	}
	answer, err := bot.Command(ctx, console.Saying{ID: askedID + id, Channel: a.Channel, Thread: a.Thread, Text: text}, a.Wait)
	if err != nil {
		return err
	}
	return a.tell(answer, a.Wait)
}

// tell prints what the bot answered. A refusal, and no answer at all, are errors.
func (j inJSON) tell(a api.Answered, wait time.Duration) error {
	switch {
	case j.JSON && a.Answered:
		if err := json.NewEncoder(os.Stdout).Encode(a); err != nil || !a.Refused {
			return err
		}
		return errs.E("ask", errs.Failed, errors.New(plain(a.Text)))
	case !a.Answered:
		return errs.E("ask", errs.Busy, fmt.Errorf("no answer to message %s came in %s", a.Message.ID, wait)).
			Hint("it was heard and will be answered in its thread: slipway watch --answers")
	case a.Refused:
		return errs.E("ask", errs.Failed, errors.New(plain(a.Text)))
	}
	fmt.Println(plain(a.Text))
	return nil
}

// line is the text as a chat has it: what the shell kept together stands in quotes again.
func (a *askCmd) line() string {
	if len(a.Text) == 1 {
		return a.Text[0]
	}
	words := make([]string, len(a.Text))
	for i, w := range a.Text {
		words[i] = w
		if !strings.ContainsAny(w, " \t") || strings.Contains(w, `"`) {
			continue
		}
		if key, value, ok := strings.Cut(w, "="); ok && !strings.Contains(key, " ") {
			words[i] = key + `="` + value + `"`
		} else {
			words[i] = `"` + w + `"`
		}
	}
	return strings.Join(words, " ")
}

// isReply reports whether m is the bot's answer to something that was said.
func isReply(m console.Message) bool { return m.IsReply(botAccount) }

// messageText is what a message says, its lines and columns kept.
func messageText(m console.Message) string {
	if m.Card == nil {
		return plain(m.Text)
	}
	if !isReply(m) {
		return strings.TrimRight(card.Text(*m.Card, cardWidth()), "\n")
	}
	return plain(m.ReplyText())
}

// plain keeps the layout of text and takes out what a terminal would obey.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\u200d' || r == '\u200c':
			return r
		case r == '\t':
			return ' '
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co):
			return unicode.ReplacementChar
		}
		return r
	}, strings.TrimRight(text, "\n "))
}
