package slack

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestBlocksHaveLimits(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	many := func(n int, one string) string { return strings.TrimSuffix(strings.Repeat(one+",", n), ",") }
	numbered := func(n int, one string) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(one, i))
		}
		return strings.Join(all, ",")
	}
	section := func(text string) string { return `{"type":"section","text":{"type":"mrkdwn","text":"` + text + `"}}` }
	button := `{"type":"button","action_id":"a%d","text":{"type":"plain_text","text":"x"}}`
	actions := func(inner string) string { return `{"type":"actions","elements":[` + inner + `]}` }
	field := `{"type":"mrkdwn","text":"x"}`
	rich := func(inner string) string {
		return `{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[` + inner + `]}]}`
	}
	for _, c := range []struct{ name, good, bad, want string }{
		{"blocks", many(50, `{"type":"divider"}`), many(51, `{"type":"divider"}`), "no more than 50 items"},
		{"type", `{"type":"divider"}`, `{"type":"dividend"}`, "unsupported type: dividend"},
		{"section", section(x(3000)), section(x(3001)), "less than 3001 characters"},
		{"an empty section", section("x"), section(""), "more than 0 characters"},
		{"fields", `{"type":"section","fields":[` + many(10, field) + `]}`, `{"type":"section","fields":[` + many(11, field) + `]}`, "no more than 10 items"},
		{"field", `{"type":"section","fields":[{"type":"mrkdwn","text":"` + x(2000) + `"}]}`, `{"type":"section","fields":[{"type":"mrkdwn","text":"` + x(2001) + `"}]}`, "less than 2001"},
		{"header", `{"type":"header","text":{"type":"plain_text","text":"` + x(150) + `"}}`, `{"type":"header","text":{"type":"plain_text","text":"` + x(151) + `"}}`, "less than 151"},
		{"kind of header", `{"type":"header","text":{"type":"plain_text","text":"x"}}`, `{"type":"header","text":{"type":"mrkdwn","text":"x"}}`, "must be one of plain_text"},
		{"context", `{"type":"context","elements":[` + many(10, field) + `]}`, `{"type":"context","elements":[` + many(11, field) + `]}`, "no more than 10"},
		{"actions", actions(numbered(25, button)), actions(numbered(26, button)), "no more than 25"},
		{"action ids", actions(numbered(2, button)), actions(many(2, strings.ReplaceAll(button, "%d", ""))), "action_id must be unique"},
		{"block ids", `{"type":"divider","block_id":"a"},{"type":"divider","block_id":"b"}`, `{"type":"divider","block_id":"a"},{"type":"divider","block_id":"a"}`, "block_id must be unique"},
		{"button", actions(`{"type":"button","text":{"type":"plain_text","text":"` + x(75) + `"},"value":"` + x(2000) + `"}`), actions(`{"type":"button","text":{"type":"plain_text","text":"` + x(76) + `"}}`), "less than 76"},
		{"value", actions(`{"type":"button","text":{"type":"plain_text","text":"x"},"value":""}`), actions(`{"type":"button","text":{"type":"plain_text","text":"x"},"value":"` + x(2001) + `"}`), "less than 2001"},
		{"style", actions(`{"type":"button","text":{"type":"plain_text","text":"x"},"style":"danger"}`), actions(`{"type":"button","text":{"type":"plain_text","text":"x"},"style":"default"}`), "primary or danger"},
		{"another field", section("x"), `{"type":"section","text":{"type":"mrkdwn","text":"x"},"color":"red"}`, `"color" is not allowed`},
		{"verbatim", `{"type":"section","text":{"type":"mrkdwn","text":"x","verbatim":true}}`, `{"type":"section","text":{"type":"plain_text","text":"x","verbatim":true}}`, `"verbatim" is not allowed`},
		{"rich text", rich(`{"type":"text","text":"x","style":{"bold":true}}`), rich(`{"type":"text","text":""}`), "more than 0 characters"},
		{"rich style", rich(`{"type":"user","user_id":"U1"}`), rich(`{"type":"text","text":"x","style":{"loud":true}}`), `"loud" is not allowed`},
		{"options", actions(`{"type":"static_select","action_id":"s","options":[{"text":{"type":"plain_text","text":"x"},"value":"x"}]}`), actions(`{"type":"static_select","action_id":"s","options":[]}`), "no fewer than 1"},
		{"confirm", actions(`{"type":"button","text":{"type":"plain_text","text":"x"},"confirm":{"title":{"type":"plain_text","text":"x"},"text":{"type":"plain_text","text":"x"},"confirm":{"type":"plain_text","text":"x"},"deny":{"type":"plain_text","text":"x"}}}`), actions(`{"type":"button","text":{"type":"plain_text","text":"x"},"confirm":{"title":{"type":"plain_text","text":"x"}}}`), "missing required field: text"},
	} {
		for blocks, want := range map[string]string{c.good: "", c.bad: c.want} {
			var in []map[string]any
			if err := json.Unmarshal([]byte("["+blocks+"]"), &in); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			got := strings.Join(checkBlocks(in, message), "\n")
			if want == "" && got != "" || !strings.Contains(got, want) {
				t.Errorf("%s: %q, want %q", c.name, got, want)
			}
		}
	}
}

