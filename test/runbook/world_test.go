// Package runbook ends releases by hand: a run is brought to some moment by the real heart and the
// real actions on git, and what its runbook says is compared, and run.
package runbook

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"slipway/bot/action"
	"slipway/bot/engine"
	"slipway/bot/gate"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
	"slipway/commands/release"
	"slipway/integrations/aptrepo"
	"slipway/integrations/debian"
	"slipway/integrations/git"
	"slipway/integrations/gitlab/forge"
	"slipway/integrations/localci"
	"slipway/integrations/mail"
	"slipway/integrations/signing"
)

var update = flag.Bool("update", false, "rewrite golden files")

const fingerprint = "0123456789ABCDEF0123456789ABCDEF01234567"

// world is one run of the release playbook.
type world struct {
	t       *testing.T
	dir     string
	remote  string
	repos   *git.Repositories
	set     *action.Set
	p       *playbook.Playbook
	profile map[string]any
	s       *run.State
	now     time.Time
	outputs map[string]any         // of steps that nothing performs here
	results map[string]run.Outcome // of steps that do not end well
	stop    map[string]bool        // steps whose effects stay under way
}

func newWorld(t *testing.T, more map[string]any) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, dir: dir, remote: filepath.Join(dir, "project.git"), now: time.Date(2019, 1, 31, 12, 0, 0, 0, time.UTC),
		outputs: map[string]any{}, results: map[string]run.Outcome{}, stop: map[string]bool{}}
	w.history()
	var err error
	if w.repos, err = git.Open(filepath.Join(dir, "state"), git.Options{}); err != nil {
		t.Fatal(err)
	}
	w.profile = map[string]any{"name": "lava", "remote": w.remote, "branch": "main", "tag_pattern": "20*", "scheme": "calendar",
		"changelog": "debian/changelog", "package": "lava", "suite": "unstable", "tagger": "Release Team <release@example.org>",
		"release_key": fingerprint, "public_key": "key", "channel": "#lava", "broadcast": []any{"#lava", "#announce"},
		"mail_from": "Release Team <release@example.org>", "mail_to": []any{"announce@lists.example.org"}, "ci": []any{"test", "-e", "debian/changelog"},
		"archive": "", "archive_address": "", "archive_keys": []any{}, "suites": []any{}, "daily_suites": []any{}, "architectures": []any{},
		"build": []any{}, "lintian": "off",
		"forge": "", "milestones": false, "fork": "", "fork_branch": "", "trial": w.remote, "trial_packages": false, "order": "together",
		"artifact_jobs": []any{}, "changelog_style": "log", "version_file": "", "commit_message": "lava {version} release", "sign_off": false,
		"handover": "", "handover_branch": "", "handover_from": "", "handover_to": ""}
	maps.Copy(w.profile, more)
	w.load()
	passed := map[string]any{"state": "success", "url": "", "log": "", "seconds": int64(1)}
	for _, step := range []string{"trial", "trial_build", "builds", "package"} {
		w.outputs[step] = map[string]any{"pipeline": "run-" + step, "url": ""}
	}
	for _, step := range []string{"trial_passed", "trial_built", "built", "packaged"} {
		w.outputs[step] = passed
	}
	w.outputs["trial_artifacts"] = map[string]any{"files": []any{}}
	w.outputs["trial_packages"] = map[string]any{"files": []any{}, "packages": []any{"lava"}, "architectures": []any{"all"}, "version": "2019.01-1",
		"lintian_errors": int64(0), "lintian_warnings": int64(0), "lintian": "", "digest": action.DigestOf(nil)}
	return w
}

// history is a remote with one release and something after it.
func (w *world) history() {
	w.t.Helper()
	clone := filepath.Join(w.dir, "clone")
	w.git("", "init", "--quiet", "--bare", "--initial-branch=main", w.remote)
	w.git("", "init", "--quiet", "--initial-branch=main", clone)
	w.git(clone, "remote", "add", "origin", w.remote)
	if err := os.MkdirAll(filepath.Join(clone, "debian"), 0o755); err != nil {
		w.t.Fatal(err)
	}
	old := "lava (2018.11-1) unstable; urgency=medium\n\n  * Older.\n\n -- Dora <dora@example.org>  Thu, 24 Jan 2019 11:43:27 +0000\n"
	if err := os.WriteFile(filepath.Join(clone, "debian/changelog"), []byte(old), 0o644); err != nil {
		w.t.Fatal(err)
	}
	w.git(clone, "add", "-A")
	w.git(clone, "commit", "--quiet", "-m", "Start")
	w.git(clone, "tag", "-a", "-m", "old", "2018.11")
	w.git(clone, "commit", "--quiet", "--allow-empty", "-m", "Mend $(touch pwned) `touch pwned`'; touch pwned; '")
	w.git(clone, "push", "--quiet", "origin", "--all")
	w.git(clone, "push", "--quiet", "origin", "--tags")
}

