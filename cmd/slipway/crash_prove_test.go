//go:build prove

package main

import "slipway/integrations/aptrepo"

// wholeSweep: every occurrence of every point is killed at.
const wholeSweep = true

// lookout looks at archives with the apt of this machine.
func lookout() aptrepo.Looker { return nil }
