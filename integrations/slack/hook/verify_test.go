package hook

import (
	"bytes"
	"compress/gzip"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/slack"
)

// What this door withstands stands in the table of attacks in ARCHITECTURE.md, case by case.

const body = `{"type":"event_callback"}`

// TestVector is an example that was computed apart from this code. The secret is that of Slack's
// documentation, which no app has.
func TestVector(t *testing.T) {
	got := sign(example, time.Unix(1700000000, 0), []byte(`{"type":"url_verification","challenge":"c"}`))
	if want := "v0=c1a53898a2c88c32b231e515f6882cbdf6e88532979e0dd7d7d7ac3ede8aaa28"; got != want {
		t.Errorf("the signature is %s, want %s", got, want)
	}
}

func TestSecretsThatAreNone(t *testing.T) {
	for name, secrets := range map[string][]string{
		"none": nil, "empty": {""}, "short": {"changeme"}, "one letter": {strings.Repeat("a", 32)}, "spaces": {strings.Repeat("a b", 11)}, "a line end": {secretA + "\n"},
		"one good, one empty": {secretA, ""}, "three": {secretA, secretB, secretC}, "twice the same": {secretA, secretA}, "the example": {example},
		"a token of the bot": {"xoxb-1234567890-abcdefghijkl"}, "a token of the app": {"xapp-1-A0-1234567890-abcdef"}, "very long": {strings.Repeat("ab", 500)},
		"the well-known": {"development"},
	} {
		_, err := New(Options{Intake: NewIntake(IntakeOptions{}), Signing: secrets})
		if !errs.Is(err, errs.Invalid) || errs.HintOf(err) == "" {
			t.Errorf("%s: a door without a secret is opened: %v", name, err)
		}
		for _, s := range secrets {
			if len(s) > 8 && err != nil && strings.Contains(errs.Text(err), s) {
				t.Errorf("%s: the secret is told: %v", name, err)
			}
		}
	}
}

func TestPaths(t *testing.T) {
	d := newDoor(t, secretA)
	for _, path := range []string{"/", Path, Path + "event", Path + "events/", Path + "Events", "/hooks/slack", "/hooks/gitlab/events", "/hooks/slack/../slack/events", Path + "events/../commands"} {
		d.want(404, 0, post(path, body, d.signed(secretA, body)))
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions, "POSTED"} {
		r := post(Path+"events", body, d.signed(secretA, body))
		r.Method = method
		d.want(405, 0, r)
	}
	d.want(401, 0, post(Path+"events", body, with("X-Gitlab-Token", secretA), with("webhook-signature", "v1,x"), with("X-Hub-Signature-256", "sha256=0")))
	d.want(401, 0, post(Path+"events?token="+secretA, body))
	for i, kind := range []Kind{Events, Commands, Interactive} {
		b := fmt.Sprintf(`{"n":%d}`, i)
		d.want(200, i+1, post(Path+string(kind), b, d.signed(secretA, b)))
	}
}

// TestOtherPaths: what is signed for one path says nothing on another.
func TestOtherPaths(t *testing.T) {
	bodies := map[Kind]string{Events: event("Ev1", wrote("slipway mine", "")), Commands: typed("mine", "1.2.x"), Interactive: asForm(pressedOn(ActionSay, "mine", "1700000005.000300"))}
	for of, b := range bodies {
		for on := range bodies {
			d := newDoor(t, secretA)
			if w := d.sends(on, b); w.Code != 200 {
				t.Errorf("%s on %s: %d", of, on, w.Code)
			}
			got := d.in.got[0]
			facts, ignored, err := Decode(HeaderOf(got.Headers), got.Body, ours())
			if heard := len(facts) == 1; heard != (of == on) || !heard && ignored == "" && err == nil {
				t.Errorf("%s on %s: %s", of, on, told(facts, ignored, err))
			}
		}
	}
}

// TestEveryLiveSecret: while the secret is changed, the old one and its successor are good, and a third is
// not; once the old one is gone, it is refused.
func TestEveryLiveSecret(t *testing.T) {
	d := newDoor(t, secretA, secretB)
	d.want(200, 1, post(Path+"events", `{"n":1}`, d.signed(secretA, `{"n":1}`)))
	d.want(200, 2, post(Path+"events", `{"n":2}`, d.signed(secretB, `{"n":2}`)))
	for _, wrong := range []string{"", secretC, secretA[1:], secretA + "0", strings.ToUpper(secretA), "\x00" + secretA, secretA + secretB} {
		d.want(401, 2, post(Path+"events", body, d.signed(wrong, body)))
	}
	after := newDoor(t, secretB)
	after.want(401, 0, post(Path+"events", body, after.signed(secretA, body)))
	after.want(200, 1, post(Path+"events", body, after.signed(secretB, body)))
}

