package hook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"slipway/bot/errs"
)

// Inbox keeps deliveries. Deliver returns nil once the delivery is on disk, and nil for a repeat of the
// same id, which changes nothing. With any error the delivery is not kept.
type Inbox interface {
	Deliver(ctx context.Context, d Delivery) error
}

// Delivery is one authentic payload, without its credentials. Its headers are those of an allow-list.
// Account and Place are TEAM/USER and TEAM/CHANNEL where the payload says them, else "": it could be any.
type Delivery struct {
	ID      string // the same id is the same delivery, whichever way it came
	Account string
	Place   string
	Headers map[string]string
	Body    []byte
}

// The headers of a [Delivery].
const (
	HeaderKind        = "Slipway-Kind" // ours: the [Kind]
	HeaderRetryNum    = "X-Slack-Retry-Num"
	HeaderRetryReason = "X-Slack-Retry-Reason"
)

// Secrets are the fields of payloads that nobody is shown. An [Intake] takes them out before it stores a
// body; of a body that cannot be read they are left out when it is shown.
func Secrets() []string {
	return []string{"token", "trigger_id", "response_url", "action_token", "bot_access_token", "interactivity_pointer"}
}

// Retry is what Slack says when it sends something again.
type Retry struct{ Num, Reason string }

// IntakeOptions of an [Intake]. Forms and Opener may be nil: then no form opens.
type IntakeOptions struct {
	Inbox  Inbox
	Known  func() Known // as [Decode] is given it
	Forms  Forms
	Opener Opener
	Log    *slog.Logger // default: none
}

// storeTime bounds how long storing may take, as Slack gives up after 3 s.
const storeTime = 2500 * time.Millisecond

// Intake does what is to be done with an authentic payload.
type Intake struct{ o IntakeOptions }

// NewIntake makes it.
func NewIntake(o IntakeOptions) *Intake {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Known == nil {
		o.Known = func() Known { return Known{} }
	}
	return &Intake{o}
}

// Answer is what Slack is told at once. Then, unless nil, is to be called after Slack has it, without
// delay; it returns within seconds.
type Answer struct {
	Type string // of the body, for HTTP
	Body []byte // JSON or text; empty: a bare yes
	// Challenge says that somebody only looked whether anybody is here: a probe of doctor's own, too.
	Challenge bool
	Then      func(context.Context)
}

// IsJSON reports whether the body is JSON, which a websocket can carry.
func (a Answer) IsJSON() bool { return a.Type == typeJSON && len(a.Body) > 0 }

const (
	typeJSON = "application/json; charset=utf-8"
	typeText = "text/plain; charset=utf-8"
)

// Take stores a payload: a body over HTTP, or the payload of a frame of a websocket. With an error it is
// not stored, and Slack must not be told that it was. What is stored changes nothing here; the answer is
// only what Slack must hear within 3 seconds.
func (in *Intake) Take(ctx context.Context, kind Kind, payload []byte, retry Retry) (Answer, error) {
	payload = unwrapped(kind, payload)
	top, bad := parse(payload)
	if bad == nil && kind == Events {
		if c, is := challenge(top); is { // a probe of the address, of which nothing follows
			return Answer{Type: typeText, Body: []byte(c), Challenge: true}, nil
		}
	}
	if bad == nil && kind == Interactive && top.fields["type"] == "block_suggestion" {
		return Answer{Type: typeJSON, Body: []byte(`{"options":[]}`)}, nil // somebody types; nothing of ours asks for it
	}
	trigger, _ := top.fields["trigger_id"].(string)
	d := Delivery{Headers: map[string]string{HeaderKind: string(kind)}, Body: payload}
	if retryNum.MatchString(retry.Num) {
		d.Headers[HeaderRetryNum] = retry.Num
	}
	if retryReason.MatchString(retry.Reason) {
		d.Headers[HeaderRetryReason] = retry.Reason
	}
	if bad == nil {
		withoutCredentials(top.fields)
		d.Body = compact(top.fields)
		d.Account, d.Place = whence(kind, top)
		d.ID = identity(kind, top)
	}
	if d.ID == "" {
		d.ID = "sha256:" + digest(string(d.Body))
	}
	store, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	if err := in.o.Inbox.Deliver(store, d); err != nil {
		in.o.Log.Error("a delivery of Slack was not stored", "kind", string(kind), "error", errs.Text(err))
		return Answer{}, err
	}
	if bad != nil || kind != Interactive {
		return Answer{}, nil
	}
	return in.answer(top, trigger), nil
}

var (
	retryNum    = regexp.MustCompile(`^[0-9]{1,3}$`)
	retryReason = regexp.MustCompile(`^[a-z_]{1,40}$`)
	// challengeShape is what Slack's challenges are made of: what is given back to whoever signs is never markup.
	challengeShape = regexp.MustCompile(`^[A-Za-z0-9_.~+/=-]{1,500}$`)
)

// challenge is what Slack wants to hear when it checks the address of events.
func challenge(top object) (string, bool) {
	if top.fields["type"] != "url_verification" {
		return "", false
	}
	c, _ := top.fields["challenge"].(string)
	if !challengeShape.MatchString(c) {
		c = ""
	}
	return c, true
}

// unwrapped is the JSON in a form: of a press its one field payload, of a slash command its fields as an
// object, as they come over a websocket. What is no such form stays as it is.
func unwrapped(kind Kind, body []byte) []byte {
	if kind == Events || len(body) > 0 && body[0] == '{' || !utf8.Valid(body) {
		return body
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return body
	}
	fields := map[string]any{}
	for name, values := range form {
		if len(values) != 1 || name == "" || !utf8.ValidString(name) || !utf8.ValidString(values[0]) {
			return body
		}
		fields[name] = values[0]
	}
	if kind == Interactive {
		if payload, ok := fields["payload"].(string); ok && len(fields) == 1 {
			return []byte(payload)
		}
		return body
	}
	return compact(fields)
}

