package forge

import (
	"strings"

	"slipway/bot/action"
)

// How a person does these actions: on the pages of GitLab, or with git where that is enough.

// web is the page of the project of a remote.
func web(h *action.Hand) string {
	remote := strings.TrimSuffix(strings.TrimRight(h.Text("remote"), "/"), ".git")
	if rest, ssh := strings.CutPrefix(remote, "git@"); ssh {
		host, path, _ := strings.Cut(rest, ":")
		return "https://" + host + "/" + path
	}
	return remote
}

func milestoneByHand(h *action.Hand) {
	h.Note("On %s/-/milestones, open %s: nothing may be open in it.", web(h), h.Text("title"))
}

func moveByHand(h *action.Hand) {
	if create, _ := h.In["create"].(bool); create {
		h.Note("On %s/-/milestones, make %s if it is not there.", web(h), h.Text("to"))
	}
	h.Note("On %s/-/milestones, open %s, and give every open issue and merge request in it the milestone %s.", web(h), h.Text("from"), h.Text("to"))
}

func moveItemsByHand(h *action.Hand) {
	if create, _ := h.In["create"].(bool); create {
		h.Note("On %s/-/milestones, make %s if it is not there.", web(h), h.Text("to"))
	}
	h.Note("On the pages of %s, give those that still have the milestone %s the milestone %s: %s", web(h), h.Text("from"), h.Text("to"), strings.Join(h.Texts("items"), ", "))
}

func closeByHand(h *action.Hand) {
	h.Note("On %s/-/milestones, open %s, look that nothing is open in it, and close it.", web(h), h.Text("title"))
}

func openByHand(h *action.Hand) {
	h.Note("On %s/-/milestones, under Closed, open %s, and reopen it.", web(h), h.Text("title"))
}

func tagByHand(h *action.Hand) {
	remote, tag := h.Word("remote"), "refs/tags/"+h.Text("tag")
	h.Run("git ls-remote --tags -- %s %s %s", remote, h.Quote(tag), h.Quote(tag+"^{}"))
	if want := h.Text("object"); want != "" {
		h.Run(`test "$(git ls-remote --tags -- %s %s | cut -f1)" = %s`, remote, h.Quote(tag), h.Quote(want))
	}
	h.Set("object", `"$(git ls-remote --tags -- `+remote+" "+h.Quote(tag)+` | cut -f1)"`)
}

func branchByHand(h *action.Hand) {
	h.Set("tip", `"$(git ls-remote --heads -- `+h.Word("remote")+" "+h.Quote("refs/heads/"+h.Text("branch"))+` | cut -f1)"`)
}

func releaseByHand(h *action.Hand) {
	h.Note("On %s/-/releases, make a release of the tag %s with the title %s, or edit the one that is there. These are its notes:", web(h), h.Text("tag"), h.Text("name"))
	if titles := h.Texts("milestones"); len(titles) > 0 {
		h.Note("It names the milestones %s.", strings.Join(titles, ", "))
	}
	h.Run("cat %s", h.File("notes.md", h.Text("body")))
}

func dropByHand(h *action.Hand) {
	h.Note("On %s/-/releases, delete the release of %s. Leave the tag: people and builds have it.", web(h), h.Text("tag"))
}

func number(h *action.Hand) string { return strings.Trim(h.Word("iid"), "'") }

func mergeRequestByHand(h *action.Hand) {
	h.Note("Look at %s/-/merge_requests/%s.", web(h), number(h))
}

func mergeByHand(h *action.Hand) {
	h.Once = "A merge cannot be taken back, only reverted."
	h.Note("On %s/-/merge_requests/%s, look that the newest commit is %s, and merge it. If it says that it was merged, it is done.", web(h), number(h), h.Text("sha"))
}

func proposeByHand(h *action.Hand) {
	h.Look("git ls-remote --heads -- %s %s", h.Word("remote"), h.Quote("refs/heads/"+h.Text("branch")))
	if !h.Known("files") {
		h.Note("Its files are not known yet. Make the branch %s from %s, commit them, push it, and open a merge request.", h.Text("branch"), h.Text("base"))
		return
	}
	r := h.Repository(h.Text("remote"))
	h.Run("git -C %s checkout --quiet -B %s %s", r, h.Word("branch"), h.Quote("refs/remotes/origin/"+h.Text("base")))
	for _, f := range h.Records("files") {
		path, _ := f["path"].(string)
		digest, _ := f["digest"].(string)
		size, _ := f["size"].(int64)
		kept := h.Kept("files/"+path, digest, int(size))
		h.Run("install -D -m 644 %s %s/%s", kept, r, h.Quote(path))
		h.Run("git -C %s add -- %s", r, h.Quote(path))
	}
	h.Run("git -C %s commit --quiet -F %s", r, h.File("message", h.Text("message")))
	h.Run("git -C %s push origin %s", r, h.Quote("HEAD:refs/heads/"+h.Text("branch")))
	h.Note("Open a merge request from %s into %s on %s/-/merge_requests with the title %s.", h.Text("branch"), h.Text("base"), web(h), h.Text("title"))
}

func withdrawByHand(h *action.Hand) {
	h.Note("Close %s/-/merge_requests/%s, unless it was merged.", web(h), number(h))
}

func issueByHand(h *action.Hand) {
	h.Once = "Look first whether the issue is there: an issue that was opened twice has to be closed by hand."
	h.Note("On %s/-/issues, open an issue with the title %s. This is its text:", web(h), h.Text("title"))
	h.Run("cat %s", h.File("issue.md", h.Text("body")))
}

func closeIssueByHand(h *action.Hand) {
	h.Note("Close %s/-/issues/%s.", web(h), number(h))
}
