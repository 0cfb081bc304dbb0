package forge

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/integrations/gitlab"
)

// What GitLab is in the middle of: a merge that is being made, or one that it has not looked at yet.
func TestWhatGitLabIsStillAtIsWaitedFor(t *testing.T) {
	sha := strings.Repeat("a", 40)
	state, status := "locked", "not_open"
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		one := fmt.Sprintf(`{"id":1,"iid":12,"title":"Fix the berth","state":%q,"sha":%q,"detailed_merge_status":%q,"milestone":{"id":6,"title":"2026.08"},"author":{"id":3,"username":"ada"}}`, state, sha, status)
		switch at := strings.TrimPrefix(r.URL.Path, "/api/v4/projects/4711"); {
		case r.Method == "PUT":
			rw.WriteHeader(http.StatusMethodNotAllowed)
			fmt.Fprint(rw, `{"message":"405 Method Not Allowed"}`)
		case at == "":
			fmt.Fprint(rw, `{"id":4711,"path_with_namespace":"yard/harbour"}`)
		case at == "/milestones":
			fmt.Fprint(rw, `[{"id":6,"project_id":4711,"title":"2026.08","state":"active"}]`)
		case at == "/merge_requests/12":
			fmt.Fprint(rw, one)
		case at == "/merge_requests" && r.URL.Query().Get("state") == state:
			fmt.Fprintf(rw, "[%s]", one)
		default:
			fmt.Fprint(rw, "[]")
		}
	}))
	t.Cleanup(s.Close)
	remote := s.URL + "/yard/harbour.git"
	c, err := gitlab.New(gitlab.Options{URL: s.URL, Token: "x", Now: time.Now, Projects: []gitlab.Project{{Remote: remote, ID: 4711}}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := Milestone{c}.Do(t.Context(), action.Key{}, MilestoneIn{Remote: remote, Title: "2026.08"})
	if err != nil || out.Open != 1 || out.Items[0] != "!12 Fix the berth (ada)" {
		t.Errorf("what is being merged is not in yet: %+v %v", out, err)
	}
	in := MergeIn{Remote: remote, IID: 12, SHA: sha}
	if _, found, err := (Merge{c}).Probe(t.Context(), action.Key{}, in); found || errs.KindOf(err) != errs.Unavailable {
		t.Errorf("while it is being merged: found %v, %v", found, err)
	}
	if _, err := (Merge{c}).Do(t.Context(), action.Key{}, in); errs.KindOf(err) != errs.Unavailable {
		t.Errorf("while it is being merged: %v", err)
	}
	state, status = "opened", "checking"
	if _, err := (Merge{c}).Do(t.Context(), action.Key{}, in); errs.KindOf(err) != errs.Busy || errs.After(err) != 5*time.Second {
		t.Errorf("while GitLab checks it: %v, after %s", err, errs.After(err))
	}
	status = "need_rebase"
	if _, err := (Merge{c}).Do(t.Context(), action.Key{}, in); errs.KindOf(err) != errs.Conflict || !strings.Contains(errs.Text(err), "it must be rebased") {
		t.Errorf("%v", err)
	}
}
