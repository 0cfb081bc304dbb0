package web

import "testing"

func TestBindName(t *testing.T) {
	for name, want := range map[string]string{
		"steps.commit.commit":                 "commit.commit",
		"steps.?packages.?digest.orValue('')": "packages.digest",
		"inputs.reason":                       "inputs.reason",
	} {
		if got := bindName(name); got != want {
			t.Errorf("%s is shown as %q, not %q", name, got, want)
		}
	}
}
