package slack

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// event is the inner event of a delivery that came in.
func event(t testing.TB, in inbound) (envelope, inner map[string]any) {
	t.Helper()
	if err := json.Unmarshal(in.body, &envelope); err != nil {
		t.Fatal(err)
	}
	inner, _ = envelope["event"].(map[string]any)
	return envelope, inner
}

func TestEventsAreSignedAndSaidOnceEach(t *testing.T) {
	h := newHarbour(t, Options{})
	ts := h.s.Say(h.ada, h.quay, "<@"+h.s.App().User+"> > status & all", "")
	h.must(h.s.React(h.bo, h.quay, ts, "✅"))
	h.must(h.s.Edit(h.ada, h.quay, ts, "never mind"))
	h.must(h.s.Delete(h.ada, h.quay, ts))
	h.s.Say(h.ada, h.pub, "the app is not here", "")
	h.s.Deliver()
	var kinds []string
	for _, in := range h.inbox() {
		if want := Sign(h.s.App().Secret, in.header.Get("X-Slack-Request-Timestamp"), in.body); in.path != "/hooks/slack/events" || in.header.Get("X-Slack-Signature") != want {
			t.Errorf("%s is signed %q, want %q", in.path, in.header.Get("X-Slack-Signature"), want)
		}
		envelope, inner := event(t, in)
		if envelope["team_id"] != "T0HARBOUR" || envelope["api_app_id"] != h.s.App().ID {
			t.Errorf("envelope: %v", envelope)
		}
		kind := inner["type"].(string)
		if sub, is := inner["subtype"].(string); is {
			kind += "/" + sub
		}
		kinds = append(kinds, kind)
		if kind == "message" && inner["text"] != "<@"+h.s.App().User+"> &gt; status &amp; all" {
			t.Errorf("text: %v", inner["text"])
		}
	}
	if got := strings.Join(kinds, " "); got != "message app_mention reaction_added message/message_changed message/message_deleted" {
		t.Errorf("events: %s", got)
	}
}

// The vector of the signature was computed with another program.
func TestSignature(t *testing.T) {
	got := Sign("8f742231b10e8888abcd99yyyzzz85a5", "1700000000", []byte(`{"type":"url_verification","challenge":"c"}`))
	if got != "v0=c1a53898a2c88c32b231e515f6882cbdf6e88532979e0dd7d7d7ac3ede8aaa28" {
		t.Error(got)
	}
}

func TestEventsAreOnlyForWhoAskedAndMay(t *testing.T) {
	h := newHarbour(t, Options{})
	h.s.SetApp(func(a *App) {
		a.Events = []string{"reaction_added", "message.channels"}
		a.Scopes = []string{"channels:history"}
	})
	ts := h.s.Say(h.ada, h.quay, "hello", "")
	h.must(h.s.React(h.ada, h.quay, ts, "eyes"))
	if ds := h.s.Take(); len(ds) != 1 || ds[0].Type != "message.channels" {
		t.Errorf("without reactions:read: %v", ds)
	}
	h.s.Remove(h.quay, h.s.App().User)
	h.s.Say(h.ada, h.quay, "gone?", "")
	if ds := h.s.Take(); len(ds) != 0 {
		t.Errorf("after the app left: %v", ds)
	}
}

func TestWhatFailsIsSentAgain(t *testing.T) {
	h := newHarbour(t, Options{})
	h.s.Say(h.ada, h.quay, "hello", "")
	h.answer = func(*http.Request, []byte) (int, string) { return 500, "" }
	if sent := h.s.Deliver(); len(sent) != 2 || sent[1].Retry != 1 {
		t.Fatalf("at first: %+v", sent)
	}
	h.pass(59 * time.Second)
	if sent := h.s.Deliver(); len(sent) != 0 {
		t.Errorf("too early: %+v", sent)
	}
	h.pass(time.Second)
	if sent := h.s.Deliver(); len(sent) != 1 {
		t.Errorf("after a minute: %+v", sent)
	}
	h.pass(5 * time.Minute)
	h.s.Deliver()
	all := h.inbox()
	first, _ := event(t, all[0])
	for i, in := range all {
		envelope, _ := event(t, in)
		if envelope["event_id"] != first["event_id"] {
			t.Errorf("attempt %d has another id", i)
		}
		if n := in.header.Get("X-Slack-Retry-Num"); i > 0 && (n != string(rune('0'+i)) || in.header.Get("X-Slack-Retry-Reason") != "http_error") {
			t.Errorf("attempt %d says %q, %q", i, n, in.header.Get("X-Slack-Retry-Reason"))
		}
	}
	h.pass(time.Hour)
	if sent := h.s.Deliver(); len(all) != 4 || len(sent) != 0 {
		t.Errorf("%d attempts, then %+v", len(all), sent)
	}
}

func TestAnAnswerMayEndTheAttempts(t *testing.T) {
	h := newHarbour(t, Options{})
	app := http.NewServeMux()
	app.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Slack-No-Retry", "1")
		w.WriteHeader(500)
	})
	h.serve(app)
	h.s.Say(h.ada, h.quay, "hello", "")
	if sent := h.s.Deliver(); len(sent) != 1 || h.s.Waiting() != 0 {
		t.Errorf("sent %d times, %d wait", len(sent), h.s.Waiting())
	}
}

