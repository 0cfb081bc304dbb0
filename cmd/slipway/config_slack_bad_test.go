package main

// The secrets of Slack in tests.
const (
	slackToken    = "xoxb-2210535565-4f6c1f2a9d3b8e7c5a10"
	slackAppToken = "xapp-1-A0123ABCD-7d3b8e7c5a104f6c1f2a9d3b"
	slackSigning  = "8f742231b10e8888abcd99e1f2a385a5"
	slackNext     = "0b7d1f5a9c3e4d2b8a6f7e1c5d9b3a42"
)

// badSlacks are the same for Slack.
func badSlacks() []badConfig {
	const (
		token, signing, app = "token_file: slack-token", "signing_files: [slack-signing]", "  app_token_file: slack-app-token\n"
		channel, rooms      = "channel: C0123ABCD", "rooms: [C0456EFGH]"
	)
	return []badConfig{
		{name: "unknown key of slack", old: token, new: "tokn_file: slack-token"},
		{name: "unknown key of a project's slack", old: "      " + channel, new: "      chanel: C0123ABCD"},
		{name: "no team", old: "  team: T0123ABCD", new: "  #"},
		{name: "team by its name", old: "team: T0123ABCD", new: "team: harbour"},
		{name: "team in small letters", old: "team: T0123ABCD", new: "team: t0123abcd"},
		{name: "no app", old: "  app: A0123ABCD", new: "  #"},
		{name: "app by its name", old: "app: A0123ABCD", new: "app: slipway"},
		{name: "no token of slack", old: "  " + token, new: "  #"},
		{name: "empty token of slack", old: token, new: "token_file: empty"},
		{name: "token of a person on slack", old: token, new: "token_file: slack-user-token"},
		{name: "token of slack that is not there", old: token, new: "token_file: nowhere"},
		{name: "token of slack that others can read", old: token, new: "token_file: open-token"},
		{name: "app-level token in place of the bot's", old: token, new: "token_file: slack-app-token"},
		{name: "the bot's token in place of the app-level one", old: app, new: "  app_token_file: slack-token\n"},
		{name: "empty app-level token", old: app, new: "  app_token_file: empty\n"},
		{name: "no way in", pattern: `(?m)^  (signing_files: \[slack-signing\]|app_token_file: .*)$`, new: ""},
		{name: "signing secret that is not there", old: signing, new: "signing_files: [nowhere]"},
		{name: "empty signing secret", old: signing, new: "signing_files: [empty]"},
		{name: "short signing secret", old: signing, new: "signing_files: [short]"},
		{name: "well-known signing secret", old: signing, new: "signing_files: [known]"},
		{name: "signing secret that others can read", old: signing, new: "signing_files: [open-token]"},
		{name: "signing secret of two lines", old: signing, new: "signing_files: [two-lines]"},
		{name: "signing secret with dashes", old: signing, new: "signing_files: [signing-dashed]"},
		{name: "signing secret without a name", old: signing, new: "signing_files: ['']"},
		{name: "three signing secrets", old: signing, new: "signing_files: [slack-signing, signing-next, hook-token]"},
		{name: "signing secret twice", old: signing, new: "signing_files: [slack-signing, slack-signing]"},
		{name: "signing secret that is a text", old: signing, new: "signing_files: slack-signing"},
		{name: "signed deliveries without a listener", pattern: `(?s)\nwebhooks:\n.*?\n\n(.*?\n)gitlab:\n.*?\n\n`, new: "\ngitlab: {url: https://gitlab.harbour.example, token_file: gitlab-token}\n\n"},
		{name: "slash command without a slash", old: "command: /slipway", new: "command: slipway"},
		{name: "slash command with capitals", old: "command: /slipway", new: "command: /Slipway"},
		{name: "reading slack without a pause", old: "read_every: 1m    #", new: "read_every: 10ms #"},
		{name: "reading slack seldom", old: "read_every: 1m    #", new: "read_every: 2h #"},
		{name: "reading slack now and then", old: "read_every: 1m    #", new: "read_every: often #"},
		{name: "slack without TLS", old: "  command: /slipway", new: "  url: http://slack.example/api\n  command: /slipway"},
		{name: "slack with a password", old: "  command: /slipway", new: "  url: https://bot:sesame@slack.example/api\n  command: /slipway"},
		{name: "slack that is no address", old: "  command: /slipway", new: "  url: slack.example\n  command: /slipway"},
		{name: "account on slack without a team", old: "slack:T0123ABCD/U0456EFGH", new: "slack:U0456EFGH"},
		{name: "account on slack by a name", old: "slack:T0123ABCD/U0456EFGH", new: "slack:@chen"},
		{name: "account of another workspace", old: "slack:T0123ABCD/U0456EFGH", new: "slack:T0999ZZZZ/U0456EFGH"},
		{name: "channel of slack by its name", old: channel, new: "channel: \"#releases\""},
		{name: "channel of slack that is a direct one", old: channel, new: "channel: D0123ABCD"},
		{name: "rooms of slack without a channel", old: "      " + channel, new: "      #"},
		{name: "room of slack by its name", old: rooms, new: "rooms: [releases]"},
		{name: "room of slack twice", old: rooms, new: "rooms: [C0456EFGH, C0456EFGH]"},
		{name: "room of slack that is the channel", old: rooms, new: "rooms: [C0123ABCD]"},
		{name: "told channel of slack by its name", old: "tell: [C0789IJKL]", new: "tell: [all]"},
		{name: "told channel of slack twice", old: "tell: [C0789IJKL]", new: "tell: [C0789IJKL, C0789IJKL]"},
		{name: "channel without a slack", pattern: `(?s)\nslack:\n.*?\n\n`, new: "\n\n"},
	}
}
