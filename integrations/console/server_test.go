package console

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"slipway/bot/errs"
)

// inbox is an engine that stores deliveries by id, and can be told to fail.
type inbox struct {
	mu    sync.Mutex
	fail  error
	calls int
	order []Delivery
	byID  map[string]bool
}

func (i *inbox) deliver(_ context.Context, d Delivery) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.calls++
	if i.fail != nil {
		return i.fail
	}
	if i.byID == nil {
		i.byID = map[string]bool{}
	}
	if !i.byID[d.ID] {
		i.byID[d.ID] = true
		i.order = append(i.order, d)
	}
	return nil
}

func (i *inbox) failing(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fail = err
}

// facts decodes what is stored.
func (i *inbox) facts(t *testing.T) []Fact {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	var out []Fact
	for _, d := range i.order {
		fs, err := Decode(d)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fs...)
	}
	return out
}

type house struct {
	*Server
	inbox *inbox
	path  string
	stop  func() // ends Serve and waits
}

func serve(t *testing.T, change func(*Server)) *house {
	t.Helper()
	h := &house{inbox: &inbox{}, path: filepath.Join(t.TempDir(), "s")}
	h.Server = &Server{Room: room(t), Deliver: h.inbox.deliver, ManyPeople: true,
		Query: func(_ context.Context, account, name string, args map[string]string) (any, error) {
			if name == "secret" {
				return nil, fmt.Errorf("a stack of *secret.Type")
			}
			if name == "nothing" {
				return nil, errs.E("q", errs.NotFound, fmt.Errorf("there is no run %q", args["run"])).Hint("Did you mean 2019.01?")
			}
			return map[string]any{"account": account, "name": name, "args": args}, nil
		}}
	if change != nil {
		change(h.Server)
	}
	h.start(t)
	t.Cleanup(func() { h.stop() })
	return h
}