func TestWhoIsTooSlowHearsItAgain(t *testing.T) {
	h := newHarbour(t, Options{})
	h.s.AnswerIn(100 * time.Millisecond)
	release := make(chan struct{})
	h.answer = func(r *http.Request, _ []byte) (int, string) {
		if r.Header.Get("X-Slack-Retry-Num") == "" {
			h.s.AnswerIn(0) // of the next attempt
			<-release
		}
		return 200, ""
	}
	h.s.Say(h.ada, h.quay, "hello", "")
	sent := h.s.Deliver()
	close(release)
	if len(sent) != 2 || sent[0].Status != 0 || !sent[1].OK() || sent[1].Header.Get("X-Slack-Retry-Reason") != "http_timeout" {
		t.Errorf("sent: %+v", sent)
	}
}

func TestAStormIsOfNewIdsAndOldOnes(t *testing.T) {
	h := newHarbour(t, Options{})
	for range 5 {
		h.s.Say(h.ada, h.quay, "hello", "")
	}
	ds := h.s.Take()
	storm := h.s.Storm(rand.New(rand.NewPCG(1, 2)), ds)
	ids, texts := map[string]bool{}, map[string]int{}
	for _, d := range storm {
		h.s.Send(d)
		ids[d.ID] = true
	}
	for _, in := range h.inbox() {
		envelope, inner := event(t, in)
		texts[inner["ts"].(string)]++
		if !ids[envelope["event_id"].(string)] {
			t.Errorf("id %v is not of the storm", envelope["event_id"])
		}
	}
	if len(texts) != 5 || len(ids) <= 5 || len(ids) >= len(storm) {
		t.Errorf("%d deliveries of %d messages under %d ids", len(storm), len(texts), len(ids))
	}
}

func TestCommandsAreForms(t *testing.T) {
	h := newHarbour(t, Options{})
	h.answer = func(_ *http.Request, body []byte) (int, string) {
		v, _ := url.ParseQuery(string(body))
		switch v.Get("text") {
		case "quiet":
			return 200, ""
		case "loud":
			return 200, `{"response_type":"in_channel","text":"hear, hear"}`
		case "broken":
			return 500, ""
		}
		return 200, "you said " + v.Get("text")
	}
	for _, text := range []string{"quiet", "/slipway loud", "broken", "go <@" + h.bo + ">"} {
		if _, err := h.s.Command(h.ada, h.pub, text); err != nil {
			t.Fatal(err)
		}
	}
	h.s.Deliver()
	in := h.inbox()
	if len(in) != 4 || in[0].path != "/hooks/slack/commands" || h.s.Waiting() != 0 {
		t.Errorf("commands: %v", in)
	}
	v, err := url.ParseQuery(string(in[3].body))
	h.must(err)
	if v.Get("text") != "go <@"+h.bo+"|bo>" || v.Get("user_id") != h.ada || v.Get("command") != "/slipway" || v.Get("trigger_id") == "" {
		t.Errorf("form: %v", v)
	}
	var heard []string
	for _, m := range h.s.Whispers(h.pub, h.ada) {
		heard = append(heard, m.Text)
	}
	if got := strings.Join(heard, "; "); got != `/slipway failed with the error "dispatch_failed"; you said go &lt;@`+h.bo+`|bo&gt;` && !strings.Contains(got, "you said go <@") {
		t.Errorf("heard: %s", got)
	}
	if loud := h.s.Messages(h.pub); len(loud) != 1 || loud[0].Text != "hear, hear" {
		t.Errorf("in the channel: %+v", loud)
	}
	if _, err := h.s.Command(h.ada, h.quay, "/nothing"); err == nil {
		t.Error("a command that the app does not have works")
	}
}

func TestPressesNameTheirMessage(t *testing.T) {
	h := newHarbour(t, Options{})
	ts := h.card()
	h.s.Take()
	for _, what := range []string{"say:2", "approve 7", "Stop"} {
		if _, err := h.s.Press(h.bo, h.quay, ts, what); err != nil {
			t.Error(err)
		}
	}
	if _, err := h.s.Press(h.bo, h.quay, ts, "fly"); err == nil {
		t.Error("a button that is not there is pressed")
	}
	h.s.Deliver()
	var got []string
	for _, in := range h.inbox() {
		v, err := url.ParseQuery(string(in.body))
		h.must(err)
		var p map[string]any
		h.must(json.Unmarshal([]byte(v.Get("payload")), &p))
		if at(p, "container", "message_ts") != ts || at(p, "user", "id") != h.bo || at(p, "channel", "id") != h.quay || p["type"] != "block_actions" {
			t.Errorf("payload: %v", p)
		}
		got = append(got, at(p, "actions", 0, "value").(string))
		r, err := http.Post(p["response_url"].(string), "application/json", strings.NewReader(`{"replace_original":true,"text":"pressed"}`))
		h.must(err)
		_ = r.Body.Close()
	}
	if strings.Join(got, "; ") != "stop 7; approve 7; stop 7" {
		t.Errorf("pressed: %v", got)
	}
	if m, _ := h.s.Message(h.quay, ts); m.Text != "pressed" || len(m.Blocks) != 0 {
		t.Errorf("after the answer: %+v", m)
	}
}

func TestAnAnswerIsTakenFiveTimesInHalfAnHour(t *testing.T) {
	h := newHarbour(t, Options{})
	d, err := h.s.Command(h.ada, h.quay, "x")
	h.must(err)
	v, err := url.ParseQuery(string(d.Body))
	h.must(err)
	send := func() int {
		r, err := http.Post(v.Get("response_url"), "application/json", strings.NewReader(`{"text":"psst"}`))
		h.must(err)
		_ = r.Body.Close()
		return r.StatusCode
	}
	for range 5 {
		if code := send(); code != 200 {
			t.Errorf("an answer is refused: %d", code)
		}
	}
	if code := send(); code != 404 || len(h.s.Whispers(h.quay, h.ada)) != 5 {
		t.Errorf("the sixth: %d", code)
	}
}
