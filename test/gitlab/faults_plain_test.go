//go:build !prove

package gitlab

import (
	"time"

	fake "slipway/test/fakes/gitlab"
)

// enough is what a whole release may take on a busy machine.
const enough = 1 * time.Minute

// allFailures: the hand-over of files, which looks for a minute what became of a request, is in it too.
const allFailures = false

// failures are the ways in which requests fail; the tag prove has all of them.

var failures = []fake.Kind{fake.BadGatewayAfter, fake.TooMany}
