package forge

import (
	"slices"
	"strings"

	gogitlab "github.com/xanzy/go-gitlab"

	fake "slipway/test/fakes/gitlab"
)

// milestone makes one, as Ada.
func (w *world) milestone(title string) *gogitlab.Milestone {
	w.Helper()
	m, resp, err := w.hand.Milestones.CreateMilestone(w.harbour, &gogitlab.CreateMilestoneOptions{Title: &title})
	return must(w, m, resp, err)
}

// issue opens one, as Ada, in a milestone.
func (w *world) issue(title string, in *gogitlab.Milestone, confidential bool) int {
	w.Helper()
	i, resp, err := w.hand.Issues.CreateIssue(w.harbour, &gogitlab.CreateIssueOptions{Title: &title, MilestoneID: &in.ID, Confidential: &confidential})
	return must(w, i, resp, err).IID
}

// request opens a merge request with a change of its own, as Ada; in may be nil.
func (w *world) request(branch, title string, in *gogitlab.Milestone) *gogitlab.MergeRequest {
	w.Helper()
	w.branch(branch, "master")
	w.save(branch, strings.ReplaceAll(branch, "/", "-")+".txt", title)
	master := "master"
	opt := &gogitlab.CreateMergeRequestOptions{SourceBranch: &branch, TargetBranch: &master, Title: &title}
	if in != nil {
		opt.MilestoneID = &in.ID
	}
	m, resp, err := w.hand.MergeRequests.CreateMergeRequest(w.harbour, opt)
	return must(w, m, resp, err)
}

// releases are those of a tag.
func (w *world) releases(tag string) []fake.Release {
	return slices.DeleteFunc(w.fake.Releases(w.harbour), func(r fake.Release) bool { return r.Tag != tag })
}

func stories() []story {
	return []story{
		{"release", "POST", "/projects/*/releases", func(w *world, n string) (func() error, func()) {
			w.tag("v"+n, "master")
			in := ReleaseIn{Remote: w.remote, Tag: "v" + n, Name: "Harbour " + n, Body: "- berths\n"}
			return func() error { return w.perform("forge.release", in, nil) }, func() {
				if all := w.releases("v" + n); len(all) != 1 || all[0].Name != in.Name || all[0].Description != sealed(in.Body) {
					w.Errorf("the releases are %+v", all)
				}
			}
		}},
		{"changed release", "PUT", "/projects/*/releases/*", func(w *world, n string) (func() error, func()) {
			w.tag("v"+n, "master")
			in := ReleaseIn{Remote: w.remote, Tag: "v" + n, Name: "Harbour " + n, Body: "- berths\n"}
			w.fine(w.do("forge.release", in, nil))
			in.Body = "- berths\n- piers"
			return func() error { return w.perform("forge.release", in, nil) }, func() {
				if all := w.releases("v" + n); len(all) != 1 || all[0].Description != sealed(in.Body) {
					w.Errorf("the releases are %+v", all)
				}
			}
		}},
		{"dropped release", "DELETE", "/projects/*/releases/*", func(w *world, n string) (func() error, func()) {
			w.tag("v"+n, "master")
			w.fine(w.do("forge.release", ReleaseIn{Remote: w.remote, Tag: "v" + n, Name: "Harbour", Body: "- berths\n"}, nil))
			in := DropIn{Remote: w.remote, Tag: "v" + n}
			return func() error { return w.perform("forge.drop_release", in, nil) }, func() {
				if all := w.releases("v" + n); len(all) != 0 || w.fake.Ref(w.harbour, "refs/tags/v"+n) == "" {
					w.Errorf("the releases are %+v, and the tag is %q", all, w.fake.Ref(w.harbour, "refs/tags/v"+n))
				}
			}
		}},
		{"close milestone", "PUT", "/projects/*/milestones/*", func(w *world, n string) (func() error, func()) {
			w.milestone("m" + n)
			in := MilestoneIn{Remote: w.remote, Title: "m" + n}
			return func() error { return w.perform("forge.close_milestone", in, nil) }, w.stands("m"+n, "closed")
		}},
		{"open milestone", "PUT", "/projects/*/milestones/*", func(w *world, n string) (func() error, func()) {
			w.milestone("m" + n)
			in := MilestoneIn{Remote: w.remote, Title: "m" + n}
			w.fine(w.do("forge.close_milestone", in, nil))
			return func() error { return w.perform("forge.open_milestone", in, nil) }, w.stands("m"+n, "active")
		}},
		{"move issues", "PUT", "/projects/*/issues/*", moving},
		{"move merge requests", "PUT", "/projects/*/merge_requests/*", moving},
		{"next milestone", "POST", "/projects/*/milestones", moving},
		{"merge", "PUT", "/projects/*/merge_requests/*/merge", func(w *world, n string) (func() error, func()) {
			m := w.request("berth/"+n, "Fix berth "+n, nil)
			in := MergeIn{Remote: w.remote, IID: m.IID, SHA: m.SHA}
			var out MergeOut
			return func() error { return w.perform("forge.merge", in, &out) }, func() {
				got, _ := w.fake.MergeRequest(w.harbour, m.IID)
				if got.State != fake.Merged || out.MergeCommit != got.MergeCommit || w.fake.Ref(w.harbour, "refs/heads/master") != got.MergeCommit {
					w.Errorf("%+v, and the action gave %s", got, out.MergeCommit)
				}
			}
		}},
		{"propose, its commit", "POST", "/projects/*/repository/commits", proposing},
		{"propose, its request", "POST", "/projects/*/merge_requests", proposing},
		{"withdraw", "PUT", "/projects/*/merge_requests/*", func(w *world, n string) (func() error, func()) {
			m := w.request("berth/"+n, "Fix berth "+n, nil)
			return func() error { return w.perform("forge.withdraw", WithdrawIn{Remote: w.remote, IID: m.IID}, nil) }, func() {
				if got, _ := w.fake.MergeRequest(w.harbour, m.IID); got.State != fake.Closed {
					w.Errorf("%+v", got)
				}
			}
		}},
		{"issue", "POST", "/projects/*/issues", func(w *world, n string) (func() error, func()) {
			in := IssueIn{Remote: w.remote, Title: "Berth " + n, Body: "It leaks.", Labels: []string{"berths"}}
			var out IssueOut
			return func() error { return w.perform("forge.issue", in, &out) }, func() {
				all := slices.DeleteFunc(w.fake.Issues(w.harbour), func(i fake.Issue) bool { return i.Title != in.Title })
				if len(all) != 1 || all[0].IID != out.IID || !slices.Equal(all[0].Labels, in.Labels) || !strings.HasPrefix(all[0].Description, in.Body) {
					w.Errorf("the issues are %+v, and the action gave #%d", all, out.IID)
				}
			}
		}},
		{"close issue", "PUT", "/projects/*/issues/*", func(w *world, n string) (func() error, func()) {
			title := "Berth " + n
			i, resp, err := w.hand.Issues.CreateIssue(w.harbour, &gogitlab.CreateIssueOptions{Title: &title})
			iid := must(w, i, resp, err).IID
			return func() error { return w.perform("forge.close_issue", CloseIssueIn{Remote: w.remote, IID: iid}, nil) }, func() {
				if got, _ := w.fake.Issue(w.harbour, iid); got.State != fake.Closed {
					w.Errorf("%+v", got)
				}
			}
		}},
	}
}

