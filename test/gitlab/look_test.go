package gitlab

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"slipway/bot/view"
	"slipway/integrations/openpgp"
)

// page is the room as somebody reads it on GitLab.
func (w *world) page() string {
	var out strings.Builder
	names := map[int]string{}
	for name, id := range w.users {
		names[id] = name
	}
	threads, order := map[string][]string{}, []string{}
	for _, n := range w.lab.Notes(w.room) {
		if n.System {
			continue
		}
		if threads[n.Discussion] == nil {
			order = append(order, n.Discussion)
		}
		emoji := ""
		for _, a := range w.lab.Awards(n.ID) {
			emoji += fmt.Sprintf("\n\n*%s: :%s:*", names[a.User], a.Name)
		}
		threads[n.Discussion] = append(threads[n.Discussion], fmt.Sprintf("**@%s**\n\n%s%s", names[n.Author], n.Body, emoji))
	}
	for _, d := range order {
		for i, text := range threads[d] {
			if i > 0 {
				text = "> " + strings.ReplaceAll(text, "\n", "\n> ")
			}
			out.WriteString(text + "\n\n")
		}
		out.WriteString("---\n\n")
	}
	return out.String()
}

// trace is what a release leaves behind that must be the same whatever happened on the way.
type trace struct {
	steps map[string]string // path → status
	left  []string          // on GitLab, in the channel and in the mailbox
}

func (a trace) differs(b trace) error {
	var all []error
	for _, path := range slices.Sorted(maps.Keys(a.steps)) {
		if a.steps[path] != b.steps[path] {
			all = append(all, fmt.Errorf("the step %s is %q and not %q", path, b.steps[path], a.steps[path]))
		}
	}
	if x, y := strings.Join(a.left, "\n"), strings.Join(b.left, "\n"); x != y {
		all = append(all, fmt.Errorf("what is left is\n%s\nand not\n%s", y, x))
	}
	return errors.Join(all...)
}

// varies are digests, ids, addresses and times in what is said.
var varies = regexp.MustCompile(`[0-9a-f]{7,64}|[0-9]{1,2}:[0-9]{2}|http://[0-9.:]+`)

// left looks at all that a release left once its last words are said.
func (w *world) left(r view.Run) trace {
	w.t.Helper()
	t := trace{steps: map[string]string{}}
	for _, s := range r.Steps {
		t.steps[s.Path] = s.Status
	}
	add := func(format string, args ...any) { t.left = append(t.left, fmt.Sprintf(format, args...)) }
	for name, id := range map[string]int{"project": w.project, "fork": w.fork, "devices": w.devices} {
		if id == 0 {
			continue
		}
		logs := filepath.Join(w.lab.Dir(id), "logs")
		w.must(filepath.WalkDir(logs, func(path string, d os.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) || err == nil && d.IsDir() {
				return nil // nothing was ever pushed there
			}
			if err != nil {
				return err
			}
			raw, err := os.ReadFile(path)
			ref, _ := filepath.Rel(logs, path)
			if err == nil && (name == "project" || ref == "refs/heads/master") && ref != "HEAD" {
				add("%s: %s moved %d times", name, ref, strings.Count(string(raw), "\n"))
			}
			return err
		}))
		for _, p := range w.lab.Pipelines(id) {
			add("%s: pipeline of %s by %s %s", name, p.Ref, p.Source, p.Status)
		}
		for _, x := range w.lab.Releases(id) {
			add("%s: release %s %q of %v: %s", name, x.Tag, x.Name, x.Milestones, varies.ReplaceAllString(x.Description, "…"))
		}
		for _, m := range w.lab.MergeRequests(id) {
			add("%s: !%d %s %s %t", name, m.IID, m.Title, m.State, m.Milestone != 0)
		}
		for _, i := range w.lab.Issues(id) {
			add("%s: #%d %s %s %t", name, i.IID, i.Title, i.State, i.Milestone != 0)
		}
	}
	for _, title := range []string{version, "2026.09"} {
		m, there := w.lab.Milestone(w.project, title)
		add("milestone %s %s %t", title, m.State, there)
	}
	threads := map[string]bool{}
	for _, n := range w.lab.Notes(w.room) {
		if n.Author == w.users["slipway"] {
			first, _, _ := strings.Cut(plain(n.Body), "\n")
			where := "in the room"
			if threads[n.Discussion] {
				where = "in a thread"
			}
			add("%s: %s", where, varies.ReplaceAllString(first, "…"))
		}
		threads[n.Discussion] = true
	}
	for _, m := range w.channelMessages() {
		if m.Card != nil {
			add("channel: %s", varies.ReplaceAllString(m.Card.Title, "…"))
		}
	}
	mails, err := os.ReadDir(filepath.Join(w.dir, "mailbox", "new"))
	w.must(err)
	add("%d mails", len(mails))
	slices.Sort(t.left)
	return t
}

// settled waits until the last words are said, in the room and in the channel.
func (w *world) settled() {
	w.t.Helper()
	w.until("the card on GitLab says that it is done", func() bool { return len(w.notes("✓ "+runName+"\n")) == 1 })
	w.until("the channel is told", func() bool {
		for _, m := range w.channelMessages() {
			if m.Card != nil && m.Card.Title == "harbour "+version+" is released" {
				return true
			}
		}
		return false
	})
}

// released looks at everything that a release must leave behind: that it is there, and there once.
func (w *world) released(r view.Run) trace {
	w.t.Helper()
	if r.Outcome != "done" {
		w.t.Fatalf("the run is %s %s %s: %s", r.Status, r.Outcome, r.Words, strings.Join(r.Lines, "\n"))
	}
	w.settled()
	w.signed()
	if got := w.lab.Releases(w.project); len(got) != 1 || got[0].Tag != version || !slices.Equal(got[0].Milestones, []string{version}) || !strings.Contains(got[0].Description, "Add the fog horn") && len(w.merges) > 0 {
		w.t.Errorf("GitLab has the releases %+v", got)
	}
	if m, _ := w.lab.Milestone(w.project, version); m.State != "closed" {
		w.t.Errorf("the milestone is %s", m.State)
	}
	for words, want := range map[string]int{runName + ": gate go\n": 1, runName + ": gate publish\n": 1, "✓ " + runName + "\n": 1, runName + " has begun": 1} {
		if got := w.notes(words); len(got) != want {
			w.t.Errorf("the room has %d comments with %q and not %d", len(got), words, want)
		}
	}
	mails, err := os.ReadDir(filepath.Join(w.dir, "mailbox", "new"))
	if err != nil || len(mails) != 1 {
		w.t.Errorf("there are %d mails %v", len(mails), err)
	}
	if w.archive != "" {
		w.published()
	}
	return w.left(r)
}

// signed looks at the tag as git has it: signed by the release key, of the tip of the branch.
func (w *world) signed() {
	w.t.Helper()
	dir := w.lab.Dir(w.project)
	tag, err := output(w.ctx, dir, "git", "cat-file", "tag", version)
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
	if tip := w.lab.Ref(w.project, "refs/heads/master"); !strings.Contains(tag, "object "+tip) {
		w.t.Errorf("the tag is not of the tip of the branch, %s:\n%s", tip, tag)
	}
}

// published looks at the archive as clients find it.
func (w *world) published() {
	w.t.Helper()
	found, err := filepath.Glob(filepath.Join(w.dir, "archive", "dists", "stable", "main", "binary-amd64", "Packages"))
	w.must(err)
	for _, file := range found {
		text, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(text), "Package: harbour\nVersion: "+version+"-1\n") {
			return
		}
	}
	w.t.Errorf("the archive does not have the package: %v", found)
}
