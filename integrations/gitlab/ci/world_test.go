package ci

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/pipeline"
	"slipway/integrations/gitlab"
	fake "slipway/test/fakes/gitlab"
)

// rules is a CI file: two stages, a job that may fail, and one that only pipelines of pushes have.
const rules = `stages: [test, package]
lint: {stage: test, script: [lint], allow_failure: true}
unit: {stage: test, script: [make check]}
package: {stage: package, script: [dpkg-buildpackage]}
`

// world is a project at a GitLab, and the actions of a bot that may start pipelines there.
type world struct {
	t      *testing.T
	site   *fake.Server
	id     int
	person fake.User
	bot    fake.User
	token  string
	client *gitlab.Client
	http   *http.Client // nil: the client's own
	remote string
	commit string // the tip of master
	shift  time.Duration
	pauses int
	paused func(n int) // called at each pause
	kept   depot
}

// depot keeps content by its digest.
type depot map[string]string

func (d depot) PutFrom(_ context.Context, r io.Reader, limit int64) (string, int64, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit))
	if err != nil {
		return "", 0, err
	}
	d[action.DigestOf(data)] = string(data)
	return action.DigestOf(data), int64(len(data)), nil
}

func newWorld(t *testing.T, ciFile string) *world {
	t.Helper()
	w := &world{t: t, site: fake.Start(t, fake.Options{}), kept: depot{}}
	w.person = w.site.AddUser(fake.User{Username: "ada"})
	w.bot = w.site.AddUser(fake.User{Username: "slipway-bot", Bot: true})
	w.id = w.site.AddProject(fake.Project{Path: "yard/harbour", Members: map[int]int{w.person.ID: fake.Maintainer, w.bot.ID: fake.Maintainer}})
	w.remote = w.site.URL + "/yard/harbour.git"
	w.token = w.site.AddToken(w.bot.ID)
	files := map[string]string{"README": "harbour\n"}
	if ciFile != "" {
		files[".gitlab-ci.yml"] = ciFile
	}
	w.commit = w.push("master", "Start", files)
	w.client = w.open()
	return w
}

func (w *world) now() time.Time { return time.Now().Add(w.shift) }

// open makes a client, as a restarted bot does.
func (w *world) open() *gitlab.Client {
	w.t.Helper()
	c, err := gitlab.New(gitlab.Options{URL: w.site.URL, Token: w.token, HTTP: w.http, Now: w.now,
		Projects: []gitlab.Project{{Remote: w.remote, ID: w.id}}})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) push(branch, subject string, files map[string]string) string {
	w.t.Helper()
	id, err := w.site.CommitFiles(w.id, w.person.ID, branch, subject, files)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// start is ci.start that does not wait by the clock.
func (w *world) start() Start {
	return Start{c: w.client, pause: func(context.Context, time.Duration) error {
		w.pauses++
		if w.paused != nil {
			w.paused(w.pauses)
		}
		return nil
	}}
}

func (w *world) in(ref, commit string) pipeline.StartIn {
	return pipeline.StartIn{Remote: w.remote, Ref: ref, Commit: commit, Command: []string{"make", "check"}}
}

func key(step string) action.Key { return action.Key{Run: "run-1", Step: step, Inputs: "sha256:0"} }

// pipelines are those of the project, by source.
func (w *world) pipelines(source string) (out []fake.Pipeline) {
	for _, p := range w.site.Pipelines(w.id) {
		if source == "" || p.Source == source {
			out = append(out, p)
		}
	}
	return out
}

func (w *world) read(id, ref, commit string) pipeline.ReadOut {
	w.t.Helper()
	out, err := NewPipeline(w.client).Do(w.t.Context(), key("read"), pipeline.ReadIn{Remote: w.remote, Ref: ref, Commit: commit, Pipeline: id})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// job is a job of a pipeline by its name, the one that counts.
func (w *world) job(pipeline int, name string) fake.Job {
	w.t.Helper()
	for _, j := range slices.Backward(w.site.Jobs(pipeline)) {
		if j.Name == name && !j.Retried {
			return j
		}
	}
	w.t.Fatalf("the pipeline %d has no job %s", pipeline, name)
	return fake.Job{}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func number(t *testing.T, id string) int {
	t.Helper()
	n, err := strconv.Atoi(id)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is not in\n%s", p, text)
		}
	}
}
