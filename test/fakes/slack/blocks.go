package slack

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Surfaces on which blocks stand.
const (
	message = "message"
	modal   = "modal"
	home    = "home"
)

// maxWeight is how many characters the blocks of one message may have in all. The number is not
// documented; it was seen at about 13,200 (https://github.com/slackapi/bolt-js/issues/2509).
const maxWeight = 13200

// blockCheck holds blocks against https://docs.slack.dev/reference/block-kit and says in Slack's
// way what is wrong with them.
type blockCheck struct {
	surface string
	wrong   []string
	ids     map[string]bool
}

// checkBlocks says what Slack would refuse.
func checkBlocks(blocks []map[string]any, surface string) []string {
	k := &blockCheck{surface: surface, ids: map[string]bool{}}
	if most := map[string]int{message: 50, modal: 100, home: 100}[surface]; len(blocks) > most {
		k.say("/blocks", "no more than %d items allowed", most)
	}
	for i, b := range blocks {
		k.block(fmt.Sprintf("/blocks/%d", i), b)
	}
	return k.wrong
}

func (k *blockCheck) say(at, format string, args ...any) {
	k.wrong = append(k.wrong, fmt.Sprintf("[ERROR] "+format+" [json-pointer:%s]", append(args, at)...))
}

// only refuses fields that an object does not have.
func (k *blockCheck) only(at string, o map[string]any, names ...string) {
	for name := range o {
		if name != "type" && !slices.Contains(names, name) {
			k.say(at, "additional property %q is not allowed", name)
		}
	}
}

// text checks a field that is a bare text.
func (k *blockCheck) text(at string, o map[string]any, name string, least, most int) string {
	v, has := o[name]
	if !has {
		if least > 0 {
			k.say(at, "missing required field: %s", name)
		}
		return ""
	}
	t, is := v.(string)
	n := utf8.RuneCountInString(t)
	switch {
	case !is:
		k.say(at+"/"+name, "must be a string")
	case n < least:
		k.say(at+"/"+name, "must be more than %d characters", least-1)
	case n > most:
		k.say(at+"/"+name, "must be less than %d characters", most+1)
	}
	return t
}

// object checks a field that is an object.
func (k *blockCheck) object(at string, o map[string]any, name string, required bool) map[string]any {
	v, has := o[name]
	if !has || v == nil {
		if required {
			k.say(at, "missing required field: %s", name)
		}
		return nil
	}
	out, is := v.(map[string]any)
	if !is {
		k.say(at+"/"+name, "must provide an object")
		return nil
	}
	return out
}

// list checks a field that is a list of objects.
func (k *blockCheck) list(at string, o map[string]any, name string, least, most int) (out []map[string]any) {
	v, has := o[name]
	all, is := v.([]any)
	switch {
	case !has && least == 0:
		return nil
	case !has:
		k.say(at, "missing required field: %s", name)
		return nil
	case !is:
		k.say(at+"/"+name, "must be an array")
		return nil
	case len(all) < least:
		k.say(at+"/"+name, "no fewer than %d items allowed", least)
	case len(all) > most:
		k.say(at+"/"+name, "no more than %d items allowed", most)
	}
	for i, one := range all {
		m, is := one.(map[string]any)
		if !is {
			k.say(fmt.Sprintf("%s/%s/%d", at, name, i), "must provide an object")
			continue
		}
		out = append(out, m)
	}
	return out
}

// words checks a text object. https://docs.slack.dev/reference/block-kit/composition-objects/text-object
func (k *blockCheck) words(at string, o map[string]any, name string, required bool, most int, kinds ...string) {
	t := k.object(at, o, name, required)
	if t == nil {
		return
	}
	k.textObject(at+"/"+name, t, most, kinds...)
}

func (k *blockCheck) textObject(at string, t map[string]any, most int, kinds ...string) {
	kind, _ := t["type"].(string)
	if !slices.Contains(kinds, kind) {
		k.say(at+"/type", "unsupported type: %s; must be one of %s", kind, strings.Join(kinds, ", "))
		return
	}
	if kind == "plain_text" {
		k.only(at, t, "text", "emoji")
	} else {
		k.only(at, t, "text", "verbatim")
	}
	k.text(at, t, "text", 1, most)
}

