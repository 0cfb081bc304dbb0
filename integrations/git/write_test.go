package git

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"slipway/bot/action"
	"slipway/bot/errs"

	"github.com/google/go-cmp/cmp"
)

const bot = "Release Bot <bot@example.org>"

// armour stands for a signature where nobody verifies it.
const armour = "-----BEGIN PGP SIGNATURE-----\n\niQEz\n-----END PGP SIGNATURE-----\n"

func (w *world) prepare(tip string) PrepareOut {
	w.t.Helper()
	out, err := NewPrepare(w.repos).Do(ctx(w.t), key("prepare"), PrepareIn{Remote: w.remote, Commit: tip,
		Prepend: map[string]string{"debian/changelog": "sample (2019.01-1) unstable; urgency=medium\n\n"},
		Message: "Prepare the 2019.01 release", Author: bot, Date: "1548330207"})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// release is the input of a push of 2019.01 on top of tip.
func (w *world) release(tip string) PushIn {
	w.t.Helper()
	commit := w.prepare(tip).Commit
	p, err := NewPayloadOfTag().Do(ctx(w.t), key("payload"), PayloadIn{Commit: commit, Tag: "2019.01", Tagger: bot, Date: "1548330207", Message: "Sample 2019.01"})
	if err != nil {
		w.t.Fatal(err)
	}
	return PushIn{Remote: w.remote, Branch: "main", Expected: tip, Commit: commit, Tag: "2019.01", Object: p.Payload + armour}
}

func TestPrepareMakesTheSameCommitEachTime(t *testing.T) {
	var made []PrepareOut
	for range 2 {
		w := newWorld(t)
		tip := w.history()
		out := w.prepare(tip)
		if diff := cmp.Diff(PrepareOut{Commit: out.Commit, Tree: out.Tree, Parents: []string{tip}, Authors: []string{"bot@example.org"}, Files: []string{"debian/changelog"}}, out); diff != "" {
			t.Error(diff)
		}
		if again := w.prepare(tip); !slices.Equal([]string{again.Commit, again.Tree}, []string{out.Commit, out.Tree}) {
			t.Errorf("again: %+v", again)
		}
		if w.at("refs/heads/main") != tip {
			t.Error("the remote changed")
		}
		found, ok, err := NewPrepare(w.repos).Probe(ctx(t), key("prepare"), PrepareIn{Remote: w.remote, Commit: tip, Author: bot})
		if err != nil || !ok || found.Commit != out.Commit || found.Tree != out.Tree {
			t.Errorf("probe: %+v, %v, %v", found, ok, err)
		}
		if _, ok, err := NewPrepare(w.repos).Probe(ctx(t), key("other"), PrepareIn{Remote: w.remote, Commit: tip, Author: bot}); ok || err != nil {
			t.Errorf("probe of another key: %v, %v", ok, err)
		}
		made = append(made, out)
	}
	if made[0].Commit != made[1].Commit {
		t.Errorf("%s and %s", made[0].Commit, made[1].Commit)
	}
}

func TestPrepareWritesWhatWasAsked(t *testing.T) {
	w := newWorld(t)
	tip := w.history()
	out, err := NewPrepare(w.repos).Do(ctx(t), key("p"), PrepareIn{Remote: w.remote, Commit: tip, Files: map[string]string{"sub/VERSION": "2019.01\n"},
		Prepend: map[string]string{"NEWS": "x\n"}, Otherwise: map[string]string{"CHANGES": "# 2019.01\n"}, Message: "R", Author: bot, Date: "2019-01-24T12:43:27+01:00"})
	if err != nil || !slices.Equal(out.Files, []string{"CHANGES", "sub/VERSION"}) {
		t.Errorf("got %+v, %v", out, err)
	}
	dir := filepath.Join(t.TempDir(), "src")
	if err := w.repos.Checkout(ctx(t), w.remote, out.Commit, dir); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "sub/VERSION")); err != nil || string(data) != "2019.01\n" {
		t.Errorf("got %q, %v", data, err)
	}
	if got := w.git(dir, "log", "-1", "--format=%an %ae %at %ct %cn"); got != "Release Bot bot@example.org 1548330207 1548330207 Release Bot" {
		t.Errorf("got %q", got)
	}
	if got := w.git(dir, "describe", "--tags", "--match=2018*"); !strings.HasPrefix(got, "2018.11-") {
		t.Errorf("a build sees the version %q", got)
	}
	if got := w.git(dir, "remote"); got != "" {
		t.Errorf("the checkout has the remote %q", got)
	}
}

