package slack

import (
	"encoding/json"
	"strings"
	"testing"
)

// told is what the app would be told: the inner events that wait.
func (h *harbour) told() (out []map[string]any) {
	h.Helper()
	for _, d := range h.s.Take() {
		var envelope map[string]any
		h.must(json.Unmarshal(d.Payload, &envelope))
		inner, _ := envelope["event"].(map[string]any)
		out = append(out, inner)
	}
	return out
}

func TestPeopleOfAllKinds(t *testing.T) {
	h := newHarbour(t, Options{})
	north := h.s.AddTeam(Team{Name: "North", Domain: "north"})
	guest := h.s.AddUser(User{Name: "guest", Restricted: true}).ID
	far := h.s.AddUser(User{Name: "far", Team: north.ID}).ID
	gone := h.s.AddUser(User{Name: "gone", Deleted: true}).ID
	robot := h.s.AddUser(User{Name: "robot", Bot: true, App: "A0OTHER000"}).ID
	user := func(id string) any { return h.good("users.info", "user", id)["user"] }
	if at(user(guest), "is_restricted") != true || at(user(robot), "is_bot") != true || at(user(gone), "deleted") != true || at(user(gone), "is_restricted") != nil {
		t.Error("users.info does not tell what they are")
	}
	h.refused("user_not_visible", "users.info", "user", far)
	shared := h.s.AddChannel(Channel{Members: []string{far, h.ada, h.s.App().User}, Shared: []string{north.ID}}).ID
	if u := user(far); at(u, "team_id") != north.ID || at(u, "is_stranger") != false {
		t.Errorf("of another workspace: %v", u)
	}
	h.told()
	h.s.Say(far, shared, "hello", "")
	if e := h.told()[0]; e["user_team"] != north.ID || e["team"] != north.ID {
		t.Errorf("said by a stranger: %v", e)
	}
	for id, want := range map[string]string{gone: "user_disabled", robot: "cannot_dm_bot", "U0NOBODY00": "user_not_found"} {
		h.refused(want, "conversations.open", "users", id)
	}
	im := at(h.good("conversations.open", "users", h.ada), "channel", "id")
	if im != h.s.DM(h.ada) || at(h.good("conversations.open", "users", h.ada), "already_open") != true {
		t.Errorf("direct conversation %v, then another", im)
	}
	h.s.SetUser(h.bo, func(u *User) { u.DisplayName = "Ada Anchor" })
	if e := h.told()[0]; e["type"] != "user_change" || at(e, "user", "id") != h.bo {
		t.Errorf("another name: %v", e)
	}
	group := h.s.AddGroup(Group{Name: "Crew", Users: []string{h.ada}}).ID
	h.s.SetGroup(group, h.bo)
	if out := h.good("usergroups.users.list", "usergroup", group); at(out, "users", 0) != h.bo {
		t.Errorf("group: %v", out)
	}
	h.s.DisableGroup(group, true)
	h.refused("subteam_disabled", "usergroups.users.list", "usergroup", group)
}

func TestWhatChangesWithoutAnEdit(t *testing.T) {
	h := newHarbour(t, Options{})
	ts := h.s.Say(h.ada, h.quay, "status https://x.example/", "")
	h.told()
	h.s.Unfurl(h.quay, ts, "A page")
	if e := h.told()[0]; e["subtype"] != "message_changed" || at(e, "message", "text") != at(e, "previous_message", "text") || at(e, "message", "edited") != nil {
		t.Errorf("a preview: %v", e)
	}
	h.s.Share(h.ada, h.quay, "status", "a.log", []byte("x"))
	if e := h.told()[0]; e["subtype"] != "file_share" || at(e, "files", 0, "name") != "a.log" {
		t.Errorf("a file: %v", e)
	}
	h.s.Hook("B0HOOK0000", h.quay, "status")
	if e := h.told()[0]; e["subtype"] != "bot_message" {
		t.Errorf("a webhook: %v", e)
	}
	first := h.card()
	h.s.SayToAll(h.ada, h.quay, "status", first)
	if es := h.told(); es[1]["subtype"] != "thread_broadcast" || es[1]["thread_ts"] != first || at(es[1], "root", "ts") != first {
		t.Errorf("an answer for all: %v", es)
	}
	h.s.Remove(h.quay, h.s.App().User)
	if e := h.told()[0]; e["type"] != "member_left_channel" || e["user"] != h.s.App().User {
		t.Errorf("the app is removed: %v", e)
	}
}

func TestNobodyDoesWhatTheyCannot(t *testing.T) {
	h := newHarbour(t, Options{})
	ts := h.s.Say(h.ada, h.quay, "mine", "")
	for what, err := range map[string]error{
		"another's edit":      h.s.Edit(h.bo, h.quay, ts, "ours"),
		"another's deletion":  h.s.Delete(h.bo, h.quay, ts),
		"a reaction unknown":  h.s.React(h.bo, h.quay, ts, "no_such_emoji"),
		"one not given":       h.s.Unreact(h.bo, h.quay, ts, "eyes"),
		"a message not there": h.s.React(h.bo, h.quay, "1.000001", "eyes"),
		"a form not open":     h.s.Dismiss(h.bo, "V0NOTHING0"),
	} {
		if err == nil {
			t.Errorf("%s is done", what)
		}
	}
	h.s.SetUser(h.bo, func(u *User) { u.Admin = true })
	h.must(h.s.Delete(h.bo, h.quay, ts))
}

func FuzzText(f *testing.F) {
	for _, seed := range []string{"hello", "> *a* `b` ```c``` <@U0SLIPWAY1|x> <!channel> &lt;", "<http://x|y> 👍🏽 ~_*x*_~", "```", "`", "<@", "\x00", "*<b>*", "a\n>b\n\nc"} {
		f.Add(seed)
	}
	s, err := New(Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(s.Close)
	f.Fuzz(func(t *testing.T, text string) {
		once := kept(text)
		if again := kept(once); again != once {
			t.Errorf("%q is kept as %q, and that as %q", text, once, again)
		}
		s.blockLines(typed(once))
		drawn := s.mrkdwn(once) + s.blockHTML(typed(once))
		for _, tag := range []string{"<script", "<img", "<svg"} {
			if strings.Contains(strings.ToLower(drawn), tag) {
				t.Errorf("%q becomes %q", text, drawn)
			}
		}
	})
}
