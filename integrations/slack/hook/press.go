package hook

import (
	"fmt"
	"strings"
	"unicode"
)

// interactive checks that a press or a form is of our app and team; ignored says what keeps it from us.
func interactive(r *reader, top object, k Known) (ignored string) {
	return foreign(r, top, r.must(top, "team"), "id", k)
}

// foreign says why a payload is not for us: it is of another app, or of another team. A signature proves
// the app; nothing but this proves the team.
func foreign(r *reader, top, of object, key string, k Known) string {
	app, team := r.known(top, "api_app_id"), r.known(of, key)
	switch {
	case r.err != nil:
	case k.App == "" || k.Team == "":
		return "it is not known yet which app and team are ours"
	case app != k.App:
		return fmt.Sprintf("it is of the app %s, and ours is %s", app, k.App)
	case team != k.Team:
		return fmt.Sprintf("it is of the team %s, and ours is %s", team, k.Team)
	}
	return ""
}

// presser is who pressed or sent, by the team of their own.
func presser(r *reader, top object) (account, handle string) {
	u := r.must(top, "user")
	user, team := r.known(u, "id"), r.id(u, "team_id")
	if team == "" {
		team = r.id(r.object(top, "team"), "id")
	}
	handle = r.text(u, "username")
	if handle == "" {
		handle = r.text(u, "name")
	}
	return team + "/" + user, handle
}

// where is the message that something was pressed on: its place, and the thread in which an answer goes.
func where(r *reader, top object, k Known) (place, thread, stamp, ignored string) {
	c := r.must(top, "container")
	if kind := r.text(c, "type"); kind != "message" || r.err != nil {
		return "", "", "", "it is on something else than a message"
	}
	stamp = r.stamp(c, "message_ts")
	channel, other := r.id(c, "channel_id"), r.id(r.object(top, "channel"), "id")
	if channel == "" {
		channel = other
	}
	switch {
	case r.err != nil:
	case stamp == "":
		r.bad(c, "message_ts", "there")
	case channel == "":
		r.bad(c, "channel_id", "there")
	case other != "" && other != channel:
		r.bad(top, "channel", "the one of its container")
	}
	if thread = r.stamp(c, "thread_ts"); thread == "" {
		thread = r.stamp(r.object(top, "message"), "thread_ts")
	}
	if thread == "" && !r.yes(c, "is_ephemeral") { // what only one person sees has no thread
		thread = stamp
	}
	return k.Team + "/" + channel, thread, stamp, ""
}

// says reports whether an action id is of a button that says a line.
func says(id string) bool { return id == ActionSay || strings.HasPrefix(id, ActionSay+":") }

// press reads a press: what its button says, said by whoever pressed it.
func press(r *reader, top object, k Known) (facts []Fact, ignored string) {
	if ignored := interactive(r, top, k); ignored != "" || r.err != nil {
		return nil, ignored
	}
	place, thread, stamp, ignored := where(r, top, k)
	if ignored != "" || r.err != nil {
		return nil, ignored
	}
	account, handle := presser(r, top)
	ignored = "nothing was pressed that says a line"
	for _, a := range r.list(top, "actions") {
		id, at := r.text(a, "action_id"), r.stamp(a, "action_ts")
		switch {
		case strings.HasPrefix(id, ActionForm):
			ignored = "a form was asked for; what is sent with it comes by itself"
			continue
		case !says(id):
			continue
		}
		text := r.long(a, "value")
		switch {
		case strings.ContainsFunc(text, unicode.IsControl):
			r.bad(a, "value", "one line")
		case strings.TrimSpace(text) == "":
			r.bad(a, "value", "there")
		case at == "":
			r.bad(a, "action_ts", "there")
		}
		facts = append(facts, Said{Account: account, Handle: handle, Place: place, Thread: thread, Text: text, Addressed: true, Direct: isDirect(place),
			Message: "press/" + digest(account, place, stamp, id, at), At: moment(at)})
	}
	if len(facts) > 0 {
		ignored = ""
	}
	return facts, ignored
}

// isDirect reports whether a place is a conversation with the bot alone, as a message of ours is in it.
func isDirect(place string) bool {
	_, channel, _ := strings.Cut(place, "/")
	return strings.HasPrefix(channel, "D")
}

// asksForm is the press on a button that opens a form.
func asksForm(top object, k Known) (Press, bool) {
	r := &reader{}
	if interactive(r, top, k) != "" || r.err != nil {
		return Press{}, false
	}
	place, thread, _, ignored := where(r, top, k)
	account, _ := presser(r, top)
	for _, a := range r.list(top, "actions") {
		if id := r.text(a, "action_id"); strings.HasPrefix(id, ActionForm) && ignored == "" && r.err == nil {
			return Press{Account: account, Place: place, Thread: thread, Action: id, Ref: r.long(a, "value")}, r.err == nil
		}
	}
	return Press{}, false
}

// command reads a slash command: its text is a line that is said to the bot. The trigger names it, since
// Slack gives it no other id.
func command(r *reader, top object, k Known) (facts []Fact, ignored string) {
	if r.text(top, "ssl_check") == "1" {
		return nil, "Slack looks whether the address answers"
	}
	if ignored := foreign(r, top, top, "team_id", k); ignored != "" || r.err != nil {
		return nil, ignored
	}
	user, channel, trigger := r.known(top, "user_id"), r.known(top, "channel_id"), r.text(top, "trigger_id")
	if trigger == "" {
		r.bad(top, "trigger_id", "there")
	}
	text := r.long(top, "text")
	if ignored := unsayable(text); ignored != "" {
		return nil, ignored
	}
	text = plain(text, k.Bot, k.Person)
	if strings.TrimSpace(text) == "" {
		text = "help"
	}
	return []Fact{Said{Account: k.Team + "/" + user, Handle: r.text(top, "user_name"), Place: k.Team + "/" + channel, Text: text, Addressed: true,
		Direct: strings.HasPrefix(channel, "D") && k.Direct != nil && k.Direct(channel), Message: "cmd/" + triggerDigest(trigger)}}, ""
}
