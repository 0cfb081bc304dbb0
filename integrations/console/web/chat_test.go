package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"slipway/bot/card"
)

const approve = "on:✅"

func TestSayingTwiceUnderOneIDIsOneMessage(t *testing.T) {
	w := newWorld(t)
	first := w.says("hana", "/c/general", "click-1", "release 2019.01")
	if second := w.says("hana", "/c/general", "click-1", "release 2019.01"); second != first {
		t.Errorf("two messages: %s, %s", first, second)
	}
	if a := w.send("hana", "POST", "/c/general", url.Values{"id": {"click-1"}, "text": {"release 2019.02"}}, "application/json"); a.status != http.StatusConflict {
		t.Errorf("another text under the id: %d %s", a.status, a.body)
	}
	if other := w.says("ben", "/c/general", "click-1", "release 2019.01"); other == first {
		t.Error("the same id of another person is the same message")
	}
	list, err := w.room.Messages("general", "", 10)
	if err != nil || len(list) != 2 || len(w.delivered) != 2 {
		t.Errorf("%d messages, %d deliveries, %v", len(list), len(w.delivered), err)
	}
}

func TestWhatTheEngineDidNotTakeIsKeptAndSentAgain(t *testing.T) {
	w := newWorld(t)
	w.down = true
	a := w.send("hana", "POST", "/c/general", url.Values{"id": {"x"}, "text": {"release 2019.01"}}, "application/json")
	if a.status != http.StatusServiceUnavailable || !strings.Contains(a.body, `"kind":"unavailable"`) {
		t.Fatalf("%d %s", a.status, a.body)
	}
	form := w.send("hana", "POST", "/c/general", url.Values{"id": {"x"}, "text": {"release 2019.01"}}, "")
	for _, want := range []string{`value="x"`, ">release 2019.01</textarea>", "Send it again"} {
		if !strings.Contains(form.body, want) {
			t.Errorf("what was typed is lost: no %s in %s", want, form.body)
		}
	}
	w.down = false
	w.says("hana", "/c/general", "x", "release 2019.01")
	if len(w.delivered) != 1 {
		t.Errorf("delivered %d times", len(w.delivered))
	}
}

