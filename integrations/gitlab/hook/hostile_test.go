package hook

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"slipway/bot/errs"
)

// TestHostileBodies: each is a payload of GitLab's with something changed that GitLab never sends, or
// something else altogether. All are refused or ignored, with a reason.
func TestHostileBodies(t *testing.T) {
	noteBody, pushBody := string(fixture(t, "note_merge_request")), string(fixture(t, "push"))
	pipe, award := string(fixture(t, "pipeline")), string(fixture(t, "emoji_note_merge_request"))
	swap := func(in, old, new string) string {
		if !strings.Contains(in, old) {
			t.Fatalf("the payload does not hold %s", old)
		}
		return strings.Replace(in, old, new, 1)
	}
	var b strings.Builder
	for _, c := range []struct{ name, event, body string }{
		{"nothing", "Push Hook", ""},
		{"null", "Push Hook", "null"},
		{"a list", "Push Hook", "[]"},
		{"a text", "Push Hook", `"push"`},
		{"two documents", "Push Hook", pushBody + pushBody},
		{"a form", "Push Hook", "payload=" + pushBody},
		{"not UTF-8", "Push Hook", swap(pushBody, "John Smith", "John \xff")},
		{"a byte order mark", "Push Hook", "\ufeff" + pushBody},
		{"NaN", "Push Hook", swap(pushBody, `"project_id": 15`, `"project_id": NaN`)},
		{"deep lists", "Push Hook", swap(pushBody, `"commits": [`, `"deep": `+strings.Repeat("[", 50)+strings.Repeat("]", 50)+`, "commits": [`)},
		{"very deep lists", "Push Hook", strings.Repeat("[", 1_000_000)},
		{"very deep objects", "Push Hook", strings.Repeat(`{"a":`, 200_000) + "1" + strings.Repeat("}", 200_000)},
		{"two object_kinds", "Push Hook", swap(pushBody, `"object_kind": "push",`, `"object_kind": "note", "object_kind": "push",`)},
		{"two object_kinds, one escaped", "Push Hook", swap(pushBody, `"object_kind": "push",`, `"object\u005fkind": "note", "object_kind": "push",`)},
		{"an object_kind in capitals beside", "Push Hook", swap(pushBody, `"object_kind": "push",`, `"OBJECT_KIND": "push",`)},
		{"two project numbers", "Push Hook", swap(pushBody, `"project_id": 15,`, `"project_id": 15, "project_id": 16,`)},
		{"two notes in one", "Note Hook", swap(noteBody, `"note": "This MR needs work.",`, `"note": "abort", "note": "This MR needs work.",`)},
		{"no object_kind, as a custom template", "Push Hook", `{"text": "somebody pushed"}`},
		{"an object_kind that is a number", "Push Hook", swap(pushBody, `"object_kind": "push"`, `"object_kind": 1`)},
		{"an object_kind with a line end", "Push Hook", swap(pushBody, `"object_kind": "push"`, `"object_kind": "push\n"`)},
		{"another header than body", "Note Hook", pushBody},
		{"no header", "", pushBody},
		{"a system hook", "System Hook", pushBody},
		{"an integration", "Service Hook", noteBody},
		{"another project", "Push Hook", swap(pushBody, `"project_id": 15`, `"project_id": 16`)},
		{"another project inside", "Push Hook", swap(pushBody, `"id": 15`, `"id": 16`)},
		{"no project", "Push Hook", `{"object_kind": "push", "ref": "refs/heads/main"}`},
		{"a project that is null", "Push Hook", `{"object_kind": "push", "project": null, "project_id": null}`},
		{"a project that is a text", "Push Hook", swap(pushBody, `"project_id": 15`, `"project_id": "15"`)},
		{"a project with a fraction", "Push Hook", swap(pushBody, `"project_id": 15`, `"project_id": 15.0`)},
		{"a project below zero", "Push Hook", swap(pushBody, `"project_id": 15`, `"project_id": -15`)},
		{"a huge project", "Push Hook", swap(pushBody, `"project_id": 15`, `"project_id": 1e400`)},
		{"a project beyond 64 bits", "Push Hook", swap(pushBody, `"project_id": 15`, `"project_id": 18446744073709551631`)},
		{"a ref that is a list", "Push Hook", swap(pushBody, `"ref": "refs/heads/master"`, `"ref": ["refs/heads/master"]`)},
		{"a ref of a tag", "Push Hook", swap(pushBody, `"ref": "refs/heads/master"`, `"ref": "refs/tags/v1"`)},
		{"a ref with control characters", "Push Hook", swap(pushBody, `"ref": "refs/heads/master"`, `"ref": "refs/heads/ma\u001b[2Jster"`)},
		{"a very long ref", "Push Hook", swap(pushBody, `"ref": "refs/heads/master"`, `"ref": "refs/heads/`+strings.Repeat("x", 5000)+`"`)},
		{"a commit that is none", "Push Hook", swap(pushBody, `"after": "da15`, `"after": "--upload-pack=da15`)},
		{"attributes that are null", "Pipeline Hook", `{"object_kind": "pipeline", "project": {"id": 1}, "object_attributes": null}`},
		{"attributes that are a list", "Pipeline Hook", `{"object_kind": "pipeline", "project": {"id": 1}, "object_attributes": []}`},
		{"no attributes", "Pipeline Hook", `{"object_kind": "pipeline", "project": {"id": 1}}`},
		{"a pipeline that is a text", "Pipeline Hook", swap(pipe, `"id": 31`, `"id": "31"`)},
		{"a tag that is a number", "Pipeline Hook", swap(pipe, `"tag": false`, `"tag": 0`)},
		{"changes that are a text", "Merge Request Hook", `{"object_kind": "merge_request", "project": {"id": 1}, "object_attributes": {}, "changes": "none"}`},
		{"a commit that is null", "Merge Request Hook", `{"object_kind": "merge_request", "project": {"id": 1}, "object_attributes": {"last_commit": 1}}`},
		{"a user that is null", "Note Hook", swap(noteBody, `"user": {`, `"user": null, "usr": {`)},
		{"a user without a number", "Note Hook", swap(noteBody, `"user": {`, `"user": {}, "usr": {`)},
		{"a user whose number is a text", "Note Hook", swap(noteBody, `"id": 1,`, `"id": "1",`)},
		{"a merge request that is null", "Note Hook", swap(noteBody, `"merge_request": {`, `"merge_request": null, "mr": {`)},
		{"a merge request of another project", "Note Hook", swap(noteBody, `"target_project_id": 5`, `"target_project_id": 6`)},
		{"a note that is an object", "Note Hook", swap(noteBody, `"note": "This MR needs work."`, `"note": {"text": "abort"}`)},
		{"a note with a bell", "Note Hook", swap(noteBody, `This MR needs work.`, `slipway mine\u0007`)},
		{"a note with a zero", "Note Hook", swap(noteBody, `This MR needs work.`, `slipway mine\u0000`)},
		{"a very long note", "Note Hook", swap(noteBody, `This MR needs work.`, strings.Repeat("slipway mine ", 10_000))},
		{"a note on nothing", "Note Hook", swap(noteBody, `"noteable_type": "MergeRequest"`, `"noteable_type": null`)},
		{"a note on something new", "Note Hook", swap(noteBody, `"noteable_type": "MergeRequest"`, `"noteable_type": "Epic"`)},
		{"a time that is none", "Note Hook", swap(noteBody, `"created_at": "2015-05-17 18:21:36 UTC"`, `"created_at": "yesterday"`)},
		{"an award on another comment", "Emoji Hook", swap(award, `"awardable_id": 790`, `"awardable_id": 791`)},
		{"an award on nothing", "Emoji Hook", swap(award, `"note": {`, `"note": null, "nte": {`)},
		{"an award on a comment without a number", "Emoji Hook", swap(swap(award, `"awardable_id": 790`, `"awardable_id": null`), `"id": 790`, `"id": null`)},
		{"an award on a commit", "Emoji Hook", swap(award, `"noteable_type": "MergeRequest"`, `"noteable_type": "Commit"`)},
	} {
		k := of(t, fixture(t, "push"))
		switch c.event {
		case "Note Hook", "Service Hook":
			k.ID = 5
		case "Emoji Hook":
			k.ID = 7
		case "Pipeline Hook", "Merge Request Hook":
			k.ID = 1
		}
		if c.name == "another header than body" {
			k.ID = 15
		}
		facts, ignored, err := Decode(Header{Event: c.event}, []byte(c.body), k)
		if len(facts) > 0 || (ignored == "") == (err == nil) {
			t.Errorf("%s: %d facts, ignored for %q, %v", c.name, len(facts), ignored, err)
		}
		if err != nil && !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: the kind is %s", c.name, errs.KindOf(err))
		}
		fmt.Fprintf(&b, "%s: %s", c.name, told(nil, ignored, err))
	}
	golden(t, "hostile.golden", b.String())
}

