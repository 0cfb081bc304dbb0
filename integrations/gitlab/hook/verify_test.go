package hook

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What this door withstands stands in the table of attacks in ARCHITECTURE.md, case by case.

const body = `{"object_kind":"push"}`

// TestVector is the example of Standard Webhooks with GitLab's form of the token.
func TestVector(t *testing.T) {
	got, err := Sign(signA, "f5e5f430-f57b-4e6e-9fac-d9128cd7232f", time.Unix(1744578123, 0), []byte(body))
	if want := "v1,Sp6eEtWPfePxY+jOOgrLYjgw2PxaWCPwmS7SqImwe6U="; err != nil || got != want {
		t.Errorf("Sign = %q, %v; want %q", got, err, want)
	}
	d := newDoor(t, Hook{Name: "harbour", Signing: []string{signA}})
	d.want(200, 1, post("/hooks/gitlab/harbour", body, with("webhook-id", "f5e5f430-f57b-4e6e-9fac-d9128cd7232f"),
		with("webhook-timestamp", "1744578123"), with("webhook-signature", "v1,Sp6eEtWPfePxY+jOOgrLYjgw2PxaWCPwmS7SqImwe6U=")))
}

func TestSecretsThatAreNone(t *testing.T) {
	for name, h := range map[string]Hook{
		"none": {}, "empty token": {Tokens: []string{""}}, "short token": {Tokens: []string{"changeme"}}, "one letter": {Tokens: []string{strings.Repeat("a", 32)}},
		"token of spaces": {Tokens: []string{strings.Repeat(" x", 16)}}, "one good, one empty": {Tokens: []string{tokenA, ""}},
		"three tokens": {Tokens: []string{tokenA, tokenB, tokenC}}, "empty signing token": {Signing: []string{""}}, "bare prefix": {Signing: []string{"whsec_"}},
		"no prefix": {Signing: []string{signA[6:]}}, "not base64": {Signing: []string{"whsec_???"}}, "short key": {Signing: []string{"whsec_MDEyMzQ1"}},
		"key of zeros": {Signing: []string{"whsec_" + strings.Repeat("A", 43) + "="}}, "loose base64": {Signing: []string{strings.TrimSuffix(signA, "=")}},
		"base64 with a line end": {Signing: []string{signA[:20] + "\n" + signA[20:]}},
	} {
		h.Name = "harbour"
		if _, err := New(Options{Hooks: []Hook{h}, Inbox: &inbox{}}); err == nil {
			t.Errorf("%s: a hook without a secret is taken", name)
		}
	}
	for _, name := range []string{"", "../x", "Harbour", "a/b", "a b"} {
		if _, err := New(Options{Hooks: []Hook{{Name: name, Tokens: []string{tokenA}}}, Inbox: &inbox{}}); err == nil {
			t.Errorf("a hook is called %q", name)
		}
	}
	if _, err := New(Options{Hooks: []Hook{{Name: "a", Tokens: []string{tokenA}}, {Name: "a", Tokens: []string{tokenB}}}, Inbox: &inbox{}}); err == nil {
		t.Error("two hooks have one name")
	}
}

func TestPaths(t *testing.T) {
	d := newDoor(t, Hook{Name: "harbour", Tokens: []string{tokenA}}, Hook{Name: "fork", Tokens: []string{tokenB}})
	d.want(404, 0, post("/", body, with("X-Gitlab-Token", tokenA)))
	d.want(404, 0, post("/hooks/gitlab/", body, with("X-Gitlab-Token", tokenA)))
	d.want(404, 0, post("/hooks/gitlab/harbor", body, with("X-Gitlab-Token", tokenA)))
	d.want(404, 0, post("/hooks/gitlab/harbour/", body, with("X-Gitlab-Token", tokenA)))
	d.want(404, 0, post("/hooks/gitlab/fork/../harbour", body, with("X-Gitlab-Token", tokenA)))
	d.want(404, 0, post("/hooks/slack/harbour", body, with("X-Gitlab-Token", tokenA)))
	d.want(401, 0, post("/hooks/gitlab/harbour", body, with("X-Gitlab-Token", tokenB)))
	d.want(401, 0, post("/hooks/gitlab/fork", body, with("X-Gitlab-Token", tokenA)))
	d.want(401, 0, post("/hooks/gitlab/harbour?token="+tokenA, body))
	d.want(401, 0, post("/hooks/gitlab/harbour", body, with("X-Slack-Signature", "v0=0"), with("X-Hub-Signature-256", "sha256=0")))
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions, "POSTED"} {
		r := post("/hooks/gitlab/harbour", body, with("X-Gitlab-Token", tokenA))
		r.Method = method
		d.want(405, 0, r)
	}
	d.want(200, 1, post("/hooks/gitlab/fork", body, with("X-Gitlab-Token", tokenB)))
}

