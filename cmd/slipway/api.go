package main

import (
	"context"
	"io"
	"os"
	"slices"

	"slipway/bot/engine"
	"slipway/commands/grammar"
	"slipway/integrations/console"
	"slipway/integrations/console/api"
	"slipway/integrations/console/login"
)

// openAPI makes the API, for the socket and for TCP.
func (b *bot) openAPI() (*api.API, error) {
	return api.New(api.Options{Desk: b.desk(), View: b.web.view, Bot: botAccount, Log: b.log, Tokens: b.web.door, Logins: b.web.door,
		Findings: b.health.report,
		Needs:    func(text string) login.Scope { return scopeOf(b.table, text) }, Complete: b.complete, Bodies: b.blobs,
		Evidence: func(ctx context.Context, run string, files bool, w io.Writer) error {
			return b.engine.Evidence(ctx, run, evidenceOf(b.blobs, files), w)
		},
		Backup: func(account, to string) (api.Backup, error) {
			s, err := b.askedBackup(account, to)
			return api.Backup(s), err
		}})
}

// complete lists what may come next in a command that somebody types in a channel.
func (b *bot) complete(v login.Viewer, channel, text string) []string {
	place := engine.Place{Source: console.Source, ID: channel}
	names := namesFor{&known{conf: b.conf, engine: b.engine}, engine.Spoken{Person: v.Person, Account: account(v.Account), Place: place,
		Project: configured{b.conf}.Home(place), Direct: console.IsDirect(channel)}}
	return b.table.Complete(text, names)
}

// scopeOf is what a way in must allow for a text to be said: of all the commands in it, the one that
// needs most. A text that is no command needs no more than to say it; the bot does nothing with it.
func scopeOf(table *grammar.Table, text string) login.Scope {
	need := login.Say
	// In the thread of a run its name may be left out: such a line is a command there alone.
	for _, run := range []string{"", "run"} {
		for _, r := range table.Parse(text, grammar.Context{Addressed: true, Addresses: addresses(), Run: run}) {
			c, ok := r.(grammar.Command)
			if !ok {
				continue
			}
			if s := scopeOfCommand(c); slices.Index(login.Scopes(), s) > slices.Index(login.Scopes(), need) {
				need = s
			}
		}
	}
	return need
}

// scopeOfCommand sorts the commands. Whatever is not listed here steers or operates.
func scopeOfCommand(c grammar.Command) login.Scope {
	asks := []string{"mine", "lock list", "lock show", "freeze list", "people", "inbox list", "inbox show", "playbook list", "playbook show", "help", "whoami",
		"answer", "done", "subscribe", "unsubscribe", "subscriptions"}
	decides := []string{"approve", "reject", "veto", "unveto", "lift", "withdraw"}
	verbs := []string{grammar.VerbStart, "list", "show", "why", "who", "runbook", "history", "undo-plan"}
	switch {
	case slices.Contains(decides, c.Path):
		return login.Approve
	case slices.Contains(asks, c.Path), c.Family != "" && slices.Contains(verbs, c.Verb), c.Verb == "migrate" && c.Options["plan"] != "":
		return login.Say
	}
	return login.Operate
}

// addresses are how the bot is called.
func addresses() []string { return []string{"slipway", "@slipway"} }

type apiCmd struct {
	Openapi openapiCmd `cmd:"" help:"Print the OpenAPI 3.1 document of the API: slipway api openapi > openapi.json"`
}

type openapiCmd struct{}

func (openapiCmd) Run() error {
	_, err := os.Stdout.Write(api.Document())
	return err
}
