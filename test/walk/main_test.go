package walk

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain: a walk makes millions of short-lived values, so it clears up after them less often.
func TestMain(m *testing.M) {
	debug.SetGCPercent(300)
	os.Exit(m.Run())
}
