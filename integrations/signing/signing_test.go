package signing

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/job"
)

const token, otherToken = "0f6cfd0e9c1b4a6b9df2", "9a6cfd0e9c1b4a6b9df2"

func in(payload string) TagIn {
	return TagIn{Project: "lava", Repository: "https://git.example.org/lava", Payload: payload,
		Digest: action.DigestOf([]byte(payload)), Fingerprint: "AB"}
}

func canonical(t *testing.T, v any) []byte {
	t.Helper()
	data, err := action.Canonical(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func tag() *Tag { return NewTag(onlyGood{}, func() time.Time { return start }) }

func wantKind(t *testing.T, err error, k errs.Kind, words string) {
	t.Helper()
	if !errs.Is(err, k) || !strings.Contains(err.Error(), words) {
		t.Fatalf("got %v (kind %v), want kind %v with %q", err, errs.KindOf(err), k, words)
	}
}

func TestContractOfSignTag(t *testing.T) {
	b, err := tag().Bind()
	if err != nil {
		t.Fatal(err)
	}
	if b.Contract.Ref() != "sign.tag@1" || b.Contract.Job != TagJob || b.Contract.Policy != action.Keyed {
		t.Fatalf("%+v", b.Contract)
	}
}

func TestRequestIsCanonicalAndReadsBack(t *testing.T) {
	content, err := tag().Prepare(t.Context(), canonical(t, in("object 1\n<&>\n")))
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseRequest(content)
	if err != nil || r.Payload != "object 1\n<&>\n" || r.Kind != GitTag || !bytes.Contains(content, []byte(`"approvals":[]`)) {
		t.Fatalf("%+v, %v", r, err)
	}
	wrong := in("a")
	wrong.Digest = action.DigestOf([]byte("b"))
	_, err = tag().Prepare(t.Context(), canonical(t, wrong))
	wantKind(t, err, errs.Invalid, "names the digest")
	_, err = tag().Prepare(t.Context(), canonical(t, in("broken \xff")))
	wantKind(t, err, errs.Invalid, "")
}

func TestRequestsThatAreRefused(t *testing.T) {
	good, err := tag().Prepare(t.Context(), canonical(t, in("p\n")))
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string][2]string{
		"other kind":    {`"git-tag"`, `"release"`},
		"other payload": {`"payload":"p\n"`, `"payload":"q\n"`},
		"two keys":      {`{"kind"`, `{"project":"x","kind"`},
		"unknown key":   {`{"kind"`, `{"more":1,"kind"`},
		"spaces":        {`{"kind"`, `{ "kind"`},
		"no repository": {`https://git.example.org/lava`, ``},
		"trailer":       {`"approvals":[]}`, `"approvals":[]} {}`},
	} {
		bad := strings.Replace(string(good), r[0], r[1], 1)
		if bad == string(good) {
			t.Fatalf("%s changes nothing in %s", name, good)
		}
		_, err := ParseRequest([]byte(bad))
		t.Run(name, func(t *testing.T) { wantKind(t, err, errs.Invalid, "signing request") })
	}
}

// Attack case 41: a result for digest A attached to release B.
func TestAttack41ResultForOneDigestAttachedToAnother(t *testing.T) {
	a, b := in("payload of A\n"), in("payload of B\n")
	sigA := []byte(goodSig([]byte(a.Payload), a.Fingerprint))
	out, err := tag().FinishTag(a, sigA)
	if err != nil {
		t.Fatal(err)
	}
	if out.Object != a.Payload+string(sigA) || out.SignedAt != "2026-01-31T12:00:00Z" || out.Fingerprint != "AB" {
		t.Fatalf("%+v", out)
	}
	_, err = tag().FinishTag(b, sigA)
	wantKind(t, err, errs.Failed, "refused")
	_, err = tag().Finish(t.Context(), job.Job{Verdict: job.Verdict{OK: true, Result: sigA}}, canonical(t, b))
	wantKind(t, err, errs.Failed, "refused")
	b.Digest = a.Digest // the inputs claim A's digest for B's bytes
	_, err = tag().FinishTag(b, sigA)
	wantKind(t, err, errs.Failed, "was approved")
	_, err = tag().FinishTag(a, nil)
	wantKind(t, err, errs.Failed, "refused")
}

type door struct {
	t     *testing.T
	srv   *httptest.Server
	queue *memory
}

func open(t *testing.T, contents shelf) *door {
	t.Helper()
	q := &memory{now: start, jobs: map[string]job.Job{}}
	s, err := NewServer(q, contents, time.Minute,
		Client{Name: "signer", Token: token, Kinds: []string{TagJob}}, Client{Name: "other", Token: otherToken, Kinds: []string{TagJob, "build"}})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return &door{t, srv, q}
}

func (d *door) do(method, path, auth, body string) (int, string) {
	d.t.Helper()
	req, err := http.NewRequest(method, d.srv.URL+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	if auth != "" {
		req.Header.Set("Authorization", auth)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(data)
}

func (d *door) post(path string, a Ask, want int) Reply {
	d.t.Helper()
	if a.Kind == "" {
		a.Kind = TagJob
	}
	body, _ := json.Marshal(a)
	code, text := d.do("POST", "/jobs/v1/"+path, "Bearer "+token, string(body))
	if code != want {
		d.t.Fatalf("%s answers %d %s, want %d", path, code, text, want)
	}
	var r Reply
	_ = json.Unmarshal([]byte(text), &r)
	return r
}

func TestJobGoesThroughTheDoor(t *testing.T) {
	d := open(t, nil)
	d.post("lease", Ask{Kind: TagJob}, http.StatusNoContent)
	d.queue.offer(t, "j1", []byte("request"))
	r := d.post("lease", Ask{Kind: TagJob}, http.StatusOK)
	if r.ID != "j1" || string(r.Request) != "request" || r.Fence != 1 || r.Renew != 20 {
		t.Fatalf("%+v", r)
	}
	d.post("renew", Ask{ID: "j1", Fence: 1}, http.StatusOK)
	d.post("finish", Ask{ID: "j1", Fence: 1, OK: true, Result: []byte("sig")}, http.StatusOK)
	if j := d.queue.jobs["j1"]; j.State != job.Done || string(j.Verdict.Result) != "sig" {
		t.Fatalf("%+v", j)
	}
	d.post("finish", Ask{ID: "j1", Fence: 1, OK: true, Result: []byte("sig")}, http.StatusOK) // the answer was lost
	d.post("renew", Ask{ID: "j1", Fence: 1}, http.StatusConflict)
	d.post("renew", Ask{ID: "j9", Fence: 1}, http.StatusNotFound)
	d.post("renew", Ask{ID: "j1"}, http.StatusBadRequest)
	d.post("renew", Ask{ID: "j1\x00x", Fence: 1}, http.StatusBadRequest)
	d.post("lease", Ask{Kind: "build"}, http.StatusForbidden)
	d.post("finish", Ask{Kind: "build", ID: "j1", Fence: 1, OK: true}, http.StatusForbidden)
}

func TestGivenBackJobIsOfferedAgain(t *testing.T) {
	d := open(t, nil)
	d.queue.offer(t, "j1", []byte("request"))
	d.post("lease", Ask{Kind: TagJob}, http.StatusOK)
	d.post("give-back", Ask{ID: "j1", Fence: 1, Reason: "stopping"}, http.StatusOK)
	if r := d.post("lease", Ask{Kind: TagJob}, http.StatusOK); r.Fence != 2 {
		t.Fatalf("%+v", r)
	}
}

// Attack case 40 at the door: another client's lease, and a voided job.
func TestAttack40ForeignResultAtTheDoor(t *testing.T) {
	d := open(t, nil)
	d.queue.offer(t, "j1", []byte("request"))
	d.post("lease", Ask{Kind: TagJob}, http.StatusOK)
	code, _ := d.do("POST", "/jobs/v1/finish", "Bearer "+otherToken, `{"kind":"sign.tag","id":"j1","fence":1,"ok":true,"result":"eA=="}`)
	if code != http.StatusConflict || d.queue.jobs["j1"].State != job.Leased {
		t.Fatalf("%d, %+v", code, d.queue.jobs["j1"])
	}
	d.queue.jobs["j1"] = job.Void(d.queue.jobs["j1"], "the manifest changed")
	d.post("renew", Ask{ID: "j1", Fence: 1}, http.StatusConflict)
	d.post("finish", Ask{ID: "j1", Fence: 1, OK: true, Result: []byte("late")}, http.StatusOK)
	if d.queue.jobs["j1"].State != job.Unused {
		t.Fatal("the late signature was not kept apart")
	}
}

func TestLargeRequestIsFetchedByItsHolderOnly(t *testing.T) {
	content := bytes.Repeat([]byte("x"), 100_000)
	digest := action.DigestOf(content)
	d := open(t, shelf{digest: content, action.DigestOf([]byte("else")): []byte("else")})
	j, err := job.Offer(job.Job{ID: "big", Kind: TagJob, Key: "k", Digest: digest}, start, 0)
	if err != nil {
		t.Fatal(err)
	}
	d.queue.jobs["big"] = j
	if r := d.post("lease", Ask{Kind: TagJob}, http.StatusOK); len(r.Request) != 0 || r.Digest != digest {
		t.Fatalf("%+v", r)
	}
	for _, c := range []struct {
		digest, query, auth string
		want                int
	}{
		{digest, "kind=sign.tag&job=big&fence=1", token, http.StatusOK},
		{digest, "kind=sign.tag&job=big&fence=1", otherToken, http.StatusConflict},
		{digest, "kind=sign.tag&job=big&fence=2", token, http.StatusConflict},
		{digest, "", token, http.StatusBadRequest},
		{digest, "kind=build&job=big&fence=1", token, http.StatusForbidden},
		{action.DigestOf([]byte("else")), "kind=sign.tag&job=big&fence=1", token, http.StatusForbidden},
		{digest, "kind=sign.tag&job=big&fence=1", "wrong", http.StatusUnauthorized},
	} {
		code, body := d.do("GET", "/jobs/v1/blob/"+c.digest+"?"+c.query, "Bearer "+c.auth, "")
		if code != c.want || code == http.StatusOK && body != string(content) {
			t.Errorf("%+v answers %d", c, code)
		}
	}
}

func TestUnknownSendersLearnNothing(t *testing.T) {
	d := open(t, nil)
	d.queue.offer(t, "j1", []byte("request"))
	for _, auth := range []string{"", "Bearer ", "Bearer " + token + "x", "Bearer " + token[1:], "Basic " + token, token, "bearer " + token} {
		code, body := d.do("POST", "/jobs/v1/lease", auth, `{"kind":"sign.tag"}`)
		if code != http.StatusUnauthorized || strings.Contains(body, token) || strings.Contains(body, token[1:]) {
			t.Errorf("%q answers %d %s", auth, code, body)
		}
	}
	if d.queue.jobs["j1"].State != job.Pending {
		t.Fatal("somebody took the job")
	}
	code, _ := d.do("POST", "/jobs/v1/finish", "Bearer "+token, `{"reason":"`+strings.Repeat("x", maxAsk)+`"}`)
	if code != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body answers %d", code)
	}
	for _, body := range []string{"", "[]", `{"kind":"sign.tag"} x`, `{"knd":"sign.tag"}`, `null x`} {
		if code, _ := d.do("POST", "/jobs/v1/lease", "Bearer "+token, body); code != http.StatusBadRequest {
			t.Errorf("%q answers %d", body, code)
		}
	}
}

func TestTokensThatRefuseToStart(t *testing.T) {
	for _, bad := range []string{"", "changeme", "development", "ChangeMe-ChangeMe-ChangeMe", "secret1234567890123456789", "short", strings.Repeat("a", 40), "with space with space with"} {
		_, err := NewServer(nil, nil, time.Minute, Client{Name: "s", Token: bad, Kinds: []string{TagJob}})
		wantKind(t, err, errs.Invalid, "token")
		if len(bad) > 5 && strings.Contains(errs.Text(err), bad) {
			t.Errorf("the error repeats the token: %v", err)
		}
	}
	_, err := NewServer(nil, nil, time.Minute, Client{Name: "a", Token: token, Kinds: []string{"x"}}, Client{Name: "b", Token: token, Kinds: []string{"x"}})
	wantKind(t, err, errs.Invalid, "another client")
}

func FuzzParseRequest(f *testing.F) {
	good, err := tag().Prepare(f.Context(), []byte(`{"project":"p","repository":"r","payload":"x","digest":"`+action.DigestOf([]byte("x"))+`","fingerprint":"F","manifest":""}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseRequest(data)
		if err != nil {
			return
		}
		if again, err := r.Canonical(); err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%q was read as %q", data, again)
		}
	})
}
