//go:build prove

package gitlab

// everyPoint: the bot is killed at all points.
const (
	everyPoint = true
	handsOver  = true
	atOnce     = "18" // stories that are told beside each other: some wait for minutes
)

var sweptOrders = []string{"together", "branch-first"}
