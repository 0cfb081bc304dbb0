package slack

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// View is a form that somebody sees.
type View struct {
	ID, User, Callback string
	Title              string
	Blocks             []map[string]any
	Private            string // private_metadata
	Root, Previous     string
	Open               bool
	Errors             map[string]string // what is said beside its fields, by block_id
	Hash               string

	data body // as it was given
	home bool
}

func (s *Server) viewMethods() []method {
	return []method{
		{"views.open", nil, tier4, func(c *call) answer { return s.newView(c, false) }},
		{"views.push", nil, tier4, func(c *call) answer { return s.newView(c, true) }},
		{"views.update", nil, tier4, s.updateView},
		{"views.publish", nil, tier4, s.publishView},
	}
}

// Views are the forms that somebody has open, the uppermost last.
func (s *Server) Views(user string) (out []View) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.views {
		if v.User == user && v.Open {
			out = append(out, *v)
		}
	}
	return out
}

// View is one form as it is now, open or not.
func (s *Server) View(id string) View {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.view(id); v != nil {
		return *v
	}
	return View{}
}

func (s *Server) view(id string) *View {
	for _, v := range s.views {
		if v.ID == id {
			return v
		}
	}
	return nil
}

// parseView reads a view and says what Slack would refuse.
// https://docs.slack.dev/reference/views/modal-views
func parseView(raw string) (body, []string) {
	var in map[string]any
	if json.Unmarshal([]byte(raw), &in) != nil {
		return nil, []string{"[ERROR] must provide an object [json-pointer:/view]"}
	}
	kind, _ := in["type"].(string)
	if kind != modal && kind != home {
		return nil, []string{"[ERROR] type must be modal or home [json-pointer:/view/type]"}
	}
	blocks := listOf(in["blocks"])
	k := &blockCheck{surface: kind}
	k.only("/view", in, "blocks", "private_metadata", "callback_id", "external_id", "title", "close", "submit", "clear_on_close", "notify_on_close", "submit_disabled")
	k.text("/view", in, "private_metadata", 0, 3000)
	k.text("/view", in, "callback_id", 0, 255)
	if kind == modal {
		k.words("/view", in, "title", true, 24, "plain_text")
		k.words("/view", in, "close", false, 24, "plain_text")
		k.words("/view", in, "submit", slices.ContainsFunc(blocks, func(b map[string]any) bool { return b["type"] == "input" }), 24, "plain_text")
	}
	if all, is := in["blocks"].([]any); !is || len(all) != len(blocks) || len(all) == 0 && kind == modal {
		k.say("/view/blocks", "must be a list of blocks")
	}
	return in, append(k.wrong, checkBlocks(blocks, kind)...)
}

func (s *Server) newView(c *call, push bool) answer {
	id := c.in["trigger_id"]
	if id == "" {
		id = c.in["interactivity_pointer"]
	}
	at := slices.IndexFunc(s.triggers, func(t *trigger) bool { return t.id == id })
	if at < 0 {
		return fail("invalid_trigger_id")
	}
	t := s.triggers[at]
	switch {
	case t.used:
		return fail("exchanged_trigger_id")
	case s.now().Sub(t.at) > triggerFor:
		return fail("expired_trigger_id")
	}
	data, wrong := parseView(c.in["view"])
	if len(wrong) > 0 {
		return fail("invalid_arguments", wrong...)
	}
	t.used = true
	v := &View{ID: s.id("V"), User: t.user, Open: true}
	v.Root = v.ID
	for _, below := range slices.Backward(s.views) {
		if below.User != t.user || !below.Open || below.home {
			continue
		}
		if !push {
			below.Open = false // a new one takes its place
			continue
		}
		v.Root, v.Previous = below.Root, below.ID
		break
	}
	if push && v.Previous == "" {
		return fail("view_not_found")
	}
	s.fill(v, data)
	s.views = append(s.views, v)
	return ok(body{"view": s.viewJSON(v)})
}

func (s *Server) fill(v *View, data body) {
	v.data, v.Hash, v.Errors = data, fmt.Sprintf("%d.%s", s.now().Unix(), strings.ToLower(s.id("H"))), nil
	v.Title, v.Blocks = wordsOf(data["title"]), keptBlocks(listOf(data["blocks"]))
	v.Callback, _ = data["callback_id"].(string)
	v.Private, _ = data["private_metadata"].(string)
}

