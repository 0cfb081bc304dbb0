//go:build prove

package gitlab

import fake "slipway/test/fakes/gitlab"

// allFailures: the hand-over of files, which looks for a minute what became of a request, is in it too.
const allFailures = true

// failures are the ways in which requests fail.
var failures = []fake.Kind{fake.BadGateway, fake.BadGatewayAfter, fake.InternalError, fake.TooMany, fake.Conflict, fake.Reset, fake.ResetAfter, fake.Cut}
