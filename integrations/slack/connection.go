package slack

import (
	"context"
	"errors"
	"fmt"

	slackgo "github.com/slack-go/slack"

	"slipway/bot/card"
	"slipway/bot/errs"
)

// Connection asks for the address of one connection of Socket Mode, which it does not open: it is good
// once, and not for long. What only a person can mend is [errs.Denied]; the other errors pass by themselves.
func (c *Client) Connection(ctx context.Context) (address string, err error) {
	const op = "slack.socket"
	_, address, err = c.API().StartSocketModeContext(ctx)
	var said slackgo.SlackErrorResponse
	if errors.As(err, &said) && neverOpens(said.Err) {
		return "", errs.E(op, errs.Denied, fmt.Errorf("no connection of Socket Mode is opened by Slack (%s)", card.Line(said.Err, 80))).
			Hint("turn Socket Mode on for the app, and put an app-level token of it with the scope connections:write into app_token_file")
	}
	return address, Err(op, err, false)
}

// neverOpens reports whether an error of apps.connections.open stays until a person has done something
// (docs.slack.dev, "apps.connections.open").
func neverOpens(name string) bool {
	switch name {
	case "internal_error", "fatal_error", "service_unavailable", "request_timeout", "ratelimited", "too_many_websockets":
		return false
	}
	return true
}