func (s *Server) viewJSON(v *View) body {
	kind, _ := v.data["type"].(string)
	external, _ := v.data["external_id"].(string)
	blocks := []any{}
	for _, b := range v.Blocks {
		blocks = append(blocks, b)
	}
	out := body{"id": v.ID, "team_id": s.o.Team, "type": kind, "blocks": blocks, "private_metadata": v.Private, "callback_id": v.Callback,
		"state": body{"values": body{}}, "hash": v.Hash, "title": v.data["title"], "clear_on_close": v.data["clear_on_close"] == true,
		"notify_on_close": v.data["notify_on_close"] == true, "close": v.data["close"], "submit": v.data["submit"], "previous_view_id": nil,
		"root_view_id": v.Root, "app_id": s.app.ID, "external_id": external, "app_installed_team_id": s.o.Team, "bot_id": s.app.Bot}
	if v.Previous != "" {
		out["previous_view_id"] = v.Previous
	}
	return out
}

func (s *Server) updateView(c *call) answer {
	v := s.view(c.in["view_id"])
	for _, one := range s.views {
		if external := one.data["external_id"]; v == nil && c.in["external_id"] != "" && external == c.in["external_id"] {
			v = one
		}
	}
	if v == nil || !v.Open {
		return fail("not_found")
	}
	if h := c.in["hash"]; h != "" && h != v.Hash {
		return fail("hash_conflict")
	}
	data, wrong := parseView(c.in["view"])
	if len(wrong) > 0 {
		return fail("invalid_arguments", wrong...)
	}
	s.fill(v, data)
	return ok(body{"view": s.viewJSON(v)})
}

func (s *Server) publishView(c *call) answer {
	if s.user(c.in["user_id"]) == nil {
		return fail("user_not_found")
	}
	data, wrong := parseView(c.in["view"])
	if len(wrong) > 0 || data["type"] != home {
		return fail("invalid_arguments", wrong...)
	}
	at := slices.IndexFunc(s.views, func(v *View) bool { return v.home && v.User == c.in["user_id"] })
	if at < 0 {
		v := &View{ID: s.id("V"), User: c.in["user_id"], home: true}
		v.Root = v.ID
		s.views, at = append(s.views, v), len(s.views)
	}
	s.fill(s.views[at], data)
	return ok(body{"view": s.viewJSON(s.views[at])})
}

// Submit lets a person fill in a form and send it. values are by block_id or action_id: the text of
// an input, or the value or words of an option; several are separated by new lines. Fields that are
// not named keep what they begin with. Slack itself refuses an empty field that is required.
func (s *Server) Submit(user, view string, values map[string]string) (Delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.view(view)
	if v == nil || !v.Open || v.User != user {
		return Delivery{}, fmt.Errorf("%s has no form %s open", user, view)
	}
	if v.data["submit"] == nil {
		return Delivery{}, fmt.Errorf("form %s has no button that sends it", view)
	}
	state, left := body{}, len(values)
	for _, b := range v.Blocks {
		if b["type"] != "input" {
			continue
		}
		id, _ := b["block_id"].(string)
		e, _ := b["element"].(map[string]any)
		action, _ := e["action_id"].(string)
		given, named := values[id]
		if !named {
			given, named = values[action]
		}
		if named {
			left--
		}
		filled, err := fillIn(e, given, named)
		if err != nil {
			return Delivery{}, fmt.Errorf("field %s: %w", id, err)
		}
		if filled.empty && b["optional"] != true {
			return Delivery{}, fmt.Errorf("field %s must be filled in", id)
		}
		state[id] = body{action: filled.value}
	}
	if left > 0 {
		return Delivery{}, fmt.Errorf("form %s does not have all the fields of %v", view, values)
	}
	payload := s.interaction("view_submission", user)
	shown := s.viewJSON(v)
	shown["state"] = body{"values": state}
	payload["view"], payload["response_urls"] = shown, []any{}
	return s.queue(Delivery{Kind: Interactive, Type: "view_submission", user: user, view: view}, payload), nil
}

// Dismiss lets a person close a form without sending it.
func (s *Server) Dismiss(user, view string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.view(view)
	if v == nil || !v.Open || v.User != user {
		return fmt.Errorf("%s has no form %s open", user, view)
	}
	v.Open = false
	if v.data["notify_on_close"] == true {
		payload := s.interaction("view_closed", user)
		payload["view"], payload["is_cleared"] = s.viewJSON(v), false
		delete(payload, "trigger_id")
		s.queue(Delivery{Kind: Interactive, Type: "view_closed", user: user, view: view}, payload)
	}
	return nil
}

