package git

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"slipway/bot/action"
)

// How a person does these actions with git. The same inputs make the same objects, so that what a
// person makes is what the bot would have made.

func stateByHand(h *action.Hand) {
	r := h.Repository(h.Text("remote"))
	branch := h.Quote("refs/remotes/origin/" + h.Text("branch"))
	h.Run("git -C %s log -1 --oneline %s", r, branch)
	h.Run("git -C %s for-each-ref --sort=version:refname --format='%%(refname:short)' --merged=%s %s", r, branch, h.Quote("refs/tags/"+h.Text("tag_pattern")))
	h.Note("The last release is the highest version among the tags that are listed.")
	h.Set("tip", `"$(git -C `+r+` rev-parse --verify `+branch+`)"`)
}

func findByHand(h *action.Hand) {
	remote, tag := h.Word("remote"), h.Quote("refs/tags/"+h.Text("tag"))
	h.Look("git ls-remote --tags -- %s %s", remote, tag)
	if adopt, _ := h.In["adopt"].(bool); adopt {
		h.Note("The run takes over a tag that is there. Check it with the public key of the project: git verify-tag")
		return
	}
	h.Note("If the tag is there, the release was made before: stop, and find out by whom.")
	h.Run(`test -z "$(git ls-remote --tags -- %s %s)"`, remote, tag)
	for _, output := range []string{"tag_object", "commit", "object", "payload", "fingerprint", "told"} {
		h.Set(output, "''")
	}
}

func logByHand(h *action.Hand) {
	r := h.Repository(h.Text("remote"))
	span := h.Quote(h.Text("from") + ".." + h.Text("to"))
	if h.Text("from") == "" {
		span = h.Word("to")
	}
	h.Run("git -C %s log --no-merges --oneline --abbrev=9 --end-of-options %s --", r, span)
	h.Set("count", `"$(git -C `+r+` rev-list --count --no-merges --end-of-options `+span+` --)"`)
	h.Set("merges", `"$(git -C `+r+` rev-list --count --merges --end-of-options `+span+` --)"`)
	h.Capture("text", "git -C "+r+" log --no-merges --oneline --abbrev=9 --end-of-options "+span+" --")
}

func fileByHand(h *action.Hand) {
	r := h.Repository(h.Text("remote"))
	h.Capture("content", "git -C "+r+" show "+h.Quote(h.Text("commit")+":"+h.Text("path"))+" || :")
}

