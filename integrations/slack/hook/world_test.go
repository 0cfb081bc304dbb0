package hook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	slackgo "github.com/slack-go/slack"

	"slipway/bot/view"
	"slipway/integrations/slack"
)

// The secrets of the tests.
const (
	secretA = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
	secretB = "a0b1c2d3e4f5061728394a5b6c7d8e9f"
	secretC = "11223344556677889900aabbccddeeff"
)

// ours is the app and the team of the tests.
func ours() Known {
	return Known{Team: "T0HARBOUR", App: "A0SLIPWAY", Bot: "U0BOT", Person: func(user string) string {
		return map[string]string{"U0HANA": "hana", "U0OSKAR": "oskar"}[user]
	}}
}

// inbox keeps each delivery once, as the engine does, unless it is full.
type inbox struct {
	mu   sync.Mutex
	full bool
	got  []Delivery
	all  int // calls
}

func (i *inbox) Deliver(_ context.Context, d Delivery) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.all++
	if i.full {
		return errors.New("the disk is full")
	}
	for _, seen := range i.got {
		if seen.ID == d.ID {
			return nil
		}
	}
	i.got = append(i.got, d)
	return nil
}

// desk finds forms and opens them.
type desk struct {
	inbox  *inbox
	form   Form
	failed error
	asked  []Press
	kept   []int // how many deliveries there were when a form was opened
	opened []slackgo.ModalViewRequest
	with   []string // triggers
}

func (d *desk) Form(_ context.Context, p Press) (Form, error) {
	d.asked = append(d.asked, p)
	return d.form, d.failed
}

func (d *desk) Open(_ context.Context, trigger string, modal slackgo.ModalViewRequest) error {
	d.kept = append(d.kept, len(d.inbox.got))
	d.opened, d.with = append(d.opened, modal), append(d.with, trigger)
	return nil
}

// door is a handler at a time that the test sets.
type door struct {
	t    testing.TB
	h    *Handler
	in   *inbox
	desk *desk
	log  *strings.Builder
	now  time.Time
}

