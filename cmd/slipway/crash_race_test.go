//go:build race

package main

// raced: a bot with the race detector takes seconds to start; it is killed where it pushes, mails
// and publishes. Without it, it is killed at more.
const raced = true