// TestEveryLiveSecret: while a secret is changed, the old one and its successor are good, and a third
// is not; once the old one is gone, it is refused.
func TestEveryLiveSecret(t *testing.T) {
	now := time.Unix(1744578123, 0)
	const at = "/hooks/gitlab/harbour"
	d := newDoor(t, Hook{Name: "harbour", Tokens: []string{tokenA, tokenB}})
	d.want(200, 1, post(at, body, with("X-Gitlab-Token", tokenA), with("Idempotency-Key", "1")))
	d.want(200, 2, post(at, body, with("X-Gitlab-Token", tokenB), with("Idempotency-Key", "2")))
	for _, wrong := range []string{"", " ", tokenC, tokenA[1:], tokenA + "0", strings.ToUpper(tokenA), tokenA + "\x00", tokenA + tokenB, strings.Repeat("x", 10_000)} {
		d.want(401, 2, post(at, body, with("X-Gitlab-Token", wrong)))
	}
	d.want(401, 2, post(at, body))
	after := newDoor(t, Hook{Name: "harbour", Tokens: []string{tokenB}})
	after.want(401, 0, post(at, body, with("X-Gitlab-Token", tokenA)))

	s := newDoor(t, Hook{Name: "harbour", Signing: []string{signA, signB}})
	s.want(200, 1, post(at, body, signedAt(t, "1", now, body, signA)))
	s.want(200, 2, post(at, body, signedAt(t, "2", now, body, signB)))
	s.want(200, 3, post(at, body, signedAt(t, "3", now, body, signA, signB)))
	gone := newDoor(t, Hook{Name: "harbour", Signing: []string{signB}})
	gone.want(401, 0, post(at, body, signedAt(t, "1", now, body, signA)))
	gone.want(200, 1, post(at, body, signedAt(t, "2", now, body, signA, signB))) // any of several
}

// TestBothAreDemanded: a hook with a token and a signing token takes nothing that has one alone, and a
// signature that cannot be checked is no reason to believe the token.
func TestBothAreDemanded(t *testing.T) {
	const at = "/hooks/gitlab/harbour"
	d := newDoor(t, Hook{Name: "harbour", Tokens: []string{tokenA}, Signing: []string{signA}})
	d.want(401, 0, post(at, body, with("X-Gitlab-Token", tokenA)))
	d.want(401, 0, post(at, body, signedAt(t, "1", d.now, body, signA)))
	d.want(401, 0, post(at, body, with("X-Gitlab-Token", tokenA), signedAt(t, "1", d.now, body, signB)))
	d.want(401, 0, post(at, body, with("X-Gitlab-Token", tokenA), with("webhook-signature", "")))
	d.want(200, 1, post(at, body, with("X-Gitlab-Token", tokenA), signedAt(t, "1", d.now, body, signA)))
	only := newDoor(t, Hook{Name: "harbour", Tokens: []string{tokenA}})
	only.want(401, 0, post(at, body, with("X-Gitlab-Token", tokenA), signedAt(t, "1", d.now, body, signA)))
	only.want(401, 0, post(at, body, with("X-Gitlab-Token", tokenA), with("webhook-signature", "")))
	only.want(200, 1, post(at, body, with("X-Gitlab-Token", tokenA), with("webhook-id", "1"), with("webhook-timestamp", "1"))) // GitLab sends these always
}

