package hook

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"slipway/bot/errs"
)

// Contracts in whose names facts are told.
const (
	pipelineFact  = "ci.pipeline"
	milestoneFact = "forge.milestone"
	requestFact   = "forge.merge_request"
	tagFact       = "forge.tag"
	branchFact    = "forge.branch"
	releaseFact   = "forge.release"
)

// kind is one sort of event that is read.
type kind struct {
	events []string // headers under which it may come
	read   func(*reader, object, Known) (facts []Fact, ignored string)
}

// kinds are the events that say something, by their object_kind.
func kinds() map[string]kind {
	return map[string]kind{
		"push":          {[]string{"Push Hook"}, push},
		"tag_push":      {[]string{"Tag Push Hook"}, tagPush},
		"merge_request": {[]string{"Merge Request Hook"}, mergeRequest},
		"issue":         {[]string{"Issue Hook", "Confidential Issue Hook"}, issue},
		"work_item":     {[]string{"Issue Hook", "Confidential Issue Hook", "Work Item Hook"}, issue},
		"pipeline":      {[]string{"Pipeline Hook"}, pipeline},
		"build":         {[]string{"Job Hook", "Build Hook"}, job},
		"milestone":     {[]string{"Milestone Hook"}, milestone},
		"release":       {[]string{"Release Hook"}, release},
		"note":          {[]string{"Note Hook"}, note},
		"emoji":         {[]string{"Emoji Hook"}, emoji},
	}
}

// Decode says what a stored delivery means. It is pure. What is not for us has no facts and a reason
// in ignored; what cannot be what GitLab sends is [errs.Invalid]. The secrets are not judged again.
func Decode(h Header, body []byte, k Known) (facts []Fact, ignored string, err error) {
	bad := func(cause error, hint string) error {
		return errs.E("gitlab.decode", errs.Invalid, cause).Hint("%s", hint)
	}
	switch {
	case h.Event == "System Hook":
		return nil, "it is of a system hook, and this path is for the hook of one project", nil
	case h.Event == "Service Hook":
		return nil, "it is of an integration, and this path is for the hook of one project", nil
	case strings.HasPrefix(h.Event, "Confidential Note"):
		return nil, "the comment is confidential, and what is answered might not be", nil
	}
	top, err := parse(body)
	if err != nil {
		return nil, "", bad(err, "look at what the hook sends, in GitLab under its recent events")
	}
	r := &reader{}
	what := r.text(top, "object_kind")
	if r.err == nil && what == "" {
		if name := r.text(top, "event_name"); r.err == nil && name != "" {
			return nil, fmt.Sprintf("nothing here depends on %q", clipped(name)), nil
		}
		if r.err == nil {
			r.err = errors.New("the body has no object_kind")
		}
	}
	if r.err != nil {
		return nil, "", bad(r.err, "remove the custom template of the hook in GitLab")
	}
	kind, ours := kinds()[what]
	switch {
	case !ours:
		return nil, fmt.Sprintf("nothing here depends on events of the kind %q", clipped(what)), nil
	case !slices.Contains(kind.events, h.Event):
		return nil, "", bad(fmt.Errorf("the header says %q, and the body %q", clipped(h.Event), clipped(what)), "look at what stands between GitLab and this hook")
	}
	if ignored := r.project(top, k); ignored != "" && r.err == nil {
		return nil, ignored, nil
	}
	if r.err == nil {
		facts, ignored = kind.read(r, top, k)
	}
	if r.err != nil {
		return nil, "", bad(r.err, "look at what the hook sends, in GitLab under its recent events")
	}
	return facts, ignored, nil
}

// project checks that the event is of the one project whose hook this is.
func (r *reader) project(top object, k Known) (ignored string) {
	ids := []int64{r.id(top, "project_id"), r.id(r.object(top, "project"), "id")}
	ids = slices.DeleteFunc(ids, func(id int64) bool { return id == 0 })
	switch {
	case len(ids) == 0 && top.has("group"):
		return "it is of a group, and this hook is of one project"
	case len(ids) == 0 && top.has("project"):
		return "it does not say the number of its project"
	case len(ids) == 0:
		r.bad(top, "project", "there")
	}
	for _, id := range ids {
		if id != k.ID {
			return fmt.Sprintf("it is of the project %d, and this hook is of %d", id, k.ID)
		}
	}
	return ""
}

// happened is one fact with those fields that are there.
func happened(k Known, name string, fields map[string]any) Happened {
	for key, v := range fields {
		if v == "" || v == int64(0) {
			delete(fields, key)
		}
	}
	return Happened{Name: name, Project: k.Project, Fields: fields}
}

