package main

import (
	"slipway/bot/engine"
	"slipway/bot/people"
	"slipway/integrations/gitlab/hook"
)

// hear is a comment as the engine takes it.
func (b *bot) hear(f hook.Said) engine.Fact {
	return engine.Said{Account: people.Account{Source: hook.Source, ID: f.Account, Handle: f.Handle}, Place: engine.Place{Source: hook.Source, ID: f.Place},
		Message: f.Message, Thread: f.Thread, Text: f.Text, At: f.At, Changed: f.Changed}
}