// filledIn is a field of a form as it is sent.
type filledIn struct {
	value body
	empty bool
}

// fillIn makes the value of a field.
func fillIn(e map[string]any, given string, named bool) (filledIn, error) {
	kind, _ := e["type"].(string)
	options := listOf(e["options"])
	for _, g := range listOf(e["option_groups"]) {
		options = append(options, listOf(g["options"])...)
	}
	switch kind {
	case "static_select", "radio_buttons":
		var chosen any = e["initial_option"]
		if named {
			o, err := optionOf(options, given)
			if err != nil {
				return filledIn{}, err
			}
			chosen = o
		}
		return filledIn{body{"type": kind, "selected_option": chosen}, chosen == nil}, nil
	case "multi_static_select", "checkboxes":
		chosen := []any{}
		if !named {
			for _, o := range listOf(e["initial_options"]) {
				chosen = append(chosen, o)
			}
		}
		for one := range strings.SplitSeq(given, "\n") {
			if one == "" {
				continue
			}
			o, err := optionOf(options, one)
			if err != nil {
				return filledIn{}, err
			}
			chosen = append(chosen, o)
		}
		return filledIn{body{"type": kind, "selected_options": chosen}, len(chosen) == 0}, nil
	case "users_select", "channels_select", "conversations_select":
		what := "selected_" + strings.TrimSuffix(strings.TrimSuffix(kind, "s_select"), "_select")
		return filledIn{body{"type": kind, what: given}, given == ""}, nil
	case "datepicker":
		return filledIn{body{"type": kind, "selected_date": given}, given == ""}, nil
	}
	if first, is := e["initial_value"].(string); is && !named {
		given = first
	}
	n := utf8.RuneCountInString(given)
	if most, is := e["max_length"].(float64); is && n > int(most) {
		return filledIn{}, fmt.Errorf("no more than %d characters fit", int(most))
	}
	if least, is := e["min_length"].(float64); is && n > 0 && n < int(least) {
		return filledIn{}, fmt.Errorf("%d characters are needed", int(least))
	}
	var value any = given
	if given == "" {
		value = nil
	}
	return filledIn{body{"type": kind, "value": value}, given == ""}, nil
}

func optionOf(all []map[string]any, given string) (map[string]any, error) {
	for _, o := range all {
		if o["value"] == given || wordsOf(o["text"]) == given {
			return o, nil
		}
	}
	return nil, fmt.Errorf("there is no option %q", given)
}

// interactionAnswered does what the answer to a form asks for, and tells the person of a failure.
func (s *Server) interactionAnswered(sent Sent) {
	if sent.Type == "block_actions" {
		if !sent.OK() {
			s.whisper(nil, sent.user, sent.channel, "This app is not responding; try again.", nil)
		}
		return
	}
	v := s.view(sent.view)
	if v == nil || sent.Type != "view_submission" {
		return
	}
	if !sent.OK() {
		v.Errors = map[string]string{"": "We had some trouble connecting. Try again?"}
		return
	}
	var in struct {
		Action string            `json:"response_action"`
		Errors map[string]string `json:"errors"`
		View   json.RawMessage   `json:"view"`
	}
	if strings.TrimSpace(sent.Answer) != "" && json.Unmarshal([]byte(sent.Answer), &in) != nil {
		s.wrong("the answer to a form is not JSON: %s", sent.Answer)
		v.Errors = map[string]string{"": "We had some trouble connecting. Try again?"}
		return
	}
	v.Errors = nil
	switch in.Action {
	case "":
		v.Open = false
	case "clear":
		for _, one := range s.views {
			if one.Root == v.Root {
				one.Open = false
			}
		}
	case "errors":
		v.Errors = in.Errors
		for id := range in.Errors {
			if !slices.ContainsFunc(v.Blocks, func(b map[string]any) bool { return b["block_id"] == id && b["type"] == "input" }) {
				s.wrong("the answer to a form has an error for %q, which is no field of it", id)
			}
		}
	case "update", "push":
		data, wrong := parseView(string(in.View))
		if len(wrong) > 0 {
			s.wrong("the answer to a form has a view that Slack refuses: %v", wrong)
			return
		}
		if in.Action == "update" {
			s.fill(v, data)
			return
		}
		next := &View{ID: s.id("V"), User: v.User, Open: true, Root: v.Root, Previous: v.ID}
		s.fill(next, data)
		s.views = append(s.views, next)
	default:
		s.wrong("the answer to a form has the action %q, which Slack does not know", in.Action)
	}
}
