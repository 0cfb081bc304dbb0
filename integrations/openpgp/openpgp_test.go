package openpgp

import (
	"bytes"
	"context"
	"crypto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	pgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"slipway/bot/errs"
)

var start = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func clock(t time.Time) func() time.Time { return func() time.Time { return t } }

func wantKind(t *testing.T, err error, k errs.Kind, words string) {
	t.Helper()
	if !errs.Is(err, k) || !strings.Contains(err.Error(), words) {
		t.Fatalf("got %v (kind %v), want kind %v with %q", err, errs.KindOf(err), k, words)
	}
}

// newKey makes a key that is valid for a year from start.
func newKey(t *testing.T, algorithm string) (*KeyFile, Policy) {
	t.Helper()
	private, public, err := Generate("Release Key", "release@example.org", algorithm, 365*24*time.Hour, start)
	if err != nil {
		t.Fatal(err)
	}
	k, err := NewKeyFile(private, nil, clock(start.Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	return k, trust(t, public)
}

func trust(t *testing.T, public []byte) Policy {
	t.Helper()
	list, err := ReadCertificates(public)
	if err != nil {
		t.Fatal(err)
	}
	return Policy{Certificates: list, Allowed: []string{printFingerprint(list[0])}}
}

func TestDetachedSignatureIsGoodAndArmoredForOldGpg(t *testing.T) {
	for _, algorithm := range []string{"rsa", "eddsa"} {
		t.Run(algorithm, func(t *testing.T) {
			k, p := newKey(t, algorithm)
			data := []byte("what is signed\n")
			sig, err := k.Sign(t.Context(), data)
			if err != nil {
				t.Fatal(err)
			}
			// A checksum line and a final newline: gpg 2.2 needs both.
			if !bytes.HasSuffix(sig, []byte("-----END PGP SIGNATURE-----\n")) || !bytes.Contains(sig, []byte("\n=")) {
				t.Fatalf("armor without checksum or newline:\n%s", sig)
			}
			got, err := p.Verify(data, sig, start.Add(2*time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			if got.Fingerprint != k.Fingerprint() || got.Hash != "SHA-512" || !got.Created.Equal(start.Add(time.Hour)) ||
				got.UserID != "Release Key <release@example.org>" {
				t.Fatalf("%+v", got)
			}
			_, err = p.Verify([]byte("what is signed!\n"), sig, start.Add(2*time.Hour))
			wantKind(t, err, errs.Denied, "not good")
		})
	}
}

// Attack case 42: expired, revoked or wrong-usage key; clock skew.
func TestAttack42ExpiredRevokedWrongUsageKeyAndClockSkew(t *testing.T) {
	k, p := newKey(t, "eddsa")
	data := []byte("payload\n")
	sig, err := k.Sign(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	made := start.Add(time.Hour)

	t.Run("expired key does not sign", func(t *testing.T) {
		k.now = clock(start.Add(400 * 24 * time.Hour))
		_, err := k.Sign(t.Context(), data)
		wantKind(t, err, errs.Denied, "may sign")
		k.now = clock(made)
	})
	t.Run("old signature of an expired key", func(t *testing.T) {
		_, err := p.Verify(data, sig, start.Add(400*24*time.Hour))
		wantKind(t, err, errs.Denied, "expired")
	})
	t.Run("signature older than allowed", func(t *testing.T) {
		q := p
		q.MaxAge = time.Hour
		_, err := q.Verify(data, sig, made.Add(61*time.Minute))
		wantKind(t, err, errs.Denied, "old ones")
	})
	t.Run("signer's clock ahead", func(t *testing.T) {
		if _, err := p.Verify(data, sig, made.Add(-4*time.Minute)); err != nil {
			t.Fatalf("four minutes are tolerated: %v", err)
		}
		_, err := p.Verify(data, sig, made.Add(-6*time.Minute))
		wantKind(t, err, errs.Denied, "future")
	})
	t.Run("revoked key", func(t *testing.T) {
		cfg := config(clock(made), MinRSABits)
		if err := k.entity.Revoke(packet.KeyCompromised, "lost", cfg); err != nil {
			t.Fatal(err)
		}
		_, err := k.Sign(t.Context(), data)
		wantKind(t, err, errs.Denied, "revoked")
		_, err = trust(t, k.Certificate()).Verify(data, sig, made)
		wantKind(t, err, errs.Denied, "revoked")
	})
	t.Run("encryption subkey signs", func(t *testing.T) {
		cfg := &packet.Config{Algorithm: packet.PubKeyAlgoRSA, RSABits: MinRSABits, Time: clock(start)}
		e, err := pgp.NewEntity("Wrong Use", "", "wrong@example.org", cfg)
		if err != nil {
			t.Fatal(err)
		}
		sub := e.Subkeys[0]
		s := &packet.Signature{Version: 4, SigType: packet.SigTypeBinary, PubKeyAlgo: sub.PublicKey.PubKeyAlgo,
			Hash: crypto.SHA256, CreationTime: made, IssuerKeyId: &sub.PublicKey.KeyId, IssuerFingerprint: sub.PublicKey.Fingerprint}
		h := crypto.SHA256.New()
		h.Write(data)
		if err := s.Sign(h, sub.PrivateKey, cfg); err != nil {
			t.Fatal(err)
		}
		var raw, pub bytes.Buffer
		if err := s.Serialize(&raw); err != nil {
			t.Fatal(err)
		}
		if err := e.Serialize(&pub); err != nil {
			t.Fatal(err)
		}
		sig, _ := armored(signatureType, raw.Bytes())
		_, err = trust(t, pub.Bytes()).Verify(data, sig, made)
		wantKind(t, err, errs.Denied, "")
	})
}

func TestOnlyThePinnedFingerprintCounts(t *testing.T) {
	k, p := newKey(t, "eddsa")
	other, q := newKey(t, "eddsa")
	data := []byte("payload\n")
	sig, _ := other.Sign(t.Context(), data)
	p.Certificates = append(p.Certificates, q.Certificates...) // known, but not allowed
	_, err := p.Verify(data, sig, start.Add(time.Hour))
	wantKind(t, err, errs.Denied, "not allowed")

	p.Allowed = append(p.Allowed, other.Fingerprint())
	_, err = p.VerifyTag(data, sig, k.Fingerprint(), start.Add(time.Hour))
	wantKind(t, err, errs.Denied, "not allowed")
	if _, err = p.VerifyTag(data, sig, other.Fingerprint(), start.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"", "DEADBEEF", other.Fingerprint()[24:], other.Fingerprint() + "00"} {
		p.Allowed = []string{id}
		if _, err = p.Verify(data, sig, start.Add(time.Hour)); err == nil {
			t.Fatalf("%q was taken for a fingerprint", id)
		}
	}
}

func TestWeakKeysAndHashesAreRefused(t *testing.T) {
	data := []byte("payload\n")
	sign := func(bits int, hash crypto.Hash) ([]byte, Policy) {
		cfg := &packet.Config{RSABits: bits, Time: clock(start)}
		e, err := v1.NewEntity("Weak", "", "weak@example.org", cfg)
		if err != nil {
			t.Fatal(err)
		}
		s := &packet.Signature{Version: 4, SigType: packet.SigTypeBinary, PubKeyAlgo: packet.PubKeyAlgoRSA, Hash: hash,
			CreationTime: start, IssuerKeyId: &e.PrimaryKey.KeyId, IssuerFingerprint: e.PrimaryKey.Fingerprint}
		h := hash.New()
		h.Write(data)
		if err := s.Sign(h, e.PrivateKey, cfg); err != nil {
			t.Fatal(err)
		}
		var sig, pub bytes.Buffer
		if err := s.Serialize(&sig); err != nil {
			t.Fatal(err)
		}
		if err := e.Serialize(&pub); err != nil {
			t.Fatal(err)
		}
		arm, _ := armored(signatureType, sig.Bytes())
		return arm, trust(t, pub.Bytes())
	}
	sig, p := sign(3072, crypto.SHA256)
	if _, err := p.Verify(data, sig, start); err != nil {
		t.Fatal(err)
	}
	sig, p = sign(2048, crypto.SHA256)
	_, err := p.Verify(data, sig, start)
	wantKind(t, err, errs.Denied, "3072")
	sig, p = sign(3072, crypto.SHA224)
	_, err = p.Verify(data, sig, start)
	wantKind(t, err, errs.Denied, "hash")
}

func TestOneSignatureAndNothingElse(t *testing.T) {
	k, p := newKey(t, "eddsa")
	data := []byte("payload\n")
	sig, _ := k.Sign(t.Context(), data)
	body, err := dearm("t", sig)
	if err != nil {
		t.Fatal(err)
	}
	twice, _ := armored(signatureType, append(bytes.Clone(body), body...))
	for name, bad := range map[string][]byte{
		"two packets": twice, "text before": append([]byte("x\n"), sig...), "text after": append(bytes.Clone(sig), 'x'),
		"two blocks": append(bytes.Clone(sig), sig...), "binary": body, "empty": nil,
		"a key": k.Certificate(),
	} {
		_, err := p.Verify(data, bad, start.Add(time.Hour))
		t.Run(name, func(t *testing.T) { wantKind(t, err, errs.Invalid, "") })
	}
}

func TestLockedKeyFile(t *testing.T) {
	k, _ := newKey(t, "eddsa")
	if err := k.entity.EncryptPrivateKeys([]byte("open sesame"), nil); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := k.entity.SerializePrivateWithoutSigning(&b, nil); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	key, pass, wrong := filepath.Join(dir, "key"), filepath.Join(dir, "pass"), filepath.Join(dir, "wrong")
	for path, content := range map[string][]byte{key: b.Bytes(), pass: []byte("open sesame\n"), wrong: []byte("shut\n")} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := LoadKeyFile(key, pass, time.Now); err != nil {
		t.Fatal(err)
	}
	_, err := LoadKeyFile(key, wrong, time.Now)
	wantKind(t, err, errs.Invalid, "does not unlock")
	if strings.Contains(err.Error(), "shut") {
		t.Fatal("the passphrase is in the error")
	}
	_, err = LoadKeyFile(key, "", time.Now)
	wantKind(t, err, errs.Invalid, "locked")
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = LoadKeyFile(key, pass, time.Now)
	wantKind(t, err, errs.Denied, "other users")
}

func TestCancelledContextSignsNothing(t *testing.T) {
	k, _ := newKey(t, "eddsa")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := k.Sign(ctx, []byte("x"))
	wantKind(t, err, errs.Unavailable, "stopped")
}
