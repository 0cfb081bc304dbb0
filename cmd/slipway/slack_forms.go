package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	slackgo "github.com/slack-go/slack"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/view"
	"slipway/integrations/slack"
	"slipway/integrations/slack/hook"
)

// formButton begins the id of a button that opens a form.
const formButton = hook.ActionForm

// withForms is a card with buttons for what is answered by a form: what the run waits for, and a no to a
// gate, which needs a reason.
func withForms(c card.Card) card.Card {
	var more []card.Button
	add := func(text, run, step, action string) {
		more = append(more, card.Button{ID: formButton + action + "/" + step, Text: text, Command: strings.Join([]string{run, step, action}, " ")})
	}
	for _, b := range c.Blocks {
		for _, a := range b.Awaited {
			if f := a.Form; f != nil {
				add(f.Text, f.Run, f.Step, f.Action)
			}
		}
		for _, x := range b.Buttons {
			// approve RUN GATE --manifest DIGEST, of [card.GateMessage.Card]
			if words := strings.Fields(x.Command); strings.HasPrefix(x.ID, "approve/") && len(words) == 5 {
				add("Reject…", words[1], words[2], "reject")
			}
		}
	}
	if len(more) > 0 {
		c.Blocks = append(slices.Clone(c.Blocks), card.Block{Buttons: more})
	}
	return c
}

// slackForms finds the form that a press asks for: the fields of what can be said to a step, as the pages
// of the console have them.
type slackForms struct{ b *bot }

// Form finds it. The press names the run, the step and the action.
func (f slackForms) Form(ctx context.Context, p hook.Press) (hook.Form, error) {
	const op = "slack.form"
	person, ok := f.b.engine.World().Directory.ByAccount(people.Account{Source: slackSource, ID: p.Account})
	if !ok || person.ID == "" || person.Gone {
		return hook.Form{}, errs.E(op, errs.Denied, errors.New("nobody is known whose account this is")).Hint("say link slack on the console, and then the code to me in a direct message")
	}
	parts := strings.Split(p.Ref, " ")
	if len(parts) != 3 {
		return hook.Form{}, errs.E(op, errs.Invalid, errors.New("the button is of an older message")).Hint("type the line that the card shows")
	}
	r, err := f.b.web.view.Run(ctx, person.ID, parts[0])
	if err != nil {
		return hook.Form{}, err
	}
	for _, a := range r.Awaited {
		if a.Step != parts[1] {
			continue
		}
		for _, one := range a.Actions {
			if one.ID == parts[2] {
				return hook.Form{Title: one.Text, Text: formText(r, a), Action: one}, nil
			}
		}
	}
	return hook.Form{}, errs.E(op, errs.Conflict, fmt.Errorf("%s does not wait for that any more", parts[1])).Hint("look at the card")
}

// formText says what the form is for.
func formText(r view.Run, a view.Awaited) string {
	text := r.Name + ", " + a.Step
	if a.Title != "" {
		text += ": " + a.Title
	}
	return text
}

// slackOpener shows forms.
type slackOpener struct{ client *slack.Client }

func (o slackOpener) Open(ctx context.Context, trigger string, modal slackgo.ModalViewRequest) error {
	_, err := o.client.API().OpenViewContext(ctx, trigger, modal)
	return slack.Err("slack.form", err, false)
}
