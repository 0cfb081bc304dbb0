package logkey_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/bot/errs"
	"slipway/bot/evidence"
	"slipway/integrations/logkey"
)

func TestAKeyIsMadeOnceAndSigns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log-key")
	k, err := logkey.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if _, err := logkey.Create(path); !errs.Is(err, errs.Exists) {
		t.Errorf("a second time: %v", err)
	}
	again, err := logkey.Open(path)
	if err != nil || again.Fingerprint() != k.Fingerprint() {
		t.Fatalf("%v %s", err, again.Fingerprint())
	}
	sealed, err := evidence.Seal(again, evidence.HeadType, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := evidence.Open(k.Public(), evidence.HeadType, sealed); err != nil {
		t.Error(err)
	}
	if _, err := evidence.Open(k.Public(), evidence.IndexType, sealed); err == nil {
		t.Error("a head is taken for an index")
	}
	if _, err := logkey.Create(filepath.Join(t.TempDir(), "none", "log-key")); !errs.Is(err, errs.NotFound) {
		t.Errorf("in a folder that is not there: %v", err)
	}
}

func TestTheKeyIsNotShown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log-key")
	k, err := logkey.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.Split(string(data), "\n")[1]
	for _, text := range []string{fmt.Sprint(k), fmt.Sprintf("%v %+v %#v %s", k, k, k, k)} {
		if strings.Contains(text, secret) || !strings.Contains(text, string(k.Fingerprint())) {
			t.Errorf("%q", text)
		}
	}
}

func TestKeysThatAreNotTaken(t *testing.T) {
	dir := t.TempDir()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(made(t, filepath.Join(dir, "good")))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		content []byte
		mode    os.FileMode
		want    errs.Kind
	}{
		"others read it":   {good, 0o644, errs.Denied},
		"the group reads":  {good, 0o640, errs.Denied},
		"others change it": {good, 0o602, errs.Denied},
		"empty":            {nil, 0o600, errs.Invalid},
		"no key":           {[]byte("a key"), 0o600, errs.Invalid},
		"another kind":     {pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600, errs.Invalid},
		"a public key":     {evidence.EncodeKey(make(ed25519.PublicKey, ed25519.PublicKeySize)), 0o600, errs.Invalid},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, c.content, c.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, c.mode); err != nil { // whatever the mask is
			t.Fatal(err)
		}
		if _, err := logkey.Open(path); !errs.Is(err, c.want) || errs.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := logkey.Open(filepath.Join(dir, "absent")); !errs.Is(err, errs.NotFound) {
		t.Errorf("absent: %v", err)
	}
	if _, err := logkey.Open(dir); !errs.Is(err, errs.Invalid) {
		t.Errorf("a folder: %v", err)
	}
}

func made(t *testing.T, path string) string {
	t.Helper()
	if _, err := logkey.Create(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// A key that is away is an error at that moment; one that was exchanged is told.
func TestAKeyInAFileMayComeAndGo(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log-key")
	f := logkey.At(path)
	if _, err := f.Sign([]byte("x")); !errs.Is(err, errs.NotFound) || f.Public() != nil {
		t.Errorf("before it is there: %v", err)
	}
	made(t, path)
	if _, err := f.Sign([]byte("x")); err != nil || f.Public() == nil {
		t.Errorf("once it is there: %v", err)
	}
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Sign([]byte("x")); !errs.Is(err, errs.NotFound) {
		t.Errorf("gone: %v", err)
	}
	made(t, path)
	if err := f.Check(); !errs.Is(err, errs.Conflict) {
		t.Errorf("another: %v", err)
	}
	if err := os.Rename(path+".old", path); err != nil {
		t.Fatal(err)
	}
	if err := f.Check(); err != nil {
		t.Errorf("back: %v", err)
	}
}
