//go:build !prove

package slack

import "time"

// freshSeeds is how many courses are tried with each number of runs, and lasts how long one is at the most,
// in virtual time.
const (
	freshSeeds = 1
	lasts      = 45 * time.Second
)
