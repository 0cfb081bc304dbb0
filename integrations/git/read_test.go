package git

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"slipway/bot/action"
	"slipway/bot/errs"

	"github.com/google/go-cmp/cmp"
)

func TestStateFindsTheLastReleaseOfTheBranch(t *testing.T) {
	w := newWorld(t)
	tip := w.history()
	out, err := NewState(w.repos, tags{}).Do(ctx(t), key("state"), StateIn{Remote: w.remote, Branch: "main"})
	if err != nil {
		t.Fatal(err)
	}
	want := StateOut{Tip: tip, LastTag: "2018.11", LastCommit: w.git(w.clone, "rev-parse", "2018.11^{commit}"), Tags: []string{"2018.10", "2018.11", "2019.05"},
		Merged: []string{"2018.10", "2018.11"}}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Error(diff)
	}
	out, err = NewState(w.repos, tags{}).Do(ctx(t), key("state"), StateIn{Remote: w.remote, Branch: "later", TagPattern: "2018*"})
	if err != nil || out.LastTag != "2018.11" || len(out.Tags) != 2 {
		t.Errorf("with a pattern: %+v, %v", out, err)
	}
	// A tag that moves or goes at the remote moves or goes here.
	w.git(w.remote, "tag", "-d", "2018.11")
	w.git(w.remote, "tag", "-f", "2018.10", "main")
	out, err = NewState(w.repos, tags{}).Do(ctx(t), key("state"), StateIn{Remote: w.remote, Branch: "main"})
	if err != nil || out.LastTag != "2018.10" || out.LastCommit != tip {
		t.Errorf("after the tags changed: %+v, %v", out, err)
	}
}

func TestStateOfYoungRepositories(t *testing.T) {
	w := newWorld(t)
	read := func(branch string) (StateOut, error) {
		return NewState(w.repos, tags{}).Do(ctx(t), key("state"), StateIn{Remote: w.remote, Branch: branch})
	}
	if _, err := read("main"); !errs.Is(err, errs.NotFound) || !strings.Contains(errs.Text(err), "no commits yet") {
		t.Errorf("empty: %v", errs.Text(err))
	}
	tip := w.commit("Ann", "Start")
	w.push()
	out, err := read("main")
	if err != nil || out.Tip != tip || out.LastTag != "" || out.Tags == nil {
		t.Errorf("no tags: %+v, %v", out, err)
	}
	if _, err := read("trunk"); !errs.Is(err, errs.NotFound) || !strings.Contains(errs.Text(err), "its branches are main") {
		t.Errorf("wrong branch: %v", errs.Text(err))
	}
}

func TestLogSaysWhatGitSays(t *testing.T) {
	w := newWorld(t)
	w.history()
	out, err := NewLog(w.repos).Do(ctx(t), key("log"), LogIn{Remote: w.remote, From: "2018.11", To: "main"})
	if err != nil {
		t.Fatal(err)
	}
	want := w.git(w.clone, "log", "--no-merges", "--oneline", "--abbrev=9", "2018.11..main")
	if diff := cmp.Diff(want+"\n", out.Text); diff != "" {
		t.Error(diff)
	}
	if out.Count != 3 || out.Merges != 1 || len(out.Lines) != 3 {
		t.Errorf("%d commits, %d merges", out.Count, out.Merges)
	}
	if diff := cmp.Diff([]string{"bob@example.org", "mallory@example.org", "zoë@example.org"}, out.Authors); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"bob", "Mallory", "Zoë"}, out.AuthorNames); diff != "" {
		t.Error(diff)
	}
	all, err := NewLog(w.repos).Do(ctx(t), key("log"), LogIn{Remote: w.remote, To: "main"})
	if err != nil || all.Count != 5 {
		t.Errorf("whole history: %d, %v", all.Count, err)
	}
	none, err := NewLog(w.repos).Do(ctx(t), key("log"), LogIn{Remote: w.remote, From: "main", To: "main"})
	if err != nil || none.Count != 0 || none.Lines == nil || none.Authors == nil || none.AuthorNames == nil {
		t.Errorf("nothing new: %+v, %v", none, err)
	}
}

func TestMailmapDoesNotMoveAuthorship(t *testing.T) {
	w := newWorld(t)
	w.commit("Mallory", "Start", ".mailmap", "Ann <ann@Example.org> <mallory@Example.org>\n")
	w.push()
	w.git(w.remote, "symbolic-ref", "HEAD", "refs/heads/main")
	out, err := NewLog(w.repos).Do(ctx(t), key("log"), LogIn{Remote: w.remote, To: "main"})
	if err != nil || len(out.Authors) != 1 || out.Authors[0] != "mallory@example.org" {
		t.Errorf("got %v, %v", out.Authors, err)
	}
}

