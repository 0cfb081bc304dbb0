package gitlab

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// keel puts a CI file onto master and gives the pipeline that follows.
func (y *yard) keel(ci string) Pipeline {
	y.Helper()
	if _, err := y.s.CommitFiles(y.harbour, y.ada.ID, "master", "Lay the keel", map[string]string{ciFile: ci}); err != nil {
		y.Fatal(err)
	}
	all := y.s.Pipelines(y.harbour)
	if len(all) != 1 {
		y.Fatalf("%d pipelines, want 1", len(all))
	}
	return all[0]
}

// jobs writes how the jobs of a pipeline are, those that count.
func (y *yard) jobs(pipeline int) string {
	var out []string
	for _, j := range y.s.Jobs(pipeline) {
		if !j.Retried {
			out = append(out, j.Name+"="+j.Status)
		}
	}
	return strings.Join(out, " ")
}

func (y *yard) job(pipeline int, name string) int {
	y.Helper()
	for _, j := range slices.Backward(y.s.Jobs(pipeline)) {
		if j.Name == name {
			return j.ID
		}
	}
	y.Fatalf("no job %s", name)
	return 0
}

func (y *yard) must(err error) {
	y.Helper()
	if err != nil {
		y.Fatal(err)
	}
}

func TestAPipelineFollowsItsJobs(t *testing.T) {
	y := newYard(t, Options{})
	pl := y.keel(shipCI)
	want := func(status, jobs string) {
		t.Helper()
		got := y.do(200, "GET", y.at("/pipelines/%d", pl.ID), nil).object(t)["status"]
		if got != status || y.jobs(pl.ID) != jobs {
			t.Errorf("the pipeline is %v with %s, want %s with %s", got, y.jobs(pl.ID), status, jobs)
		}
	}
	want("pending", "compile=pending style=pending check=created")
	y.must(y.s.FinishJob(y.job(pl.ID, "style"), "failed"))
	want("pending", "compile=pending style=failed check=created") // what may fail is passed over
	y.must(y.s.FinishJob(y.job(pl.ID, "compile"), "failed"))
	want("failed", "compile=failed style=failed check=skipped")
	y.do(201, "POST", y.at("/pipelines/%d/retry", pl.ID), nil)
	want("pending", "check=created compile=pending style=pending")
	if n := len(y.do(200, "GET", y.at("/pipelines/%d/jobs?include_retried=true", pl.ID), nil).list(t)); n != 5 {
		t.Errorf("%d jobs with those that were retried, want 5", n)
	}
	y.must(y.s.FinishPipeline(pl.ID, "success"))
	want("success", "check=success compile=success style=success")
	var statuses []string
	for _, e := range y.told("pipeline") {
		statuses = append(statuses, e["object_attributes"].(map[string]any)["status"].(string))
	}
	if got := strings.Join(statuses, " "); got != "pending running pending running failed pending running success" {
		t.Errorf("told: %s", got)
	}
	y.do(403, "POST", y.at("/jobs/%d/retry", y.s.Jobs(pl.ID)[0].ID), nil)
}

func TestPipelinesAreMadeFilteredAndCanceled(t *testing.T) {
	y := newYard(t, Options{})
	pl := y.keel(shipCI + "release: {stage: test, script: [ship], when: manual, rules: [{if: $SLIPWAY_KEY, when: manual, allow_failure: true}]}\n")
	made := y.do(201, "POST", y.at("/pipeline"), map[string]any{"ref": "master", "variables": []any{map[string]any{"key": "SLIPWAY_KEY", "value": "k1"}}}).object(t)
	id := int(made["id"].(float64))
	if vars := y.do(200, "GET", y.at("/pipelines/%d/variables", id), nil).list(t); len(vars) != 1 || vars[0]["value"] != "k1" {
		t.Errorf("variables: %v", vars)
	}
	y.must(y.s.FinishPipeline(id, "success"))
	if got := y.jobs(id); got != "compile=success style=success check=success release=manual" {
		t.Errorf("jobs: %s", got)
	}
	y.do(200, "POST", y.at("/jobs/%d/play", y.job(id, "release")), nil)
	y.must(y.s.FinishJob(y.job(id, "release"), "success"))
	y.do(200, "POST", y.at("/pipelines/%d/cancel", pl.ID), nil)
	for query, want := range map[string]string{
		"":                                      fmt.Sprint(id, pl.ID),
		"sort=asc":                              fmt.Sprint(pl.ID, id),
		"status=canceled":                       fmt.Sprint(pl.ID),
		"source=api&sha=" + pl.SHA:              fmt.Sprint(id),
		"ref=nothing":                           "",
		"scope=tags":                            "",
		"sha=" + pl.SHA + "&per_page=1":         fmt.Sprint(id),
		"ref=master&scope=finished&source=push": fmt.Sprint(pl.ID),
	} {
		var got []string
		for _, x := range y.do(200, "GET", y.at("/pipelines")+"?"+query, nil).list(t) {
			got = append(got, fmt.Sprint(x["id"]))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("?%s lists %v, want %s", query, got, want)
		}
	}
	for in, says := range map[string]string{"": "ref is missing", "nothing": "Reference not found"} {
		body := map[string]any{}
		if in != "" {
			body["ref"] = in
		}
		if a := y.do(400, "POST", y.at("/pipeline"), body); !strings.Contains(string(a.raw), says) {
			t.Errorf("%q: %s", in, a.raw)
		}
	}
	y.do(400, "GET", y.at("/pipelines?status=nice"), nil)
}

