package ci

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/bot/pipeline"
	fake "slipway/test/fakes/gitlab"
)

func TestEveryStatusOfGitLabIsKnown(t *testing.T) {
	for status, want := range map[string]string{
		"created": pipeline.Pending, "waiting_for_resource": pipeline.Pending, "preparing": pipeline.Pending, "waiting_for_callback": pipeline.Pending,
		"pending": pipeline.Pending, "running": pipeline.Running, "success": pipeline.Success, "failed": pipeline.Failed, "canceled": pipeline.Canceled,
		"canceling": pipeline.Running, "skipped": pipeline.Canceled, "manual": pipeline.Pending, "scheduled": pipeline.Pending, "something new": pipeline.Pending, "": pipeline.Pending,
	} {
		if got := state(status); got != want {
			t.Errorf("%s is %s, want %s", status, got, want)
		}
	}
}

func TestAPipelineIsReadByItsIdRefAndCommit(t *testing.T) {
	w := newWorld(t, rules)
	first := w.pipelines("")[0].ID
	id := strconv.Itoa(first)
	if got := w.read(id, "master", w.commit); got.State != pipeline.Pending || !strings.Contains(got.URL, id) {
		t.Errorf("%+v", got)
	}
	w.must(w.site.RunJob(w.job(first, "unit").ID))
	if got := w.read("", "master", w.commit); got.State != pipeline.Running || got.Log != "" {
		t.Errorf("%+v", got)
	}
	next := w.push("master", "Next", map[string]string{"a": "1"})
	w.must(w.site.FinishPipeline(first, "success"))
	// A newer pipeline of the branch changes nothing, with the id or without it.
	for _, name := range []string{id, ""} {
		if got := w.read(name, "master", w.commit); got.State != pipeline.Success || !strings.HasSuffix(got.URL, id) {
			t.Errorf("%q: %+v", name, got)
		}
		if got := w.read("", "master", next); got.State != pipeline.Pending || strings.HasSuffix(got.URL, id) {
			t.Errorf("the next: %+v", got)
		}
	}
	read := NewPipeline(w.client)
	for name, c := range map[string]struct {
		in   pipeline.ReadIn
		kind errs.Kind
		want string
	}{
		"another commit": {pipeline.ReadIn{Pipeline: id, Ref: "master", Commit: next}, errs.Conflict, w.commit},
		"another ref":    {pipeline.ReadIn{Pipeline: id, Ref: "2019.01", Commit: w.commit}, errs.Conflict, "is of \"master\""},
		"no such":        {pipeline.ReadIn{Pipeline: "999999", Ref: "master", Commit: w.commit}, errs.NotFound, "no pipeline 999999"},
		"no number":      {pipeline.ReadIn{Pipeline: "1/../2", Ref: "master", Commit: w.commit}, errs.Invalid, "not the id of a pipeline"},
	} {
		c.in.Remote = w.remote
		if _, err := read.Do(t.Context(), key("read"), c.in); !errs.Is(err, c.kind) || !strings.Contains(errs.Text(err), c.want) {
			t.Errorf("%s: %v: %v", name, errs.KindOf(err), err)
		}
	}
	// Nobody can tell which of several is meant that no push made.
	w = newWorld(t, late)
	if got := w.read("", "master", w.commit); got.State != pipeline.Pending || got.Log != "it has not been started" {
		t.Errorf("%+v", got)
	}
	one, err := w.start().Do(t.Context(), key("one"), w.in("master", w.commit))
	w.must(err)
	if got := w.read("", "master", w.commit); got.URL != one.URL {
		t.Errorf("%+v, want %+v", got, one)
	}
	_, err = w.start().Do(t.Context(), key("two"), w.in("master", w.commit))
	w.must(err)
	if _, err := NewPipeline(w.client).Do(t.Context(), key("r"), pipeline.ReadIn{Remote: w.remote, Ref: "master", Commit: w.commit}); !errs.Is(err, errs.Conflict) || !strings.Contains(errs.Text(err), "has 2 pipelines") {
		t.Errorf("two: %v", err)
	}
	w.must(w.site.SetRef(w.id, w.person.ID, "refs/tags/2019.01", w.commit))
	other := w.push("master", "Next", map[string]string{"a": "1"})
	w.must(w.site.SetRef(w.id, w.person.ID, "refs/tags/2019.01", other))
	if _, err := NewPipeline(w.client).Do(t.Context(), key("r"), pipeline.ReadIn{Remote: w.remote, Ref: "2019.01", Commit: w.commit}); !errs.Is(err, errs.Conflict) || !strings.Contains(errs.Text(err), other) {
		t.Errorf("a tag that moved: %v", err)
	}
}

