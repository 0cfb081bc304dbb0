package notes

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/integrations/gitlab"
)

// begin reads the place of a message and who the bot is.
func (p *Poster) begin(ctx context.Context, op, id string) (Place, gitlab.User, error) {
	place, err := ParsePlace(id)
	if err != nil {
		return Place{}, gitlab.User{}, errs.E(op, errs.Gone, err) // nothing can ever be there
	}
	me, err := p.o.Client.Me(ctx)
	if err != nil {
		return Place{}, gitlab.User{}, away(op, err)
	}
	return place, me, nil
}

// own reads a note of the bot; somebody else's is not there.
func (p *Poster) own(ctx context.Context, op string, place Place, me gitlab.User, message string) (note, error) {
	gone := errs.E(op, errs.Gone, fmt.Errorf("there is no comment %s of the bot in %s", message, place))
	thread, id, err := named(message)
	if err != nil {
		return note{}, gone
	}
	var n note
	if thread != "" {
		var d discussion
		if err = p.call(ctx, op, http.MethodGet, place.path("/discussions/%s", thread), nil, &d, false); err == nil && len(d.Notes) > 0 {
			n = d.Notes[0]
		}
	} else {
		err = p.call(ctx, op, http.MethodGet, place.path("/notes/%d", id), nil, &n, false)
	}
	switch {
	case err != nil:
		return note{}, p.failed(ctx, op, place, err)
	case n.Author.ID != me.ID || n.System || id != 0 && n.ID != id:
		return note{}, gone
	}
	return n, nil
}

// threadOf is the discussion in which to answer; "" for a new one.
func (p *Poster) threadOf(ctx context.Context, op string, place Place, thread string) (string, error) {
	if thread == "" || discussionID.MatchString(thread) {
		return thread, nil
	}
	_, id, err := named(thread)
	if err != nil {
		return "", nil
	}
	found := ""
	err = each(ctx, p.o.Client, op, place.path("/discussions"), maxThreads, func(d discussion) bool {
		for _, n := range d.Notes {
			if n.ID == id {
				found = d.ID
			}
		}
		return found == ""
	})
	if err != nil {
		return "", p.failed(ctx, op, place, err)
	}
	return found, nil
}

// fit refuses a place where no new thread should begin.
func (p *Poster) fit(ctx context.Context, op string, place Place) error {
	t, err := p.thing(ctx, op, place)
	if err != nil {
		return p.failed(ctx, op, place, err)
	}
	if t.MovedTo != 0 {
		return errs.E(op, errs.Gone, fmt.Errorf("%s was moved to another project", place)).Hint("name the new issue under rooms: of the project")
	}
	return nil
}

func (p *Poster) thing(ctx context.Context, op string, place Place) (thing, error) {
	var t thing
	err := p.call(ctx, op, http.MethodGet, place.path(""), nil, &t, false)
	return t, err
}

// stands reports whether a place can be seen.
func (p *Poster) stands(ctx context.Context, place Place) bool {
	_, err := p.thing(ctx, "gitlab.place", place)
	return err == nil
}

// failed makes of an error what the port promises: it asks GitLab whether the place is gone, and
// everything that people can mend is a reason to try again.
func (p *Poster) failed(ctx context.Context, op string, place Place, err error) error {
	gone := func(format string, args ...any) *errs.Error {
		return errs.E(op, errs.Gone, fmt.Errorf(format, args...))
	}
	switch errs.KindOf(err) {
	case errs.NotFound:
		if t, err := p.thing(ctx, op, place); err == nil {
			if t.MovedTo != 0 {
				return gone("%s was moved to another project", place).Hint("name the new issue under rooms: of the project")
			}
			return gone("the comment or its thread in %s is gone", place)
		} else if !errs.Is(err, errs.NotFound) {
			return away(op, err)
		}
		// GitLab says the same of what is not there and of what it does not show.
		if err := p.call(ctx, op, http.MethodGet, fmt.Sprintf("projects/%d", place.Project), nil, nil, false); err != nil {
			return away(op, err)
		}
		return gone("%s is gone", place).Hint("name another room of the project, or close its run and begin again")
	case errs.Denied:
		if t, bad := p.thing(ctx, op, place); bad == nil && t.Locked {
			return gone("the comments of %s are locked", place).Hint("unlock them, or make the bot's account a member of the project")
		}
	case errs.Invalid:
		if full.MatchString(errs.Cause(err)) {
			return gone("%s has as many comments as GitLab takes", place).Hint("name another room of the project")
		}
	}
	return away(op, err)
}

// away keeps the kinds that the port has, and takes every other error for one that passes: somebody
// renews the token or gives the bot its role back.
func away(op string, err error) error {
	switch errs.KindOf(err) {
	case errs.Busy, errs.Unavailable, errs.Gone, errs.Doubtful, errs.Conflict:
		return err
	}
	if err == nil {
		return nil
	}
	return errs.E(op, errs.Unavailable, err)
}

// voice reads what the text of a card needs: how the bot is addressed, and the user names, of now, of
// those who must act.
func (p *Poster) voice(ctx context.Context, me gitlab.User, c card.Card) (Voice, error) {
	v := Voice{Address: "slipway", Mentions: map[string]string{}}
	if userName.MatchString(me.Username) {
		v.Address = "@" + me.Username
	}
	if p.o.Accounts == nil {
		return v, nil
	}
	for _, person := range c.Mentions {
		for _, id := range p.o.Accounts(person) {
			name, err := p.name(ctx, id)
			if err != nil {
				return v, err
			}
			if name != "" {
				v.Mentions[person] = name
				break
			}
		}
	}
	return v, nil
}

// name is the user name of an account now; "" when it is not there or is blocked.
func (p *Poster) name(ctx context.Context, id int) (string, error) {
	p.mu.Lock()
	known, ok := p.names[id]
	p.mu.Unlock()
	if age := p.o.Now().Sub(known.at); ok && age >= 0 && age < namesKept {
		return known.name, nil
	}
	var u author
	err := p.call(ctx, "gitlab.user", http.MethodGet, fmt.Sprintf("users/%d", id), nil, &u, false)
	switch {
	case errs.Is(err, errs.Busy) || errs.Is(err, errs.Unavailable):
		return "", err
	case err != nil || u.ID != id || u.State != "" && u.State != "active":
		u.Username = ""
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.names) > 1000 {
		clear(p.names)
	}
	p.names[id] = userAt{u.Username, p.o.Now()}
	return u.Username, nil
}

// Me is the bot's own account: its number, which hooks tell too, and the user name by which it is
// addressed.
func (p *Poster) Me(ctx context.Context) (id int, name string, err error) {
	me, err := p.o.Client.Me(ctx)
	if err != nil {
		return 0, "", err
	}
	if me.ID <= 0 {
		return 0, "", errors.New("GitLab does not say who the bot is")
	}
	return me.ID, me.Username, nil
}
