package slack

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"slipway/bot/card"
	"slipway/bot/view"
	"slipway/integrations/console/api"
	"slipway/integrations/console/client"
	fake "slipway/test/fakes/slack"
)

// whole is everything that a release leaves where people and programs can see it, part by part: each part
// is lines that are the same for two releases that went the same way.
type whole map[string][]string

// differs tells every line that one of them has and the other has not, or has more often.
func (a whole) differs(b whole) error {
	var all []error
	parts := slices.Concat(slices.Collect(maps.Keys(a)), slices.Collect(maps.Keys(b)))
	slices.Sort(parts)
	for _, part := range slices.Compact(parts) {
		count := map[string]int{}
		for _, line := range a[part] {
			count[line]--
		}
		for _, line := range b[part] {
			count[line]++
		}
		same := true
		for _, line := range slices.Sorted(maps.Keys(count)) {
			if n := count[line]; n != 0 {
				same = false
				all = append(all, fmt.Errorf("%s: %+d × %s", part, n, line))
			}
		}
		if same && !slices.Equal(a[part], b[part]) {
			all = append(all, fmt.Errorf("%s: in another order:\n%s\nand not\n%s", part, strings.Join(b[part], "\n"), strings.Join(a[part], "\n")))
		}
	}
	return errors.Join(all...)
}

// What differs between two releases that went the same way: each is a whole word, and becomes the name of
// its kind. Everything else counts.
var changing = []struct {
	what *regexp.Regexp
	word string
}{
	{regexp.MustCompile(`\b[0-9a-f]{64}\b|\b[0-9a-f]{40}\b|\b[0-9a-f]{12}\b|\b[0-9a-f]{7}\b`), "DIGEST"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z| UTC)?`), "TIME"},
	{regexp.MustCompile(`\b\d{10}\.\d{6}\b`), "TS"},
	{regexp.MustCompile(`\b\d{1,2}:\d\d(:\d\d)?\b`), "CLOCK"},
	{regexp.MustCompile(`(?m)\bafter \d+ (s|min|min \d+ s)$`), "after SECONDS"},
	{regexp.MustCompile(`\btold by localci \(delivery #\d+\)|\bfound by polling\b`), "LEARNED"}, // whichever is first
	{regexp.MustCompile(`= slack/(Ev[0-9A-Z]+|read-\S+)$`), "= slack/DELIVERY"},                 // of one saying
}

// plain is a text with what differs named, and people, channels and addresses by their names.
func (w *world) plain(text string) string {
	var names []string
	for _, who := range slices.Sorted(maps.Keys(w.users)) {
		names = append(names, w.users[who], who)
	}
	for _, c := range w.slack.Channels() {
		if c.Name != "" {
			names = append(names, c.ID, "#"+c.Name)
		}
	}
	app := w.slack.App()
	names = append(names, app.User, "slipway", w.dir, "DIR", w.slack.URL, "SLACK/", w.hooks, "HOOKS")
	text = strings.NewReplacer(names...).Replace(text)
	for _, c := range changing {
		text = c.what.ReplaceAllString(text, c.word)
	}
	return text
}

// whole looks at everything.
func (w *world) whole() whole {
	w.t.Helper()
	out := whole{}
	w.onSlack(out)
	w.inConsole(out)
	w.ofRun(out)
	w.inRepository(out)
	w.inMailbox(out)
	for part := range out {
		for i, line := range out[part] {
			out[part][i] = w.plain(line)
		}
		if part != "journal" {
			slices.Sort(out[part])
		}
	}
	return out
}

// onSlack are the messages of all conversations, those that one person sees, reactions, files and forms.
func (w *world) onSlack(out whole) {
	app := w.slack.App()
	names := map[string]string{app.User: "slipway"}
	for name, id := range w.users {
		names[id] = name
	}
	for _, c := range w.slack.Channels() {
		part := "Slack #" + c.Name
		if c.Kind == fake.Direct {
			part = "Slack alone with"
			for _, id := range c.Members {
				if id != app.User {
					part += " " + names[id]
				}
			}
		}
		all := w.slack.Messages(c.ID)
		for _, name := range slices.Sorted(maps.Keys(w.users)) {
			all = append(all, w.slack.Whispers(c.ID, w.users[name])...)
		}
		heads := map[string]string{}
		for _, m := range all {
			heads[m.TS], _, _ = strings.Cut(wordsOf(m), "\n")
		}
		for _, m := range all {
			where := ""
			if m.Thread != "" && m.Thread != m.TS {
				where = fmt.Sprintf(" in the thread of “%s”", heads[m.Thread])
			}
			line := fmt.Sprintf("%s%s: %s ‖ %s", names[m.User], where, wordsOf(m), m.Text)
			for _, r := range m.Reactions {
				for _, who := range r.Users {
					line += fmt.Sprintf(" ‖ :%s: of %s", r.Name, names[who])
				}
			}
			for _, id := range m.Files {
				line += " ‖ file " + w.slack.File(id).Name
			}
			if m.Only != "" {
				line += " ‖ only for " + names[m.Only]
			}
			out[part] = append(out[part], line)
		}
	}
	for _, f := range w.slack.Files() {
		out["files"] = append(out["files"], fmt.Sprintf("%s %s %q in %d places", f.Name, f.Title, f.AltText, len(f.Channels)))
	}
	for name, id := range w.users {
		for _, v := range w.slack.Views(id) {
			out["forms"] = append(out["forms"], name+" has open: "+v.Title)
		}
	}
}

// inConsole are the messages of the console: of the channel, and of each person alone.
func (w *world) inConsole(out whole) {
	w.t.Helper()
	for _, person := range slices.Sorted(maps.Keys(w.users)) {
		places := []string{"@me"}
		if person == "hana" {
			places = append(places, channel)
		}
		for _, place := range places {
			c := w.as(person)
			all, err := client.Get[api.Messages](w.ctx, c, client.Path("channels", place, "messages"), map[string][]string{"limit": {"200"}})
			c.Close()
			w.must(err)
			part := "console " + place + " of " + person
			for _, m := range all.Messages {
				line := m.Author + ": " + m.Text
				if m.Card != nil {
					line += card.Text(*m.Card, 1000)
				}
				for _, r := range m.Reactions {
					line += fmt.Sprintf(" ‖ %s of %s", r.Emoji, r.Account)
				}
				out[part] = append(out[part], line)
			}
		}
	}
}

// atItsTime are the fields of a run that tell when it was, how long, or count commits.
var atItsTime = regexp.MustCompile(`^(id|as_of|at|began|ended|since|took|seq|chain|message)$`)

// ofRun is the run as status shows it, and its journal: kinds, steps, persons and words, step by step,
// since steps beside each other take turns as it comes.
func (w *world) ofRun(out whole) {
	w.t.Helper()
	r, err := w.look()
	w.must(err)
	raw, err := json.Marshal(r)
	w.must(err)
	var fields any
	w.must(json.Unmarshal(raw, &fields))
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(v)) {
				if !atItsTime.MatchString(k) {
					walk(at+"."+k, v[k])
				}
			}
		case []any:
			for i, one := range v {
				walk(fmt.Sprintf("%s[%d]", at, i), one)
			}
		default:
			out["run"] = append(out["run"], fmt.Sprintf("%s = %v", at, v))
		}
	}
	walk("run", fields)

	c := w.as("hana")
	defer c.Close()
	t, err := client.Get[view.Timeline](w.ctx, c, client.Path("runs", runName, "timeline"), map[string][]string{"limit": {"500"}})
	w.must(err)
	if t.Before != 0 {
		w.t.Error("the journal is longer than a page")
	}
	slices.Reverse(t.Events)
	slices.SortStableFunc(t.Events, func(a, b view.Event) int { return strings.Compare(a.Step, b.Step) })
	for _, e := range t.Events {
		by := "slipway"
		if e.By != nil {
			by = string(e.By.ID)
		}
		line := fmt.Sprintf("%s %s by %s: %s", e.Step, e.Kind, by, e.Words)
		if e.Message != nil {
			line += " ‖ through " + e.Message.Source + " " + e.Message.Channel
		}
		out["journal"] = append(out["journal"], line)
	}
}

