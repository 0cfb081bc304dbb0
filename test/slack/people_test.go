package slack

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
	fake "slipway/test/fakes/slack"
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

// look is the run as hana sees it.
func (w *world) look() (view.Run, error) {
	c := w.as("hana")
	defer c.Close()
	ctx, cancel := context.WithTimeout(w.ctx, 20*time.Second)
	defer cancel()
	return client.Get[view.Run](ctx, c, client.Path("runs", runName), nil)
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

// timeline is what the history of the run says.
func (w *world) timeline() string {
	w.t.Helper()
	c := w.as("hana")
	defer c.Close()
	var out []string
	t, err := client.Get[view.Timeline](w.ctx, c, client.Path("runs", runName, "timeline"), map[string][]string{"limit": {"500"}})
	w.must(err)
	for _, e := range t.Events {
		out = append(out, e.Step+": "+e.Words)
	}
	return strings.Join(out, "\n")
}

// says has a person write into the channel.
func (w *world) says(person, text string) (ts string) {
	w.t.Helper()
	w.note(person + " writes on Slack: " + text)
	return w.slack.Say(w.users[person], w.room, strings.ReplaceAll(text, "@slipway", "<@"+w.slack.App().User+">"), "")
}

// whispers has a person write to the bot alone.
func (w *world) whispers(person, text string) (ts string) {
	w.t.Helper()
	w.note(person + " writes to the bot alone: " + text)
	return w.slack.Say(w.users[person], w.slack.DM(w.users[person]), text, "")
}

// ours are the bot's messages in a channel that have the words.
func (w *world) ours(channel, words string) (out []fake.Message) {
	for _, m := range w.slack.Ours(channel) {
		if strings.Contains(wordsOf(m), words) {
			out = append(out, m)
		}
	}
	return out
}

// gateMessage is the open gate message of the gate.
func (w *world) gateMessage(gate string) (fake.Message, bool) {
	for _, m := range w.ours(w.room, runName+": gate "+gate) {
		if strings.Contains(wordsOf(m), "to approve exactly this") {
			return m, true
		}
	}
	return fake.Message{}, false
}

// once reports whether something is to be done for the first time.
func (w *world) once(what string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.said[what] {
		return false
	}
	w.said[what] = true
	return true
}

// reacts has a person react on Slack to the open message of a gate, once.
func (w *world) reacts(person, gate, emoji string) bool {
	w.t.Helper()
	m, ok := w.gateMessage(gate)
	if !ok || !w.once(person+" reacts to "+gate) {
		return ok
	}
	w.note(fmt.Sprintf("%s reacts :%s: on Slack to the gate %s", person, emoji, gate))
	w.must(w.slack.React(w.users[person], w.room, m.TS, emoji))
	return true
}

// channelMessages are the messages of the console's channel now; none while the bot is down.
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

// clicks has a person react in the console to the message of a gate, once.
func (w *world) clicks(person, gate, manifest string) bool {
	w.t.Helper()
	for _, m := range w.channelMessages() {
		if m.Card == nil {
			continue
		}
		for _, b := range m.Card.Blocks {
			for _, button := range b.Buttons {
				if button.ID == "approve/"+manifest {
					if !w.once(person + " clicks " + gate) {
						return true
					}
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

// drive plays the people of a release until it has ended, or stop says so: hana and tessa answer on Slack,
// ben reacts there, chen reacts in the console, hana presses a button.
func (w *world) drive(stop func(view.Run) bool) view.Run {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, enough)
	defer cancel()
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
		if !pause(ctx, 40*time.Millisecond) {
			w.t.Fatalf("the release does not end: %s\n%s", strings.Join(standing(r), ", "), strings.Join(r.Lines, "\n"))
		}
	}
}

// act does what people would do now.
func (w *world) act(r view.Run) {
	w.t.Helper()
	if _, ok := awaited(r, "checklist"); ok && w.once("checklist") {
		w.says("hana", "@slipway answer "+version+" checklist merged=true")
	}
	if _, ok := awaited(r, "tested"); ok && w.once("tested") {
		w.says("tessa", "slipway answer "+version+` tested good=true how=“by hand, on two boards”`)
	}
	if g, ok := awaited(r, "go"); ok && g.Kind == "gate" {
		w.reacts("ben", "go", "white_check_mark")
		w.clicks("chen", "go", g.Manifest)
	}
	if g, ok := awaited(r, "publish"); ok && g.Kind == "gate" {
		w.presses("hana", "publish")
	}
	if q, ok := awaited(r, "announce"); ok && q.Kind == "doubtful" {
		w.t.Errorf("somebody is asked about the mail: %s", q.Message)
	}
}

// presses has a person press the button of a gate message on Slack, once.
func (w *world) presses(person, gate string) bool {
	w.t.Helper()
	m, ok := w.gateMessage(gate)
	if !ok || !w.once(person+" presses "+gate) {
		return ok
	}
	w.note(fmt.Sprintf("%s presses Approve on Slack at the gate %s", person, gate))
	_, err := w.slack.Press(w.users[person], w.room, m.TS, "Approve")
	w.must(err)
	return true
}

// driveWith is [world.drive] with other people.
func (w *world) driveWith(act func(view.Run)) view.Run {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, enough)
	defer cancel()
	for {
		r, err := w.look()
		if err == nil && r.Status == "ended" {
			return r
		}
		if err == nil {
			act(r)
		}
		if !pause(ctx, 40*time.Millisecond) {
			w.t.Fatalf("the release does not end: %s\n%s", strings.Join(standing(r), ", "), strings.Join(r.Lines, "\n"))
		}
	}
}
