package hook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	slackgo "github.com/slack-go/slack"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/view"
)

// Action ids of what can be pressed in a message of ours.
const (
	// ActionSay is a button whose value is the command line that it says. Where several stand in one block,
	// ":" and anything may follow, since Slack wants other ids.
	ActionSay = "say"
	// ActionForm begins the action id of a button that opens a form; its value is what [Forms] is asked.
	ActionForm = "form:"
)

// Forms finds the form that a press asks for. Its errors are shown to the person who pressed.
type Forms interface {
	Form(ctx context.Context, p Press) (Form, error)
}

// Opener shows a modal to the person whose press gave the trigger, which lives for 3 seconds.
type Opener interface {
	Open(ctx context.Context, trigger string, modal slackgo.ModalViewRequest) error
}

// Press is a press on a button that opens a form.
type Press struct {
	Account string // TEAM/USER
	Place   string // TEAM/CHANNEL
	Thread  string // ts of the message that the button is on, or whose thread that one is in
	Action  string // the action id
	Ref     string // the value of the button
}

// Form is a command line with fields to be filled in.
type Form struct {
	Title  string      // 24 characters of it are shown
	Text   string      // above the fields
	Action view.Action // its command and fields make the line, see [view.Action.Line]
}

// callback is the callback id of every form of ours.
const callback = "slipway"

// Bounds of a modal (docs.slack.dev, "Modals", "Block Kit" reference).
const (
	maxModalTitle = 24
	maxMeta       = 3000
	maxFields     = 90 // of 100 blocks
	maxBlockID    = 255
	maxChoices    = 100
	maxChoice     = 75
	maxLabel      = 2000
	maxSection    = 3000
	maxWrong      = 150  // characters of what is wrong with a field
	maxWrongs     = 8000 // bytes of what is wrong with all, about: Slack drops frames of 20,480 bytes
	maxSaid       = 2000 // characters of a command line, as the grammar has it
)

// meta is what comes back with a form that is sent.
type meta struct {
	Command string `json:"command"`
	Text    string `json:"text,omitempty"` // of the action, for errors
	Place   string `json:"place"`
	Thread  string `json:"thread,omitempty"`
}

// spec is what must be known of a field when it comes back: it is the action id of its element.
type spec struct {
	Type     string `json:"type"`
	Option   bool   `json:"option,omitempty"`
	In       string `json:"in,omitempty"`
	Required bool   `json:"required,omitempty"`
}

// fieldPrefix begins the block id of a field; its name follows.
const fieldPrefix = "f:"

// View is the form as Slack shows it. The error is of kind [errs.Invalid] when it has more than a modal can
// hold: then the line is typed.
func (f Form) View(p Press) (slackgo.ModalViewRequest, error) {
	bad := func(format string, args ...any) (slackgo.ModalViewRequest, error) {
		return slackgo.ModalViewRequest{}, errs.E("slack.form", errs.Invalid, fmt.Errorf(format, args...)).Hint("type it: %s", f.Action.Command)
	}
	m := compact(meta{f.Action.Command, cut(f.Action.Text, 200), p.Place, p.Thread})
	switch {
	case utf8.RuneCount(m) > maxMeta:
		return bad("the command is too long for a form")
	case len(f.Action.Fields) > maxFields:
		return bad("there are %d fields, and a form on Slack holds %d", len(f.Action.Fields), maxFields)
	}
	modal := slackgo.ModalViewRequest{Type: slackgo.VTModal, CallbackID: callback, PrivateMetadata: string(m),
		Title: words(cut(orElse(f.Title, orElse(f.Action.Text, "Slipway")), maxModalTitle)), Submit: words(cut(orElse(f.Action.Text, "Send"), maxModalTitle)), Close: words("Cancel")}
	if f.Text != "" {
		modal.Blocks.BlockSet = append(modal.Blocks.BlockSet, slackgo.NewSectionBlock(words(cut(f.Text, maxSection)), nil, nil))
	}
	for _, field := range f.Action.Fields {
		id, s := fieldPrefix+field.Name, string(compact(spec{field.Type, field.Option, field.In, field.Required}))
		if utf8.RuneCountInString(id) > maxBlockID || utf8.RuneCountInString(s) > maxBlockID || field.Name == "" {
			return bad("the name of a field is too long for a form")
		}
		var hint *slackgo.TextBlockObject
		if h := strings.Join(slices.DeleteFunc([]string{field.Help, typeHint(field)}, func(s string) bool { return s == "" }), " · "); h != "" {
			hint = words(cut(h, maxLabel))
		}
		modal.Blocks.BlockSet = append(modal.Blocks.BlockSet,
			slackgo.NewInputBlock(id, words(cut(field.Name, maxLabel)), hint, element(field, s)).WithOptional(!field.Required))
	}
	return modal, nil
}

