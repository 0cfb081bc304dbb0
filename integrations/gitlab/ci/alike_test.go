package ci

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"slipway/bot/action"
	"slipway/bot/pipeline"
	"slipway/integrations/git"
	"slipway/integrations/gitlab"
	"slipway/integrations/localci"
	fake "slipway/test/fakes/gitlab"
)

func TestBothProvidersFitOneSet(t *testing.T) {
	ours, err := Bind(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	local, err := localci.Bind(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	set, err := action.NewSet(append(local, ours...)...)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(set.Contracts()); n != len(ours) || n != len(local) || n != 5 {
		t.Fatalf("%d contracts of %d and %d", n, len(local), len(ours))
	}
	for _, c := range set.Contracts() {
		here, err := set.Lookup(c.Ref(), gitlab.Provider)
		if err != nil || here.Contract.Doc == "" || here.Contract.Shell == "" {
			t.Errorf("%s: %v", c.Ref(), err)
		}
		there, err := set.Lookup(c.Ref(), "")
		if err != nil || there.Provider != localci.Provider {
			t.Errorf("%s without a provider is that of %q, %v", c.Ref(), there.Provider, err)
		}
	}
	start, _ := set.Lookup("ci.start@1", gitlab.Provider)
	if start.Contract.Policy != action.Lookup || start.Contract.Settle != settle || start.Contract.Timeout <= appear {
		t.Errorf("%+v", start.Contract)
	}
}

// TestABranchIsPushedWithTheTokenAndItsPipelineTaken goes the way of a release: prepare, push with
// git over HTTP, take the pipeline of that push, fetch what it made.
func TestABranchIsPushedWithTheTokenAndItsPipelineTaken(t *testing.T) {
	w := newWorld(t, rules)
	repos, err := git.Open(filepath.Join(t.TempDir(), "git"), git.Options{Credentials: []git.Credential{{Prefix: w.site.URL + "/", User: "oauth2", Password: w.token}}})
	if err != nil {
		t.Fatal(err)
	}
	fork := w.site.AddProject(fake.Project{Path: "maria/harbour", ForkOf: w.id, Members: map[int]int{w.bot.ID: fake.Maintainer}})
	remote := w.site.Remote(fork)
	made, err := git.NewPrepare(repos).Do(t.Context(), key("commit"), git.PrepareIn{Remote: w.remote, Commit: w.commit, Files: map[string]string{"VERSION": "2019.01\n"},
		Message: "harbour 2019.01 release", Author: "Release Bot <bot@harbour.example>", Date: "1548330207"})
	if err != nil {
		t.Fatal(err)
	}
	before := w.site.Ref(fork, "refs/heads/master")
	if _, err := git.NewPushBranch(repos).Do(t.Context(), key("push"), git.PushBranchIn{Remote: remote, From: w.remote, Branch: "master", Expected: before, Commit: made.Commit}); err != nil {
		t.Fatal(err)
	}
	if w.site.Ref(fork, "refs/heads/master") != made.Commit || w.site.Ref(w.id, "refs/heads/master") != w.commit {
		t.Fatal("the wrong branch moved")
	}
	w.client, err = gitlab.New(gitlab.Options{URL: w.site.URL, Token: w.token, Now: w.now, Projects: []gitlab.Project{{Remote: w.remote, ID: w.id}, {Remote: remote, ID: fork}}})
	if err != nil {
		t.Fatal(err)
	}
	in := w.in("master", made.Commit)
	in.Remote = remote
	out, err := w.start().Do(t.Context(), key("trial"), in)
	if err != nil || w.pauses != 0 {
		t.Fatalf("%v, %d pauses", err, w.pauses)
	}
	id, _ := strconv.Atoi(out.Pipeline)
	w.must(w.site.FinishPipeline(id, "success"))
	w.must(w.site.SetArtifacts(w.job(id, "package").ID, map[string][]byte{"out/harbour.deb": []byte("deb")}))
	read := pipeline.ReadIn{Remote: remote, Ref: "master", Commit: made.Commit, Pipeline: out.Pipeline}
	if got, err := NewPipeline(w.client).Do(t.Context(), key("r"), read); err != nil || got.State != pipeline.Success || !strings.Contains(got.URL, "/maria/harbour/") {
		t.Errorf("%+v, %v", got, err)
	}
	got, err := w.artifacts(pipeline.ArtifactsIn{Remote: remote, Ref: "master", Commit: made.Commit, Pipeline: out.Pipeline})
	if err != nil || len(got.Files) != 1 || got.Files[0] != file("harbour.deb", "deb") {
		t.Errorf("%+v, %v", got, err)
	}
}
