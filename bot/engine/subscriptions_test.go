package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/run"
	"slipway/bot/subscription"
)

// mailIn is what the mail action of these tests takes: as mail.announce@1.
type mailIn struct {
	From      string            `json:"from" cel:"from"`
	To        []string          `json:"to" cel:"to"`
	Subject   string            `json:"subject" cel:"subject"`
	Body      string            `json:"body" cel:"body"`
	MessageID string            `json:"message_id" cel:"message_id"`
	Date      string            `json:"date" cel:"date" kind:"time"`
	Headers   map[string]string `json:"headers,omitempty" cel:"headers,optional"`
}
type mailOut struct {
	MessageID string `json:"message_id" cel:"message_id"`
}

// mailbox takes mail and remembers each time that it did.
type mailbox struct {
	mu   sync.Mutex
	sent []mailIn
	fail func(in mailIn) error
}

func (m *mailbox) Probe(_ context.Context, _ action.Key, in mailIn) (mailOut, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.sent {
		if s.MessageID == in.MessageID {
			return mailOut{in.MessageID}, true, nil
		}
	}
	return mailOut{}, false, nil
}

func (m *mailbox) Do(_ context.Context, _ action.Key, in mailIn) (mailOut, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		if err := m.fail(in); err != nil {
			return mailOut{}, err
		}
	}
	m.sent = append(m.sent, in)
	return mailOut{in.MessageID}, nil
}

// to are the mails to an address whose subject has the text.
func (m *mailbox) to(address, subject string) []mailIn {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.sent), func(in mailIn) bool {
		return !slices.Contains(in.To, address) || !strings.Contains(in.Subject, subject)
	})
}

// townsfolk have addresses and zones.
type townsfolk struct{ staff }

func (f *townsfolk) People(ctx context.Context) ([]people.Person, []people.Grant, error) {
	list, grants, err := f.staff.People(ctx)
	for i := range list {
		list[i].Mail, list[i].Zone = string(list[i].ID)+"@example.org", "Europe/Berlin"
	}
	return list, grants, err
}

const loudYAML = `
playbook: quick
doc: One message.
name: "quick/${project.name}/${inputs.version}"
inputs: {version: {type: version, help: "a version"}}
steps:
  it: {do: test.keyed@1, with: {name: "${inputs.version}"}}
  tell: {do: chat.broadcast@1, with: {title: "lava ${inputs.version} is released", text: "Get it.", kind: released, severity: notice}, needs: [it]}
`

// newTown is a world in which mail can be sent.
func newTown(t testing.TB, policy action.Policy) (*world, *mailbox) {
	w, box := newWorld(t, loudYAML), &mailbox{}
	w.cfg = func(c *engine.Config) {
		b, err := action.Of(action.Contract{Name: "mail.announce", Version: 1, Doc: "for tests", Policy: policy, Settle: time.Minute}, box)
		if err != nil {
			t.Fatal(err)
		}
		if c.Actions, err = action.NewSet(append(w.bounds(), b)...); err != nil {
			t.Fatal(err)
		}
		c.People, c.Zone = &townsfolk{staff{gone: map[string]bool{}}}, time.LoadLocation
		c.Direct = func(p people.PersonID) []engine.Place { return []engine.Place{{Source: "chat", ID: "@" + string(p)}} }
		c.Tell = engine.Telling{Mail: "mail.announce@1", From: func(string) string { return "Release Team <release@example.org>" },
			Page: func(path string) string { return "https://slipway.example.org" + path }, Secret: func() []byte { return []byte(strings.Repeat("s", 32)) }}
	}
	return w, box
}

func (w *world) subscribe(by people.PersonID, words string, to subscription.Subscriber) subscription.Subscription {
	w.t.Helper()
	wish, err := subscription.Parse(strings.Fields(words), subscription.Known{Projects: []string{"lava", "glass"}, Families: []string{"quick", "release"}})
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := w.e.Subscribe(context.Background(), subscription.Subscription{To: to, Filter: wish.Filter, Rules: wish.Rules}, by, engine.Once{Key: fmt.Sprint("sub ", to.Key(), words)})
	if err != nil && !errs.Is(err, errs.Exists) {
		w.t.Fatal(err)
	}
	return s
}

func inChannel(name string) subscription.Subscriber {
	return subscription.Subscriber{Source: "chat", Place: name}
}
func byMail(a string) subscription.Subscriber         { return subscription.Subscriber{Mail: a} }
func alone(p people.PersonID) subscription.Subscriber { return subscription.Subscriber{Person: p} }

// posted are the messages in a place whose title has the text.
func (w *world) posted(place, text string) []post {
	return slices.DeleteFunc(w.room.titled(text), func(p post) bool { return p.ref.Place.ID != place })
}

