package localci

import (
	"strings"

	"slipway/bot/action"
)

// startByHand runs a pipeline's command in a checkout of its commit. Its output pipeline is the
// folder of what it made.
func startByHand(h *action.Hand) {
	r := h.Repository(h.Text("remote"))
	dir, made := h.Path("checkout"), h.Path("artifacts")
	h.Note("Where a forge runs the pipeline by itself, look at its page instead, and put what it made into %s.", strings.Trim(made, `"`))
	h.Run("[ -d %s ] || git -C %s worktree add --quiet --force --detach %s %s", dir, r, dir, h.Word("commit"))
	h.Run("rm -rf %s", made)
	h.Run("mkdir -p %s", made)
	if h.Word("command") == "" {
		h.Note("Its command is not known.")
		return
	}
	h.Run("( cd %s && CI_COMMIT_SHA=%s CI_COMMIT_REF_NAME=%s CI_ARTIFACTS=%s %s )", dir, h.Word("commit"), h.Word("ref"), made, command(h))
	h.Set("pipeline", made)
	h.Set("url", "''")
}

// command are the words of the command; a first one that looks like an assignment stays a program.
func command(h *action.Hand) string { return "env " + h.Word("command") }

// pipelineByHand says where to look.
func pipelineByHand(h *action.Hand) {
	if h.Known("pipeline") && h.Text("pipeline") != "" {
		h.Note("It is the run %s of the bot's own pipelines. It does not run while the bot is down; begin it yourself where this says that it has not passed:", h.Text("pipeline"))
		h.Note("check out %s and run the command of the step that started it.", h.Text("commit"))
		return
	}
	h.Note("When you ran its command yourself: it passed if the command ended without an error.")
}

// retryByHand says where it is done again.
func retryByHand(h *action.Hand) {
	h.Note("Mend what made it fail, check out %s, and run the command of the step that started it again.", h.Text("commit"))
}

// artifactsByHand names the folder of what a pipeline made.
func (a Artifacts) artifactsByHand(h *action.Hand) {
	switch run := h.Text("pipeline"); {
	case !h.Known("pipeline"):
		h.Set("files", h.Word("pipeline"))
	case run != "" && a.runner != nil:
		h.Set("files", h.Quote(a.runner.dir(run)+"/artifacts"))
	default:
		h.Note("Download what the pipeline made into a folder, and give that.")
		return
	}
	h.Run(`ls -l "$%s"`, h.Name("files"))
}
