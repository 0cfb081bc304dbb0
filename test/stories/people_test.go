package stories

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/job"
	"slipway/bot/people"
	"slipway/bot/run"
	"slipway/integrations/console"
	"slipway/integrations/console/client"
	"slipway/integrations/console/login"
	"slipway/integrations/signing"
)

func (w *world) as(person string) *client.Client {
	return &client.Client{Path: w.dir + "/s", As: person, Tries: 1}
}

// anybody lets whoever comes over the socket be the person that the request names.
func (w *world) anybody(h http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		as := r.Header.Get(login.AsHeader)
		who, _ := w.e.World().Directory.ByAccount(people.Account{Source: "console", ID: as})
		v := login.Viewer{Account: "console:" + as, Person: who.ID, Name: as, Scopes: login.Scopes(), Many: true}
		h.ServeHTTP(rw, r.WithContext(login.With(r.Context(), v)))
	})
}

// say types text into a channel, or into a thread of it, and gives the message.
func (w *world) say(person, channel, thread, text string) console.Message {
	w.t.Helper()
	c := w.as(person)
	defer c.Close()
	m, err := c.Say(context.Background(), console.Saying{Channel: channel, Thread: thread, Text: text})
	w.must(err)
	return m
}

// Say types text into the project's channel and gives the bot's answers as plain text.
func (w *world) Say(person, text string) string {
	w.t.Helper()
	m := w.say(person, channel, "", text)
	w.drain()
	answer := w.answers(m.ID)
	w.line()
	return answer
}

// answers is what the bot said in the thread of a message.
func (w *world) answers(message string) string {
	w.t.Helper()
	var out []string
	for _, m := range w.messages(channel) {
		if m.Thread == message && m.Author == bot && m.Card != nil {
			out = append(out, plain(*m.Card))
		}
	}
	return strings.Join(out, "\n")
}

func (w *world) messages(channel string) []console.Message {
	w.t.Helper()
	list, err := w.room.Messages(channel, "", 10_000)
	w.must(err)
	return list
}

// React sets an emoji on a message.
func (w *world) React(person, message, emoji string) {
	w.t.Helper()
	w.emoji(person, message, emoji, true)
	w.line()
}

// Unreact takes it away.
func (w *world) Unreact(person, message, emoji string) {
	w.t.Helper()
	w.emoji(person, message, emoji, false)
	w.line()
}

func (w *world) emoji(person, message, emoji string, on bool) {
	w.t.Helper()
	c := w.as(person)
	defer c.Close()
	_, err := c.React(context.Background(), message, emoji, on)
	w.must(err)
}

// Gate is the newest message of the bot on which people approve the step.
func (w *world) Gate(step string) string {
	w.t.Helper()
	list := w.gateMessages(step)
	if len(list) == 0 {
		w.t.Fatalf("there is no message for the gate %s", step)
	}
	return list[len(list)-1].ID
}

func (w *world) gateMessages(step string) []console.Message {
	w.t.Helper()
	var out []console.Message
	for _, m := range w.messages(channel) {
		if m.Author == bot && m.Card != nil && strings.HasSuffix(m.Card.Title, ": gate "+step) {
			out = append(out, m)
		}
	}
	return out
}

// message reads what a message shows now, as plain text.
func (w *world) message(id string) string {
	w.t.Helper()
	m, err := w.room.Message(id)
	w.must(err)
	if m.Card == nil {
		return m.Text
	}
	return plain(*m.Card)
}

// run is the run with that name, live or ended.
func (w *world) run(name string) *run.State {
	w.t.Helper()
	id, err := w.e.Resolve(context.Background(), name, "manager")
	w.must(err)
	s, _, err := w.e.RunState(context.Background(), id)
	w.must(err)
	return s
}

// Step is the status of a step of the release 2019.01.
func (w *world) Step(step string) run.StepStatus { w.t.Helper(); return w.stepOf("2019.01", step) }

func (w *world) stepOf(name, step string) run.StepStatus {
	w.t.Helper()
	st := w.run(name).Steps[step]
	if st == nil {
		return run.Waiting
	}
	return st.Status
}

// Why is what the bot says when somebody asks why a step of 2019.01 is as it is; "" the run.
func (w *world) Why(step string) string { w.t.Helper(); return w.why("2019.01", step) }

