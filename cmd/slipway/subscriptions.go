package main

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"time"

	"slipway/bot/engine"
	"slipway/bot/subscription"
	"slipway/integrations/console/web"
	"slipway/integrations/mail"
)

// validZone refuses a time zone that this machine does not know: what is sent at eight in the
// morning must not be sent at another hour without a word.
func validZone(person, zone string) error {
	if zone == "" {
		return nil
	}
	if _, err := time.LoadLocation(zone); err != nil || zone == "Local" {
		return invalid(fmt.Sprintf("people: %s has the time zone %q, which is not known", person, zone), "write a name such as Europe/Berlin, or UTC")
	}
	return nil
}

// telling is how subscribers are reached: by the mail server and the sender of announcements, with
// links to the console when it has an address.
func (b *bot) telling() engine.Telling {
	return engine.Telling{Mail: "mail.announce@1", From: b.conf.sender, Page: b.conf.Web.Link, Secret: func() []byte {
		secret := make([]byte, 32)
		_, _ = rand.Read(secret) // crypto/rand documents that it never fails
		return secret
	}}
}

// sender is who mails about a project come from; for what concerns every project, the first that has
// one.
func (c *config) sender(project string) string {
	if project != subscription.EveryProject {
		from, _ := c.Projects[project].Profile["mail_from"].(string)
		return from
	}
	for _, name := range sortedKeys(c.Projects) {
		if from, _ := c.Projects[name].Profile["mail_from"].(string); from != "" {
			return from
		}
	}
	return ""
}

// mailLinks serves the links of mails to subscribers: /unsubscribe/TOKEN and /subscribe/TOKEN. It
// asks for no login, since only the addressee has the token, and is to be mounted outside of the
// guard that does.
func (b *bot) mailLinks() http.Handler { return mail.NewLinks(b.engine) }

// tellings are the pages about who is told what.
func (b *bot) tellings() web.Tellings {
	t := web.Tellings{Told: b.engine, Projects: sortedKeys(b.conf.Projects)}
	for _, f := range families(b.conf) {
		t.Families = append(t.Families, f.Playbooks()...)
	}
	return t
}
