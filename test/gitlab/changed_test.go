package gitlab

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway/bot/view"
	fake "slipway/test/fakes/gitlab"
)

// TestTheWorldChanges: what was agreed on is not there any more, or is something else. Each time
// people are told what, and nothing is released.
func TestTheWorldChanges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		at    string // the gate that is open when it happens
		do    func(*world)
		words []string // that people see
	}{
		{"the project is renamed", "go", func(w *world) { w.lab.RenameProject(w.project, "yard/haven") },
			[]string{"the GitLab project", "is yard/haven now; the configuration says yard/harbour"}},
		{"the project is renamed and another one takes its path", "go", func(w *world) {
			w.lab.RenameProject(w.project, "yard/haven")
			w.lab.AddProject(fake.Project{Path: "yard/harbour", Public: true, Open: true, Members: map[int]int{w.users["slipway"]: fake.Maintainer}})
		}, []string{"the GitLab project", "is yard/haven now; the configuration says yard/harbour"}},
		{"the branch is deleted", "go", func(w *world) { w.must(w.lab.SetRef(w.project, w.users["hana"], "refs/heads/master", "")) },
			[]string{"has no branch master any more"}},
		{"master is pushed by force", "go", func(w *world) {
			w.must(w.lab.SetRef(w.project, w.users["ben"], "refs/heads/master", w.lab.Ref(w.project, "refs/heads/fog-horn")))
		}, []string{"the branch master of", "moved from"}},
		{"the tag is there with another target", "go", func(w *world) {
			w.must(w.lab.SetRef(w.project, w.users["ben"], "refs/tags/"+version, w.lab.Ref(w.project, "refs/heads/fog-horn")))
		}, []string{"has the tag " + version + " already"}},
		{"the fork is pushed by force", "tested", func(w *world) {
			w.until("the branch of the fork was read", func() bool { return w.step("fork_tip") == "done" })
			defer w.lab.ClearFaults()
			w.must(w.lab.SetRef(w.fork, w.users["ben"], "refs/heads/master", w.lab.Ref(w.project, "refs/heads/fog-horn")))
		}, []string{"the branch master of", "moved from"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, shape{})
			if c.at == "tested" { // the bot's own push to the fork must not come first
				w.lab.Fault(fake.Fault{Method: "POST", Path: "/maria/harbour.git/git-receive-pack", Times: -1, Do: fake.InternalError})
			}
			w.begins()
			w.drive(func(r view.Run) bool { _, ok := awaited(r, c.at); return ok })
			w.note(c.name)
			c.do(w)
			changed := w.lab.Ref(w.project, "refs/tags/"+version)
			r := w.drive(func(r view.Run) bool { return stuck(r) != "" })
			w.until("why says it", func() bool { return containsAll(w.why(), c.words) })
			w.until("the room is told", func() bool { return len(w.notesWith(c.words)) > 0 })
			t.Logf("%s\n%s", stuck(r), w.why())
			if got := w.lab.Ref(w.project, "refs/tags/"+version); got != changed {
				t.Errorf("there is a tag at %s", got)
			}
			w.nothingIsReleased()
		})
	}
}

// notesWith are the bot's comments that have all of the words.
func (w *world) notesWith(words []string) []fake.Note {
	return slices.DeleteFunc(w.notes(""), func(n fake.Note) bool { return !containsAll(plain(n.Body), words) })
}

func containsAll(text string, words []string) bool {
	for _, one := range words {
		if !strings.Contains(text, one) {
			return false
		}
	}
	return true
}

// stuck is what the run asks of people because it cannot go on.
func stuck(r view.Run) string {
	for _, a := range r.Awaited {
		if a.Kind == "stuck" || a.Kind == "doubtful" {
			return fmt.Sprintf("%s %s: %s: %s", a.Step, a.Kind, a.What, a.Message)
		}
	}
	if r.Status == "ended" {
		return r.Outcome
	}
	return ""
}

func (w *world) nothingIsReleased() {
	w.t.Helper()
	if got := w.lab.Releases(w.project); len(got) > 0 {
		w.t.Errorf("there is a release: %+v", got)
	}
	if m, _ := w.lab.Milestone(w.project, version); m.State != "active" {
		w.t.Errorf("the milestone is %s", m.State)
	}
	if mails, err := os.ReadDir(filepath.Join(w.dir, "mailbox", "new")); err != nil || len(mails) > 0 {
		w.t.Errorf("there are %d mails %v", len(mails), err)
	}
}

// TestARenamedUser: an account is its number. Who takes the old name of another approves nothing, and
// who got a new one still does.
func TestARenamedUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, shape{})
	w.begins()
	w.drive(func(r view.Run) bool {
		_, ok := awaited(r, "go")
		_, there := w.gateNote("Release harbour " + version + "?")
		return ok && there
	})
	w.lab.RenameUser(w.users["ben"], "benjamin")
	impostor := w.lab.AddUser(fake.User{Username: "ben", Name: "Ben Buoy"}).ID
	w.lab.AddMember(w.project, impostor, fake.Maintainer)
	n, _ := w.gateNote("Release harbour " + version + "?")
	_, err := w.lab.Award(impostor, n.ID, "thumbsup")
	w.must(err)
	_, err = w.lab.Comment(impostor, w.room, "@slipway approve "+version+" go")
	w.must(err)
	account := fmt.Sprintf("gitlab:%d", impostor)
	w.until("what the impostor writes is refused", func() bool { return len(w.notes("I do not know whose account this is ("+account+")")) == 1 })
	w.until("what the impostor gives does not count", func() bool { return len(w.notes("does not count: account "+account)) == 1 })
	r, err := w.look()
	w.must(err)
	g, _ := awaited(r, "go")
	w.until("chen has reacted", func() bool { return w.reacts("chen", "go", g.Manifest) })
	w.until("one approval counts, and only chen's", func() bool { return strings.Contains(w.why(), "1 of 2") })
	if got := w.lab.Ref(w.project, "refs/tags/"+version); got != "" {
		t.Fatal("it was released")
	}
	w.released(w.drive(nil)) // with ben's own emoji, who is benjamin now
}

// TestAMilestoneGetsMore: what comes into the milestone when the release is under way is asked about,
// and goes to the next one.
func TestAMilestoneGetsMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, shape{})
	w.begins()
	w.drive(func(r view.Run) bool { _, ok := awaited(r, "publish"); return ok })
	i, err := w.lab.OpenIssue(w.users["ben"], fake.Issue{Item: fake.Item{Project: w.project, Title: "Paint the crane"}})
	w.must(err)
	w.must(w.lab.SetMilestone(w.users["ben"], fake.IssuePlace(w.project, i.IID), version))
	r := w.drive(func(r view.Run) bool { _, ok := awaited(r, "late"); return ok })
	a, _ := awaited(r, "late")
	const question = "To which milestone does it go?"
	if !containsAll(w.why(), []string{"Paint the crane", question}) {
		t.Errorf("why does not ask: %s\n%s", a.What, w.why())
	}
	if m, _ := w.lab.Milestone(w.project, version); m.State != "active" {
		t.Errorf("the milestone is %s with something open in it", m.State)
	}
	w.comments("hana", "@slipway answer "+version+" late to=2026.09")
	w.released(w.drive(nil))
	next, ok := w.lab.Milestone(w.project, "2026.09")
	if moved, _ := w.lab.Issue(w.project, i.IID); !ok || moved.Milestone != next.ID {
		t.Errorf("the issue is in the milestone %d, and the next one is %d", moved.Milestone, next.ID)
	}
}