// refusalView tells why there is no form.
func refusalView(err error) slackgo.ModalViewRequest {
	return slackgo.ModalViewRequest{Type: slackgo.VTModal, CallbackID: callback, Title: words("Not possible now"), Close: words("Close"),
		Blocks: slackgo.Blocks{BlockSet: []slackgo.Block{slackgo.NewSectionBlock(words(cut(errs.Text(err), maxSection)), nil, nil)}}}
}

// words is text in which no mark-up is read.
func words(s string) *slackgo.TextBlockObject {
	return slackgo.NewTextBlockObject(slackgo.PlainTextType, s, false, false)
}

func cut(s string, n int) string {
	r := []rune(strings.ToValidUTF8(s, "\ufffd"))
	if len(r) <= n {
		return string(r)
	}
	return string(r[:n-1]) + "…"
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// typeHint says how a value of a type is written, where that is not plain.
func typeHint(f view.Field) string {
	switch action.Kind(f.Type) {
	case action.Int:
		return "a whole number"
	case action.Time:
		return "such as 2019-01-31T14:00:00Z"
	case action.Duration:
		return "such as 4h30m"
	case action.List:
		if f.In == "" {
			return "several with commas between"
		}
		return "as JSON"
	case action.Map, action.Object:
		return "as JSON"
	}
	return ""
}

// element is what a field is filled in with.
func element(f view.Field, id string) slackgo.BlockElement {
	choose := func(values []string, show func(string) string) slackgo.BlockElement {
		e := slackgo.NewOptionsSelectBlockElement(slackgo.OptTypeStatic, nil, id)
		for _, v := range values {
			o := slackgo.NewOptionBlockObject(v, words(show(v)), nil)
			e.Options = append(e.Options, o)
			if v == f.Value {
				e.InitialOption = o
			}
		}
		return e
	}
	fit := len(f.Choices) > 0 && len(f.Choices) <= maxChoices && !slices.ContainsFunc(f.Choices, func(c string) bool {
		return c == "" || utf8.RuneCountInString(c) > maxChoice
	})
	switch {
	case fit:
		return choose(f.Choices, func(s string) string { return s })
	case action.Kind(f.Type) == action.Bool:
		return choose([]string{"true", "false"}, func(s string) string { return map[string]string{"true": "yes", "false": "no"}[s] })
	case f.Person && f.Value == "":
		return slackgo.NewOptionsSelectBlockElement(slackgo.OptTypeUser, nil, id)
	}
	e := slackgo.NewPlainTextInputBlockElement(nil, id).WithMaxLength(maxSaid)
	if utf8.RuneCountInString(f.Value) <= maxSaid {
		e.InitialValue = f.Value
	}
	return e
}

// submission is what a form that was sent says: the command line of a person, or what is wrong by block id,
// or why it is not for us.
func submission(top object, k Known) (said Said, wrong map[string]string, ignored string, err error) {
	r := &reader{}
	if ignored = interactive(r, top, k); ignored != "" || r.err != nil {
		return Said{}, nil, ignored, r.err
	}
	v := r.must(top, "view")
	if r.err == nil && r.text(v, "callback_id") != callback {
		return Said{}, nil, "it is not a form of ours", r.err
	}
	account, handle := presser(r, top)
	view, id := r.text(v, "type"), r.text(v, "id")
	if id == "" || view != "modal" {
		r.bad(top, "view", "a form")
	}
	var m meta
	if json.Unmarshal([]byte(r.long(v, "private_metadata")), &m) != nil || m.Command == "" || !strings.HasPrefix(m.Place, k.Team+"/") {
		r.bad(v, "private_metadata", "what a form of ours has")
	}
	a, given, blocks := sent(r, v, k)
	if r.err != nil {
		return Said{}, nil, "", r.err
	}
	a.Command, a.Text = m.Command, orElse(m.Text, "it")
	wrong = map[string]string{}
	for size, i := 0, 0; i < len(a.Fields) && size < maxWrongs; i++ { // the rest is told when these are mended
		f := a.Fields[i]
		if why := unfit(a, f, given[f.Name]); why != "" {
			wrong[blocks[f.Name]] = why
			size += len(blocks[f.Name]) + len(why)
		}
	}
	line, bad := a.Line(given)
	last := ""
	if n := len(a.Fields); n > 0 {
		last = blocks[a.Fields[n-1].Name]
	}
	switch {
	case len(wrong) > 0:
		return Said{}, wrong, "", nil
	case bad != nil && last != "":
		return Said{}, map[string]string{last: cut(errs.Text(bad), maxWrong)}, "", nil
	case bad != nil:
		return Said{}, nil, "", errors.New(errs.Text(bad))
	case utf8.RuneCountInString(line) > maxSaid && last != "":
		return Said{}, map[string]string{last: fmt.Sprintf("together it is longer than %d characters", maxSaid)}, "", nil
	}
	_, channel, _ := strings.Cut(m.Place, "/")
	return Said{Account: account, Handle: handle, Place: m.Place, Thread: m.Thread, Text: line, Addressed: true, Direct: strings.HasPrefix(channel, "D"),
		Message: "form/" + digest(account, id)}, nil, "", nil
}

// sent reads the fields of a form and what was given for them. What a field is stands in the blocks, which
// are ours; what is given for anything else does not count.
func sent(r *reader, v object, k Known) (a view.Action, given, blocks map[string]string) {
	given, blocks = map[string]string{}, map[string]string{}
	values := r.object(r.object(v, "state"), "values")
	for _, b := range r.list(v, "blocks") {
		block := r.text(b, "block_id")
		name, ours := strings.CutPrefix(block, fieldPrefix)
		if !ours || name == "" {
			continue
		}
		id := r.text(r.object(b, "element"), "action_id")
		var s spec
		if json.Unmarshal([]byte(id), &s) != nil {
			r.bad(v, "blocks", "those of a form of ours")
			return a, given, blocks
		}
		a.Fields = append(a.Fields, view.Field{Name: name, Type: s.Type, Option: s.Option, In: s.In, Required: s.Required})
		blocks[name] = block
		e := r.object(r.object(values, block), id)
		switch {
		case e.has("selected_option"):
			given[name] = r.long(r.object(e, "selected_option"), "value")
		case e.has("selected_user"):
			user := r.id(e, "selected_user")
			given[name] = "@" + user // as a mention in a message
			if k.Person != nil {
				given[name] = orElse(k.Person(user), "@"+user)
			}
		default:
			given[name] = r.long(e, "value")
		}
	}
	return a, given, blocks
}

// unfit says what is wrong with what was given for a field, "" for nothing.
func unfit(a view.Action, f view.Field, given string) string {
	one := view.Action{Text: a.Text, Command: a.Command, Fields: []view.Field{f}}
	if _, err := one.Line(map[string]string{f.Name: given}); err != nil {
		return cut(errs.Text(err), maxWrong)
	}
	v := strings.TrimSpace(given)
	if v == "" {
		return ""
	}
	kind, why := action.Kind(f.Type), ""
	switch kind {
	case action.Int:
		n, err := action.Decode([]byte(v))
		if err != nil || (action.Type{Kind: kind}).Check(f.Name, n) != nil {
			why = "is not a whole number"
		}
	case action.Bool:
		if !slices.Contains([]string{"true", "false", "yes", "no"}, strings.ToLower(v)) {
			why = "is neither yes nor no"
		}
	case action.Version, action.Digest, action.Time, action.Duration:
		if (action.Type{Kind: kind}).Check(f.Name, v) != nil {
			why = strings.TrimSpace("is not a " + f.Type + ": " + typeHint(f))
		}
	}
	if why == "" {
		return ""
	}
	return cut(fmt.Sprintf("%q %s", cut(v, 40), strings.TrimSuffix(why, ":")), maxWrong)
}