func (w *world) git(dir string, args ...string) string {
	w.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = environment(w.dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// environment is that of somebody with a configuration of git of their own.
func environment(home string) []string {
	return append(os.Environ(), "HOME="+home, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C.UTF-8",
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.org", "GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.org",
		"GIT_AUTHOR_DATE=@1548000000 +0000", "GIT_COMMITTER_DATE=@1548000000 +0000")
}

// load checks the release playbook against the contracts of the real actions.
func (w *world) load() {
	w.t.Helper()
	var bounds []action.Bound
	add := func(more []action.Bound, err error) {
		w.t.Helper()
		if err != nil {
			w.t.Fatal(err)
		}
		bounds = append(bounds, more...)
	}
	one := func(b action.Bound, err error) { add([]action.Bound{b}, err) }
	now := func() time.Time { return w.now }
	add(release.Bind(now))
	add(git.Bind(w.repos, release.Order{}, nil))
	add(localci.Bind(&localci.Runner{}, nil))
	add(forge.Bind(nil, nil))
	one(mail.NewAnnounce(nil, mail.Maildir{Dir: "/var/mail/lists"}, 0).Bind())
	one(signing.NewTag(nil, now).Bind())
	one(signing.NewRelease(nil, now).Bind())
	add((&aptrepo.Actions{Archives: w.archive, Names: func() []string { return []string{"lava"} }, Now: now}).Bind())
	add(debian.Bind(nil))
	var err error
	if w.set, err = action.NewSet(bounds...); err != nil {
		w.t.Fatal(err)
	}
	own, err := engine.Contracts()
	if err != nil {
		w.t.Fatal(err)
	}
	var fields []action.Field
	for _, name := range slices.Sorted(maps.Keys(w.profile)) {
		typ := action.Type{Kind: action.String}
		if _, truth := w.profile[name].(bool); truth {
			typ.Kind = action.Bool
		}
		if _, list := w.profile[name].([]any); list {
			typ = action.ListOf(typ)
		}
		fields = append(fields, action.Field{Name: name, Type: typ})
	}
	parsed, err := playbook.Parse("release.yaml", release.Playbook)
	if err != nil {
		w.t.Fatal(err)
	}
	p, found := playbook.Check(parsed, playbook.Known{Contracts: append(w.set.Contracts(), own...), Profile: action.Obj(fields...)})
	if p == nil {
		w.t.Fatal(playbook.Errors(found))
	}
	w.p = p
}

func (w *world) suites() []aptrepo.Suite {
	return []aptrepo.Suite{{Name: "stable", Origin: "Example", Label: "Example", Description: "An example", Components: []string{"main"}, Architectures: []string{"amd64"}}}
}

func (w *world) archive(name string) (aptrepo.Configured, bool) {
	place, err := aptrepo.Open(filepath.Join(w.dir, "archive"), aptrepo.Options{}, w.suites()...)
	if err != nil {
		w.t.Fatal(err)
	}
	return aptrepo.Configured{Place: place, Address: "https://apt.example.org", Keyring: []byte("certificates\n"), Keys: []string{fingerprint}, Suites: w.suites()}, name == "lava"
}

func (w *world) World() run.World {
	var persons []people.Person
	var grants []people.Grant
	for id, role := range map[people.PersonID]string{"ada": "", "grace": "maintainer", "alan": "maintainer", "maria": "release-manager", "tess": "tester"} {
		persons = append(persons, people.Person{ID: id, Name: strings.ToUpper(string(id[:1])) + string(id[1:]), Mail: string(id) + "@example.org",
			Accounts: []people.Account{{Source: "console", ID: string(id)}}})
		if role != "" {
			grants = append(grants, people.Grant{ID: string(id), Person: id, Role: role, Project: "lava"})
		}
	}
	return run.World{Now: w.now, Directory: people.NewDirectory(persons, grants, nil, nil)}
}

func (w *world) do(in run.Input) {
	w.t.Helper()
	d := run.Decide(w.p, w.s, in, w.World())
	if d.Refusal != nil {
		w.t.Fatal(d.Refusal)
	}
	w.s = d.After
}

// start begins the run and does what follows without people.
func (w *world) start(inputs map[string]any) {
	w.t.Helper()
	w.do(run.Start{ID: "run1", Playbook: w.p.Digest, Project: "lava", Profile: w.profile, Inputs: inputs, Requester: "ada"})
	w.drain()
}

func (w *world) answer(step string, who people.PersonID, values map[string]any) {
	w.t.Helper()
	w.do(run.Answer{Step: step, Person: who, Values: values})
	w.drain()
}

func (w *world) approve(step string, who ...people.PersonID) {
	w.t.Helper()
	for _, id := range who {
		w.do(run.Vote{Step: step, Vote: gate.Vote{Kind: gate.Approve, Person: id, Account: people.Account{Source: "console", ID: string(id)}, At: w.now, Message: "command/" + string(id), Manifest: w.s.Steps[step].Gate.Digest}})
		w.drain()
	}
}

// drain performs what is due, until nothing is.
func (w *world) drain() {
	w.t.Helper()
	for {
		did := false
		for _, key := range slices.Sorted(maps.Keys(w.s.Effects)) {
			if e := w.s.Effects[key]; e.Outcome == "" && !w.stop[e.Step] && (e.After.IsZero() || !e.After.After(w.now)) {
				w.perform(key, e)
				did = true
				break
			}
		}
		if !did {
			return
		}
	}
}

func (w *world) perform(key string, e *run.Effect) {
	w.t.Helper()
	if outcome := w.results[e.Step]; outcome != "" && e.For == run.ForStep {
		w.do(run.Result{Key: key, Outcome: outcome, Message: "the connection was lost"})
		return
	}
	out, canned := w.outputs[run.DeclaredPath(e.Step)]
	var data []byte
	var err error
	switch {
	case e.Action == run.ClosingRead:
		g := w.s.Steps[e.Step].Gate
		w.do(run.Closing{Step: e.Step, Number: g.Closing, Clean: true})
		return
	case canned:
		data, err = action.Canonical(out)
	case strings.HasPrefix(e.Action, "git.") || strings.HasPrefix(e.Action, "release."):
		bound, e2 := w.set.Lookup(e.Action, "")
		if e2 != nil {
			w.t.Fatal(e2)
		}
		data, err = bound.Do(context.Background(), action.Key{Run: w.s.ID, Step: e.Step, Inputs: e.Digest}, e.Inputs)
	case e.Action == "sign.tag@1":
		var in signing.TagIn
		if err := json.Unmarshal(e.Inputs, &in); err != nil {
			w.t.Fatal(err)
		}
		data, err = action.Canonical(signing.TagOut{Object: in.Payload + signature, Signature: signature, Fingerprint: in.Fingerprint, SignedAt: "2019-01-31T12:00:00Z"})
	default:
		data = []byte("{}")
	}
	if err != nil {
		w.t.Fatalf("%s: %v", e.Step, err)
	}
	w.do(run.Result{Key: key, Outcome: run.OK, Output: data})
}

const signature = "-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n"

func (w *world) status(step string, want run.StepStatus) {
	w.t.Helper()
	if st := w.s.Steps[step]; st == nil || st.Status != want {
		w.t.Fatalf("%s is %+v, want %s; %v", step, st, want, run.Why(w.p, w.s, w.World(), step).Lines)
	}
}

// golden compares text, in which what differs from test to test has names.
func (w *world) golden(name, text string) {
	w.t.Helper()
	folder := action.DigestOf([]byte(w.remote))[len("sha256:"):][:8]
	names := []string{w.dir, "/srv", folder, "REPOSITORY"}
	for _, step := range slices.Sorted(maps.Keys(w.s.Steps)) {
		if g := w.s.Steps[step].Gate; g != nil { // it depends on the profile and on the whole playbook
			names = append(names, string(g.Digest), "MANIFEST-OF-"+strings.ToUpper(step))
		}
	}
	text = strings.NewReplacer(names...).Replace(text)
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		w.t.Fatal(err)
	}
	if d := cmp.Diff(string(want), text); d != "" {
		w.t.Errorf("%s (-want +got; -update rewrites it):\n%s", name, d)
	}
}

// sh runs a script and gives what it says.
func (w *world) sh(script, answers string, env ...string) (string, error) {
	cmd := exec.Command("sh", script)
	cmd.Dir = filepath.Dir(script)
	cmd.Env = append(environment(w.dir), env...)
	cmd.Stdin = strings.NewReader(answers)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, out)
	}
	return string(out), err
}
