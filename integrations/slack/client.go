// Package slack speaks to one Slack workspace as one app, over Slack's Web API.
//
// A [Client] refuses a token of another workspace than the configured one. It repeats nothing by
// itself: [Err] says of each failure whether something may have happened. It keeps to Slack's rate
// limits on its own side, method by method and channel by channel, and leaves alone what Slack asks to
// be left alone. Its tokens go to the configured address and nowhere else.
package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	slackgo "github.com/slack-go/slack"

	"slipway/bot/card"
	"slipway/bot/errs"
)

// Source is the name of Slack's deliveries, places and accounts.
const Source = "slack"

const meKept = 5 * time.Minute // how old the answer about the bot's own account may be

// Options say which workspace, and as which app.
type Options struct {
	URL      string // of the Web API, with or without a slash at its end; "" is https://slack.com/api/
	Token    string // of the bot: xoxb-…
	AppToken string // app-level, for Socket Mode: xapp-…; "" when it is not used
	Team     string // id of the workspace: T0123ABCD
	App      string // id of the app, A0123ABCD; "" takes any app of the workspace

	HTTP *http.Client // nil means one with sane limits
	Now  func() time.Time
	// Wait passes the time for pacing, or gives the error of ctx; nil waits by the machine's clock.
	Wait func(ctx context.Context, d time.Duration) error
}

// Self is the bot as Slack knows it.
type Self struct {
	Team   string   // id of the workspace
	URL    string   // of the workspace, as in a browser
	User   string   // id of the bot's user, which mentions and reactions have
	Bot    string   // id of the bot, which its messages have
	App    string   // id of the app
	Name   string   // user name, for showing only
	Scopes []string // what the token may do, as Slack says with each answer
}

// API is the library underneath.
type API = slackgo.Client

// Client is one app in one workspace. It is safe for use by several goroutines.
type Client struct {
	api  *API
	http *http.Client
	base *url.URL // of the API, with a slash at its end
	o    Options

	mu    sync.Mutex
	me    Self
	meAge time.Time
	users map[string]userAt // by id, for showing only
}

// New makes a client. It does not speak to Slack yet. Errors are of kind [errs.Invalid].
func New(o Options) (*Client, error) {
	bad := func(hint, format string, args ...any) (*Client, error) {
		return nil, errs.E("slack", errs.Invalid, fmt.Errorf(format, args...)).Hint("%s", hint)
	}
	if o.URL == "" {
		o.URL = slackgo.APIURL
	}
	u, err := url.Parse(strings.TrimRight(strings.TrimSpace(o.URL), "/") + "/")
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return bad("leave it out: it is https://slack.com/api/", "the address of Slack's API cannot be used")
	case !plain(o.Token, "xoxb-"):
		return bad("put the Bot User OAuth Token, which begins with xoxb-, alone into its file", "the token for Slack is not that of a bot")
	case o.AppToken != "" && !plain(o.AppToken, "xapp-"):
		return bad("put the App-Level Token, which begins with xapp-, alone into its file", "the app-level token for Slack is none")
	case !teamID.MatchString(o.Team):
		return bad("write the id of the workspace, such as T0123ABCD", "%q is not the id of a workspace of Slack", card.Line(o.Team, 60))
	case o.Now == nil:
		return nil, errs.E("slack", errs.Internal, errors.New("the Slack client has no clock"))
	}
	if o.Wait == nil {
		o.Wait = pass
	}
	c := &Client{base: u, o: o, users: map[string]userAt{}}
	c.http = c.httpClient(o.HTTP)
	// The library repeats nothing unless it is told to.
	c.api = slackgo.New(o.Token, slackgo.OptionAPIURL(u.String()), slackgo.OptionHTTPClient(c.http), slackgo.OptionAppLevelToken(o.AppToken))
	return c, nil
}

