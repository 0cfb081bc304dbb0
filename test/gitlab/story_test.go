package gitlab

import (
	"os"
	"strings"
	"testing"

	"slipway/bot/view"
)

// TestARelease is a whole release: of a project that has it tried in a fork before (together), and of
// one that has its branch pushed before its tag.
func TestARelease(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"together", "branch-first"} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, shape{branchFirst: order == "branch-first", items: true, archive: true})
			w.begins()
			w.merged()
			// The pipeline that comes before is waited for, and then the one of the tag.
			step := "branch_built"
			if order == "together" {
				step = "trial_passed"
			}
			w.hold("", true)
			w.drive(func(view.Run) bool { return w.step(step) == "running" })
			w.until("why names the pipeline", func() bool { return strings.Contains(w.why(), step+" is running") })
			if got := w.lab.Ref(w.project, "refs/tags/"+version); got != "" {
				t.Fatal("there is a tag before the pipeline has passed")
			}
			w.hold(version, true)
			w.hold("", false)
			w.drive(func(view.Run) bool { return w.step("built") == "running" })
			w.until("why names the pipeline of the tag", func() bool { return strings.Contains(w.why(), "built is running") })
			w.hold(version, false)
			tr := w.released(w.drive(nil))
			history := w.timeline()
			for _, one := range []string{"ready", step} {
				if words := one + " is done: told by gitlab (delivery"; !strings.Contains(history, words) {
					t.Errorf("the history does not say %q:\n%s", words, history)
				}
			}
			t.Logf("%s\n\nwhat is left:\n%s\n\n%s", strings.Join(w.history, "\n"), strings.Join(tr.left, "\n"), w.page())
			if file := os.Getenv("SLIPWAY_STORIES_ROOM"); file != "" && order == "together" {
				w.must(os.WriteFile(file, []byte(w.page()+"The page of the release on GitLab:\n\n"+w.lab.Releases(w.project)[0].Description+"\n"), 0o644))
			}
		})
	}
}

// begins has hana ask for the release, which waits for what is open in the milestone.
func (w *world) begins() {
	w.t.Helper()
	w.comments("hana", "@slipway release "+version)
	for i, words := range []string{"!1 Add the fog horn (ben)", "!2 Add the second mast (ben)"} {
		if i < len(w.merges) {
			w.until("why names "+words, func() bool { return w.step("ready") != "" && strings.Contains(w.why(), words) })
		}
	}
}

// merged has the merge requests merged.
func (w *world) merged() {
	w.t.Helper()
	for _, iid := range w.merges {
		w.note("hana merges a merge request on GitLab")
		_, err := w.lab.Merge(w.users["hana"], w.project, iid)
		w.must(err)
	}
}
