//go:build !prove

package main

import "slipway/integrations/aptrepo"

// wholeSweep: the points of what cannot be taken back are killed at, the rest with the tag prove.
const wholeSweep = false

// lookout looks at archives without apt.
func lookout() aptrepo.Looker { return httpClient{} }
