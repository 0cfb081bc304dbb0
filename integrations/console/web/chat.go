package web

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"slipway/bot/errs"
	"slipway/integrations/console"
	"slipway/integrations/console/login"
)

// channelPage is the data of templates/channel.html.
type channelPage struct {
	ID       string // of the channel: "general", "@hana"
	Name     string
	Path     string // of the channel's page
	Direct   bool
	Messages []messageView
	Older    string // address of the page before; "" if there is none
	Newer    string // address of the page after; "" at the live end
	Empty    bool
	Line     lineView
	Thread   *threadView
	First    string // what a newcomer types first
	People   []Person
	Viewer   login.Viewer
}

// lineView is a command line.
type lineView struct {
	ID     string // of the element
	Action string
	SayID  string
	Hint   string
	Label  string
}

// threadView is a thread in its own place.
type threadView struct {
	Head    messageView
	Replies []messageView
	More    int // replies that are older than those shown
	History []console.Version
	Line    lineView
	Path    string
}

// home leads to the channel that was open last.
func (s *Site) home(w http.ResponseWriter, r *http.Request) error {
	v, _ := login.From(r.Context())
	seen, err := s.o.Desk.Seen(v.Account)
	if err != nil {
		return err
	}
	open := slices.DeleteFunc(slices.Clone(seen), console.IsDirect)
	last := cookieOf(r, placeCookie)
	switch {
	case last == console.Mine && len(open) < len(seen):
	case last != "" && slices.Contains(open, last):
	case slices.Contains(open, s.o.Home):
		last = s.o.Home
	case len(open) > 0:
		last = open[0]
	case len(seen) > 0:
		last = console.Mine
	default:
		return errs.E("web.home", errs.NotFound, errors.New("there is no channel that you may see")).Hint("ask an admin to link your account to a person")
	}
	http.Redirect(w, r, "/c/"+last, http.StatusSeeOther)
	return nil
}

// channel shows a channel, and with {thread} a thread beside it.
func (s *Site) channel(w http.ResponseWriter, r *http.Request) error {
	v, _ := login.From(r.Context())
	name := r.PathValue("channel")
	id, err := s.place(v, name)
	if err != nil {
		return err
	}
	p := &channelPage{ID: id, Name: name, Path: "/c/" + name, Direct: console.IsDirect(id), First: s.first(), People: s.o.Example, Viewer: v}
	if p.Direct {
		p.Name, p.Path = "You and Slipway", "/c/"+console.Mine
	}
	p.Line = lineView{ID: "line", Action: p.Path, SayID: s.o.NewID(), Label: "Say something in " + p.Name, Hint: "Type a command, such as " + p.First}
	if ids := r.URL.Query().Get("ids"); ids != "" {
		err = s.some(p, v, r, strings.Split(ids, ","))
	} else {
		err = s.pageOf(p, v, r)
	}
	if err != nil {
		return err
	}
	if err := s.acting(r.Context(), v, p.Messages); err != nil {
		return err
	}
	if head := r.PathValue("thread"); head != "" {
		if p.Thread, err = s.thread(p, v, head); err != nil {
			return err
		}
		heads := []messageView{p.Thread.Head}
		if err := s.acting(r.Context(), v, heads); err != nil {
			return err
		}
	}
	if r.URL.Query().Get("fragment") == "" {
		keep(w, placeCookie, name)
		if n := len(p.Messages); n > 0 && p.Newer == "" {
			newest := p.Messages[n-1].ID
			for _, m := range p.Messages {
				if k := len(m.Replies); k > 0 && newer(m.Replies[k-1].ID, newest) {
					newest = m.Replies[k-1].ID
				}
			}
			markRead(w, r, id, newest)
		}
	}
	return s.render(w, r, "channel", p)
}

// place is the channel that a viewer names in an address. One that neither is configured nor has a
// message is not there, and nobody makes one by a slip of the hand.
func (s *Site) place(v login.Viewer, name string) (string, error) {
	id, err := s.o.Desk.Place(v.Account, name)
	if err != nil {
		return "", err
	}
	seen, err := s.o.Desk.Seen(v.Account)
	if err != nil {
		return "", err
	}
	if !slices.Contains(seen, id) {
		return "", errs.E("console.channel", errs.NotFound, fmt.Errorf("there is no channel %s", clip(name))).Hint("the channels are on the left")
	}
	return id, nil
}

func (s *Site) first() string {
	if s.o.First == "" {
		return "help"
	}
	return s.o.First
}