func TestPrepareStaysInside(t *testing.T) {
	w := newWorld(t)
	w.history()
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.Symlink(outside, filepath.Join(w.clone, "evil")); err != nil {
		t.Fatal(err)
	}
	tip := w.commit("Mallory", "a link")
	w.push()
	for _, p := range []string{"", "/etc/x", "../x", "a/../../x", "./x", "a//b", ".git/hooks/post-commit", ".GIT/config", ".git./x", "git~1/config", "sub/.git/x",
		`a\b`, "C:x", "a\nb", "evil", "evil/x", "debian", "README/x", ".g\u200cit/config", "x/"} {
		_, err := NewPrepare(w.repos).Do(ctx(t), key("p"), PrepareIn{Remote: w.remote, Commit: tip, Files: map[string]string{p: "x"}, Message: "R", Author: bot, Date: "1"})
		if !errs.Is(err, errs.Invalid) || errs.HintOf(err) == "" {
			t.Errorf("%q: %v", p, err)
		}
	}
	if _, err := os.Stat(outside); err == nil {
		t.Error("something was written outside")
	}
	good := PrepareIn{Remote: w.remote, Commit: tip, Files: map[string]string{"x": "y"}, Message: "R", Author: bot, Date: "1"}
	for name, spoil := range map[string]func(*PrepareIn){
		"author":     func(in *PrepareIn) { in.Author = "x" },
		"injection":  func(in *PrepareIn) { in.Author = "A <a@b>\ncommitter x <c@d>" },
		"date":       func(in *PrepareIn) { in.Date = "yesterday" },
		"negative":   func(in *PrepareIn) { in.Date = "-1" },
		"message":    func(in *PrepareIn) { in.Message = " \n" },
		"commit":     func(in *PrepareIn) { in.Commit = "main" },
		"twice":      func(in *PrepareIn) { in.Otherwise = map[string]string{"x": "z"} },
		"nothing":    func(in *PrepareIn) { in.Files = nil },
		"no change":  func(in *PrepareIn) { in.Files = map[string]string{"README": "hello\n"} },
		"file, dir":  func(in *PrepareIn) { in.Files = map[string]string{"n": "1", "n/m": "2"} },
		"not text":   func(in *PrepareIn) { in.Files = map[string]string{"n": "\xff"} },
		"committer":  func(in *PrepareIn) { in.Committer = "<>" },
		"no message": func(in *PrepareIn) { in.Message = "a\x00b" },
	} {
		in := good
		spoil(&in)
		if _, err := NewPrepare(w.repos).Do(ctx(t), key("p"), in); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good.Commit = strings.Repeat("0", 40)
	if _, err := NewPrepare(w.repos).Do(ctx(t), key("p"), good); !errs.Is(err, errs.NotFound) {
		t.Errorf("unknown commit: %v", err)
	}
}

func TestPayloadHasTheBytesThatGitSigns(t *testing.T) {
	commit := strings.Repeat("ab", 20)
	in := PayloadIn{Commit: commit, Tag: "2019.01", Tagger: bot, Date: "2019-01-24T11:43:27Z", Message: "Sample 2019.01\r\n\r\nText \n\n"}
	out, err := NewPayloadOfTag().Do(ctx(t), key("payload"), in)
	want := "object " + commit + "\ntype commit\ntag 2019.01\ntagger Release Bot <bot@example.org> 1548330207 +0000\n\nSample 2019.01\n\nText\n"
	if err != nil || out.Payload != want || out.Digest != action.DigestOf([]byte(want)) {
		t.Errorf("got %q, %v", out.Payload, err)
	}
	tag, err := ParseTagObject(out.Payload + armour)
	if err != nil || tag.Payload != want || tag.Signature != armour || tag.Tag != "2019.01" || tag.Object != commit {
		t.Errorf("got %+v, %v", tag, err)
	}
	for name, spoil := range map[string]func(*PayloadIn){
		"tag":       func(in *PayloadIn) { in.Tag = "-d" },
		"newline":   func(in *PayloadIn) { in.Tag = "x\nobject y" },
		"commit":    func(in *PayloadIn) { in.Commit = "abc" },
		"tagger":    func(in *PayloadIn) { in.Tagger = "x <a@b> 1 +0000\n\nother" },
		"date":      func(in *PayloadIn) { in.Date = "" },
		"empty":     func(in *PayloadIn) { in.Message = "" },
		"signature": func(in *PayloadIn) { in.Message = "x\n-----BEGIN PGP SIGNATURE-----\n" },
		"leading":   func(in *PayloadIn) { in.Message = "\n\nx" },
	} {
		bad := in
		spoil(&bad)
		if _, err := NewPayloadOfTag().Do(ctx(t), key("payload"), bad); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseTagObject(f *testing.F) {
	payload, _ := TagPayload(strings.Repeat("ab", 20), "2019.01", bot, 1548330207, "Sample")
	f.Add(payload)
	f.Add(payload + armour)
	f.Add(payload + armour + armour)
	f.Add(strings.Replace(payload, "tag 2019", "tag ../2019", 1))
	f.Add("object x\n\n")
	f.Fuzz(func(t *testing.T, content string) {
		tag, err := ParseTagObject(content)
		if err != nil {
			return
		}
		if tag.Payload+tag.Signature != content || CheckTag(tag.Tag) != nil || CheckCommit(tag.Object) != nil || strings.Contains(tag.Payload, "\n-----BEGIN ") {
			t.Fatalf("%+v", tag)
		}
	})
}

func TestPushMovesBranchAndTagTogether(t *testing.T) {
	w := newWorld(t)
	in := w.release(w.history())
	push := NewPushRelease(w.repos)
	if _, found, err := push.Probe(ctx(t), key("push"), in); found || err != nil {
		t.Fatalf("before: %v, %v", found, err)
	}
	out, err := push.Do(ctx(t), key("push"), in)
	if err != nil {
		t.Fatal(err)
	}
	if w.at("refs/heads/main") != in.Commit || w.at("refs/tags/2019.01") != out.TagObject || out.TagObject != ObjectID(in.Object, in.Commit) {
		t.Errorf("the remote has %s and %s", w.at("refs/heads/main"), w.at("refs/tags/2019.01"))
	}
	if got := w.git(w.remote, "cat-file", "tag", "2019.01"); got != strings.TrimSpace(in.Object) {
		t.Errorf("the tag object is %q", got)
	}
	w.git(w.remote, "fsck", "--strict", "--no-dangling")
	// Again, and after the branch has gone on: done, by probe and by a second try.
	for range 2 {
		if got, found, err := push.Probe(ctx(t), key("push"), in); !found || err != nil || got != out {
			t.Errorf("probe: %+v, %v, %v", got, found, err)
		}
		if got, err := push.Do(ctx(t), key("push"), in); err != nil || got != out {
			t.Errorf("again: %+v, %v", got, err)
		}
		w.git(w.clone, "pull", "--quiet", "--ff-only", "origin", "main")
		w.commit("Ann", "Next", "n", "1")
		w.push()
	}
	w.git(w.clone, "reset", "--quiet", "--hard", in.Expected)
	w.commit("Ann", "Rewritten")
	w.git(w.clone, "push", "--quiet", "--force", "origin", "main")
	if _, _, err := push.Probe(ctx(t), key("push"), in); !errs.Is(err, errs.Conflict) || !strings.Contains(errs.Text(err), "does not contain") {
		t.Errorf("after the branch was rewritten: %v", err)
	}
}

func TestABranchThatMovedIsNotOverwritten(t *testing.T) {
	w := newWorld(t)
	in := w.release(w.history())
	moved := w.commit("Ann", "Meanwhile")
	w.push()
	for name, err := range map[string]error{"probe": probe(w, in), "do": do(w, in)} {
		if !errs.Is(err, errs.Conflict) || !strings.Contains(errs.Text(err), moved) {
			t.Errorf("%s: %v", name, errs.Text(err))
		}
	}
	if w.at("refs/heads/main") != moved || w.at("refs/tags/2019.01") != "" {
		t.Error("the remote changed")
	}
	w.git(w.remote, "update-ref", "-d", "refs/heads/main")
	if err := probe(w, in); !errs.Is(err, errs.Conflict) || !strings.Contains(errs.Text(err), "no branch main any more") {
		t.Errorf("the branch is gone: %v", errs.Text(err))
	}
}

func probe(w *world, in PushIn) error {
	_, _, err := NewPushRelease(w.repos).Probe(ctx(w.t), key("push"), in)
	return err
}

func do(w *world, in PushIn) error {
	_, err := NewPushRelease(w.repos).Do(ctx(w.t), key("push"), in)
	return err
}

func TestATagThatExistsIsNotOverwritten(t *testing.T) {
	w := newWorld(t)
	in := w.release(w.history())
	w.git(w.clone, "tag", "-a", "-m", "mine", "2019.01")
	w.push()
	other := w.at("refs/tags/2019.01")
	for name, err := range map[string]error{"probe": probe(w, in), "do": do(w, in)} {
		if !errs.Is(err, errs.Exists) || !strings.Contains(errs.Text(err), other) || !strings.Contains(errs.Text(err), ObjectID(in.Object, in.Commit)) {
			t.Errorf("%s: %v", name, errs.Text(err))
		}
	}
	if w.at("refs/tags/2019.01") != other || w.at("refs/heads/main") != in.Expected {
		t.Error("the remote changed")
	}
}

func TestOnlyOneOfTwoPushersWins(t *testing.T) {
	w := newWorld(t)
	tip := w.history()
	first := w.release(tip)
	second := first
	second.Object = strings.Replace(first.Object, "Sample", "Other", 1)
	others, err := Open(filepath.Join(t.TempDir(), "state"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	theirs := &world{t: t, remote: w.remote, repos: others}
	theirs.prepare(tip)
	var wait sync.WaitGroup
	var results [2]error
	wait.Go(func() { results[0] = do(w, first) })
	wait.Go(func() { results[1] = do(theirs, second) })
	wait.Wait()
	won := slices.Index(results[:], nil)
	if won < 0 || results[1-won] == nil || !errs.Is(results[1-won], errs.Exists) && !errs.Is(results[1-won], errs.Conflict) {
		t.Fatalf("results %v", results)
	}
	want := ObjectID([]PushIn{first, second}[won].Object, first.Commit)
	if w.at("refs/tags/2019.01") != want || w.at("refs/heads/main") != first.Commit {
		t.Error("the remote has neither")
	}
}

func TestWhatWasNotApprovedIsNotPushed(t *testing.T) {
	w := newWorld(t)
	tip := w.history()
	good := w.release(tip)
	for name, spoil := range map[string]func(*PushIn){
		"other name":   func(in *PushIn) { in.Tag = "2019.02" },
		"other commit": func(in *PushIn) { in.Commit = tip },
		"unsigned":     func(in *PushIn) { in.Object = strings.TrimSuffix(in.Object, armour) },
		"two":          func(in *PushIn) { in.Object += armour },
		"more after":   func(in *PushIn) { in.Object += "x\n" },
		"no tag":       func(in *PushIn) { in.Object = "tree x" },
		"bad branch":   func(in *PushIn) { in.Branch = "--force" },
		"bad expected": func(in *PushIn) { in.Expected = "" },
		"no fast forward": func(in *PushIn) {
			in.Expected = w.git(w.clone, "rev-parse", "later")
		},
	} {
		in := good
		spoil(&in)
		if err := do(w, in); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v: %v", name, errs.KindOf(err), err)
		}
	}
	if w.at("refs/heads/main") != tip || w.at("refs/tags/2019.01") != "" {
		t.Error("the remote changed")
	}
}

func TestARemoteThatRefusesSaysWhy(t *testing.T) {
	w := newWorld(t)
	in := w.release(w.history())
	w.git(w.remote, "config", "receive.advertiseAtomic", "false")
	if err := do(w, in); !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Text(err), "atomic") {
		t.Errorf("no atomic: %v: %v", errs.KindOf(err), errs.Text(err))
	}
	w.git(w.remote, "config", "receive.advertiseAtomic", "true")
	// The remote's own rules are its owner's business: they hold for the bot too.
	hook(t, filepath.Join(w.remote, "hooks/update"), "exit 1")
	if err := do(w, in); !errs.Is(err, errs.Denied) {
		t.Errorf("update hook: %v: %v", errs.KindOf(err), errs.Text(err))
	}
	if w.at("refs/heads/main") != in.Expected || w.at("refs/tags/2019.01") != "" {
		t.Error("the remote changed")
	}
}

func hook(t *testing.T, path, script string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestHooksAndFiltersNeverRun(t *testing.T) {
	w := newWorld(t)
	w.commit("Mallory", "attributes", ".gitattributes", "* filter=evil\n", "x", "1", ".githooks/post-checkout", "#!/bin/sh\n")
	w.history()
	tip := w.git(w.clone, "rev-parse", "main")
	in := w.release(tip)
	ran := filepath.Join(t.TempDir(), "ran")
	dir := filepath.Join(w.repos.root, folder(w.remote))
	for _, name := range []string{"pre-push", "post-checkout", "post-commit", "reference-transaction", "post-index-change", "prepare-commit-msg", "pre-auto-gc"} {
		hook(t, filepath.Join(dir, "hooks", name), "touch '"+ran+"'")
	}
	w.git(dir, "config", "core.hooksPath", filepath.Join(dir, "hooks"))
	w.git(dir, "config", "core.fsmonitor", "touch '"+ran+"'")
	if err := do(w, in); err != nil {
		t.Fatal(err)
	}
	if err := w.repos.Checkout(ctx(t), w.remote, in.Commit, filepath.Join(t.TempDir(), "src")); err != nil {
		t.Fatal(err)
	}
	w.prepare(tip)
	if _, err := os.Stat(ran); err == nil {
		t.Error("a hook was run")
	}
}

func TestACopyCannotReachTheOriginal(t *testing.T) {
	w := newWorld(t)
	tip := w.history()
	before := w.git(w.remote, "for-each-ref") + w.git(w.clone, "for-each-ref")
	ran := filepath.Join(t.TempDir(), "ran")
	for _, name := range []string{"post-receive", "update", "pre-receive", "post-update", "reference-transaction"} {
		hook(t, filepath.Join(w.clone, ".git/hooks", name), "touch '"+ran+"'")
	}
	w.git(w.clone, "config", "remote.origin.pushurl", w.remote)
	w.git(w.clone, "config", "remote.origin.mirror", "true")
	copied := filepath.Join(t.TempDir(), "copy.git")
	if err := w.repos.CopyFrom(ctx(t), w.clone, copied); err != nil {
		t.Fatal(err)
	}
	if err := w.repos.CopyFrom(ctx(t), w.clone, copied); !errs.Is(err, errs.Exists) {
		t.Errorf("a second copy: %v", err)
	}
	if got := w.git(copied, "config", "--local", "--list", "--name-only"); strings.Contains(got, "remote.") || w.git(copied, "remote") != "" {
		t.Errorf("the copy is configured with %s", got)
	}
	for _, name := range []string{"hooks", "objects/info/alternates"} {
		if _, err := os.Stat(filepath.Join(copied, name)); err == nil {
			t.Errorf("the copy has %s", name)
		}
	}
	demo := &world{t: t, remote: copied, repos: w.repos}
	if demo.at("refs/heads/main") != tip || demo.at("refs/tags/2018.11") == "" {
		t.Error("the copy lacks the history")
	}
	if err := do(demo, demo.release(tip)); err != nil {
		t.Fatal(err)
	}
	if after := w.git(w.remote, "for-each-ref") + w.git(w.clone, "for-each-ref"); after != before {
		t.Errorf("the original changed:\n%s\n%s", before, after)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("a hook was run")
	}
	if err := w.repos.CopyFrom(ctx(t), t.TempDir(), filepath.Join(t.TempDir(), "x")); !errs.Is(err, errs.NotFound) {
		t.Errorf("no repository: %v", err)
	}
}
