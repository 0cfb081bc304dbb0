package view

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/picture"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// Drawn is a picture of a run as points of colour, with what it shows in words.
type Drawn struct {
	picture.Image
	Name string // of the run
	Alt  string // as [PictureWords] has it
}

// PNG draws a run as it stands, for a chat. Who may not see the run is told that there is none.
func (r *Reader) PNG(ctx context.Context, p people.PersonID, id string) (Drawn, error) {
	v, err := r.open(ctx, p, id)
	if err != nil {
		return Drawn{}, err
	}
	if v.book == nil {
		return Drawn{}, errs.E("view.picture", errs.Unavailable, errMisfit).Hint("see what does not fit on its page")
	}
	plan, steps := r.plans.of(v.book), pictured(v)
	image, err := plan.PNG(steps, picture.Options{Title: v.state.Name, AsOf: v.world.Now})
	return Drawn{Image: image, Name: v.state.Name, Alt: pictureWords(plan, v, steps)}, err
}

// PictureWords tells what a picture of a run shows to those who do not see it: first the whole in one
// line, then each step that somebody has to look at, or that is under way.
func PictureWords(p *playbook.Playbook, s *run.State, w run.World) string {
	v := seen{id: s.ID, state: s, book: p, world: w}
	return pictureWords(picture.Lay(p), v, pictured(v))
}

// mostWords bounds the words of a picture, in characters.
const mostWords = card.MaxText - 100

func pictureWords(plan *picture.Plan, v seen, steps map[string]picture.Step) string {
	var b strings.Builder
	b.WriteString(clip(card.Clean(plan.Words(steps)), mostWords/2))
	left := 0
	for _, def := range v.book.Steps {
		st := steps[def.Path]
		switch st.State {
		case card.Done, card.Adopted, card.Skipped, card.Pending, "":
			continue
		}
		line := fmt.Sprintf("\n%s %s: %s", st.State.Symbol(), card.Clean(def.Path), st.State)
		if detail := card.Clean(st.Detail); detail != "" {
			line += ", " + clip(detail, 200)
		}
		if st.Awaited {
			line += " (a person is awaited)"
		}
		if left > 0 || utf8.RuneCountInString(b.String())+utf8.RuneCountInString(line) > mostWords {
			left++
			continue
		}
		b.WriteString(line)
	}
	if left > 0 {
		fmt.Fprintf(&b, "\n…and %d more steps", left)
	}
	return b.String()
}
