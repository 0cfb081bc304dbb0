package main

import (
	"slices"
	"strings"
	"testing"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/view"
)

// Attack: a no that was formed on what a message shows is said to something newer. The button says for what
// it is, and there is no form for anything else.
func TestAFormIsForWhatItsMessageShows(t *testing.T) {
	gate := card.GateMessage{Key: "k", RunName: "release/harbour/2026.08", RunID: "id1", Gate: "go", Manifest: "sha256:aa", State: card.Waiting}.Card()
	gate.Blocks = append(gate.Blocks, card.Block{Awaited: []card.Awaited{{Who: "hana", What: "answer", Form: &card.Form{Text: "Answer notes", Run: "id1", Step: "notes", Action: "answer"}}, {Who: "ben", What: "wait"}}})
	c := withForms(gate)
	buttons := c.Blocks[len(c.Blocks)-1].Buttons
	var got []string
	for _, b := range buttons {
		got = append(got, b.ID+" "+b.Text+" "+b.Command)
	}
	if !slices.Equal(got, []string{"form:reject/go Reject… id1 go reject sha256:aa", "form:answer/notes Answer notes id1 notes answer"}) {
		t.Fatalf("the buttons are %q", got)
	}
	r := view.Run{Awaited: []view.Awaited{
		{Step: "go", Kind: "gate", Manifest: "sha256:aa", Actions: []view.Action{{ID: "reject", Text: "Reject", Command: "reject r go --manifest sha256:aa"}}},
		{Step: "notes", Kind: "ask", Actions: []view.Action{{ID: "answer", Text: "Answer"}}}}}
	form := func(ref string) (string, error) {
		asked, ok := readFormRef(ref)
		if !ok {
			return "", errs.E("test", errs.Invalid, nil)
		}
		f, err := formOf(r, asked)
		return f.Action.Command + f.Text, err
	}
	for _, b := range buttons {
		if _, err := form(b.Command); err != nil {
			t.Errorf("%s: %v", b.Command, err)
		}
	}
	if line, err := form("id1 go reject sha256:aa"); err != nil || !strings.HasPrefix(line, "reject r go --manifest sha256:aa") {
		t.Errorf("%s %v", line, err)
	}
	for _, f := range []card.Form{
		{Run: "id1", Step: "notes[the old port]", Action: "answer"},
		{Run: "id1", Step: "go[50% of all + a/b, %20]", Action: "reject", Manifest: "sha256:aa"},
		{Run: "id1", Step: "  Gerät\u00a0\ttür ", Action: "done"},
	} {
		if got, ok := readFormRef(formRef(f)); !ok || got != f {
			t.Errorf("%+v becomes %q, and that %+v", f, formRef(f), got)
		}
	}
	for ref, want := range map[string]string{
		"id1 %zz answer":              "",
		"id1 go reject sha256:bb":     "go shows something else by now than this message",
		"id1 go reject":               "go shows something else by now than this message",
		"id1 notes answer sha256:aa":  "notes shows something else by now",
		"id1 gone answer":             "gone does not wait for that any more",
		"id1 go approve sha256:aa":    "go does not wait for that any more",
		"id1 go":                      "",
		"id1 go reject sha256:aa and": "",
	} {
		if _, err := form(ref); err == nil || !strings.Contains(errs.Text(err), want) {
			t.Errorf("%q: %v", ref, err)
		}
	}
}