func TestWhatFailedIsToldWithTheEndOfItsLog(t *testing.T) {
	w := newWorld(t, rules)
	id := w.pipelines("")[0].ID
	w.must(w.site.SetTrace(w.job(id, "lint").ID, "never shown\n"))
	w.must(w.site.FinishJob(w.job(id, "lint").ID, "failed"))
	trace := strings.Repeat("an early line that nobody needs any more\n", 5000) +
		"section_start:1560896352:step_script\r\x1b[0K\x1b[36;1m$ make check\x1b[0;m\n2024-05-22T12:12:12.123456Z 01O 3 passed\n" +
		"10%\r20%\rTEST berth_test failed\x1b]0;title\x07\u202e\x00\nsection_end:1560896353:step_script\r\x1b[0K\x1b[31;1mERROR: Job failed: exit code 1\n\x1b[0;m"
	w.must(w.site.SetTrace(w.job(id, "unit").ID, trace))
	w.must(w.site.FinishJob(w.job(id, "unit").ID, "failed"))
	got := w.read(strconv.Itoa(id), "master", w.commit)
	if got.State != pipeline.Failed || len(got.Log) > toldBytes || strings.Contains(got.Log, "lint") {
		t.Errorf("%+v", got)
	}
	contains(t, got.Log, "the job unit (stage test) failed: script failure\n", "  $ make check\n  3 passed\n  TEST berth_test failed\n  ERROR: Job failed: exit code 1")
	if strings.ContainsAny(got.Log, "\x1b\r\x00\u202e\x07") || strings.Contains(got.Log, "section_") || strings.Contains(got.Log, "10%") {
		t.Errorf("the log has what nobody reads:\n%q", got.Log)
	}
	// A log that cannot be had does not hide the verdict.
	w.site.Fault(fake.Fault{Path: "/projects/*/jobs/*/trace", Do: fake.BadGateway})
	if got := w.read(strconv.Itoa(id), "master", w.commit); got.State != pipeline.Failed || !strings.Contains(got.Log, "its log cannot be read") {
		t.Errorf("%+v", got)
	}
}

func TestWhatAPipelineWaitsForIsTold(t *testing.T) {
	w := newWorld(t, "stages: [test, deploy]\nlint: {stage: test, script: [x], allow_failure: true}\nship: {stage: deploy, script: [x], when: manual, allow_failure: false}\n")
	id := w.pipelines("")[0].ID
	if got := w.read("", "master", w.commit); got.State != pipeline.Pending || got.Log != "it waits for a runner" {
		t.Errorf("%+v", got)
	}
	w.must(w.site.FinishJob(w.job(id, "lint").ID, "failed"))
	if got := w.read("", "master", w.commit); got.State != pipeline.Pending || got.Log != "it waits for a person to press play on the job ship" {
		t.Errorf("%+v", got)
	}
	w.must(w.site.FinishJob(w.job(id, "ship").ID, "success"))
	if got := w.read("", "master", w.commit); got.State != pipeline.Success || got.Log != "it passed; what may fail did: the job lint" {
		t.Errorf("%+v", got)
	}
	broken := w.push("master", "Broken", map[string]string{".gitlab-ci.yml": "unit: {stage: nowhere, script: [x]}\n"})
	if got := w.read("", "master", broken); got.State != pipeline.Failed || !strings.Contains(got.Log, ".gitlab-ci.yml is wrong: unit job: chosen stage nowhere") {
		t.Errorf("%+v", got)
	}
	skipped := w.push("other", "Skip [ci skip]", map[string]string{".gitlab-ci.yml": rules})
	for _, p := range w.pipelines("") {
		if p.SHA == skipped {
			if got := w.read(strconv.Itoa(p.ID), "other", skipped); got.State != pipeline.Canceled || !strings.Contains(got.Log, "skipped it") {
				t.Errorf("%+v", got)
			}
		}
	}
	if got := w.read("", "other", skipped); got.State != pipeline.Pending || got.Log != "it has not been started" {
		t.Errorf("%+v", got)
	}
}