func TestSignatureForms(t *testing.T) {
	d := newDoor(t, secretA)
	stamp := strconv.FormatInt(d.now.Unix(), 10)
	good := sign(secretA, d.now, []byte(body))
	digits := good[3:]
	for _, sign := range []string{"", " ", "v0", "v0=", digits, "v1=" + digits, "V0=" + digits, "v00=" + digits, "md5=" + digits, "sha256=" + digits, "v0:" + digits, "v0= " + digits,
		" " + good + " x", good + "0", good + "00", good[:len(good)-1], good[:len(good)-2], "v0=" + strings.ToUpper(digits), "v0=" + digits[:62] + "zz", good + "," + good, good + " " + good,
		"v0=" + strings.Repeat("0", 64), "v0=" + strings.Repeat("0", 62), "v0=" + strings.Repeat("0", 66), "v0=0x" + digits[2:], good + "\x00", "v0=" + strings.Repeat("a", 10_000)} {
		d.want(401, 0, post(Path+"events", body, with(headerStamp, stamp), with(headerSign, sign)))
	}
	d.want(401, 0, post(Path+"events", body, with(headerStamp, stamp)))
	d.want(401, 0, post(Path+"events", body, with(headerSign, good)))
	d.want(401, 0, post(Path+"events", body))
	// A MAC over something that reads like it: another version, no version, the body alone.
	for _, base := range []string{"v1:" + stamp + ":" + body, stamp + ":" + body, body, "v0:" + stamp + body} {
		m := hmac.New(sha256.New, []byte(secretA))
		m.Write([]byte(base))
		d.want(401, 0, post(Path+"events", body, with(headerStamp, stamp), with(headerSign, "v0="+hex.EncodeToString(m.Sum(nil)))))
	}
	d.want(401, 0, post(Path+"events", body, with(headerStamp, strconv.FormatInt(d.now.Unix()+1, 10)), with(headerSign, good)))
	d.want(200, 1, post(Path+"events", body, with(headerStamp, stamp), with(headerSign, good)))
}

func TestTimestamps(t *testing.T) {
	d := newDoor(t, secretA)
	n, kept := d.now.Unix(), 0
	text := func(by int64) string { return strconv.FormatInt(n+by, 10) }
	for _, c := range []struct {
		stamp string
		good  bool
	}{
		{text(0), true}, {text(-300), true}, {text(300), true}, {text(-301), false}, {text(301), false}, {text(-360), false}, {text(360), false},
		{"", false}, {"0", false}, {"-1", false}, {"-" + text(0), false}, {"99999999999", false}, {"999999999999", false}, {"9223372036854775807", false},
		{"-9223372036854775808", false}, {"9223372036854775808", false}, {"18446744073709551616", false}, {"1e9", false}, {"1.7e9", false}, {"0" + text(0), false},
		{"00" + text(0), false}, {"+" + text(0), false}, {text(0) + "x", false}, {text(0) + ".0", false}, {"0x6553f100", false}, {strconv.FormatInt(n*1000, 10), false},
		{time.Unix(n, 0).UTC().Format(time.RFC3339), false}, {"١٧٠٠٠٠٠٠٠٠", false}, {text(0) + ":" + text(0), false},
	} {
		b := fmt.Sprintf(`{"n":%d}`, kept)
		sign := slack.Signature(secretA, c.stamp, []byte(b)) // a good signature of just this text
		status := 401
		if c.good {
			status, kept = 200, kept+1
		}
		d.want(status, kept, post(Path+"events", b, with(headerStamp, c.stamp), with(headerSign, sign)))
	}
}

// TestReplays: the same request again is taken and changes nothing, and is not taken after the window.
func TestReplays(t *testing.T) {
	d := newDoor(t, secretA)
	for kind, b := range map[Kind]string{Events: event("Ev1", wrote("slipway mine", "")), Commands: typed("mine", "1.2.x"), Interactive: asForm(pressedOn(ActionSay, "mine", "1700000005.000300"))} {
		kept := len(d.in.got) + 1
		sign := d.signed(secretA, b)
		for range 3 {
			d.want(200, kept, post(Path+string(kind), b, sign, with(HeaderRetryNum, "1"), with(HeaderRetryReason, "http_timeout")))
		}
		began := d.now
		d.now = d.now.Add(5*time.Minute + time.Second)
		d.want(401, kept, post(Path+string(kind), b, sign))
		d.now = began
	}
	if h := d.in.got[0].Headers; len(h) != 3 || h[HeaderRetryNum] != "1" || h[HeaderRetryReason] != "http_timeout" {
		t.Errorf("kept with %v", h)
	}
	d.want(200, 4, post(Path+"events", `{"n":4}`, d.signed(secretA, `{"n":4}`), with(HeaderRetryNum, "../../x"), with(HeaderRetryReason, "Ev\x7f")))
	if h := d.in.got[3].Headers; len(h) != 1 {
		t.Errorf("kept with %v", h)
	}
}

