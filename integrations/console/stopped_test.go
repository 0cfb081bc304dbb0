package console

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"slipway/bot/errs"
)

// A bot that does not run is said to be so, without the words of a system call.
func TestABotThatIsNotRunning(t *testing.T) {
	c := &Client{Path: filepath.Join(t.TempDir(), "slipway.sock"), Tries: 1}
	_, err := c.Runs(context.Background())
	text := errs.Text(err)
	if !strings.Contains(text, "the bot is not running") || !strings.Contains(text, "slipway serve") || strings.Contains(text, "dial unix") {
		t.Error(text)
	}
}