// stands checks the state of a milestone.
func (w *world) stands(title, state string) func() {
	return func() {
		w.Helper()
		if m, _ := w.fake.Milestone(w.harbour, title); m.State != state {
			w.Errorf("the milestone %s is %s, want %s", title, m.State, state)
		}
	}
}

// moving moves two issues and a merge request to a milestone that is made.
func moving(w *world, n string) (func() error, func()) {
	old := w.milestone("old" + n)
	w.issue("First of "+n, old, false)
	w.issue("Second of "+n, old, false)
	w.request("b"+n, "Request of "+n, old)
	in := MoveIn{Remote: w.remote, From: "old" + n, To: "new" + n, Create: true}
	return func() error { return w.perform("forge.move_open", in, nil) }, func() {
		next, found := w.fake.Milestone(w.harbour, "new"+n)
		moved := 0
		for _, i := range w.fake.Issues(w.harbour) {
			if i.Milestone == next.ID {
				moved++
			}
		}
		for _, m := range w.fake.MergeRequests(w.harbour) {
			if m.Milestone == next.ID {
				moved++
			}
		}
		if !found || moved != 3 {
			w.Errorf("the next milestone is there: %v, with %d of 3", found, moved)
		}
	}
}

// proposing proposes two files.
func proposing(w *world, n string) (func() error, func()) {
	in := ProposeIn{Remote: w.remote, Base: "master", Branch: "types-" + n, Message: "Device types of " + n, Title: "Device types of " + n, Body: "From the release.",
		Files: []ProposeFile{{Path: "types/qemu.jinja2", Digest: w.depot.put("qemu " + n)}, {Path: "README", Digest: w.depot.put("new " + n)}}}
	before := w.fake.Ref(w.harbour, "refs/heads/master")
	var out ProposeOut
	return func() error { return w.perform("forge.propose", in, &out) }, func() {
		all := slices.DeleteFunc(w.fake.MergeRequests(w.harbour), func(m fake.MergeRequest) bool { return m.SourceBranch != in.Branch })
		tip := w.fake.Ref(w.harbour, "refs/heads/"+in.Branch)
		if len(all) != 1 || all[0].IID != out.IID || all[0].SHA != tip || out.Commit != tip || all[0].Author != w.bot.ID {
			w.Errorf("the merge requests are %+v, and the action gave %+v", all, out)
			return
		}
		c, resp, err := w.hand.Commits.GetCommit(w.harbour, tip, nil)
		if got := must(w, c, resp, err); !slices.Equal(got.ParentIDs, []string{before}) || plain(got.Message) != in.Message {
			w.Errorf("the commit is %+v", got)
		}
		for _, f := range in.Files {
			raw, resp, err := w.hand.RepositoryFiles.GetRawFile(w.harbour, f.Path, &gogitlab.GetRawFileOptions{Ref: &tip})
			if got := must(w, raw, resp, err); string(got) != string(w.depot[f.Digest]) {
				w.Errorf("%s is %q", f.Path, got)
			}
		}
	}
}
