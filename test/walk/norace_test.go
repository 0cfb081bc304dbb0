//go:build !race

package walk

// raced: see the other file.
const raced = false
