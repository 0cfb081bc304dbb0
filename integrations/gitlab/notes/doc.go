// Package notes makes the comments of GitLab a chat: cards and gate messages are comments of the bot
// in issues and merge requests, and award emoji on them are reactions.
//
// A message that begins a thread (a card) is a discussion and is named by the discussion's id, 40
// hexadecimal digits. A message in a thread (a gate message, an answer) is a note in it and is named
// by the note's id, digits. Each ends with a marker that GitLab does not show: the key under which it
// was posted, and a seal over its text. Only notes of the bot's own account are found, read or
// changed, whatever others copy.
//
// Whoever maintains a project may edit the comments of others (docs.gitlab.com, "Comments and
// threads"). A message of the bot that does not say what the bot wrote has a broken seal: no reaction
// on it is told ([errs.Conflict]), and the next [Poster.Edit] writes it anew, says so in it, and from
// then on counts only reactions that were given later.
package notes

// Source is the name of GitLab's places and accounts.
const Source = "gitlab"
