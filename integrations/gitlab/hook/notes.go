package hook

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// maxNote bounds a comment that is read for commands, in bytes. GitLab allows a million characters.
const maxNote = 64 << 10

// machineName are user names that GitLab itself makes for access tokens of projects and groups, for
// service accounts, and for its own workers (docs.gitlab.com, "Project access tokens", "Service
// accounts", "Internal users"). None of them is a person, even if somebody wrote its number into
// people:.
var machineName = regexp.MustCompile(`^(?:project|group)_[0-9]+_bot(?:_|[0-9]|$)|^service_account_|^(?:alert|support|security|automation|visual-review|migration|suggested-reviewers|admin|llm)-bot[0-9]*$|^(?:ghost|gitlab-migration-bot|GitLab-(?:Admin|Security|Automation)-Bot|GitLabDuo|duo-code-review-bot)[0-9]*$`)

// marker begins what ends every message of the bot itself.
const marker = "<!-- slipway "

// writer is who wrote or reacted; why says what keeps them from being heard.
func writer(r *reader, top object, k Known) (id int64, handle, why string) {
	u := r.must(top, "user")
	id, handle = r.id(u, "id"), r.text(u, "username")
	switch {
	case r.err != nil:
	case id == 0:
		r.bad(u, "id", "there")
	case id == k.Bot:
		why = "it is of the bot's own account"
	case machineName.MatchString(handle):
		why = fmt.Sprintf("%s is no person", clipped(handle))
	}
	return id, handle, why
}

// thing is the issue or merge request that a comment or an emoji belongs to.
func thing(r *reader, top object, noteable string, k Known) (place, why string) {
	kind, key := "", ""
	switch noteable {
	case "MergeRequest":
		kind, key = "merge_requests", "merge_request"
	case "Issue":
		kind, key = "issues", "issue"
	case "WorkItem":
		kind, key = "issues", "issue"
		if !top.has(key) {
			key = "work_item"
		}
	default:
		return "", fmt.Sprintf("it is on %s; people speak on issues and merge requests", inWords(noteable))
	}
	o := r.must(top, key)
	iid := r.id(o, "iid")
	if iid == 0 {
		r.bad(o, "iid", "there")
	}
	for _, of := range []string{"project_id", "target_project_id"} { // of an issue, and of a merge request
		if kind == "merge_requests" && of == "project_id" {
			continue // GitLab does not always send it, and from a fork it is the fork's
		}
		if id := r.id(o, of); id != 0 && id != k.ID {
			return "", fmt.Sprintf("it is on something of the project %d, and this hook is of %d", id, k.ID)
		}
	}
	return fmt.Sprintf("%d/%s/%d", k.ID, kind, iid), ""
}

// inWords is GitLab's name of a sort of thing, for people.
func inWords(sort string) string {
	switch sort {
	case "MergeRequest":
		return "a merge request"
	case "Issue":
		return "an issue"
	case "Commit":
		return "a commit"
	case "Snippet", "ProjectSnippet":
		return "a snippet"
	case "":
		return "something without a name"
	}
	return "something of the kind " + clipped(sort)
}

// discussion is the id of a thread (docs.gitlab.com, "Discussions API").
var discussion = regexp.MustCompile(`^[0-9a-f]{40}$`)

// note is heard when a person wrote it, now, for everybody who can see the place.
func note(r *reader, top object, k Known) ([]Fact, string) {
	a := r.must(top, "object_attributes")
	id, handle, why := writer(r, top, k)
	if why != "" || r.err != nil {
		return nil, why
	}
	author, text := r.id(a, "author_id"), r.long(a, "note")
	switch action := r.text(a, "action"); {
	case r.text(top, "event_type") == "confidential_note", r.yes(a, "internal"), r.yes(a, "confidential"):
		return nil, "the comment is confidential, and what is answered might not be"
	case r.yes(a, "system"), r.text(a, "type") == "SystemNote":
		return nil, "GitLab itself wrote it"
	case k.Bot != 0 && author == k.Bot:
		return nil, "it is of the bot's own account"
	case action != "create" && !(k.ReadBack && action == "update"):
		return nil, "the comment is not new: edits are not obeyed"
	case strings.Contains(text, marker):
		return nil, "it is, or quotes, a message of the bot"
	case len(text) > maxNote:
		return nil, "the comment is too long to be a command"
	case strings.ContainsFunc(text, func(c rune) bool { return unicode.IsControl(c) && c != '\n' && c != '\r' && c != '\t' }):
		return nil, "the comment has control characters"
	}
	place, why := thing(r, top, r.text(a, "noteable_type"), k)
	if why != "" {
		return nil, why
	}
	if author != 0 && author != id {
		// GitLab's own test of a hook sends the newest comment there is, as of whoever tests.
		return nil, "somebody else than its author had it sent, as a test of the hook does"
	}
	message, thread := r.id(a, "id"), r.text(a, "discussion_id")
	if message == 0 {
		r.bad(a, "id", "there")
	}
	if !discussion.MatchString(thread) {
		thread = "" // it stands in paths
	}
	return []Fact{Said{Account: strconv.FormatInt(id, 10), Handle: handle, Place: place, Message: strconv.FormatInt(message, 10),
		Thread: thread, Text: text, At: r.when(a, "created_at"), Changed: r.text(a, "action") != "create"}}, ""
}

// emoji asks for the emoji of a comment to be read again; who gave which is not taken from here.
func emoji(r *reader, top object, k Known) ([]Fact, string) {
	a := r.must(top, "object_attributes")
	_, _, why := writer(r, top, k)
	if why != "" || r.err != nil {
		return nil, why
	}
	if on := r.text(a, "awardable_type"); on != "Note" {
		return nil, fmt.Sprintf("the emoji is on %s itself; only those on comments count", inWords(on))
	}
	n := r.must(top, "note")
	id := r.id(n, "id")
	if id == 0 {
		r.bad(n, "id", "there")
	}
	if of := r.id(a, "awardable_id"); of != 0 && of != id {
		return nil, "the emoji is on another comment than the one that came with it"
	}
	place, why := thing(r, top, r.text(n, "noteable_type"), k)
	if why != "" {
		return nil, why
	}
	return []Fact{Touched{Place: place, Message: strconv.FormatInt(id, 10)}}, ""
}