func TestSignatureForms(t *testing.T) {
	const at = "/hooks/gitlab/harbour"
	d := newDoor(t, Hook{Name: "harbour", Signing: []string{signA}})
	right, err := Sign(signA, "id", d.now, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	mac := right[3:]
	stamp := strconv.FormatInt(d.now.Unix(), 10)
	for _, sign := range []string{"", " ", "v1", "v1,", mac, "v1=" + mac, "v2," + mac, "V1," + mac, "v1a," + mac, "sha1," + mac, "md5," + mac, "v1, " + mac,
		"v1," + mac[:len(mac)-1], "v1," + mac + "=", "v1," + mac[1:], "v1," + strings.ToLower(mac), "v1," + mac + "," + mac, "," + mac, "v1," + mac + "\x00",
		"v1,AAAA", "v1," + strings.Repeat("A", 43) + "=", strings.Repeat("v1,"+strings.Repeat("A", 43)+"= ", mostSigns) + right, "v1," + strings.Repeat("A", 4000)} {
		d.want(401, 0, post(at, body, with("webhook-id", "id"), with("webhook-timestamp", stamp), with("webhook-signature", sign)))
	}
	for _, id := range []string{"", "id.", "a b", "id\n", "é", strings.Repeat("x", 201), "id." + stamp} {
		d.want(401, 0, post(at, body, with("webhook-id", id), with("webhook-timestamp", stamp), with("webhook-signature", right)))
	}
	d.want(401, 0, post(at, body, with("webhook-timestamp", stamp), with("webhook-signature", right)))
	d.want(401, 0, post(at, body, with("webhook-id", "id"), with("webhook-signature", right)))
	d.want(401, 0, post(at, body, with("webhook-id", "other"), with("webhook-timestamp", stamp), with("webhook-signature", right)))
	d.want(200, 1, post(at, body, with("webhook-id", "id"), with("webhook-timestamp", stamp), with("webhook-signature", "v2,AAAA v1,AAAA "+right)))
}

func TestTimestamps(t *testing.T) {
	const at = "/hooks/gitlab/harbour"
	d := newDoor(t, Hook{Name: "harbour", Signing: []string{signA}})
	n, kept := d.now.Unix(), 0
	for _, c := range []struct {
		stamp string
		good  bool
	}{
		{strconv.FormatInt(n, 10), true}, {strconv.FormatInt(n-300, 10), true}, {strconv.FormatInt(n+300, 10), true},
		{strconv.FormatInt(n-301, 10), false}, {strconv.FormatInt(n+301, 10), false}, {strconv.FormatInt(n-360, 10), false}, {strconv.FormatInt(n+360, 10), false},
		{"", false}, {"0", false}, {"-1", false}, {strconv.FormatInt(-n, 10), false}, {"99999999999", false}, {"999999999999", false},
		{"9223372036854775807", false}, {"-9223372036854775808", false}, {"18446744073709551616", false}, {"1e9", false}, {"1.744578123e9", false},
		{"0" + strconv.FormatInt(n, 10), false}, {"+" + strconv.FormatInt(n, 10), false}, {" " + strconv.FormatInt(n, 10) + "x", false},
		{strconv.FormatInt(n, 10) + ".0", false}, {"0x67fc2d8b", false}, {time.Unix(n, 0).UTC().Format(time.RFC3339), false}, {strconv.FormatInt(n*1000, 10), false},
	} {
		sign := "v1," // a good signature of just this text
		key, err := signingKey(signA)
		if err != nil {
			t.Fatal(err)
		}
		sign += base64Of(mac(key, "id-"+strconv.Itoa(kept), c.stamp, []byte(body)))
		status := 401
		if c.good {
			status = 200
		}
		r := post(at, body, with("webhook-id", "id-"+strconv.Itoa(kept)), with("webhook-timestamp", c.stamp), with("webhook-signature", sign))
		if c.good {
			kept++
		}
		d.want(status, kept, r)
	}
}

// TestRepeats: the same delivery is kept once, and GitLab hears a yes each time. Of what is signed,
// the signed id counts, so that nobody makes another delivery of it by another key.
func TestRepeats(t *testing.T) {
	const at = "/hooks/gitlab/harbour"
	d := newDoor(t, Hook{Name: "harbour", Tokens: []string{tokenA}}, Hook{Name: "fork", Tokens: []string{tokenB}}, Hook{Name: "signed", Signing: []string{signA}})
	a := with("X-Gitlab-Token", tokenA)
	d.want(200, 1, post(at, body, a, with("Idempotency-Key", "k1"), with("X-Gitlab-Webhook-UUID", "u1")))
	d.want(200, 1, post(at, body, a, with("Idempotency-Key", "k1"), with("X-Gitlab-Webhook-UUID", "u2")))
	d.want(200, 2, post(at, body, a, with("Idempotency-Key", "k2"), with("webhook-id", "k1")))
	d.want(200, 3, post(at, body, a, with("webhook-id", "k3")))
	d.want(200, 3, post(at, body, a, with("webhook-id", "k3")))
	d.want(200, 4, post(at, body, a)) // older versions: the body
	d.want(200, 4, post(at, body, a))
	d.want(200, 5, post(at, body+" ", a))
	d.want(200, 5, post(at, body, a, with("Idempotency-Key", strings.Repeat("x", 300)))) // no id: the body again
	d.want(200, 5, post(at, body, a, with("Idempotency-Key", "a.b\x01")))
	d.want(200, 6, post("/hooks/gitlab/fork", body, with("X-Gitlab-Token", tokenB), with("Idempotency-Key", "k1"))) // ids are of a hook
	sign := signedAt(t, "s1", d.now, body, signA)
	d.want(200, 7, post("/hooks/gitlab/signed", body, sign, with("Idempotency-Key", "x1")))
	d.want(200, 7, post("/hooks/gitlab/signed", body, sign, with("Idempotency-Key", "x2")))
	d.now = d.now.Add(5*time.Minute + time.Second)
	d.want(401, 7, post("/hooks/gitlab/signed", body, sign))
	if got := d.in.got[0]; got.ID != "harbour/k1" || got.Headers[HeaderHook] != "harbour" || got.Headers[HeaderEvent] != "Push Hook" || len(got.Headers) != 2 {
		t.Errorf("kept as %+v", got)
	}
}

func TestDuplicateHeaders(t *testing.T) {
	const at = "/hooks/gitlab/harbour"
	d := newDoor(t, Hook{Name: "harbour", Tokens: []string{tokenA}}, Hook{Name: "signed", Signing: []string{signA}})
	a := with("X-Gitlab-Token", tokenA)
	d.want(400, 0, post(at, body, a, with("X-Gitlab-Token", tokenB)))
	d.want(400, 0, post(at, body, with("X-Gitlab-Token", tokenB), a))
	d.want(400, 0, post(at, body, a, with("Idempotency-Key", "1"), with("Idempotency-Key", "2")))
	d.want(400, 0, post(at, body, a, with(HeaderEvent, "Note Hook")))
	sign := signedAt(t, "s1", d.now, body, signA)
	for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
		d.want(400, 0, post("/hooks/gitlab/signed", body, sign, with(name, "x")))
	}
}

