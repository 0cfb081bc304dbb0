package hook

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// heard decodes one payload that says at most one thing.
func heard(t *testing.T, kind Kind, body string) (Fact, string) {
	t.Helper()
	if kind == Commands {
		body = string(unwrapped(kind, []byte(body)))
	}
	facts, ignored, err := Decode(Header{kind}, []byte(body), ours())
	if err != nil {
		return nil, err.Error()
	}
	if len(facts) == 0 {
		return nil, ignored
	}
	return facts[0], ""
}

func TestWhatIsSaid(t *testing.T) {
	at := time.Unix(1700000000, 100_000).UTC()
	hana, rel := "T0HARBOUR/U0HANA", "T0HARBOUR/C0REL"
	im := strings.NewReplacer("C0REL", "D0HANA", `"channel_type":"channel"`, `"channel_type":"im"`).Replace(wrote("mine", ""))
	press, _ := heard(t, Interactive, pressedOn(ActionSay, "approve 2019.01 go --manifest abc", "1700000005.000300"))
	command, _ := heard(t, Commands, typed("release “2019.01”", "1.2.x"))
	for name, c := range map[string]struct {
		body string
		want Said
	}{
		"a message":            {wrote("slipway mine", ""), Said{Account: hana, Place: rel, Message: "1700000000.000100", Text: "slipway mine", At: at}},
		"a mention":            {wrote("<@U0BOT> release 2019.01", ""), Said{Account: hana, Place: rel, Message: "1700000000.000100", Text: "@slipway release 2019.01", At: at}},
		"in a thread":          {wrote("slipway why", `,"thread_ts":"1699999999.000100"`), Said{Account: hana, Place: rel, Message: "1700000000.000100", Thread: "1699999999.000100", Text: "slipway why", At: at}},
		"the head of a thread": {wrote("slipway why", `,"thread_ts":"1700000000.000100","reply_count":3`), Said{Account: hana, Place: rel, Message: "1700000000.000100", Text: "slipway why", At: at}},
		"sent to the channel":  {wrote("slipway why", `,"subtype":"thread_broadcast","thread_ts":"1699999999.000100"`), Said{Account: hana, Place: rel, Message: "1700000000.000100", Thread: "1699999999.000100", Text: "slipway why", At: at}},
		"to the bot alone":     {im, Said{Account: hana, Place: "T0HARBOUR/D0HANA", Message: "1700000000.000100", Text: "mine", Addressed: true, Direct: true, At: at}},
		"edited before":        {wrote("slipway mine", `,"edited":{"user":"U0HANA","ts":"1700000003.000000"}`), Said{Account: hana, Place: rel, Message: "1700000000.000100", Text: "slipway mine", At: at, Changed: true}},
	} {
		got, why := heard(t, Events, event("Ev1", c.body))
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v %s\nwant %+v", name, got, why, c.want)
		}
	}
	p, c := press.(Said), command.(Said)
	if p.Message[:6] != "press/" || c.Message != "cmd/"+digest("1.2.x") {
		t.Errorf("named %s and %s", p.Message, c.Message)
	}
	p.Message, c.Message = "", ""
	if want := (Said{Account: hana, Handle: "hana.h", Place: rel, Thread: "1700000000.000100", Text: "approve 2019.01 go --manifest abc", Addressed: true, At: time.Unix(1700000005, 300_000).UTC()}); p != want {
		t.Errorf("pressed: %+v\nwant %+v", p, want)
	}
	if want := (Said{Account: hana, Handle: "hana.h", Place: rel, Text: `release "2019.01"`, Addressed: true}); c != want {
		t.Errorf("commanded: %+v\nwant %+v", c, want)
	}
	if f, _ := heard(t, Commands, typed("  ", "1.2.x")); f.(Said).Text != "help" {
		t.Errorf("a bare command says %+v", f)
	}
}

