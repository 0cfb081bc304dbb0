//go:build prove

package gitlab

import (
	"time"

	fake "slipway/test/fakes/gitlab"
)

// enough is what a whole release may take on a busy machine when what was lost is waited for.
const enough = 6 * time.Minute

// allFailures: the hand-over of files, which looks for a minute what became of a request, is in it too.
const allFailures = true

// failures are the ways in which requests fail.
var failures = []fake.Kind{fake.BadGateway, fake.BadGatewayAfter, fake.InternalError, fake.TooMany, fake.Conflict, fake.Reset, fake.ResetAfter, fake.Cut}
