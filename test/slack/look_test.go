package slack

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"slipway/bot/card"
	"slipway/bot/view"
	"slipway/integrations/openpgp"
	fake "slipway/test/fakes/slack"
)

// wordsOf is a message as somebody reads it: the texts of its blocks, in order, each block on a line of
// its own. Buttons are not among them.
func wordsOf(m fake.Message) string {
	var lines []string
	for _, b := range m.Blocks {
		if b["type"] != "actions" {
			lines = append(lines, text(b))
		}
	}
	if len(lines) == 0 {
		return m.Text
	}
	return strings.Join(lines, "\n")
}

// text is the texts of a block, in order. Parts of one line stand beside each other.
func text(v any) string {
	switch v := v.(type) {
	case []any:
		var out strings.Builder
		for _, one := range v {
			out.WriteString(text(one))
		}
		return out.String()
	case map[string]any:
		switch t := v["text"].(type) {
		case string:
			return t
		case map[string]any:
			return text(t)
		}
		if user, ok := v["user_id"].(string); ok {
			return "<@" + user + ">"
		}
		lines := []string{}
		for _, key := range []string{"elements", "fields"} {
			all, _ := v[key].([]any)
			if v["type"] != "rich_text_section" && v["type"] != "rich_text_preformatted" {
				for _, one := range all {
					lines = append(lines, text(one))
				}
				continue
			}
			lines = append(lines, text(all))
		}
		return strings.Join(slices.DeleteFunc(lines, func(s string) bool { return s == "" }), "\n")
	}
	return ""
}

// page is the channel as somebody reads it.
func (w *world) page() string {
	names := map[string]string{w.slack.App().User: "slipway"}
	for name, id := range w.users {
		names[id] = name
	}
	var out strings.Builder
	for _, m := range w.slack.Messages(w.room) {
		indent := ""
		if m.Thread != "" && m.Thread != m.TS {
			indent = "    "
		}
		fmt.Fprintf(&out, "%s%s: %s\n", indent, names[m.User], strings.ReplaceAll(wordsOf(m), "\n", "\n"+indent+"  "))
		for _, r := range m.Reactions {
			fmt.Fprintf(&out, "%s  :%s: %d\n", indent, r.Name, len(r.Users))
		}
	}
	return out.String()
}

// settled waits until the last words are said.
func (w *world) settled() {
	w.t.Helper()
	w.until("the card on Slack says that it is done", func() bool { return len(w.ours(w.room, "✓ "+runName+"\n")) == 1 })
	w.until("the channel on Slack is told", func() bool { return len(w.ours(w.room, "harbour "+version+" is released")) == 1 })
	w.until("the gate messages say how it ended", func() bool { return len(w.ours(w.room, "to approve exactly this")) == 0 })
	w.until("the card on Slack says what the console's says", func() bool { return w.equal() == nil })
}

// released looks at everything that a release must leave behind: that it is there, and there once.
func (w *world) released(r view.Run) {
	w.t.Helper()
	if r.Outcome != "done" {
		w.t.Fatalf("the run is %s %s %s: %s", r.Status, r.Outcome, r.Words, strings.Join(r.Lines, "\n"))
	}
	w.settled()
	w.signed()
	for words, want := range map[string]int{runName + ": gate go\n": 1, runName + ": gate publish\n": 1, "✓ " + runName + "\n": 1, runName + " has begun": 1} {
		if got := w.ours(w.room, words); len(got) != want {
			w.t.Errorf("the channel has %d messages with %q and not %d", len(got), words, want)
		}
	}
	for _, ref := range []string{"refs/tags/" + version, "refs/heads/master"} {
		raw, err := os.ReadFile(filepath.Join(w.remote, "logs", ref))
		if n := strings.Count(string(raw), "\n"); err != nil || n != 1 {
			w.t.Errorf("%s moved %d times %v", ref, n, err)
		}
	}
	mails, err := os.ReadDir(filepath.Join(w.dir, "mailbox", "new"))
	if err != nil || len(mails) != 1 {
		w.t.Errorf("there are %d mails %v", len(mails), err)
	}
}

// signed looks at the tag as git has it: signed by the release key, of the tip of the branch.
func (w *world) signed() {
	w.t.Helper()
	tag, err := output(w.ctx, w.remote, "git", "cat-file", "tag", version)
	w.must(err)
	at := strings.Index(tag, "-----BEGIN PGP SIGNATURE-----")
	if at < 0 {
		w.t.Fatalf("the tag is not signed:\n%s", tag)
	}
	cert, err := os.ReadFile(filepath.Join(w.dir, "demo-cert.asc"))
	w.must(err)
	certs, err := openpgp.ReadCertificates(cert)
	w.must(err)
	if _, err := (openpgp.Policy{Certificates: certs, Allowed: []string{w.fingerprint}}).VerifyTag([]byte(tag[:at]), []byte(tag[at:]+"\n"), w.fingerprint, time.Now()); err != nil {
		w.t.Errorf("the signature of the tag: %v", err)
	}
	tip, err := output(w.ctx, w.remote, "git", "rev-parse", "refs/heads/master")
	w.must(err)
	if !strings.Contains(tag, "object "+tip) {
		w.t.Errorf("the tag is not of the tip of the branch, %s:\n%s", tip, tag)
	}
}

// equal reports where the card on Slack says something else than the console's.
func (w *world) equal() error {
	var card card.Card
	for _, m := range w.channelMessages() {
		if m.Card != nil && m.Card.Title == runName {
			card = *m.Card
		}
	}
	var cards []fake.Message
	for _, m := range w.slack.Ours(w.room) {
		if m.Thread == "" && strings.Contains(strings.SplitN(wordsOf(m), "\n", 2)[0], runName) {
			cards = append(cards, m)
		}
	}
	if len(cards) != 1 || card.Title == "" {
		return fmt.Errorf("there are %d cards on Slack", len(cards))
	}
	here := squeezed(wordsOf(cards[0]))
	for _, want := range spoken(card) {
		if !strings.Contains(here, squeezed(want)) {
			return fmt.Errorf("the card on Slack does not say %q:\n%s", want, wordsOf(cards[0]))
		}
	}
	return nil
}

// spoken are the words of a card, but for those of its buttons.
func spoken(c card.Card) []string {
	out := []string{c.Title, c.Status}
	for _, b := range c.Blocks {
		out = append(out, b.Heading)
		out = append(out, strings.Split(b.Text, "\n")...)
		for _, f := range b.Fields {
			out = append(out, f.Name, f.Value)
		}
		for _, s := range b.Steps {
			out = append(out, s.State.Symbol()+" "+s.Name, s.Detail)
		}
		for _, a := range b.Awaited {
			out = append(out, a.Who, a.What)
		}
		for _, l := range b.Links {
			out = append(out, l.Text)
		}
	}
	return slices.DeleteFunc(out, func(s string) bool { return strings.TrimSpace(s) == "" })
}

var spaces = regexp.MustCompile(`[\s\x{00a0}\x{2060}\x{200b}]+`)

func squeezed(s string) string { return strings.TrimSpace(spaces.ReplaceAllString(s, " ")) }
