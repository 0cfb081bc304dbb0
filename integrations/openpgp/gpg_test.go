package openpgp

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"slipway/bot/errs"
)

// pretend puts a program in gpg's place: it exports the certificate of k, and does body for
// everything else.
func pretend(t *testing.T, k *KeyFile, body string) (GPGConfig, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "g")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	script := "#!/bin/sh\ncase \"$*\" in *--export*) cat " + dir + "/cert; exit 0;; esac\n" + body + "\n"
	for name, content := range map[string]string{"cert": string(k.Certificate()), "gpg": script} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return GPGConfig{Program: filepath.Join(dir, "gpg"), Home: dir, Key: k.Fingerprint(), Now: clock(start.Add(time.Hour))}, dir
}

func TestGpgAnswersThatAreNotBelieved(t *testing.T) {
	k, _ := newKey(t, "eddsa")
	data := []byte("payload\n")
	sig, err := k.Sign(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	created := func(kind, class, fpr string) string {
		return "cat >/dev/null; cat $(dirname $0)/sig; echo '[GNUPG:] SIG_CREATED " + kind + " 22 10 " + class + " 1769864400 " + fpr + "' >&3"
	}
	for _, c := range []struct {
		name, body string
		kind       errs.Kind
		words      string
	}{
		{"good", created("D", "00", k.Fingerprint()), errs.Other, ""},
		{"another key", created("D", "00", "0000000000000000000000000000000000000000"), errs.Denied, "another way"},
		{"another kind", created("C", "01", k.Fingerprint()), errs.Denied, "another way"},
		{"exit 0 and silence", "cat >/dev/null; cat $(dirname $0)/sig", errs.Denied, "does not say"},
		{"status among the messages", "cat >/dev/null; cat $(dirname $0)/sig; echo '[GNUPG:] SIG_CREATED D 22 10 00 1 " + k.Fingerprint() + "' >&2", errs.Denied, "does not say"},
		{"refusal", "echo 'gpg: signing failed: Bad PIN' >&2; exit 2", errs.Denied, "Bad PIN"},
		{"says signed, is not", "cat >/dev/null; echo nonsense; echo '[GNUPG:] SIG_CREATED D 22 10 00 1 " + k.Fingerprint() + "' >&3", errs.Invalid, "not one armored"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, dir := pretend(t, k, c.body)
			if err := os.WriteFile(filepath.Join(dir, "sig"), sig, 0o600); err != nil {
				t.Fatal(err)
			}
			g, err := NewGPG(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			out, err := g.Sign(t.Context(), data)
			if c.kind == errs.Other {
				if err != nil || string(out) != string(sig) {
					t.Fatalf("%q, %v", out, err)
				}
				return
			}
			wantKind(t, err, c.kind, c.words)
		})
	}
}

func TestGpgThatHangsIsStopped(t *testing.T) {
	k, _ := newKey(t, "eddsa")
	cfg, _ := pretend(t, k, "exec sleep 600")
	g, err := NewGPG(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	g.cfg.Timeout = 50 * time.Millisecond
	_, err = g.Sign(t.Context(), []byte("x\n"))
	wantKind(t, err, errs.Unavailable, "did not answer")
}

func TestGpgHomeMustBePrivate(t *testing.T) {
	k, _ := newKey(t, "eddsa")
	cfg, dir := pretend(t, k, "exit 1")
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := NewGPG(t.Context(), cfg)
	wantKind(t, err, errs.Invalid, "other users")
	cfg.Home = "relative"
	_, err = NewGPG(t.Context(), cfg)
	wantKind(t, err, errs.Invalid, "absolute")
}
