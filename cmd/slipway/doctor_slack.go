package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/integrations/slack"
	"slipway/integrations/slack/hook"
	"slipway/integrations/slack/setup"
)

// Limits of what doctor warns of.
const (
	slackSkew   = time.Minute // that the clock may differ from Slack's, which takes and signs what is at most 5 minutes old
	slackSilent = time.Hour   // that refusals are told after the last one
	lateMost    = 3           // messages that were found by reading alone
)

// slackAilments are those of Slack. Where it does not answer at all, only the first one is told.
func slackAilments() []ailment {
	return []ailment{
		{"slack.unreachable", ill, "Slack answers", unreachableSlack},
		{"slack.token_bad", ill, "Slack accepts the bot's token, which is of the configured workspace and app", badSlackToken},
		{"slack.scope_missing", ill, "the token has every scope that is used", missingSlackScopes},
		{"slack.scope_needless", warning, "the token has no scope that is not used", needlessSlackScopes},
		{"slack.channel_missing", ill, "the bot is in every configured channel", missingSlackChannels},
		{"slack.channel_shared", warning, "no other workspace reads the configured channels", sharedSlackChannels},
		{"slack.hooks_unreachable", ill, "the address of the deliveries leads to this bot", unreachableSlackHooks},
		{"slack.socket_bad", ill, "Slack opens connections of Socket Mode", badSlackSocket},
		{"slack.clock_off", ill, "the clock is that of Slack", offSlackClock},
		{"slack.person_bot", ill, "no person has the bot's own account", slackPersons},
	}
}

// liveSlackAilments are those that only a running bot can tell.
func liveSlackAilments() []ailment {
	return []ailment{
		{"slack.signature_bad", warning, "what comes to the address is signed by Slack", refusedSlack},
		{"slack.socket_down", ill, "Slack's deliveries come in over Socket Mode", downSlackSocket},
		{"slack.silent", warning, "Slack tells of what is written", silentSlack},
	}
}

// slackDocs are their codes.
func slackDocs() map[string]codeDoc {
	const quick, patient = 30 * time.Second, 2 * time.Minute
	const minutes, hourly = 5 * time.Minute, time.Hour
	return map[string]codeDoc{
		"slack.unreachable":       {"Slack does not answer: cards there are not right, and nobody is heard there. Runs go on, and the console works.", "Look whether this machine can reach slack.com, and status.slack.com.", minutes, quick},
		"slack.token_bad":         {"Slack does not accept the bot's token, or it is of another workspace or app than the configured ones.", "Install the app into the workspace again, put its Bot User OAuth Token into token_file, and restart the bot.", minutes, quick},
		"slack.scope_missing":     {"The bot's token may not do what is used on Slack.", "Give the app the manifest that slipway manifest slack prints (App Manifest on its pages), install it again, and restart the bot.", hourly, quick},
		"slack.scope_needless":    {"The bot's token may do what is never used; whoever gets it could do it too.", "Give the app the manifest that slipway manifest slack prints (App Manifest on its pages), and install it again.", 24 * time.Hour, quick},
		"slack.channel_missing":   {"A configured channel is not there, was archived, or the bot is not in it: no card and no gate message is shown in it, and nothing that is said in it is heard.", "Write /invite @slipway there, or correct its id in slipway.yaml and restart the bot.", 10 * time.Minute, patient},
		"slack.channel_shared":    {"People of another workspace read a configured channel. They never count, but they see the cards.", "Show releases in a channel of the workspace alone, if they should not.", hourly, patient},
		"slack.hooks_unreachable": {"A signed probe of the address to which Slack delivers did not come back: neither does what Slack sends.", "Look whether the bot runs, and whether the proxy leads webhooks: url to webhooks: listen.", minutes, quick},
		"slack.socket_bad":        {"Slack opens no connection of Socket Mode: nobody is heard there.", "Turn Socket Mode on for the app, and put an app-level token with connections:write into app_token_file.", 15 * time.Minute, quick},
		"slack.clock_off":         {"The clock differs by more than a minute from Slack's: from 5 minutes on, everything that Slack delivers is refused.", "Let chrony or systemd-timesyncd keep the clock.", 10 * time.Minute, quick},
		"slack.person_bot":        {"The bot's own account stands under people: it would give that person's votes.", "Remove the account from people:, and restart the bot.", hourly, quick},
		"slack.signature_bad":     {"Something came to the address of Slack's deliveries and was refused. If Slack sent it, the signing secret is another one now.", "Compare signing_files with Basic Information, Signing Secret, of the app.", minutes, quick},
		"slack.socket_down":       {"There is no connection of Socket Mode: what is said on Slack is heard only by reading, minutes later.", "Look in the bot's log why it ends; apps.connections.open may be refused, or websockets not let through.", minutes, quick},
		"slack.silent":            {"Messages for the bot were found by reading, of which Slack told nothing: it sends no events.", "Look at Event Subscriptions of the app: the address must be verified, and the events those of slipway manifest slack.", minutes, quick},
	}
}

