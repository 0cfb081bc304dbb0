package hook

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"slipway/bot/errs"
)

// Decode says what a stored delivery means. It is pure. What is not for us has no facts and a reason in
// ignored; what cannot be what Slack sends is [errs.Invalid]. The signature is not judged again.
//
// What was read back from Slack's history is decoded in the same way: as the body of an event, with no
// more around the message than type, team_id and api_app_id.
func Decode(h Header, body []byte, k Known) (facts []Fact, ignored string, err error) {
	bad := func(cause error) error {
		return errs.E("slack.decode", errs.Invalid, cause).Hint("look at what stands between Slack and this hook")
	}
	top, err := parse(body)
	if err != nil {
		return nil, "", bad(err)
	}
	r := &reader{}
	switch h.Kind {
	case Events:
		facts, ignored = events(r, top, k)
	case Commands:
		facts, ignored = command(r, top, k)
	case Interactive:
		facts, ignored, r.err = pressed(r, top, k)
	default:
		return nil, "", bad(errors.New("it does not say which kind of delivery it is"))
	}
	if r.err != nil {
		return nil, "", bad(r.err)
	}
	if ignored != "" {
		return nil, ignored, nil
	}
	return facts, "", nil
}

// pressed reads what comes of buttons and forms.
func pressed(r *reader, top object, k Known) ([]Fact, string, error) {
	switch what := r.text(top, "type"); {
	case r.err != nil:
	case what == "block_actions":
		facts, ignored := press(r, top, k)
		return facts, ignored, r.err
	case what == "view_submission":
		said, wrong, ignored, err := submission(top, k)
		if len(wrong) > 0 {
			ignored = "the form was given back: " + strings.Join(slices.Sorted(maps.Values(wrong)), "; ")
		}
		return []Fact{said}, ignored, err
	case what == "":
		r.bad(top, "type", "there")
	default:
		return nil, fmt.Sprintf("nothing here depends on %q", clipped(what)), nil
	}
	return nil, "", r.err
}

// events reads what comes of the Events API.
func events(r *reader, top object, k Known) ([]Fact, string) {
	switch what := r.text(top, "type"); {
	case r.err != nil:
		return nil, ""
	case what == "app_rate_limited":
		if ignored := foreign(r, top, top, "team_id", k); ignored != "" {
			return nil, ignored
		}
		return []Fact{Noticed{What: NoticeLimited, Text: "Slack held back events of this app, since there were too many; what was said meanwhile is read again"}}, ""
	case what == "url_verification":
		return nil, "Slack looks whether the address answers"
	case what == "":
		r.bad(top, "type", "there")
		return nil, ""
	case what != "event_callback":
		return nil, fmt.Sprintf("nothing here depends on %q", clipped(what))
	}
	e := r.must(top, "event")
	what := r.text(e, "type")
	read := map[string]func(*reader, object, object, Known) ([]Fact, string){
		"message": message, "app_mention": message, "reaction_added": reaction, "reaction_removed": reaction,
		"channel_left": left, "group_left": left, "channel_archive": gone, "group_archive": gone, "channel_deleted": gone, "group_deleted": gone,
		"app_uninstalled": revoked, "tokens_revoked": revoked,
	}[what]
	switch {
	case r.err != nil:
		return nil, ""
	case what == "":
		r.bad(e, "type", "there")
		return nil, ""
	case read == nil:
		return nil, fmt.Sprintf("nothing here depends on events of the kind %q", clipped(what))
	}
	if ignored := foreign(r, top, top, "team_id", k); ignored != "" || r.err != nil {
		return nil, ignored
	}
	if k.Bot == "" {
		k.Bot = botOf(r, top)
	}
	return read(r, top, e, k)
}

// botOf is the bot's own user, as an event says for whom it came.
func botOf(r *reader, top object) string {
	for _, a := range r.list(top, "authorizations") {
		if r.yes(a, "is_bot") {
			return r.id(a, "user_id")
		}
	}
	return ""
}

// maxMessage bounds a message that is read for commands, in bytes. Slack cuts messages at 40,000
// characters.
const maxMessage = 64 << 10

// unsayable says why a text cannot be a command.
func unsayable(text string) string {
	switch {
	case len(text) > maxMessage:
		return "it is too long to be a command"
	case strings.ContainsFunc(text, func(c rune) bool { return unicode.IsControl(c) && c != '\n' && c != '\r' && c != '\t' }):
		return "it has control characters"
	}
	return ""
}