func TestFileIsReadAsItIsInTheCommit(t *testing.T) {
	w := newWorld(t)
	w.history()
	w.commit("Ann", "links", "real/x", "1")
	w.git(w.clone, "update-index", "--add", "--cacheinfo", "120000,"+w.git(w.clone, "rev-parse", "HEAD:README")+",link")
	w.git(w.clone, "commit", "--quiet", "-m", "link")
	w.push()
	read := func(path string) (FileOut, error) {
		return NewFile(w.repos).Do(ctx(t), key("file"), FileIn{Remote: w.remote, Commit: "main", Path: path})
	}
	out, err := read("debian/changelog")
	if err != nil || !out.Found || out.Content != "sample (2018.10-1) unstable; urgency=low\n" || out.Digest != action.DigestOf([]byte(out.Content)) {
		t.Errorf("got %+v, %v", out, err)
	}
	for _, p := range []string{"nothing", "debian", "link", "debian/none"} {
		if out, err := read(p); err != nil || out.Found || out.Content != "" {
			t.Errorf("%s: %+v, %v", p, out, err)
		}
	}
	for _, p := range []string{"../x", "/etc/passwd", ".git/config", "link/x", "README/x"} {
		if _, err := read(p); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", p, err)
		}
	}
}

func TestMaliciousNamesAreRefused(t *testing.T) {
	w := newWorld(t)
	w.history()
	names := []string{"", "-x", "--upload-pack=touch /tmp/x", "--output=x", "HEAD", "@", "a..b", "a@{1}", "a b", "a~1", "a^", "a:b", "a?b", "a*", "a[b", `a\b`,
		"a\nb", "a\x00b", ".a", "a/.b", "a.lock", "a.lock/b", "/a", "a/", "a//b", "a.", "refs/heads/main", "main^{tree}", ":/Start",
		strings.Repeat("a", 40), strings.Repeat("x", 201), "a\u202eb", "\xff", "a&&id", "$(id)"}
	for _, name := range names {
		shell := name == "a&&id" || name == "$(id)" // harmless to git, and no shell ever sees them
		if err := CheckTag(name); (err == nil) != shell || err != nil && !errs.Is(err, errs.Invalid) {
			t.Errorf("tag %q: %v", name, err)
		}
		if _, err := NewState(w.repos, tags{}).Do(ctx(t), key("s"), StateIn{Remote: w.remote, Branch: name}); !errs.Is(err, errs.Invalid) && !(shell && errs.Is(err, errs.NotFound)) {
			t.Errorf("branch %q: %v", name, err)
		}
		if _, err := NewLog(w.repos).Do(ctx(t), key("l"), LogIn{Remote: w.remote, To: name}); !errs.Is(err, errs.Invalid) && !errs.Is(err, errs.NotFound) {
			t.Errorf("log to %q: %v", name, err)
		}
	}
	for _, name := range []string{"main", "2019.01", "v1.2.3-rc1", "debian/2019.01-1", "feature/grün", "a-b_c+d"} {
		if err := CheckBranch(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// FuzzCheckTag holds our rules to git's: what we accept, git accepts.
func FuzzCheckTag(f *testing.F) {
	for _, s := range []string{"2019.01", "a..b", "a.lock", "x/y", "ü", "a@", "@{", "a{b", "a\x7f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if CheckTag(name) != nil {
			return
		}
		if err := exec.Command("git", "check-ref-format", "refs/tags/"+name).Run(); err != nil {
			t.Fatalf("git refuses %q", name)
		}
	})
}

func TestRemotesAreChecked(t *testing.T) {
	for _, remote := range []string{"", "-x", "--upload-pack=x", "ext::sh -c id", "fd::17", "relative/path", "../up", "ftp://example.org/x", "https://-oProxyCommand=x/y",
		"ssh://-oProxyCommand=id/x", "ssh://a@-oProxyCommand=id/x", "-oProxyCommand=x:y", "/a\nb", "/a\x00b", "a::b", "https://x/\xff"} {
		if err := CheckRemote(remote); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q: %v", remote, err)
		}
	}
	for _, remote := range []string{"/srv/git/x.git", "https://example.org/x.git", "https://u:p@example.org/x", "ssh://git@example.org:22/x", "git@example.org:a/b.git", "file:///srv/x", "git://example.org/x"} {
		if err := CheckRemote(remote); err != nil {
			t.Errorf("%q: %v", remote, err)
		}
	}
}

