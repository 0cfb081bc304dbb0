package hook

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"slipway/bot/errs"
)

// TestHostileBodies: each is a payload of Slack's with something changed that Slack never sends, or
// something else altogether. All are refused or ignored, with a reason.
func TestHostileBodies(t *testing.T) {
	said, pressed := event("Ev1", wrote("slipway mine", "")), pressedOn(ActionSay, "mine", "1700000005.000300")
	swap := func(in, old, new string) string {
		if !strings.Contains(in, old) {
			t.Fatalf("the payload does not hold %s", old)
		}
		return strings.Replace(in, old, new, 1)
	}
	var b strings.Builder
	for _, c := range []struct {
		name string
		kind Kind
		body string
	}{
		{"nothing", Events, ""},
		{"null", Events, "null"},
		{"a list", Events, "[]"},
		{"a text", Events, `"event_callback"`},
		{"two documents", Events, said + said},
		{"a form", Events, asForm(pressed)},
		{"no kind", "", said},
		{"another kind", "views", said},
		{"not UTF-8", Events, swap(said, "slipway mine", "slipway \xff")},
		{"a byte order mark", Events, "\ufeff" + said},
		{"NaN", Events, swap(said, "1700000001", "NaN")},
		{"a comma too many", Events, swap(said, `"is_ext_shared_channel":false`, `"is_ext_shared_channel":false,`)},
		{"very deep lists", Events, swap(said, `"is_ext_shared_channel":false`, `"deep":`+strings.Repeat("[", 9000)+strings.Repeat("]", 9000))},
		{"lists without an end", Events, strings.Repeat("[", 1_000_000)},
		{"very deep objects", Events, strings.Repeat(`{"a":`, 200_000) + "1" + strings.Repeat("}", 200_000)},
		{"deep objects", Events, swap(said, `"is_ext_shared_channel":false`, `"deep":`+strings.Repeat(`{"a":`, 100)+"1"+strings.Repeat("}", 100))},
		{"two types", Events, swap(said, `"type":"event_callback"`, `"type":"event_callback","type":"url_verification"`)},
		{"two types, one escaped", Events, swap(said, `"type":"event_callback"`, `"type":"event_callback","\u0074ype":"event_callback"`)},
		{"a type in capitals", Events, swap(said, `"type":"event_callback"`, `"TYPE":"event_callback"`)},
		{"two teams", Events, swap(said, `"team_id":"T0HARBOUR"`, `"team_id":"T0EVIL","team_id":"T0HARBOUR"`)},
		{"two texts", Events, swap(said, `"text":"slipway mine"`, `"text":"slipway mine","text":"slipway abort"`)},
		{"a type that is a number", Events, swap(said, `"type":"event_callback"`, `"type":1`)},
		{"a team that is null", Events, swap(said, `"team_id":"T0HARBOUR"`, `"team_id":null`)},
		{"a team that is a list", Events, swap(said, `"team_id":"T0HARBOUR"`, `"team_id":["T0HARBOUR"]`)},
		{"a team in small letters", Events, swap(said, `"team_id":"T0HARBOUR"`, `"team_id":"t0harbour"`)},
		{"a team that looks alike", Events, swap(said, `"team_id":"T0HARBOUR"`, `"team_id":"T0HАRBOUR"`)},
		{"a team with a dot", Events, swap(said, `"team_id":"T0HARBOUR"`, `"team_id":"T0HARBOUR."`)},
		{"an event that is null", Events, swap(said, `"event":{`, `"event":null,"e":{`)},
		{"an event that is a list", Events, swap(said, `"event":{`, `"event":[],"e":{`)},
		{"an event that is empty", Events, swap(said, `"event":{`, `"event":{},"e":{`)},
		{"an event of a new kind", Events, swap(said, `"type":"message"`, `"type":"message_metadata_posted"`)},
		{"no author", Events, swap(said, `"user":"U0HANA"`, `"user":null`)},
		{"an author that is an object", Events, swap(said, `"user":"U0HANA"`, `"user":{"id":"U0HANA"}`)},
		{"an author with a slash", Events, swap(said, `"user":"U0HANA"`, `"user":"U0/HANA"`)},
		{"an author that is a name", Events, swap(said, `"user":"U0HANA"`, `"user":"hana"`)},
		{"a text that is an object", Events, swap(said, `"text":"slipway mine"`, `"text":{"type":"mrkdwn","text":"slipway mine"}`)},
		{"a ts that is a number", Events, swap(said, `"ts":"1700000000.000100"`, `"ts":1700000000.000100`)},
		{"a ts with a sign", Events, swap(said, `"ts":"1700000000.000100"`, `"ts":"-1700000000.000100"`)},
		{"no ts", Events, swap(said, `"ts":"1700000000.000100"`, `"t":"1700000000.000100"`)},
		{"a thread of nothing", Events, swap(said, `"ts":"1700000000.000100"`, `"ts":"1700000000.000100","thread_ts":"x"`)},
		{"no channel", Events, swap(said, `"channel":"C0REL"`, `"channel":""`)},
		{"a channel with a slash", Events, swap(said, `"channel":"C0REL"`, `"channel":"../C0REL"`)},
		{"hidden in a word", Events, swap(said, `"channel_type":"channel"`, `"hidden":"yes"`)},
		{"a subtype that is a list", Events, swap(said, `"channel_type":"channel"`, `"subtype":["thread_broadcast"]`)},
		{"authorizations of texts", Events, `{"type":"event_callback","api_app_id":"A0SLIPWAY","team_id":"T0HARBOUR","authorizations":["U0BOT"],"event":{"type":"channel_left","channel":7}}`},
		{"a command without a person", Commands, `{"api_app_id":"A0SLIPWAY","team_id":"T0HARBOUR","channel_id":"C0REL","text":"mine","trigger_id":"1"}`},
		{"a command without a place", Commands, `{"api_app_id":"A0SLIPWAY","team_id":"T0HARBOUR","user_id":"U0HANA","text":"mine","trigger_id":"1"}`},
		{"a command without a trigger", Commands, `{"api_app_id":"A0SLIPWAY","team_id":"T0HARBOUR","user_id":"U0HANA","channel_id":"C0REL","text":"mine"}`},
		{"a command with a bell", Commands, `{"api_app_id":"A0SLIPWAY","team_id":"T0HARBOUR","user_id":"U0HANA","channel_id":"C0REL","text":"mine\u0007","trigger_id":"1"}`},
		{"a command of a number", Commands, `{"api_app_id":"A0SLIPWAY","team_id":"T0HARBOUR","user_id":"U0HANA","channel_id":"C0REL","text":7,"trigger_id":"1"}`},
		{"Slack's probe", Commands, `{"ssl_check":"1","token":"x"}`},
		{"a press without a type", Interactive, swap(pressed, `"type":"block_actions"`, `"typ":"block_actions"`)},
		{"a shortcut", Interactive, swap(pressed, `"type":"block_actions"`, `"type":"message_action"`)},
		{"a press by nobody", Interactive, swap(pressed, `"user":{"id":"U0HANA"`, `"user":{"id":""`)},
		{"a press by null", Interactive, swap(pressed, `"user":{`, `"user":null,"usr":{`)},
		{"a press on nothing", Interactive, swap(pressed, `"container":{`, `"container":null,"c":{`)},
		{"a press on no message", Interactive, swap(pressed, `"message_ts":"1700000000.000100"`, `"message_ts":null`)},
		{"actions that are null", Interactive, swap(pressed, `"actions":[`, `"actions":null,"a":[`)},
		{"actions that are an object", Interactive, swap(pressed, `"actions":[`, `"actions":{},"a":[`)},
		{"actions of null", Interactive, swap(pressed, `"actions":[`, `"actions":[null],"a":[`)},
		{"actions of nothing", Interactive, swap(pressed, `"actions":[`, `"actions":[{}],"a":[`)},
		{"a value that is a number", Interactive, swap(pressed, `"value":"mine"`, `"value":7`)},
		{"a form of null", Interactive, `{"type":"view_submission","api_app_id":"A0SLIPWAY","team":{"id":"T0HARBOUR"},"user":{"id":"U0HANA"},"view":null}`},
		{"a form of nothing", Interactive, `{"type":"view_submission","api_app_id":"A0SLIPWAY","team":{"id":"T0HARBOUR"},"user":{"id":"U0HANA"},"view":{}}`},
	} {
		facts, ignored, err := Decode(Header{c.kind}, []byte(c.body), ours())
		if len(facts) > 0 || (ignored == "") == (err == nil) {
			t.Errorf("%s: %s", c.name, told(facts, ignored, err))
		}
		if err != nil && !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: the kind is %s", c.name, errs.KindOf(err))
		}
		fmt.Fprintf(&b, "%s: %s", c.name, told(nil, ignored, err))
	}
	golden(t, "hostile.golden", b.String())
}

