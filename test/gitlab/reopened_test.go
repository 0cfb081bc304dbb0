package gitlab

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/bot/finding"
	"slipway/bot/view"
	"slipway/integrations/console/client"
)

// TestAMilestoneIsOpenedAgain: once a release has closed its milestone, people may open it again: before
// the announcement, and when all is over. The release stays as it is, and the bot does not close against
// them; who asks how it is hears that what is put into it is in no release, until it is closed.
func TestAMilestoneIsOpenedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, shape{})
	w.begins()
	reopened := func() int {
		n := 0
		for _, f := range w.findings().Findings {
			if f.Code != "gitlab.milestone_reopened" {
				continue
			}
			if n++; !containsAll(f.What, []string{"the milestone " + version + " of harbour is open again, and " + runName + " has closed it", "is in no release"}) {
				t.Errorf("it is told that %s", f.What)
			}
		}
		return n
	}
	// Whoever is quick opens it before the announcement; in any case it is open when the run ends.
	w.drive(func(view.Run) bool { return w.step("close") == "done" })
	if n := reopened(); n != 0 {
		t.Errorf("%d findings about a milestone that is closed", n)
	}
	w.must(w.lab.ReopenMilestone(w.users["ben"], w.project, version))
	r := w.drive(nil)
	if r.Outcome != "done" {
		t.Fatalf("the run is %s: %s", r.Outcome, strings.Join(r.Lines, "\n"))
	}
	w.settled()
	w.signed()
	if n := reopened(); n != 1 {
		t.Errorf("%d findings about a milestone that is open again", n)
	}
	if m, _ := w.lab.Milestone(w.project, version); m.State != "active" {
		t.Errorf("the milestone is %s: somebody closed it against ben", m.State)
	}
	if mails, err := os.ReadDir(filepath.Join(w.dir, "mailbox", "new")); err != nil || len(mails) != 1 {
		t.Errorf("there are %d mails %v", len(mails), err)
	}
	if got := w.lab.Releases(w.project); len(got) != 1 {
		t.Errorf("GitLab has the releases %+v", got)
	}
	w.must(w.lab.CloseMilestone(w.users["ben"], w.project, version))
	w.until("it is told no more", func() bool { return reopened() == 0 })
}

// findings are what the bot finds when somebody asks it to look at everything now.
func (w *world) findings() (found finding.Report) {
	w.t.Helper()
	c := w.as("hana")
	defer c.Close()
	w.until("everything is looked at", func() bool {
		ctx, cancel := context.WithTimeout(w.ctx, time.Minute)
		defer cancel()
		asked := time.Now()
		var err error
		found, err = client.Get[finding.Report](ctx, c, "/findings", map[string][]string{"fresh": {"true"}})
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			w.t.Fatal(err)
		}
		for _, f := range found.Findings {
			if f.Code == "gitlab.milestone_reopened" && f.Checked.Before(asked) {
				return false
			}
		}
		for _, g := range found.Good {
			if g.Code == "gitlab.milestone_reopened" && g.Checked.Before(asked) {
				return false
			}
		}
		return err == nil
	})
	return found
}
