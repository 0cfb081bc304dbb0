package gitlab

import (
	"errors"
	"strings"
	"testing"

	"slipway/bot/action"
	"slipway/bot/view"
	"slipway/commands/release"
	"slipway/integrations/git"
	"slipway/integrations/gitlab/ci"
	"slipway/integrations/gitlab/forge"
	fake "slipway/test/fakes/gitlab"
)

// errands is a playbook of a site in place of the one for leftovers: it does on GitLab, one thing after
// the other, what a release leaves alone or does only when something went wrong.
const errands = `playbook: release-leftovers
doc: What a release does not do on GitLab.
name: "release/${project.name}/errands-${inputs.version}"
overlap: refuse

inputs:
  version: {type: version}
  to: {type: string}

steps:
  yes: {gate: "1 of release-manager", say: "Do all of it?", binds: ["${inputs.to}"], expires: 1d}
  request: {wait: forge.merge_request@1, with: {remote: "${project.remote}", iid: 1}, until: "merge_request.state == 'opened'", poll: 10s, needs: [yes], deadline: 1d}
  merge: {do: forge.merge@1, with: {remote: "${project.remote}", iid: 1, sha: "${steps.request.sha}"}, needs: [request]}
  item: {do: forge.move_items@1, with: {remote: "${project.remote}", from: "${inputs.version}", to: "${inputs.to}", items: ["!2"], create: true}, needs: [merge]}
  rest: {do: forge.move_open@1, with: {remote: "${project.remote}", from: "${inputs.version}", to: "${inputs.to}"}, needs: [item]}
  shut: {do: forge.close_milestone@1, with: {remote: "${project.remote}", title: "${inputs.version}"}, needs: [rest]}
  again: {do: forge.open_milestone@1, with: {remote: "${project.remote}", title: "${inputs.version}"}, needs: [shut]}
  issue: {do: forge.issue@1, with: {remote: "${project.remote}", title: "Oil the crane", body: "Once a month."}, needs: [again]}
  solved: {do: forge.close_issue@1, with: {remote: "${project.remote}", iid: "${steps.issue.iid}"}, needs: [issue]}
  page: {do: forge.release@1, with: {remote: "${project.remote}", tag: "2026.07", name: "harbour 2026.07", body: "Two lamps."}, needs: [solved]}
  dropped: {do: forge.drop_release@1, with: {remote: "${project.remote}", tag: "2026.07"}, needs: [page]}
  files: {do: git.files@1, with: {remote: "${project.remote}", commit: "2026.07", path: share/device-types}, needs: [dropped]}
  proposal:
    do: forge.propose@1
    with: {remote: "${project.handover}", base: master, branch: types, message: Types, title: Types, body: Types, files: "${steps.files.files}"}
    needs: [files]
  withdrawn: {do: forge.withdraw@1, with: {remote: "${project.handover}", iid: "${steps.proposal.iid}"}, needs: [proposal]}
  start: {do: ci.start@1, with: {remote: "${project.remote}", ref: "2026.07", commit: "${steps.files.commit}", command: ["true"], attempt: 2}, needs: [withdrawn]}
  stopped: {do: ci.cancel@1, with: {remote: "${project.remote}", pipeline: "${steps.start.pipeline}"}, needs: [start]}
  anew: {do: ci.retry@1, with: {remote: "${project.remote}", commit: "${steps.files.commit}", pipeline: "${steps.start.pipeline}"}, needs: [stopped]}
  passed:
    wait: ci.pipeline@1
    with: {remote: "${project.remote}", ref: "2026.07", commit: "${steps.files.commit}", pipeline: "${steps.start.pipeline}"}
    until: "pipeline.state == 'success'"
    poll: 10s
    deadline: 1d
    needs: [anew]
  made:
    do: ci.artifacts@1
    with: {remote: "${project.remote}", ref: "2026.07", commit: "${steps.files.commit}", pipeline: "${steps.start.pipeline}", jobs: [package]}
    needs: [passed]
`

const errandsName = "release/harbour/errands-" + version

// errandsWorld has what the errands need.
func errandsWorld() shape {
	return shape{items: true, handover: true, readEvery: "1s", poll: "10s", book: errands, runName: errandsName, edit: func(w *world) {
		i, err := w.lab.OpenIssue(w.users["ben"], fake.Issue{Item: fake.Item{Project: w.project, Title: "Paint the crane"}})
		w.must(err)
		w.must(w.lab.SetMilestone(w.users["ben"], fake.IssuePlace(w.project, i.IID), version))
		w.hold("2026.07", true) // nobody runs the pipeline before it was stopped
	}}
}

// errands has hana ask for them, and looks at what they leave.
func (w *world) errands() (view.Run, trace) {
	w.t.Helper()
	w.comments("hana", "@slipway release leftovers "+version+" to=2026.09")
	w.drive(func(view.Run) bool { return w.step("anew") == "done" })
	w.hold("2026.07", false)
	r := w.drive(nil)
	if r.Outcome != "done" {
		w.t.Fatalf("the run is %s %s %s: %s", r.Status, r.Outcome, r.Words, strings.Join(r.Lines, "\n"))
	}
	w.until("the card on GitLab says that it is done", func() bool { return len(w.notes("✓ "+errandsName+"\n")) == 1 })
	return r, w.left(r)
}

// onGitLab are the actions that work on GitLab.
func onGitLab(t *testing.T) (all []action.Contract) {
	t.Helper()
	forges, err := forge.Bind(nil, nil)
	pipelines, err2 := ci.Bind(nil, nil)
	gits, err3 := git.Bind(&git.Repositories{}, nil, nil)
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	for _, b := range append(forges, pipelines...) {
		all = append(all, b.Contract)
	}
	for _, b := range gits {
		if c := b.Contract; c.Policy != action.Read && strings.HasPrefix(c.Name, "git.push") {
			all = append(all, c)
		}
	}
	return all
}

// TestEveryActionIsInAStory: what can be done on GitLab is done in a release or among the errands, so
// that the bot is killed at it.
func TestEveryActionIsInAStory(t *testing.T) {
	t.Parallel()
	all := onGitLab(t)
	if len(all) < 20 {
		t.Fatalf("these are too few: %v", all)
	}
	for _, c := range all {
		ref := c.Ref()
		if !strings.Contains(string(release.Playbook), " "+ref) && !strings.Contains(errands, " "+ref) {
			t.Errorf("%s is neither in the release playbook nor among the errands; add it to these", ref)
		}
	}
}