func (h *house) start(t *testing.T) {
	t.Helper()
	l, err := Listen(h.path, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Serve(ctx, l) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func (h *house) client(t *testing.T, as string) *Client {
	c := &Client{Path: h.path, As: as, Wait: func(context.Context, int) error { return nil }}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// wire is a raw connection.
type wire struct {
	t *testing.T
	net.Conn
	lines *bufio.Reader
}

func (h *house) dial(t *testing.T) *wire {
	t.Helper()
	c, err := net.Dial("unix", h.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &wire{t, c, bufio.NewReaderSize(c, MaxAnswer)}
}

func (w *wire) ask(line string) Answer {
	w.t.Helper()
	if _, err := w.Write([]byte(line + "\n")); err != nil {
		w.t.Fatal(err)
	}
	return w.read()
}

func (w *wire) read() Answer {
	w.t.Helper()
	raw, err := w.lines.ReadBytes('\n')
	if err != nil {
		w.t.Fatal(err)
	}
	var a Answer
	if err := json.Unmarshal(raw, &a); err != nil {
		w.t.Fatalf("%s: %v", raw, err)
	}
	return a
}

func TestSayReactShow(t *testing.T) {
	ctx := context.Background()
	h := serve(t, nil)
	grace := h.client(t, "grace")
	m, err := grace.Say(ctx, Saying{Channel: "releases", Text: "release 2019.01\n<!channel> \x1b[2J"})
	if err != nil || m.Author != "console:grace" || !m.Delivered {
		t.Fatalf("%+v, %v", m, err)
	}
	answer, err := grace.Say(ctx, Saying{Channel: "releases", Thread: m.ID, Text: "done"})
	if err != nil {
		t.Fatal(err)
	}
	if m, err = grace.React(ctx, m.ID, "👍🏽", true); err != nil || len(m.Reactions) != 1 || m.Reactions[0].Emoji != "👍" {
		t.Errorf("%+v, %v", m, err)
	}
	if m, err = grace.React(ctx, m.ID, "+1", false); err != nil || len(m.Reactions) != 0 {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err = grace.React(ctx, m.ID, "🎉", false); err != nil {
		t.Error(err)
	}
	want := []Fact{
		Said{Account: "console:grace", Place: "releases", Message: m.ID, Text: "release 2019.01\n<!channel> \x1b[2J"},
		Said{Account: "console:grace", Place: "releases", Thread: m.ID, Message: answer.ID, Text: "done"},
		Touched{Place: "releases", Message: m.ID}, Touched{Place: "releases", Message: m.ID},
	}
	if d := cmp.Diff(want, h.inbox.facts(t)); d != "" {
		t.Error(d)
	}
	me := h.client(t, "")
	mine, err := me.Say(ctx, Saying{Channel: "releases", Text: "hello"})
	if err != nil || mine.Author != fmt.Sprintf("unix:%d", os.Getuid()) {
		t.Errorf("%+v, %v", mine, err)
	}
	if s, err := me.Show(ctx, m.ID); err != nil || s.Message.ID != m.ID {
		t.Errorf("%+v, %v", s, err)
	}
	if raw, err := grace.ShowRun(ctx, "2019.01"); err != nil || string(raw) != `{"account":"console:grace","args":{"run":"2019.01"},"name":"show"}` {
		t.Errorf("%s, %v", raw, err)
	}
	if raw, err := grace.Runs(ctx); err != nil || !strings.Contains(string(raw), `"name":"runs"`) {
		t.Errorf("%s, %v", raw, err)
	}
	if _, err := grace.Query(ctx, "nothing", map[string]string{"run": "x"}); !errs.Is(err, errs.NotFound) || errs.Text(err) != `there is no run "x"; did you mean 2019.01?` {
		t.Errorf("%v", err)
	}
	if _, err := grace.Query(ctx, "secret", nil); err == nil || strings.Contains(err.Error(), "Type") {
		t.Errorf("an inner error came out: %v", err)
	}
}

func TestNothingIsAcceptedBeforeItIsStored(t *testing.T) {
	ctx := context.Background()
	h := serve(t, nil)
	grace := h.client(t, "grace")
	h.inbox.failing(errs.E("inbox", errs.Full, fmt.Errorf("the disk is full")).Hint("Free some space."))
	say := Saying{ID: "one", Channel: "releases", Text: "mine"}
	if _, err := grace.Say(ctx, say); !errs.Is(err, errs.Full) {
		t.Fatalf("got %v", err)
	}
	ms, _ := h.Room.Messages("releases", "", 10)
	if len(ms) != 1 || ms[0].Delivered {
		t.Fatalf("the refused message looks accepted: %+v", ms)
	}
	if _, err := grace.React(ctx, ms[0].ID, "✅", true); !errs.Is(err, errs.Full) {
		t.Errorf("got %v", err)
	}
	h.inbox.failing(nil)
	m, err := grace.Say(ctx, say)
	if err != nil || m.ID != ms[0].ID || !m.Delivered {
		t.Errorf("the repeat: %+v, %v", m, err)
	}
	if _, err := grace.React(ctx, m.ID, "✅", true); err != nil {
		t.Error(err)
	}
	calls := h.inbox.calls
	if again, err := grace.Say(ctx, say); err != nil || again.ID != m.ID || h.inbox.calls != calls {
		t.Errorf("a repeat after it was accepted: %+v, %v, %d deliveries", again, err, h.inbox.calls-calls)
	}
	if _, err := grace.Say(ctx, Saying{ID: "one", Channel: "releases", Text: "other"}); !errs.Is(err, errs.Exists) {
		t.Errorf("the id of another text: %v", err)
	}
	if _, err := h.client(t, "alan").Say(ctx, Saying{ID: "one", Channel: "releases", Text: "mine"}); err != nil {
		t.Errorf("another person's id one: %v", err)
	}
	want := []Fact{Said{Account: "console:grace", Place: "releases", Message: m.ID, Text: "mine"}, Touched{"releases", m.ID}}
	if d := cmp.Diff(want, h.inbox.facts(t)[:2]); d != "" || len(h.inbox.order) != 3 {
		t.Error(d, len(h.inbox.order))
	}
}

func TestOneIDAtOnceIsOneMessage(t *testing.T) {
	ctx := context.Background()
	h := serve(t, nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := h.client(t, "grace").Say(ctx, Saying{ID: "same", Channel: "releases", Text: "mine"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if ms, _ := h.Room.Messages("releases", "", 10); len(ms) != 1 || len(h.inbox.order) != 1 {
		t.Errorf("%d messages, %d deliveries", len(ms), len(h.inbox.order))
	}
}

func TestNobodyTakesAwayAnothersReaction(t *testing.T) {
	ctx := context.Background()
	h := serve(t, nil)
	ref, err := h.Room.Poster("bot:slipway").Post(ctx, "g", Place{Channel: "releases"}, aCard("gate"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.client(t, "grace").React(ctx, ref.ID, "✅", true); err != nil {
		t.Fatal(err)
	}
	m, err := h.client(t, "alan").React(ctx, ref.ID, "✅", false)
	if err != nil || len(m.Reactions) != 1 || m.Reactions[0].Account != "console:grace" {
		t.Errorf("%+v, %v", m, err)
	}
	if len(h.inbox.order) != 1 {
		t.Errorf("%d deliveries; the bot's own post is none, and nothing changed the second time", len(h.inbox.order))
	}
}

func TestClientSaysItOnceAcrossRestarts(t *testing.T) {
	ctx := context.Background()
	h := serve(t, nil)
	grace := h.client(t, "grace")
	if _, err := grace.Say(ctx, Saying{Channel: "releases", Text: "before"}); err != nil {
		t.Fatal(err)
	}
	h.stop() // the client's connection is broken now
	grace.Wait = func(context.Context, int) error {
		grace.Wait = func(context.Context, int) error { return nil }
		h.start(t)
		return nil
	}
	if _, err := grace.Say(ctx, Saying{Channel: "releases", Text: "after"}); err != nil {
		t.Fatal(err)
	}
	if ms, _ := h.Room.Messages("releases", "", 10); len(ms) != 2 {
		t.Errorf("%d messages", len(ms))
	}
	h.stop()
	if _, err := grace.Runs(ctx); !errs.Is(err, errs.Unavailable) || errs.HintOf(err) == "" {
		t.Errorf("no server: %v", err)
	}
}

func TestWatchGoesOnAfterARestart(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	h := serve(t, nil)
	post(t, h.Room, Draft{Channel: "other", Author: "bot:x", Text: "not asked for"})
	post(t, h.Room, Draft{Channel: "releases", Author: "bot:x", Text: "1"})
	w := h.client(t, "")
	w.Wait = func(context.Context, int) error { h.start(t); return nil }
	var got []string
	from := uint64(0)
	err := w.Watch(ctx, "releases", &from, func(c Change) error {
		got = append(got, c.Message.Text)
		switch len(got) {
		case 1:
			h.stop()
			post(t, h.Room, Draft{Channel: "releases", Author: "bot:x", Text: "2"})
		case 2:
			post(t, h.Room, Draft{Channel: "releases", Author: "bot:x", Text: "3"})
		case 3:
			cancel()
		}
		return nil
	})
	if d := cmp.Diff([]string{"1", "2", "3"}, got); d != "" || err != context.Canceled {
		t.Errorf("%s %v", d, err)
	}
}

func TestBadLinesAreAnsweredAndTheConnectionLives(t *testing.T) {
	h := serve(t, func(s *Server) { s.ManyPeople = false })
	w := h.dial(t)
	for _, c := range []struct{ line, id, want string }{
		{`nonsense`, "", "not a JSON object"},
		{`[]`, "", "not a JSON object"},
		{`null`, "", `"" is not the id`},
		{``, "", "not a JSON object"},
		{`{"id":"1","do":"say","chanel":"x"}`, "1", `no field "chanel"`},
		{`{"id":"1","do":"sing"}`, "1", `no request "sing"`},
		{`{"id":"1","do":"say","text":7}`, "1", "text cannot hold a number"},
		{`{"id":"1","do":"say","channel":"c"}`, "1", "say needs the field text"},
		{`{"id":"1","do":"say","channel":"c","text":"x","emoji":"y"}`, "1", "say does not take the field emoji"},
		{`{"id":"a b","do":"runs"}`, "", `"a b" is not the id`},
		{`{"id":"1","do":"runs"} {}`, "1", "more after the request"},
		{`{"id":"1","do":"show"}`, "1", "show needs a message or a run"},
		{`{"id":"1","do":"show","message":"17"}`, "1", `no message "17"`},
		{`{"id":"1","do":"react","message":"17","emoji":"✅"}`, "1", `no message "17"`},
		{`{"id":"1","do":"say","channel":"Big Room","text":"x"}`, "1", "not the name of a channel"},
		{`{"id":"1","do":"say","channel":"c","text":"` + strings.Repeat("x", 20000) + `"}`, "1", "16000 is the limit"},
		{`{"id":"1","do":"say","channel":"c","text":"` + strings.Repeat("x", MaxRequest) + `"}`, "", "longer than 65536 bytes"},
		{`{"id":"1","do":"runs","as":"grace"}`, "1", `acting as "grace" is not allowed`},
		{`{"id":"1","do":"watch","channel":"?"}`, "1", "not the name of a channel"},
	} {
		a := w.ask(c.line)
		if a.OK || a.Error == nil || a.ID != c.id || !strings.Contains(a.Error.Text, c.want) || a.Error.Hint == "" {
			t.Errorf("%.60s: got %+v %+v", c.line, a, a.Error)
		}
		if ok := w.ask(`{"id":"x","do":"runs"}`); !ok.OK || ok.ID != "x" {
			t.Fatalf("after %.60s the connection is no use: %+v", c.line, ok)
		}
	}
	if len(h.inbox.order) != 0 {
		t.Errorf("%d deliveries", len(h.inbox.order))
	}
	if seq, _ := h.Room.Last(); seq != 0 {
		t.Error("something was stored")
	}
}

func TestActingAs(t *testing.T) {
	h := serve(t, nil)
	w := h.dial(t)
	for _, bad := range []string{"Grace", "grace ", "grаce", "-x", strings.Repeat("a", 33), "unix:0"} {
		if a := w.ask(fmt.Sprintf(`{"id":"1","do":"runs","as":%q}`, bad)); a.Error == nil || a.Error.Kind != "invalid" {
			t.Errorf("%q: %+v", bad, a)
		}
	}
}

func TestChannelsNotSeenDoNotExist(t *testing.T) {
	ctx := context.Background()
	h := serve(t, func(s *Server) {
		s.Visible = func(account, channel string) bool { return channel != "embargo" || account == "console:grace" }
	})
	grace, alan := h.client(t, "grace"), h.client(t, "alan")
	m, err := grace.Say(ctx, Saying{Channel: "embargo", Text: "hush"})
	if err != nil {
		t.Fatal(err)
	}
	_, sayErr := alan.Say(ctx, Saying{Channel: "embargo", Text: "x"})
	_, showErr := alan.Show(ctx, m.ID)
	_, reactErr := alan.React(ctx, m.ID, "✅", true)
	_, noneErr := alan.Show(ctx, "17")
	for _, err := range []error{sayErr, showErr, reactErr} {
		if !errs.Is(err, errs.NotFound) || strings.Contains(err.Error(), "hush") {
			t.Errorf("got %v", err)
		}
	}
	if strings.ReplaceAll(showErr.Error(), m.ID, "17") != noneErr.Error() {
		t.Errorf("%q tells more than %q", showErr, noneErr)
	}
	if _, err := alan.Say(ctx, Saying{Channel: "releases", Text: "seen"}); err != nil {
		t.Fatal(err)
	}
	from, end := uint64(0), fmt.Errorf("enough")
	if err := alan.Watch(ctx, "", &from, func(c Change) error {
		if c.Channel != "releases" {
			t.Errorf("saw %+v", c)
		}
		return end
	}); err != end {
		t.Error(err)
	}
}

func TestSlowClientIsCut(t *testing.T) {
	h := serve(t, func(s *Server) { s.WriteTimeout = 20 * time.Millisecond })
	w := h.dial(t)
	if a := w.ask(`{"id":"w","do":"watch","since":0}`); !a.OK {
		t.Fatalf("%+v", a)
	}
	if a := w.ask(`{"id":"v","do":"watch"}`); a.Error == nil || a.Error.Kind != "conflict" {
		t.Errorf("%+v", a)
	}
	// More than the socket's buffers hold, while nobody reads.
	for range 100 {
		post(t, h.Room, Draft{Channel: "releases", Author: "bot:x", Text: strings.Repeat("x", MaxText)})
	}
	changes := 0
	for {
		raw, err := w.lines.ReadBytes('\n')
		if err != nil {
			break // the server hung up
		}
		if strings.Contains(string(raw), `"change"`) {
			changes++
		}
	}
	if changes >= 100 {
		t.Error("a client that did not read was not cut")
	}
	if a := h.dial(t).ask(`{"id":"1","do":"runs"}`); !a.OK {
		t.Errorf("others suffer: %+v", a)
	}
}

func TestTooManyClients(t *testing.T) {
	h := serve(t, func(s *Server) { s.MaxClients = 1 })
	first := h.dial(t)
	first.ask(`{"id":"1","do":"runs"}`)
	if a := h.dial(t).read(); a.Error == nil || a.Error.Kind != "busy" {
		t.Errorf("%+v", a)
	}
	c := h.client(t, "")
	c.Tries = 2
	if _, err := c.Runs(context.Background()); !errs.Is(err, errs.Busy) && !errs.Is(err, errs.Unavailable) {
		t.Errorf("got %v", err)
	}
	if a := first.ask(`{"id":"2","do":"runs"}`); !a.OK {
		t.Errorf("%+v", a)
	}
}
