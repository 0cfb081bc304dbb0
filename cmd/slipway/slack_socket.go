package main

import (
	"context"
	"fmt"
	"time"

	"slipway/bot/card"
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
	address, err := b.slack.client.Connection(ctx)
	if err == nil { // what was said while there was no connection is read when there is one
		time.AfterFunc(socketSettles, b.slack.readSoon)
	}
	return address, err
}

// socketSettles is how long after its address was given a connection is there.
const socketSettles = 2 * time.Second

// serveSlackSocket keeps the connection until ctx ends.
func (b *bot) serveSlackSocket(ctx context.Context) error {
	if b.slack == nil || b.slack.socket == nil {
		return nil
	}
	return b.slack.socket.socket.Run(ctx)
}

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
