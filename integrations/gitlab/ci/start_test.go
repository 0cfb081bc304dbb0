package ci

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/bot/pipeline"
	fake "slipway/test/fakes/gitlab"
)

func TestThePipelineOfThePushIsTaken(t *testing.T) {
	w := newWorld(t, rules)
	ofCommit := w.pipelines("push")[0]
	// Later pipelines of the branch, and one that somebody started of this commit by hand, are others.
	w.push("master", "Next", map[string]string{"a": "1"})
	out, err := w.start().Do(t.Context(), key("trial"), w.in("master", w.commit))
	if err != nil || out.Pipeline != strconv.Itoa(ofCommit.ID) || !strings.HasSuffix(out.URL, "/-/pipelines/"+out.Pipeline) {
		t.Fatalf("%+v, %v", out, err)
	}
	if again, found, err := w.start().Probe(t.Context(), key("trial"), w.in("master", w.commit)); err != nil || !found || again != out {
		t.Errorf("probe: %+v, %v, %v", again, found, err)
	}
	if n := len(w.pipelines("")); n != 2 || w.pauses != 0 {
		t.Errorf("%d pipelines, %d pauses", n, w.pauses)
	}
	// A tag has a pipeline of its own, though the commit is the same.
	w.must(w.site.SetRef(w.id, w.person.ID, "refs/tags/2019.01", w.commit))
	tagged, err := w.start().Do(t.Context(), key("builds"), w.in("2019.01", w.commit))
	if err != nil || tagged.Pipeline == out.Pipeline {
		t.Errorf("%+v, %v", tagged, err)
	}
	if got := w.read(tagged.Pipeline, "2019.01", w.commit); got.State != pipeline.Pending || got.URL != tagged.URL {
		t.Errorf("%+v", got)
	}
}

// late is a CI file whose jobs only pipelines of the API have.
const late = "unit: {script: [make], rules: [{if: '$CI_PIPELINE_SOURCE == \"api\"'}]}\n"

func TestOneIsMadeWhereThePushMadeNone(t *testing.T) {
	w := newWorld(t, late)
	in := w.in("master", w.commit)
	if _, found, err := w.start().Probe(t.Context(), key("trial"), in); found || err != nil {
		t.Fatalf("before: %v, %v", found, err)
	}
	out, err := w.start().Do(t.Context(), key("trial"), in)
	if err != nil {
		t.Fatal(err)
	}
	made := w.pipelines("")
	if len(made) != 1 || made[0].SHA != w.commit || made[0].Ref != "master" || out.Pipeline != strconv.Itoa(made[0].ID) ||
		len(made[0].Variables) != 1 || made[0].Variables[0] != (fake.Variable{Key: "SLIPWAY_KEY", Value: key("trial").String()}) {
		t.Errorf("%+v, %+v", out, made)
	}
	if wait := time.Duration(w.pauses) * look; wait < appear {
		t.Errorf("it waited %s for the pipeline of the push", wait)
	}
	// The same key is the same pipeline, in a new process too; another key is another one.
	w.client = w.open()
	for range 2 {
		if again, found, err := w.start().Probe(t.Context(), key("trial"), in); err != nil || !found || again != out {
			t.Errorf("probe: %+v, %v, %v", again, found, err)
		}
		if again, err := w.start().Do(t.Context(), key("trial"), in); err != nil || again != out {
			t.Errorf("again: %+v, %v", again, err)
		}
	}
	if other, err := w.start().Do(t.Context(), key("other"), in); err != nil || other == out || len(w.pipelines("")) != 2 {
		t.Errorf("another key: %+v, %v", other, err)
	}
	// It is found after the branch went on, too.
	w.push("master", "Next", map[string]string{"a": "1"})
	if again, found, err := w.start().Probe(t.Context(), key("trial"), in); err != nil || !found || again != out {
		t.Errorf("later: %+v, %v, %v", again, found, err)
	}
	// But none of it can be made any more.
	if _, err := w.start().Do(t.Context(), key("third"), in); !errs.Is(err, errs.Conflict) || !strings.Contains(errs.Text(err), w.commit) || len(w.pipelines("")) != 2 {
		t.Errorf("of a branch that went on: %v", err)
	}
}

// blind is a connection over which no pipeline of a push is seen yet.
type blind struct{ on atomic.Bool }

func (b *blind) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && b.on.Load() && strings.HasSuffix(r.URL.Path, "/pipelines") && r.URL.Query().Get("source") == "push" {
		_ = resp.Body.Close()
		resp.Body = io.NopCloser(strings.NewReader("[]"))
	}
	return resp, err
}

