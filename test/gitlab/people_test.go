package gitlab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/bot/view"
	"slipway/integrations/console"
	"slipway/integrations/console/api"
	"slipway/integrations/console/client"
	fake "slipway/test/fakes/gitlab"
)

// pause waits a moment before something is looked at again.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// until looks again and again whether something is so.
func (w *world) until(what string, so func() bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patient)
	defer cancel()
	for !so() {
		if !pause(ctx, 30*time.Millisecond) {
			r, err := w.look()
			w.t.Fatalf("it never came to this: %s\nthe run: %s %s %s %v\n%s", what, r.Status, r.Outcome, strings.Join(standing(r), ", "), err, strings.Join(r.Lines, "\n"))
		}
	}
	w.note("· " + what)
}

func (w *world) note(line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.history = append(w.history, time.Now().Format("05.000 ")+line)
}

// as is a person in the console.
func (w *world) as(person string) *client.Client {
	return &client.Client{Path: w.socket(), As: person, Tries: 600, Wait: func(ctx context.Context, _ int) error {
		if !pause(ctx, 50*time.Millisecond) {
			return ctx.Err()
		}
		return nil
	}}
}

const runName = "release/harbour/" + version

// name is the name of the run that people look at.
func (w *world) name() string {
	if w.shape.runName != "" {
		return w.shape.runName
	}
	return runName
}

// look is the run as hana sees it.
func (w *world) look() (view.Run, error) {
	c := w.as("hana")
	defer c.Close()
	ctx, cancel := context.WithTimeout(w.ctx, 20*time.Second)
	defer cancel()
	return client.Get[view.Run](ctx, c, client.Path("runs", w.name()), nil)
}

// step is how a step of the run stands; "" when there is no run.
func (w *world) step(path string) string {
	w.t.Helper()
	r, err := w.look()
	if err != nil && !errs.Is(err, errs.NotFound) && !errors.Is(err, context.DeadlineExceeded) {
		w.t.Fatal(err)
	}
	for _, s := range r.Steps {
		if s.Path == path {
			return s.Status
		}
	}
	return ""
}

// standing are the steps that are neither done nor yet to come.
func standing(r view.Run) (out []string) {
	for _, s := range r.Steps {
		if s.Status != "" && !slices.Contains([]string{"done", "skipped"}, s.Status) {
			out = append(out, s.Path+" "+s.Status)
		}
	}
	return out
}

// why is the answer to why.
func (w *world) why() string {
	w.t.Helper()
	c := w.as("hana")
	defer c.Close()
	why, err := client.Get[api.Why](w.ctx, c, client.Path("runs", w.name(), "why"), nil)
	w.must(err)
	return strings.Join(why.Lines, "\n")
}

// timeline is what the history of the run says.
func (w *world) timeline() string {
	w.t.Helper()
	c := w.as("hana")
	defer c.Close()
	var out []string
	t, err := client.Get[view.Timeline](w.ctx, c, client.Path("runs", w.name(), "timeline"), map[string][]string{"limit": {"500"}})
	w.must(err)
	for _, e := range t.Events {
		out = append(out, e.Step+": "+e.Words)
	}
	return strings.Join(out, "\n")
}

// comments has a person write in the room.
func (w *world) comments(person, text string) fake.Note {
	w.t.Helper()
	w.note(person + " writes on GitLab: " + text)
	n, err := w.lab.Comment(w.users[person], w.room, text)
	w.must(err)
	return n
}

