package hook

import (
	"context"
	"encoding/json"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	slackgo "github.com/slack-go/slack"
)

// slackWaits is how long Slack waits for an answer (docs.slack.dev, "The Events API"; the same for commands
// and presses).
const slackWaits = 3 * time.Second

// stuck is an inbox that keeps nothing for as long as it may take.
type stuck struct{ asked int }

func (s *stuck) Deliver(ctx context.Context, _ Delivery) error {
	s.asked++
	<-ctx.Done()
	return ctx.Err()
}

// late is a body that comes after a while.
type late struct {
	after time.Duration
	body  io.Reader
}

func (l *late) Read(p []byte) (int, error) {
	time.Sleep(l.after) // in the time of the test's bubble
	l.after = 0
	return l.body.Read(p)
}

// TestASlowStore: whatever takes long, the body or the store, Slack has an answer in its 3 seconds, and it
// is not yes unless the delivery is stored.
func TestASlowStore(t *testing.T) {
	for kind, body := range map[Kind]string{Events: event("Ev1", wrote("slipway mine", "")), Commands: typed("mine", "1.2.x"), Interactive: asForm(pressedOn("form:answer", "x", "1700000005.000300"))} {
		for name, after := range map[string]time.Duration{"at once": 0, "slowly": 1900 * time.Millisecond} {
			synctest.Test(t, func(t *testing.T) {
				d, in := newDoor(t, secretA), &stuck{}
				d.h.o.Intake = NewIntake(IntakeOptions{Inbox: in, Known: ours, Forms: d.desk, Opener: d.desk})
				r := post(Path+string(kind), body, d.signed(secretA, body))
				r.Body = io.NopCloser(&late{after, strings.NewReader(body)})
				began := time.Now()
				w := d.send(r)
				if took := time.Since(began); took >= slackWaits || w.Code != 503 || in.asked != 1 || len(d.desk.opened) != 0 {
					t.Errorf("%s, %s: %d after %s, stored %d times, %d forms opened", kind, name, w.Code, took, in.asked, len(d.desk.opened))
				}
				if s := d.h.Standing(kind); !s.Last.IsZero() {
					t.Errorf("%s: what is not stored counts as heard", kind)
				}
			})
		}
	}
}

// slowDesk finds and opens forms as slowly as Slack and the store let it.
type slowDesk struct {
	*desk
	find, open time.Duration
	answered   func() bool
	early      int // how often something was asked for before Slack had its answer
}

func (s *slowDesk) wait(ctx context.Context, d time.Duration) error {
	if !s.answered() {
		s.early++
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func (s *slowDesk) Form(ctx context.Context, p Press) (Form, error) {
	if err := s.wait(ctx, s.find); err != nil {
		return Form{}, err
	}
	return s.desk.Form(ctx, p)
}

func (s *slowDesk) Open(ctx context.Context, trigger string, modal slackgo.ModalViewRequest) error {
	if err := s.wait(ctx, s.open); err != nil {
		return err
	}
	return s.desk.Open(ctx, trigger, modal)
}

// TestASlowSlack: a form is looked for and opened after Slack has its answer, and nothing waits for it for
// longer than a trigger lives.
func TestASlowSlack(t *testing.T) {
	for name, c := range map[string]struct {
		find, open time.Duration
		opened     int
		shows      string
	}{
		"quick":          {0, 0, 1, "Asked by release 2019.01"},
		"slow":           {time.Second, time.Second, 1, "Asked by release 2019.01"},
		"Slack hangs":    {0, time.Hour, 0, "null"},
		"the form hangs": {time.Hour, time.Second, 1, "it takes too long"},
	} {
		synctest.Test(t, func(t *testing.T) {
			d, w := newDoor(t, secretA), httptest.NewRecorder()
			desk := &slowDesk{desk: d.desk, find: c.find, open: c.open, answered: func() bool { return w.Flushed && w.Code == 200 && len(d.in.got) == 1 }}
			d.h.o.Intake = NewIntake(IntakeOptions{Inbox: d.in, Known: ours, Forms: desk, Opener: desk})
			body := asForm(pressedOn("form:answer", "2019.01 notes", "1700000005.000300"))
			began := time.Now()
			d.h.ServeHTTP(w, post(Path+string(Interactive), body, d.signed(secretA, body)))
			if took := time.Since(began); took > slackWaits || desk.early != 0 || len(d.desk.opened) != c.opened {
				t.Errorf("%s: over after %s, %d times before the answer, %d forms opened", name, took, desk.early, len(d.desk.opened))
			}
			if raw := asJSON(t, d.desk.opened); !strings.Contains(raw, c.shows) {
				t.Errorf("%s: shown is %.300s", name, raw)
			}
		})
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
