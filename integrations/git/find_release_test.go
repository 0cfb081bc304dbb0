package git

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"slipway/bot/errs"
)

func TestATagThatIsThereEndsARelease(t *testing.T) {
	w := newWorld(t)
	w.history()
	find := func(tag string, adopt bool) (FindOut, error) {
		return NewFindRelease(w.repos, "").Do(ctx(t), key("find"), FindIn{Remote: w.remote, Branch: "main", Tag: tag, Adopt: adopt, Key: "x", Fingerprint: strings.Repeat("A", 40)})
	}
	for _, adopt := range []bool{false, true} { // nothing is there to be taken over
		if out, err := find("2019.01", adopt); err != nil || out != (FindOut{}) {
			t.Errorf("got %+v, %v", out, err)
		}
	}
	if _, err := find("2018.11", false); !errs.Is(err, errs.Exists) || !strings.Contains(errs.Text(err), "is released already: the tag 2018.11 exists") || !strings.Contains(errs.HintOf(err), "adopt") {
		t.Errorf("got %v", errs.Text(err))
	}
	if _, err := find("--all", false); !errs.Is(err, errs.Invalid) {
		t.Errorf("got %v", err)
	}
}

// What git.prepare and git.tag_payload tell of what a person made is what is there.
func TestACommitMadeByHandIsDescribed(t *testing.T) {
	w := newWorld(t)
	tip := w.history()
	hand := w.commit("Dora", "2019.01 release", "debian/changelog", "sample (2019.01-1) unstable; urgency=low\n")
	w.push()
	in := PrepareIn{Remote: w.remote, Commit: tip, Message: "R", Author: bot, Date: "1", Made: hand}
	want, ok, err := NewPrepare(w.repos).Probe(ctx(t), key("p"), in)
	if err != nil || !ok || want.Commit != hand || len(want.Parents) != 1 || want.Parents[0] != tip ||
		len(want.Files) != 1 || want.Files[0] != "debian/changelog" || len(want.Authors) != 1 || want.Authors[0] != "dora@example.org" || len(want.Tree) != 40 {
		t.Fatalf("got %+v %t %v", want, ok, err)
	}
	if again, err := NewPrepare(w.repos).Do(ctx(t), key("p"), in); err != nil || again.Commit != hand || again.Tree != want.Tree {
		t.Fatalf("got %+v %v", again, err)
	}
	in.Made = strings.Repeat("1", 40)
	if _, ok, err := NewPrepare(w.repos).Probe(ctx(t), key("p"), in); ok || !errs.Is(err, errs.NotFound) {
		t.Fatalf("got %t %v", ok, err)
	}
	in.Made = "main"
	if _, err := NewPrepare(w.repos).Do(ctx(t), key("p"), in); !errs.Is(err, errs.Invalid) {
		t.Fatalf("got %v", err)
	}

	p := PayloadIn{Commit: hand, Tag: "2019.01", Tagger: bot, Date: "1", Message: "R"}
	made, err := TagPayload(hand, "2019.01", "Dora <dora@example.org>", 5, "By hand")
	if err != nil {
		t.Fatal(err)
	}
	p.Made = made
	if out, err := NewPayloadOfTag().Do(ctx(t), key("t"), p); err != nil || out.Payload != made {
		t.Fatalf("got %+v %v", out, err)
	}
	for _, wrong := range []PayloadIn{{Commit: tip, Tag: "2019.01", Made: made}, {Commit: hand, Tag: "2019.02", Made: made}, {Commit: hand, Tag: "2019.01", Made: made + armour}, {Commit: hand, Tag: "2019.01", Made: "x"}} {
		if out, err := NewPayloadOfTag().Do(ctx(t), key("t"), wrong); !errs.Is(err, errs.Invalid) {
			t.Errorf("got %+v %v", out, err)
		}
	}
}

