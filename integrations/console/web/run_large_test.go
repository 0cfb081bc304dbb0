package web_test

import (
	"context"
	"strings"
	"testing"

	"slipway/test/fleet"
)

// The page of a very large run does not wait for its picture: that is a part of its own, and a file
// for those without a script.
func TestALargePictureComesLater(t *testing.T) {
	y := newYard(t, fleet.BigYAML(200, 20))
	id, err := y.Big(context.Background(), "9000.1", 60, false)
	if err != nil {
		t.Fatal(err)
	}
	page := y.page("grace", "/runs/"+id)
	if strings.Contains(page, "sw-node") || !strings.Contains(page, "data-later") || !strings.Contains(page, `href="/runs/`+id+`/picture.svg"`) {
		t.Errorf("the page of %d bytes does not leave its picture for later", len(page))
	}
	part := y.page("grace", "/runs/"+id+"?fragment=run-picture")
	if !strings.Contains(part, "<svg") || strings.Contains(part, "data-later") {
		t.Errorf("the part is %.300s", part)
	}
	if few := y.page("grace", "/runs/"+id+"?from=150"); !strings.Contains(few, "s199") {
		t.Error("the later steps are not listed")
	}
}
