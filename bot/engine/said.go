package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/run"
)

// said gives text to the parser and does what it asks for, once. asked is false when it asked for
// nothing.
func (e *Engine) said(ctx context.Context, d Delivery, r inboxRecord, f Said) (asked bool, err error) {
	if e.cfg.Parser == nil {
		return false, nil
	}
	w := e.World()
	person, _ := w.Directory.ByAccount(f.Account)
	if person.Bot || person.Gone {
		return false, nil // they neither command nor get an answer that another bot could answer
	}
	s := Spoken{Person: person.ID, Account: f.Account, Place: f.Place, Thread: f.Thread, Addressed: f.Addressed, Direct: f.Direct,
		Message: f.Message, Project: e.cfg.Projects.Home(f.Place), Now: w.Now}
	for _, message := range []string{f.Thread, f.Message} {
		var m messageRecord
		if message == "" || s.Run != "" {
			continue
		}
		_, found, err := e.get(ctx, spMessages, Ref{Place: f.Place, Message: message}.String(), &m)
		if err != nil {
			return false, err
		}
		if found {
			s.Run = m.Run
		}
	}
	at := f.At
	if at.IsZero() {
		at = d.At
	}
	commands := e.cfg.Parser.Parse(f.Text, s)
	if len(commands) == 0 {
		return false, nil
	}
	if s.Person != "" {
		if told, err := e.changedSince(ctx, d, s, f); told || err != nil {
			return true, err
		}
	}
	late := r.Replayed > 0 || e.beforeRestore(at) || d.At.Sub(at) > e.cfg.StaleAfter
	for i, one := range commands {
		line := one.Line
		if line == 0 {
			line = i
		}
		if err := e.obey(ctx, s, one, onceOf(d, f, strconv.Itoa(line)), at, late, d, f.Message); err != nil {
			return true, err
		}
		asked = true
	}
	return asked, nil
}

// onceOf is the semantic key of a part of a message.
func onceOf(d Delivery, f Said, part string) Once {
	return Once{short(d.Source + "\x00" + f.Place.Source + "\x00" + f.Place.ID + "\x00" + f.Message + "\x00" +
		f.Account.Source + "\x00" + f.Account.ID + "\x00" + part)}
}

// obey carries out one command. Its answer is an effect committed with it, keyed by the semantic
// key; a repeat changes nothing and says nothing.
func (e *Engine) obey(ctx context.Context, s Spoken, a Asked, once Once, at time.Time, replayed bool, d Delivery, message string) error {
	if raw, err := e.cfg.Store.Get(ctx, Key{spSaid, once.Key}); err != nil || raw != nil {
		return err
	}
	stranger := s.stranger()
	answer := func(text string) error {
		if stranger {
			return e.answerStranger(ctx, s, message, once, text)
		}
		return e.answer(ctx, s, message, once, text)
	}
	switch {
	case stranger && !a.Stranger:
		return answer(e.unknownAccount(s))
	case a.Reply != "":
		return answer(a.Reply)
	case a.Start == nil && a.Input == nil && a.Other == nil:
		return nil
	case s.Person == "" && !a.Stranger:
		return answer(e.unknownAccount(s))
	case replayed && (e.now().Sub(at) > e.cfg.StaleAfter || e.beforeRestore(at) && ofThatTime(a)):
		return answer(fmt.Sprintf("This was written at %s and comes to me only now. If you still want it, say it again.",
			at.UTC().Format("2006-01-02 15:04 UTC")))
	}
	var text string
	var err error
	var private bool // what is said is about a private run
	reply := func(d run.Decision) string {
		if d.Refusal != nil {
			return refused(d.Refusal)
		}
		return d.Reply
	}
	with := also{once: once, then: func(b *batch, _ *live, d run.Decision) {
		text := reply(d)
		private := d.After.Private || a.Start != nil && a.Start.Private
		switch {
		case private && !s.Direct && text != "":
			text = e.putAlone(b, s, once, text)
		case text == "" && a.Start != nil && !private: // whoever asks from a shell sees no card
			text = d.After.Name + " has begun"
		case text == "" && a.Start != nil:
			text = "it has begun"
			if did, err := e.earlier(ctx, d.After, s.Viewer()); err == nil && did != "" {
				text += "\n" + did
			}
		}
		if text != "" {
			e.putReply(b, s, message, once, text)
		}
	}}
	switch {
	case a.Start != nil:
		private = a.Start.Private
		text, err = e.saidStart(ctx, s, *a.Start, with, d)
	case a.Input != nil:
		var id string
		if id, err = e.resolveFor(ctx, s, a.Run); err == nil {
			if l, err := e.load(ctx, id); err == nil {
				private = l.state.Private
			}
			var in run.Input
			if in, err = e.signed(ctx, s, id, a.Input, message, at); err == nil {
				_, err = e.submit(ctx, id, in, with)
			}
		}
	default:
		if e.cfg.Answers == nil {
			err = errs.E("engine.answer", errs.Invalid, fmt.Errorf("this cannot be asked here"))
			break
		}
		text, err = e.cfg.Answers.Answer(ctx, s, a.Other, once)
	}
	if err == errRepeat {
		return nil
	}
	if err != nil {
		if stops(err) || ctx.Err() != nil {
			return err
		}
		if errors.As(err, new(answered)) {
			return nil
		}
		text = refused(err)
	}
	e.wake(loopEffects)
	if text == "" {
		return nil
	}
	if private && !s.Direct {
		return e.answerWith(ctx, s, message, once, func(b *batch) string { return e.putAlone(b, s, once, text) })
	}
	return answer(text)
}

