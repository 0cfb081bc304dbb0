// Package mail sends announcements by SMTP, once.
//
// SMTP has no way to repeat a message safely: when the connection is lost after the final dot,
// nobody can tell whether it was accepted. So every message has a Message-ID that follows from
// its run, the sender watches at which step a connection breaks, and an [Archive] (a mailbox copy
// or the list's archive) can be searched before a repeat. Without an archive a person is asked.
package mail

import (
	"context"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// Bounds of a message.
const (
	maxRecipients = 100
	maxBody       = 1 << 20 // bytes
	maxHeader     = 900     // characters of one header's value, below the 998 of RFC 5322 §2.1.1
)

// Archive tells whether a message has arrived.
//
// Find reports whether a message with that Message-ID (without angle brackets) is there. It
// returns an error of kind [errs.Unavailable] when it cannot tell now.
type Archive interface {
	Find(ctx context.Context, messageID string) (bool, error)
}

// Sender hands a message to a mail server. [Server] is the real one.
//
// Send returns nil once the server has accepted the message for all recipients. Its errors say
// what happened otherwise: [errs.Busy] and [errs.Unavailable] nothing, try again; [errs.Failed]
// the server refuses the message; [errs.Doubtful] nobody can tell.
type Sender interface {
	Send(ctx context.Context, from string, to []string, message []byte) error
}

// Announce is the action `mail.announce@1`. Its policy follows from what can be known: lookup
// with an archive to search, once-or-ask without.
type Announce struct {
	sender  Sender
	archive Archive
	settle  time.Duration
}

// AnnounceIn is one announcement. Date and message id are inputs, so that a repeat is the same
// message.
type AnnounceIn struct {
	From      string            `json:"from" cel:"from" doc:"address of the sender, with a name if wanted: Release Team <release@example.org>"`
	To        []string          `json:"to" cel:"to" doc:"addresses of the recipients"`
	Subject   string            `json:"subject" cel:"subject"`
	Body      string            `json:"body" cel:"body" doc:"plain text"`
	MessageID string            `json:"message_id" cel:"message_id" doc:"without angle brackets, e.g. release-lava-2019.01@example.org"`
	Date      string            `json:"date" cel:"date" kind:"time" doc:"the Date header"`
	Headers   map[string]string `json:"headers,omitempty" cel:"headers,optional" doc:"In-Reply-To, References, Reply-To, Keywords, Organization, List-… and X-… headers"`
}

// AnnounceOut is what was sent.
type AnnounceOut struct {
	MessageID  string   `json:"message_id,omitempty" cel:"message_id,optional"`
	Recipients []string `json:"recipients,omitempty" cel:"recipients,optional" doc:"bare addresses, in the order given"`
}

// NewAnnounce makes the action. archive may be nil; settle is how long a message may take to
// appear in it, 0 means 15 minutes.
func NewAnnounce(s Sender, archive Archive, settle time.Duration) *Announce {
	if settle == 0 {
		settle = 15 * time.Minute
	}
	return &Announce{sender: s, archive: archive, settle: settle}
}

// Bind joins the action with its contract, for [action.NewSet].
func (a *Announce) Bind() (action.Bound, error) {
	c := action.Contract{
		Name: "mail.announce", Version: 1, Policy: action.OnceOrAsk, Irreversible: true, Timeout: 5 * time.Minute,
		Doc:     "Sends one plain-text mail to a list of addresses, with a fixed Message-ID.",
		Classes: []string{"rejected"},
		ByHand:  a.byHand,
		Shell:   "sendmail -t < announcement.eml",
	}
	if a.archive != nil {
		c.Policy, c.Settle = action.Lookup, a.settle
	}
	return action.Of(c, a)
}

// Probe searches the archive. Without one it finds nothing, and the policy once-or-ask makes sure
// that this is not taken for "never sent".
func (a *Announce) Probe(ctx context.Context, _ action.Key, in AnnounceIn) (AnnounceOut, bool, error) {
	if a.archive == nil {
		return AnnounceOut{}, false, nil
	}
	e, err := check(in)
	if err != nil {
		return AnnounceOut{}, false, err
	}
	found, err := a.archive.Find(ctx, in.MessageID)
	if err != nil || !found {
		return AnnounceOut{}, false, err
	}
	return AnnounceOut{MessageID: in.MessageID, Recipients: e.to}, true, nil
}

// Do sends the message.
func (a *Announce) Do(ctx context.Context, _ action.Key, in AnnounceIn) (AnnounceOut, error) {
	e, err := check(in)
	if err != nil {
		return AnnounceOut{}, err
	}
	message, err := compose(in, e)
	if err != nil {
		return AnnounceOut{}, err
	}
	if err := a.sender.Send(ctx, e.from, e.to, message); err != nil {
		return AnnounceOut{}, err
	}
	return AnnounceOut{MessageID: in.MessageID, Recipients: e.to}, nil
}

// envelope is the checked form of the addresses and the date.
type envelope struct {
	from string   // bare
	to   []string // bare
	date time.Time
}

var (
	// RFC 5322 §3.6.4, in its common form: dot-atom "@" dot-atom.
	messageID  = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,128}@[A-Za-z0-9.-]{1,128}$")
	headerName = regexp.MustCompile(`^(In-Reply-To|References|Reply-To|Keywords|Organization|List-[A-Za-z-]{1,40}|X-[A-Za-z0-9-]{1,60})$`)
)

