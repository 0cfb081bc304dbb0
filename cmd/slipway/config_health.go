package main

import (
	"net/url"
	"strings"
)

// rawHealth is what the bot compares itself with: {clock: "ntp://ntp.example"}.
type rawHealth struct {
	Clock string `yaml:"clock"` // ntp://HOST[:PORT], or an https or http page whose Date is taken; without one the clock is not compared
}

type healthConfig struct {
	Clock *url.URL // nil: not compared
}

func (r rawConfig) validHealth(_ string, c *config) error {
	if r.Health.Clock == "" {
		return nil
	}
	u, err := url.Parse(strings.TrimSpace(r.Health.Clock))
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "ntp" && u.Scheme != "https" && u.Scheme != "http" {
		return invalid("health: clock "+r.Health.Clock+" names no clock", "write ntp://HOST, or https://HOST/ of a server whose clock is right")
	}
	c.Health.Clock = u
	return nil
}