func (w *world) broadcast(version, title string) engine.Broadcast {
	w.t.Helper()
	list, err := w.e.Broadcasts(context.Background(), w.run(version).ID, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, b := range list {
		if strings.Contains(b.News.Title, title) {
			return b
		}
	}
	w.t.Fatalf("nothing was told with the title %s: %+v", title, list)
	return engine.Broadcast{}
}

// tellStory tells the same each time, whatever was done of it by a process that died.
func (w *world) tellStory(box *mailbox) {
	w.t.Helper()
	w.subscribe("manager", "lava about=released,freeze", inChannel("news"))
	w.subscribe("manager", "* severity>=notice", inChannel("news")) // no second message for it
	w.subscribe("requester", "lava severity>=notice", alone("requester"))
	w.subscribe("requester", "lava quick", byMail("requester@example.org"))
	w.subscribe("maintainer-a", "lava severity>=notice quiet 09:00-12:00 Europe/Berlin", byMail("maintainer-a@example.org"))
	w.subscribe("maintainer-b", "lava daily at 08:00 Europe/Berlin", byMail("maintainer-b@example.org"))
	w.drain()
	if err := w.deliver(wire{Who: "requester", Place: "lava", Message: "story", Text: "quick 1.0"}, "story"); err != nil {
		w.t.Fatal(err)
	}
	for range 4 {
		w.pass(2 * time.Minute)
	}
	key := w.broadcast("1.0", "is released").News.Key
	if _, err := w.e.Correct(context.Background(), key, "It is 1.0.1.", "manager", engine.Once{Key: "fix"}); err != nil && !errs.Is(err, errs.Exists) {
		w.t.Fatal(err)
	}
	for range 4 {
		w.pass(2 * time.Minute)
	}
	for range 4 { // the end of the quiet hours, and the digest of the next morning
		w.pass(2 * time.Hour)
		w.pass(5 * time.Minute)
	}
	w.pass(24 * time.Hour)
	w.pass(5 * time.Minute)
	_ = box
}

// wantTold checks that each subscriber was told each thing once.
func (w *world) wantTold(box *mailbox, at string) {
	w.t.Helper()
	for _, c := range []struct {
		place, title string
		n            int
	}{{"lava", "is released", 1}, {"news", "is released", 1}, {"@requester", "is released", 1}, {"@requester", "has ended", 1}, {"news", "has ended", 1}, {"lava", "has ended", 0}} {
		list := w.posted(c.place, c.title)
		if len(list) != c.n {
			w.t.Fatalf("after a crash at %q: %d posts %q in %s", at, len(list), c.title, c.place)
		}
		if c.title == "is released" && !strings.Contains(fmt.Sprint(list[0].c), "It is 1.0.1.") {
			w.t.Fatalf("after a crash at %q: %s is not corrected: %+v", at, c.place, list[0].c)
		}
	}
	for _, c := range []struct {
		address, subject string
		n                int
	}{
		{"requester@example.org", "[lava] lava 1.0 is released", 1}, {"requester@example.org", "Correction: lava 1.0", 1},
		{"requester@example.org", "has begun", 1}, {"requester@example.org", "has ended", 1},
		{"maintainer-a@example.org", "2 news of lava", 1}, {"maintainer-a@example.org", "", 1},
		{"maintainer-b@example.org", "3 news of lava", 1}, {"maintainer-b@example.org", "", 1},
	} {
		if got := box.to(c.address, c.subject); len(got) != c.n {
			w.t.Fatalf("after a crash at %q: %d mails %q to %s", at, len(got), c.subject, c.address)
		}
	}
	for _, a := range []string{"maintainer-a@example.org", "maintainer-b@example.org"} {
		if body := box.to(a, "")[0].Body; !strings.Contains(body, "It is 1.0.1.") {
			w.t.Fatalf("after a crash at %q: the mail to %s does not have the correction:\n%s", at, a, body)
		}
	}
}

func TestSubscribersAreToldOnceOverCrashes(t *testing.T) {
	seen := map[string]bool{}
	for n := 1; ; n++ {
		w, box := newTown(t, action.Lookup)
		at := w.crashing(n, func() { w.tellStory(box) })
		if at != "" {
			seen[at] = true
		}
		w.open()
		w.tellStory(box)
		w.wantTold(box, at)
		if list, err := w.e.Effects(context.Background(), "", 0); err != nil || len(list) > 0 {
			t.Fatalf("after a crash at %s these effects are left: %+v %v", at, list, err)
		}
		if err := w.e.FsckFull(context.Background(), func(p string) { t.Errorf("after a crash at %s: %s", at, p) }); err != nil {
			t.Fatal(err)
		}
		if at == "" {
			break
		}
	}
	for _, want := range []string{"subscription/after-commit", "news/after-commit", "news/place/after-commit", "news/correct/before-commit", "digest/after-commit",
		"effect/slipway.news@1/after-do", "effect/slipway.edit_news@1/after-do", "effect/slipway.spread@1/after-do", "effect/mail.announce@1/after-do"} {
		if !seen[want] {
			t.Errorf("the sweep did not hit %s", want)
		}
	}
}

func TestReceiptsSayWhatBecameOfEach(t *testing.T) {
	w, box := newTown(t, action.Lookup)
	w.open()
	w.tellStory(box)
	b := w.broadcast("1.0", "is released")
	var lines []string
	for _, r := range b.Receipts {
		if r.State != "sent" || r.Corrected != 1 || r.Message == "" || r.At.IsZero() {
			t.Errorf("the receipt of %s: %+v", r.To, r)
		}
		lines = append(lines, fmt.Sprint(r.To, " ", r.Together))
	}
	want := "mail:maintainer-a@example.org 2, mail:maintainer-b@example.org 3, mail:requester@example.org 0, person:requester 0, place:chat/lava 0, place:chat/news 0"
	if got := strings.Join(lines, ", "); got != want {
		t.Errorf("receipts: %s", got)
	}
	fix := box.to("requester@example.org", "Correction")[0]
	first := box.to("requester@example.org", "is released")[0]
	if fix.Headers["In-Reply-To"] != "<"+first.MessageID+">" || !strings.Contains(fix.Headers["References"], first.MessageID) || !strings.Contains(fix.Body, "It is 1.0.1.") {
		t.Errorf("the correction is %+v", fix)
	}
	for name, want := range map[string]string{"List-Id": "News of lava <lava.news.example.org>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"} {
		if first.Headers[name] != want {
			t.Errorf("%s is %q", name, first.Headers[name])
		}
	}
	stop := strings.Trim(first.Headers["List-Unsubscribe"], "<>")
	token := strings.TrimPrefix(stop, "https://slipway.example.org/unsubscribe/")
	if token == stop || !strings.Contains(first.Body, stop) {
		t.Fatalf("no link to stop: %q in\n%s", stop, first.Body)
	}
	for _, forged := range []string{token + "x", token[:len(token)-1], strings.ToUpper(token), "", "."} {
		if _, err := w.e.StopByLink(context.Background(), forged); !errs.Is(err, errs.NotFound) {
			t.Errorf("the token %q: %v", forged, err)
		}
	}
	if s, err := w.e.StopByLink(context.Background(), token); err != nil || s.To.Mail != "requester@example.org" {
		t.Fatal(s, err)
	}
	n := len(box.to("requester@example.org", ""))
	w.say("requester", "quick 1.1")
	w.pass(time.Minute)
	if now := len(box.to("requester@example.org", "")); now != n {
		t.Errorf("%d mails after the end of the subscription", now-n)
	}
	if len(w.posted("@requester", "1.1 is released")) != 1 {
		t.Errorf("the person's other subscription ended too: %+v", w.broadcast("1.1", "is released"))
	}
}

func TestPrivateRunsAreToldToNobody(t *testing.T) {
	w, box := newTown(t, action.Lookup)
	w.open()
	w.subscribe("manager", "*", inChannel("news"))
	w.subscribe("requester", "*", byMail("requester@example.org"))
	w.say("requester", "secret 2019.01")
	w.pass(time.Hour)
	if len(w.posted("news", "")) != 0 || len(box.to("requester@example.org", "")) != 0 {
		t.Fatalf("told: %+v %+v", w.room.posts, box.sent)
	}
	w.say("requester", "open 2019.01")
	w.pass(time.Minute)
	if len(w.posted("news", "is open")) != 1 || len(w.posted("lava", "is open")) != 1 || len(box.to("requester@example.org", "is open")) != 1 {
		t.Errorf("told: %+v %+v", w.room.posts, box.sent)
	}
}

func TestAnotherAddressMustAgree(t *testing.T) {
	ctx := context.Background()
	w, box := newTown(t, action.Lookup)
	w.open()
	to := subscription.Subscription{To: byMail("list@example.net"), Filter: subscription.Filter{Project: "lava"}}
	if _, err := w.e.Subscribe(ctx, to, "maintainer-a", engine.Once{}); !errs.Is(err, errs.Denied) {
		t.Fatalf("a maintainer subscribed a list: %v", err)
	}
	s, err := w.e.Subscribe(ctx, to, "manager", engine.Once{})
	if err != nil || !s.Confirmed.IsZero() {
		t.Fatal(s, err)
	}
	if _, err := w.e.Subscribe(ctx, to, "manager", engine.Once{}); !errs.Is(err, errs.Exists) {
		t.Errorf("a second request: %v", err)
	}
	w.say("requester", "quick 1.0")
	w.pass(time.Minute)
	if got := box.to("list@example.net", ""); len(got) != 1 || !strings.Contains(got[0].Body, "Nothing is sent before you agree") || got[0].Headers["List-Unsubscribe"] != "" {
		t.Fatalf("%+v", got)
	}
	code := strings.Fields(strings.SplitAfter(box.sent[0].Body, "subscribe confirm ")[1])[0]
	if _, err := w.e.Confirm(ctx, code+"x", engine.Once{}); !errs.Is(err, errs.NotFound) {
		t.Errorf("a wrong code: %v", err)
	}
	if s, err = w.e.Confirm(ctx, code, engine.Once{}); err != nil || s.Confirmed.IsZero() {
		t.Fatal(s, err)
	}
	w.say("requester", "quick 1.1")
	w.pass(time.Minute)
	if got := box.to("list@example.net", "1.1 is released"); len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	if _, err := w.e.Unsubscribe(ctx, s.ID, "maintainer-a", engine.Once{}); !errs.Is(err, errs.Denied) {
		t.Errorf("a maintainer ended it: %v", err)
	}
}

func TestWhoCannotBeReachedIsGivenUp(t *testing.T) {
	w, box := newTown(t, action.Lookup)
	w.open()
	s := w.subscribe("requester", "lava about=released", byMail("requester@example.org"))
	box.fail = func(mailIn) error {
		return errs.E("mail.send", errs.Failed, fmt.Errorf("the mail server refuses the recipient: 550 no such user"))
	}
	for i := range 5 {
		w.say("requester", fmt.Sprint("quick 1.", i))
		w.pass(time.Minute)
	}
	list := w.e.Subscriptions()
	if len(list) != 1 || list[0].Failures != 3 || !strings.Contains(list[0].GivenUp, "no such user") {
		t.Fatalf("%+v", list)
	}
	if n := len(w.posted("@requester", "could not be told")); n != 3 {
		t.Errorf("told %d times of the trouble", n)
	}
	if b := w.broadcast("1.0", "is released"); len(b.Receipts) != 2 || b.Receipts[0].State != "failed" {
		t.Errorf("%+v", b.Receipts)
	}
	if b := w.broadcast("1.4", "is released"); len(b.Receipts) != 1 {
		t.Errorf("%+v", b.Receipts)
	}
	box.fail = nil
	if again := w.subscribe("requester", "lava about=released daily 08:00", byMail("requester@example.org")); again.ID != s.ID || again.GivenUp != "" || !again.Active() {
		t.Errorf("%+v", again)
	}
}

func TestDoubtfulMailAsksAPerson(t *testing.T) {
	ctx := context.Background()
	for _, again := range []bool{false, true} {
		w, box := newTown(t, action.OnceOrAsk)
		died := func() (died bool) {
			defer func() { died = recover() != nil }()
			w.point = func(name string) {
				if name == "effect/mail.announce@1/before-do" {
					panic(crash{name})
				}
			}
			w.open()
			w.subscribe("requester", "lava about=released", byMail("requester@example.org"))
			w.say("requester", "quick 1.0")
			return false
		}()
		w.point = nil
		if !died {
			t.Fatal("it did not die")
		}
		w.open()
		w.pass(time.Hour)
		b := w.broadcast("1.0", "is released")
		if b.Receipts[0].State != "doubtful" || len(box.sent) != 0 || len(w.posted("@requester", "nobody can tell")) != 1 {
			t.Fatalf("%+v %+v", b.Receipts, box.sent)
		}
		if err := w.e.Settle(ctx, b.News.Key, b.Receipts[0].To, !again, "requester", engine.Once{}); !errs.Is(err, errs.Denied) {
			t.Errorf("settled by a stranger: %v", err)
		}
		if err := w.e.Settle(ctx, b.News.Key, b.Receipts[0].To, !again, "manager", engine.Once{}); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Hour)
		want := 0
		if again {
			want = 1
		}
		if got := w.broadcast("1.0", "is released").Receipts[0]; got.State != "sent" || len(box.sent) != want {
			t.Errorf("again %v: %+v, %d mails", again, got, len(box.sent))
		}
	}
}

func TestFreezesAndTroubleAreTold(t *testing.T) {
	w, _ := newTown(t, action.Lookup)
	w.open()
	w.subscribe("manager", "lava severity>=notice", inChannel("news"))
	w.out.fail = func(_, phase string) error {
		if phase == "before" {
			return errs.E("test", errs.Failed, fmt.Errorf("it went wrong"))
		}
		return nil
	}
	w.say("requester", "quick 1.0")
	w.wantStep("1.0", "it", run.Stuck)
	if len(w.posted("news", "quick/lava/1.0: it is stuck")) != 1 {
		t.Errorf("%+v", w.room.posts)
	}
}
