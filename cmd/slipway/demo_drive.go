package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"slipway/bot/errs"
	"slipway/bot/view"
	"slipway/integrations/console"
	"slipway/integrations/console/client"
)

// driver plays the people of the demo through the socket, as anybody could: it looks for whom the
// run waits and lets that person answer or react.
type driver struct {
	socket  string
	version string
	tell    func(string) // one line of progress

	mu    sync.Mutex
	gates map[string]string // manifest → id of its gate message
	said  map[string]bool   // what was answered already
	steps map[string]string // last status told
}

func newDriver(socket, version string, tell func(string)) *driver {
	return &driver{socket: socket, version: version, tell: tell, gates: map[string]string{}, said: map[string]bool{}, steps: map[string]string{}}
}

func (d *driver) as(person string) *client.Client {
	// A bot that starts again on a busy machine takes seconds; ctx says when it is enough.
	return &client.Client{Path: d.socket, As: person, Tries: 600, Wait: func(ctx context.Context, _ int) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
			return nil
		}
	}}
}

// ask has the release manager ask for the release. The fixed id makes it one request, however
// often it is sent.
func (d *driver) ask(ctx context.Context) error {
	return d.say(ctx, demoManager, "demo-start-"+d.version, "release "+d.version)
}

func (d *driver) say(ctx context.Context, person, id, text string) error {
	c := d.as(person)
	defer c.Close()
	_, err := c.Say(ctx, console.Saying{ID: id, Channel: demoChannel, Text: text})
	return err
}

// errNotYet means that the run is not known yet.
var errNotYet = errors.New("the run has not begun")

// look reads how the run of the version stands.
func (d *driver) look(ctx context.Context) (runWaits, error) { return d.waits(ctx, d.version) }

// waits reads how a run stands; "" is the newest.
func (d *driver) waits(ctx context.Context, run string) (runWaits, error) {
	c := d.as(demoManager)
	defer c.Close()
	if run == "" {
		var err error
		if run, err = newest(ctx, c); err != nil {
			return runWaits{}, err
		}
	}
	r, err := client.Get[view.Run](ctx, c, client.Path("runs", run), nil)
	if errs.Is(err, errs.NotFound) {
		err = errNotYet
	}
	if err != nil {
		return runWaits{}, err
	}
	return waitsOf(r), nil
}

// follow keeps the gate messages of the channel until ctx ends.
func (d *driver) follow(ctx context.Context) {
	c := d.as(demoManager)
	defer c.Close()
	since := uint64(0)
	for ctx.Err() == nil {
		_ = c.Watch(ctx, demoChannel, &since, func(change console.Change) error {
			since = change.Seq
			if m := change.Message; m != nil && m.Card != nil {
				d.mu.Lock()
				for _, b := range m.Card.Blocks {
					for _, button := range b.Buttons {
						if len(button.ID) > len("approve/") {
							d.gates[button.ID[len("approve/"):]] = m.ID
						}
					}
				}
				d.mu.Unlock()
			}
			return nil
		})
	}
}

// step does what people would do now. ended is true when the run has ended.
func (d *driver) step(ctx context.Context) (ended bool, w runWaits, err error) {
	w, err = d.look(ctx)
	if err != nil {
		return false, w, err
	}
	d.report(w)
	if w.Status == "ended" {
		return true, w, nil
	}
	for _, wait := range w.Waits {
		if err := d.answer(ctx, wait); err != nil {
			return false, w, err
		}
	}
	return false, w, nil
}

// report tells which steps moved.
func (d *driver) report(w runWaits) {
	for _, step := range w.Docs {
		name, doc := step[0], step[1]
		if status := w.Steps[name]; d.steps[name] != status {
			d.steps[name] = status
			if mark := map[string]string{"done": "✓", "adopted": "◆", "skipped": "↷", "failed": "✗", "stuck": "!", "doubtful": "?"}[status]; mark != "" {
				d.tell(fmt.Sprintf("%s %-14s %s", mark, name, doc))
			}
		}
	}
}

func (d *driver) answer(ctx context.Context, w waitLine) error {
	switch {
	case w.Kind == "gate" && lifting(w):
		return nil // the people of the demo lay no veto
	case w.Kind == "gate":
		d.mu.Lock()
		message := d.gates[w.Manifest]
		d.mu.Unlock()
		if message == "" {
			return nil // its message is not there yet
		}
		for _, person := range w.Persons {
			if key := w.Manifest + person; !d.said[key] {
				d.said[key] = true
				d.tell(fmt.Sprintf("  %s reacts ✅ to gate %s", person, w.Step))
				c := d.as(person)
				_, err := c.React(ctx, message, "✅", true)
				c.Close()
				if err != nil {
					return err
				}
			}
		}
	case w.Kind == "ask" && len(w.Persons) > 0 && !d.said[w.Step]:
		d.said[w.Step] = true
		answer := demoAnswers()[w.Step]
		if answer == "" {
			return errs.E("demo", errs.Internal, fmt.Errorf("nobody of the demo knows what to answer to %s", w.Step))
		}
		d.tell(fmt.Sprintf("  %s: answer %s %s %s", w.Persons[0], d.version, w.Step, answer))
		return d.say(ctx, w.Persons[0], "demo-"+d.version+"-"+w.Step, fmt.Sprintf("answer %s %s %s", d.version, w.Step, answer))
	}
	return nil
}
