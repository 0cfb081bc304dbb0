package api

import (
	"context"
	"errors"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/console"
	"slipway/integrations/console/login"
)

// MaxWait is the longest time, in seconds, that a request waits for the bot's answer.
const MaxWait = 55

// Me is who sends the request.
type Me struct {
	Account string        `json:"account" doc:"The account that was proven: unix:1000, oidc:ISSUER#SUBJECT."`
	Person  string        `json:"person,omitempty" doc:"Id of the person whose account it is; absent while it belongs to nobody."`
	Name    string        `json:"name" doc:"For showing."`
	Scopes  []login.Scope `json:"scopes" doc:"What this way in allows; the roles of the person decide besides."`
	Direct  string        `json:"direct,omitempty" doc:"The channel that only this person and the bot read."`
	Many    bool          `json:"many,omitempty" doc:"The demo, in which one may act as several people."`
}

// Nothing is the request of routes that take none.
type Nothing struct{}

func (a *API) me(_ context.Context, v login.Viewer, _ Nothing) (Me, error) {
	out := Me{Account: v.Account, Person: string(v.Person), Name: v.Name, Scopes: v.Scopes, Many: v.Many}
	if a.o.Desk.Direct != nil {
		out.Direct = a.o.Desk.Direct(v.Account)
	}
	return out, nil
}

// Channel is a room in which people and the bot talk.
type Channel struct {
	Name   string `json:"name"`
	Direct bool   `json:"direct,omitempty" doc:"Only this person and the bot read it."`
}

// Channels are those that the person may see.
type Channels struct {
	Channels []Channel `json:"channels" doc:"The direct room first, then by name."`
}

func (a *API) channels(_ context.Context, v login.Viewer, _ Nothing) (Channels, error) {
	names, err := a.o.Desk.Seen(v.Account)
	var out Channels
	for _, n := range names {
		out.Channels = append(out.Channels, Channel{Name: n, Direct: console.IsDirect(n)})
	}
	return out, err
}

// MessagesAsk chooses messages of a channel.
type MessagesAsk struct {
	Channel string `in:"path" json:"channel" doc:"Name of a channel; @me is the direct room." example:"releases"`
	Before  string `in:"query" json:"before" doc:"Id of a message: only older ones, the newest of them."`
	After   string `in:"query" json:"after" doc:"Id of a message: only newer ones, the oldest of them."`
	Thread  string `in:"query" json:"thread" doc:"Id of a message: only it and what answers it."`
	Heads   bool   `in:"query" json:"heads" doc:"Only messages that answer none."`
	Limit   int    `in:"query" json:"limit" doc:"Most messages on a page; 50 if left out." min:"1" max:"200"`
}

// Messages is a page of a channel.
type Messages struct {
	Messages []console.Message `json:"messages" doc:"Oldest first."`
	Older    bool              `json:"older" doc:"There may be older ones: ask with before."`
	Newer    bool              `json:"newer" doc:"There may be newer ones: ask with after."`
}

func (a *API) messages(_ context.Context, v login.Viewer, q MessagesAsk) (Messages, error) {
	p, err := a.o.Desk.Page(v.Account, q.Channel, console.PageQuery{Before: q.Before, After: q.After, Thread: q.Thread, Heads: q.Heads, Limit: q.Limit})
	return Messages{p.Messages, p.Older, p.Newer}, err
}

// SayAsk says something in a channel.
type SayAsk struct {
	Channel string `in:"path" json:"channel" doc:"Name of a channel; @me is the direct room." example:"releases"`
	Key     string `in:"header" json:"Idempotency-Key" doc:"The client's own id for this: sent again under the same one, it is said once. 1 to 64 letters, digits, dots, dashes and underscores." example:"9f86d081"`
	ID      string `json:"id,omitempty" doc:"The same as the header Idempotency-Key, for clients that cannot set one." max:"64"`
	Text    string `json:"text" need:"yes" doc:"What to say. What begins with a command is carried out." max:"16000" example:"release 2019.01"`
	Thread  string `json:"thread,omitempty" doc:"Id of the message that this answers."`
}

// Body is the body of the request.
func (q SayAsk) Body() map[string]string {
	out := map[string]string{"text": q.Text}
	if q.Thread != "" {
		out["thread"] = q.Thread
	}
	return out
}