// TestAMentionComesTwice: Slack sends a message with a mention as message and as app_mention, under two
// ids; both are one message.
func TestAMentionComesTwice(t *testing.T) {
	one, _ := heard(t, Events, event("Ev1", wrote("<@U0BOT> release 2019.01", "")))
	mention := strings.NewReplacer(`"type":"message"`, `"type":"app_mention"`, `,"channel_type":"channel"`, "").Replace(wrote("<@U0BOT> release 2019.01", ""))
	two, why := heard(t, Events, event("Ev2", mention))
	if !reflect.DeepEqual(one, two) || one == nil {
		t.Errorf("%+v\n%+v %s", one, two, why)
	}
	// Before the bot knows its own account, the event says whose it is.
	k := ours()
	k.Bot = ""
	facts, _, err := Decode(Header{Events}, []byte(event("Ev2", mention)), k)
	if err != nil || !reflect.DeepEqual(facts, []Fact{one}) {
		t.Errorf("%+v, %v", facts, err)
	}
}

// TestReadBack: what was read from the history, with little around it, says what its event would have said.
func TestReadBack(t *testing.T) {
	inner := wrote("<@U0BOT> release 2019.01", `,"edited":{"user":"U0HANA","ts":"1700000003.000000"}`)
	live, _ := heard(t, Events, event("Ev1", inner))
	read, why := heard(t, Events, `{"type":"event_callback","team_id":"T0HARBOUR","api_app_id":"A0SLIPWAY","event":`+inner+`}`)
	if live == nil || live != read || !live.(Said).Changed {
		t.Errorf("%+v\n%+v %s", live, read, why)
	}
}

// TestWhoSpeaks: people do; programs, Slack itself and the bot do not.
func TestWhoSpeaks(t *testing.T) {
	for name, body := range map[string]string{
		"the bot":                   strings.ReplaceAll(wrote("slipway mine", ""), "U0HANA", "U0BOT"),
		"the bot, by its bot id":    wrote("slipway mine", `,"bot_id":"B0BOT"`),
		"another bot":               wrote("slipway mine", `,"bot_id":"B0OTHER","app_id":"A0OTHER"`),
		"a program for a person":    wrote("slipway mine", `,"app_id":"A0OTHER"`),
		"a profile of a bot":        wrote("slipway mine", `,"bot_profile":{"name":"hana"}`),
		"an incoming webhook":       wrote("slipway mine", `,"subtype":"bot_message","username":"hana"`),
		"Slack itself":              strings.ReplaceAll(wrote("slipway mine", ""), "U0HANA", "USLACKBOT"),
		"nobody":                    strings.ReplaceAll(wrote("slipway mine", ""), `"user":"U0HANA",`, ""),
		"a program, as app_mention": strings.ReplaceAll(wrote("<@U0BOT> mine", `,"bot_id":"B0OTHER"`), `"type":"message"`, `"type":"app_mention"`),
	} {
		if f, why := heard(t, Events, event("Ev1", body)); f != nil || why == "" {
			t.Errorf("%s is heard: %+v", name, f)
		}
	}
	// The id counts, never a name: a display name of a maintainer changes nothing.
	f, _ := heard(t, Events, event("Ev1", strings.ReplaceAll(wrote("slipway mine", `,"user_profile":{"display_name":"hana","real_name":"Hana Harbour","team":"T0HARBOUR"}`), "U0HANA", "U0EVE")))
	if s, ok := f.(Said); !ok || s.Account != "T0HARBOUR/U0EVE" {
		t.Errorf("heard as %+v", f)
	}
}

// TestStrangers: who writes in a shared channel from another team is that team's, never ours.
func TestStrangers(t *testing.T) {
	for name, body := range map[string]string{
		"user_team":    wrote("slipway mine", `,"user_team":"T0OTHER","source_team":"T0OTHER"`),
		"source_team":  wrote("slipway mine", `,"user_team":"T0HARBOUR","source_team":"T0OTHER"`),
		"team":         strings.Replace(wrote("slipway mine", ""), `"team":"T0HARBOUR"`, `"team":"T0OTHER"`, 1),
		"user_profile": wrote("slipway mine", `,"user_profile":{"team":"T0OTHER"}`),
	} {
		if f, why := heard(t, Events, event("Ev1", body)); f == nil || f.(Said).Account != "T0OTHER/U0HANA" || f.(Said).Place != "T0HARBOUR/C0REL" {
			t.Errorf("%s: %+v %s", name, f, why)
		}
	}
	press := strings.Replace(pressedOn(ActionSay, "mine", "1700000005.000300"), `"team_id":"T0HARBOUR"`, `"team_id":"T0OTHER"`, 1)
	if f, why := heard(t, Interactive, press); f == nil || f.(Said).Account != "T0OTHER/U0HANA" {
		t.Errorf("a press: %+v %s", f, why)
	}
}

