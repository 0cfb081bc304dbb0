package web

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/integrations/console"
	"slipway/integrations/console/login"
)

// maxForm is the largest form that is read, in bytes: a text of the room's largest size with its
// letters encoded.
const maxForm = 3*console.MaxText + 4096

func randomID() string { return rand.Text() }

// form reads the form of a request, within bounds.
func form(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	err := r.ParseForm()
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return errs.E("web.form", errs.Invalid, fmt.Errorf("what was sent is larger than %d bytes", large.Limit)).Hint("say it in parts")
	case err != nil:
		return errs.E("web.form", errs.Invalid, errors.New("the form cannot be read")).Hint("load the page again")
	}
	return nil
}

// say says what was typed. The field id is made by the page or its script: the same id is the
// same message, however often the browser sends it.
func (s *Site) say(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	v, _ := login.From(r.Context())
	text := strings.TrimRight(strings.ReplaceAll(r.PostForm.Get("text"), "\r\n", "\n"), "\n ")
	if strings.TrimSpace(text) == "" {
		return errs.E("web.say", errs.Invalid, errors.New("nothing was typed")).Hint("type something first, e.g. %s", s.first())
	}
	channel, err := s.place(v, r.PathValue("channel"))
	if err != nil {
		return err
	}
	m, err := s.o.Desk.Say(r.Context(), v.Account, console.Saying{ID: r.PostForm.Get("id"), Channel: channel, Thread: r.PathValue("thread"), Text: text})
	if err != nil {
		return err
	}
	s.done(w, r, m)
	return nil
}

// react sets a reaction or takes it away: the field set is "on:✅" or "off:✅".
func (s *Site) react(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	v, _ := login.From(r.Context())
	way, emoji, _ := strings.Cut(r.PostForm.Get("set"), ":")
	if way != "on" && way != "off" {
		return errs.E("web.react", errs.Invalid, errors.New("it is not said whether the reaction is set or taken away")).Hint("load the page again")
	}
	m, err := s.o.Desk.React(r.Context(), v.Account, r.PostForm.Get("message"), emoji, way == "on")
	if err != nil {
		return err
	}
	s.done(w, r, m)
	return nil
}

// press is a click on a button of a card. The button that approves sets the reaction that
// approves on its message; any other says its command in the thread of the card.
func (s *Site) press(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	v, _ := login.From(r.Context())
	shown, err := s.o.Desk.Message(v.Account, r.PostForm.Get("message"))
	if err != nil {
		return err
	}
	m, button := shown.Message, r.PostForm.Get("button")
	b, ok := buttonOf(m, button)
	switch {
	case !ok:
		return errs.E("web.press", errs.Conflict, errors.New("that was decided meanwhile: the message does not ask for it any more")).Hint("see what it says now")
	case strings.HasPrefix(b.ID, approves):
		m, err = s.o.Desk.React(r.Context(), v.Account, m.ID, card.Approve, true)
	default:
		thread := m.Thread
		if thread == "" {
			thread = m.ID
		}
		m, err = s.o.Desk.Say(r.Context(), v.Account, console.Saying{ID: r.PostForm.Get("id"), Channel: m.Channel, Thread: thread, Text: b.Command})
	}
	if err != nil {
		return err
	}
	s.done(w, r, m)
	return nil
}

func buttonOf(m console.Message, id string) (card.Button, bool) {
	if m.Card == nil {
		return card.Button{}, false
	}
	for _, b := range m.Card.Blocks {
		if i := slices.IndexFunc(b.Buttons, func(x card.Button) bool { return x.ID == id }); i >= 0 {
			return b.Buttons[i], true
		}
	}
	return card.Button{}, false
}

// done answers what was accepted: the script gets the message's id, a form comes back to the page
// where it was sent, at the message.
func (s *Site) done(w http.ResponseWriter, r *http.Request, m console.Message) {
	if wantsJSON(r) {
		writeJSON(w, http.StatusOK, map[string]string{"id": m.ID, "channel": m.Channel, "thread": m.Thread})
		return
	}
	place := m.Channel
	if console.IsDirect(place) {
		place = console.Mine
	}
	to := "/c/" + place
	if m.Thread != "" {
		back(w, r, to+"/"+m.Thread+"#t-"+m.ID)
		return
	}
	back(w, r, to+"#m-"+m.ID)
}

// complete answers the command line: how the line may go on.
func (s *Site) complete(w http.ResponseWriter, r *http.Request) error {
	v, _ := login.From(r.Context())
	line := r.URL.Query().Get("line")
	channel, err := s.o.Desk.Place(v.Account, r.URL.Query().Get("channel"))
	if err != nil {
		return err
	}
	words := []Suggestion{}
	if s.o.Complete != nil && len(line) <= 500 && !strings.ContainsAny(line, "\n\r") {
		words = append(words, s.o.Complete(r.Context(), v, channel, line)...)
	}
	writeJSON(w, http.StatusOK, map[string]any{"words": words[:min(len(words), 50)]})
	return nil
}