// slack is the client to look with; nil when there is no workspace.
func (p *patient) slack() *slack.Client {
	if !p.conf.Slack.on() {
		return nil
	}
	if p.bot != nil && p.bot.slack != nil {
		return p.bot.slack.client
	}
	c, err := slackClient(p.conf)
	if err != nil {
		return nil // its parts were checked when the configuration was read
	}
	return c
}

// aboutSlack looks with a client whose token is good; what is not is told by the first two.
func aboutSlack(look func(context.Context, *patient, *slack.Client, slack.Self) []symptom) func(context.Context, *patient) []symptom {
	return func(ctx context.Context, p *patient) []symptom {
		c := p.slack()
		if c == nil {
			return nil
		}
		me, err := c.Look(ctx)
		if err != nil {
			return unlooked()
		}
		return look(ctx, p, c, me)
	}
}

func unreachableSlack(ctx context.Context, p *patient) []symptom {
	c := p.slack()
	if c == nil {
		return nil
	}
	if _, err := c.Look(ctx); err != nil && !errs.Is(err, errs.Denied) {
		hint := errs.HintOf(err)
		if hint == slack.Later { // whoever reads this wants to mend it
			hint = ""
		}
		return []symptom{{p.conf.Slack.host() + ": " + errs.Cause(err), hint}}
	}
	return nil
}

func badSlackToken(ctx context.Context, p *patient) []symptom {
	c := p.slack()
	if c == nil {
		return nil
	}
	switch _, err := c.Look(ctx); {
	case errs.Is(err, errs.Denied):
		return []symptom{{errs.Cause(err), errs.HintOf(err)}}
	case err != nil:
		return unlooked()
	}
	return nil
}

func missingSlackScopes(ctx context.Context, p *patient) []symptom {
	return aboutSlack(func(_ context.Context, p *patient, _ *slack.Client, me slack.Self) (out []symptom) {
		if len(me.Scopes) == 0 {
			return unlooked() // Slack does not say: a proxy may take the header away
		}
		for _, s := range setup.Missing(me.Scopes, p.conf.slackGroups()) {
			out = append(out, symptom{fmt.Sprintf("the bot's token does not have the scope %s, which is there %s", s.Name, s.Why), ""})
		}
		return out
	})(ctx, p)
}

func needlessSlackScopes(ctx context.Context, p *patient) []symptom {
	return aboutSlack(func(_ context.Context, _ *patient, _ *slack.Client, me slack.Self) []symptom {
		if len(me.Scopes) == 0 {
			return unlooked()
		}
		if more := setup.Needless(me.Scopes); len(more) > 0 {
			return []symptom{{"the bot's token has scopes that are never used: " + card.Line(strings.Join(more, ", "), 300), ""}}
		}
		return nil
	})(ctx, p)
}

// aboutSlackChannels looks at every configured channel.
func aboutSlackChannels(look func(about string, c setup.Channel, err error) []symptom) func(context.Context, *patient) []symptom {
	return aboutSlack(func(ctx context.Context, p *patient, c *slack.Client, _ slack.Self) (out []symptom) {
		ids, whose := p.conf.slackChannels()
		for _, id := range ids {
			found, err := setup.New(c).Channel(ctx, id)
			out = append(out, look(slackAbout(id, found.Name, whose[id]), found, err)...)
		}
		return out
	})
}

func missingSlackChannels(ctx context.Context, p *patient) []symptom {
	return aboutSlackChannels(func(about string, c setup.Channel, err error) []symptom {
		switch {
		case errs.Is(err, errs.NotFound) || errs.Is(err, errs.Gone):
			return []symptom{{about + " is not there, or is private and the bot is not in it", ""}}
		case err != nil:
			return unlooked()
		case c.Archived:
			return []symptom{{about + " is archived", "open it again, or write another one into slipway.yaml and restart the bot"}}
		case !c.Member:
			return []symptom{{"the bot is not in " + about, "write /invite @slipway there"}}
		}
		return nil
	})(ctx, p)
}

