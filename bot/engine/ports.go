package engine

import (
	"context"
	"net/url"
	"strings"
	"time"

	"slipway/bot/card"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// Poster puts cards into one chat.
//
// Find looks for a message posted earlier with the same key. since is the earliest time at which it
// can have been posted, however the clocks differ; the zero time: it is not known. Post writes a new message to the
// place and thread of to, whose Message is "". Edit replaces what a message says. Reactions
// lists everything a message bears now. Errors: [errs.Busy] when the chat asks us to slow down,
// [errs.Unavailable] when nothing happened, [errs.Gone] when the place or message cannot be
// reached any more, [errs.Doubtful] when nobody can tell whether it was posted; of Reactions also
// [errs.Conflict] when somebody else changed what the message says: it is edited, then read again.
type Poster interface {
	Find(ctx context.Context, key string, to Ref, since time.Time) (ref Ref, found bool, err error)
	Post(ctx context.Context, key string, to Ref, c card.Card) (Ref, error)
	Edit(ctx context.Context, ref Ref, c card.Card) error
	Reactions(ctx context.Context, ref Ref) ([]Reaction, error)
}

// Aloner is what a [Poster] may be besides: Alone gives the place where nobody but the owner of an account
// of its source and the bot reads, and opens it if it is not there yet; nothing is said in it. Errors:
// [errs.Gone] or [errs.Denied] when there is none, [errs.Busy] and [errs.Unavailable] when it may be had
// later.
type Aloner interface {
	Alone(ctx context.Context, a people.Account) (Place, error)
}

// Reaction is one account's reaction on one message. Emoji is the character, or the chat's name
// of it; [Config.Votes] says what it means.
type Reaction struct {
	Account people.Account
	Emoji   string
}

// Cards draws the card of a run. It is pure; an empty Title means that the run shows none.
type Cards interface {
	Render(p *playbook.Playbook, s *run.State, w run.World) card.Card
}

// String is the message's name in votes and records: SOURCE/PLACE/MESSAGE, each part escaped.
func (r Ref) String() string {
	return url.PathEscape(r.Place.Source) + "/" + url.PathEscape(r.Place.ID) + "/" + url.PathEscape(r.Message)
}

// parseRef reads what [Ref.String] wrote; ok is false for anything else, such as the name of a
// command or a review through which a vote came.
func parseRef(s string) (r Ref, ok bool) {
	parts := strings.Split(s, "/")
	if len(parts) != 3 {
		return Ref{}, false
	}
	for i, to := range []*string{&r.Place.Source, &r.Place.ID, &r.Message} {
		v, err := url.PathUnescape(parts[i])
		if err != nil {
			return Ref{}, false
		}
		*to = v
	}
	return r, true
}

// Delivery is one raw request, frame or poll result from a source, verified but not parsed.
// Headers are those of an allow-list. Place and Account are what the source can tell without
// decoding, for the closing of gates; "" means that it could be any place of the source.
type Delivery struct {
	Source  string
	ID      string // the transport's id: the same id is the same delivery
	Account people.Account
	Place   string
	Headers map[string]string
	Body    []byte
	At      time.Time // filled in by the engine: when it was stored
}

// Fact is what a delivery says in our words. The set is closed.
type Fact interface{ fact() }

// Said: a person wrote something.
type Said struct {
	Account   people.Account
	Place     Place
	Message   string // id of the message, for the semantic key
	Thread    string // id of the message whose thread it is in, or ""
	Text      string
	Addressed bool      // the bot was spoken to
	Direct    bool      // nobody but the person and the bot reads the place
	At        time.Time // as the platform says; zero: when it was delivered
	Changed   bool      // it was changed before it was heard of: it is not obeyed, and its author is told so
}

// Touched: the reactions of a message changed; they are read again.
type Touched struct {
	Place   Place
	Message string
	Found   bool // by reading: nothing told of it
}

// Voted: a review vote on exactly one manifest, given where Binding says.
type Voted struct {
	Account  people.Account
	Kind     string // approve | reject
	Manifest string // digest
	Message  string // name of the review
	Withdraw bool
	At       time.Time
}

// Happened: something in the outside that waits and triggers may be about. Name is the contract
// that reads it ("ci.pipeline"); Project "" means every project.
type Happened struct {
	Name    string
	Project string
	Fields  map[string]any
}

// Ignored: nothing for us. Why is shown with the delivery, so that nobody has to guess.
type Ignored struct{ Why string }

func (Said) fact()     {}
func (Ignored) fact()  {}
func (Touched) fact()  {}
func (Voted) fact()    {}
func (Happened) fact() {}
