package main

import (
	"context"
	"net"
	"slices"
	"strings"
	"time"

	"slipway/commands/grammar"
	"slipway/integrations/console/login"
	"slipway/integrations/console/web"
)

// suggest lists how a line that a viewer types in a channel may go on, from the table that reads
// it when it is sent. What is offered in a channel is what may be spoken of there.
func (b *bot) suggest(_ context.Context, v login.Viewer, channel, line string) []web.Suggestion {
	words := b.complete(v, channel, line)
	before := strings.Fields(line[:strings.LastIndexByte(line, ' ')+1])
	out := make([]web.Suggestion, len(words))
	for i, w := range words {
		out[i] = web.Suggestion{Word: w, Help: meaning(b.table, before, w)}
	}
	return out
}

// meaning is what a word means after others, in a few words, or "".
func meaning(t *grammar.Table, before []string, word string) string {
	if len(before) <= 1 {
		if e, ok := t.Entry(strings.Join(append(slices.Clone(before), word), " ")); ok {
			return e.Summary
		}
	}
	if len(before) == 0 { // several commands begin so
		var under []string
		for _, e := range t.Entries() {
			if first, second, _ := strings.Cut(e.Path, " "); first == word {
				under = append(under, second)
			}
		}
		return strings.Join(under, ", ")
	}
	e, ok := t.Entry(strings.Join(before[:min(2, len(before))], " "))
	if !ok {
		e, ok = t.Entry(before[0])
	}
	if !ok {
		return ""
	}
	for _, o := range e.Options {
		if word == "--"+o.Name {
			return o.Help
		}
	}
	for _, in := range e.Inputs {
		if word == in.Name+"=" {
			return in.Help
		}
	}
	return ""
}

// home is the channel that a first visit shows: that of the first project.
func (b *bot) home() string {
	for _, name := range sortedKeys(b.conf.Projects) {
		return b.conf.Projects[name].Channel
	}
	return ""
}

// firstLine is what a newcomer may type first.
func (b *bot) firstLine() string {
	if b.conf.Web.First != "" {
		return b.conf.Web.First
	}
	return "help"
}

// somebody are the people of a demo, each with the host where a browser is this person.
func (b *bot) somebody() []web.Person {
	if !b.conf.Many || b.conf.Web.Listen == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(b.conf.Web.Listen)
	if err != nil {
		return nil
	}
	directory := b.engine.World().Directory
	var out []web.Person
	for _, p := range directory.Persons() {
		if p.Bot || p.Gone {
			continue
		}
		var roles []string
		for _, project := range sortedKeys(b.conf.Projects) {
			for _, role := range directory.Roles() {
				if role != "admin" && slices.Contains(directory.Members(project, role, time.Now()), p.ID) && !slices.Contains(roles, role) {
					roles = append(roles, role)
				}
			}
		}
		out = append(out, web.Person{Name: p.Name, Nick: string(p.ID), What: strings.Join(roles, ", "), URL: "http://" + string(p.ID) + ".localhost:" + port + "/"})
	}
	return out
}
