//go:build !prove

package gitlab

import fake "slipway/test/fakes/gitlab"

// failures are the ways in which requests fail; the tag prove has all of them.

var failures = []fake.Kind{fake.BadGatewayAfter, fake.TooMany}
