package talk

import (
	"context"

	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/playbook"
	"slipway/bot/run"
	"slipway/bot/view"
)

// graph answers with a picture of a run. Where it was said may show the run: see [Answers.family].
func (a *Answers) graph(ctx context.Context, s engine.Spoken, once engine.Once, id string, p *playbook.Playbook, state *run.State, w run.World) error {
	text := state.Name + ": " + status(p, state, w)
	return a.Engine.AnswerPicture(ctx, s, once, text, card.Picture{Run: id, Alt: view.PictureWords(p, state, w)})
}