func TestATagMadeByHandIsTakenOver(t *testing.T) {
	w := newWorld(t)
	tip := w.history()
	if _, err := exec.LookPath("gpg"); err != nil {
		_, err := NewFindRelease(w.repos, "").Do(ctx(t), key("f"), FindIn{Remote: w.remote, Branch: "main", Tag: "2018.10", Adopt: true, Fingerprint: strings.Repeat("A", 40)})
		if !errs.Is(err, errs.Unavailable) {
			t.Errorf("without gpg: %v", err)
		}
		return
	}
	holder, public, fpr := newKey(t, "holder")
	other, _, otherFpr := newKey(t, "other")
	// put makes a tag of a commit, signed by k.
	put := func(name, commit string, k keyring, fingerprint string) string {
		t.Helper()
		payload, err := TagPayload(commit, name, "Dora <dora@example.org>", 1548330207, "By hand")
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "object")
		content := payload + k.gpg(payload, "--armor", "--detach-sign", "--local-user", fingerprint)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		w.git(w.remote, "update-ref", "refs/tags/"+name, w.git(w.remote, "hash-object", "-t", "tag", "-w", file))
		return content
	}
	find := func(tag string) (FindOut, error) {
		return NewFindRelease(w.repos, "").Do(ctx(t), key("find"), FindIn{Remote: w.remote, Branch: "main", Tag: tag, Adopt: true, Key: public, Fingerprint: fpr})
	}
	later := w.git(w.remote, "rev-parse", "2019.05^{commit}")
	content := put("2019.01", tip, holder, fpr)
	put("2019.02", tip, other, otherFpr)
	put("2019.03", later, holder, fpr)
	out, err := find("2019.01")
	if err != nil || out.Object != content || out.Commit != tip || out.TagObject != ObjectID(content, tip) || out.Fingerprint != fpr ||
		!strings.HasPrefix(out.Object, out.Payload) || !strings.Contains(out.Told, "by Dora <dora@example.org>, signed at ") {
		t.Fatalf("got %+v %v", out, err)
	}
	// The probe of the push finds it, whoever pushed.
	if _, found, err := NewPushRelease(w.repos).Probe(ctx(t), key("push"), PushIn{Remote: w.remote, Branch: "main", Expected: tip, Commit: tip, Tag: "2019.01", Object: out.Object}); !found || err != nil {
		t.Fatalf("the push is not found: %v", err)
	}
	for tag, says := range map[string]string{
		"2019.02": "signed by another key", "2019.03": "is not on the branch main", "2018.11": "lightweight", "2018.10": "no signature",
	} {
		_, err := find(tag)
		if !errs.Is(err, errs.Exists) || !strings.Contains(errs.Text(err), says) || !strings.Contains(errs.HintOf(err), "push --delete REMOTE "+tag) {
			t.Errorf("%s: %v", tag, errs.Text(err))
		}
		// The tag of a release that people use: nobody is led to delete it.
		_, err = NewFindRelease(w.repos, "").Do(ctx(t), key("find"), FindIn{Remote: w.remote, Branch: "main", Tag: tag, Adopt: true, Earlier: true, Key: public, Fingerprint: fpr})
		hint := errs.HintOf(err)
		if !errs.Is(err, errs.Exists) || !strings.Contains(errs.Text(err), says) || strings.Contains(hint, "delete") || strings.Contains(hint, "take it away") ||
			!strings.Contains(hint, "git verify-tag --raw "+tag) || !strings.Contains(hint, "release_key "+fpr) || !strings.Contains(hint, "public_key") {
			t.Errorf("%s of an earlier release: %v; %s", tag, errs.Text(err), hint)
		}
	}
	if out, err := NewFindRelease(w.repos, "").Do(ctx(t), key("find"), FindIn{Remote: w.remote, Branch: "main", Tag: "2019.01", Adopt: true, Earlier: true, Key: public, Fingerprint: fpr}); err != nil || out.Commit != tip {
		t.Errorf("an earlier release: %+v %v", out, err)
	}
}
