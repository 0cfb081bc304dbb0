package gitlab

import (
	"strings"
	"testing"
)

func TestACommentBecomesAThreadByAnAnswer(t *testing.T) {
	y, bob, bobs := crew(t, Options{})
	i, err := y.s.OpenIssue(bob.ID, Issue{Item{Project: y.harbour, Title: "Paint"}})
	y.must(err)
	at := y.at("/issues/%d", i.IID)
	n := y.do(201, "POST", at+"/notes", map[string]any{"body": "Which colour?"}).object(t)
	if n["type"] != nil || n["system"] != false || n["noteable_iid"] != 1.0 {
		t.Errorf("the comment: %v", n)
	}
	for _, text := range []any{"", " \n", nil} {
		y.do(400, "POST", at+"/notes", map[string]any{"body": text})
	}
	y.do(400, "POST", at+"/notes", map[string]any{"body": strings.Repeat("x", maxNote+1)})
	d := y.do(200, "GET", at+"/discussions", nil).list(t)
	id := d[0]["id"].(string)
	if len(d) != 1 || len(id) != 40 || d[0]["individual_note"] != true {
		t.Fatalf("discussions: %v", d)
	}
	if a := y.ask(bobs, "POST", at+"/discussions/"+id+"/notes", map[string]any{"body": "Red."}); a.status != 201 {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	if d := y.do(200, "GET", at+"/discussions/"+id, nil).object(t); d["individual_note"] != false || len(d["notes"].([]any)) != 2 {
		t.Errorf("the thread: %v", d)
	}
	notes := y.s.Notes(IssuePlace(y.harbour, i.IID))
	own := at + "/discussions/" + id + "/notes/"
	if a := y.ask(bobs, "PUT", own+text(float64(notes[0].ID)), map[string]any{"body": "x"}); a.status != 403 {
		t.Errorf("somebody changes what another one wrote: %d", a.status)
	}
	before := len(y.told("note"))
	y.do(200, "PUT", own+text(float64(notes[0].ID)), map[string]any{"body": "Which colour?"})
	if len(y.told("note")) != before {
		t.Error("a change that changes nothing is told")
	}
	y.do(200, "PUT", own+text(float64(notes[0].ID)), map[string]any{"body": "What colour?"})
	told := y.told("note")
	attributes := told[len(told)-1]["object_attributes"].(map[string]any)
	if attributes["action"] != "update" || attributes["discussion_id"] != id || told[len(told)-1]["issue"] == nil {
		t.Errorf("the hooks hear of it: %v", attributes)
	}
	y.do(404, "GET", at+"/discussions/"+strings.Repeat("0", 40), nil)
	y.do(204, "DELETE", at+"/notes/"+text(float64(notes[1].ID)), nil)
	if l := y.do(200, "GET", at+"/notes?sort=asc", nil).list(t); len(l) != 1 || l[0]["body"] != "What colour?" {
		t.Errorf("what is left: %v", l)
	}
}

func TestWhatIsHiddenIsToldToOtherHooks(t *testing.T) {
	y, bob, _ := crew(t, Options{})
	guest := y.s.AddUser(User{Username: "guest"})
	y.s.AddMember(y.harbour, guest.ID, Guest)
	guests := y.s.AddToken(guest.ID)
	i, err := y.s.OpenIssue(bob.ID, Issue{Item{Project: y.harbour, Title: "Paint"}})
	y.must(err)
	y.s.AddHook(Hook{Project: y.harbour, URL: "http://127.0.0.1:1/", Events: map[string]bool{"note_events": true}})
	y.s.AddHook(Hook{Project: y.harbour, URL: "http://127.0.0.1:1/", Events: map[string]bool{"confidential_note_events": true}})
	_, err = y.s.CommentInternally(bob.ID, IssuePlace(y.harbour, i.IID), "between us")
	y.must(err)
	if all := y.s.Take(); len(all) != 1 || all[0].Event() != "Confidential Note Hook" {
		t.Errorf("told: %v", all)
	}
	if a := y.ask(guests, "GET", y.at("/issues/1/notes"), nil); string(a.raw) != "[]" {
		t.Errorf("a guest sees %s", a.raw)
	}
	secret, err := y.s.OpenIssue(bob.ID, Issue{Item{Project: y.harbour, Title: "Hole", Confidential: true}})
	y.must(err)
	if a := y.ask(guests, "GET", y.at("/issues/%d", secret.IID), nil); a.status != 404 {
		t.Errorf("a guest sees a confidential issue: %d", a.status)
	}
}

func TestAnEmojiIsGivenOnceAndTakenBackByItsGiver(t *testing.T) {
	y, bob, bobs := crew(t, Options{})
	mr := y.propose(bob.ID, "crane", "crane", MergeRequest{})
	n, err := y.s.Discuss(y.ada.ID, MergePlace(y.harbour, mr.IID), "Shall we?")
	y.must(err)
	at := y.at("/merge_requests/%d/notes/%d/award_emoji", mr.IID, n.ID)
	a := y.ask(bobs, "POST", at, map[string]any{"name": "+1"})
	if a.status != 201 || a.object(t)["name"] != "thumbsup" || a.object(t)["awardable_type"] != "Note" {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	if a := y.ask(bobs, "POST", at, map[string]any{"name": "thumbsup"}); a.status != 404 || !strings.Contains(string(a.raw), "Name has already been taken") {
		t.Errorf("the same again: %d %s", a.status, a.raw)
	}
	y.do(404, "POST", at, map[string]any{"name": "nonsense"})
	y.do(201, "POST", at, map[string]any{"name": "thumbsup"})
	one := at + "/" + text(a.object(t)["id"])
	y.do(401, "DELETE", one, nil)
	if a := y.ask(bobs, "DELETE", one, nil); a.status != 204 {
		t.Errorf("taking it back: %d", a.status)
	}
	y.do(404, "GET", one, nil)
	if left := y.s.Awards(n.ID); len(left) != 1 || left[0].User != y.ada.ID {
		t.Errorf("left: %v", left)
	}
	told := y.told("emoji")
	if len(told) != 3 || told[2]["event_type"] != "revoke" || told[2]["note"].(map[string]any)["id"] != float64(n.ID) ||
		told[2]["merge_request"].(map[string]any)["iid"] != float64(mr.IID) {
		t.Errorf("the hooks heard: %v", told)
	}
	y.must(y.s.Approve(y.ada.ID, y.harbour, mr.IID))
	for _, n := range y.s.Notes(MergePlace(y.harbour, mr.IID)) {
		if n.System {
			if _, err := y.s.Award(bob.ID, n.ID, "thumbsup"); err == nil {
				t.Error("what GitLab wrote itself got an emoji")
			}
		}
	}
}
