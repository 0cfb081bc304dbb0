//go:build race

package walk

// raced: the race detector makes everything five to eight times slower, and a walk has one
// goroutine. With it, less is walked; without it, all is.
const raced = true
