package forge

import (
	"slices"
	"strings"
	"testing"

	gogitlab "github.com/xanzy/go-gitlab"

	"slipway/bot/action"
)

func releaseText(name, text string) *gogitlab.UpdateReleaseOptions {
	return &gogitlab.UpdateReleaseOptions{Name: &name, Description: &text}
}

func stateEvent(event string) *gogitlab.UpdateMilestoneOptions {
	return &gogitlab.UpdateMilestoneOptions{StateEvent: &event}
}

func TestContractsAreWhole(t *testing.T) {
	bounds, err := Bind(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	set, err := action.NewSet(bounds...)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range set.Contracts() {
		b, err := set.Lookup(c.Ref(), "gitlab")
		if err != nil {
			t.Error(err)
		}
		if c.Doc == "" || c.Shell == "" || c.ByHand == nil || !strings.HasPrefix(c.Name, "forge.") || b.Provider != "gitlab" {
			t.Errorf("%s lacks something: %+v", c.Name, c)
		}
		if (c.Policy == action.Lookup) != (c.Settle > 0) || c.Watched && c.Policy != action.Read {
			t.Errorf("%s: policy %s, settle %s", c.Name, c.Policy, c.Settle)
		}
		if c.Authors != "" {
			if f, found := c.Out.Field(c.Authors); !found || f.Type.Kind != action.List {
				t.Errorf("%s has no list of authors", c.Name)
			}
		}
		if _, err := b.Do(t.Context(), action.Key{}, []byte(`{}`)); err == nil && c.Name != "forge.withdraw" { // that has nothing to do for number 0
			t.Errorf("%s works without a GitLab", c.Name)
		}
		undoes(t, set, c)
	}
}

// undoes checks that the inputs of the undo are filled.
func undoes(t *testing.T, set *action.Set, c action.Contract) {
	if c.Undo == "" {
		return
	}
	undo, err := set.Lookup(c.Undo, "gitlab")
	if err != nil {
		t.Errorf("%s: %v", c.Name, err)
		return
	}
	for _, f := range undo.Contract.In.Fields {
		from, given := c.UndoIn[f.Name]
		if !given && !f.Optional {
			t.Errorf("%s: its undo lacks %s", c.Name, f.Name)
		}
		if !given {
			continue
		}
		side, name, _ := strings.Cut(from, ".")
		of := c.In
		if side == "out" {
			of = c.Out
		}
		if g, found := of.Field(name); !found || g.Type.Kind != f.Type.Kind {
			t.Errorf("%s: %s does not fit %s of its undo", c.Name, from, f.Name)
		}
	}
}

func TestByHandSpeaksOfTheInputs(t *testing.T) {
	bounds, err := Bind(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	in := action.Values{"remote": "git@gitlab.example:yard/harbour.git", "title": "2026.08", "from": "2026.08", "to": "2026.09", "create": true, "tag": "v1", "branch": "next",
		"base": "master", "message": "Take over", "name": "One", "body": "notes", "iid": int64(7), "sha": strings.Repeat("a", 40), "items": []any{"#7"},
		"files": []any{action.Values{"path": "a b.txt", "digest": "sha256:" + strings.Repeat("0", 64)}}}
	for _, b := range bounds {
		h := action.NewHand("it", in, nil, nil, nil, action.Marks{})
		b.Contract.ByHand(h)
		all := strings.Join(slices.Concat(h.Notes, h.Commands, h.Looks), "\n")
		if !strings.Contains(all, "gitlab.example/yard/harbour") && !strings.Contains(all, "gitlab.example:yard/harbour") {
			t.Errorf("%s does not say where:\n%s", b.Contract.Name, all)
		}
	}
}