func (w *world) why(name, step string) string {
	w.t.Helper()
	return w.Say("outsider", strings.TrimSpace("release why "+name+" "+step))
}

// WantStep demands a status and that `why` says each of the texts.
func (w *world) WantStep(step string, want run.StepStatus, says ...string) {
	w.t.Helper()
	w.wantStepOf("2019.01", step, want, says...)
}

func (w *world) wantStepOf(name, step string, want run.StepStatus, says ...string) {
	w.t.Helper()
	why := w.why(name, step)
	if got := w.stepOf(name, step); got != want {
		w.t.Fatalf("%s of %s is %s, want %s\n%s", step, name, got, want, why)
	}
	for _, text := range says {
		if !strings.Contains(why, text) {
			w.t.Fatalf("why %s %s does not say %q:\n%s", name, step, text, why)
		}
	}
}

// WantRun demands how a run stands.
func (w *world) WantRun(name string, want run.Status, outcome string) {
	w.t.Helper()
	if s := w.run(name); s.Status != want || s.Outcome != outcome {
		w.t.Fatalf("%s is %s %q, want %s %q\n%s", name, s.Status, s.Outcome, want, outcome, w.why(name, ""))
	}
}

// wants demands that text has every part.
func wants(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Fatalf("want %q in:\n%s", p, text)
		}
	}
}

// Ask starts a release and has everything done that comes before people approve.
func (w *world) Ask(version string) {
	w.t.Helper()
	w.Say("requester", "release "+version)
	w.Say("manager", "answer "+version+" checklist merged=true")
	w.Say("tester", "answer "+version+" tested good=true")
	if st := w.stepOf(version, "go"); st != run.Running {
		w.t.Fatalf("the gate go of %s is %s\n%s", version, st, w.why(version, ""))
	}
}

// Approve has two maintainers approve go by reaction.
func (w *world) Approve(version string) {
	w.t.Helper()
	gate := w.gateOf(version, "go")
	w.React("maintainer-a", gate, "✅")
	w.React("maintainer-b", gate, "✅")
}

func (w *world) gateOf(version, step string) string {
	w.t.Helper()
	list := slices.DeleteFunc(w.gateMessages(step), func(m console.Message) bool { return !strings.Contains(m.Card.Title, "/"+version+":") })
	if len(list) == 0 {
		w.t.Fatalf("there is no message for the gate %s of %s", step, version)
	}
	return list[len(list)-1].ID
}

// take leases the oldest job for the key holder.
func (w *world) take() (job.Job, signing.Request, bool) {
	w.t.Helper()
	j, found, err := w.e.Lease(context.Background(), "signer", []string{"sign.tag"}, time.Minute)
	w.must(err)
	if !found {
		return j, signing.Request{}, false
	}
	var r signing.Request
	w.must(json.Unmarshal(w.content(j), &r))
	return j, r, true
}

// content is what the holder of a job is given.
func (w *world) content(j job.Job) []byte {
	w.t.Helper()
	if j.Payload != nil {
		return j.Payload
	}
	content, err := w.blobs.Get(context.Background(), j.Digest)
	w.must(err)
	return content
}

// Sign has the key holder sign what waits, and tells how many tags were signed.
func (w *world) Sign() int {
	w.t.Helper()
	for n := 0; ; n++ {
		j, r, found := w.take()
		if !found {
			return n
		}
		_, err := w.e.Finish(context.Background(), j.Kind, j.ID, "signer", j.Lease.Fence, job.Verdict{Result: []byte(w.key.sign(r.Payload)), OK: true})
		w.must(err)
		w.line()
	}
}

// Release brings a release to the end.
func (w *world) Release(version string) {
	w.t.Helper()
	w.Ask(version)
	w.Approve(version)
	w.Sign()
	w.React("manager", w.gateOf(version, "publish"), "✅")
}

// replay delivers again what was delivered before.
func (w *world) replay(d engine.Delivery) {
	w.t.Helper()
	w.must(w.e.Deliver(context.Background(), d))
}

// plain is a card in lines, as wide as they are.
func plain(c card.Card) string {
	lines := []string{c.Title, c.Status}
	for _, b := range c.Blocks {
		lines = append(lines, b.Heading, b.Text)
		for _, f := range b.Fields {
			lines = append(lines, f.Name+": "+f.Value)
		}
	}
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return l == "" }), "\n")
}
