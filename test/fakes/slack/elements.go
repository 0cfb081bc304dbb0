package slack

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// elements checks the elements of one block. Their action ids must differ: Slack refuses the block
// otherwise (https://docs.slack.dev/reference/block-kit/block-elements/button-element).
func (k *blockCheck) elements(at string, all []map[string]any) {
	seen := map[string]bool{}
	for i, e := range all {
		where := fmt.Sprintf("%s/elements/%d", at, i)
		k.element(where, e, false)
		id, _ := e["action_id"].(string)
		if id != "" && seen[id] {
			k.say(where+"/action_id", "action_id must be unique in a block: %q is used twice", id)
		}
		seen[id] = true
	}
}

// element checks what people can press, choose or fill in.
// https://docs.slack.dev/reference/block-kit/block-elements
func (k *blockCheck) element(at string, e map[string]any, input bool) {
	kind, _ := e["type"].(string)
	inputs := []string{"plain_text_input", "email_text_input", "url_text_input", "number_input"}
	if slices.Contains(inputs, kind) != input && (kind == "button" || slices.Contains(inputs, kind)) {
		k.say(at+"/type", "an element of type %s is not allowed here", kind)
		return
	}
	k.text(at, e, "action_id", 0, 255)
	k.confirm(at, e)
	switch kind {
	case "button":
		k.only(at, e, "action_id", "text", "url", "value", "style", "confirm", "accessibility_label")
		k.words(at, e, "text", true, 75, "plain_text")
		k.text(at, e, "value", 0, 2000)
		k.text(at, e, "url", 0, 3000)
		k.text(at, e, "accessibility_label", 0, 75)
		if style, has := e["style"]; has && style != "primary" && style != "danger" {
			k.say(at+"/style", "must be primary or danger")
		}
	case "static_select", "multi_static_select", "overflow", "radio_buttons", "checkboxes":
		k.choice(at, e, kind)
	case "users_select", "multi_users_select", "conversations_select", "multi_conversations_select", "channels_select", "multi_channels_select", "datepicker", "timepicker", "datetimepicker":
		k.words(at, e, "placeholder", false, 150, "plain_text")
	case "plain_text_input":
		k.only(at, e, "action_id", "initial_value", "multiline", "min_length", "max_length", "dispatch_action_config", "focus_on_load", "placeholder")
		k.words(at, e, "placeholder", false, 150, "plain_text")
		k.text(at, e, "initial_value", 0, 3000)
		if n, is := e["max_length"].(float64); is && (n < 1 || n > 3000) {
			k.say(at+"/max_length", "must be 1 to 3000")
		}
		if n, is := e["min_length"].(float64); is && (n < 0 || n > 3000) {
			k.say(at+"/min_length", "must be 0 to 3000")
		}
	case "number_input":
		if _, is := e["is_decimal_allowed"].(bool); !is {
			k.say(at, "missing required field: is_decimal_allowed")
		}
	case "email_text_input", "url_text_input":
		k.words(at, e, "placeholder", false, 150, "plain_text")
	default:
		k.say(at+"/type", "unsupported type: %s", kind)
	}
}

// confirm checks the question that is asked before something happens.
func (k *blockCheck) confirm(at string, e map[string]any) {
	c := k.object(at, e, "confirm", false)
	if c == nil {
		return
	}
	at += "/confirm"
	k.only(at, c, "title", "text", "confirm", "deny", "style")
	k.words(at, c, "title", true, 100, "plain_text")
	k.words(at, c, "text", true, 300, "plain_text", "mrkdwn")
	k.words(at, c, "confirm", true, 30, "plain_text")
	k.words(at, c, "deny", true, 30, "plain_text")
}

// choice checks what people choose from.
func (k *blockCheck) choice(at string, e map[string]any, kind string) {
	most := map[string]int{"overflow": 5, "radio_buttons": 10, "checkboxes": 10}[kind]
	if most == 0 {
		most = 100
		k.words(at, e, "placeholder", false, 150, "plain_text")
	}
	option := func(where string, o map[string]any) {
		k.only(where, o, "text", "value", "description", "url")
		k.words(where, o, "text", true, 75, "plain_text", "mrkdwn")
		k.text(where, o, "value", 1, 150)
		k.words(where, o, "description", false, 75, "plain_text", "mrkdwn")
	}
	if e["option_groups"] != nil {
		for i, g := range k.list(at, e, "option_groups", 1, 100) {
			where := fmt.Sprintf("%s/option_groups/%d", at, i)
			k.words(where, g, "label", true, 75, "plain_text")
			for j, o := range k.list(where, g, "options", 1, 100) {
				option(fmt.Sprintf("%s/options/%d", where, j), o)
			}
		}
		return
	}
	all := k.list(at, e, "options", 1, most)
	values := map[string]bool{}
	for i, o := range all {
		option(fmt.Sprintf("%s/options/%d", at, i), o)
		values[fmt.Sprint(o["value"])] = true
	}
	for _, name := range []string{"initial_option", "initial_options"} {
		for _, o := range listOf(e[name]) {
			if !values[fmt.Sprint(o["value"])] {
				k.say(at+"/"+name, "must be one of the options")
			}
		}
	}
}