// refused is the answer to what cannot be done.
func refused(err error) string { return "I can't do that: " + errs.Text(err) }

// putAlone gives an answer about a private run to the person alone, and returns what is said where
// others read. Who has no place of their own is told where to look.
func (e *Engine) putAlone(b *batch, s Spoken, once Once, text string) string {
	if e.cfg.Direct == nil {
		return toldAlone
	}
	now, sent := e.now(), false
	for _, place := range e.cfg.Direct(s.Person) {
		if e.cfg.Posters[place.Source] == nil {
			continue
		}
		r := effectRecord{Key: "alone-" + short(once.Key+"\x00"+place.Source+"\x00"+place.ID), Action: actReply, After: now, Boot: e.boot, Epoch: e.world.epoch,
			Inputs: string(encode(replyIn{To: Ref{Place: place}, Text: clip(text, 8000), Person: s.Person}))}
		b.intend(id(stamp(now), r.Key), encode(r))
		sent = true
	}
	if !sent {
		return toldAlone
	}
	return "I have answered you alone."
}

// toldAlone is the answer to what is said of a private run where others read.
const toldAlone = "That is not spoken of where others read. Look with slipway show on the command line, or ask in a direct message."

// saidStart begins a run for a person. What it returns is said besides what the commit said.
func (e *Engine) saidStart(ctx context.Context, s Spoken, r StartRequest, with also, d Delivery) (string, error) {
	if r.Project == "" {
		r.Project = s.Project
	}
	if r.Project == "" {
		return "", errs.E("engine.start", errs.Invalid, fmt.Errorf("this channel has no project")).
			Hint("name one with --project")
	}
	r.Person, r.Owner, r.Via = s.Person, "", d.Source+"/"+d.ID
	started, err := e.startRun(ctx, r, with)
	switch {
	case err != nil:
		return "", err
	case r.Plan:
		return e.PlanText(started), nil
	case started.Waiting:
		return started.Reply, nil
	}
	return "", nil
}

