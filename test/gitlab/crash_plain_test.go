//go:build !prove

package gitlab

// everyPoint: the bot is killed at a few points, and at all with the tag prove.
const (
	everyPoint = false
	handsOver  = false
)

var sweptOrders = []string{"together"}
