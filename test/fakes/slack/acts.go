package slack

import (
	"errors"
	"fmt"
	"slices"
)

// member finds a conversation that somebody is in.
func (s *Server) member(user, channel string) (*Channel, error) {
	ch := s.channel(channel)
	switch {
	case ch == nil:
		return nil, fmt.Errorf("there is no conversation %q", channel)
	case s.user(user) == nil:
		return nil, fmt.Errorf("there is nobody with the id %q", user)
	case !slices.Contains(ch.Members, user):
		return nil, fmt.Errorf("%s is not in %s", user, channel)
	case ch.Archived:
		return nil, fmt.Errorf("%s is archived", channel)
	}
	return ch, nil
}

// Say lets a person write into a conversation, or into a thread of it (""; no thread), and returns
// the ts. text is as it is typed, with mentions as <@U…>; it panics when the person could not do it.
func (s *Server) Say(user, channel, text, thread string) (ts string) {
	return s.say(user, channel, text, thread, false)
}

// SayToAll answers in a thread and shows it in the channel too.
func (s *Server) SayToAll(user, channel, text, thread string) (ts string) {
	return s.say(user, channel, text, thread, true)
}

func (s *Server) say(user, channel, text, thread string, broadcast bool) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, err := s.member(user, channel)
	must(err)
	u := s.user(user)
	m := &Message{User: user, Text: kept(text), Thread: thread, Broadcast: broadcast}
	if thread != "" && ch.message(thread) == nil {
		must(fmt.Errorf("there is no message %s to answer in %s", thread, channel))
	}
	if u.Bot {
		m.Bot, m.App = u.BotID, u.App
	} else {
		m.client = fmt.Sprintf("c1e57a11-0000-4000-8000-%012d", len(ch.messages)+1)
		m.Blocks = []map[string]any{typed(m.Text)}
	}
	return s.add(ch, m).TS
}

// Hook lets an incoming webhook, or an old bot without a user, write into a conversation.
func (s *Server) Hook(bot, channel, text string) (ts string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := s.channel(channel)
	if ch == nil {
		must(fmt.Errorf("there is no conversation %q", channel))
	}
	return s.add(ch, &Message{Bot: bot, Subtype: "bot_message", Text: kept(text)}).TS
}

// Notice writes a message of Slack itself, such as that somebody joined.
func (s *Server) Notice(user, channel, subtype, text string) (ts string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, err := s.member(user, channel)
	must(err)
	return s.add(ch, &Message{User: user, Subtype: subtype, Text: kept(text)}).TS
}

// Share lets a person write a message with a file: Slack gives it the subtype file_share.
func (s *Server) Share(user, channel, text, name string, content []byte) (ts string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, err := s.member(user, channel)
	must(err)
	f := &File{ID: s.id("F"), Name: name, Title: name, User: user, Content: slices.Clone(content), Created: s.now(), Channels: []string{channel}, complete: true}
	s.files = append(s.files, f)
	return s.add(ch, &Message{User: user, Subtype: "file_share", Text: kept(text), Files: []string{f.ID}, Blocks: []map[string]any{typed(kept(text))}}).TS
}

// Unfurl adds a preview of a link to a message, as Slack does some seconds after it was written. The
// app hears of a message that changed, and its text is what it was.
func (s *Server) Unfurl(channel, ts, title string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := s.channel(channel)
	if ch == nil || ch.message(ts) == nil {
		must(fmt.Errorf("there is no message %s in %s", ts, channel))
	}
	m := ch.message(ts)
	before := m.clone()
	before.attachments, before.client = m.attachments, m.client
	m.attachments = append(slices.Clone(m.attachments), map[string]any{"id": len(m.attachments) + 1, "title": title, "from_url": "https://x.example/", "fallback": title})
	s.tellChanged(ch, m, &before)
}

// must stops a test that asks a person for what nobody can do.
func must(err error) {
	if err != nil {
		panic("slack: " + err.Error())
	}
}

// act finds a message that somebody can see, and does something with it.
func (s *Server) act(user, channel, ts string, do func(*Channel, *Message) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, err := s.member(user, channel)
	if err != nil {
		return err
	}
	m := ch.message(ts)
	if m == nil || m.Only != "" && m.Only != user {
		return fmt.Errorf("%s sees no message %s in %s", user, ts, channel)
	}
	return do(ch, m)
}

// React lets a person give a reaction: a character or a name, with or without a tone of skin.
func (s *Server) React(user, channel, ts, emoji string) error {
	return s.reacts(user, channel, ts, emoji, true)
}

// Unreact lets a person take a reaction back.
func (s *Server) Unreact(user, channel, ts, emoji string) error {
	return s.reacts(user, channel, ts, emoji, false)
}

func (s *Server) reacts(user, channel, ts, emoji string, add bool) error {
	return s.act(user, channel, ts, func(ch *Channel, m *Message) error {
		if m.Only != "" {
			return errors.New("a message that only one person sees takes no reactions")
		}
		if bad := s.react(ch, m, user, shortName(emoji), add); bad != "" {
			return errors.New(bad)
		}
		return nil
	})
}

// Edit lets a person change what they wrote.
func (s *Server) Edit(user, channel, ts, text string) error {
	return s.act(user, channel, ts, func(ch *Channel, m *Message) error {
		if m.User != user {
			return fmt.Errorf("%s did not write %s", user, ts)
		}
		before := m.clone()
		before.client = m.client
		m.Text, m.Edited, m.EditedBy = kept(text), s.ts(), user
		m.Blocks = []map[string]any{typed(m.Text)}
		m.Updates++
		s.tellChanged(ch, m, &before)
		return nil
	})
}

// Delete lets a person remove a message: their own, or any when they are an admin.
func (s *Server) Delete(user, channel, ts string) error {
	return s.act(user, channel, ts, func(ch *Channel, m *Message) error {
		if u := s.user(user); m.User != user && !u.Admin && !u.Owner {
			return fmt.Errorf("%s did not write %s", user, ts)
		}
		s.drop(ch, ts)
		return nil
	})
}