// whence is who sent it and from where, as far as it says.
func whence(kind Kind, top object) (account, place string) {
	r := &reader{}
	team, user, channel := "", "", ""
	switch kind {
	case Events:
		e := r.object(top, "event")
		team, user, channel = r.id(top, "team_id"), r.id(e, "user"), r.id(e, "channel")
		if item := r.object(e, "item"); channel == "" && r.err == nil {
			channel = r.id(item, "channel")
		}
	case Commands:
		team, user, channel = r.id(top, "team_id"), r.id(top, "user_id"), r.id(top, "channel_id")
	case Interactive:
		u := r.object(top, "user")
		team, user, channel = r.id(r.object(top, "team"), "id"), r.id(u, "id"), r.id(r.object(top, "channel"), "id")
		if own := r.id(u, "team_id"); own != "" && own != team {
			user = "" // of two teams: anybody
		}
	}
	if r.err != nil || team == "" {
		return "", ""
	}
	if user != "" {
		account = team + "/" + user
	}
	if channel != "" {
		place = team + "/" + channel
	}
	return account, place
}

// eventID is what the ids of events look like.
var eventID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)

// identity is the id of a delivery; "" when the payload has none.
func identity(kind Kind, top object) string {
	text := func(o map[string]any, key string) string { s, _ := o[key].(string); return s }
	sub := func(o map[string]any, key string) map[string]any { m, _ := o[key].(map[string]any); return m }
	switch kind {
	case Events:
		if id := text(top.fields, "event_id"); eventID.MatchString(id) {
			return id
		}
	case Commands:
		if t := text(top.fields, "trigger_id"); t != "" {
			return "cmd/" + triggerDigest(t)
		}
	case Interactive:
		switch text(top.fields, "type") {
		case "block_actions":
			c := sub(top.fields, "container")
			parts := []string{text(sub(top.fields, "team"), "id"), text(sub(top.fields, "user"), "id"), text(c, "channel_id"), text(c, "message_ts"), text(c, "view_id")}
			actions, _ := top.fields["actions"].([]any)
			stamped := len(actions) > 0
			for _, a := range actions {
				m, _ := a.(map[string]any)
				stamped = stamped && text(m, "action_ts") != ""
				parts = append(parts, text(m, "action_id"), text(m, "action_ts"))
			}
			if stamped {
				return "press/" + digest(parts...)
			}
		case "view_submission":
			v := sub(top.fields, "view")
			if id := text(v, "id"); id != "" {
				return "form/" + digest(text(sub(top.fields, "team"), "id"), text(sub(top.fields, "user"), "id"), id, string(compact(sub(v, "state"))))
			}
		}
	}
	return ""
}

// digest is the digest of texts, of which none runs into the next.
func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}

// Credentials that are told apart from others of their kind leave a digest, the rest a word.
const (
	digested = "sha256:"
	takenOut = "redacted"
)

// triggerDigest is the digest of a trigger, also of one that was taken out already.
func triggerDigest(t string) string {
	if d, ok := strings.CutPrefix(t, digested); ok && len(d) == 64 {
		return d
	}
	return digest(t)
}

// withoutCredentials takes the values of credential fields out of v, at any depth.
func withoutCredentials(v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, in := range v {
			text, is := in.(string)
			switch {
			case !is || text == "" || !secret(key):
				withoutCredentials(in)
			case key == "trigger_id":
				v[key] = digested + triggerDigest(text)
			default:
				v[key] = takenOut
			}
		}
	case []any:
		for _, in := range v {
			withoutCredentials(in)
		}
	}
}

func secret(name string) bool {
	for _, s := range Secrets() {
		if strings.EqualFold(name, s) {
			return true
		}
	}
	return false
}

// answer is what Slack must hear at once of a press or a form.
func (in *Intake) answer(top object, trigger string) Answer {
	k := in.o.Known()
	switch top.fields["type"] {
	case "view_submission":
		_, wrong, _, _ := submission(top, k)
		if len(wrong) > 0 {
			return Answer{Type: typeJSON, Body: compact(map[string]any{"response_action": "errors", "errors": wrong})}
		}
	case "block_actions":
		if p, asks := asksForm(top, k); asks && trigger != "" && in.o.Forms != nil && in.o.Opener != nil {
			return Answer{Then: func(ctx context.Context) { in.open(ctx, p, trigger) }}
		}
	}
	return Answer{}
}

// formTime bounds the opening of a form: Slack takes a trigger for 3 seconds. What is to be asked is found in
// the first half of it, so that there is time to show why it was not.
const (
	formTime = 3 * time.Second
	findTime = 1500 * time.Millisecond
)

// open shows a person the form that was asked for. Nothing is changed by it: who gets none can type the
// line. Why there is none is shown in its place.
func (in *Intake) open(ctx context.Context, p Press, trigger string) {
	ctx, cancel := context.WithTimeout(ctx, formTime)
	defer cancel()
	find, found := context.WithTimeout(ctx, findTime)
	defer found()
	form, err := in.o.Forms.Form(find, p)
	if err != nil && find.Err() != nil {
		err = errs.E("slack.form", errs.Unavailable, errors.New("it takes too long to find out what is to be asked")).Hint("press the button again, or type the line")
	}
	view := refusalView(err)
	if err == nil {
		if view, err = form.View(p); err != nil {
			view = refusalView(err)
		}
	}
	err = in.o.Opener.Open(ctx, trigger, view)
	if err != nil && !errors.Is(err, context.Canceled) {
		in.o.Log.Warn("a form could not be opened on Slack", "error", errs.Text(err))
	}
}
