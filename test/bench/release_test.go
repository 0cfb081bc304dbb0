package main

import (
	"testing"

	"slipway/bot/playbook"
)

// TestTheMeasuredReleaseIsOne: what is measured is the playbook that comes with Slipway, as it is now.
func TestTheMeasuredReleaseIsOne(t *testing.T) {
	o, err := releaseOptions()
	if err != nil {
		t.Fatal(err)
	}
	p, err := playbook.Parse("release.yaml", o.sources["release.yaml"])
	if err != nil {
		t.Fatal(err)
	}
	if checked, found := playbook.Check(p, o.known); checked == nil {
		t.Error(playbook.Errors(found))
	}
}
