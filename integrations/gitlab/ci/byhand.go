package ci

import (
	"strings"

	"slipway/bot/action"
)

// How a person does these actions on the pages of GitLab.

// pages is the address of the project's pages, as far as it follows from that of its repository.
func pages(h *action.Hand) string {
	remote := h.Text("remote")
	if !h.Known("remote") || !strings.HasPrefix(remote, "http") {
		return "the project's page"
	}
	return strings.TrimSuffix(strings.TrimSuffix(remote, "/"), ".git") + "/-/pipelines"
}

func startByHand(h *action.Hand) {
	h.Note("Look at %s for the pipeline of %s, at the commit %s: the push made one. If it did not, press New pipeline there and choose %s.", pages(h), h.Text("ref"), h.Text("commit"), h.Text("ref"))
	h.Set("pipeline", "''")
	h.Set("url", h.Quote(pages(h)))
}

func pipelineByHand(h *action.Hand) {
	h.Note("Look at %s: the pipeline %s of %s, at the commit %s, must have passed.", pages(h), h.Text("pipeline"), h.Text("ref"), h.Text("commit"))
}

func retryByHand(h *action.Hand) {
	h.Note("Press retry on the page of the pipeline %s: %s", h.Text("pipeline"), pages(h))
}

func artifactsByHand(h *action.Hand) {
	h.Note("Download what the jobs of the pipeline %s made (%s) into this folder, without subfolders.", h.Text("pipeline"), pages(h))
	h.Run("mkdir -p %s", h.Path("files"))
	h.Set("files", h.Path("files"))
	h.Run(`ls -l "$%s"`, h.Name("files"))
}