// TestHostileForms: what is no form of Slack's is kept as it came, and says nothing.
func TestHostileForms(t *testing.T) {
	good, pressed := typed("mine", "1.2.x"), pressedOn(ActionSay, "mine", "1700000005.000300")
	for _, c := range []struct {
		name string
		kind Kind
		body string
	}{
		{"two texts", Commands, good + "&text=abort"},
		{"two teams", Commands, good + "&team_id=T0EVIL"},
		{"a semicolon", Commands, good + ";text=abort"},
		{"half an escape", Commands, good + "&x=%"},
		{"not UTF-8", Commands, good + "&x=%ff"},
		{"two payloads", Interactive, asForm(pressed) + "&" + asForm(pressed)},
		{"more than a payload", Interactive, asForm(pressed) + "&x=1"},
		{"no payload", Interactive, url.Values{"body": {pressed}}.Encode()},
		{"a payload in a payload", Interactive, asForm(asForm(pressed))},
		{"a payload that is not UTF-8", Interactive, "payload=%ff" + url.QueryEscape(pressed)},
	} {
		d := newDoor(t, secretA)
		if w := d.sends(c.kind, c.body); w.Code != http.StatusOK || len(d.in.got) != 1 || !strings.HasPrefix(d.in.got[0].ID, "sha256:") {
			t.Errorf("%s: %d %+v", c.name, w.Code, d.in.got)
			continue
		}
		facts, ignored, err := Decode(HeaderOf(d.in.got[0].Headers), d.in.got[0].Body, ours())
		if len(facts) > 0 || !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %s", c.name, told(facts, ignored, err))
		}
	}
}

