package slack

import (
	"slices"
	"strings"
	"testing"

	"slipway/bot/view"
	fake "slipway/test/fakes/slack"
)

// TestForms answers questions by forms that buttons open, and rejects a gate by one.
func TestForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t, shape{})
	w.begins()
	w.until("the card has the button", func() bool { return w.button(w.card(), "Answer checklist") })
	form := w.opens("hana", w.card(), "Answer checklist")
	if got := fields(form); !slices.Equal(got, []string{"f:merged", "f:moved"}) {
		t.Errorf("the form has the fields %v", got)
	}
	w.note("hana sends the form without what it needs")
	if _, err := w.slack.Submit(w.users["hana"], form.ID, nil); err == nil {
		t.Error("the form takes nothing at all")
	}
	w.submits("hana", form, map[string]string{"f:merged": "true"})
	w.until("what she answered is thanked for", func() bool { return len(w.ours(w.room, "thank you, recorded")) == 1 })
	w.until("the card asks tessa", func() bool { return w.button(w.card(), "Answer tested") })
	form = w.opens("tessa", w.card(), "Answer tested")
	w.submits("tessa", form, map[string]string{"f:good": "yes", "f:how": `by hand; "two boards" & <more>`})
	w.drive(func(r view.Run) bool { _, ok := awaited(r, "go"); return ok })
	w.until("the gate can be rejected", func() bool { m, ok := w.gateMessage("go"); return ok && w.button(m, "Reject…") })
	m, _ := w.gateMessage("go")
	form = w.opens("ben", m, "Reject…")
	w.submits("ben", form, map[string]string{"f:reason": "the lamps are out"})
	w.until("the gate is rejected", func() bool { r, err := w.look(); return err == nil && r.Status == "ended" && r.Outcome != "done" })
	history := w.timeline()
	for _, words := range []string{"Tessa Tide answered tested", "rejects go: the lamps are out"} {
		if !strings.Contains(history, words) {
			t.Errorf("the history does not say %q:\n%s", words, history)
		}
	}
}

// TestAFormOfAStranger is refused in words, and changes nothing.
func TestAFormOfAStranger(t *testing.T) {
	t.Parallel()
	w := newWorld(t, shape{unlinked: []string{"tessa"}})
	w.begins()
	w.until("the card has the button", func() bool { return w.button(w.card(), "Answer checklist") })
	_, err := w.slack.Press(w.users["tessa"], w.room, w.card().TS, "Answer checklist")
	w.must(err)
	w.until("she is told why there is no form", func() bool {
		all := w.slack.Views(w.users["tessa"])
		return len(all) == 1 && strings.Contains(text(asAny(all[0].Blocks)), "nobody is known whose account this is")
	})
}

func asAny(blocks []map[string]any) (out []any) {
	for _, b := range blocks {
		out = append(out, b)
	}
	return out
}

// card is the card of the run.
func (w *world) card() fake.Message {
	for _, m := range w.slack.Ours(w.room) {
		if m.Thread == "" && strings.Contains(wordsOf(m), runName) {
			return m
		}
	}
	return fake.Message{}
}

// button reports whether a message has a button with these words.
func (w *world) button(m fake.Message, words string) bool {
	for _, b := range m.Blocks {
		elements, _ := b["elements"].([]any)
		for _, e := range elements {
			one, _ := e.(map[string]any)
			if one["type"] == "button" && text(one["text"]) == words {
				return true
			}
		}
	}
	return false
}

// opens has a person press a button that opens a form.
func (w *world) opens(person string, m fake.Message, words string) (form fake.View) {
	w.t.Helper()
	w.note(person + " presses " + words)
	_, err := w.slack.Press(w.users[person], w.room, m.TS, words)
	w.must(err)
	w.until("the form is open", func() bool {
		all := w.slack.Views(w.users[person])
		if len(all) > 0 {
			form = all[len(all)-1]
		}
		return len(all) == 1
	})
	return form
}

// submits has a person fill in a form and send it.
func (w *world) submits(person string, form fake.View, values map[string]string) {
	w.t.Helper()
	w.note(person + " sends the form")
	_, err := w.slack.Submit(w.users[person], form.ID, values)
	w.must(err)
	w.until("the form is closed", func() bool { return len(w.slack.Views(w.users[person])) == 0 })
}

// fields are those of a form by their names.
func fields(form fake.View) (out []string) {
	for _, b := range form.Blocks {
		if id, ok := b["block_id"].(string); ok && b["type"] == "input" {
			out = append(out, id)
		}
	}
	return out
}
