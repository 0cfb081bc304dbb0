package slack

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"slipway/bot/card"
	"slipway/bot/errs"
)

const (
	userKept = 10 * time.Minute // how old a name may be that is only shown
	maxUsers = 10_000           // that are remembered
)

// User is an account as Slack tells of it now.
type User struct {
	ID     string
	Team   string // the workspace that the account is of
	Handle string // for showing only: people change it
	Name   string // the same

	Bot     bool // or a workflow, or Slackbot
	Guest   bool // in one channel or several
	Away    bool // of another workspace, met in a shared channel
	Invited bool // never logged in
	Gone    bool // deactivated
}

// Account is the name of the account: [AccountID].
func (u User) Account() string { return AccountID(u.Team, u.ID) }

type userAt struct {
	User
	at time.Time
}

// remote is an account in Slack's words (docs.slack.dev, "User object").
type remote struct {
	ID       string `json:"id"`
	TeamID   string `json:"team_id"`
	Name     string `json:"name"`
	RealName string `json:"real_name"`
	Deleted  bool   `json:"deleted"`
	Bot      bool   `json:"is_bot"`
	Workflow bool   `json:"is_workflow_bot"`
	Connect  bool   `json:"is_connector_bot"`
	Guest    bool   `json:"is_restricted"`
	Single   bool   `json:"is_ultra_restricted"`
	Stranger bool   `json:"is_stranger"`
	Invited  bool   `json:"is_invited_user"`
	Profile  struct {
		DisplayName string `json:"display_name"`
		RealName    string `json:"real_name"`
		BotID       string `json:"bot_id"`
	} `json:"profile"`
}

// slackbot is the one account of Slack itself that does not say that it is a bot.
const slackbot = "USLACKBOT"

// User reads an account. One that is not there, or not shown to the bot, is [errs.NotFound].
func (c *Client) User(ctx context.Context, id string) (User, error) {
	const op = "slack.user"
	if !userID.MatchString(id) {
		return User{}, errs.E(op, errs.Invalid, fmt.Errorf("%q is not the id of an account of Slack", card.Line(id, 60))).Hint("write the member id, which begins with U")
	}
	var got struct {
		User remote `json:"user"`
	}
	if err := c.Call(ctx, op, "users.info", url.Values{"user": {id}}, &got, false); err != nil {
		return User{}, err
	}
	r := got.User
	if r.ID != id || !teamID.MatchString(r.TeamID) {
		return User{}, errs.E(op, errs.Unavailable, errors.New("the answer of Slack is about another account than it was asked for")).Hint(Later)
	}
	u := User{ID: r.ID, Team: r.TeamID, Handle: card.Line(r.Name, 80), Bot: r.Bot || r.Workflow || r.Connect || r.Profile.BotID != "" || r.ID == slackbot,
		Guest: r.Guest || r.Single, Away: r.Stranger || r.TeamID != c.o.Team, Invited: r.Invited, Gone: r.Deleted}
	for _, name := range []string{r.Profile.DisplayName, r.RealName, r.Profile.RealName, r.Name} {
		if u.Name = card.Line(name, 80); u.Name != "" {
			break
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.users) >= maxUsers {
		clear(c.users)
	}
	c.users[id] = userAt{u, c.o.Now()}
	return u, nil
}

// Known is [Client.User] as it was a few minutes ago: enough for showing names and telling whose
// account it is, never for deciding whether somebody counts.
func (c *Client) Known(ctx context.Context, id string) (User, error) {
	c.mu.Lock()
	u, ok := c.users[id]
	c.mu.Unlock()
	if age := c.o.Now().Sub(u.at); ok && age >= 0 && age < userKept {
		return u.User, nil
	}
	return c.User(ctx, id)
}

// Standing reads an account again and says whether what it does may count: that of a full member of
// the workspace does; bots, guests, people of other workspaces and accounts that are deactivated do
// not, and why says so. user is the id of an account of the workspace, or an [AccountID].
func (c *Client) Standing(ctx context.Context, user string) (ok bool, why string, err error) {
	team, id := c.o.Team, user
	if !userID.MatchString(user) {
		if team, id, err = ParseAccount(user); err != nil {
			return false, "", err
		}
	}
	if team != c.o.Team {
		return false, "the account is of another workspace", nil
	}
	u, err := c.User(ctx, id)
	if errs.Is(err, errs.NotFound) {
		return false, "the workspace has no such account", nil
	}
	if err != nil {
		return false, "", err
	}
	who := "the account @" + u.Handle
	switch {
	case u.Gone:
		return false, who + " is deactivated", nil
	case u.Away:
		return false, who + " is of another workspace", nil
	case u.Bot:
		return false, who + " is a bot", nil
	case u.Guest:
		return false, who + " is a guest", nil
	case u.Invited:
		return false, who + " was invited and never came", nil
	}
	return true, "", nil
}

// Group reads the accounts in a user group, by their ids, sorted. A group that is not there, or was
// disabled, is [errs.NotFound].
func (c *Client) Group(ctx context.Context, id string) ([]string, error) {
	const op = "slack.group"
	if !groupID.MatchString(id) {
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("%q is not the id of a user group of Slack", card.Line(id, 60))).Hint("write the id of the group, which begins with S")
	}
	var got struct {
		Users *[]string `json:"users"`
	}
	if err := c.Call(ctx, op, "usergroups.users.list", url.Values{"usergroup": {id}}, &got, false); err != nil {
		return nil, err
	}
	if got.Users == nil {
		return nil, errs.E(op, errs.Unavailable, errors.New("the answer of Slack does not say who is in the user group")).Hint(Later)
	}
	users := *got.Users
	users = slices.DeleteFunc(users, func(u string) bool { return !userID.MatchString(u) })
	slices.Sort(users)
	return slices.Compact(users), nil
}