// inRepository is every move of a ref, and what the refs are.
func (w *world) inRepository(out whole) {
	w.t.Helper()
	logs := filepath.Join(w.remote, "logs")
	w.must(filepath.WalkDir(logs, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		ref, _ := filepath.Rel(logs, path)
		for i, line := range strings.Split(strings.TrimSpace(string(raw)), "\n") {
			_, why, _ := strings.Cut(line, "\t")
			out["repository"] = append(out["repository"], fmt.Sprintf("%s moved for the %d. time: %s", ref, i+1, why))
		}
		return err
	}))
	refs, err := output(w.ctx, w.remote, "git", "for-each-ref", "--format=%(refname) %(objecttype) %(subject) %(taggername) %(*subject)")
	w.must(err)
	out["repository"] = append(out["repository"], strings.Split(refs, "\n")...)
	commits, err := output(w.ctx, w.remote, "git", "log", "--format=%an %s", "--name-status", "master")
	w.must(err)
	out["repository"] = append(out["repository"], commits)
}

// ofMail are the lines of a mail that no other mail has.
var ofMail = regexp.MustCompile(`(?m)^(Date|Message-ID|Received|Content-Type): .*(\r?\n[ \t].*)*\r?\n|^--\S+\r?$`)

func (w *world) inMailbox(out whole) {
	w.t.Helper()
	mails, err := filepath.Glob(filepath.Join(w.dir, "mailbox", "new", "*"))
	w.must(err)
	for _, path := range mails {
		raw, err := os.ReadFile(path)
		w.must(err)
		out["mails"] = append(out["mails"], ofMail.ReplaceAllString(string(raw), ""))
	}
}
