package hook

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"slipway/bot/errs"
	"slipway/bot/view"
)

func asked() Press {
	return Press{Account: "T0HARBOUR/U0HANA", Place: "T0HARBOUR/C0REL", Thread: "1700000000.000100", Action: "form:answer", Ref: "2019.01 notes"}
}

// sentForm is the payload of [question] as Slack sends it when it was filled in; given is by name.
func sentForm(given map[string]string) string {
	if given == nil {
		given = map[string]string{"summary": "all is well", "good": "true"}
	}
	return sentAs(question(), given, func(map[string]any) {})
}

// sentAs is the payload of a form, changed by edit.
func sentAs(f Form, given map[string]string, edit func(top map[string]any)) string {
	modal, err := f.View(asked())
	if err != nil {
		panic(err)
	}
	var v map[string]any
	raw, _ := json.Marshal(modal)
	_ = json.Unmarshal(raw, &v)
	values := map[string]any{}
	blocks, _ := v["blocks"].([]any)
	for _, b := range blocks {
		block := b.(map[string]any)
		if block["type"] != "input" {
			continue
		}
		e := block["element"].(map[string]any)
		name := strings.TrimPrefix(block["block_id"].(string), fieldPrefix)
		state := map[string]any{"type": e["type"]}
		value, is := given[name]
		switch {
		case e["type"] == "static_select" && is:
			state["selected_option"] = map[string]any{"value": value}
		case e["type"] == "users_select" && is:
			state["selected_user"] = value
		case e["type"] == "plain_text_input" && is:
			state["value"] = value
		case e["type"] == "plain_text_input":
			state["value"] = nil
		}
		values[block["block_id"].(string)] = map[string]any{e["action_id"].(string): state}
	}
	v["id"], v["state"], v["team_id"], v["app_id"] = "V0FORM", map[string]any{"values": values}, "T0HARBOUR", "A0SLIPWAY"
	top := map[string]any{"type": "view_submission", "team": map[string]any{"id": "T0HARBOUR"}, "user": map[string]any{"id": "U0HANA", "team_id": "T0HARBOUR", "name": "hana.h"},
		"api_app_id": "A0SLIPWAY", "token": "verification", "trigger_id": "9.9.z", "view": v, "response_urls": []any{}}
	edit(top)
	out, _ := json.Marshal(top)
	return string(out)
}

// TestAFormAsItIsShown: each sort of field has what it is filled in with, within Slack's limits.
func TestAFormAsItIsShown(t *testing.T) {
	modal, err := question().View(asked())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.MarshalIndent(modal, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "modal.golden", string(raw)+"\n")
	big := Form{Title: strings.Repeat("t", 500), Text: strings.Repeat("x", 9000), Action: view.Action{Text: strings.Repeat("y", 400), Command: "answer x y"}}
	for i := range 90 {
		big.Action.Fields = append(big.Action.Fields, view.Field{Name: fmt.Sprintf("field%d", i), Type: "string", Help: strings.Repeat("h", 4000), Value: strings.Repeat("v", 4000), Choices: []string{strings.Repeat("c", 200)}})
	}
	modal, err = big.View(asked())
	if err != nil || len([]rune(modal.Title.Text)) > 24 || len([]rune(modal.Submit.Text)) > 24 || len(modal.Blocks.BlockSet) > 100 || len(modal.PrivateMetadata) > 3000 {
		t.Errorf("%v: %d blocks", err, len(modal.Blocks.BlockSet))
	}
	big.Action.Fields = append(big.Action.Fields, view.Field{Name: "one more"})
	for _, f := range []Form{big, {Action: view.Action{Command: strings.Repeat("x", 3000)}}, {Action: view.Action{Command: "x", Fields: []view.Field{{Name: strings.Repeat("n", 300)}}}},
		{Action: view.Action{Command: "x", Fields: []view.Field{{}}}}} {
		if _, err := f.View(asked()); !errs.Is(err, errs.Invalid) || !strings.Contains(errs.HintOf(err), "type it") {
			t.Errorf("a form that does not fit: %v", err)
		}
	}
}