func TestBlocksHaveALimitInAll(t *testing.T) {
	h := newHarbour(t, Options{})
	one := `{"type":"section","text":{"type":"plain_text","text":"` + strings.Repeat("x", 2900) + `"}}`
	h.good("chat.postMessage", "channel", h.quay, "text", "x", "blocks", "["+one+","+one+","+one+"]")
	h.refused("msg_blocks_too_long", "chat.postMessage", "channel", h.quay, "text", "x", "blocks", "["+one+","+one+","+one+","+one+","+one+"]")
	out := h.refused("invalid_blocks", "chat.postMessage", "channel", h.quay, "text", "x", "blocks", `[{"type":"header"}]`)
	if at(out, "errors", 0) != "[ERROR] missing required field: text [json-pointer:/blocks/0]" {
		t.Errorf("errors: %v", out)
	}
	h.refused("invalid_blocks_format", "chat.postMessage", "channel", h.quay, "text", "x", "blocks", `{"type":"header"}`)
	h.refused("invalid_metadata_format", "chat.postMessage", "channel", h.quay, "text", "x", "metadata", `{"event_type":""}`)
	h.refused("metadata_too_large", "chat.postMessage", "channel", h.quay, "text", "x", "metadata", `{"event_type":"x","event_payload":{"k":"`+strings.Repeat("x", 9000)+`"}}`)
}

func TestFormsAreFilledIn(t *testing.T) {
	h := newHarbour(t, Options{})
	view := `{"type":"modal","title":{"type":"plain_text","text":"Ask"},"submit":{"type":"plain_text","text":"Send"},"private_metadata":"run 7","blocks":[
		{"type":"input","block_id":"why","label":{"type":"plain_text","text":"Why"},"element":{"type":"plain_text_input","action_id":"v","max_length":9}},
		{"type":"input","block_id":"how","optional":true,"label":{"type":"plain_text","text":"How"},"element":{"type":"static_select","action_id":"v","options":[
			{"text":{"type":"plain_text","text":"Fast"},"value":"fast"},{"text":{"type":"plain_text","text":"Slow"},"value":"slow"}]}}]}`
	h.refused("invalid_trigger_id", "views.open", "trigger_id", "1.2.x", "view", view)
	h.s.AnswerIn(0)
	d, err := h.s.Command(h.ada, h.quay, "form")
	h.must(err)
	trigger := formOf(d.Payload).Get("trigger_id")
	h.pass(triggerFor + 1)
	h.refused("expired_trigger_id", "views.open", "trigger_id", trigger, "view", view)
	d, err = h.s.Command(h.ada, h.quay, "form")
	h.must(err)
	trigger = formOf(d.Payload).Get("trigger_id")
	h.refused("invalid_arguments", "views.open", "trigger_id", trigger, "view", strings.Replace(view, `"Ask"`, `"`+strings.Repeat("x", 25)+`"`, 1))
	id := at(h.good("views.open", "trigger_id", trigger, "view", view), "view", "id").(string)
	h.refused("exchanged_trigger_id", "views.open", "trigger_id", trigger, "view", view)
	for _, wrong := range []map[string]string{{}, {"why": "much too long"}, {"why": "x", "how": "never"}, {"why": "x", "who": "me"}} {
		if _, err := h.s.Submit(h.ada, id, wrong); err == nil {
			t.Errorf("%v is sent", wrong)
		}
	}
	if _, err := h.s.Submit(h.bo, id, map[string]string{"why": "x"}); err == nil {
		t.Error("somebody else sends the form")
	}
	h.s.Take()
	d, err = h.s.Submit(h.ada, id, map[string]string{"why": "because", "how": "Fast"})
	h.must(err)
	var p map[string]any
	h.must(json.Unmarshal(d.Payload, &p))
	values := at(p, "view", "state", "values")
	if at(values, "why", "v", "value") != "because" || at(values, "how", "v", "selected_option", "value") != "fast" || at(p, "view", "private_metadata") != "run 7" {
		t.Errorf("sent: %v", p)
	}
	h.s.Deliver()
	if len(h.s.Views(h.ada)) != 0 {
		t.Error("the form is still open")
	}
}