// TestRawBytes: what means the same in JSON is not the same to the signature.
func TestRawBytes(t *testing.T) {
	d := newDoor(t, Hook{Name: "signed", Signing: []string{signA}})
	sign := signedAt(t, "s1", d.now, body, signA)
	for _, other := range []string{body + "\n", " " + body, `{"object_kind": "push"}`, `{"object_kind":"\u0070ush"}`, "payload=" + body, ""} {
		d.want(401, 0, post("/hooks/gitlab/signed", other, sign))
	}
}

func TestNothingIsParsed(t *testing.T) {
	d := newDoor(t, Hook{Name: "harbour", Tokens: []string{tokenA}})
	for i, b := range []string{"", "not JSON", "{", strings.Repeat("[", 100_000), "\x00\xff\xfe", "null"} {
		d.want(401, i, post("/hooks/gitlab/harbour", b, with("X-Gitlab-Token", tokenB)))
		d.want(200, i+1, post("/hooks/gitlab/harbour", b, with("X-Gitlab-Token", tokenA)))
		if got := string(d.in.got[i].Body); got != b {
			t.Errorf("kept %q of %q", got, b)
		}
	}
}

// TestWhatGitLabHears: a yes to all that is authentic, and 503 when it could not be kept.
func TestWhatGitLabHears(t *testing.T) {
	const at = "/hooks/gitlab/harbour"
	d := newDoor(t, Hook{Name: "harbour", Tokens: []string{tokenA}})
	a := with("X-Gitlab-Token", tokenA)
	d.in.full = true
	w := httptest.NewRecorder()
	d.h.ServeHTTP(w, post(at, body, a))
	if w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("a delivery that was not kept is answered with %d", w.Code)
	}
	if s, _ := d.h.Standing("harbour"); !s.Last.IsZero() {
		t.Error("what was not kept counts as the last delivery")
	}
	d.in.full = false
	for i, event := range []string{"Wiki Page Hook", "System Hook", "", "Nonsense"} {
		d.want(200, i+1, post(at, body+strconv.Itoa(i), a, func(h http.Header) { h.Set(HeaderEvent, event) }))
	}
	d.want(401, 4, post(at, body))
	s, ok := d.h.Standing("harbour")
	if !ok || !s.Last.Equal(d.now) || !s.Refused.Equal(d.now) || s.Why == "" {
		t.Errorf("standing %+v", s)
	}
	if _, ok := d.h.Standing("other"); ok {
		t.Error("a hook that is not there stands somehow")
	}
	for range 100 {
		d.send(post(at, body))
	}
	if n := strings.Count(d.log.String(), "refused"); n != 1 {
		t.Errorf("101 refusals within a minute are %d lines in the log", n)
	}
	from := d.now
	d.now = d.now.Add(time.Minute)
	d.send(post(at, body))
	d.want(405, 4, httptest.NewRequest(http.MethodGet, at, nil))
	if s, _ := d.h.Standing("harbour"); s.Unproven != 102 || !s.From.Equal(from) || !s.Refused.Equal(d.now) {
		t.Errorf("after 102 refusals: %+v", s)
	}
	d.want(200, 5, post(at, body+"good", a))
	if s, _ := d.h.Standing("harbour"); s.Unproven != 0 || !s.From.IsZero() || s.Why == "" {
		t.Errorf("after an authentic delivery: %+v", s)
	}
}

