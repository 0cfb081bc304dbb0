package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	slackgo "github.com/slack-go/slack"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/integrations/slack"
	"slipway/integrations/slack/socket"
)

// slackSocket is the connection of Socket Mode; nil is none.
type slackSocket struct {
	socket *socket.Socket
	began  time.Time
}

// openSlackSocket makes it, if an app-level token is configured.
func (b *bot) openSlackSocket() error {
	if b.conf.Slack.AppToken == "" {
		return nil
	}
	b.slack.socket = &slackSocket{began: time.Now(), socket: socket.New(socket.Options{Open: b.slackConnection, Taker: b.slack.intake, App: b.conf.Slack.App, Clock: systemClock{}, Log: b.log})}
	return nil
}

// slackConnection asks for the address of one connection.
func (b *bot) slackConnection(ctx context.Context) (string, error) {
	_, address, err := b.slack.client.API().StartSocketModeContext(ctx)
	var said slackgo.SlackErrorResponse
	if errors.As(err, &said) && slackNeverOpens(said.Err) {
		return "", errs.E("slack.socket", errs.Denied, fmt.Errorf("no connection of Socket Mode is opened by Slack (%s)", slack.Clean(said.Err, 80))).
			Hint("turn Socket Mode on for the app, and put an app-level token of it with the scope connections:write into app_token_file")
	}
	if err == nil { // what was said while there was no connection is read when there is one
		time.AfterFunc(socketSettles, b.slack.readSoon)
	}
	return address, slack.Err("slack.socket", err, false)
}

// socketSettles is how long after its address was given a connection is there.
const socketSettles = 2 * time.Second

// slackNeverOpens reports whether an error of apps.connections.open stays until a person has done something
// (docs.slack.dev, "apps.connections.open").
func slackNeverOpens(name string) bool {
	switch name {
	case "internal_error", "fatal_error", "service_unavailable", "request_timeout", "ratelimited", "too_many_websockets":
		return false
	}
	return true
}

// serveSlackSocket keeps the connection until ctx ends.
func (b *bot) serveSlackSocket(ctx context.Context) error {
	if b.slack == nil || b.slack.socket == nil {
		return nil
	}
	return b.slack.socket.socket.Run(ctx)
}

// up reports whether a connection is open now.
func (s *slackSocket) up() bool { return s != nil && s.socket.Standing().Open }

// socketMost is how long there may be no connection before somebody is told.
const socketMost = 2 * time.Minute

// down tells that there is none, or that it is not the only one.
func (s *slackSocket) down(now time.Time) []symptom {
	at := s.socket.Standing()
	since := at.Since
	if since.IsZero() {
		since = s.began
	}
	switch {
	case !at.Open && (at.Denied || now.Sub(since) > socketMost):
		what := "there is no connection of Socket Mode since " + card.Moment(since)
		if at.Why != "" {
			what += ": " + at.Why
		}
		return []symptom{{what, ""}}
	case at.Open && at.Others > 0:
		return []symptom{{fmt.Sprintf("%d more connections of the app are open, and Slack sends each delivery to one of them alone", at.Others), "stop the other bot, or give it an app of its own"}}
	}
	return nil
}
