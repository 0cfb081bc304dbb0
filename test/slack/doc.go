// Package slack tells what people live through when releases are made from Slack: each test is one
// story, from the line that asks for a release to what is left of it everywhere.
//
// The programs are the real ones, slipway and slipway-signer, as processes of their own; git and the
// mail are real too. Slack alone is played, by one that keeps state, signs, has Slack's limits and
// refuses what Slack refuses. Whatever the tests say, they say as people do: by messages, reactions,
// buttons and forms, and in the console.
package slack
