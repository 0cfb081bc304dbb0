// Package setup makes what a workspace of Slack needs for Slipway, and looks whether it has it: the
// manifest of the app, the scopes of its token, the bot's membership of channels, the address to which
// Slack delivers, Socket Mode, and the clock.
//
// [Scopes] is the one table of what is asked for and why; the manifest and the checks both read it.
// Nothing here changes anything on Slack.
package setup
