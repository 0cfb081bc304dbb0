package gitlab

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"slipway/bot/view"
	fake "slipway/test/fakes/gitlab"
)

// writes are the requests by which a release changes something on GitLab.
func writes(handover bool) []fake.Fault {
	out := []fake.Fault{
		{Method: "POST", Path: "/projects/*/issues/*/discussions"},
		{Method: "POST", Path: "/projects/*/issues/*/discussions/*/notes"},
		{Method: "PUT", Path: "/projects/*/issues/*/notes/*"},
		{Method: "POST", Path: "/maria/harbour.git/git-receive-pack"},
		{Method: "POST", Path: "/yard/harbour.git/git-receive-pack"},
		{Method: "POST", Path: "/projects/*/releases"},
		{Method: "PUT", Path: "/projects/*/milestones/*"},
	}
	if handover {
		out = append(out, fake.Fault{Method: "POST", Path: "/projects/*/repository/commits"}, fake.Fault{Method: "POST", Path: "/projects/*/merge_requests"})
	}
	return out
}

// TestEveryWriteFailsOnce: whatever becomes of the first of each kind of request that changes
// something, the release comes to the end of one in which all went well, and nothing is there twice.
func TestEveryWriteFailsOnce(t *testing.T) {
	t.Parallel()
	for _, kind := range failures {
		t.Run(strings.ReplaceAll(string(kind), " ", "_"), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, shape{handover: allFailures, edit: func(w *world) {
				for _, f := range writes(allFailures) {
					if kind == fake.Conflict && strings.Contains(f.Path, "/issues/") {
						continue // comments are in conflict with nothing
					}
					f.Do, f.RetryAfter = kind, time.Second
					w.lab.Fault(f)
				}
			}})
			w.begins()
			tr := w.released(w.drive(func(r view.Run) bool {
				if kind == fake.Conflict { // GitLab refused, so nothing is repeated before somebody has looked
					w.triesAgain(r)
				}
				return false
			}))
			if left := w.lab.ClearFaults(); left > 0 {
				t.Errorf("%d kinds of requests were never made", left)
			}
			for _, line := range []string{"project: refs/tags/" + version + " moved 1 times", "project: refs/heads/master moved 1 times", "fork: refs/heads/master moved 1 times"} {
				if n := strings.Count("\n"+strings.Join(tr.left, "\n")+"\n", "\n"+line+"\n"); n != 1 {
					t.Errorf("%q is there %d times:\n%s", line, n, strings.Join(tr.left, "\n"))
				}
			}
			if got := w.lab.MergeRequests(w.devices); allFailures && (len(got) != 1 || got[0].State != fake.Opened) {
				t.Errorf("there are %d merge requests with the files", len(got))
			}
		})
	}
}

// triesAgain has hana try again each step that is stuck, each time that it is.
func (w *world) triesAgain(r view.Run) {
	w.t.Helper()
	for _, s := range r.Steps {
		if key := fmt.Sprint("again ", s.Path, s.Attempt); s.Status == "stuck" && !w.said[key] {
			w.said[key] = true
			w.comments("hana", "@slipway release retry "+version+" "+s.Path)
		}
	}
}

// awayWords is what is said of a GitLab that does not answer, whatever was to be done there first: the
// notes of the release, or the end of a gate message.
const awayWords = " does not get through since "

// TestGitLabIsAway: while GitLab does not answer, one line on the card says since when and when it is
// tried next; when it is back the release goes on, and the line is gone.
func TestGitLabIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, shape{})
	w.begins()
	r := w.drive(func(r view.Run) bool {
		g, ok := awaited(r, "publish")
		_, there := w.gateNote("Publish harbour " + version + "?")
		return ok && g.Kind == "gate" && there
	})
	w.note("GitLab is away")
	w.lab.Away()
	g, _ := awaited(r, "publish")
	w.until("hana has reacted", func() bool { return w.reacts("hana", "publish", g.Manifest) })
	lines := func() (n int) {
		for _, m := range w.channelMessages() {
			if raw, err := json.Marshal(m.Card); err == nil {
				n += strings.Count(string(raw), awayWords)
			}
		}
		return n
	}
	w.until("the card says it, once", func() bool { return lines() == 1 })
	if why := w.why(); !strings.Contains(why, awayWords) || !strings.Contains(why, "next at ") {
		t.Errorf("why does not say when it is tried next:\n%s", why)
	}
	w.note("GitLab is back")
	w.must(w.lab.Back())
	w.released(w.drive(nil))
	w.until("the line is gone", func() bool { return lines() == 0 })
}