// keyOf is the id of what is said.
func keyOf(header, body string) (string, error) {
	header = strings.TrimSuffix(strings.TrimPrefix(header, `"`), `"`) // a string of RFC 9651, or as it is
	switch {
	case header == "" && body == "":
		return "", invalid("send a new random one with each request, and the same one when you send a request again", "the header Idempotency-Key is missing")
	case header != "" && body != "" && header != body:
		return "", invalid("send one of them", "the header Idempotency-Key and the field id differ")
	}
	return header + strings.TrimPrefix(body, header), nil
}

func (a *API) say(ctx context.Context, v login.Viewer, q SayAsk) (console.Message, error) {
	return a.said(ctx, v, q.Channel, q.Thread, q.Text, q.Key, q.ID)
}

// said is the one way in which the API changes anything but reactions.
func (a *API) said(ctx context.Context, v login.Viewer, channel, thread, text, header, body string) (console.Message, error) {
	id, err := keyOf(header, body)
	if err != nil {
		return console.Message{}, err
	}
	if err := may(v, a.o.Needs(text)); err != nil {
		return console.Message{}, err
	}
	return a.o.Desk.Say(ctx, v.Account, console.Saying{ID: id, Channel: channel, Thread: thread, Text: text})
}

// MessageAsk names a message.
type MessageAsk struct {
	Message string `in:"path" json:"message" doc:"Id of a message." example:"1546300800000"`
}

func (a *API) message(_ context.Context, v login.Viewer, q MessageAsk) (console.Shown, error) {
	return a.o.Desk.Message(v.Account, q.Message)
}

// ReactAsk names a reaction.
type ReactAsk struct {
	Message string `in:"path" json:"message" doc:"Id of a message." example:"1546300800000"`
	Emoji   string `in:"path" json:"emoji" doc:"The emoji itself: ✅ approves a gate, ❌ rejects it." example:"✅"`
}

func (a *API) react(ctx context.Context, v login.Viewer, q ReactAsk) (console.Message, error) {
	return a.o.Desk.React(ctx, v.Account, q.Message, q.Emoji, true)
}

func (a *API) unreact(ctx context.Context, v login.Viewer, q ReactAsk) (console.Message, error) {
	return a.o.Desk.React(ctx, v.Account, q.Message, q.Emoji, false)
}

// CommandAsk gives a command and waits for what the bot answers.
type CommandAsk struct {
	Key     string `in:"header" json:"Idempotency-Key" doc:"The client's own id for this: sent again under the same one, it is said once, and the answer to it is given. 1 to 64 letters, digits, dots, dashes and underscores." example:"9f86d081"`
	ID      string `json:"id,omitempty" doc:"The same as the header Idempotency-Key, for clients that cannot set one." max:"64"`
	Channel string `json:"channel,omitempty" doc:"Where to say it; @me, the direct room, if left out." example:"releases"`
	Thread  string `json:"thread,omitempty" doc:"Id of the message that this answers: in the thread of a card its run need not be named."`
	Text    string `json:"text" need:"yes" doc:"One command, as in a chat." max:"16000" example:"release why 2019.01"`
	Wait    *int   `json:"wait,omitempty" doc:"For how many seconds to wait for the answer; 20 if left out." min:"0" max:"55"`
}

// Answered is a command with the bot's answer, if it came in time.
type Answered struct {
	Message  console.Message  `json:"message" doc:"What was said."`
	Answered bool             `json:"answered" doc:"Whether the bot has answered. If not, send the same request again: it waits on, and says nothing twice."`
	Text     string           `json:"text,omitempty" doc:"The answer."`
	Refused  bool             `json:"refused,omitempty" doc:"The answer says that nothing was done."`
	Reply    *console.Message `json:"reply,omitempty" doc:"The message with the answer."`
}

// command says something and waits.
func (a *API) command(ctx context.Context, v login.Viewer, q CommandAsk) (Answered, error) {
	if strings.ContainsAny(q.Text, "\n\r") {
		return Answered{}, invalid("give one command at a time", "the text has several lines")
	}
	channel, wait := q.Channel, 20
	if channel == "" {
		channel = console.Mine
	}
	if q.Wait != nil {
		wait = *q.Wait
	}
	m, err := a.said(ctx, v, channel, q.Thread, q.Text, q.Key, q.ID)
	if err != nil {
		return Answered{}, err
	}
	return a.answered(ctx, v, m, wait)
}