func TestFormsWorkWithoutAScript(t *testing.T) {
	w := newWorld(t)
	a := w.send("hana", "POST", "/c/general", url.Values{"id": {"f"}, "text": {"help\r\n"}}, "")
	to := a.header.Get("Location")
	id, ok := strings.CutPrefix(to, "/c/general#m-")
	if a.status != http.StatusSeeOther || !ok {
		t.Fatalf("%d to %q", a.status, to)
	}
	if a := w.send("hana", "POST", "/react", url.Values{"message": {id}, "set": {"on:👀"}}, ""); a.status != http.StatusSeeOther || a.header.Get("Location") != to {
		t.Errorf("reacting: %d to %q", a.status, a.header.Get("Location"))
	}
	page := w.page("hana", "/c/general")
	for _, want := range []string{`id="m-` + id + `"`, `data-emoji="👀" aria-pressed="true" title="you"`, `name="set" value="off:👀"`, ">help</p>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	w.send("hana", "POST", "/react", url.Values{"message": {id}, "set": {"off:👀"}}, "")
	if m, _ := w.room.Message(id); len(m.Reactions) != 0 {
		t.Errorf("%v is left", m.Reactions)
	}
	reply := w.send("ben", "POST", "/c/general/"+id, url.Values{"id": {"r"}, "text": {"me too"}}, "")
	if !strings.HasPrefix(reply.header.Get("Location"), "/c/general/"+id+"#t-") {
		t.Errorf("an answer leads to %q", reply.header.Get("Location"))
	}
	if page := w.page("ben", "/c/general/"+id); !strings.Contains(page, `data-thread-of="`+id+`"`) || strings.Count(page, "me too") != 2 {
		t.Error("the thread does not show its answer beside the channel")
	}
}

func TestApprovingIsAReactionOnTheGateMessage(t *testing.T) {
	w := newWorld(t)
	run := w.posts("run", "general", "", runCard(card.Running))
	g := w.posts("gate", "general", run, openGate("gate"))
	page := w.page("ben", "/c/general")
	if !strings.Contains(page, `data-kind="gate" data-state="waiting"`) || !strings.Contains(page, `data-button="approve/sha256:`) {
		t.Fatalf("no gate that asks under its card")
	}
	button := "approve/sha256:" + strings.Repeat("0123456789abcdef", 4)
	press := url.Values{"message": {g}, "button": {button}, "id": {"p1"}}
	for range 2 { // a click that was sent again is one approval
		if a := w.send("ben", "POST", "/press", press, "application/json"); a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	m, err := w.room.Message(g)
	if err != nil || len(m.Reactions) != 1 || m.Reactions[0].Emoji != card.Approve || m.Reactions[0].Account != "console:ben" {
		t.Fatalf("%+v %v", m.Reactions, err)
	}
	if len(w.delivered) != 1 {
		t.Errorf("delivered %d times", len(w.delivered))
	}
	if page := w.page("ben", "/c/general"); !strings.Contains(page, "You approved.") || strings.Contains(page, `data-button="approve/`) {
		t.Error("the page does not say that it is approved")
	}
	if page := w.page("chen", "/c/general"); !strings.Contains(page, `data-button="approve/`) || !strings.Contains(page, `title="Ben Harbour"`) {
		t.Error("others cannot approve, or do not see who did")
	}
	// The gate closes; a late click is told so and changes nothing.
	closed := card.GateMessage{Key: "gate", RunName: "release/harbour/2019.01", Gate: "go", State: card.Done, Closed: "approved", Rule: "2 of maintainer", Manifest: button}.Card()
	if _, err := w.room.Edit(g, "", &closed); err != nil {
		t.Fatal(err)
	}
	a := w.send("chen", "POST", "/press", press, "application/json")
	if m, _ := w.room.Message(g); a.status != http.StatusConflict || len(m.Reactions) != 1 {
		t.Errorf("%d %s, %v", a.status, a.body, m.Reactions)
	}
}

func TestAnotherButtonSaysItsCommandInTheThread(t *testing.T) {
	w := newWorld(t)
	c := card.Card{Title: "What now?", Blocks: []card.Block{{Buttons: []card.Button{{ID: "again", Text: "Try again", Command: "release retry 2019.01 build"}}}}}
	id := w.posts("q", "general", "", c)
	press := url.Values{"message": {id}, "button": {"again"}, "id": {"p"}}
	w.send("ben", "POST", "/press", press, "application/json")
	w.send("ben", "POST", "/press", press, "application/json")
	thread, err := w.room.Thread(id, 10)
	if err != nil || thread.Count != 1 || thread.Messages[0].Text != "release retry 2019.01 build" || thread.Messages[0].Author != "console:ben" {
		t.Errorf("%+v %v", thread, err)
	}
}

func TestWhatOneMayNotSeeIsNotThere(t *testing.T) {
	w := newWorld(t)
	secret := w.says("hana", "/c/secret", "s", "a secret line")
	own := w.says("hana", "/c/@me", "o", "mine alone")
	if page := w.page("ben", "/c/general"); strings.Contains(page, "secret") || strings.Contains(page, "@hana") {
		t.Error("ben's navigation names what he may not see")
	}
	missing := w.send("ben", "GET", "/c/nothing", nil, "")
	for _, path := range []string{"/c/secret", "/c/@hana", "/c/general?at=" + secret, "/c/general/" + secret, "/c/general/" + own, "/c/@me/" + own} {
		a := w.send("ben", "GET", path, nil, "")
		if a.status != missing.status || strings.Contains(a.body, "a secret line") || strings.Contains(a.body, "mine alone") {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	for _, form := range []url.Values{{"message": {secret}, "set": {approve}}, {"message": {own}, "set": {approve}}} {
		if a := w.send("ben", "POST", "/react", form, ""); a.status != http.StatusNotFound {
			t.Errorf("reacting: %d", a.status)
		}
	}
	if a := w.send("ben", "POST", "/c/secret", url.Values{"id": {"z"}, "text": {"hello"}}, ""); a.status != http.StatusNotFound {
		t.Errorf("saying: %d", a.status)
	}
	if a := w.send("ben", "GET", "/c/general?fragment=some&ids="+secret+","+own, nil, ""); strings.Contains(a.body, "secret") || strings.Contains(a.body, "alone") {
		t.Error("fragments show it")
	}
	if page := w.page("hana", "/c/@me"); !strings.Contains(page, "mine alone") {
		t.Error("hana does not see her own room")
	}
}

func TestScopesAndStrangers(t *testing.T) {
	w := newWorld(t)
	if a := w.send("", "GET", "/c/general", nil, ""); a.status != http.StatusForbidden {
		t.Errorf("a stranger gets %d", a.status)
	}
	if a := w.send("ben", "POST", "/c/general", url.Values{"id": {"q"}, "text": {"help"}}, "", "Test-Scopes", "read"); a.status != http.StatusForbidden || len(w.delivered) != 0 {
		t.Errorf("a reader says something: %d", a.status)
	}
	if a := w.send("ben", "GET", "/c/general", nil, "", "Test-Scopes", "read"); a.status != http.StatusOK {
		t.Errorf("a reader cannot read: %d", a.status)
	}
}

func TestPagesOfALongChannel(t *testing.T) {
	w := newWorld(t)
	var ids []string
	for range pageSize + 15 {
		ids = append(ids, w.says("ben", "/c/general", w.id(), "line "+w.id()))
	}
	page := w.page("hana", "/c/general")
	if strings.Contains(page, `id="m-`+ids[14]+`"`) || !strings.Contains(page, `id="m-`+ids[15]+`"`) {
		t.Error("the newest page does not begin where it should")
	}
	older := "/c/general?before=" + ids[15]
	if !strings.Contains(page, `href="`+older+`"`) {
		t.Error("no way to older messages")
	}
	page = w.page("hana", older)
	if !strings.Contains(page, `id="m-`+ids[0]+`"`) || strings.Contains(page, `id="m-`+ids[15]+`"`) || strings.Contains(page, "Older messages") || !strings.Contains(page, `data-live-end="false"`) {
		t.Error("the older page is wrong")
	}
	if page := w.page("hana", "/c/general?at="+ids[3]); !strings.Contains(page, `id="m-`+ids[3]+`"`) {
		t.Error("a link to a message does not show it")
	}
}

func TestUnreadIsCountedUntilItIsShown(t *testing.T) {
	w := newWorld(t)
	old := w.says("ben", "/c/general", "1", "seen before")
	cookie := "read=general:" + old
	next := w.says("ben", "/c/general", "2", "not seen")
	if page := w.send("hana", "GET", "/c/@me", nil, "", "Cookie", cookie); !strings.Contains(page.body, `data-unread="1"`) {
		t.Error("one message is unread elsewhere")
	}
	a := w.send("hana", "GET", "/c/general", nil, "", "Cookie", cookie)
	if !strings.Contains(a.body, "data-first-unread") || strings.Index(a.body, "data-first-unread") < strings.Index(a.body, `id="m-`+next) {
		t.Error("no line before what is new")
	}
	set := strings.Join(a.header.Values("Set-Cookie"), "\n")
	if !strings.Contains(set, "read=general:"+next) {
		t.Errorf("it is not remembered: %s", set)
	}
	if a := w.send("hana", "GET", "/c/general?fragment=messages", nil, "", "Cookie", cookie); len(a.header.Values("Set-Cookie")) != 0 {
		t.Error("a part fetched by the script counts as seen")
	}
}

func TestHomeIsWhereOneWas(t *testing.T) {
	w := newWorld(t)
	for cookie, want := range map[string]string{"": "/c/general", "place=secret": "/c/secret", "place=@me": "/c/@me", "place=gone": "/c/general"} {
		if a := w.send("hana", "GET", "/", nil, "", "Cookie", cookie); a.header.Get("Location") != want {
			t.Errorf("with %q: %s", cookie, a.header.Get("Location"))
		}
	}
	if a := w.send("ben", "GET", "/", nil, "", "Cookie", "place=secret"); a.header.Get("Location") != "/c/general" {
		t.Errorf("ben is led to %s", a.header.Get("Location"))
	}
}

func TestAnEmptyChannelSaysWhatToType(t *testing.T) {
	w := newWorld(t)
	page := w.page("hana", "/c/general")
	for _, want := range []string{"data-welcome", "<code>release 2019.01</code>", "<code>help</code>", `placeholder="Type a command, such as release 2019.01"`} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s", want)
		}
	}
	w.says("hana", "/c/general", "1", "hello")
	if strings.Contains(w.page("hana", "/c/general"), "data-welcome") {
		t.Error("it stays")
	}
}

func TestCompletion(t *testing.T) {
	w := newWorld(t)
	if a := w.send("hana", "GET", "/complete?channel=general&line=rel", nil, ""); !strings.Contains(a.body, `{"words":[{"word":"release","help":"begin a release"}]}`) {
		t.Errorf("%s", a.body)
	}
	if a := w.send("ben", "GET", "/complete?channel=secret&line=rel", nil, "application/json"); a.status != http.StatusNotFound {
		t.Errorf("%d", a.status)
	}
}