// TestAFormIsALine: what was filled in becomes the line that the same form on the console would make.
func TestAFormIsALine(t *testing.T) {
	for _, c := range []struct {
		given map[string]string
		line  string
	}{
		{map[string]string{"summary": "all is well", "good": "true"}, `answer 2019.01 notes summary="all is well" good=true`},
		{map[string]string{"summary": `say "no" \ 'x'`, "good": "false", "days": " 7 ", "kind": "major", "owner": "U0OSKAR", "reason": "-f", "parts": `["a", 1]`},
			`answer 2019.01 notes summary="say \"no\" \\ 'x'" days=7 good=false kind=major owner=oskar --reason "-f" output="{\"parts\":[\"a\",1]}"`},
		{map[string]string{"summary": "<!channel> & &amp; “x”", "good": "true", "owner": "U0NOBODY"}, `answer 2019.01 notes summary="<!channel> & &amp; “x”" good=true owner=@U0NOBODY`},
	} {
		facts, ignored, err := Decode(Header{Interactive}, []byte(sentForm(c.given)), ours())
		if len(facts) != 1 {
			t.Errorf("%s", told(facts, ignored, err))
			continue
		}
		said := facts[0].(Said)
		over := map[string]string{}
		for name, v := range c.given {
			over[name] = v
		}
		if who := over["owner"]; who != "" {
			over["owner"] = orElse(ours().Person(who), "@"+who)
		}
		console, err := question().Action.Line(over)
		if said.Text != c.line || console != c.line || err != nil {
			t.Errorf("the line is\n%s\non the console\n%s\nwant\n%s", said.Text, console, c.line)
		}
		if said.Account != "T0HARBOUR/U0HANA" || said.Place != "T0HARBOUR/C0REL" || said.Thread != "1700000000.000100" || !said.Addressed || said.Direct || !strings.HasPrefix(said.Message, "form/") {
			t.Errorf("said as %+v", said)
		}
	}
}

