package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/integrations/slack"
	"slipway/integrations/slack/hook"
)

// slackSource is the source of deliveries, places and accounts on Slack.
const slackSource = slack.Source

// slackSide is what a running bot has of Slack; nil where no workspace is configured.
type slackSide struct {
	client *slack.Client
	intake *hook.Intake
	hooks  *hook.Handler // nil: nothing comes over HTTP
	socket *slackSocket  // nil: nothing comes over Socket Mode
	chat   *slackChat
	me     atomic.Value // the bot's own user there, a string: U…; nothing: not known yet
	began  time.Time
	last   atomic.Int64  // when an event came last, in Unix seconds
	nudge  chan struct{} // Slack held something back: what was said is read now
}

// slackPath begins the paths of Slack's deliveries.
const slackPath = hook.Path

// slackClient is the client of the configured workspace.
func slackClient(c *config) (*slack.Client, error) {
	s := c.Slack
	return slack.New(slack.Options{URL: s.URL, Token: s.Token, AppToken: s.AppToken, Team: s.Team, App: s.App, Now: time.Now})
}

// openSlack makes the side of Slack, before the engine that speaks through it.
func (b *bot) openSlack() error {
	if !b.conf.Slack.on() {
		return nil
	}
	client, err := slackClient(b.conf)
	if err != nil {
		return err
	}
	b.slack = &slackSide{client: client, began: time.Now(), nudge: make(chan struct{}, 1)}
	b.slack.recall(b.slackAccountFile(), b.conf.Slack)
	return b.openSlackChat()
}

// openSlackDoors makes the doors by which Slack's deliveries come in, behind the engine that takes them.
func (b *bot) openSlackDoors() (err error) {
	s := b.slack
	if s == nil {
		return nil
	}
	s.intake = hook.NewIntake(hook.IntakeOptions{Inbox: slackInbox{b.engine, s}, Known: b.slackKnown, Forms: slackForms{b}, Opener: slackOpener{s.client}, Log: b.log})
	if len(b.conf.Slack.Signing) > 0 {
		if s.hooks, err = hook.New(hook.Options{Intake: s.intake, Signing: b.conf.Slack.Signing, Now: time.Now, Log: b.log, BodyTime: b.conf.Webhooks.BodyTime}); err != nil {
			return err
		}
	}
	return b.openSlackSocket()
}

// slackInbox is the engine as the doors of Slack see it.
type slackInbox struct {
	engine *engine.Engine
	slack  *slackSide
}

func (i slackInbox) Deliver(ctx context.Context, d hook.Delivery) error {
	if d.Headers[hook.HeaderKind] == string(hook.Events) {
		i.slack.last.Store(time.Now().Unix())
		i.slack.chat.told()
	}
	return i.engine.Deliver(ctx, slackDelivery(d))
}

// slackDelivery is a delivery of Slack as the engine has it.
func slackDelivery(d hook.Delivery) engine.Delivery {
	out := engine.Delivery{Source: slackSource, ID: d.ID, Place: d.Place, Headers: d.Headers, Body: d.Body}
	if d.Account != "" {
		out.Account = people.Account{Source: slackSource, ID: d.Account}
	}
	return out
}

// slackKnown is what the doors and the decoder know of the bot and of people.
func (b *bot) slackKnown() hook.Known {
	k := hook.Known{Team: b.conf.Slack.Team, App: b.conf.Slack.App, Person: b.slackPerson}
	if b.slack != nil {
		k.Bot, _ = b.slack.me.Load().(string)
		k.Direct = b.slack.chat.alone
	}
	return k
}

// slackPerson is the person behind a user of the workspace, "" for none.
func (b *bot) slackPerson(user string) string {
	if b.engine == nil {
		return ""
	}
	p, ok := b.engine.World().Directory.ByAccount(people.Account{Source: slackSource, ID: slack.AccountID(b.conf.Slack.Team, user)})
	if !ok || p.Gone || p.Bot {
		return ""
	}
	return string(p.ID)
}

// slackAccounts are the accounts of a person in the workspace: TEAM/USER.
func (b *bot) slackAccounts(person string) (out []string) {
	if b.engine == nil {
		return nil
	}
	found, ok := b.engine.World().Directory.Person(people.PersonID(person))
	if !ok || found.Gone || found.Bot {
		return nil
	}
	for _, a := range found.Accounts {
		if team, _, _ := strings.Cut(a.ID, "/"); a.Source == slackSource && team == b.conf.Slack.Team {
			out = append(out, a.ID)
		}
	}
	return out
}

// slackDecoder turns what Slack sent, or what was read there, into facts.
type slackDecoder struct{ b *bot }

func (d slackDecoder) Decode(in engine.Delivery) ([]engine.Fact, error) {
	if in.Headers[hook.HeaderKind] == slackRead {
		return slackSeen(in.Body)
	}
	found, ignored, err := hook.Decode(hook.HeaderOf(in.Headers), in.Body, d.b.slackKnown())
	if err != nil {
		return nil, err
	}
	if ignored != "" {
		return []engine.Fact{engine.Ignored{Why: ignored}}, nil
	}
	var out []engine.Fact
	for _, f := range found {
		switch f := f.(type) {
		case hook.Said:
			out = append(out, engine.Said{Account: people.Account{Source: slackSource, ID: f.Account, Handle: f.Handle}, Place: engine.Place{Source: slackSource, ID: f.Place},
				Message: f.Message, Thread: f.Thread, Text: f.Text, Addressed: f.Addressed, Direct: f.Direct, At: f.At, Changed: f.Changed})
		case hook.Touched:
			out = append(out, engine.Touched{Place: engine.Place{Source: slackSource, ID: f.Place}, Message: f.Message})
		case hook.Noticed:
			d.b.slackNoticed(f)
			out = append(out, engine.Ignored{Why: f.Text})
		}
	}
	return out, nil
}