// fuzzed takes a body through the door and the decoder: it is answered with a yes, kept or a probe, and
// says something or why not, and nothing that names another team or app.
func fuzzed(t *testing.T, kind Kind, body string) {
	d := newDoor(t, secretA)
	w := httptest.NewRecorder()
	d.h.ServeHTTP(w, post(Path+string(kind), body, d.signed(secretA, body)))
	if w.Code != http.StatusOK || w.Body.Len() >= 20_000 {
		t.Fatalf("answers %d with %d bytes", w.Code, w.Body.Len())
	}
	for _, in := range d.in.got {
		facts, ignored, err := Decode(HeaderOf(in.Headers), in.Body, ours())
		if len(facts) > 0 && (err != nil || ignored != "") || len(facts) == 0 && err == nil && ignored == "" || in.ID == "" {
			t.Fatalf("%q: %s", body, told(facts, ignored, err))
		}
		raw, _, err2 := Decode(Header{kind}, unwrapped(kind, []byte(body)), ours())
		if told(raw, "", nil) != told(facts, "", nil) || (err == nil) != (err2 == nil) {
			t.Fatalf("%q says something else when it is stored:\n%s%v\n%s%v", body, told(raw, "", nil), err2, told(facts, "", nil), err)
		}
		for _, f := range facts {
			switch f := f.(type) {
			case Said:
				if f.Text == "" || f.Message == "" || !strings.HasPrefix(f.Place, "T0HARBOUR/") || strings.Count(f.Account, "/") != 1 || strings.HasSuffix(f.Account, "/") {
					t.Fatalf("%q says %+v", body, f)
				}
			case Touched:
				if !strings.HasPrefix(f.Place, "T0HARBOUR/") || !stampShape.MatchString(f.Message) {
					t.Fatalf("%q says %+v", body, f)
				}
			}
		}
	}
}

func FuzzEvents(f *testing.F) {
	for _, name := range fixtures(f) {
		if kindOf(name) == Events {
			f.Add(string(fixture(f, name)))
		}
	}
	f.Add(event("Ev1", wrote("<@U0BOT> mine", `,"edited":{}`)))
	f.Add(event("Ev1", `{"type":"reaction_added","user":"U0HANA","reaction":"+1","item":{"type":"message","channel":"C0REL","ts":"1700000000.000100"}}`))
	f.Add(event("Ev1", `{"type":"channel_left","channel":"C0REL"}`))
	f.Add(`{"type":"url_verification","challenge":"x"}`)
	f.Add(`{"type":"event_callback","event":null}`)
	f.Fuzz(func(t *testing.T, body string) { fuzzed(t, Events, body) })
}

func FuzzInteractive(f *testing.F) {
	for _, name := range fixtures(f) {
		if kindOf(name) == Interactive {
			f.Add(string(fixture(f, name)))
			f.Add(asForm(string(fixture(f, name))))
		}
	}
	f.Add(asForm(pressedOn(ActionSay, "mine", "1700000005.000300")))
	f.Add(pressedOn("form:answer", "2019.01 notes", "1700000005.000300"))
	f.Add(sentForm(nil))
	f.Add(sentForm(map[string]string{"days": "x", "parts": "["}))
	f.Fuzz(func(t *testing.T, body string) { fuzzed(t, Interactive, body) })
}

func FuzzCommand(f *testing.F) {
	f.Add(typed("mine", "1.2.x"))
	f.Add(typed("<@U0BOT> release “2019.01”", ""))
	f.Add("ssl_check=1&token=x")
	f.Add("a=1&a=2;b")
	f.Add(`{"text":"mine"}`)
	f.Fuzz(func(t *testing.T, body string) { fuzzed(t, Commands, body) })
}