// slackbot is the user of Slack's own helper, which is no person.
const slackbot = "USLACKBOT"

// unheard says why the author of a message is not listened to.
func unheard(r *reader, e object, user string, k Known) string {
	switch {
	case r.err != nil:
	case user != "" && user == k.Bot:
		return "it is of the bot itself"
	case user == slackbot:
		return "Slack itself wrote it"
	case e.has("bot_id"), e.has("bot_profile"), e.has("app_id"):
		return "a program wrote it"
	case user == "":
		return "nobody is named as its author"
	}
	return ""
}

// message is heard when a person wrote it, now. Slack sends a message with a mention of the bot twice, as
// message and as app_mention: both say the same.
func message(r *reader, top, e object, k Known) ([]Fact, string) {
	switch sub := r.text(e, "subtype"); {
	case r.err != nil:
		return nil, ""
	case sub == "message_changed":
		return nil, "the message was edited: edits are not obeyed"
	case sub == "message_deleted":
		return nil, "a message was deleted: what it said stays said"
	case sub == "bot_message":
		return nil, "a program wrote it"
	case sub != "" && sub != "thread_broadcast":
		return nil, fmt.Sprintf("messages of the kind %q are not obeyed", clipped(sub))
	case r.yes(e, "hidden"):
		return nil, "the message is not shown"
	}
	user := r.id(e, "user")
	if why := unheard(r, e, user, k); why != "" || r.err != nil {
		return nil, why
	}
	channel, ts, thread, text := r.known(e, "channel"), r.stamp(e, "ts"), r.stamp(e, "thread_ts"), r.long(e, "text")
	if ts == "" {
		r.bad(e, "ts", "there")
	}
	if thread == ts {
		thread = "" // it is the head of the thread itself
	}
	if why := unsayable(text); why != "" && r.err == nil {
		return nil, why
	}
	kind := r.text(e, "channel_type")
	direct := strings.HasPrefix(channel, "D") && (kind == "" || kind == "im" || kind == "app_home")
	return []Fact{Said{Account: author(r, e, k) + "/" + user, Place: k.Team + "/" + channel, Message: ts, Thread: thread, Text: plain(text, k.Bot, k.Person),
		Addressed: direct, Direct: direct, At: moment(ts), Changed: e.has("edited")}}, ""
}

// author is the team of who wrote a message: ours, unless anything in it says another, as it does of a
// stranger in a shared channel.
func author(r *reader, e object, k Known) string {
	teams := []string{r.id(e, "user_team"), r.id(e, "source_team"), r.id(e, "team"), r.id(r.object(e, "user_profile"), "team")}
	for _, t := range teams {
		if t != "" && t != k.Team {
			return t
		}
	}
	return k.Team
}

// reaction asks for the reactions of a message to be read again; who gave which is not taken from here.
func reaction(r *reader, _, e object, k Known) ([]Fact, string) {
	user := r.id(e, "user")
	item := r.must(e, "item")
	switch on := r.text(item, "type"); {
	case r.err != nil:
		return nil, ""
	case user != "" && user == k.Bot:
		return nil, "it is of the bot itself"
	case on != "message":
		return nil, fmt.Sprintf("the reaction is on something of the kind %q; only those on messages count", clipped(on))
	}
	channel, ts := r.known(item, "channel"), r.stamp(item, "ts")
	if ts == "" {
		r.bad(item, "ts", "there")
	}
	return []Fact{Touched{Place: k.Team + "/" + channel, Message: ts}}, ""
}

// left tells that the bot itself was taken out of a channel.
func left(r *reader, _, e object, k Known) ([]Fact, string) {
	channel := r.known(e, "channel")
	return []Fact{Noticed{What: NoticeLeft, Place: k.Team + "/" + channel, Text: "the bot is no member of the channel " + channel + " any more; /invite it there"}}, ""
}

func gone(r *reader, _, e object, k Known) ([]Fact, string) {
	channel := r.known(e, "channel")
	return []Fact{Noticed{What: NoticeGone, Place: k.Team + "/" + channel, Text: "the channel " + channel + " was archived or deleted"}}, ""
}

func revoked(*reader, object, object, Known) ([]Fact, string) {
	return []Fact{Noticed{What: NoticeRevoked, Text: "the app was taken off the team, or its token has ended; install it again and give Slipway its token"}}, ""
}
