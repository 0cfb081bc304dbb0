//go:build !prove

package gitlab

// everyPoint: the bot is killed at a few points, and at all with the tag prove.
const (
	everyPoint = false
	handsOver  = false
	atOnce     = "8" // stories that are told beside each other: each mostly waits
)

var sweptOrders = []string{"together"}