func TestDuplicateHeaders(t *testing.T) {
	d := newDoor(t, secretA)
	for _, name := range single() {
		r := post(Path+"events", body, d.signed(secretA, body), with(name, "1"), with(name, "1"))
		d.want(400, 0, r)
	}
}

// TestRawBytes: what means the same in JSON or in a form is not the same to the signature.
func TestRawBytes(t *testing.T) {
	d := newDoor(t, secretA)
	sign := d.signed(secretA, body)
	for _, other := range []string{body + "\n", " " + body, `{"type": "event_callback"}`, `{"type":"event\u005fcallback"}`, asForm(body), "", body + body} {
		d.want(401, 0, post(Path+"events", other, sign))
	}
	form := "command=%2Fslipway&text=mine"
	sign = d.signed(secretA, form)
	for _, other := range []string{"text=mine&command=%2Fslipway", "command=/slipway&text=mine", "command=%2fslipway&text=mine", form + "&", form + "&text=abort"} {
		d.want(401, 0, post(Path+"commands", other, sign))
	}
}

// TestNothingIsParsed: any bytes are refused alike without their signature, and kept as they are with it.
func TestNothingIsParsed(t *testing.T) {
	d := newDoor(t, secretA)
	for i, b := range []string{"not JSON", "{", strings.Repeat("[", 100_000), "\x00\xff\xfe", "null", `{"api_app_id":"A0EVIL","team_id":"T0EVIL"}`} {
		d.want(401, i, post(Path+"events", b, d.signed(secretB, b)))
		d.want(200, i+1, post(Path+"events", b, d.signed(secretA, b)))
		if got := string(d.in.got[i].Body); i < 5 && got != b {
			t.Errorf("kept %q of %q", got, b)
		}
	}
}

// TestWhatSlackHears: a yes to all that is authentic, and 503 when it could not be kept.
func TestWhatSlackHears(t *testing.T) {
	d := newDoor(t, secretA)
	d.in.full = true
	w := d.sends(Events, event("Ev1", wrote("slipway mine", "")))
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || w.Header().Get("X-Slack-No-Retry") != "" || !d.h.Standing(Events).Last.IsZero() {
		t.Errorf("what was not kept is answered with %d, %v", w.Code, w.Header())
	}
	d.in.full = false
	for i, b := range []string{event("Ev1", wrote("slipway mine", "")), event("Ev2", `{"type":"nonsense"}`), strings.ReplaceAll(event("Ev3", wrote("x", "")), "T0HARBOUR", "T0EVIL"), "{}", "rubbish", "[]"} {
		if w := d.sends(Events, b); w.Code != 200 || w.Body.Len() != 0 || len(d.in.got) != i+1 {
			t.Errorf("%s: %d %q", b, w.Code, w.Body)
		}
	}
	for _, kind := range []Kind{Commands, Interactive} {
		for _, b := range []string{"rubbish", "a=1&a=2", "payload=%7B", "%zz", ""} {
			if w := d.sends(kind, b); w.Code != 200 || w.Body.Len() != 0 {
				t.Errorf("%s: %d %q", b, w.Code, w.Body)
			}
		}
	}
	w = d.sends(Commands, typed("mine", "1.2.x"))
	if w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("a command: %d %q", w.Code, w.Body) // else Slack shows what is answered
	}
	before, stood := len(d.in.got), d.h.Standing(Events)
	d.now = d.now.Add(time.Second)
	w = d.sends(Events, `{"token":"verification","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}`)
	if w.Code != 200 || w.Body.String() != "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P" || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") || len(d.in.got) != before {
		t.Errorf("a challenge: %d %q %v", w.Code, w.Body, w.Header())
	}
	if got := d.h.Standing(Events); got != stood {
		t.Errorf("after a challenge: %+v", got)
	}
	for _, c := range []string{`"<script>"`, `"` + strings.Repeat("x", 2000) + `"`, "7", "null", `"a\r\nb"`} {
		if w := d.sends(Events, `{"type":"url_verification","challenge":`+c+`}`); w.Code != 200 || w.Body.Len() != 0 {
			t.Errorf("%s: %d %q", c, w.Code, w.Body)
		}
	}
	unsigned := d.send(post(Path+"events", `{"type":"url_verification","challenge":"abc"}`))
	if unsigned.Code != 401 || strings.Contains(unsigned.Body.String(), "abc") {
		t.Errorf("a challenge of a stranger: %d %q", unsigned.Code, unsigned.Body)
	}
	w = d.sends(Interactive, asForm(`{"type":"block_suggestion","team":{"id":"T0HARBOUR"},"api_app_id":"A0SLIPWAY","value":"x"}`))
	if w.Body.String() != `{"options":[]}` || len(d.in.got) != before {
		t.Errorf("a suggestion: %q", w.Body)
	}
}

