package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
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
	add := func(f *card.Form) {
		if f != nil {
			more = append(more, card.Button{ID: formButton + f.Action + "/" + f.Step, Text: f.Text, Command: formRef(*f)})
		}
	}
	for _, b := range c.Blocks {
		for _, a := range b.Awaited {
			add(a.Form)
		}
		for _, x := range b.Buttons {
			add(x.Form)
		}
	}
	if len(more) > 0 {
		c.Blocks = append(slices.Clone(c.Blocks), card.Block{Buttons: more})
	}
	return c
}

// formRef is the value of the button that opens a form: RUN STEP ACTION and, of a gate, MANIFEST. A step is
// named after what it is for, which may have spaces: those within a part are escaped as in an address.
func formRef(f card.Form) string {
	parts := []string{f.Run, f.Step, f.Action}
	if f.Manifest != "" {
		parts = append(parts, f.Manifest)
	}
	for i, part := range parts {
		parts[i] = strings.NewReplacer("%", "%25", " ", "%20").Replace(part)
	}
	return strings.Join(parts, " ")
}

// readFormRef reads what [formRef] wrote.
func readFormRef(ref string) (f card.Form, ok bool) {
	parts := strings.Split(ref, " ")
	if len(parts) != 3 && len(parts) != 4 {
		return f, false
	}
	for i, part := range parts {
		var err error
		if parts[i], err = url.PathUnescape(part); err != nil {
			return f, false
		}
	}
	f = card.Form{Run: parts[0], Step: parts[1], Action: parts[2]}
	if len(parts) == 4 {
		f.Manifest = parts[3]
	}
	return f, true
}

// slackForms finds the form that a press asks for: the fields of what can be said to a step, as the pages
// of the console have them.
type slackForms struct{ b *bot }

// Form finds it. The press names the run, the step and the action; of a gate also the manifest that the
// message shows, and there is no form for another one.
func (f slackForms) Form(ctx context.Context, p hook.Press) (hook.Form, error) {
	const op = "slack.form"
	person, ok := f.b.engine.World().Directory.ByAccount(people.Account{Source: slackSource, ID: p.Account})
	if !ok || person.ID == "" || person.Gone {
		return hook.Form{}, errs.E(op, errs.Denied, errors.New("nobody is known whose account this is")).Hint("say link slack on the console, and then link and the code to me in a direct message")
	}
	asked, ok := readFormRef(p.Ref)
	if !ok {
		return hook.Form{}, errs.E(op, errs.Invalid, errors.New("the button is of an older message")).Hint("type the line that the card shows")
	}
	r, err := f.b.web.view.Run(ctx, person.ID, asked.Run)
	if err != nil {
		return hook.Form{}, err
	}
	return formOf(r, asked)
}

// formOf is the form as the run has it now.
func formOf(r view.Run, asked card.Form) (hook.Form, error) {
	const op = "slack.form"
	for _, a := range r.Awaited {
		if a.Step != asked.Step {
			continue
		}
		if a.Manifest != asked.Manifest {
			return hook.Form{}, errs.E(op, errs.Conflict, fmt.Errorf("%s shows something else by now than this message", a.Step)).
				Hint("look at the newest message of the gate, and answer there")
		}
		for _, one := range a.Actions {
			if one.ID == asked.Action {
				return hook.Form{Title: one.Text, Text: formText(r, a), Action: one}, nil
			}
		}
	}
	return hook.Form{}, errs.E(op, errs.Conflict, fmt.Errorf("%s does not wait for that any more", asked.Step)).Hint("look at the card")
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