// pageOf reads the page of a channel that a request names: the newest, or before, after or around
// a message.
func (s *Site) pageOf(p *channelPage, v login.Viewer, r *http.Request) error {
	ask := r.URL.Query()
	q := console.PageQuery{Limit: pageSize, Heads: true, Before: ask.Get("before"), After: ask.Get("after")}
	if at := ask.Get("at"); at != "" {
		m, err := s.o.Desk.Message(v.Account, at)
		if err != nil {
			return err
		}
		if m.Message.Thread != "" {
			at = m.Message.Thread
		}
		n, err := strconv.ParseUint(at, 10, 64)
		if err != nil {
			return errs.E("web.channel", errs.NotFound, fmt.Errorf("there is no message %q", clip(at)))
		}
		q = console.PageQuery{Limit: pageSize, Heads: true, After: strconv.FormatUint(n-1, 10)}
	}
	page, err := s.o.Desk.Page(v.Account, p.ID, q)
	if err != nil {
		return err
	}
	read := readMarks(r)[p.ID]
	var before *console.Message
	if page.Older && len(page.Messages) > 0 {
		prev, err := s.o.Desk.Page(v.Account, p.ID, console.PageQuery{Limit: 1, Heads: true, Before: page.Messages[0].ID})
		if err != nil {
			return err
		}
		page.Older = len(prev.Messages) > 0
		if page.Older {
			before = &prev.Messages[0]
		}
	}
	if p.Messages, err = s.heads(v, page.Messages, before, zoneOf(r), read); err != nil {
		return err
	}
	if n := len(p.Messages); n > 0 {
		if page.Older {
			p.Older = p.Path + "?before=" + p.Messages[0].ID
		}
		if page.Newer {
			p.Newer = p.Path + "?after=" + p.Messages[n-1].ID
		}
	}
	p.Empty = len(p.Messages) == 0 && q.Before == "" && q.After == ""
	return nil
}

// maxSome is how many messages one request for a few of them may name.
const maxSome = 100

// some reads the messages that a script asks for anew: heads of threads, each with what a page
// would show of it.
func (s *Site) some(p *channelPage, v login.Viewer, r *http.Request, ids []string) error {
	slices.SortFunc(ids, func(a, b string) int {
		if newer(b, a) {
			return -1
		}
		return 1
	})
	ids = slices.Compact(ids)
	if len(ids) > maxSome {
		return errs.E("web.channel", errs.Invalid, fmt.Errorf("%d messages at once", len(ids))).Hint("ask for at most %d", maxSome)
	}
	for _, id := range ids {
		m, err := s.o.Desk.Message(v.Account, id)
		if errs.Is(err, errs.NotFound) || err == nil && (m.Message.Channel != p.ID || m.Message.Thread != "") {
			continue
		}
		if err != nil {
			return err
		}
		prev, err := s.o.Desk.Page(v.Account, p.ID, console.PageQuery{Limit: 1, Heads: true, Before: id})
		if err != nil {
			return err
		}
		var before *console.Message
		if len(prev.Messages) > 0 {
			before = &prev.Messages[0]
		}
		views, err := s.heads(v, []console.Message{m.Message}, before, zoneOf(r), "")
		if err != nil {
			return err
		}
		p.Messages = append(p.Messages, views...)
	}
	return nil
}

// thread reads a thread for its own place.
func (s *Site) thread(p *channelPage, v login.Viewer, head string) (*threadView, error) {
	m, err := s.o.Desk.Message(v.Account, head)
	if err != nil {
		return nil, err
	}
	if m.Message.Channel != p.ID {
		return nil, errs.E("web.thread", errs.NotFound, fmt.Errorf("there is no message %q in %s", clip(head), p.Name)).Hint("go back to the channel")
	}
	if m.Message.Thread != "" { // a reply: its thread is its head's
		return s.thread(p, v, m.Message.Thread)
	}
	all, err := s.o.Desk.Room.Thread(head, threadSize)
	if err != nil {
		return nil, err
	}
	t := &threadView{Head: s.view(v, m.Message), History: m.History, More: all.Count - len(all.Messages), Path: p.Path + "/" + head}
	if m.Message.Card != nil {
		t.History = nil // a live card is edited all the time
	}
	for _, r := range all.Messages {
		reply := s.view(v, r)
		reply.Anchor = "t-" + r.ID
		t.Replies = append(t.Replies, reply)
	}
	t.Head.Anchor, t.Head.Count = "t-"+head, all.Count
	t.Line = lineView{ID: "thread-line", Action: t.Path, SayID: s.o.NewID(), Label: "Answer in this thread", Hint: "Answer in this thread"}
	return t, nil
}

// help is the page of keys and of how to begin.
func (s *Site) help(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, "help", map[string]any{"First": s.first()})
}