// TestRefusalsTellNothing: neither the answer nor the log repeats what came or what was expected.
func TestRefusalsTellNothing(t *testing.T) {
	d := newDoor(t, secretA, secretB)
	right := sign(secretA, d.now, []byte(body))
	wrong := sign(secretC, d.now, []byte(body))
	for range 100 {
		w := d.send(post(Path+"events", body, with(headerStamp, strconv.FormatInt(d.now.Unix(), 10)), with(headerSign, wrong)))
		if said := w.Body.String() + d.log.String(); w.Code != 401 || strings.Contains(said, right[3:]) || strings.Contains(said, wrong[3:]) || strings.Contains(said, "event_callback") {
			t.Fatalf("%d %s", w.Code, said)
		}
	}
	if n := strings.Count(d.log.String(), "refused"); n != 1 {
		t.Errorf("100 refusals within a minute are %d lines in the log", n)
	}
	s := d.h.Standing(Events)
	if !s.Refused.Equal(d.now) || s.Why == "" || !s.Last.IsZero() || !d.h.Standing(Commands).Refused.IsZero() || d.h.Standing("x") != (Standing{}) {
		t.Errorf("standing %+v", s)
	}
}

func TestLargeBodies(t *testing.T) {
	d := newDoor(t, secretA)
	large := strings.Repeat("x", maxBody)
	d.want(200, 1, post(Path+"events", large, d.signed(secretA, large)))
	d.want(413, 1, post(Path+"events", large+"x", d.signed(secretA, large+"x")))
	chunked := post(Path+"events", large+"x", d.signed(secretA, large+"x"))
	chunked.ContentLength = -1
	d.want(413, 1, chunked)
	lie := post(Path+"events", "x", d.signed(secretA, "x"))
	lie.ContentLength = 1 << 40
	d.want(413, 1, lie)
	// Without headers that could be a signature, and outside the window, nothing is read at all.
	for _, set := range []func(http.Header){with("X", "y"), func(h http.Header) { h.Set(headerStamp, "1600000000"); h.Set(headerSign, sign(secretA, d.now, nil)) }} {
		r := &counted{}
		stranger := post(Path+"events", "", set)
		stranger.Body, stranger.ContentLength = io.NopCloser(r), -1
		d.want(401, 1, stranger)
		if r.read != 0 {
			t.Errorf("%d bytes of a stranger were read", r.read)
		}
	}
	r := &counted{}
	endless := post(Path+"events", "", d.signed(secretB, ""))
	endless.Body, endless.ContentLength = io.NopCloser(r), -1
	d.want(413, 1, endless)
	if r.read > 2*maxBody {
		t.Errorf("%d bytes of a body without end were read", r.read)
	}
}

// counted is a body without an end.
type counted struct{ read int }

func (c *counted) Read(p []byte) (int, error) { c.read += len(p); return len(p), nil }

func TestCompressed(t *testing.T) {
	d := newDoor(t, secretA)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	fmt.Fprint(z, strings.Repeat("0", 1<<20))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	d.want(415, 0, post(Path+"events", b.String(), d.signed(secretA, b.String()), with("Content-Encoding", "gzip")))
}

// slow is a body whose connection was cut for being slow.
type slow struct{}

func (slow) Read([]byte) (int, error) { return 0, timeout{} }

type timeout struct{}

func (timeout) Error() string { return "i/o timeout" }
func (timeout) Timeout() bool { return true }

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestSlowBodies(t *testing.T) {
	d := newDoor(t, secretA)
	for b, status := range map[io.Reader]int{slow{}: 408, io.MultiReader(strings.NewReader(body), failing{}): 400} {
		r := post(Path+"events", "", d.signed(secretA, body))
		r.Body, r.ContentLength = io.NopCloser(b), 100
		d.want(status, 0, r)
	}
}

// FuzzHeaders: whatever the headers say, nothing is kept without the secret, and nothing panics.
func FuzzHeaders(f *testing.F) {
	f.Add("1700000000", "v0="+strings.Repeat("a", 64), body)
	f.Add("", "", "")
	f.Add("-1", "v0=", "{")
	d := newDoor(f, secretA)
	f.Fuzz(func(t *testing.T, stamp, sign, text string) {
		w := httptest.NewRecorder()
		d.h.ServeHTTP(w, post(Path+"events", text, with(headerStamp, stamp), with(headerSign, sign)))
		if w.Code != 401 || d.in.all != 0 {
			t.Fatalf("answers %d", w.Code)
		}
	})
}
