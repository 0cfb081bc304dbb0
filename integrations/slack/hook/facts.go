package hook

import "time"

// Header is what a [Delivery] has beside its body.
type Header struct {
	Kind Kind
}

// HeaderOf reads the headers of a stored delivery.
func HeaderOf(headers map[string]string) Header { return Header{Kind(headers[HeaderKind])} }

// Known is what is known of the bot, beside the delivery. Team and App are those of the configuration:
// what is of another app or team is not for us.
type Known struct {
	Team string // T…
	App  string // A…
	Bot  string // user id of the bot; "": not known yet

	// Person gives the person behind a user id of our team, "" for none; nil: nobody is known.
	Person func(user string) string
	// Direct reports whether nobody but the person and the bot reads a channel of which Slack says only
	// that it is a conversation between two, as it does of a slash command; nil: no.
	Direct func(channel string) bool
}

// Fact is what a delivery says. The set is closed.
type Fact interface{ fact() }

// Said: a person wrote something, typed a slash command, pressed a button or sent a form.
type Said struct {
	Account   string // TEAM/USER, of the user's own team: a stranger of a shared channel has another
	Handle    string // the user name then, if Slack said it; for showing alone
	Place     string // TEAM/CHANNEL
	Message   string // ts of the message; of what is none, "cmd/", "press/" or "form/" and a digest
	Thread    string // ts of the message whose thread it is in, or ""
	Text      string // as it was typed
	Addressed bool   // every line is meant for the bot
	Direct    bool   // nobody but the person and the bot reads the place
	At        time.Time
	Changed   bool // it was changed before it was heard of: never obeyed
}

// Touched: a reaction was put on a message, or taken away. Which ones are there now is read again.
type Touched struct {
	Place   string // TEAM/CHANNEL
	Message string // ts
}

// Noticed: Slack tells something about the app itself that a person may have to mend. What is one of the
// Notice constants.
type Noticed struct {
	What  string
	Place string // TEAM/CHANNEL, or "" when it is about no channel
	Text  string // in words
}

// What can be noticed.
const (
	NoticeLeft    = "left"    // the bot is no member of a channel any more
	NoticeGone    = "gone"    // a channel was archived or deleted
	NoticeLimited = "limited" // Slack held events back, since there were too many
	NoticeRevoked = "revoked" // the app was taken off the team, or its token ended
)

func (Said) fact()    {}
func (Touched) fact() {}
func (Noticed) fact() {}