// prepareByHand makes the same commit: its parent, files, author and date are inputs.
func prepareByHand(h *action.Hand) {
	if made := h.Text("made"); made != "" && h.Known("made") {
		h.Set("commit", h.Quote(made))
		return
	}
	h.Local = true
	r := h.Repository(h.Text("remote"))
	parent := h.Text("commit")
	files := map[string]map[string]any{}
	for _, group := range []string{"files", "prepend", "otherwise"} {
		files[group], _ = h.In[group].(map[string]any)
	}
	if !h.Known("files") || !h.Known("prepend") || !h.Known("otherwise") {
		h.Run("git -C %s checkout --quiet --detach %s", r, h.Quote(parent))
		h.Note("What it changes is not known yet. In this clone, write the changelog entry (dch does it in Debian's form), git commit it, and take the id of that commit.")
		return
	}
	h.Note("This makes the commit of these very bytes, here alone.")
	h.Run("index=%s", h.Path("index"))
	h.Run(`rm -f "$index"`)
	h.Run(`GIT_INDEX_FILE="$index" git -C %s read-tree %s`, r, h.Quote(parent))
	h.Run("prepended=no")
	put := func(group, path string, n int) []string {
		content, _ := files[group][path].(string)
		from := h.File(fmt.Sprintf("%s.%d", group, n), content)
		old := h.Quote(parent + ":" + path)
		write := from
		if group == "prepend" {
			write = "-"
		}
		blob := fmt.Sprintf("blob=$(git -C %s hash-object -w --no-filters --stdin < %s)", r, from)
		if write == "-" {
			blob = fmt.Sprintf("blob=$({ cat %s; git -C %s cat-file blob %s; } | git -C %s hash-object -w --no-filters --stdin)", from, r, old, r)
		}
		return []string{
			fmt.Sprintf("mode=$(git -C %s ls-tree --full-tree %s -- %s | cut -c1-6)", r, h.Quote(parent), h.Quote(path)), blob,
			fmt.Sprintf(`GIT_INDEX_FILE="$index" git -C %s update-index --add --cacheinfo "${mode:-100644},$blob,"%s`, r, h.Quote(path)),
		}
	}
	for n, path := range slices.Sorted(maps.Keys(files["prepend"])) {
		h.Run("if git -C %s cat-file -e %s 2>/dev/null; then", r, h.Quote(parent+":"+path))
		h.Commands = append(h.Commands, put("prepend", path, n+1)...)
		h.Run("prepended=yes")
		h.Run("fi")
	}
	for n, path := range slices.Sorted(maps.Keys(files["files"])) {
		h.Commands = append(h.Commands, put("files", path, n+1)...)
	}
	if len(files["otherwise"]) > 0 {
		h.Run("if [ $prepended = no ]; then")
		for n, path := range slices.Sorted(maps.Keys(files["otherwise"])) {
			h.Commands = append(h.Commands, put("otherwise", path, n+1)...)
		}
		h.Run("fi")
	}
	text := h.Text("message")
	if plain, err := message(text); err == nil && h.Known("message") {
		text = plain
	}
	h.Run(`tree=$(GIT_INDEX_FILE="$index" git -C %s write-tree)`, r)
	h.Run(`made=$(%s git -C %s commit-tree -p %s -F %s "$tree")`, identityByHand(h), r, h.Quote(parent), h.File("message", text))
	if commit, _ := h.Out["commit"].(string); commit != "" {
		h.Run(`test "$made" = %s`, h.Quote(commit))
	} else {
		h.Set("commit", `"$made"`)
	}
	h.Run(`git -C %s update-ref refs/runbook/commit "$made"`, r)
	h.Run(`git -C %s show --stat "$made" --`, r)
}

// identityByHand is the part of the environment on which a commit depends.
func identityByHand(h *action.Hand) string {
	date := "@" + h.Text("date") + " +0000"
	if at, err := epoch(h.Text("date")); err == nil {
		date = fmt.Sprintf("@%d +0000", at)
	}
	var env []string
	for _, who := range []string{"AUTHOR", "COMMITTER"} {
		text := h.Text("author")
		if who == "COMMITTER" && h.Text("committer") != "" {
			text = h.Text("committer")
		}
		name, mail, err := person(strings.ToLower(who), text)
		if err != nil {
			name, mail = text, ""
		}
		env = append(env, "GIT_"+who+"_NAME="+h.Quote(name), "GIT_"+who+"_EMAIL="+h.Quote(mail), "GIT_"+who+"_DATE="+h.Quote(date))
	}
	return strings.Join(env, " ")
}

// payloadByHand writes the bytes under the signature of a tag.
func payloadByHand(h *action.Hand) {
	if made := h.Text("made"); made != "" && h.Known("made") {
		h.Capture("payload", "cat "+h.File("payload", made))
		return
	}
	date := h.Text("date")
	if at, err := epoch(date); err == nil {
		date = fmt.Sprint(at)
	}
	text := h.Text("message")
	if plain, err := message(text); err == nil && h.Known("message") {
		text = plain
	}
	name, mail, err := person("tagger", h.Text("tagger"))
	if err != nil {
		name, mail = h.Text("tagger"), ""
	}
	file := h.File("payload", fmt.Sprintf("object %s\ntype commit\ntag %s\ntagger %s <%s> %s +0000\n\n%s", h.Text("commit"), h.Text("tag"), name, mail, date, text))
	h.Capture("payload", "cat "+file)
	h.Set("digest", `"sha256:$(sha256sum < `+file+` | cut -c1-64)"`)
}

