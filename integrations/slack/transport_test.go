package slack

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"slipway/bot/errs"
	fake "slipway/test/fakes/slack"
)

// wire answers requests in place of Slack.
type wire func(*http.Request) *http.Response

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) { return w(r), nil }

func says(status int, body string, head http.Header) *http.Response {
	if head == nil {
		head = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: head, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1}
}

// Whoever waits for a turn in a channel while another one is told that it was too much does not ask, and the
// turns that were waited for are free again.
func TestThoseWhoWaitHearThatItIsTooMuch(t *testing.T) {
	s := newSite(t)
	var sent atomic.Int64
	asked, go429 := make(chan struct{}), make(chan struct{})
	waiting, goOn := make(chan struct{}), make(chan struct{})
	c, err := New(Options{URL: "http://slack.example/api/", Token: "xoxb-0secret", Team: "T0HARBOUR", Now: s.Now,
		Wait: func(context.Context, time.Duration) error { waiting <- struct{}{}; <-goOn; return nil },
		HTTP: &http.Client{Transport: wire(func(*http.Request) *http.Response {
			if sent.Add(1) != 3 {
				return says(http.StatusOK, `{"ok":true}`, nil)
			}
			asked <- struct{}{}
			<-go429
			return says(http.StatusTooManyRequests, "", http.Header{"Retry-After": {"20"}})
		})}})
	if err != nil {
		t.Fatal(err)
	}
	post := func(channel string) error {
		return c.Call(t.Context(), "x", "chat.postMessage", url.Values{"channel": {channel}}, nil, true)
	}
	for range 2 {
		if err := post("C1"); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	failed := make(chan error, 4)
	all.Go(func() { failed <- post("C1") })
	<-asked
	for range 3 {
		all.Go(func() { failed <- post("C1") })
	}
	for range 3 {
		<-waiting
	}
	close(go429)
	first := <-failed // it has heard it
	wantKind(t, errs.Busy, first, "too many")
	s.later(3 * time.Second)
	close(goOn)
	all.Wait()
	for range 3 {
		err := <-failed
		if wantKind(t, errs.Busy, err, "asked us to wait"); errs.After(err) != 17*time.Second {
			t.Errorf("it asks for %s", errs.After(err))
		}
	}
	if n := sent.Load(); n != 3 {
		t.Errorf("Slack was asked %d times", n)
	}
	s.later(17 * time.Second)
	for range 3 { // nobody waits: no turn was used up
		if err := post("C1"); err != nil {
			t.Error(err)
		}
	}
}

// Slack names the error of too many requests with status 200 too.
func TestALimitThatIsNamedHolds(t *testing.T) {
	for _, name := range []string{"ratelimited", "rate_limited"} {
		s := newSite(t)
		hana := s.fake.AddUser(fake.User{Name: "hana"}).ID
		s.fake.Fault(fake.Fault{Method: "users.info", Do: fake.Refuse, Error: name})
		_, err := s.client.User(t.Context(), hana)
		if wantKind(t, errs.Busy, err); errs.After(err) != usualHold {
			t.Errorf("it asks for %s", errs.After(err))
		}
		_, err = s.client.User(t.Context(), hana)
		wantKind(t, errs.Busy, err, "asked us to wait")
		if n := s.fake.Asked("users.info"); n != 1 {
			t.Errorf("Slack was asked %d times", n)
		}
		s.later(usualHold)
		s.fake.Fault(fake.Fault{Method: "users.info", Do: fake.Refuse, Error: name})
		if _, err := s.client.API().GetUserInfoContext(t.Context(), hana); !errs.Is(Err("x", err, false), errs.Busy) {
			t.Errorf("got %v", err)
		}
	}
}

// What is too much in one channel is too much in all, but for messages: the tiers are of the workspace.
func TestWhereALimitHolds(t *testing.T) {
	turns, now := newTurns(), time.Unix(1_700_000_000, 0)
	for method, everywhere := range map[string]bool{"chat.postMessage": false, "chat.postEphemeral": false, "chat.update": true, "conversations.history": true, "reactions.get": true} {
		turns.hold(method, "C1", now.Add(time.Minute))
		if _, giveBack, _ := turns.next(method, "C2", now); (giveBack == nil) != everywhere {
			t.Errorf("%s in another channel: held %v", method, giveBack == nil)
		}
	}
}

// An edit holds nobody up: it waits neither long for its turn nor for its answer.
func TestAnEditWaitsForNothingLong(t *testing.T) {
	s := newSite(t)
	var left []time.Duration
	c := s.as(Options{HTTP: &http.Client{Transport: wire(func(r *http.Request) *http.Response {
		end, _ := r.Context().Deadline()
		left = append(left, time.Until(end))
		return says(http.StatusOK, `{"ok":true}`, nil)
	})}})
	call := func(method string) error {
		return c.Call(t.Context(), "x", method, url.Values{"channel": {"C1"}}, nil, false)
	}
	most := paceOf("chat.update").windows[0].calls
	for range most {
		if err := call("chat.update"); err != nil {
			t.Fatal(err)
		}
	}
	began := s.Now()
	err := call("chat.update")
	if wantKind(t, errs.Busy, err); s.Now() != began || errs.After(err) < time.Second || errs.After(err) > 3*time.Second {
		t.Errorf("it waited for %s, and asks for %s", s.Now().Sub(began), errs.After(err))
	}
	s.later(errs.After(err))
	if err := call("chat.update"); err != nil {
		t.Error(err)
	}
	if err := call("conversations.history"); err != nil {
		t.Error(err)
	}
	for i, d := range left {
		if want := []time.Duration{editTime, answerTime}[i/(most+1)]; d > want || d < want/2 {
			t.Errorf("the answer %d is waited for %s", i, d)
		}
	}
}

// Roles, and the people in them, are read one after the other at a start: nobody waits for it.
func TestABurstAtAStartPasses(t *testing.T) {
	for method, most := range map[string]int{"usergroups.users.list": 20, "users.info": 100, "conversations.open": 50} {
		turns, now := newTurns(), time.Unix(1_700_000_000, 0)
		for i := range most {
			if wait, giveBack, _ := turns.next(method, "", now); wait != 0 || giveBack == nil {
				t.Fatalf("call %d of %s waits for %s", i, method, wait)
			}
		}
		if wait, _, _ := turns.next(method, "", now); wait != time.Minute {
			t.Errorf("%s: one more waits for %s", method, wait)
		}
	}
}

func TestTheCodeOfAnError(t *testing.T) {
	s := newSite(t)
	_, err := s.client.User(t.Context(), "U0NOBODY0")
	if got := Code(err); got != "user_not_found" {
		t.Errorf("got %q", got)
	}
	if got := Code(errs.E("x", errs.Gone, err)) + Code(nil) + Code(errs.E("x", errs.Gone, nil)); got != "user_not_found" {
		t.Errorf("got %q", got)
	}
}
