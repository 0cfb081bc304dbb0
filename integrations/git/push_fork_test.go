package git

import (
	"testing"

	"slipway/bot/errs"
)

// An earlier try that did not become a release is replaced; the project's own branch is never touched.
func TestATryReplacesAnEarlierOneOnTheFork(t *testing.T) {
	w, fork, tip := forked(t)
	push := NewPushFork(w.repos)
	commit := w.prepare(tip).Commit
	old := w.in(fork, "refs/heads/main")
	in := PushForkIn{Remote: w.remote, Fork: fork, Branch: "main", Expected: old, Commit: commit}
	if out, err := push.Do(ctx(t), key("f"), in); err != nil || out.Commit != commit {
		t.Fatalf("%+v, %v", out, err)
	}
	if _, found, err := push.Probe(ctx(t), key("f"), in); !found || err != nil {
		t.Errorf("probe: %v, %v", found, err)
	}
	in.Expected, in.Commit = commit, tip // which does not follow the earlier try
	if _, err := push.Do(ctx(t), key("g"), in); err != nil || w.in(fork, "refs/heads/main") != tip || w.at("refs/heads/main") != tip {
		t.Errorf("%v, the fork is at %s", err, w.in(fork, "refs/heads/main"))
	}
	in.Fork = w.remote
	if _, err := push.Do(ctx(t), key("h"), in); !errs.Is(err, errs.Invalid) {
		t.Errorf("onto the project itself: %v", err)
	}
}

func TestCommitsThatTouchAFolderAreToldOneByOne(t *testing.T) {
	w := newWorld(t)
	w.history()
	out, err := NewLog(w.repos).Do(ctx(t), key("log"), LogIn{Remote: w.remote, To: "main", Path: "debian"})
	if err != nil || len(out.Entries) == 0 || len(out.Entries) > out.Count || len(out.Entries[0].ID) != 40 || out.Entries[0].Author == "" {
		t.Fatalf("%+v, %v", out.Entries, err)
	}
	for _, path := range []string{"../debian", "/etc", ":(exclude)x"} {
		if _, err := NewLog(w.repos).Do(ctx(t), key("log"), LogIn{Remote: w.remote, To: "main", Path: path}); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if out, err = NewLog(w.repos).Do(ctx(t), key("log"), LogIn{Remote: w.remote, To: "main"}); err != nil || out.Entries != nil {
		t.Errorf("without a path: %+v, %v", out.Entries, err)
	}
}