// answered waits for the answer to a message.
func (a *API) answered(ctx context.Context, v login.Viewer, m console.Message, wait int) (Answered, error) {
	out := Answered{Message: m}
	bounded, cancel := context.WithTimeout(ctx, time.Duration(wait)*time.Second)
	defer cancel()
	reply, found, err := a.o.Desk.Await(bounded, v.Account, a.o.Bot, string(v.Person), m)
	if err != nil || !found {
		if ctx.Err() != nil && err == nil {
			err = errs.E("api.command", errs.Unavailable, errors.New("the request ended before the answer came")).Hint("send it again under the same id")
		}
		return out, err
	}
	text := reply.ReplyText()
	out.Answered, out.Text, out.Refused, out.Reply = true, text, console.Refused(text), &reply
	return out, nil
}

// CompleteAsk is a command that is being typed.
type CompleteAsk struct {
	Channel string `in:"query" json:"channel" doc:"Where it is typed; @me if left out."`
	Text    string `in:"query" json:"text" doc:"What was typed so far, up to the cursor." max:"2000" example:"release wh"`
}

// Completion is what may come.
type Completion struct {
	Words []string `json:"words" doc:"What may stand in place of the last word; after a space, what may come next."`
}

func (a *API) complete(_ context.Context, v login.Viewer, q CompleteAsk) (Completion, error) {
	if a.o.Complete == nil {
		return Completion{}, notHere("completion")
	}
	channel := q.Channel
	if channel == "" {
		channel = console.Mine
	}
	if channel, err := a.o.Desk.Place(v.Account, channel); err != nil {
		return Completion{}, err
	} else {
		return Completion{a.o.Complete(v, channel, q.Text)}, nil
	}
}

// talkRoutes are those about channels and what is said in them.
func (a *API) talkRoutes() []route {
	return []route{
		plain(route{method: "GET", path: "/me", id: "me", scope: login.Read, doc: "Who sends this request, and what this way in allows."}, a.me),
		plain(route{method: "GET", path: "/channels", id: "listChannels", scope: login.Read, doc: "The channels that the person may see."}, a.channels),
		plain(route{method: "GET", path: "/channels/{channel}/messages", id: "listMessages", scope: login.Read,
			doc: "Messages of a channel, the newest if neither before nor after is given.", kinds: []errs.Kind{errs.NotFound}}, a.messages),
		plain(route{method: "POST", path: "/channels/{channel}/messages", id: "say", scope: login.Say,
			doc:   "Say something in a channel.",
			more:  "When it is answered, the message is stored for good and on its way to be understood. " + moreOfScopes,
			kinds: []errs.Kind{errs.NotFound, errs.Exists, errs.Full}}, a.say),
		plain(route{method: "GET", path: "/messages/{message}", id: "getMessage", scope: login.Read,
			doc: "A message with its reactions and its earlier versions.", kinds: []errs.Kind{errs.NotFound}}, a.message),
		plain(route{method: "PUT", path: "/messages/{message}/reactions/{emoji}", id: "react", scope: login.Approve,
			doc: "Set one's own reaction on a message.", more: "On the message of a gate ✅ approves and ❌ rejects, if the rule counts the person. Again is the same.",
			kinds: []errs.Kind{errs.NotFound, errs.Full}}, a.react),
		plain(route{method: "DELETE", path: "/messages/{message}/reactions/{emoji}", id: "unreact", scope: login.Approve,
			doc: "Take one's own reaction away.", kinds: []errs.Kind{errs.NotFound, errs.Full}}, a.unreact),
		plain(route{method: "POST", path: "/commands", id: "command", scope: login.Say,
			doc:   "Give a command of the chat and wait for the bot's answer.",
			more:  "A refusal by the bot is an answer too. " + moreOfScopes,
			kinds: []errs.Kind{errs.NotFound, errs.Exists, errs.Full}, wait: MaxWait * time.Second}, a.command),
		plain(route{method: "GET", path: "/completions", id: "complete", scope: login.Read,
			doc: "What may come next in a command that is being typed.", kinds: []errs.Kind{errs.NotFound}}, a.complete),
	}
}

const moreOfScopes = "A command that approves needs the scope approve besides, and one that steers or operates the scope operate."