func TestAPipelineIsStoppedAndBegunAgain(t *testing.T) {
	w := newWorld(t, rules)
	id := w.pipelines("")[0].ID
	cancel, retry := NewCancel(w.client), NewRetry(w.client)
	stop, in := pipeline.CancelIn{Remote: w.remote, Pipeline: strconv.Itoa(id)}, pipeline.RetryIn{Remote: w.remote, Commit: w.commit, Pipeline: strconv.Itoa(id)}
	status := func() string { return w.pipelines("")[0].Status }
	if _, found, err := cancel.Probe(t.Context(), key("c"), stop); found || err != nil {
		t.Errorf("%v, %v", found, err)
	}
	// What works already is left alone.
	if out, err := retry.Do(t.Context(), key("r"), in); err != nil || out.State != pipeline.Pending || len(w.site.Jobs(id)) != 3 {
		t.Errorf("%+v, %v", out, err)
	}
	w.site.Fault(fake.Fault{Method: "POST", Path: "/projects/*/pipelines/*/cancel", Do: fake.BadGatewayAfter})
	if _, err := cancel.Do(t.Context(), key("c"), stop); !errs.Is(err, errs.Doubtful) {
		t.Errorf("a lost answer: %v", err)
	}
	if out, found, err := cancel.Probe(t.Context(), key("c"), stop); !found || err != nil || out.State != pipeline.Canceled || status() != "canceled" {
		t.Errorf("%+v, %v, %v; it is %s", out, found, err, status())
	}
	if out, err := cancel.Do(t.Context(), key("c"), stop); err != nil || out.State != pipeline.Canceled {
		t.Errorf("%+v, %v", out, err)
	}
	if _, found, err := retry.Probe(t.Context(), key("r"), in); found || err != nil {
		t.Errorf("%v, %v", found, err)
	}
	w.site.Fault(fake.Fault{Method: "POST", Path: "/projects/*/pipelines/*/retry", Do: fake.ResetAfter})
	if _, err := retry.Do(t.Context(), key("r"), in); !errs.Is(err, errs.Doubtful) {
		t.Errorf("a lost answer: %v", err)
	}
	jobs := len(w.site.Jobs(id))
	if out, found, err := retry.Probe(t.Context(), key("r"), in); !found || err != nil || pipeline.Ended(out.State) {
		t.Errorf("%+v, %v, %v", out, found, err)
	}
	if out, err := retry.Do(t.Context(), key("r"), in); err != nil || pipeline.Ended(out.State) || len(w.site.Jobs(id)) != jobs {
		t.Errorf("%+v, %v: %d jobs, there were %d", out, err, len(w.site.Jobs(id)), jobs)
	}
	w.must(w.site.FinishPipeline(id, "success"))
	if out, err := cancel.Do(t.Context(), key("c"), stop); err != nil || out.State != pipeline.Success {
		t.Errorf("what passed is %+v, %v", out, err)
	}
	in.Commit = strings.Repeat("0", 40)
	if _, err := retry.Do(t.Context(), key("r"), in); !errs.Is(err, errs.Conflict) || !strings.Contains(errs.Text(err), w.commit) {
		t.Errorf("another commit: %v", err)
	}
	if _, err := cancel.Do(t.Context(), key("c"), pipeline.CancelIn{Pipeline: stop.Pipeline}); !errs.Is(err, errs.Invalid) {
		t.Errorf("no repository: %v", err)
	}
	broken := w.push("master", "Broken", map[string]string{".gitlab-ci.yml": "unit: {stage: nowhere, script: [x]}\n"})
	for _, p := range w.pipelines("") {
		if p.SHA == broken {
			in.Commit, in.Pipeline = broken, strconv.Itoa(p.ID)
		}
	}
	if _, err := retry.Do(t.Context(), key("r"), in); !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Text(err), "nothing in the pipeline") {
		t.Errorf("nothing to run: %v", err)
	}
}

func TestAGitLabThatIsAwayIsAskedAgain(t *testing.T) {
	w := newWorld(t, rules)
	w.site.BadGateways(true)
	w.shift = time.Hour
	if _, err := NewPipeline(w.client).Do(t.Context(), key("r"), pipeline.ReadIn{Remote: w.remote, Ref: "master", Commit: w.commit}); !errs.Is(err, errs.Unavailable) || strings.Contains(err.Error(), w.token) {
		t.Errorf("%v: %v", errs.KindOf(err), err)
	}
	w.site.BadGateways(false)
	if got := w.read("", "master", w.commit); got.State != pipeline.Pending {
		t.Errorf("%+v", got)
	}
}