// signed fills in who says it: never taken from the text.
func (e *Engine) signed(ctx context.Context, s Spoken, runID string, in run.Input, message string, at time.Time) (run.Input, error) {
	state, p, err := e.RunState(ctx, runID)
	if state == nil {
		return nil, err
	}
	if c, ok := in.(run.Command); ok && (c.Verb == run.AbortVerb || c.Verb == run.MigrateVerb || state.Status == run.IsAborting) {
		err = nil // these are the ways out of a playbook that does not fit
	} else if err == nil {
		in, err = typed(p, state, in)
	}
	if err != nil {
		return nil, err
	}
	switch in := in.(type) {
	case run.Command:
		in.Person = s.Person
		switch in.Verb {
		case run.YieldVerb:
			return e.taking(ctx, s, runID, in)
		case run.MigrateVerb:
			return e.migration(ctx, state, in)
		}
		return in, nil
	case run.Answer:
		in.Person = s.Person
		return in, nil
	case run.Vote:
		in.Vote.Person, in.Vote.Account, in.Vote.At = s.Person, s.Account, at
		if in.Vote.Message == "" {
			in.Vote.Message = byCommand + Ref{Place: s.Place, Message: message}.String()
		}
		if st := state.Steps[in.Step]; st != nil && st.Gate != nil && st.Gate.Digest != "" {
			digest := string(st.Gate.Digest)
			if in.Vote.Manifest != "" && st.Gate.Verdict == nil {
				if digest, err = pickManifest(string(in.Vote.Manifest), digest, in.Step); err != nil {
					return nil, err
				}
			}
			in.Vote.Manifest = manifestDigest(digest)
		}
		return in, nil
	}
	return nil, errs.E("engine.input", errs.Invalid, fmt.Errorf("a person cannot say that"))
}

// byCommand begins the name under which a vote by command came, before the message.
const byCommand = "command/"

// replyIn is the inputs of a reply.
type replyIn struct {
	To     Ref             `json:"to"`
	Text   string          `json:"text"`
	Person people.PersonID `json:"person,omitempty"`
	// Account is the id of the account that is answered, if it is of the source of the place.
	Account string `json:"account,omitempty"`

	Buttons []card.Button `json:"buttons,omitempty"`
	Picture *card.Picture `json:"picture,omitempty"`
}

// putReply adds a reply to the outbox; it is posted in the thread of what it answers.
func (e *Engine) putReply(b *batch, s Spoken, message string, once Once, text string) {
	e.putReplyWith(b, s, message, once, text, nil)
}

func (e *Engine) putReplyWith(b *batch, s Spoken, message string, once Once, text string, buttons []card.Button) {
	e.putReplyIn(b, s, message, once, replyIn{Text: text, Buttons: buttons})
}

// putReplyIn adds a reply of which everything is known but whom it answers.
func (e *Engine) putReplyIn(b *batch, s Spoken, message string, once Once, in replyIn) {
	if _, ok := e.cfg.Posters[s.Place.Source]; !ok {
		return
	}
	thread := s.Thread
	if thread == "" {
		thread = message
	}
	now := e.now()
	in.To, in.Text, in.Person = Ref{Place: s.Place, Thread: thread}, clip(in.Text, 8000), s.Person
	if s.Account.Source == s.Place.Source {
		in.Account = s.Account.ID
	}
	r := effectRecord{Key: "reply-" + once.Key, Action: actReply, After: now, Boot: e.boot, Epoch: e.world.epoch, Inputs: string(encode(in))}
	row := id(stamp(now), r.Key)
	b.intend(row, encode(r))
}

// answer commits a reply with the semantic key, where nothing else was committed with it.
func (e *Engine) answer(ctx context.Context, s Spoken, message string, once Once, text string) error {
	return e.answerWith(ctx, s, message, once, func(*batch) string { return text })
}

func (e *Engine) answerWith(ctx context.Context, s Spoken, message string, once Once, text func(b *batch) string) error {
	b := newBatch()
	raw, err := e.cfg.Store.Get(ctx, Key{spSaid, once.Key})
	if err != nil {
		return err
	}
	b.guard(spSaid, once.Key, raw)
	b.put(spSaid, once.Key, []byte(stamp(e.now())))
	if t := text(b); t != "" {
		e.putReply(b, s, message, once, t)
	}
	err = e.commit(ctx, "answer", b)
	e.wake(loopEffects)
	if errs.Is(err, errs.Conflict) {
		return nil
	}
	return err
}

func clip(text string, n int) string {
	r := []rune(text)
	if len(r) <= n {
		return text
	}
	return string(r[:n-1]) + "…"
}