// check refuses what could become another header, another recipient or another message.
func check(in AnnounceIn) (envelope, error) {
	bad := func(format string, args ...any) (envelope, error) {
		return envelope{}, errs.E("mail.announce", errs.Invalid, fmt.Errorf(format, args...))
	}
	var e envelope
	var err error
	if e.from, err = address(in.From); err != nil {
		return bad("the sender %q is not an address: %w", in.From, err)
	}
	if len(in.To) == 0 || len(in.To) > maxRecipients {
		return bad("there are %d recipients; 1 to %d are possible", len(in.To), maxRecipients)
	}
	for _, t := range in.To {
		one, err := address(t)
		if err != nil {
			return bad("the recipient %q is not an address: %w", t, err)
		}
		if slices.Contains(e.to, one) {
			return bad("the recipient %s is there twice", one)
		}
		e.to = append(e.to, one)
	}
	if err := line(in.Subject); err != nil || strings.TrimSpace(in.Subject) == "" {
		return bad("the subject %q is empty, too long or has more than one line", in.Subject)
	}
	if !messageID.MatchString(in.MessageID) {
		return bad("%q is not a message id; write it without angle brackets, as in release-2019.01@example.org", in.MessageID)
	}
	if e.date, err = time.Parse(time.RFC3339, in.Date); err != nil {
		return bad("the date %q is not a time such as 2019-01-31T12:00:00Z", in.Date)
	}
	if strings.TrimSpace(in.Body) == "" || len(in.Body) > maxBody {
		return bad("the text has %d bytes; 1 to %d are possible", len(in.Body), maxBody)
	}
	for _, r := range in.Body {
		if r != '\n' && r != '\t' && unicode.IsControl(r) {
			return bad("the text holds the control character %U", r)
		}
	}
	for _, name := range names(in.Headers) {
		if !headerName.MatchString(name) {
			return bad("the header %q cannot be set here", name)
		}
		if err := line(in.Headers[name]); err != nil {
			return bad("the header %s cannot be used: %w", name, err)
		}
		// They are read by programs, word by word: encoded as a whole they would say nothing.
		structured := name == "In-Reply-To" || name == "References" || strings.HasPrefix(name, "List-")
		if structured && strings.ContainsFunc(in.Headers[name], func(r rune) bool { return r > '~' }) {
			return bad("the header %s holds other characters than ASCII", name)
		}
	}
	return e, nil
}

// address is the bare form of one address in ASCII.
func address(s string) (string, error) {
	if err := line(s); err != nil {
		return "", err
	}
	a, err := mail.ParseAddress(s)
	if err != nil {
		return "", fmt.Errorf("it cannot be read")
	}
	for _, r := range a.Address {
		// Quoted local parts may hold spaces and brackets; no list has such an address.
		if r <= ' ' || r > '~' || strings.ContainsRune("<>\"\\,;:()", r) {
			return "", fmt.Errorf("it holds the character %q", r)
		}
	}
	return a.Address, nil
}

func line(s string) error {
	if len(s) > maxHeader {
		return fmt.Errorf("it has %d characters, at most %d are possible", len(s), maxHeader)
	}
	for _, r := range s {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar {
			return fmt.Errorf("it holds the character %U", r)
		}
	}
	return nil
}

func names(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for n := range m {
		out = append(out, n)
	}
	sort.Strings(out)
	return out
}