func TestThePipelineOfThePushMayComeLate(t *testing.T) {
	w := newWorld(t, rules)
	b := &blind{}
	w.http = &http.Client{Transport: b}
	w.client = w.open()
	b.on.Store(true)
	w.paused = func(n int) { b.on.Store(n < 3) }
	out, err := w.start().Do(t.Context(), key("trial"), w.in("master", w.commit))
	if err != nil || len(w.pipelines("")) != 1 || out.Pipeline != strconv.Itoa(w.pipelines("push")[0].ID) || w.pauses != 3 {
		t.Errorf("%+v, %v, %d pauses", out, err, w.pauses)
	}
}

func TestASkippedPushIsNoPipeline(t *testing.T) {
	w := newWorld(t, rules)
	skipped := w.push("master", "Release [skip ci]", map[string]string{"a": "1"})
	out, err := w.start().Do(t.Context(), key("trial"), w.in("master", skipped))
	if err != nil || len(w.pipelines("api")) != 1 || out.Pipeline != strconv.Itoa(w.pipelines("api")[0].ID) {
		t.Errorf("%+v, %v, %+v", out, err, w.pipelines(""))
	}
}

func TestASecondAttemptHasAPipelineOfItsOwn(t *testing.T) {
	w := newWorld(t, rules)
	first, err := w.start().Do(t.Context(), key("trial"), w.in("master", w.commit))
	w.must(err)
	undone := key("trial")
	undone.Generation = 1
	again := w.in("master", w.commit)
	again.Attempt = 2
	second, err := w.start().Do(t.Context(), undone, w.in("master", w.commit))
	w.must(err)
	third, err := w.start().Do(t.Context(), key("attempt"), again)
	w.must(err)
	if first == second || second == third || len(w.pipelines("api")) != 2 || w.pauses != 0 {
		t.Errorf("%v, %v, %v; %d pauses", first, second, third, w.pauses)
	}
}

func TestARefThatLostTheCommitIsRefused(t *testing.T) {
	w := newWorld(t, rules)
	w.must(w.site.SetRef(w.id, w.person.ID, "refs/tags/2019.01", w.commit))
	next := w.push("master", "Next", map[string]string{"a": "1"})
	for name, c := range map[string]struct {
		do   func()
		ref  string
		of   string
		kind errs.Kind
		want []string
	}{
		"a tag that was moved": {func() { w.must(w.site.SetRef(w.id, w.person.ID, "refs/tags/2019.01", next)) }, "2019.01", w.commit, errs.Conflict, []string{w.commit, next}},
		"a branch forced back": {func() { w.must(w.site.SetRef(w.id, w.person.ID, "refs/heads/master", w.commit)) }, "master", next, errs.Conflict, []string{w.commit, next}},
		"nothing of that name": {func() {}, "2019.02", w.commit, errs.NotFound, []string{"no branch and no tag", "push it first"}},
		"an option":            {func() {}, "-x", w.commit, errs.Invalid, []string{"not the name"}},
		"half a commit":        {func() {}, "master", w.commit[:8], errs.Invalid, []string{"not the id of a commit"}},
	} {
		c.do()
		before := len(w.pipelines(""))
		_, err := w.start().Do(t.Context(), key("trial"), w.in(c.ref, c.of))
		_, found, probed := w.start().Probe(t.Context(), key("trial"), w.in(c.ref, c.of))
		if !errs.Is(err, c.kind) || found || errs.Text(probed) != errs.Text(err) || errs.HintOf(err) == "" || len(w.pipelines("")) != before {
			t.Errorf("%s: %v; probe %v", name, errs.Text(err), probed)
		}
		contains(t, errs.Text(err), c.want...)
	}
	w.must(w.site.SetRef(w.id, w.person.ID, "refs/heads/2019.01", w.commit))
	if _, err := w.start().Do(t.Context(), key("trial"), w.in("2019.01", w.commit)); !errs.Is(err, errs.Conflict) || !strings.Contains(errs.Text(err), "a branch and a tag") {
		t.Errorf("two of one name: %v", err)
	}
	w.site.RenameProject(w.id, "yard/quay")
	w.shift = time.Hour
	if _, err := w.start().Do(t.Context(), key("trial"), w.in("master", w.commit)); !errs.Is(err, errs.Conflict) || !strings.Contains(errs.Text(err), "yard/quay") {
		t.Errorf("renamed: %v", err)
	}
}

