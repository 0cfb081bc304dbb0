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
			if errs.Is(err, errs.Denied) && !strings.Contains(errs.Cause(err), "token") {
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