// Secrets are the fields of payloads that nobody is shown.
func (slackDecoder) Secrets() []string { return hook.Secrets() }

// slackNoticed has what Slack tells of the app itself looked at: doctor finds what is to be mended by
// looking again, and what was held back is read.
func (b *bot) slackNoticed(n hook.Noticed) {
	b.log.Warn("Slack tells something about the app", "what", n.What, "text", n.Text)
	if b.slack != nil && n.What == hook.NoticeLimited {
		b.slack.readSoon()
	}
}

// readSoon has the channels read without waiting for their time.
func (s *slackSide) readSoon() {
	select {
	case s.nudge <- struct{}{}:
	default:
	}
}

// slackAccount is the bot's own user as it was found last: what comes in before Slack answers after a
// start is understood with it.
type slackOwn struct {
	Team string `json:"team"`
	App  string `json:"app"`
	User string `json:"user"`
}

func (b *bot) slackAccountFile() string { return filepath.Join(b.conf.State, "slack-account.json") }

func (s *slackSide) recall(path string, c slackConfig) {
	var a slackOwn
	raw, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(raw, &a) != nil || a.Team != c.Team || a.App != c.App || !slack.IsUser(a.User) {
		return // it is asked for
	}
	s.me.Store(a.User)
}

// learnSlack finds out which user of the workspace is the bot's own.
func (b *bot) learnSlack(ctx context.Context, clock engine.Clock) error {
	if b.slack == nil {
		return nil
	}
	for wait := time.Second; ; wait = min(2*wait, 10*time.Minute) {
		limited, cancel := context.WithTimeout(ctx, time.Minute)
		me, err := b.slack.client.Me(limited)
		cancel()
		if err == nil {
			b.slackLearned(me)
			wait = 10 * time.Minute
		} else {
			b.log.Info("the bot's own account on Slack is not known yet", "error", errs.Text(err))
		}
		if !passed(ctx, clock, wait) {
			return nil
		}
	}
}

func (b *bot) slackLearned(me slack.Self) {
	if was, _ := b.slack.me.Load().(string); was == me.User {
		return
	}
	b.slack.me.Store(me.User)
	raw, err := json.Marshal(slackOwn{b.conf.Slack.Team, b.conf.Slack.App, me.User})
	if err == nil {
		err = replaceFile(b.slackAccountFile(), append(raw, '\n'))
	}
	if err != nil {
		b.log.Warn("the bot's own account on Slack is not remembered for the next start", "error", err.Error())
	}
}

// passed waits for d; it is false when ctx ends before.
func passed(ctx context.Context, clock engine.Clock, d time.Duration) bool {
	wake, stop := clock.Wake(clock.Now().Add(d))
	defer stop()
	select {
	case <-ctx.Done():
		return false
	case <-wake:
		return true
	}
}

// slackShows are the places on Slack where a project's cards and gate messages go beside its channel.
func (c *config) slackShows(project string) (out []engine.Place) {
	for _, id := range c.Slack.Projects[project].shows() {
		out = append(out, c.slackPlace(id))
	}
	return out
}

// slackTells are those where its broadcasts go.
func (c *config) slackTells(project string) (out []engine.Place) {
	for _, id := range c.Slack.Projects[project].Tell {
		out = append(out, c.slackPlace(id))
	}
	return out
}

func (c *config) slackPlace(channel string) engine.Place {
	return engine.Place{Source: slackSource, ID: slack.Place{Team: c.Slack.Team, Channel: channel}.ID()}
}

// slackHome is the project that is meant at a place on Slack when a command names none: that of the
// channel, if it is of one alone, and in a direct message the only one.
func (c *config) slackHome(place engine.Place) string {
	p, err := slack.ParsePlace(place.ID)
	if err != nil || p.Team != c.Slack.Team {
		return ""
	}
	home := ""
	for _, name := range sortedKeys(c.Slack.Projects) {
		for _, id := range c.Slack.Projects[name].shows() {
			switch {
			case id != p.Channel || home == name:
			case home != "":
				return ""
			default:
				home = name
			}
		}
	}
	if home == "" && strings.HasPrefix(p.Channel, "D") && len(c.Projects) == 1 {
		return sortedKeys(c.Projects)[0]
	}
	return home
}

// slackChannels are all channels that are configured, each once, with what it is for.
func (c *config) slackChannels() (ids []string, whose map[string]string) {
	whose = map[string]string{}
	for _, name := range sortedKeys(c.Slack.Projects) {
		p := c.Slack.Projects[name]
		for _, id := range append(p.shows(), p.Tell...) {
			if whose[id] == "" {
				ids, whose[id] = append(ids, id), name
			} else if !strings.Contains(whose[id], name) {
				whose[id] += ", " + name
			}
		}
	}
	return ids, whose
}

// slackAbout says a channel and whose it is.
func slackAbout(id, name, whose string) string {
	if name == "" {
		return fmt.Sprintf("the channel %s of %s", id, whose)
	}
	return fmt.Sprintf("the channel #%s (%s) of %s", name, id, whose)
}