// plain is a comment of the bot as people read it: without what only programs see.
func plain(body string) string {
	if at := strings.LastIndex(body, "<!-- slipway "); at >= 0 {
		body = body[:at]
	}
	return strings.TrimSpace(strings.NewReplacer(`\`, "", "\u2060", "").Replace(body))
}

// notes are the bot's comments in the room that have the words.
func (w *world) notes(words string) (out []fake.Note) {
	for _, n := range w.lab.Notes(w.room) {
		if n.Author == w.users["slipway"] && strings.Contains(plain(n.Body), words) {
			out = append(out, n)
		}
	}
	return out
}

// votable is how a gate message on GitLab says that it is open.
const votable = "On this comment"

// gateNote is the open gate message that has the words. While the bot binds it anew, as after a kill in the
// middle of posting it, no reaction counts, and people would be asked to react again.
func (w *world) gateNote(words string) (fake.Note, bool) {
	for _, n := range w.notes(words) {
		if strings.Contains(n.Body, votable) && strings.Contains(n.Body, " note=") && !strings.Contains(n.Body, " after=?") {
			return n, true
		}
	}
	return fake.Note{}, false
}

// awards has a person put an emoji on the gate message that has the words, once.
func (w *world) awards(person, words string) bool {
	w.t.Helper()
	n, ok := w.gateNote(words)
	if key := person + words; !ok || w.said[key] {
		return ok
	} else {
		w.said[key] = true
	}
	w.note(fmt.Sprintf("%s puts 👍 on the gate message on GitLab: %s", person, words))
	_, err := w.lab.Award(w.users[person], n.ID, "thumbsup")
	w.must(err)
	return true
}

// channelMessages are the messages of the channel now; none while the bot is down.
func (w *world) channelMessages() []console.Message {
	c := w.as("hana")
	defer c.Close()
	ctx, cancel := context.WithTimeout(w.ctx, 20*time.Second)
	defer cancel()
	all, err := client.Get[api.Messages](ctx, c, client.Path("channels", channel, "messages"), map[string][]string{"limit": {"200"}})
	if err != nil && ctx.Err() == nil {
		w.t.Errorf("the channel cannot be read: %v", err)
	}
	return all.Messages
}

// reacts has a person react in the console to the message of a gate, once.
func (w *world) reacts(person, gate, manifest string) bool {
	w.t.Helper()
	key := person + gate + manifest
	if w.said[key] {
		return true
	}
	for _, m := range w.channelMessages() {
		if m.Card == nil {
			continue
		}
		for _, b := range m.Card.Blocks {
			for _, button := range b.Buttons {
				if button.ID == "approve/"+manifest {
					w.said[key] = true
					w.note(fmt.Sprintf("%s reacts ✅ in the console to the gate %s", person, gate))
					c := w.as(person)
					defer c.Close()
					_, err := c.React(w.ctx, m.ID, "✅", true)
					w.must(err)
					return true
				}
			}
		}
	}
	return false
}

// awaited finds what the run waits for persons for at a step.
func awaited(r view.Run, step string) (view.Awaited, bool) {
	for _, a := range r.Awaited {
		if a.Step == step {
			return a, true
		}
	}
	return view.Awaited{}, false
}

// drive plays the people of a release until it has ended: tessa answers and hana and ben put emoji on
// GitLab, chen reacts in the console. It returns early when stop says so.
func (w *world) drive(stop func(view.Run) bool) view.Run {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, enough)
	defer cancel()
	last, still := uint64(0), 0
	for {
		r, err := w.look()
		if err != nil && !errs.Is(err, errs.NotFound) && !errors.Is(err, context.DeadlineExceeded) {
			w.t.Fatal(err)
		}
		if r.Status == "ended" || err == nil && stop != nil && stop(r) {
			return r
		}
		if err == nil {
			w.act(r)
		}
		// Nobody looks often while nothing happens.
		if still++; r.Seq != last {
			last, still = r.Seq, 0
		}
		if !pause(ctx, min(40*time.Millisecond+time.Duration(still)*5*time.Millisecond, 400*time.Millisecond)) {
			w.t.Fatalf("the release does not end: %s\n%s", strings.Join(standing(r), ", "), strings.Join(r.Lines, "\n"))
		}
	}
}

// act does what people would do now.
func (w *world) act(r view.Run) {
	w.t.Helper()
	if _, ok := awaited(r, "tested"); ok && !w.said["tested"] {
		w.said["tested"] = true
		w.comments("tessa", "@slipway answer "+version+` tested good=true how="by hand, on two boards"`)
	}
	if g, ok := awaited(r, "go"); ok && g.Kind == "gate" {
		w.awards("ben", "Release harbour "+version+"?")
		w.reacts("chen", "go", g.Manifest)
	}
	if g, ok := awaited(r, "publish"); ok && g.Kind == "gate" {
		w.awards("hana", "Publish harbour "+version+"?")
	}
	if g, ok := awaited(r, "yes"); ok && g.Kind == "gate" {
		w.awards("hana", "Do all of it?")
	}
	if q, ok := awaited(r, "announce"); ok && q.Kind == "doubtful" {
		w.t.Errorf("somebody is asked about the mail: %s", q.Message)
	}
}
