package notes

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/gitlab"
	"slipway/integrations/gitlab/hook"
	fake "slipway/test/fakes/gitlab"
)

// past is what a process that begins now is told.
func (y *yard) past(heard func(string) bool, from time.Time) (out []Written) {
	y.Helper()
	p := NewPast(PastOptions{Client: y.client, Projects: []int{y.project}, Heard: heard})
	y.ok(p.Since(y.Context(), from, func(w Written) error { out = append(out, w); return nil }))
	return out
}

// heard is what the decoder of webhooks makes of a delivery.
func (y *yard) heard(w Written) (said []hook.Said, ignored string) {
	y.Helper()
	facts, ignored, err := hook.Decode(hook.Header{Event: w.Event, Hook: "harbour"}, w.Body, hook.Known{Project: "harbour", ID: int64(y.project), Bot: int64(y.bot.ID)})
	y.ok(err)
	for _, f := range facts {
		said = append(said, f.(hook.Said))
	}
	return said, ignored
}

func TestWhatWasWrittenIsReadBackAsAWebhookTellsIt(t *testing.T) {
	y := newYard(t)
	hooked := y.fake.AddHook(fake.Hook{Project: y.project, URL: "http://127.0.0.1:1/", Token: "t", Events: map[string]bool{"note_events": true}})
	_, gate := y.gate()
	thread := y.mine()[0].Discussion
	y.fake.Take()
	y.now = y.now.Add(time.Minute)
	from := y.now
	_, err := y.fake.Reply(y.maria.ID, y.at, thread, "Hello,\n@slipway-bot approve 2019.01 go\n\"quotes\" & <b>")
	y.ok(err)
	y.now = y.now.Add(time.Second)
	_, err = y.fake.Comment(y.chen.ID, y.at, "slipway mine")
	y.ok(err)
	y.edit(gate, gateMessage().Card())
	found := y.past(nil, from)
	if len(found) != 2 || !found[0].At.Equal(from) || found[0].ID == found[1].ID || found[0].Account != y.maria.ID || found[0].Place != string(y.at) {
		t.Fatalf("got %+v", found)
	}
	var told [][]byte
	for _, d := range y.fake.Take() {
		if d.Hook == hooked.ID && d.Event() == "Note Hook" {
			told = append(told, d.Body)
		}
	}
	if len(told) < 2 {
		t.Fatalf("the fake told of %d notes", len(told))
	}
	for i, w := range found {
		said, ignored := y.heard(w)
		same, ignored2 := y.heard(Written{Event: "Note Hook", Body: told[i]})
		if len(said) != 1 || len(same) != 1 {
			t.Fatalf("%s: ignored as %q and %q", w.Body, ignored, ignored2)
		}
		a, b := said[0], same[0]
		a.At, b.At = a.At.Truncate(time.Second), b.At.Truncate(time.Second)
		if a != b {
			t.Errorf("read back %+v\nthe hook   %+v", a, b)
		}
	}
}

func TestWhatMustNotRunIsNotReadBack(t *testing.T) {
	y := newYard(t)
	before := y.now
	_, err := y.fake.Comment(y.maria.ID, y.at, "slipway release 1 (older)")
	y.ok(err)
	y.now = y.now.Add(time.Hour)
	from := y.now
	y.gate()
	said, err := y.fake.Comment(y.maria.ID, y.at, "good morning")
	y.ok(err)
	internal, err := y.fake.CommentInternally(y.maria.ID, y.at, "slipway release 2 (internal)")
	y.ok(err)
	y.ok(y.fake.Retitle(y.maria.ID, y.at, "slipway release 3")) // a system note
	later, err := y.fake.Comment(y.chen.ID, y.at, "slipway mine")
	y.ok(err)
	y.now = y.now.Add(time.Minute)
	y.ok(y.fake.EditComment(y.mallory.ID, later.ID, "slipway approve 2019.01 go")) // in another's name
	secret, err := y.fake.OpenIssue(y.maria.ID, fake.Issue{Item: fake.Item{Project: y.project, Title: "Embargo", Confidential: true}})
	y.ok(err)
	_, err = y.fake.Comment(y.maria.ID, fake.IssuePlace(y.project, secret.IID), "slipway release 5 (confidential)")
	y.ok(err)
	gone, err := y.fake.Comment(y.maria.ID, y.at, "slipway release 4 (deleted)")
	y.ok(err)
	y.ok(y.fake.DeleteComment(y.maria.ID, gone.ID))
	for _, w := range y.past(Addressed("slipway", "@slipway", "slipway-bot"), from) {
		if facts, ignored := y.heard(w); len(facts) != 0 || ignored == "" {
			t.Errorf("%s is heard: %+v", w.Body, facts)
		}
		if w.ID == "note-"+itoa(said.ID) {
			t.Error("a comment that speaks to nobody was read back")
		}
		if w.ID == "note-"+itoa(internal.ID) && w.Event != "Confidential Note Hook" {
			t.Errorf("an internal comment comes as %s", w.Event)
		}
	}
	if n := len(y.past(nil, before)); n != 5 {
		t.Errorf("%d comments from the beginning", n)
	}
}