// TestOtherProjects: the secret of one project's hook says nothing about another project.
func TestOtherProjects(t *testing.T) {
	for name, event := range events() {
		body := fixture(t, name)
		k := of(t, body)
		k.ID += 1000
		facts, ignored, err := Decode(Header{Event: event}, body, k)
		if len(facts) > 0 || ignored == "" && err == nil {
			t.Errorf("%s: %s", name, told(facts, ignored, err))
		}
	}
}

// change is a payload with some of its fields set anew.
func change(t *testing.T, name string, set map[string]any) []byte {
	t.Helper()
	var top map[string]any
	if err := json.Unmarshal(fixture(t, name), &top); err != nil {
		t.Fatal(err)
	}
	for path, v := range set {
		at := top
		parts := strings.Split(path, ".")
		for _, p := range parts[:len(parts)-1] {
			at = at[p].(map[string]any)
		}
		if v == nil {
			delete(at, parts[len(parts)-1])
		} else {
			at[parts[len(parts)-1]] = v
		}
	}
	out, err := json.Marshal(top)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// heard is what is made of a payload. In GitLab's own examples of comments the author is another account
// than the user, as when a hook is tested; here they are one, unless set says otherwise.
func heard(t *testing.T, name string, set map[string]any) (Fact, string) {
	t.Helper()
	if name == "note_issue" {
		one := map[string]any{"user.id": 42, "object_attributes.author_id": 42}
		if id, other := set["user.id"]; other {
			one["object_attributes.author_id"] = id
		}
		maps.Copy(one, set)
		set = one
	}
	body := change(t, name, set)
	return decoded(t, name, body, of(t, body))
}

func decoded(t *testing.T, name string, body []byte, k Known) (Fact, string) {
	t.Helper()
	facts, ignored, err := Decode(Header{Event: events()[name]}, body, k)
	if err != nil {
		return nil, err.Error()
	}
	if len(facts) == 0 {
		return nil, ignored
	}
	return facts[0], ""
}

// TestWhoSpeaks: people do; tokens, service accounts, GitLab's own workers and the bot do not.
func TestWhoSpeaks(t *testing.T) {
	for _, name := range []string{"note_issue", "note_merge_request", "emoji_note_issue", "emoji_note_merge_request"} {
		for _, handle := range []string{"maria", "project-manager", "projectbot", "project_bot", "group_7_botany", "robot", "ghostwriter", "bot", "support-botanist"} {
			if f, why := heard(t, name, map[string]any{"user.username": handle}); f == nil {
				t.Errorf("%s: %s is not heard: %s", name, handle, why)
			}
		}
		for _, handle := range []string{"project_15_bot", "project_15_bot_4ffca233d8298ea1", "project_15_bot1", "group_7_bot_0a1b2c", "service_account_7f", "service_account_group_12_ab",
			"ghost", "ghost1", "support-bot", "alert-bot", "security-bot", "GitLab-Security-Bot", "GitLabDuo", "duo-code-review-bot"} {
			if f, why := heard(t, name, map[string]any{"user.username": handle}); f != nil || !strings.Contains(why, "no person") {
				t.Errorf("%s: %s is heard, or not for that: %q", name, handle, why)
			}
		}
		if f, why := heard(t, name, map[string]any{"user.id": 99}); f != nil || !strings.Contains(why, "own account") {
			t.Errorf("%s: the bot hears itself: %q", name, why)
		}
	}
	if f, _ := heard(t, "note_issue", map[string]any{"object_attributes.author_id": 99}); f != nil {
		t.Error("a note whose author is the bot is heard")
	}
	for _, set := range []map[string]any{{"user.id": 4321, "object_attributes.author_id": 42}, {"object_attributes.author_id": 1}} {
		if f, why := heard(t, "note_issue", set); f != nil || !strings.Contains(why, "than its author") {
			t.Errorf("a note that another account had sent than its author is heard: %q", why)
		}
	}
	// The number counts, never the name.
	f, _ := heard(t, "note_issue", map[string]any{"user.username": "root", "user.name": "Hana Harbour", "user.id": 4321})
	if s, ok := f.(Said); !ok || s.Account != "4321" {
		t.Errorf("heard as %+v", f)
	}
}

// TestWhatIsNotSaid: only what a person writes anew, for all to see.
func TestWhatIsNotSaid(t *testing.T) {
	for name, set := range map[string]map[string]any{
		"an edit":              {"object_attributes.action": "update"},
		"no action":            {"object_attributes.action": nil},
		"a system note":        {"object_attributes.system": true},
		"an internal note":     {"object_attributes.internal": true},
		"a confidential note":  {"object_attributes.confidential": true},
		"a confidential event": {"event_type": "confidential_note"},
		"the bot's own words":  {"object_attributes.note": "Release 2019.01\n\n<!-- slipway k1 seal=00 -->"},
		"a commit":             {"object_attributes.noteable_type": "Commit"},
	} {
		if f, why := heard(t, "note_issue", set); f != nil || why == "" {
			t.Errorf("%s is heard: %+v", name, f)
		}
	}
	body := fixture(t, "note_issue")
	if facts, why, _ := Decode(Header{Event: "Confidential Note Hook"}, body, of(t, body)); len(facts) > 0 || why == "" {
		t.Error("a confidential note is heard")
	}
	f, _ := heard(t, "note_issue", map[string]any{"object_attributes.discussion_id": strings.Repeat("ab", 20), "object_attributes.note": "one\r\n\ttwo"})
	want := Said{Account: "42", Handle: "user1", Place: "5/issues/17", Message: "1241", Thread: strings.Repeat("ab", 20), Text: "one\r\n\ttwo", At: f.(Said).At}
	if !reflect.DeepEqual(f, want) || want.At.IsZero() {
		t.Errorf("heard as %+v", f)
	}
	// Of an edit that GitLab was asked for, and no webhook told, the author is told; it is not obeyed.
	edit := change(t, "note_issue", map[string]any{"object_attributes.action": "update", "object_attributes.author_id": 42})
	k := of(t, edit)
	if f, why := decoded(t, "note_issue", edit, k); f != nil {
		t.Errorf("an edit is heard: %+v, %s", f, why)
	}
	k.ReadBack = true
	if f, why := decoded(t, "note_issue", edit, k); f == nil || !f.(Said).Changed {
		t.Errorf("an edit that was read back is %+v, %s", f, why)
	}
	body = change(t, "note_issue", map[string]any{"object_attributes.author_id": 42})
	if f, why := decoded(t, "note_issue", body, k); f == nil || f.(Said).Changed {
		t.Errorf("a comment that was read back is %+v, %s", f, why)
	}
	if f, _ := heard(t, "note_issue", map[string]any{"object_attributes.discussion_id": "../../../etc"}); f.(Said).Thread != "" {
		t.Error("an id that is none names a thread")
	}
}

// TestMilestones: what enters or leaves a milestone, or is in one, is told; the milestone is read again.
func TestMilestones(t *testing.T) {
	for _, c := range []struct {
		name string
		set  map[string]any
		want bool
	}{
		{"issue", nil, false},
		{"issue", map[string]any{"object_attributes.milestone_id": 11}, true},
		{"issue", map[string]any{"changes.milestone_id": map[string]any{"previous": 11, "current": nil}}, true},
		{"merge_request", nil, false},
		{"merge_request", map[string]any{"object_attributes.milestone_id": 11}, true},
		{"merge_request", map[string]any{"changes.milestone_id": map[string]any{"previous": 11, "current": nil}}, true},
	} {
		body := change(t, c.name, c.set)
		facts, _, err := Decode(Header{Event: events()[c.name]}, body, of(t, body))
		found := false
		for _, f := range facts {
			h, ok := f.(Happened)
			found = found || ok && h.Name == milestoneFact
		}
		if err != nil || found != c.want {
			t.Errorf("%s with %v: %s", c.name, c.set, told(facts, "", err))
		}
	}
}

func FuzzDecode(f *testing.F) {
	for name, event := range events() {
		f.Add(event, fixture(f, name))
	}
	f.Add("Note Hook", []byte(`{"object_kind":"note","project_id":5,"object_attributes":null,"user":null}`))
	f.Add("Push Hook", []byte(`{"object_kind":"push"`))
	f.Add("Emoji Hook", []byte(`{"\u006f":{},"o":[{"a":"\\\"}"}]}`))
	f.Fuzz(func(t *testing.T, event string, body []byte) {
		k := of(t, body)
		facts, ignored, err := Decode(Header{Event: event}, body, k)
		if n := len(facts); n > 2 || (n > 0) == (ignored != "" || err != nil) || (ignored != "" && err != nil) {
			t.Fatalf("%d facts, ignored for %q, %v", n, ignored, err)
		}
		for _, fact := range facts {
			switch fact := fact.(type) {
			case Said:
				if fact.Account == "" || fact.Message == "" || !strings.HasPrefix(fact.Place, fmt.Sprint(k.ID)+"/") {
					t.Fatalf("%+v", fact)
				}
			case Happened:
				if fact.Project != k.Project || fact.Name == "" {
					t.Fatalf("%+v", fact)
				}
			}
		}
		// Names and depths are understood as encoding/json understands them.
		var top map[string]json.RawMessage
		o, err := parse(body)
		if json.Unmarshal(body, &top) == nil && err == nil && top != nil && len(top) != len(o.fields) {
			t.Fatalf("%d names, not %d", len(o.fields), len(top))
		}
	})
}