func newDoor(t testing.TB, signing ...string) *door {
	t.Helper()
	d := &door{t: t, in: &inbox{}, log: &strings.Builder{}, now: time.Unix(1700000000, 0)}
	d.desk = &desk{inbox: d.in, form: question()}
	log := slog.New(slog.NewTextHandler(d.log, nil))
	intake := NewIntake(IntakeOptions{Inbox: d.in, Known: ours, Forms: d.desk, Opener: d.desk, Log: log})
	h, err := New(Options{Intake: intake, Signing: signing, Now: func() time.Time { return d.now }, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	d.h = h
	return d
}

// question is a form with a field of each sort.
func question() Form {
	return Form{Title: "What goes into the notes?", Text: "Asked by release 2019.01", Action: view.Action{Text: "Answer", Command: "answer 2019.01 notes", Fields: []view.Field{
		{Name: "summary", Type: "string", Required: true, Help: "one line"},
		{Name: "days", Type: "int"},
		{Name: "good", Type: "bool", Required: true, Value: "true"},
		{Name: "kind", Type: "string", Choices: []string{"major", "minor"}, Value: "minor"},
		{Name: "owner", Type: "string", Person: true},
		{Name: "reason", Option: true, Type: "string"},
		{Name: "parts", In: "output", Type: "list"},
	}}}
}

// post is a request to a path, as Slack sends it, without its signature.
func post(path, body string, set ...func(http.Header)) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Slackbot 1.0 (+https://api.slack.com/robots)")
	for _, f := range set {
		f(r.Header)
	}
	return r
}

func with(name, value string) func(http.Header) {
	return func(h http.Header) { h.Add(name, value) }
}

// signed adds the headers of a good signature.
func (d *door) signed(secret, body string) func(http.Header) {
	at := d.now
	return func(h http.Header) {
		h.Set(headerStamp, strconv.FormatInt(at.Unix(), 10))
		h.Set(headerSign, sign(secret, at, []byte(body)))
	}
}

// sign is the signature of a body as Slack gives it.
func sign(secret string, at time.Time, body []byte) string {
	return slack.Signature(secret, strconv.FormatInt(at.Unix(), 10), body)
}

// send gives the answer, and fails when it or the log tells a secret.
func (d *door) send(r *http.Request) *httptest.ResponseRecorder {
	d.t.Helper()
	w := httptest.NewRecorder()
	d.h.ServeHTTP(w, r)
	said := w.Body.String() + d.log.String()
	for _, secret := range []string{secretA, secretB, secretC} {
		if strings.Contains(said, secret) {
			d.t.Errorf("a secret is told: %s", said)
		}
	}
	for _, name := range []string{headerSign, headerStamp} {
		for _, v := range r.Header.Values(name) {
			if len(v) > 3 && strings.Contains(said, v) {
				d.t.Errorf("what was sent as %s is told again: %s", name, said)
			}
		}
	}
	return w
}

// want sends and compares the status and how many deliveries are kept by now.
func (d *door) want(status, kept int, r *http.Request) {
	d.t.Helper()
	if got := d.send(r).Code; got != status || len(d.in.got) != kept {
		d.t.Errorf("%s %s: %d with %d kept, want %d with %d", r.Method, r.URL, got, len(d.in.got), status, kept)
	}
}

// sends sends a body of a kind with a good signature, and gives what is answered.
func (d *door) sends(kind Kind, body string) *httptest.ResponseRecorder {
	d.t.Helper()
	return d.send(post(Path+string(kind), body, d.signed(secretA, body)))
}

// facts decodes what is kept.
func (d *door) facts() (all []Fact) {
	d.t.Helper()
	for _, in := range d.in.got {
		found, _, err := Decode(HeaderOf(in.Headers), in.Body, ours())
		if err != nil {
			d.t.Error(err)
		}
		all = append(all, found...)
	}
	return all
}

// event is the body of an event, as Slack sends it; inner is what it is about.
func event(id, inner string) string {
	return fmt.Sprintf(`{"token":"verification","team_id":"T0HARBOUR","context_team_id":"T0HARBOUR","api_app_id":"A0SLIPWAY","event":%s,`+
		`"type":"event_callback","event_id":%q,"event_time":1700000001,"authorizations":[{"team_id":"T0HARBOUR","user_id":"U0BOT","is_bot":true}],`+
		`"is_ext_shared_channel":false}`, inner, id)
}

// wrote is the inner part of a message of hana; more is JSON that follows its last field.
func wrote(text, more string) string {
	return fmt.Sprintf(`{"type":"message","user":"U0HANA","text":%s,"ts":"1700000000.000100","team":"T0HARBOUR","channel":"C0REL","channel_type":"channel","event_ts":"1700000000.000100"%s}`,
		quote(text), more)
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// typed is the body of a slash command.
func typed(text, trigger string) string {
	return url.Values{"token": {"verification"}, "team_id": {"T0HARBOUR"}, "team_domain": {"harbour"}, "channel_id": {"C0REL"}, "channel_name": {"releases"},
		"user_id": {"U0HANA"}, "user_name": {"hana.h"}, "command": {"/slipway"}, "text": {text}, "api_app_id": {"A0SLIPWAY"},
		"response_url": {"https://hooks.slack.com/commands/T0HARBOUR/1/secret"}, "trigger_id": {trigger}}.Encode()
}

const container = `"container":{"type":"message","message_ts":"1700000000.000100","channel_id":"C0REL","is_ephemeral":false}`

// pressedOn is the payload of a press.
func pressedOn(action, value, at string) string {
	return fmt.Sprintf(`{"type":"block_actions","team":{"id":"T0HARBOUR","domain":"harbour"},"user":{"id":"U0HANA","username":"hana.h","team_id":"T0HARBOUR"},`+
		`"api_app_id":"A0SLIPWAY","token":"verification",%s,"trigger_id":"13345.7.secret","channel":{"id":"C0REL","name":"releases"},`+
		`"message":{"type":"message","user":"U0BOT","ts":"1700000000.000100","text":"release 2019.01"},"state":{"values":{}},`+
		`"response_url":"https://hooks.slack.com/actions/T0HARBOUR/1/secret","actions":[{"action_id":%s,"block_id":"b1","type":"button","value":%s,"action_ts":%q}]}`,
		container, quote(action), quote(value), at)
}

// asForm is a payload as Slack sends it over HTTP.
func asForm(payload string) string { return url.Values{"payload": {payload}}.Encode() }