// pushByHand pushes branch and tag as one, if nobody pushed meanwhile.
func pushByHand(h *action.Hand) {
	head, tag := "refs/heads/"+h.Text("branch"), "refs/tags/"+h.Text("tag")
	h.Look("git ls-remote -- %s %s %s", h.Word("remote"), h.Quote(head), h.Quote(tag))
	h.Once = "A tag that was pushed stays: people and builds have it. The push refuses itself if the tag is there, or the branch is not where it was."
	if h.Known("object") && h.Known("commit") {
		h.Note("It is done if the tag is there as object %s, and the branch is at %s or has it in its history.", ObjectID(h.Text("object"), h.Text("commit")), h.Text("commit"))
	} else {
		h.Note("It is done if the tag is there, and its object has the payload that was approved.")
	}
	r := h.Repository(h.Text("remote"))
	h.Run("git -C %s cat-file -e %s", r, h.Quote(h.Text("commit")+"^{commit}"))
	h.Run("git -C %s merge-base --is-ancestor %s %s", r, h.Word("expected"), h.Word("commit"))
	h.Run("object=$(git -C %s hash-object -t tag -w --stdin < %s)", r, h.File("tag", h.Text("object")))
	h.Run(`git -C %s cat-file tag "$object"`, r)
	h.Run(`git -C %s push --atomic --no-verify --no-signed --no-follow-tags --force-with-lease=%s --force-with-lease=%s origin %s "$object":%s`, r,
		h.Quote(head+":"+h.Text("expected")), h.Quote(tag+":"), h.Quote(h.Text("commit")+":"+head), h.Quote(tag))
	h.Result("tag_object", `"$(git ls-remote -- `+h.Word("remote")+" "+h.Quote(tag)+` | cut -f1)"`)
	h.Result("commit", h.Word("commit"))
	h.Result("tag", h.Word("tag"))
}

// pushBranchByHand pushes a branch, if nobody pushed meanwhile.
func pushBranchByHand(h *action.Hand) {
	head := "refs/heads/" + h.Text("branch")
	h.Look("git ls-remote -- %s %s", h.Word("remote"), h.Quote(head))
	h.Note("It is done if the branch is at %s or has it in its history. The push refuses itself if the branch is not where it was.", h.Text("commit"))
	from := h.Text("from")
	if from == "" {
		from = h.Text("remote")
	}
	r := h.Repository(from)
	h.Run("git -C %s cat-file -e %s", r, h.Quote(h.Text("commit")+"^{commit}"))
	h.Run("git -C %s push --no-verify --no-signed --no-follow-tags --force-with-lease=%s %s %s", r,
		h.Quote(head+":"+h.Text("expected")), h.Word("remote"), h.Quote(h.Text("commit")+":"+head))
	h.Set("branch", h.Word("branch"))
	h.Set("commit", h.Word("commit"))
}

// filesByHand puts the files into a folder, under the paths that they are given with.
func filesByHand(h *action.Hand) {
	r, dir := h.Repository(h.Text("remote")), h.Path("files")
	to := h.Text("to")
	if to == "" {
		to = "."
	}
	h.Run("rm -rf %s", dir)
	h.Run("mkdir -p %s/%s", dir, h.Quote(to))
	h.Run("git -C %s archive %s | tar -x -C %s/%s", r, h.Quote(h.Text("commit")+":"+h.Text("path")), dir, h.Quote(to))
	h.Run("find %s -type f", dir)
	h.Set("files", dir)
	h.Set("commit", `"$(git -C `+r+` rev-parse --verify `+h.Quote(h.Text("commit")+"^{commit}")+`)"`)
}

func verifyByHand(h *action.Hand) {
	r := h.Repository(h.Text("remote"))
	h.Run("rm -rf %s", h.Path("gnupg"))
	h.Run("mkdir -m 700 %s", h.Path("gnupg"))
	h.Run("gpg --homedir %s --quiet --import %s", h.Path("gnupg"), h.File("key.asc", h.Text("key")))
	h.Run("GNUPGHOME=%s git -C %s verify-tag --raw %s", h.Path("gnupg"), r, h.Word("tag"))
	h.Note("The line VALIDSIG must name the key %s.", h.Text("fingerprint"))
}
