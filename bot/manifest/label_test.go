package manifest

import (
	"slices"
	"testing"
)

func TestWhatIsBoundHasALabelForPeople(t *testing.T) {
	got := Labels([]string{"steps.commit.commit", "steps.payload.digest", "steps.?checklist.?merged.orValue(true)",
		"project.forge == '' ? '' : steps.notes.?page.orValue('')", "inputs.to", "steps.found.tag_object",
		"steps.a.x + ''", "steps.a.x"})
	want := []string{"commit", "payload: digest", "checklist: merged", "notes: page", "inputs.to", "found: tag object", "steps.a.x + ''", "steps.a.x"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