// plain reports whether s is a token of this kind.
func plain(s, prefix string) bool {
	return strings.HasPrefix(s, prefix) && len(s) > len(prefix) && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// pass waits by the machine's clock.
func pass(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// API is the library underneath, with the pacing of c. Its errors go through [Err].
func (c *Client) API() *API { return c.api }

// Team is the id of the configured workspace.
func (c *Client) Team() string { return c.o.Team }

// Now is the time of the clock of c.
func (c *Client) Now() time.Time { return c.o.Now() }

// Me is the bot's own account as it was a few minutes ago at most: enough for knowing who that is.
// Errors are those of [Client.Look].
func (c *Client) Me(ctx context.Context) (Self, error) {
	c.mu.Lock()
	me, age := c.me, c.o.Now().Sub(c.meAge)
	c.mu.Unlock()
	if me.User != "" && age >= 0 && age < meKept {
		return me, nil
	}
	return c.Look(ctx)
}

// Look asks Slack for the bot's own account, and so whether the token is good now. A token of another
// workspace or app than the configured one is [errs.Denied].
func (c *Client) Look(ctx context.Context) (Self, error) {
	const op = "slack.account"
	var who struct {
		URL    string `json:"url"`
		User   string `json:"user"`
		TeamID string `json:"team_id"`
		UserID string `json:"user_id"`
		BotID  string `json:"bot_id"`
	}
	head, err := c.call(ctx, op, "auth.test", nil, &who, false)
	if err != nil {
		return Self{}, err
	}
	switch {
	case who.TeamID == "" || who.UserID == "":
		return Self{}, errs.E(op, errs.Unavailable, errors.New("the answer of Slack does not say whose token this is")).Hint("look whether the address of Slack's API is right")
	case who.TeamID != c.o.Team:
		return Self{}, errs.E(op, errs.Denied, fmt.Errorf("the token for Slack is of the workspace %s; the configuration says %s", card.Line(who.TeamID, 40), c.o.Team)).
			Hint("install the app into %s, and put its token into token_file", c.o.Team)
	case who.BotID == "":
		return Self{}, errs.E(op, errs.Denied, errors.New("the token for Slack is not that of a bot")).Hint("put the Bot User OAuth Token, which begins with xoxb-, into token_file")
	}
	app, err := c.appOf(ctx, op, who.BotID)
	if err != nil {
		return Self{}, err
	}
	me := Self{Team: who.TeamID, URL: who.URL, User: who.UserID, Bot: who.BotID, App: app, Name: card.Line(who.User, 80), Scopes: scopes(head)}
	c.mu.Lock()
	c.me, c.meAge = me, c.o.Now()
	c.mu.Unlock()
	return me, nil
}

// appOf is the app of a bot, which never becomes another one: it is asked for once.
func (c *Client) appOf(ctx context.Context, op, bot string) (string, error) {
	c.mu.Lock()
	known := c.me
	c.mu.Unlock()
	if known.Bot == bot {
		return known.App, nil
	}
	var what struct {
		Bot struct {
			ID    string `json:"id"`
			AppID string `json:"app_id"`
		} `json:"bot"`
	}
	if _, err := c.call(ctx, op, "bots.info", url.Values{"bot": {bot}}, &what, false); err != nil {
		return "", err
	}
	switch {
	case what.Bot.ID != bot:
		return "", errs.E(op, errs.Unavailable, errors.New("the answer of Slack does not say which app the token is of")).Hint(Later)
	case c.o.App != "" && what.Bot.AppID != c.o.App:
		return "", errs.E(op, errs.Denied, fmt.Errorf("the token for Slack is of the app %s; the configuration says %s", card.Line(what.Bot.AppID, 40), c.o.App)).
			Hint("copy the Bot User OAuth Token of %s into token_file", c.o.App)
	}
	return what.Bot.AppID, nil
}

// scopes are those of a token, which Slack tells in a header of every answer.
func scopes(h http.Header) (out []string) {
	for _, s := range strings.Split(h.Get("X-OAuth-Scopes"), ",") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// Call does one method of the Web API with the bot's token and reads its answer into out, which may be
// nil. wrote says that the method is to change something: see [Err].
func (c *Client) Call(ctx context.Context, op, method string, args url.Values, out any, wrote bool) error {
	_, err := c.call(ctx, op, method, args, out, wrote)
	return err
}

func (c *Client) call(ctx context.Context, op, method string, args url.Values, out any, wrote bool) (http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base.String()+method, strings.NewReader(args.Encode()))
	if err != nil {
		return nil, Err(op, err, false)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Bearer "+c.o.Token)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, Err(op, err, wrote)
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		return nil, Err(op, &slackgo.RateLimitedError{RetryAfter: heldFor(resp.Header)}, wrote)
	case resp.StatusCode != http.StatusOK:
		return nil, Err(op, slackgo.StatusCodeError{Code: resp.StatusCode, Status: resp.Status}, wrote)
	}
	var raw json.RawMessage
	if err := json.NewDecoder(resp.Body).Decode(&raw); err != nil {
		return nil, Err(op, unread{err}, wrote)
	}
	var said struct {
		OK       bool   `json:"ok"`
		Error    string `json:"error"`
		Needed   string `json:"needed"`
		Metadata struct {
			Messages []string `json:"messages"`
		} `json:"response_metadata"`
	}
	if err := json.Unmarshal(raw, &said); err != nil {
		return nil, Err(op, unread{err}, wrote)
	}
	if !said.OK && said.Error == "" {
		return nil, Err(op, unread{errors.New("no error is named")}, wrote)
	}
	if !said.OK {
		e := slackgo.SlackErrorResponse{Err: said.Error, Needed: said.Needed}
		e.ResponseMetadata.Messages = said.Metadata.Messages
		return nil, Err(op, e, wrote)
	}
	if out != nil {
		if err := json.Unmarshal(raw, out); err != nil {
			return nil, Err(op, unread{err}, wrote)
		}
	}
	return resp.Header, nil
}
