package web

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"slipway/bot/card"
)

// stream is an open stream of a viewer.
type stream struct {
	t     *testing.T
	lines *bufio.Scanner
	last  string // id of the last event
	close func()
}

func (w *world) listen(as, since, last string) *stream {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second) // only against a test that would hang
	r, err := http.NewRequestWithContext(ctx, "GET", w.url+"/events?since="+since, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Test-As", as)
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "text/event-stream" {
		w.t.Fatalf("%s %v", a.Status, a.Header)
	}
	s := &stream{t: w.t, lines: bufio.NewScanner(a.Body)}
	s.close = func() { cancel(); _ = a.Body.Close() }
	w.t.Cleanup(s.close)
	return s
}

// next is the next event; ok is false when the stream has ended.
func (s *stream) next() (n news, ok bool) {
	s.t.Helper()
	for s.lines.Scan() {
		line := s.lines.Text()
		if id, found := strings.CutPrefix(line, "id: "); found {
			s.last = id
		}
		if data, found := strings.CutPrefix(line, "data: "); found {
			if err := json.Unmarshal([]byte(data), &n); err != nil {
				s.t.Fatal(err)
			}
			return n, true
		}
	}
	return n, false
}

// until reads events until one tells of what find looks for, and gives all messages told.
func (s *stream) until(find func(news) bool) (all []newMessage) {
	s.t.Helper()
	for {
		n, ok := s.next()
		if !ok {
			s.t.Fatalf("the stream ended after %v", all)
		}
		all = append(all, n.Messages...)
		if find(n) {
			return all
		}
	}
}

func tells(id string) func(news) bool {
	return func(n news) bool {
		for _, m := range n.Messages {
			if m.ID == id {
				return true
			}
		}
		return false
	}
}

func TestAStreamTellsWhatChangedToThoseWhoMaySee(t *testing.T) {
	w := newWorld(t)
	hana, ben := w.listen("hana", "", ""), w.listen("ben", "", "")
	secret := w.says("hana", "/c/secret", "1", "hidden")
	own := w.says("hana", "/c/@me", "2", "mine")
	head := w.says("ben", "/c/general", "3", "help")
	reply := w.posts("r", "general", head, card.Card{Key: "reply-1", Title: "Commands"})
	hana.until(tells(secret))
	_ = own
	for _, m := range ben.until(tells(reply)) {
		if m.Channel != "general" {
			t.Errorf("ben is told of %+v", m)
		}
		if m.ID == reply && (m.Thread != head || !m.Posted) {
			t.Errorf("told as %+v", m)
		}
	}
}

func TestRunsThatChangedAreToldToThoseWhoMaySee(t *testing.T) {
	w := newWorld(t)
	ben, hana := w.listen("ben", "", ""), w.listen("hana", "", "")
	w.feed.change("private")
	w.feed.change("open")
	has := func(run string) func(news) bool {
		return func(n news) bool { return strings.Contains(" "+strings.Join(n.Runs, " ")+" ", " "+run+" ") }
	}
	seen := ""
	ben.until(func(n news) bool { seen += strings.Join(n.Runs, " "); return has("open")(n) })
	if strings.Contains(seen, "private") {
		t.Error("a run outside of ben's circle is told to him")
	}
	hana.until(has("private"))
}

func TestAPageMissesNothingBetweenItsMakingAndItsStream(t *testing.T) {
	w := newWorld(t)
	page := w.page("ben", "/c/general")
	_, rest, _ := strings.Cut(page, `data-position="`)
	position, _, _ := strings.Cut(rest, `"`)
	between := w.says("hana", "/c/general", "1", "meanwhile")
	w.listen("ben", position, "").until(tells(between))
}

func TestAStreamGoesOnWhereItWasAlsoAfterARestart(t *testing.T) {
	w := newWorld(t)
	s := w.listen("ben", "", "")
	first := w.says("hana", "/c/general", "1", "before")
	s.until(tells(first))
	s.close()
	second := w.says("hana", "/c/general", "2", "while nobody listened")
	again := w.listen("ben", "", s.last)
	again.until(tells(second))
	hello, _ := parseBoot(again.last)

	w.stop() // the bot is killed and comes back with the same room
	w.start()
	third := w.says("hana", "/c/general", "3", "after the restart")
	back := w.listen("ben", "", again.last)
	n, ok := back.next()
	if !ok || n.Boot == "" || n.Boot == hello || !strings.Contains(strings.Join(n.Runs, " "), "*") {
		t.Errorf("the new process is not told apart: %+v", n)
	}
	all := n.Messages
	if !tells(third)(n) {
		all = append(all, back.until(tells(third))...)
	}
	for _, m := range all {
		if m.ID == first || m.ID == second {
			t.Errorf("told again: %+v", m)
		}
	}
	// Where it cannot be told what changed, the page is read anew.
	for _, odd := range []string{"zzz-1-0-9", "zzz-x-y", strings.Repeat("9", 200)} {
		if n, ok := w.listen("ben", "", odd).next(); !ok || n.Boot == "" {
			t.Errorf("%q: %+v", odd, n)
		}
	}
	if n, _ := w.listen("ben", "", "other-1-999999").next(); !n.Reset {
		t.Errorf("a place that never was: %+v", n)
	}
}

func parseBoot(id string) (string, bool) {
	boot, _, ok := strings.Cut(id, "-")
	return boot, ok
}

func TestStreamsEndWithTheSite(t *testing.T) {
	w := newWorld(t)
	s := w.listen("ben", "", "")
	if _, ok := s.next(); !ok {
		t.Fatal("no first event")
	}
	w.site.Close()
	for {
		if _, ok := s.next(); !ok {
			break
		}
	}
	w.site.hub.mu.Lock()
	defer w.site.hub.mu.Unlock()
}

func TestTheListOfEventsIsBounded(t *testing.T) {
	h := &hub{boot: "b", first: 1, wake: make(chan struct{})}
	start := h.now()
	for i := range 3 * maxEvents {
		h.tell([]event{{channel: "general", message: strings.Repeat("1", 1+i%10)}}, uint64(i))
	}
	if len(h.list) > maxEvents || len(h.list) < maxEvents/2 {
		t.Errorf("%d events are kept", len(h.list))
	}
	if _, _, _, known := h.after(start); known {
		t.Error("a place before the list is taken for one in it")
	}
	list, now, _, known := h.after(place{"b", h.now().next - 2, 0})
	if !known || len(list) != 2 || now != h.now() {
		t.Errorf("%v %v %v", list, now, known)
	}
}

func TestWhatChangedOftenIsToldOnce(t *testing.T) {
	edit := event{channel: "general", message: "1"}
	posted := event{channel: "general", message: "1", posted: true}
	got := merged([]event{edit, posted, edit, {run: "a"}, {run: "a"}, {run: "b"}})
	if len(got) != 3 || got[0] != posted || got[1].run != "a" || got[2].run != "b" {
		t.Errorf("%+v", got)
	}
}

func FuzzPlace(f *testing.F) {
	for _, s := range []string{"", "a-1-2", "-1-2", "a-18446744073709551616-0", "a-1", "a-1-2-3", "\x00-0-0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if p := parsePlace(s); p != (place{}) && parsePlace(p.String()) != p {
			t.Errorf("%q is %+v, which reads back as %+v", s, p, parsePlace(p.String()))
		}
	})
}