func TestCredentialsAreNeverShown(t *testing.T) {
	w := newWorld(t)
	remote := "http://bot:s3cret-token@127.0.0.1:1/x.git"
	_, err := NewState(w.repos, tags{}).Do(ctx(t), key("s"), StateIn{Remote: remote, Branch: "main"})
	if !errs.Is(err, errs.Unavailable) || strings.Contains(fmt.Sprint(err)+errs.Text(err), "s3cret") {
		t.Errorf("%v: %v", errs.KindOf(err), errs.Text(err))
	}
	if strings.Contains(folder(remote), "s3cret") || strings.Contains(folder("https://s3cret@x"), "s3cret") {
		t.Errorf("the folder is %s", folder(remote))
	}
	if got := RedactText("fatal: bad "+remote+" and s3cret-token or https://a@b/c", remote); strings.Contains(got, "s3cret") || strings.Contains(got, "a@b") {
		t.Error(got)
	}
}

func TestMissingRemotesAreNamed(t *testing.T) {
	w := newWorld(t)
	_, err := NewState(w.repos, tags{}).Do(ctx(t), key("s"), StateIn{Remote: w.remote + "-gone", Branch: "main"})
	if !errs.Is(err, errs.NotFound) || !strings.Contains(errs.Text(err), "-gone") {
		t.Errorf("%v: %v", errs.KindOf(err), errs.Text(err))
	}
}

func TestGitsComplaintsHaveKinds(t *testing.T) {
	c := &Copy{remote: "https://example.org/x.git"}
	for text, kind := range map[string]errs.Kind{
		"fatal: unable to access 'https://example.org/x.git/': Could not resolve host: example.org":      errs.Unavailable,
		"fatal: unable to access 'https://example.org/x.git/': The requested URL returned error: 403":    errs.Denied,
		"fatal: unable to access 'https://example.org/x.git/': The requested URL returned error: 503":    errs.Unavailable,
		"fatal: Authentication failed for 'https://example.org/x.git/'":                                  errs.Denied,
		"fatal: could not read Username for 'https://example.org': terminal prompts disabled":            errs.Denied,
		"git@example.org: Permission denied (publickey).\nfatal: Could not read from remote repository.": errs.Denied,
		"ssh: connect to host example.org port 22: Connection refused":                                   errs.Unavailable,
		"remote: Repository not found.\nfatal: repository 'https://example.org/x.git/' not found":        errs.NotFound,
		" ! [rejected] main -> main (stale info)":                                                        errs.Conflict,
		" ! [remote rejected] main -> main (pre-receive hook declined)":                                  errs.Denied,
		"fatal: the receiving end does not support --atomic push":                                        errs.Invalid,
		"fatal: transport 'ext' not allowed":                                                             errs.Invalid,
		"error: unable to write file: No space left on device":                                           errs.Full,
		"fatal: detected dubious ownership in repository at '/x'":                                        errs.Denied,
		"fatal: something never seen":                                                                    errs.Failed,
		"":                                                                                               errs.Failed,
	} {
		if err := c.classify("push", text); errs.KindOf(err) != kind || errs.HintOf(err) == "" {
			t.Errorf("%q is %v: %v", text, errs.KindOf(err), err)
		}
	}
}

func TestContractsAndCodeFit(t *testing.T) {
	w := newWorld(t)
	w.history()
	all, err := Bind(w.repos, tags{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	set, err := action.NewSet(all...)
	if err != nil || len(set.Contracts()) != len(all) {
		t.Fatal(err)
	}
	for _, c := range set.Contracts() {
		if _, ok := c.Out.Field(c.Authors); c.Authors != "" && !ok || c.Doc == "" || c.Policy == "" {
			t.Errorf("the contract of %s is incomplete", c.Ref())
		}
	}
	b, err := set.Lookup("git.log@1", "")
	if err != nil {
		t.Fatal(err)
	}
	in, _ := json.Marshal(LogIn{Remote: w.remote, To: "main"})
	raw, err := b.Do(ctx(t), key("log"), in)
	if err != nil {
		t.Fatal(err)
	}
	v, err := action.Decode(raw)
	if err != nil || b.Contract.Out.Check("out", v) != nil {
		t.Errorf("%v, %v", err, b.Contract.Out.Check("out", v))
	}
}