func sharedSlackChannels(ctx context.Context, p *patient) []symptom {
	return aboutSlackChannels(func(about string, c setup.Channel, err error) []symptom {
		switch {
		case err != nil:
			return unlooked()
		case c.Shared:
			return []symptom{{about + " is shared with other workspaces", ""}}
		}
		return nil
	})(ctx, p)
}

// unreachableSlackHooks sends a probe to the address of the deliveries, signed as Slack signs. It goes out
// from here: Slack may still be kept from coming in.
func unreachableSlackHooks(ctx context.Context, p *patient) []symptom {
	if !p.conf.Slack.on() || len(p.conf.Slack.Signing) == 0 {
		return nil
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	address := p.conf.Webhooks.URL + setup.EventsPath
	if err := setup.Probe(ctx, client, address, p.conf.Slack.Signing[0], time.Now()); err != nil {
		return []symptom{{errs.Cause(err), errs.HintOf(err)}}
	}
	return nil
}

func badSlackSocket(ctx context.Context, p *patient) []symptom {
	if p.bot != nil {
		return nil // Slack gives out few addresses a minute, and the bot needs them: slack.socket_down tells of its own tries
	}
	return aboutSlack(func(ctx context.Context, p *patient, c *slack.Client, _ slack.Self) []symptom {
		if p.conf.Slack.AppToken == "" {
			return nil
		}
		switch _, err := c.Connection(ctx); {
		case errs.Is(err, errs.Denied):
			return []symptom{{errs.Cause(err), errs.HintOf(err)}}
		case err != nil:
			return unlooked()
		}
		return nil
	})(ctx, p)
}

func offSlackClock(ctx context.Context, p *patient) []symptom {
	return aboutSlack(func(ctx context.Context, _ *patient, c *slack.Client, _ slack.Self) []symptom {
		ahead, err := setup.New(c).Clock(ctx)
		if err != nil {
			return unlooked()
		}
		return slackClock(ahead)
	})(ctx, p)
}

func slackClock(ahead time.Duration) []symptom {
	if ahead.Abs() <= slackSkew {
		return nil
	}
	side := "ahead of"
	if ahead < 0 {
		side = "behind"
	}
	return []symptom{{fmt.Sprintf("the clock of this machine is %s %s Slack's", ahead.Abs().Round(time.Second), side), ""}}
}

func slackPersons(ctx context.Context, p *patient) []symptom {
	return aboutSlack(func(_ context.Context, p *patient, _ *slack.Client, me slack.Self) (out []symptom) {
		for _, one := range p.conf.Persons {
			for _, a := range one.Accounts {
				if a == (people.Account{Source: slackSource, ID: slack.AccountID(me.Team, me.User), Handle: a.Handle}) {
					out = append(out, symptom{fmt.Sprintf("the account slack:%s of %s is the bot's own", a.ID, one.ID), ""})
				}
			}
		}
		return out
	})(ctx, p)
}

func refusedSlack(_ context.Context, p *patient) []symptom {
	if p.bot.slack == nil || p.bot.slack.hooks == nil {
		return nil
	}
	var out []symptom
	for _, kind := range []hook.Kind{hook.Events, hook.Commands, hook.Interactive} {
		out = append(out, slackRefusals(kind, p.bot.slack.hooks.Standing(kind), time.Now())...)
	}
	return out
}

// slackRefusals tells of what was refused lately, if nothing good came since.
func slackRefusals(kind hook.Kind, s hook.Standing, now time.Time) []symptom {
	if s.Refused.IsZero() || now.Sub(s.Refused) > slackSilent || s.Last.After(s.Refused) {
		return nil
	}
	return []symptom{{fmt.Sprintf("the last that came to %s%s was refused at %s: %s", hook.Path, kind, card.Moment(s.Refused), s.Why), ""}}
}

func downSlackSocket(_ context.Context, p *patient) []symptom {
	if p.bot.slack == nil || p.bot.slack.socket == nil {
		return nil
	}
	return p.bot.slack.socket.down(time.Now())
}

func silentSlack(_ context.Context, p *patient) []symptom {
	if p.bot.slack == nil {
		return nil
	}
	return p.bot.slack.chat.silent()
}

// silent tells of messages that were found by reading alone.
func (c *slackChat) silent() (out []symptom) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, place := range sortedKeys(c.late) {
		if n := c.late[place]; n >= lateMost {
			_, channel, _ := strings.Cut(place, "/")
			out = append(out, symptom{fmt.Sprintf("%d messages for the bot in the channel %s were found by reading, and Slack told of none of them", n, channel), ""})
		}
	}
	return out
}
