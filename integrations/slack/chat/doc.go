// Package chat makes Slack a chat of the bot: cards and gate messages are messages with blocks, answers
// are messages in threads, and emoji on them are reactions.
//
// A message is named by its channel and its time there. It bears the key under which it was posted as
// metadata, which only apps see; only messages of the bot itself are found, read or changed, whatever
// others copy. Nothing of a card is ever read as markup: its text goes into elements in which Slack
// reads none ([Message]).
package chat