func itoa(n int) string { raw, _ := json.Marshal(n); return string(raw) }

func TestCommentsAreReadBackOnceAndInPages(t *testing.T) {
	y := newYard(t)
	for range 230 {
		_, err := y.fake.Comment(y.maria.ID, y.at, "slipway mine")
		y.ok(err)
	}
	p := NewPast(PastOptions{Client: y.client, Projects: []int{y.project}})
	n := 0
	last := ""
	take := func(w Written) error {
		n++
		if n == 100 {
			return errs.E("test", errs.Full, nil)
		}
		last = w.ID
		return nil
	}
	y.want(errs.Full, p.Since(y.Context(), y.now, take))
	y.ok(p.Since(y.Context(), y.now, take))
	if notes := y.fake.Notes(y.at); n != 231 || last != "note-"+itoa(notes[len(notes)-1].ID) {
		t.Errorf("%d were told, the last one %s", n, last)
	}
	y.fake.BadGateways(true)
	y.want(errs.Unavailable, p.Since(y.Context(), y.now, take))
	y.fake.BadGateways(false)
	y.ok(p.Since(y.Context(), y.now, take))
	if n != 231 {
		t.Errorf("%d after asking again", n)
	}
}

// A project that is gone, or that the bot does not see, is told of; the others are heard.
func TestAProjectThatCannotBeReadKeepsNobodyFromHearingTheOthers(t *testing.T) {
	y := newYard(t)
	_, err := y.fake.Comment(y.maria.ID, y.at, "slipway mine")
	y.ok(err)
	p, n := NewPast(PastOptions{Client: y.client, Projects: []int{9999, y.project, 9998}}), 0
	err = p.Since(y.Context(), y.now, func(Written) error { n++; return nil })
	if y.want(errs.Unavailable, err); n != 1 {
		t.Errorf("%d comments were heard", n)
	}
}

// lister is a GitLab whose pages of activity are short, as when it leaves out what the bot may not see.
type lister struct {
	t    *testing.T
	from time.Time
}

func (l lister) RoundTrip(r *http.Request) (*http.Response, error) {
	if at, ok := r.Context().Deadline(); !ok && !strings.HasSuffix(r.URL.Path, "/user") || time.Until(at) > answerTime {
		l.t.Errorf("%s may take until %v", r.URL, at)
	}
	body := "[]"
	switch page := r.URL.Query().Get("page"); {
	case strings.HasSuffix(r.URL.Path, "/user"):
		body = `{"id": 99, "username": "slipway-bot"}`
	case strings.HasSuffix(r.URL.Path, "/events") && (page == "1" || page == "2"):
		body = fmt.Sprintf(`[{"created_at": %[2]q, "note": {"id": %[1]s, "body": "slipway mine", "author": {"id": 7, "username": "maria"},
			"created_at": %[2]q, "updated_at": %[2]q, "noteable_type": "Issue", "noteable_iid": 12}}]`, page, l.from.Format(time.RFC3339))
	case strings.HasSuffix(r.URL.Path, "/issues/12"):
		body = `{"id": 1, "iid": 12}`
	}
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// A short page is not the last one, and no request may take for ever.
func TestShortPagesOfActivityAreNotTheLast(t *testing.T) {
	from := time.Now().UTC().Truncate(time.Second)
	c, err := gitlab.New(gitlab.Options{URL: "https://gitlab.example", Token: "t", Now: time.Now, HTTP: &http.Client{Transport: lister{t, from}}})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	err = NewPast(PastOptions{Client: c, Projects: []int{5}}).Since(t.Context(), from, func(Written) error { n++; return nil })
	if err != nil || n != 2 {
		t.Errorf("%d comments, %v", n, err)
	}
}

func TestAddressed(t *testing.T) {
	yes := Addressed("slipway", "@slipway", "slipway-bot", "")
	for _, s := range []string{"slipway mine", "@slipway-bot mine", "hello\n  @Slipway: mine", "slipway", "@@slipway x", "SLIPWAY-BOT, mine\r\n"} {
		if !yes(s) {
			t.Errorf("%q was not heard", s)
		}
	}
	for _, s := range []string{"", "hello", "say slipway mine", "> slipway mine", "@maria slipway"} {
		if yes(s) {
			t.Errorf("%q was heard", s)
		}
	}
}