func TestThePipelineOfAPushMayComeLate(t *testing.T) {
	y := newYard(t, Options{})
	y.s.DelayPipelines(true)
	first, err := y.s.CommitFiles(y.harbour, y.ada.ID, "master", "Begin", map[string]string{ciFile: shipCI})
	y.must(err)
	_, err = y.s.CommitFiles(y.harbour, y.ada.ID, "master", "Go on", map[string]string{"README": "a ship\n"})
	y.must(err)
	if all := y.s.Pipelines(y.harbour); len(all) != 0 {
		t.Errorf("pipelines: %+v", all)
	}
	y.s.DelayPipelines(false)
	if all := y.s.Pipelines(y.harbour); len(all) != 2 || all[0].SHA != first {
		t.Errorf("pipelines: %+v", all)
	}
	if text, _ := y.s.File(y.harbour, "master", "README"); text != "a ship\n" || len(y.s.Commits(y.harbour, "master")) != 2 {
		t.Errorf("README is %q in the last of %d commits", text, len(y.s.Commits(y.harbour, "master")))
	}
}

func TestWhatAPushMakesOfItsCIFile(t *testing.T) {
	for _, c := range []struct{ what, ci, status, problem string }{
		{"good", shipCI, "pending", ""},
		{"only tags", "ship: {script: [x], only: [tags]}", "", ""},
		{"no YAML", "a: [", "failed", "not correct YAML"},
		{"no script", "a: {stage: test}", "failed", "should implement"},
		{"an unknown stage", "a: {stage: sail, script: [x]}", "failed", "chosen stage sail does not exist"},
		{"workflow", "workflow: {rules: [{if: $CI_COMMIT_TAG}]}\na: {script: [x]}", "", ""},
	} {
		y := newYard(t, Options{})
		_, err := y.s.CommitFiles(y.harbour, y.ada.ID, "master", "Begin", map[string]string{ciFile: c.ci})
		y.must(err)
		all := y.s.Pipelines(y.harbour)
		if c.status == "" && len(all) == 0 {
			continue
		}
		if len(all) != 1 || all[0].Status != c.status || !strings.Contains(all[0].Errors, c.problem) {
			t.Errorf("%s: %+v", c.what, all)
		}
	}
}

func TestArtifactsAndLogsBelongToJobs(t *testing.T) {
	y := newYard(t, Options{})
	pl := y.keel(shipCI)
	job := y.job(pl.ID, "compile")
	if a := y.do(404, "GET", y.at("/jobs/%d/artifacts", job), nil); string(a.raw) != `{"message":"404 Not Found"}` {
		t.Errorf("without artifacts: %s", a.raw)
	}
	y.must(y.s.SetArtifacts(job, map[string][]byte{"out/ship.deb": []byte("a ship")}))
	y.must(y.s.SetTrace(job, "make\nok\n"))
	a := y.do(200, "GET", y.at("/jobs/%d/artifacts", job), nil)
	if a.head.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(string(a.raw), "PK") {
		t.Errorf("%s: %.10q", a.head.Get("Content-Type"), a.raw)
	}
	if raw := y.do(200, "GET", y.at("/jobs/%d/artifacts/out/ship.deb", job), nil).raw; string(raw) != "a ship" {
		t.Errorf("the file is %q", raw)
	}
	if raw := y.do(200, "GET", y.at("/jobs/%d/trace", job), nil).raw; string(raw) != "make\nok\n" {
		t.Errorf("the log is %q", raw)
	}
	y.do(404, "GET", y.at("/jobs/artifacts/master/download?job=compile"), nil)
	y.must(y.s.FinishPipeline(pl.ID, "success"))
	y.do(200, "GET", y.at("/jobs/artifacts/master/download?job=compile"), nil)
	y.must(y.s.SetExpiry(job, y.now.Add(time.Hour)))
	y.do(200, "GET", y.at("/jobs/%d/artifacts", job), nil)
	y.now = y.now.Add(time.Hour)
	y.do(404, "GET", y.at("/jobs/%d/artifacts", job), nil)
}

