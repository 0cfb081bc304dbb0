package main

import (
	"context"
	"strings"
	"time"

	"slipway/integrations/console/login"
	"slipway/integrations/console/web"
)

// site makes the pages of the web console.
func (b *bot) site() (*web.Site, error) {
	return web.New(web.Options{
		Desk: b.desk(), Who: b.author, Feed: b.engine, Log: b.log, Clock: time.Now, NewID: newID,
		Complete: b.suggest, Home: b.home(), First: b.firstLine(), Example: b.somebody(), Base: strings.TrimSuffix(b.conf.Web.Link("/"), "/"),
		Tellings: b.tellings(), Views: b.views(),
		SeesRun: func(v login.Viewer, run string) bool {
			sees, err := b.engine.Sees(context.Background(), v.Person, run)
			return err == nil && sees
		},
	})
}

// author is who an account is, as pages show it.
func (b *bot) author(who string) web.Author {
	if who == botAccount {
		return web.Author{Name: "Slipway", Nick: "slipway", Bot: true}
	}
	person, ok := b.engine.World().Directory.ByAccount(account(who))
	if !ok {
		_, id, _ := strings.Cut(who, ":")
		return web.Author{Name: id, Nick: id}
	}
	return web.Author{Name: person.Name, Nick: string(person.ID), Bot: person.Bot}
}