// TestWhatIsNotSaid: only what a person writes anew; what was edited, forwarded or made by Slack is not.
func TestWhatIsNotSaid(t *testing.T) {
	for _, sub := range []string{"message_changed", "message_deleted", "message_replied", "channel_join", "channel_topic", "channel_name", "me_message", "file_share", "bot_add",
		"reminder_add", "ekm_access_denied", "assistant_app_thread", "huddle_thread", "tombstone", "document_mention"} {
		if f, why := heard(t, Events, event("Ev1", wrote("slipway mine", `,"subtype":"`+sub+`","message":{"user":"U0HANA","text":"slipway mine","ts":"1700000000.000100"}`))); f != nil || why == "" {
			t.Errorf("%s is heard: %+v", sub, f)
		}
	}
	for name, body := range map[string]string{
		"hidden": wrote("slipway mine", `,"hidden":true`), "a bell": wrote("slipway mine\a", ""), "a zero": wrote("slipway mine\x00", ""),
		"very long": wrote(strings.Repeat("slipway mine ", 10_000), ""),
	} {
		if f, why := heard(t, Events, event("Ev1", body)); f != nil || why == "" {
			t.Errorf("%s is heard: %+v", name, f)
		}
	}
	// What is forwarded comes as an attachment, which nobody reads.
	f, _ := heard(t, Events, event("Ev1", wrote("look", `,"attachments":[{"text":"slipway abort 2019.01","is_share":true}],"blocks":[{"type":"rich_text","elements":[]}]`)))
	if s, ok := f.(Said); !ok || s.Text != "look" {
		t.Errorf("heard as %+v", f)
	}
}

// TestReactions: they say only which message to read again, by workspace, channel and ts.
func TestReactions(t *testing.T) {
	inner := func(kind, user, item string) string {
		return event("Ev1", fmt.Sprintf(`{"type":%q,"user":%q,"reaction":"thumbsup::skin-tone-3","item_user":"U0BOT","item":%s,"event_ts":"1700000001.000200"}`, kind, user, item))
	}
	on := `{"type":"message","channel":"C0REL","ts":"1700000000.000100"}`
	for _, kind := range []string{"reaction_added", "reaction_removed"} {
		f, why := heard(t, Events, inner(kind, "U0HANA", on))
		if f != (Touched{Place: "T0HARBOUR/C0REL", Message: "1700000000.000100"}) {
			t.Errorf("%s: %+v %s", kind, f, why)
		}
		for name, body := range map[string]string{"the bot's own": inner(kind, "U0BOT", on), "on a file": inner(kind, "U0HANA", `{"type":"file","file":"F1"}`), "on nothing": inner(kind, "U0HANA", "null"),
			"without a channel": inner(kind, "U0HANA", `{"type":"message","ts":"1700000000.000100"}`), "with an odd ts": inner(kind, "U0HANA", `{"type":"message","channel":"C0REL","ts":"1700000000"}`),
			"in an odd channel": inner(kind, "U0HANA", `{"type":"message","channel":"C0/../X","ts":"1700000000.000100"}`)} {
			if f, why := heard(t, Events, body); f != nil || why == "" {
				t.Errorf("%s %s: %+v", kind, name, f)
			}
		}
	}
}

