package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"slipway/bot/errs"
	"slipway/bot/evidence"
	"slipway/integrations/logkey"
)

// rawEvidence is how runs are proven.
type rawEvidence struct {
	LogKeyFile string `yaml:"log_key_file"` // made by slipway logkey new; outside of state:
}

// validEvidence refuses a key that others can read, or that every copy of the state would carry. One
// that is missing or broken keeps nobody from releasing: what it could not sign waits for it.
func (r rawConfig) validEvidence(dir string, c *config) error {
	if r.Evidence.LogKeyFile == "" {
		return nil
	}
	c.LogKey = beside(dir, r.Evidence.LogKeyFile)
	if inside, err := filepath.Rel(c.State, c.LogKey); err == nil && inside != ".." && !strings.HasPrefix(inside, ".."+string(filepath.Separator)) {
		return invalid(fmt.Sprintf("evidence: log_key_file is %s, inside of the state folder", c.LogKey),
			"keep the key elsewhere, so that a copy of the state is no copy of the key")
	}
	if _, err := logkey.Open(c.LogKey); errs.Is(err, errs.Denied) {
		return errs.E("config", errs.Invalid, fmt.Errorf("evidence: %s", errs.Cause(err))).Hint("%s", errs.HintOf(err))
	}
	return nil
}

// logKey is what signs heads and evidence; nil when none is configured.
func logKey(c *config) evidence.Signer {
	if c.LogKey == "" {
		return nil
	}
	return logkey.At(c.LogKey)
}