func TestNoSecondPipelineWhateverBreaks(t *testing.T) {
	post := fake.Fault{Method: "POST", Path: "/projects/*/pipeline"}
	for name, c := range map[string]struct {
		do   fake.Kind
		kind errs.Kind
		made int // right after the try
	}{
		"502 after it was done":      {fake.BadGatewayAfter, errs.Doubtful, 1},
		"502 before":                 {fake.BadGateway, errs.Doubtful, 0},
		"reset after it was done":    {fake.ResetAfter, errs.Doubtful, 1},
		"429":                        {fake.TooMany, errs.Busy, 0},
		"no answer after it's done":  {fake.HangAfter, errs.Doubtful, 1},
		"no answer before it's done": {fake.Hang, errs.Doubtful, 0},
		"409":                        {fake.Conflict, errs.Conflict, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, late)
			fault := post
			fault.Do = c.do
			w.site.Fault(fault)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			in, start := w.in("master", w.commit), w.start()
			if strings.HasPrefix(string(c.do), "hang") {
				// The time of the engine runs out while the request hangs.
				go func() {
					for ctx.Err() == nil {
						posted := slices.ContainsFunc(w.site.Requests(), func(r fake.Request) bool { return r.Method == "POST" })
						if posted && len(w.pipelines("")) == c.made {
							cancel()
						}
						runtime.Gosched()
					}
				}()
			}
			_, err := start.Do(ctx, key("trial"), in)
			if !errs.Is(err, c.kind) || len(w.pipelines("")) != c.made || strings.Contains(err.Error(), w.token) {
				t.Fatalf("%v: %v; %d pipelines", errs.KindOf(err), err, len(w.pipelines("")))
			}
			// What the engine does next: it looks, and tries again only if there is nothing.
			w.client, w.shift = w.open(), time.Hour
			out, found, err := w.start().Probe(t.Context(), key("trial"), in)
			if err != nil || found != (c.made == 1) {
				t.Fatalf("probe: %v, %v", found, err)
			}
			if !found {
				if out, err = w.start().Do(t.Context(), key("trial"), in); err != nil {
					t.Fatal(err)
				}
			}
			if all := w.pipelines(""); len(all) != 1 || out.Pipeline != strconv.Itoa(all[0].ID) {
				t.Errorf("%+v; %+v", out, all)
			}
		})
	}
}

func TestWhatGitLabRefusesIsSaid(t *testing.T) {
	w := newWorld(t, "")
	if _, err := w.start().Do(t.Context(), key("trial"), w.in("master", w.commit)); !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Text(err), "Missing CI config file") {
		t.Errorf("no CI file: %v", err)
	}
	w = newWorld(t, "unit: {script: [make], only: [tags]}\n")
	if _, err := w.start().Do(t.Context(), key("trial"), w.in("master", w.commit)); !errs.Is(err, errs.Invalid) || !strings.Contains(errs.HintOf(err), "CI_PIPELINE_SOURCE") {
		t.Errorf("no jobs: %v", err)
	}
	w.site.AddMember(w.id, w.bot.ID, fake.Reporter)
	if _, err := w.start().Do(t.Context(), key("trial"), w.in("master", w.commit)); !errs.Is(err, errs.Denied) || errs.HintOf(err) == "" {
		t.Errorf("no rights: %v", err)
	}
	var none Start
	if _, err := none.Do(t.Context(), key("trial"), w.in("master", w.commit)); !errs.Is(err, errs.Unavailable) {
		t.Errorf("no GitLab: %v", err)
	}
}

func TestAPipelineThatCannotBeLookedIntoIsNotTakenForAnother(t *testing.T) {
	w := newWorld(t, late)
	in := w.in("master", w.commit)
	_, err := w.start().Do(t.Context(), key("trial"), in)
	w.must(err)
	// It made this one: in doubt it makes no second.
	hide := &hidden{}
	w.http = &http.Client{Transport: hide}
	w.client = w.open()
	if _, err := w.start().Do(t.Context(), key("trial"), in); !errs.Is(err, errs.Denied) || !strings.Contains(errs.Text(err), "which it may have made") || len(w.pipelines("")) != 1 {
		t.Errorf("its own: %v; %d pipelines", err, len(w.pipelines("")))
	}
	// What somebody else made is not the bot's affair.
	w = newWorld(t, late)
	theirs := w.token
	w.token = w.site.AddToken(w.person.ID)
	w.client = w.open()
	_, err = w.start().Do(t.Context(), key("theirs"), w.in("master", w.commit))
	w.must(err)
	w.token, w.http = theirs, &http.Client{Transport: hide}
	w.client = w.open()
	if _, found, err := w.start().Probe(t.Context(), key("trial"), w.in("master", w.commit)); found || err != nil {
		t.Errorf("of somebody else: %v, %v", found, err)
	}
}

// hidden is a GitLab that shows nobody the variables of pipelines.
type hidden struct{}

func (*hidden) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && strings.HasSuffix(r.URL.Path, "/variables") {
		resp.StatusCode = http.StatusForbidden
	}
	return resp, err
}