func TestWhatIsNoticed(t *testing.T) {
	for _, c := range []struct {
		inner string
		what  string
		place string
	}{
		{`{"type":"group_left","channel":"G0REL"}`, NoticeLeft, "T0HARBOUR/G0REL"}, {`{"type":"channel_left","channel":"C0REL"}`, NoticeLeft, "T0HARBOUR/C0REL"},
		{`{"type":"channel_archive","channel":"C0REL","user":"U0HANA"}`, NoticeGone, "T0HARBOUR/C0REL"}, {`{"type":"group_deleted","channel":"G0REL"}`, NoticeGone, "T0HARBOUR/G0REL"}, {`{"type":"app_uninstalled"}`, NoticeRevoked, ""},
		{`{"type":"tokens_revoked","tokens":{"bot":["U0BOT"]}}`, NoticeRevoked, ""}, {`{"type":"member_left_channel","user":"U0HANA","channel":"C0REL"}`, "", ""},
		{`{"type":"channel_rename","channel":{"id":"C0REL","name":"x"}}`, "", ""}, {`{"type":"user_change","user":{"id":"U0HANA"}}`, "", ""}, {`{"type":"team_join","user":{"id":"U0EVE"}}`, "", ""},
	} {
		f, why := heard(t, Events, event("Ev1", c.inner))
		n, _ := f.(Noticed)
		if n.What != c.what || n.Place != c.place || (c.what == "") != (why != "") {
			t.Errorf("%s: %+v %s", c.inner, f, why)
		}
	}
}

// TestPresses: a press says its line once for each time it was pressed, whoever pressed it.
func TestPresses(t *testing.T) {
	name := func(body string) string {
		f, why := heard(t, Interactive, body)
		if f == nil {
			t.Fatal(why)
		}
		return f.(Said).Message
	}
	first := name(pressedOn(ActionSay, "mine", "1700000005.000300"))
	if first != name(pressedOn(ActionSay, "mine", "1700000005.000300")) {
		t.Error("one press has two names")
	}
	for what, other := range map[string]string{"later": pressedOn(ActionSay, "mine", "1700000005.000301"), "another button": pressedOn(ActionSay+":2", "mine", "1700000005.000300"),
		"another person":  strings.ReplaceAll(pressedOn(ActionSay, "mine", "1700000005.000300"), "U0HANA", "U0OSKAR"),
		"another message": strings.ReplaceAll(pressedOn(ActionSay, "mine", "1700000005.000300"), "1700000000.000100", "1700000000.000200")} {
		if first == name(other) {
			t.Errorf("a press %s has the same name", what)
		}
	}
	for what, body := range map[string]string{
		"another button": pressedOn("other", "mine", "1700000005.000300"), "a form": pressedOn("form:answer", "mine", "1700000005.000300"), "saying": pressedOn("saying", "mine", "1700000005.000300"),
		"nothing": pressedOn(ActionSay, " ", "1700000005.000300"), "two lines": pressedOn(ActionSay, "mine\nabort", "1700000005.000300"), "no time": pressedOn(ActionSay, "mine", ""),
		"in a view":       strings.Replace(pressedOn(ActionSay, "mine", "1700000005.000300"), container, `"container":{"type":"view","view_id":"V1"}`, 1),
		"in two channels": strings.Replace(pressedOn(ActionSay, "mine", "1700000005.000300"), `"channel":{"id":"C0REL"`, `"channel":{"id":"C0OTHER"`, 1),
	} {
		if f, why := heard(t, Interactive, body); f != nil || why == "" {
			t.Errorf("%s is heard: %+v", what, f)
		}
	}
	seen := strings.Replace(pressedOn(ActionSay, "mine", "1700000005.000300"), `"is_ephemeral":false`, `"is_ephemeral":true`, 1)
	if f, _ := heard(t, Interactive, seen); f.(Said).Thread != "" {
		t.Errorf("what one person alone sees has a thread: %+v", f)
	}
	in := strings.Replace(pressedOn(ActionSay, "mine", "1700000005.000300"), `"is_ephemeral":false`, `"thread_ts":"1699999999.000100"`, 1)
	if f, _ := heard(t, Interactive, in); f.(Said).Thread != "1699999999.000100" {
		t.Errorf("in a thread: %+v", f)
	}
}

