package git

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"slipway/bot/errs"
)

// keyring is a throw-away key of gpg.
type keyring struct {
	t    *testing.T
	home string
}

func (k keyring) gpg(stdin string, args ...string) string {
	k.t.Helper()
	cmd := exec.Command("gpg", append([]string{"--batch", "--no-tty", "--homedir", k.home, "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.Output()
	if err != nil {
		k.t.Fatalf("gpg %v: %v", args, err)
	}
	return string(out)
}

func newKey(t *testing.T, name string) (k keyring, public, fingerprint string) {
	t.Helper()
	home, err := os.MkdirTemp("", "gpg-")
	if err != nil {
		t.Fatal(err)
	}
	k = keyring{t: t, home: home}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		_ = os.RemoveAll(home)
	})
	k.gpg("", "--quick-generate-key", name+" <"+name+"@example.org>", "ed25519", "sign", "never")
	for line := range strings.Lines(k.gpg("", "--with-colons", "--list-keys")) {
		if f := strings.Split(line, ":"); f[0] == "fpr" {
			fingerprint = f[9]
		}
	}
	return k, k.gpg("", "--armor", "--export"), fingerprint
}

func TestATagIsVerifiedAgainstThePinnedKey(t *testing.T) {
	w := newWorld(t)
	tip := w.history()
	in := w.release(tip)
	verify := func(v VerifyIn) (VerifyOut, error) {
		v.Remote = w.remote
		return NewVerifyTag(w.repos, "").Do(ctx(t), key("verify"), v)
	}
	if _, err := exec.LookPath("gpg"); err != nil {
		if _, err := verify(VerifyIn{Tag: "2019.01", Fingerprint: strings.Repeat("A", 40)}); !errs.Is(err, errs.Unavailable) || errs.HintOf(err) == "" {
			t.Errorf("without gpg: %v", err)
		}
		return
	}
	holder, public, fpr := newKey(t, "holder")
	_, otherPublic, otherFpr := newKey(t, "other")
	payload := strings.TrimSuffix(in.Object, armour)
	in.Object = payload + holder.gpg(payload, "--armor", "--detach-sign", "--local-user", fpr)
	if err := do(w, in); err != nil {
		t.Fatal(err)
	}
	out, err := verify(VerifyIn{Tag: "2019.01", Commit: in.Commit, Key: public, Fingerprint: strings.ToLower(fpr)})
	if err != nil || out.Fingerprint != fpr || out.Commit != in.Commit || out.TagObject != ObjectID(in.Object, in.Commit) || !strings.HasSuffix(out.SignedAt, "Z") {
		t.Errorf("got %+v, %v", out, err)
	}

	// Replayed under another name; changed after signing; not signed; lightweight.
	w.git(w.remote, "update-ref", "refs/tags/2019.02", out.TagObject)
	changed := strings.Replace(in.Object, "Sample", "Sampled", 1)
	file := filepath.Join(t.TempDir(), "object")
	if err := os.WriteFile(file, []byte(strings.Replace(changed, "tag 2019.01", "tag 2019.03", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	w.git(w.remote, "update-ref", "refs/tags/2019.03", w.git(w.remote, "hash-object", "-t", "tag", "-w", file))
	for name, tt := range map[string]struct {
		in   VerifyIn
		kind errs.Kind
		want string
	}{
		"other key":      {VerifyIn{Tag: "2019.01", Key: otherPublic, Fingerprint: otherFpr}, errs.Failed, "another key"},
		"not the pinned": {VerifyIn{Tag: "2019.01", Key: public, Fingerprint: otherFpr}, errs.Failed, "signed by " + fpr},
		"both keys":      {VerifyIn{Tag: "2019.01", Key: otherPublic + public, Fingerprint: otherFpr}, errs.Failed, "signed by " + fpr},
		"other commit":   {VerifyIn{Tag: "2019.01", Key: public, Fingerprint: fpr, Commit: tip}, errs.Failed, "the signed commit is"},
		"replayed":       {VerifyIn{Tag: "2019.02", Key: public, Fingerprint: fpr}, errs.Failed, `the signed name is "2019.01"`},
		"changed":        {VerifyIn{Tag: "2019.03", Key: public, Fingerprint: fpr}, errs.Failed, "does not fit"},
		"annotated":      {VerifyIn{Tag: "2018.10", Key: public, Fingerprint: fpr}, errs.Failed, "no signature"},
		"lightweight":    {VerifyIn{Tag: "2018.11", Key: public, Fingerprint: fpr}, errs.Failed, "lightweight"},
		"no tag":         {VerifyIn{Tag: "2020.01", Key: public, Fingerprint: fpr}, errs.NotFound, "no tag"},
		"short id":       {VerifyIn{Tag: "2019.01", Key: public, Fingerprint: fpr[24:]}, errs.Invalid, "fingerprint"},
		"no key":         {VerifyIn{Tag: "2019.01", Key: "x", Fingerprint: fpr}, errs.Invalid, "cannot read the public key"},
	} {
		if _, err := verify(tt.in); errs.KindOf(err) != tt.kind || !strings.Contains(errs.Text(err), tt.want) {
			t.Errorf("%s: %v: %v", name, errs.KindOf(err), errs.Text(err))
		}
	}
	if _, err := NewVerifyTag(w.repos, "/nonexistent/gpg").Do(ctx(t), key("v"), VerifyIn{Remote: w.remote, Tag: "2019.01", Key: public, Fingerprint: fpr}); !errs.Is(err, errs.Unavailable) {
		t.Errorf("without gpg: %v", err)
	}
}

func TestOnlyOneGoodSignatureCounts(t *testing.T) {
	fpr := strings.Repeat("A", 40)
	valid := "[GNUPG:] VALIDSIG " + fpr + " 2019-01-24 1548330207 0 4 0 22 10 00 " + fpr + "\n"
	good := "[GNUPG:] GOODSIG AAAAAAAAAAAAAAAA x\n"
	if out, err := judge(good+valid, "t", fpr); err != nil || out.SignedAt != "2019-01-24T11:43:27Z" {
		t.Errorf("got %+v, %v", out, err)
	}
	for name, status := range map[string]string{
		"nothing":      "",
		"good only":    good,
		"valid only":   valid,
		"two":          good + valid + good + valid,
		"expired":      "[GNUPG:] EXPKEYSIG AAAA x\n" + valid,
		"revoked":      "[GNUPG:] REVKEYSIG AAAA x\n" + valid,
		"old":          "[GNUPG:] EXPSIG AAAA x\n" + valid,
		"bad":          "[GNUPG:] BADSIG AAAA x\n",
		"git said no":  "[GNUPG:] FAILED\n" + good + valid,
		"sha1":         good + strings.Replace(valid, " 22 10 ", " 22 2 ", 1),
		"short":        good + "[GNUPG:] VALIDSIG " + fpr + "\n",
		"name in text": "[GNUPG:] GOODSIG A [GNUPG:] VALIDSIG " + fpr + "\n",
	} {
		if _, err := judge(status, "t", fpr); !errs.Is(err, errs.Failed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
