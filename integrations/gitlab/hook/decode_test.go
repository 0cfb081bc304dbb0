package hook

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/bot/errs"
)

var update = flag.Bool("update", false, "write the golden files anew")

// events is the header with which GitLab sends each fixture.
func events() map[string]string {
	return map[string]string{
		"build": "Build Hook", "deployment": "Deployment Hook", "feature_flag": "Feature Flag Hook", "issue": "Issue Hook", "job": "Job Hook",
		"member": "Member Hook", "pipeline": "Pipeline Hook", "project": "Project Hook", "push": "Push Hook", "release": "Release Hook",
		"service_merge_request": "Service Hook", "subgroup": "Subgroup Hook", "tag_push": "Tag Push Hook", "vulnerability": "Vulnerability Hook",
		"wiki_page": "Wiki Page Hook", "merge_request": "Merge Request Hook", "group_merge_request": "Merge Request Hook",
		"resource_access_token_group": "Resource Access Token Hook", "resource_access_token_project": "Resource Access Token Hook",
		"milestone_group": "Milestone Hook", "milestone_project": "Milestone Hook",
		"note_commit": "Note Hook", "note_issue": "Note Hook", "note_merge_request": "Note Hook", "note_snippet": "Note Hook",
		"emoji_issue": "Emoji Hook", "emoji_merge_request": "Emoji Hook", "emoji_note_commit": "Emoji Hook", "emoji_note_issue": "Emoji Hook",
		"emoji_note_merge_request": "Emoji Hook", "emoji_note_snippet": "Emoji Hook", "emoji_snippet": "Emoji Hook",
	}
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// of is the hook of the project that a payload is of.
func of(t testing.TB, body []byte) Known {
	t.Helper()
	var p struct {
		ProjectID int64 `json:"project_id"`
		Project   struct {
			ID int64 `json:"id"`
		} `json:"project"`
	}
	_ = json.Unmarshal(body, &p) // hostile ones have none
	if p.Project.ID != 0 {
		p.ProjectID = p.Project.ID
	}
	return Known{Project: "harbour", ID: p.ProjectID, Bot: 99}
}

// told is a decoded delivery in lines.
func told(facts []Fact, ignored string, err error) string {
	var b strings.Builder
	for _, f := range facts {
		switch f := f.(type) {
		case Happened:
			fmt.Fprintf(&b, "happened %s in %s\n", f.Name, f.Project)
			for _, key := range slices.Sorted(maps.Keys(f.Fields)) {
				fmt.Fprintf(&b, "  %s: %v\n", key, f.Fields[key])
			}
		case Said:
			fmt.Fprintf(&b, "said by %s (%s) at %s, message %s, thread %q, %s\n  %q\n", f.Account, f.Handle, f.Place, f.Message, f.Thread, f.At.Format("2006-01-02 15:04:05Z07:00"), f.Text)
		case Touched:
			fmt.Fprintf(&b, "touched message %s at %s\n", f.Message, f.Place)
		}
	}
	if ignored != "" {
		fmt.Fprintf(&b, "ignored: %s\n", ignored)
	}
	if err != nil {
		fmt.Fprintf(&b, "refused: %s\n", errs.Text(err))
	}
	return b.String()
}

// TestEveryPayload decodes GitLab's own examples of every event.
func TestEveryPayload(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d payloads, %v", len(files), err)
	}
	var b strings.Builder
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		event, ok := events()[name]
		if !ok {
			t.Fatalf("nothing says which header %s has", name)
		}
		body := fixture(t, name)
		facts, ignored, err := Decode(Header{Event: event, Hook: "harbour"}, body, of(t, body))
		if err != nil {
			t.Errorf("%s is refused: %s", name, errs.Text(err))
		}
		if (len(facts) == 0) == (ignored == "") {
			t.Errorf("%s: %d facts and ignored for %q", name, len(facts), ignored)
		}
		fmt.Fprintf(&b, "== %s (%s)\n%s\n", name, event, told(facts, ignored, err))
	}
	golden(t, "facts.golden", b.String())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got); -update writes it anew:\n%s", path, diff)
	}
}