// TestErrorsStandAtTheirFields: what cannot be said is told at its field, at once, and says nothing.
func TestErrorsStandAtTheirFields(t *testing.T) {
	good := map[string]string{"summary": "x", "good": "true"}
	for name, bad := range map[string]map[string]string{
		"summary": {"summary": " "}, "days": {"days": "seven"}, "good": {"good": "perhaps"}, "reason": {"reason": "two\nlines"}, "parts": {"parts": "[1"},
	} {
		given := map[string]string{}
		for _, m := range []map[string]string{good, bad} {
			for k, v := range m {
				given[k] = v
			}
		}
		d := newDoor(t, secretA)
		w := d.sends(Interactive, asForm(sentForm(given)))
		var answer struct {
			Action string            `json:"response_action"`
			Errors map[string]string `json:"errors"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 || answer.Action != "errors" || len(answer.Errors) != 1 || answer.Errors[fieldPrefix+name] == "" {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if len(d.in.got) != 1 || len(d.facts()) != 0 {
			t.Errorf("%s: %d kept, %v", name, len(d.in.got), d.facts())
		}
	}
	long := map[string]string{"summary": strings.Repeat("x", 1500), "good": "true", "reason": strings.Repeat("y", 1500)}
	d := newDoor(t, secretA)
	if w := d.sends(Interactive, asForm(sentForm(long))); !strings.Contains(w.Body.String(), "longer than 2000") || len(d.facts()) != 0 {
		t.Errorf("a line that is too long: %s", w.Body)
	}
	w := d.sends(Interactive, asForm(sentForm(nil)))
	if w.Code != 200 || w.Body.Len() != 0 || len(d.facts()) != 1 {
		t.Errorf("a good form: %d %q %v", w.Code, w.Body, d.facts())
	}
	// However many fields are wrong, the answer fits into the frame of a websocket.
	f := Form{Action: view.Action{Text: strings.Repeat("t", 300), Command: "answer x y"}}
	for i := range 90 {
		f.Action.Fields = append(f.Action.Fields, view.Field{Name: fmt.Sprintf("%s%d", strings.Repeat("n", 60), i), Type: "int", Required: true, Help: strings.Repeat("ä", 500)})
	}
	w = d.sends(Interactive, asForm(sentAs(f, nil, func(map[string]any) {})))
	if !strings.Contains(w.Body.String(), "errors") || w.Body.Len() > 20_000 {
		t.Errorf("an answer of %d bytes", w.Body.Len())
	}
}

// TestFormsOpen: a press that asks for a form is kept, answered, and then the form is opened; it says
// nothing itself.
func TestFormsOpen(t *testing.T) {
	d := newDoor(t, secretA)
	w := d.sends(Interactive, asForm(pressedOn("form:answer", "2019.01 notes", "1700000005.000300")))
	if w.Code != 200 || w.Body.Len() != 0 || !w.Flushed || len(d.facts()) != 0 {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	if len(d.desk.asked) != 1 || d.desk.asked[0] != asked() || len(d.desk.opened) != 1 || d.desk.with[0] != "13345.7.secret" || d.desk.kept[0] != 1 {
		t.Errorf("asked for %+v, opened %d with %v, kept %v", d.desk.asked, len(d.desk.opened), d.desk.with, d.desk.kept)
	}
	for _, other := range []string{strings.ReplaceAll(pressedOn("form:answer", "x", "1700000006.000300"), "T0HARBOUR", "T0EVIL"), pressedOn(ActionSay, "mine", "1700000007.000300"),
		strings.ReplaceAll(pressedOn("form:answer", "x", "1700000008.000300"), "A0SLIPWAY", "A0EVIL"), strings.ReplaceAll(pressedOn("form:answer", "x", "1700000009.000300"), "trigger_id", "t")} {
		if w := d.sends(Interactive, asForm(other)); w.Code != 200 {
			t.Errorf("%d", w.Code)
		}
	}
	if len(d.desk.opened) != 1 {
		t.Errorf("%d forms were opened", len(d.desk.opened))
	}
	// Who may not, or comes too late, sees why.
	d.desk.failed = errs.E("x", errs.Conflict, fmt.Errorf("the question was answered")).Hint("read it again")
	d.sends(Interactive, asForm(pressedOn("form:answer", "x", "1700000010.000300")))
	raw, _ := json.Marshal(d.desk.opened[1])
	if !strings.Contains(string(raw), "the question was answered; read it again") || strings.Contains(string(raw), `"submit"`) {
		t.Errorf("%s", raw)
	}
	// What cannot be kept opens nothing.
	d.in.full = true
	if w := d.sends(Interactive, asForm(pressedOn("form:answer", "x", "1700000011.000300"))); w.Code != 503 || len(d.desk.opened) != 2 {
		t.Errorf("%d", w.Code)
	}
}

// TestFormsThatAreNotOurs: what a form says is read from what Slack kept of ours, not from what was sent.
func TestFormsThatAreNotOurs(t *testing.T) {
	given := map[string]string{"summary": "x", "good": "true"}
	sub := func(m map[string]any, keys ...string) map[string]any {
		for _, k := range keys {
			m = m[k].(map[string]any)
		}
		return m
	}
	for name, edit := range map[string]func(map[string]any){
		"another callback": func(m map[string]any) { sub(m, "view")["callback_id"] = "other" },
		"no metadata":      func(m map[string]any) { sub(m, "view")["private_metadata"] = "" },
		"another place": func(m map[string]any) {
			sub(m, "view")["private_metadata"] = `{"command":"abort x","place":"T0EVIL/C1"}`
		},
		"metadata of else": func(m map[string]any) { sub(m, "view")["private_metadata"] = `[1]` },
		"no view":          func(m map[string]any) { delete(m, "view") },
		"no id":            func(m map[string]any) { delete(sub(m, "view"), "id") },
		"no user":          func(m map[string]any) { delete(m, "user") },
		"blocks of a text": func(m map[string]any) { sub(m, "view")["blocks"] = "x" },
		"values of a list": func(m map[string]any) { sub(m, "view", "state")["values"] = []any{1} },
		"an action of ours": func(m map[string]any) {
			sub(m, "view")["blocks"] = []any{map[string]any{"block_id": "f:summary", "element": map[string]any{"action_id": "no JSON"}}}
		},
		"a home tab": func(m map[string]any) { sub(m, "view")["type"] = "home" },
	} {
		facts, ignored, err := Decode(Header{Interactive}, []byte(sentAs(question(), given, edit)), ours())
		if len(facts) > 0 || ignored == "" && !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %s", name, told(facts, ignored, err))
		}
	}
	// What is given for a field that the form has not does not count.
	body := sentAs(question(), given, func(m map[string]any) {
		sub(m, "view", "state", "values")["f:manifest"] = map[string]any{`{"type":"string"}`: map[string]any{"value": "evil"}}
	})
	facts, ignored, err := Decode(Header{Interactive}, []byte(body), ours())
	if len(facts) != 1 || strings.Contains(facts[0].(Said).Text, "evil") {
		t.Errorf("%s", told(facts, ignored, err))
	}
	// A stranger's form is the stranger's.
	body = sentAs(question(), given, func(m map[string]any) { sub(m, "user")["team_id"] = "T0OTHER" })
	if facts, _, _ := Decode(Header{Interactive}, []byte(body), ours()); len(facts) != 1 || facts[0].(Said).Account != "T0OTHER/U0HANA" {
		t.Errorf("%+v", facts)
	}
}
