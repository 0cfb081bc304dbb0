//go:build prove

package gitlab

import fake "slipway/test/fakes/gitlab"

// failures are the ways in which requests fail.
var failures = []fake.Kind{fake.BadGateway, fake.BadGatewayAfter, fake.InternalError, fake.TooMany, fake.Conflict, fake.Reset, fake.ResetAfter, fake.Cut}
