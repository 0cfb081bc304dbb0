package console

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/bot/card"
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

const grace, alan = "console:grace", "console:alan"

func desk(t *testing.T) (*Desk, *inbox) {
	t.Helper()
	in := &inbox{}
	return &Desk{Room: room(t), Deliver: in.deliver}, in
}

func TestSayReactShow(t *testing.T) {
	ctx := context.Background()
	d, in := desk(t)
	m, err := d.Say(ctx, grace, Saying{ID: "1", Channel: "releases", Text: "release 2019.01\n<!channel> \x1b[2J"})
	if err != nil || m.Author != grace || !m.Delivered || SaidID(grace, m) != "1" || SaidID(alan, m) != "" {
		t.Fatalf("%+v, %v", m, err)
	}
	answer, err := d.Say(ctx, grace, Saying{ID: "2", Channel: "releases", Thread: m.ID, Text: "done"})
	if err != nil {
		t.Fatal(err)
	}
	if m, err = d.React(ctx, grace, m.ID, "👍🏽", true); err != nil || len(m.Reactions) != 1 || m.Reactions[0].Emoji != "👍" {
		t.Errorf("%+v, %v", m, err)
	}
	if m, err = d.React(ctx, grace, m.ID, "+1", false); err != nil || len(m.Reactions) != 0 {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err = d.React(ctx, grace, m.ID, "🎉", false); err != nil {
		t.Error(err)
	}
	want := []Fact{
		Said{Account: grace, Place: "releases", Message: m.ID, Text: "release 2019.01\n<!channel> \x1b[2J"},
		Said{Account: grace, Place: "releases", Thread: m.ID, Message: answer.ID, Text: "done"},
		Touched{Place: "releases", Message: m.ID}, Touched{Place: "releases", Message: m.ID},
	}
	if d := cmp.Diff(want, in.facts(t)); d != "" {
		t.Error(d)
	}
	if s, err := d.Message(alan, m.ID); err != nil || s.Message.ID != m.ID {
		t.Errorf("%+v, %v", s, err)
	}
	for _, id := range []string{"", "a b", "ü", strings.Repeat("x", 65), "a/b", "a\x00"} {
		if _, err := d.Say(ctx, grace, Saying{ID: id, Channel: "releases", Text: "x"}); !errs.Is(err, errs.Invalid) || errs.HintOf(err) == "" {
			t.Errorf("the id %q: %v", id, err)
		}
	}
}

func TestNothingIsAcceptedBeforeItIsStored(t *testing.T) {
	ctx := context.Background()
	d, in := desk(t)
	in.fail = errs.E("inbox", errs.Full, fmt.Errorf("the disk is full")).Hint("Free some space.")
	say := Saying{ID: "one", Channel: "releases", Text: "mine"}
	if _, err := d.Say(ctx, grace, say); !errs.Is(err, errs.Full) {
		t.Fatalf("got %v", err)
	}
	ms, _ := d.Room.Messages("releases", "", 10)
	if len(ms) != 1 || ms[0].Delivered {
		t.Fatalf("the refused message looks accepted: %+v", ms)
	}
	if _, err := d.React(ctx, grace, ms[0].ID, "✅", true); !errs.Is(err, errs.Full) {
		t.Errorf("got %v", err)
	}
	in.fail = nil
	m, err := d.Say(ctx, grace, say)
	if err != nil || m.ID != ms[0].ID || !m.Delivered {
		t.Errorf("the repeat: %+v, %v", m, err)
	}
	if _, err := d.React(ctx, grace, m.ID, "✅", true); err != nil {
		t.Error(err)
	}
	calls := in.calls
	if again, err := d.Say(ctx, grace, say); err != nil || again.ID != m.ID || in.calls != calls {
		t.Errorf("a repeat after it was accepted: %+v, %v, %d deliveries", again, err, in.calls-calls)
	}
	if _, err := d.Say(ctx, grace, Saying{ID: "one", Channel: "releases", Text: "other"}); !errs.Is(err, errs.Exists) {
		t.Errorf("the id of another text: %v", err)
	}
	if _, err := d.Say(ctx, alan, Saying{ID: "one", Channel: "releases", Text: "mine"}); err != nil {
		t.Errorf("another person's id one: %v", err)
	}
	want := []Fact{Said{Account: grace, Place: "releases", Message: m.ID, Text: "mine"}, Touched{"releases", m.ID}}
	if d := cmp.Diff(want, in.facts(t)[:2]); d != "" || len(in.order) != 3 {
		t.Error(d, len(in.order))
	}
}

func TestOneIDAtOnceIsOneMessage(t *testing.T) {
	d, in := desk(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := d.Say(context.Background(), grace, Saying{ID: "same", Channel: "releases", Text: "mine"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if ms, _ := d.Room.Messages("releases", "", 10); len(ms) != 1 || len(in.order) != 1 {
		t.Errorf("%d messages, %d deliveries", len(ms), len(in.order))
	}
}

func TestNobodyTakesAwayAnothersReaction(t *testing.T) {
	ctx := context.Background()
	d, in := desk(t)
	ref, err := d.Room.Poster("bot:slipway").Post(ctx, "g", Place{Channel: "releases"}, aCard("gate"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.React(ctx, grace, ref.ID, "✅", true); err != nil {
		t.Fatal(err)
	}
	m, err := d.React(ctx, alan, ref.ID, "✅", false)
	if err != nil || len(m.Reactions) != 1 || m.Reactions[0].Account != grace {
		t.Errorf("%+v, %v", m, err)
	}
	if len(in.order) != 1 {
		t.Errorf("%d deliveries; the bot's own post is none, and nothing changed the second time", len(in.order))
	}
}

// watched are the channels of the changes that an account is told, up to a message in the channel.
func watched(t *testing.T, d *Desk, account, channel, until string) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	changes, err := d.Watch(ctx, account, channel, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for c := range changes {
		if c.Kind != Posted {
			continue
		}
		if out = append(out, c.Channel); c.Channel == until {
			break
		}
	}
	return out
}

func TestChannelsNotSeenDoNotExist(t *testing.T) {
	ctx := context.Background()
	d, _ := desk(t)
	d.Visible = func(account, channel string) bool { return channel != "embargo" || account == grace }
	d.Channels = func() []string { return []string{"quiet", "embargo"} }
	m, err := d.Say(ctx, grace, Saying{ID: "1", Channel: "embargo", Text: "hush"})
	if err != nil {
		t.Fatal(err)
	}
	_, sayErr := d.Say(ctx, alan, Saying{ID: "1", Channel: "embargo", Text: "x"})
	_, showErr := d.Message(alan, m.ID)
	_, reactErr := d.React(ctx, alan, m.ID, "✅", true)
	_, pageErr := d.Page(alan, "embargo", PageQuery{})
	_, watchErr := d.Watch(ctx, alan, "embargo", 0)
	_, _, awaitErr := d.Await(ctx, alan, "bot:slipway", "", m)
	_, noneErr := d.Message(alan, "17")
	for what, err := range map[string]error{"say": sayErr, "show": showErr, "react": reactErr, "page": pageErr, "watch": watchErr, "await": awaitErr} {
		if !errs.Is(err, errs.NotFound) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if strings.ReplaceAll(showErr.Error(), m.ID, "17") != noneErr.Error() {
		t.Errorf("%q tells more than %q", showErr, noneErr)
	}
	if _, err := d.Say(ctx, alan, Saying{ID: "2", Channel: "releases", Text: "seen"}); err != nil {
		t.Fatal(err)
	}
	if got := watched(t, d, alan, "", "releases"); cmp.Diff([]string{"releases"}, got) != "" {
		t.Errorf("alan sees %v", got)
	}
	mine, err := d.Seen(alan)
	if diff := cmp.Diff([]string{"quiet", "releases"}, mine); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func TestDirectRoomIsThereForItsPersonOnly(t *testing.T) {
	ctx := context.Background()
	d, _ := desk(t)
	d.Direct = func(account string) string { return DirectRoom(strings.TrimPrefix(account, "console:")) }
	mine, err := d.Say(ctx, grace, Saying{ID: "1", Channel: Mine, Text: "help"})
	if err != nil || mine.Channel != "@grace" {
		t.Fatalf("said in %q: %v", mine.Channel, err)
	}
	answer, err := d.Room.Poster("bot:slipway").Post(ctx, "k", Place{Channel: "@grace", Thread: mine.ID}, card.Card{Key: "reply-k", Title: "a secret"})
	if err != nil {
		t.Fatal(err)
	}
	// To others neither the room nor what is in it exists.
	_, said := d.Say(ctx, alan, Saying{ID: "2", Channel: "@grace", Text: "let me in"})
	_, threaded := d.Say(ctx, alan, Saying{ID: "3", Channel: Mine, Thread: mine.ID, Text: "let me in"})
	_, shown := d.Message(alan, answer.ID)
	_, reacted := d.React(ctx, alan, answer.ID, "✅", true)
	_, seen := d.Watch(ctx, alan, "@grace", 0)
	for what, err := range map[string]error{"say": said, "thread": threaded, "show": shown, "react": reacted, "watch": seen} {
		if !errs.Is(err, errs.NotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := d.Say(ctx, alan, Saying{ID: "4", Channel: "general", Text: "the end"}); err != nil {
		t.Fatal(err)
	}
	for who, want := range map[string][]string{grace: {"@grace", "@grace", "general"}, alan: {"general"}} {
		if diff := cmp.Diff(want, watched(t, d, who, "", "general")); diff != "" {
			t.Errorf("%s: %s", who, diff)
		}
	}
	if all, err := d.Seen(grace); err != nil || all[0] != "@grace" || len(all) != 2 {
		t.Errorf("%v, %v", all, err)
	}
	if reply, found, err := d.Await(ctx, grace, "bot:slipway", "grace", mine); err != nil || !found || reply.ReplyText() != "a secret" {
		t.Errorf("%+v, %v, %v", reply, found, err)
	}
}

func TestWithoutDirectRoomsThereAreNone(t *testing.T) {
	d, _ := desk(t)
	for _, channel := range []string{Mine, "@grace"} {
		if _, err := d.Say(context.Background(), grace, Saying{ID: "1", Channel: channel, Text: "help"}); !errs.Is(err, errs.NotFound) {
			t.Errorf("%s: %v", channel, err)
		}
	}
	if CheckChannel("@grace") == nil || checkPlace("@") == nil || checkPlace("@@grace") == nil || checkPlace("@Grace") == nil {
		t.Error("an odd name is taken")
	}
}

func TestAnAnswerIsAwaited(t *testing.T) {
	ctx := context.Background()
	d, _ := desk(t)
	head, err := d.Say(ctx, grace, Saying{ID: "1", Channel: "releases", Text: "release why 2019.01"})
	if err != nil {
		t.Fatal(err)
	}
	poster, place := d.Room.Poster("bot:slipway"), Place{Channel: "releases", Thread: head.ID}
	reply := func(key, text, person string) {
		t.Helper()
		if _, err := poster.Post(ctx, key, place, card.Card{Key: key, Title: text, Mentions: []string{person}}); err != nil {
			t.Error(err)
		}
	}
	asked, err := d.Say(ctx, grace, Saying{ID: "2", Channel: "releases", Thread: head.ID, Text: "who"})
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, found, err := d.Await(ended, grace, "bot:slipway", "grace", asked); found || err != nil {
		t.Errorf("%v, %v", found, err)
	}
	got := make(chan string)
	go func() {
		m, _, err := d.Await(ctx, grace, "bot:slipway", "grace", asked)
		if err != nil {
			t.Error(err)
		}
		got <- m.ReplyText()
	}()
	reply("card", "no reply at all", "grace")
	reply("reply-1", "to Alan, who asked in the same thread", "alan")
	reply("reply-2", "Ben", "grace")
	if text := <-got; text != "Ben" {
		t.Errorf("got %q", text)
	}
	long := card.Card{Key: "reply-3", Title: "the begin…", Blocks: []card.Block{{Text: "the beginning and"}, {Text: " the end"}}}
	if m := (Message{Card: &long}); m.ReplyText() != "the beginning and the end" {
		t.Errorf("%q", m.ReplyText())
	}
	if !Refused("I can't do that") || Refused("Done.") {
		t.Error("a refusal is not told from an answer")
	}
}

func TestPages(t *testing.T) {
	d, _ := desk(t)
	ctx := context.Background()
	var ids []string
	for i := range 7 {
		thread := ""
		if i == 3 || i == 5 {
			thread = ids[1]
		}
		m, err := d.Say(ctx, grace, Saying{ID: fmt.Sprint(i), Channel: "b", Thread: thread, Text: fmt.Sprint(i)})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, m.ID)
		for _, other := range []string{"a", "c"} { // neighbours in the file
			if _, err := d.Say(ctx, grace, Saying{ID: fmt.Sprint(other, i), Channel: other, Text: "not asked for"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		q            PageQuery
		want         string
		older, newer bool
	}{
		{PageQuery{}, "0123456", false, false},
		{PageQuery{Limit: 3}, "456", true, false},
		{PageQuery{Limit: 3, Before: ids[4]}, "123", true, true},
		{PageQuery{Limit: 3, Before: ids[1]}, "0", false, true},
		{PageQuery{Limit: 3, After: ids[1]}, "234", true, true},
		{PageQuery{Limit: 3, After: ids[4]}, "56", true, false},
		{PageQuery{After: "1"}, "0123456", true, false},
		{PageQuery{Thread: ids[1]}, "135", false, false},
		{PageQuery{Thread: ids[1], After: ids[3]}, "5", true, false},
		{PageQuery{Heads: true}, "01246", false, false},
	} {
		p, err := d.Page(grace, "b", c.q)
		got := ""
		for _, m := range p.Messages {
			got += m.Text
		}
		if err != nil || got != c.want || p.Older != c.older || p.Newer != c.newer {
			t.Errorf("%+v: %q, older %v, newer %v, %v", c.q, got, p.Older, p.Newer, err)
		}
	}
	for _, q := range []PageQuery{{Limit: -1}, {Limit: 201}, {Before: "1", After: "2"}} {
		if _, err := d.Page(grace, "b", q); !errs.Is(err, errs.Invalid) || errs.HintOf(err) == "" {
			t.Errorf("%+v: %v", q, err)
		}
	}
	for _, q := range []PageQuery{{Before: "x"}, {After: "-1"}, {Thread: "01"}} {
		if _, err := d.Page(grace, "b", q); !errs.Is(err, errs.NotFound) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	if last, err := d.Page(grace, "zz", PageQuery{}); err != nil || len(last.Messages) != 0 {
		t.Errorf("an empty channel: %+v, %v", last, err)
	}
	if all, err := d.Room.Channels(); err != nil || cmp.Diff([]string{"a", "b", "c"}, all) != "" {
		t.Errorf("%v, %v", all, err)
	}
}

func TestProblems(t *testing.T) {
	for k := errs.Other; k <= errs.Internal; k++ {
		err := errs.E("op", k, errors.New("a secret of *some.Type")).Hint("mend it")
		p := ProblemOf(err)
		back := p.Err()
		if inner := k == errs.Other || k == errs.Internal; inner == strings.Contains(p.Detail, "secret") || p.Status < 400 || p.Title == "" || p.Hint == "" {
			t.Errorf("%v: %+v", k, p)
		}
		if errs.KindOf(back) != k {
			t.Errorf("%v comes back as %v", k, errs.KindOf(back))
		}
	}
	if p := ProblemOf(WithStatus(413, errs.E("op", errs.Invalid, errors.New("too long")))); p.Status != 413 || p.Kind != "invalid" || p.Detail != "too long" {
		t.Errorf("%+v", p)
	}
}
