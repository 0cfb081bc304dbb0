package main

import (
	"context"
	"crypto/rand"
	"strings"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/integrations/slack"
)

// staff is who there is, with the roles that are user groups of Slack.
func (b *bot) staff() staff {
	s := staff{configured: configured{b.conf}}
	if b.slack != nil {
		s.groups = b.slack.client
	}
	return s
}

// linking is how people link accounts of theirs: by a code that they type to the bot alone. Nobody is
// alone with it on GitLab.
func (b *bot) linking() engine.Linking {
	l := engine.Linking{Random: func() []byte {
		random := make([]byte, 64)
		_, _ = rand.Read(random) // crypto/rand documents that it never fails
		return random
	}}
	if b.slack != nil {
		l.Sources = []string{slackSource}
	}
	return l
}

// standings say whether an account still counts.
func (b *bot) standings() map[string]engine.Standing {
	if b.slack == nil {
		return nil
	}
	return map[string]engine.Standing{slackSource: slackStanding{b.slack.client}}
}

// slackStanding says it of Slack's accounts, with the names that they have now: events tell of no names.
type slackStanding struct{ client *slack.Client }

func (s slackStanding) Standing(ctx context.Context, a people.Account) (engine.Stands, error) {
	ok, why, err := s.client.Standing(ctx, a.ID)
	out := engine.Stands{Counts: ok, Why: why}
	team, user, bad := slack.ParseAccount(a.ID)
	if err != nil || bad != nil || team != s.client.Team() {
		return out, err
	}
	u, err := s.client.Known(ctx, user) // as it was read just now
	if errs.Is(err, errs.NotFound) {
		return out, nil
	}
	if out.Shown = u.Name; u.Handle != "" && u.Handle != u.Name {
		out.Shown = strings.TrimPrefix(u.Name+", @"+u.Handle, ", ")
	}
	return out, err
}