// commit is the id of an object; forty zeros stand for one that is not there.
func commit(r *reader, o object, key string) string {
	s := r.text(o, key)
	if strings.Trim(s, "0") == "" {
		return ""
	}
	if (len(s) != 40 && len(s) != 64) || strings.Trim(s, "0123456789abcdef") != "" {
		r.bad(o, key, "the id of a commit")
	}
	return s
}

func push(r *reader, o object, k Known) ([]Fact, string) {
	branch, ok := strings.CutPrefix(r.text(o, "ref"), "refs/heads/")
	if !ok || branch == "" {
		r.bad(o, "ref", "a branch")
	}
	before, after := commit(r, o, "before"), commit(r, o, "after")
	return []Fact{happened(k, branchFact, map[string]any{"branch": branch, "before": before, "tip": after,
		"created": before == "", "deleted": after == ""})}, ""
}

// tagPush: of an annotated tag, after is the tag object and checkout_sha its commit.
func tagPush(r *reader, o object, k Known) ([]Fact, string) {
	tag, ok := strings.CutPrefix(r.text(o, "ref"), "refs/tags/")
	if !ok || tag == "" {
		r.bad(o, "ref", "a tag")
	}
	after := commit(r, o, "after")
	return []Fact{happened(k, tagFact, map[string]any{"tag": tag, "object": after, "commit": commit(r, o, "checkout_sha"),
		"deleted": after == ""})}, ""
}

// mergeRequest also tells of the milestone that the merge request is in, or was: it may have been the
// last open one.
func mergeRequest(r *reader, o object, k Known) ([]Fact, string) {
	a := r.must(o, "object_attributes")
	facts := []Fact{happened(k, requestFact, map[string]any{"iid": r.id(a, "iid"), "action": r.text(a, "action"), "state": r.text(a, "state"),
		"target": r.text(a, "target_branch"), "source": r.text(a, "source_branch"), "sha": commit(r, r.object(a, "last_commit"), "id"),
		"merge_commit": commit(r, a, "merge_commit_sha"), "url": r.text(a, "url")})}
	if fact, in := ofMilestone(r, o, a, k); in {
		facts = append(facts, fact)
	}
	return facts, ""
}

func issue(r *reader, o object, k Known) ([]Fact, string) {
	a := r.must(o, "object_attributes")
	fact, in := ofMilestone(r, o, a, k)
	if !in {
		return nil, "the issue is in no milestone, and was in none"
	}
	return []Fact{fact}, ""
}

// ofMilestone is the fact that something in a milestone changed. The payload has its number alone.
func ofMilestone(r *reader, o, a object, k Known) (Happened, bool) {
	id := r.id(a, "milestone_id")
	moved := r.object(o, "changes").has("milestone_id")
	return happened(k, milestoneFact, map[string]any{"id": id, "action": "items"}), id != 0 || moved
}

func milestone(r *reader, o object, k Known) ([]Fact, string) {
	a := r.must(o, "object_attributes")
	action := r.text(o, "action")
	if action == "" {
		action = r.text(a, "action")
	}
	return []Fact{happened(k, milestoneFact, map[string]any{"id": r.id(a, "id"), "title": r.text(a, "title"), "state": r.text(a, "state"),
		"action": action})}, ""
}

func pipeline(r *reader, o object, k Known) ([]Fact, string) {
	a := r.must(o, "object_attributes")
	return []Fact{happened(k, pipelineFact, map[string]any{"pipeline": r.id(a, "id"), "ref": r.text(a, "ref"), "tag": r.yes(a, "tag"),
		"commit": commit(r, a, "sha"), "state": r.text(a, "status"), "source": r.text(a, "source"), "url": r.text(a, "url")})}, ""
}

// job is told as its pipeline, which is what waits are about.
func job(r *reader, o object, k Known) ([]Fact, string) {
	return []Fact{happened(k, pipelineFact, map[string]any{"pipeline": r.id(o, "pipeline_id"), "ref": r.text(o, "ref"), "tag": r.yes(o, "tag"),
		"commit": commit(r, o, "sha"), "job": r.text(o, "build_name"), "job_state": r.text(o, "build_status")})}, ""
}

func release(r *reader, o object, k Known) ([]Fact, string) {
	return []Fact{happened(k, releaseFact, map[string]any{"tag": r.text(o, "tag"), "name": r.text(o, "name"), "action": r.text(o, "action"),
		"commit": commit(r, r.object(o, "commit"), "id"), "url": r.text(o, "url")})}, ""
}