func TestArchivesInAnObjectStorageAreOnlySignedFor(t *testing.T) {
	y := newYard(t, Options{Storage: true})
	job := y.job(y.keel(shipCI).ID, "compile")
	y.must(y.s.SetArtifacts(job, map[string][]byte{"ship.deb": []byte("a ship")}))
	to := y.do(302, "GET", y.at("/jobs/%d/artifacts", job), nil).head.Get("Location")
	fetch := func(address, token string) int {
		t.Helper()
		q, err := http.NewRequestWithContext(t.Context(), "GET", address, nil)
		y.must(err)
		if token != "" {
			q.Header.Set("PRIVATE-TOKEN", token)
		}
		a, err := http.DefaultClient.Do(q)
		y.must(err)
		defer a.Body.Close()
		return a.StatusCode
	}
	if got := fetch(to, ""); got != 200 {
		t.Errorf("the signed address: %d", got)
	}
	if got := fetch(to, y.token); got != 400 {
		t.Errorf("with a token of GitLab's: %d", got)
	}
	if got := fetch(to+"0", ""); got != 403 {
		t.Errorf("with a wrong signature: %d", got)
	}
}

func TestReleases(t *testing.T) {
	y := newYard(t, Options{})
	tip, err := y.s.CommitFiles(y.harbour, y.ada.ID, "master", "Begin", map[string]string{"README": "a ship\n"})
	y.must(err)
	y.must(y.s.SetRef(y.harbour, y.ada.ID, "refs/tags/v1", tip))
	y.do(400, "POST", y.at("/releases"), map[string]any{"name": "One"})
	y.do(422, "POST", y.at("/releases"), map[string]any{"tag_name": "v9"})
	y.do(400, "POST", y.at("/releases"), map[string]any{"tag_name": "v9", "ref": "nowhere"})
	in := map[string]any{"tag_name": "v1", "name": "One", "description": "The first", "assets": map[string]any{"links": []any{map[string]any{"name": "deb", "url": "https://deb.example/ship.deb"}}}}
	y.do(201, "POST", y.at("/releases"), in)
	if a := y.do(409, "POST", y.at("/releases"), in); string(a.raw) != `{"message":"Release already exists"}` {
		t.Errorf("again: %s", a.raw)
	}
	y.do(400, "PUT", y.at("/releases/v1"), map[string]any{})
	y.do(200, "PUT", y.at("/releases/v1"), map[string]any{"name": nil, "description": "The very first"})
	link := y.do(201, "POST", y.at("/releases/v1/assets/links"), map[string]any{"name": "log", "url": "https://deb.example/log"}).object(t)
	y.do(400, "POST", y.at("/releases/v1/assets/links"), map[string]any{"name": "log", "url": "https://deb.example/other"})
	y.do(200, "DELETE", y.at("/releases/v1/assets/links/%v", link["id"]), nil)
	r := y.s.Releases(y.harbour)
	if len(r) != 1 || r[0].Name != "" || r[0].Description != "The very first" || len(r[0].Links) != 1 || r[0].Author != y.ada.ID {
		t.Errorf("releases: %+v", r)
	}
	if got := y.do(200, "GET", y.at("/releases/v1"), nil).object(t); got["name"] != "v1" || got["commit"].(map[string]any)["id"] != tip {
		t.Errorf("shown: %v", got)
	}
	var actions []string
	for _, e := range y.told("release") {
		actions = append(actions, e["action"].(string))
	}
	if strings.Join(actions, " ") != "create update" {
		t.Errorf("told: %v", actions)
	}
}
