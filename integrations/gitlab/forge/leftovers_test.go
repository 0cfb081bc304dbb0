package forge

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"slipway/bot/errs"
	"slipway/integrations/gitlab"
	fake "slipway/test/fakes/gitlab"
)

// Between the word of people and the move, one is merged and one is closed: they were done for the old
// milestone, and stay in it.
func TestWhatWasDoneMeanwhileIsNotMoved(t *testing.T) {
	w := newWorld(t)
	w.save("master", "README", "harbour")
	old, next := w.milestone("2026.08"), w.milestone("2026.09")
	merged, closed, open := w.request("berth", "Fix the berth", old), w.issue("Dredge", old, false), w.issue("Paint", old, false)
	in := MoveItemsIn{Remote: w.remote, From: "2026.08", To: "2026.09", Items: []string{"!1 Fix the berth (ada)", "#1 Dredge (ada)", "#2 Paint (ada)"}}
	w.fine(w.do("forge.merge", MergeIn{Remote: w.remote, IID: merged.IID, SHA: merged.SHA}, nil))
	w.fine(w.do("forge.close_issue", CloseIssueIn{Remote: w.remote, IID: closed}, nil))
	if found, err := w.probe("forge.move_items", in, nil); found || err != nil {
		t.Error("found before it was done", err)
	}
	var out MoveOut
	if w.fine(w.do("forge.move_items", in, &out)); !slices.Equal(out.Moved, []string{"#2"}) {
		t.Errorf("moved %v", out.Moved)
	}
	request, _ := w.fake.MergeRequest(w.harbour, merged.IID)
	one, _ := w.fake.Issue(w.harbour, closed)
	two, _ := w.fake.Issue(w.harbour, open)
	if request.Milestone != old.ID || one.Milestone != old.ID || one.State != fake.Closed || two.Milestone != next.ID {
		t.Errorf("!1 is in %d, #1 in %d, #2 in %d; the milestones are %d and %d", request.Milestone, one.Milestone, two.Milestone, old.ID, next.ID)
	}
	if found, err := w.probe("forge.move_items", in, &out); !found || err != nil || !slices.Equal(out.Moved, []string{"#2"}) {
		t.Errorf("found %v %v, %v", found, err, out.Moved)
	}
	in.Items = []string{"#77"}
	w.want(w.do("forge.move_items", in, nil), errs.NotFound, "GitLab has no #77 in "+w.fake.URL+"/yard/harbour")
}

// A folder whose name begins with a dot is a folder like others.
func TestProposalsForHiddenFoldersSeeWhatIsThere(t *testing.T) {
	w := newWorld(t)
	tip := w.save("master", ".gitlab/types/qemu", "one")
	in := ProposeIn{Remote: w.remote, Base: "master", Branch: "types", Message: "Types", Title: "Types",
		Files: []ProposeFile{{Path: ".gitlab/types/qemu", Digest: w.depot.put("one")}}}
	var out ProposeOut
	if w.fine(w.do("forge.propose", in, &out)); out.IID != 0 || out.Commit != tip {
		t.Errorf("there was nothing to propose: %+v", out)
	}
	in.Files[0].Digest = w.depot.put("two")
	if w.fine(w.do("forge.propose", in, &out)); out.IID == 0 {
		t.Errorf("a change was not proposed: %+v", out)
	}
}

// late is a network on which a request arrives twice: the first time its answer was given up.
type late struct{ method, path string }

func (l late) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == l.method && strings.HasSuffix(r.URL.Path, l.path) {
		first := r.Clone(r.Context())
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		first.Body, r.Body = io.NopCloser(bytes.NewReader(body)), io.NopCloser(bytes.NewReader(body))
		resp, err := http.DefaultTransport.RoundTrip(first)
		if err != nil {
			return nil, err
		}
		_ = resp.Body.Close()
	}
	return http.DefaultTransport.RoundTrip(r)
}

// A try that had no answer comes through while the next one is under way: nothing is made twice, and
// nobody is asked about it.
func TestAnEarlierTryComesThroughLate(t *testing.T) {
	w := newWorld(t)
	w.save("master", "README", "harbour")
	w.tag("2026.08", "master")
	old := w.milestone("2026.08")
	w.issue("Dredge", old, false)
	client := func(l late) *gitlab.Client {
		c, err := gitlab.New(gitlab.Options{URL: w.fake.URL, Token: w.fake.AddToken(w.bot.ID), Now: w.now, HTTP: &http.Client{Transport: l},
			Projects: []gitlab.Project{{Remote: w.remote, ID: w.harbour}}})
		w.fine(err)
		return c
	}
	in := ReleaseIn{Remote: w.remote, Tag: "2026.08", Name: "Harbour 2026.08", Body: "- berths"}
	if _, err := (Release{client(late{"POST", "/releases"})}).Do(t.Context(), w.key, in); err != nil || len(w.releases("2026.08")) != 1 {
		t.Errorf("%v; %d releases", err, len(w.releases("2026.08")))
	}
	move := MoveIn{Remote: w.remote, From: "2026.08", To: "2026.09", Create: true}
	out, err := MoveOpen{client(late{"POST", "/milestones"})}.Do(t.Context(), w.key, move)
	if next, found := w.fake.Milestone(w.harbour, "2026.09"); err != nil || !slices.Equal(out.Moved, []string{"#1"}) || !found {
		t.Errorf("%v; moved %v to %+v", err, out.Moved, next)
	}
}

// Names and words may have characters that are not seen. Notes with them are approved long before the
// page is written, so that it would be too late to refuse them.
func TestNotesMayHaveWordsOfAllLanguages(t *testing.T) {
	w := newWorld(t)
	w.save("master", "README", "harbour")
	w.tag("2026.08", "master")
	in := ReleaseIn{Remote: w.remote, Tag: "2026.08", Name: "Harbour 2026.08", Body: "- Ship\u00adping by می\u200cخواهم and 👩\u200d💻\u200b\n" + strings.Repeat("- One more commit of a long history\n", 10000)}
	w.fine(w.do("forge.release", in, nil))
	if found, err := w.probe("forge.release", in, nil); !found || err != nil {
		t.Error("it is not found again", err)
	}
	for _, r := range []string{"\x1b[31m", "\u202e", "\u2067", "\ufeff", "\u2028", "\x00"} {
		in.Body = "- " + r + "berths"
		w.want(w.do("forge.release", in, nil), errs.Invalid, "control characters")
	}
}
