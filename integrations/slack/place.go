package slack

import (
	"fmt"
	"regexp"
	"strings"

	"slipway/bot/card"
	"slipway/bot/errs"
)

// What ids of Slack are made of. They never change, whatever is renamed.
var (
	teamID    = regexp.MustCompile(`^[TE][A-Z0-9]{2,20}$`)
	channelID = regexp.MustCompile(`^[CGD][A-Z0-9]{2,20}$`)
	userID    = regexp.MustCompile(`^[UW][A-Z0-9]{2,20}$`)
	groupID   = regexp.MustCompile(`^S[A-Z0-9]{2,20}$`)
	messageTS = regexp.MustCompile(`^[0-9]{1,12}\.[0-9]{6}$`)
)

// Place is a channel, or a direct message, of a workspace.
type Place struct {
	Team    string
	Channel string
}

// ID is the name of the place: "T0123/C0456".
func (p Place) ID() string { return p.Team + "/" + p.Channel }

// ParsePlace reads what [Place.ID] wrote. Anything else is [errs.Invalid].
func ParsePlace(id string) (Place, error) {
	team, channel, ok := strings.Cut(id, "/")
	if !ok || !teamID.MatchString(team) || !channelID.MatchString(channel) {
		return Place{}, errs.E("slack.place", errs.Invalid, fmt.Errorf("%q is not a channel of Slack", card.Line(id, 60))).Hint("write TEAM/CHANNEL, with their ids")
	}
	return Place{team, channel}, nil
}

// AccountID is the name of an account: the workspace that it is of, and its id there.
func AccountID(team, user string) string { return team + "/" + user }

// ParseAccount reads what [AccountID] wrote. Anything else is [errs.Invalid].
func ParseAccount(id string) (team, user string, err error) {
	team, user, ok := strings.Cut(id, "/")
	if !ok || !teamID.MatchString(team) || !userID.MatchString(user) {
		return "", "", errs.E("slack.account", errs.Invalid, fmt.Errorf("%q is not an account of Slack", card.Line(id, 60))).Hint("write TEAM/USER, with their ids")
	}
	return team, user, nil
}

// IsChannel, IsUser and IsMessage report whether s is such an id. A message is named by its time.
func IsChannel(s string) bool { return channelID.MatchString(s) }

// IsUser: see [IsChannel].
func IsUser(s string) bool { return userID.MatchString(s) }

// IsMessage: see [IsChannel].
func IsMessage(s string) bool { return messageTS.MatchString(s) }
