//go:build prove

package gitlab

// everyPoint: the bot is killed at all points.
const (
	everyPoint = true
	handsOver  = true
)

var sweptOrders = []string{"together"}