// TestTheStorm: one message 1 to 11 times, under the same and under new ids, shuffled with another: what is
// heard has the same name each time, so that it counts once.
func TestTheStorm(t *testing.T) {
	for times := 1; times <= 11; times++ {
		rng := rand.New(rand.NewPCG(uint64(times), 7))
		var bodies []string
		for i := range times {
			id := fmt.Sprintf("Ev%d", i)
			bodies = append(bodies, event(id, wrote("<@U0BOT> release 2019.01", "")), event(id, wrote("<@U0BOT> release 2019.01", "")),
				event(id+"M", strings.Replace(wrote("<@U0BOT> release 2019.01", ""), `"type":"message"`, `"type":"app_mention"`, 1)),
				event(id+"R", `{"type":"reaction_added","user":"U0HANA","reaction":"+1","item":{"type":"message","channel":"C0REL","ts":"1700000000.000100"}}`))
		}
		rng.Shuffle(len(bodies), func(i, j int) { bodies[i], bodies[j] = bodies[j], bodies[i] })
		d := newDoor(t, secretA)
		for _, b := range bodies {
			if w := d.sends(Events, b); w.Code != 200 {
				t.Fatal(w.Code)
			}
		}
		if len(d.in.got) != 3*times {
			t.Errorf("%d times: %d are kept", times, len(d.in.got))
		}
		var said []Fact
		for _, f := range d.facts() {
			if !slices.Contains(said, f) {
				said = append(said, f)
			}
		}
		if len(said) != 2 {
			t.Errorf("%d times: %+v", times, said)
		}
	}
	// Commands and presses have ids of their own, whatever is around them.
	d := newDoor(t, secretA)
	for i := range 11 {
		pad := strings.Repeat(" ", i)
		d.sends(Commands, typed("mine", "1.2.x")+strings.Repeat("&", i))
		d.sends(Interactive, asForm(pad+pressedOn(ActionSay, "mine", "1700000005.000300")))
	}
	if len(d.in.got) != 2 || len(d.facts()) != 2 {
		t.Errorf("%d are kept", len(d.in.got))
	}
}

// TestCredentialsAreTakenOut: what is stored holds none, and says the same without them.
func TestCredentialsAreTakenOut(t *testing.T) {
	d := newDoor(t, secretA)
	d.sends(Events, event("Ev1", wrote("slipway mine", `,"assistant_thread":{"action_token":"7.secret"}`)))
	d.sends(Commands, typed("mine", "1.7.secret"))
	d.sends(Interactive, asForm(pressedOn(ActionSay, "mine", "1700000005.000300")))
	d.sends(Interactive, asForm(sentAs(question(), map[string]string{"summary": "x", "good": "true"}, func(top map[string]any) {
		top["response_urls"] = []any{map[string]any{"response_url": "https://hooks.slack.com/secret"}}
	})))
	if len(d.in.got) != 4 || len(d.facts()) != 4 {
		t.Fatalf("%d kept, %d facts", len(d.in.got), len(d.facts()))
	}
	for _, in := range d.in.got {
		if text := string(in.Body) + in.ID; strings.Contains(text, "secret") || strings.Contains(text, `"verification"`) || strings.Contains(text, "9.9.z") || !json.Valid(in.Body) {
			t.Errorf("a credential is kept in %s %s", in.ID, in.Body)
		}
		if in.Account != "T0HARBOUR/U0HANA" || in.Place != "T0HARBOUR/C0REL" && !strings.HasPrefix(in.ID, "form/") {
			t.Errorf("%s is of %q at %q", in.ID, in.Account, in.Place)
		}
	}
	if id := d.in.got[0].ID; id != "Ev1" {
		t.Errorf("an event is kept as %s", id)
	}
	if id := d.in.got[1].ID; id != "cmd/"+digest("1.7.secret") || d.facts()[1].(Said).Message != id {
		t.Errorf("a command is kept as %s and named %s", id, d.facts()[1].(Said).Message)
	}
}

// TestOneWayOrTheOther: what comes over a websocket and over HTTP is one delivery.
func TestOneWayOrTheOther(t *testing.T) {
	in := &inbox{}
	intake := NewIntake(IntakeOptions{Inbox: in, Known: ours})
	frame := string(unwrapped(Commands, []byte(typed("mine", "1.7.secret"))))
	for _, c := range []struct {
		kind Kind
		body string
	}{{Commands, typed("mine", "1.7.secret")}, {Commands, frame}, {Interactive, pressedOn(ActionSay, "x", "1700000005.000300")}, {Interactive, asForm(pressedOn(ActionSay, "x", "1700000005.000300"))}} {
		if _, err := intake.Take(t.Context(), c.kind, []byte(c.body), Retry{}); err != nil {
			t.Fatal(err)
		}
	}
	if len(in.got) != 2 || in.all != 4 {
		t.Errorf("%d are kept", len(in.got))
	}
}
