package chat

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"slipway/bot/errs"
	"slipway/integrations/slack"
)

// Alone asks whether nobody but one person and the bot reads a channel of the workspace: whether it is a
// direct message with the bot. Of one between other people, and of a group, it is not.
func (p *Poster) Alone(ctx context.Context, channel string) (bool, error) {
	if !strings.HasPrefix(channel, "D") || !slack.IsChannel(channel) {
		return false, nil
	}
	var got struct {
		Channel struct {
			ID      string `json:"id"`
			Direct  bool   `json:"is_im"`
			Several bool   `json:"is_mpim"`
			User    string `json:"user"`
		} `json:"channel"`
	}
	err := p.o.Client.Call(ctx, "slack.direct", "conversations.info", url.Values{"channel": {channel}}, &got, false)
	if errs.Is(err, errs.NotFound) || errs.Is(err, errs.Gone) { // one between others is not shown to the bot
		return false, nil
	}
	c := got.Channel
	return err == nil && c.ID == channel && c.Direct && !c.Several && c.User != "", err
}

// Direct gives the place where nobody but a person and the bot reads: the direct message with an
// account of the workspace ([slack.AccountID]). It is opened if it is not there yet; nothing is said in
// it. An account that is not there, or with which the bot cannot speak, is [errs.Gone].
func (p *Poster) Direct(ctx context.Context, account string) (string, error) {
	const op = "slack.direct"
	team, user, err := slack.ParseAccount(account)
	if err != nil {
		return "", err
	}
	if team != p.o.Client.Team() {
		return "", errs.E(op, errs.Gone, fmt.Errorf("the account %s is of another workspace than %s", user, p.o.Client.Team())).Hint("only accounts of the workspace itself count")
	}
	p.mu.Lock()
	channel := p.direct[user]
	p.mu.Unlock()
	if channel == "" {
		var got struct {
			Channel struct {
				ID string `json:"id"`
			} `json:"channel"`
		}
		// Opening twice is opening once.
		if err := p.o.Client.Call(ctx, op, "conversations.open", url.Values{"users": {user}}, &got, false); err != nil {
			switch slack.Code(err) {
			case "cannot_dm_bot", "user_disabled", "user_is_restricted", "messages_tab_disabled":
				return "", errs.E(op, errs.Gone, err)
			}
			return "", unreachable(op, err)
		}
		channel = got.Channel.ID
		if !strings.HasPrefix(channel, "D") || !slack.IsChannel(channel) {
			return "", errs.E(op, errs.Unavailable, errors.New("the answer of Slack does not say which channel the direct message is")).Hint(slack.Later)
		}
		p.mu.Lock()
		p.direct[user] = channel
		p.mu.Unlock()
	}
	return slack.Place{Team: team, Channel: channel}.ID(), nil
}
