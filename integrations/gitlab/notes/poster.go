package notes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/integrations/gitlab"
)

// Bounds of what one call goes through. GitLab lets people write 5,000 comments below one issue
// (docs.gitlab.com, "GitLab application limits"); what it writes itself comes to that.
const (
	maxThreads = 20_000
	maxAwards  = 2_000
)

// minSecret is the least length of the secret of seals, in bytes.
const minSecret = 16

// Options of a [Poster].
type Options struct {
	Client *gitlab.Client
	// Secret makes the seals of messages, 16 bytes or more. When it is another one, every message is
	// taken for changed, and written anew before reactions on it count.
	Secret []byte
	// Accounts are the numbers of a person's accounts at this GitLab; nil: nobody is notified.
	Accounts func(person string) []int
	Now      func() time.Time
}

// Poster posts as the bot. It is safe for use by several goroutines.
type Poster struct {
	o Options

	mu    sync.Mutex
	names map[int]userAt
	bears map[Ref]string
}

type userAt struct {
	name string
	at   time.Time
}

// namesKept is how old a user name may be that is written into a comment.
const namesKept = time.Minute

// NewPoster makes the chat port. It does not speak to GitLab yet.
func NewPoster(o Options) (*Poster, error) {
	switch {
	case o.Client == nil || o.Now == nil:
		return nil, errs.E("gitlab.notes", errs.Internal, errors.New("comments need a client and a clock"))
	case len(o.Secret) < minSecret:
		return nil, errs.E("gitlab.notes", errs.Invalid, fmt.Errorf("the secret for the seals of comments has %d bytes", len(o.Secret))).
			Hint("it needs %d or more", minSecret)
	}
	return &Poster{o: o, names: map[int]userAt{}, bears: map[Ref]string{}}, nil
}

// Ref is one message: its place ([Place.ID]), its name there, and the thread that it is in or goes
// to: a discussion, a note whose discussion is to be found, or "".
type Ref struct {
	Place   string
	Message string
	Thread  string
}

// Reaction is one account's reaction. User is its number; Name is for showing only.
type Reaction struct {
	User  int
	Name  string
	Emoji string // [Emoji]
}

// Find looks for a message of the bot that was posted with this key.
func (p *Poster) Find(ctx context.Context, key string, to Ref) (Ref, bool, error) {
	const op = "gitlab.find"
	place, me, err := p.begin(ctx, op, to.Place)
	if err != nil {
		return Ref{}, false, err
	}
	out, found := to, false
	look := func(d discussion) (more bool) {
		for i, n := range d.Notes {
			m, _, _, marked := markerOf(n.Body)
			if n.System || n.Author.ID != me.ID || !marked || m.key != keyName(key) || to.Thread == "" && i > 0 {
				continue
			}
			found = true
			if out.Message = fmt.Sprint(n.ID); to.Thread == "" {
				out.Message = d.ID
			}
			return false
		}
		return true
	}
	if discussionID.MatchString(to.Thread) {
		var d discussion
		err := p.call(ctx, op, http.MethodGet, place.path("/discussions/%s", to.Thread), nil, &d, false)
		if err == nil {
			look(d)
			return out, found, nil
		}
		if err = p.failed(ctx, op, place, err); errs.Is(err, errs.Gone) && p.stands(ctx, place) {
			return Ref{}, false, nil // only the thread is gone; posting says so
		}
		return Ref{}, false, err
	}
	if err := each(ctx, p.o.Client, op, place.path("/discussions"), maxThreads, look); err != nil {
		return Ref{}, false, p.failed(ctx, op, place, err)
	}
	return out, found, nil
}

// Post writes a new message: without a thread a discussion of its own, else a note in the thread. In
// a thread whose comment is gone it begins a discussion, so that an answer is not lost. Errors:
// [errs.Gone] when the issue or merge request was deleted, moved or locked, or has no room left;
// [errs.Doubtful] when the answer was lost; [errs.Busy] when GitLab asks to slow down;
// [errs.Unavailable] else.
func (p *Poster) Post(ctx context.Context, key string, to Ref, c card.Card) (Ref, error) {
	const op = "gitlab.post"
	place, me, err := p.begin(ctx, op, to.Place)
	if err != nil {
		return Ref{}, err
	}
	thread, err := p.threadOf(ctx, op, place, to.Thread)
	if err == nil && to.Thread == "" {
		err = p.fit(ctx, op, place)
	}
	if err != nil {
		return Ref{}, err
	}
	voice, err := p.voice(ctx, me, c)
	if err != nil {
		return Ref{}, err
	}
	mark := marker{key: keyName(key), open: votable(c)}
	shown := Markdown(c, voice)
	body := text{mark.sealed(p.o.Secret, place.ID(), shown)}
	out, id := to, 0
	if thread == "" {
		var d discussion
		if err := p.call(ctx, op, http.MethodPost, place.path("/discussions"), body, &d, true); err != nil {
			return Ref{}, p.failed(ctx, op, place, err)
		}
		if !discussionID.MatchString(d.ID) || len(d.Notes) == 0 {
			return Ref{}, strange(op)
		}
		out.Message, id = d.ID, d.Notes[0].ID
		if to.Thread != "" {
			out.Message = fmt.Sprint(id)
		}
	} else {
		var n note
		if err := p.call(ctx, op, http.MethodPost, place.path("/discussions/%s/notes", thread), body, &n, true); err != nil {
			return Ref{}, p.failed(ctx, op, place, err)
		}
		out.Message, id = fmt.Sprint(n.ID), n.ID
	}
	if id <= 0 {
		return Ref{}, strange(op)
	}
	if mark.open {
		// The message is there, whatever becomes of this: until its seal holds its number no reaction
		// on it counts, and reading them says so.
		mark.open, mark.note = false, id
		_ = p.put(ctx, op, place, id, mark, shown)
		p.watch(out, "")
	}
	return out, nil
}