func (k *blockCheck) block(at string, b map[string]any) {
	if id := k.text(at, b, "block_id", 0, 255); id != "" {
		if k.ids[id] {
			k.say(at+"/block_id", "block_id must be unique: %q is used twice", id)
		}
		k.ids[id] = true
	}
	kind, _ := b["type"].(string)
	if on := surfaces(kind); on == "" {
		k.say(at+"/type", "unsupported type: %s", kind)
		return
	} else if !strings.Contains(on, k.surface) {
		k.say(at+"/type", "a block of type %s is not allowed on a %s", kind, k.surface)
		return
	}
	switch kind {
	case "section":
		k.section(at, b)
	case "divider":
		k.only(at, b, "block_id")
	case "header":
		k.only(at, b, "block_id", "text")
		k.words(at, b, "text", true, 150, "plain_text")
	case "context":
		k.only(at, b, "block_id", "elements")
		for i, e := range k.list(at, b, "elements", 1, 10) {
			where := fmt.Sprintf("%s/elements/%d", at, i)
			if e["type"] == "image" {
				k.image(where, e)
				continue
			}
			k.textObject(where, e, 2000, "plain_text", "mrkdwn")
		}
	case "actions":
		k.only(at, b, "block_id", "elements")
		k.elements(at, k.list(at, b, "elements", 1, 25))
	case "image":
		k.only(at, b, "block_id", "alt_text", "image_url", "slack_file", "title")
		k.image(at, b)
		k.words(at, b, "title", false, 2000, "plain_text")
	case "input":
		k.only(at, b, "block_id", "label", "element", "dispatch_action", "hint", "optional")
		k.words(at, b, "label", true, 2000, "plain_text")
		k.words(at, b, "hint", false, 2000, "plain_text")
		if e := k.object(at, b, "element", true); e != nil {
			k.element(at+"/element", e, true)
		}
	case "rich_text":
		k.only(at, b, "block_id", "elements")
		for i, e := range k.list(at, b, "elements", 1, 200) {
			k.rich(fmt.Sprintf("%s/elements/%d", at, i), e, false)
		}
	case "markdown":
		k.only(at, b, "block_id", "text")
		k.text(at, b, "text", 1, 12000)
	case "table":
		k.table(at, b)
	}
}

// surfaces is where a kind of block may stand; "" for what is no block.
func surfaces(kind string) string {
	switch kind {
	case "section", "divider", "header", "context", "actions", "image", "rich_text":
		return "message modal home"
	case "input":
		return "message modal home"
	case "markdown", "table":
		return "message"
	}
	return ""
}

func (k *blockCheck) section(at string, b map[string]any) {
	k.only(at, b, "block_id", "text", "fields", "accessory", "expand")
	k.words(at, b, "text", b["fields"] == nil, 3000, "plain_text", "mrkdwn")
	if b["fields"] != nil {
		for i, f := range k.list(at, b, "fields", 1, 10) {
			k.textObject(fmt.Sprintf("%s/fields/%d", at, i), f, 2000, "plain_text", "mrkdwn")
		}
	}
	if e := k.object(at, b, "accessory", false); e != nil {
		if e["type"] == "image" {
			k.image(at+"/accessory", e)
			return
		}
		k.element(at+"/accessory", e, false)
	}
}

func (k *blockCheck) image(at string, b map[string]any) {
	k.text(at, b, "alt_text", 1, 2000)
	if b["slack_file"] == nil {
		k.text(at, b, "image_url", 1, 3000)
	} else if f := k.object(at, b, "slack_file", true); f != nil {
		k.only(at+"/slack_file", f, "id", "url")
	}
}

// table checks a table. https://docs.slack.dev/reference/block-kit/blocks/table-block
func (k *blockCheck) table(at string, b map[string]any) {
	k.only(at, b, "block_id", "rows", "column_settings")
	rows, is := b["rows"].([]any)
	if !is || len(rows) < 1 || len(rows) > 100 {
		k.say(at+"/rows", "must be 1 to 100 rows")
		return
	}
	for i, r := range rows {
		where := fmt.Sprintf("%s/rows/%d", at, i)
		cells := k.list(where, map[string]any{"cells": r}, "cells", 1, 20)
		for j, c := range cells {
			if kind := c["type"]; kind == "rich_text" {
				k.block(fmt.Sprintf("%s/%d", where, j), c)
			} else if kind == "raw_text" {
				k.text(fmt.Sprintf("%s/%d", where, j), c, "text", 1, 3000)
			} else {
				k.say(fmt.Sprintf("%s/%d", where, j), "unsupported type: %v", kind)
			}
		}
	}
}

// weight is how many characters there are in the texts of blocks.
func weight(v any) (n int) {
	switch v := v.(type) {
	case []map[string]any:
		for _, one := range v {
			n += weight(one)
		}
	case []any:
		for _, one := range v {
			n += weight(one)
		}
	case map[string]any:
		for name, one := range v {
			if t, is := one.(string); is {
				if name == "text" || name == "value" || name == "url" || name == "alt_text" {
					n += utf8.RuneCountInString(t)
				}
				continue
			}
			n += weight(one)
		}
	}
	return n
}
