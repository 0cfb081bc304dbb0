package main

import (
	"context"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
)

// ciSource is the source of the hints that a pipeline on this machine has ended.
const ciSource = "localci"

// pipelineEnded hands the engine the hint that a run of a pipeline has ended. The wait reads the
// verdict itself, and polls should the hint be lost. The id is new in each process: what an
// earlier one was told may have been lost with it.
func (b *bot) pipelineEnded(run string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := b.engine.Deliver(ctx, engine.Delivery{Source: ciSource, ID: run + "@" + b.began, Body: []byte(run)}); err != nil {
		b.log.Warn("the end of a pipeline is noticed later", "error", errs.Text(err))
	}
}

// ciDecoder reads such a hint: somebody's pipeline ended, whoever waits for one looks.
type ciDecoder struct{}

func (ciDecoder) Decode(engine.Delivery) ([]engine.Fact, error) {
	return []engine.Fact{engine.Happened{Name: "ci.pipeline"}}, nil
}