// listOf is one object, or a list of them, as a list.
func listOf(v any) (out []map[string]any) {
	switch v := v.(type) {
	case map[string]any:
		return []map[string]any{v}
	case []any:
		for _, one := range v {
			if o, is := one.(map[string]any); is {
				out = append(out, o)
			}
		}
	}
	return out
}

// rich checks the parts of a rich text. https://docs.slack.dev/reference/block-kit/blocks/rich-text-block
func (k *blockCheck) rich(at string, e map[string]any, inList bool) {
	kind, _ := e["type"].(string)
	switch {
	case kind == "rich_text_list" && !inList:
		k.only(at, e, "style", "elements", "indent", "offset", "border")
		if e["style"] != "bullet" && e["style"] != "ordered" {
			k.say(at+"/style", "must be bullet or ordered")
		}
		for i, one := range k.list(at, e, "elements", 0, 500) {
			k.rich(fmt.Sprintf("%s/elements/%d", at, i), one, true)
		}
	case kind == "rich_text_section", !inList && (kind == "rich_text_quote" || kind == "rich_text_preformatted"):
		k.only(at, e, "elements", "border", "language")
		for i, one := range k.list(at, e, "elements", 0, 1000) {
			k.inline(fmt.Sprintf("%s/elements/%d", at, i), one)
		}
	default:
		k.say(at+"/type", "unsupported type: %s", kind)
	}
}

// inline checks the smallest parts of a rich text: what each must have besides a style.
func (k *blockCheck) inline(at string, e map[string]any) {
	kind, _ := e["type"].(string)
	fields := map[string]string{"text": "text", "link": "url", "user": "user_id", "channel": "channel_id", "usergroup": "usergroup_id", "emoji": "name",
		"broadcast": "range", "date": "timestamp", "color": "value"}
	need, known := fields[kind]
	if !known {
		k.say(at+"/type", "unsupported type: %s", kind)
		return
	}
	if kind == "date" {
		if _, is := e["timestamp"].(float64); !is {
			k.say(at, "missing required field: timestamp")
		}
	} else {
		k.text(at, e, need, 1, 3000)
	}
	style := k.object(at, e, "style", false)
	for _, name := range slices.Sorted(maps.Keys(style)) {
		if !strings.Contains(" bold italic strike code underline highlight client_highlight unlink ", " "+name+" ") {
			k.say(at+"/style", "additional property %q is not allowed", name)
		}
	}
}

// keptBlocks are blocks as Slack keeps them: with ids, and with emoji by name.
func keptBlocks(blocks []map[string]any) []map[string]any {
	if len(blocks) == 0 {
		return nil
	}
	out := decoded[[]map[string]any](blocks)
	for i, b := range out {
		if id, _ := b["block_id"].(string); id == "" {
			b["block_id"] = fmt.Sprintf("b%04d", i)
		}
		keep(b)
		for j, e := range append(listOf(b["elements"]), listOf(b["accessory"])...) {
			if b["type"] == "rich_text" || b["type"] == "context" || e["type"] == "image" {
				continue
			}
			if id, _ := e["action_id"].(string); id == "" {
				e["action_id"] = fmt.Sprintf("a%04d", j)
			}
		}
	}
	return out
}

// keep names the emoji in all text objects below v.
func keep(v any) {
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			keep(one)
		}
	case map[string]any:
		t, is := v["text"].(string)
		if kind := v["type"]; is && kind == "mrkdwn" {
			v["text"] = kept(t)
			if v["verbatim"] == true {
				v["text"] = named(t)
			}
		} else if is && kind == "plain_text" {
			v["text"] = named(t)
		}
		for _, one := range v {
			keep(one)
		}
	}
}
