package setup

import "slices"

// Scope is a permission of the bot's token (docs.slack.dev, "Scopes"), why Slipway wants it, and what of
// Slack's API cannot be had without it.
type Scope struct {
	Name    string
	Why     string
	Methods []string // of the Web API that Slipway calls
	Events  []string // that it subscribes to
	Groups  bool     // only where a role is a user group
}

// Scopes are all that Slipway asks for, by name. The manifest and the doctor read this one table; nothing
// is asked for that no method or event here needs.
func Scopes() []Scope {
	return []Scope{
		{Name: "app_mentions:read", Why: "to hear what is said to it by name", Events: []string{"app_mention"}},
		{Name: "channels:history", Why: "to hear commands in public channels, and to read back what it missed and what it posted itself",
			Methods: []string{"conversations.history", "conversations.replies"}, Events: []string{"message.channels"}},
		{Name: "channels:read", Why: "to see whether it is a member of the public channels that are configured",
			Methods: []string{"conversations.info"}, Events: []string{"channel_archive", "channel_deleted", "channel_left"}},
		{Name: "chat:write", Why: "to post cards, gate messages and answers, and to keep them right", Methods: []string{"chat.postMessage", "chat.update"}},
		{Name: "commands", Why: "for the slash command"},
		{Name: "files:write", Why: "to show pictures of runs and the logs of steps", Methods: []string{"files.getUploadURLExternal", "files.completeUploadExternal"}},
		{Name: "groups:history", Why: "the same in private channels to which it was invited",
			Methods: []string{"conversations.history", "conversations.replies"}, Events: []string{"message.groups"}},
		{Name: "groups:read", Why: "to see whether it is a member of the private channels that are configured",
			Methods: []string{"conversations.info"}, Events: []string{"group_archive", "group_deleted", "group_left"}},
		{Name: "im:history", Why: "to hear what a person says to it alone", Methods: []string{"conversations.history"}, Events: []string{"message.im"}},
		{Name: "im:read", Why: "to find the direct messages in which it may have missed something", Methods: []string{"conversations.list"}},
		{Name: "im:write", Why: "to answer a person alone, and to show private runs to their own people", Methods: []string{"conversations.open"}},
		{Name: "reactions:read", Why: "to read the approvals that are given by reaction", Methods: []string{"reactions.get"}, Events: []string{"reaction_added", "reaction_removed"}},
		{Name: "usergroups:read", Why: "to read who is in the user groups that are roles", Methods: []string{"usergroups.users.list"}, Groups: true},
		{Name: "users:read", Why: "to see that an account is of the workspace, and no guest, bot or closed account", Methods: []string{"users.info", "bots.info"}},
	}
}

// wanted are the scopes of a site that has user groups as roles, or has none.
func wanted(groups bool) (out []Scope) {
	return slices.DeleteFunc(Scopes(), func(s Scope) bool { return s.Groups && !groups })
}

// events are those that the scopes are for, and those that need none, in order and once.
func events(scopes []Scope) (out []string) {
	out = []string{"app_uninstalled", "tokens_revoked"}
	for _, s := range scopes {
		out = append(out, s.Events...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Missing are the scopes that a token lacks. granted is what Slack says of it in X-OAuth-Scopes.
func Missing(granted []string, groups bool) []Scope {
	return slices.DeleteFunc(wanted(groups), func(s Scope) bool { return slices.Contains(granted, s.Name) })
}

// Needless are the scopes of a token that Slipway never uses.
func Needless(granted []string) (out []string) {
	for _, name := range granted {
		if !slices.ContainsFunc(Scopes(), func(s Scope) bool { return s.Name == name }) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