func TestLargeBodies(t *testing.T) {
	d := newDoor(t, Hook{Name: "harbour", Tokens: []string{tokenA}})
	a := with("X-Gitlab-Token", tokenA)
	d.h.o.MaxBody = 1 << 20
	large := strings.Repeat("x", 1<<20)
	d.want(200, 1, post("/hooks/gitlab/harbour", large, a))
	d.want(413, 1, post("/hooks/gitlab/harbour", large+"x", a))
	chunked := post("/hooks/gitlab/harbour", large+"x", a)
	chunked.ContentLength = -1
	d.want(413, 1, chunked)
	lie := post("/hooks/gitlab/harbour", "x", a)
	lie.ContentLength = 1 << 40
	d.want(413, 1, lie)
	r := &counted{}
	stranger := post("/hooks/gitlab/harbour", "", with("X-Gitlab-Token", tokenB))
	stranger.Body, stranger.ContentLength = io.NopCloser(r), -1
	d.want(401, 1, stranger)
	if r.read != 0 {
		t.Errorf("%d bytes of a stranger were read", r.read)
	}
}

// counted is a body without an end.
type counted struct{ read int }

func (c *counted) Read(p []byte) (int, error) { c.read += len(p); return len(p), nil }

func TestCompressed(t *testing.T) {
	d := newDoor(t, Hook{Name: "harbour", Tokens: []string{tokenA}})
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	fmt.Fprint(z, strings.Repeat("0", 10<<20))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	d.want(415, 0, post("/hooks/gitlab/harbour", b.String(), with("X-Gitlab-Token", tokenA), with("Content-Encoding", "gzip")))
}

// slow is a body whose connection was cut for being slow.
type slow struct{}

func (slow) Read([]byte) (int, error) { return 0, timeout{} }

type timeout struct{}

func (timeout) Error() string { return "i/o timeout" }
func (timeout) Timeout() bool { return true }

func TestSlowBodies(t *testing.T) {
	d := newDoor(t, Hook{Name: "harbour", Tokens: []string{tokenA}})
	for body, status := range map[io.Reader]int{slow{}: 408, io.MultiReader(strings.NewReader(body), failing{}): 400} {
		r := post("/hooks/gitlab/harbour", "", with("X-Gitlab-Token", tokenA))
		r.Body, r.ContentLength = io.NopCloser(body), 100
		d.want(status, 0, r)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// FuzzHeaders: whatever the headers say, nothing is kept without the secrets, and nothing panics.
func FuzzHeaders(f *testing.F) {
	f.Add("id", "1744578123", "v1,AAAA", tokenB, body)
	f.Add("", "", "", "", "")
	f.Add("a.b", "-1", " v1, v1", "\x00", "{")
	d := newDoor(f, Hook{Name: "harbour", Tokens: []string{tokenA}}, Hook{Name: "signed", Signing: []string{signA}})
	f.Fuzz(func(t *testing.T, id, stamp, sign, token, text string) {
		if token == tokenA {
			return
		}
		for _, path := range []string{"/hooks/gitlab/harbour", "/hooks/gitlab/signed"} {
			w := httptest.NewRecorder()
			d.h.ServeHTTP(w, post(path, text, with("webhook-id", id), with("webhook-timestamp", stamp), with("webhook-signature", sign), with("X-Gitlab-Token", token)))
			if w.Code != 401 || d.in.all != 0 {
				t.Fatalf("%s answers %d", path, w.Code)
			}
		}
	})
}