func strange(op string) error {
	return errs.E(op, errs.Doubtful, errors.New("GitLab's answer does not name the comment that was written")).Hint("it is looked for before it is tried again")
}

// Edit replaces what a message of the bot says. A message that somebody else changed is restored: it
// says so, and reactions from before do not count any more.
func (p *Poster) Edit(ctx context.Context, ref Ref, c card.Card) error {
	const op = "gitlab.edit"
	place, me, err := p.begin(ctx, op, ref.Place)
	if err != nil {
		return err
	}
	n, err := p.own(ctx, op, place, me, ref.Message)
	if err != nil {
		return err
	}
	voice, err := p.voice(ctx, me, c)
	if err != nil {
		return err
	}
	mark, whole := unseal(p.o.Secret, place.ID(), n.ID, n.Body)
	bound := whole && mark.note == n.ID && !mark.open
	if !whole {
		mark = marker{key: "none", restored: true}
	}
	if c.Key != "" {
		mark.key = keyName(c.Key)
	}
	mark.note = n.ID
	if !bound && votable(c) {
		open := mark
		open.open = true
		if err := p.put(ctx, op, place, n.ID, open, Markdown(c, voice)); err != nil {
			return err
		}
		newest := 0
		if err := p.awards(ctx, op, place, n.ID, func(a award) { newest = max(newest, a.ID) }); err != nil {
			return err
		}
		if newest > 0 || mark.restored {
			mark.restored, mark.after = true, newest
		}
	}
	mark.open = false
	if mark.restored {
		voice.Note = Restored
	}
	if !votable(c) {
		p.unwatch(ref)
	}
	shown := Markdown(c, voice)
	if n.Body == mark.sealed(p.o.Secret, place.ID(), shown) {
		return nil
	}
	return p.put(ctx, op, place, n.ID, mark, shown)
}

// Restored is what a message says that for a while did not read as the bot wrote it.
const Restored = "For a while this comment did not say what Slipway wrote. It does now. Reactions from before do not count: take yours back, and react again."

// put writes the text of a note. It may be repeated: whatever was written last stands.
func (p *Poster) put(ctx context.Context, op string, place Place, id int, mark marker, shown string) error {
	body := text{mark.sealed(p.o.Secret, place.ID(), shown)}
	err := p.call(ctx, op, http.MethodPut, place.path("/notes/%d", id), body, nil, false)
	return p.failed(ctx, op, place, err)
}

// Reactions reads what a message of the bot bears now, one of each kind from each account, without
// those of the bot itself and of accounts that are blocked. Errors: [errs.Gone] for a message that is
// not there or not the bot's; [errs.Conflict] for one that does not say what the bot wrote: after
// [Poster.Edit] it can be read again.
func (p *Poster) Reactions(ctx context.Context, ref Ref) ([]Reaction, error) {
	found, open, err := p.reactions(ctx, ref)
	if err == nil && open {
		p.watch(ref, bearing(found))
	}
	return found, err
}

// reactions reads a message; open is false when it does not ask for votes any more.
func (p *Poster) reactions(ctx context.Context, ref Ref) (out []Reaction, open bool, err error) {
	const op = "gitlab.reactions"
	place, me, err := p.begin(ctx, op, ref.Place)
	if err != nil {
		return nil, false, err
	}
	n, err := p.own(ctx, op, place, me, ref.Message)
	if err != nil {
		return nil, false, err
	}
	mark, whole := unseal(p.o.Secret, place.ID(), n.ID, n.Body)
	if !whole || mark.note != n.ID || mark.open {
		return nil, false, errs.E(op, errs.Conflict, errors.New("the comment does not say what Slipway wrote, so no reaction on it counts")).
			Hint("it is written anew by itself; react again after that")
	}
	out = []Reaction{}
	seen := map[Reaction]bool{}
	err = p.awards(ctx, op, place, n.ID, func(a award) {
		r := Reaction{User: a.User.ID, Emoji: Emoji(a.Name)}
		idle := a.User.State != "" && a.User.State != "active"
		if a.User.ID == me.ID || a.User.ID <= 0 || idle || a.ID <= mark.after || seen[r] {
			return
		}
		seen[r] = true
		r.Name = card.Line(a.User.Username, 255)
		out = append(out, r)
	})
	if err != nil {
		return nil, false, err
	}
	return out, strings.Contains(n.Body, voteLine), nil
}

func (p *Poster) awards(ctx context.Context, op string, place Place, id int, use func(award)) error {
	err := each(ctx, p.o.Client, op, place.path("/notes/%d/award_emoji", id), maxAwards, func(a award) bool { use(a); return true })
	return p.failed(ctx, op, place, err)
}

// votable reports whether reactions on a card may count.
func votable(c card.Card) bool {
	for _, b := range c.Blocks {
		for _, x := range b.Buttons {
			if strings.HasPrefix(x.ID, approves) {
				return true
			}
		}
	}
	return false
}
