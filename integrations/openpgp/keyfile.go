package openpgp

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	pgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"slipway/bot/errs"
)

// KeyFile is a [Signer] whose key came from a file. The unlocked key lives in memory only.
type KeyFile struct {
	entity *pgp.Entity
	now    func() time.Time
}

var _ Signer = (*KeyFile)(nil)

// NewKeyFile reads the private key in data (armored or binary, one key) and unlocks it. A
// signing subkey whose primary is kept offline is the best form. now tells the time of a
// signature. Errors: [errs.Invalid] for what is not one private key or a wrong passphrase.
func NewKeyFile(data, passphrase []byte, now func() time.Time) (*KeyFile, error) {
	const op = "openpgp.key"
	list, err := readKeys(op, data)
	if err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("the key file holds %d keys, want one", len(list)))
	}
	e := list[0]
	if e.PrivateKey == nil {
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("the key file holds a certificate without its private key")).
			Hint("export it with: gpg --armor --export-secret-subkeys %s", printFingerprint(e))
	}
	if locked(e) {
		if len(passphrase) == 0 {
			return nil, errs.E(op, errs.Invalid, fmt.Errorf("the key is locked and no passphrase is given")).
				Hint("name a file that holds the passphrase")
		}
		if err := e.DecryptPrivateKeys(passphrase); err != nil {
			// The library's words may describe the key material; ours do not.
			return nil, errs.E(op, errs.Invalid, errors.New("the passphrase does not unlock the key"))
		}
	}
	if e.PrimaryKey.Version != 4 {
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("the key has OpenPGP version %d; gpg and apt read version 4", e.PrimaryKey.Version))
	}
	return &KeyFile{entity: e, now: now}, nil
}

// LoadKeyFile is [NewKeyFile] for the file at path; passphrasePath may be "". The last newline of
// the passphrase file is not part of the passphrase. A key file that others can read is refused.
func LoadKeyFile(path, passphrasePath string, now func() time.Time) (*KeyFile, error) {
	for _, p := range []string{path, passphrasePath} {
		if p == "" {
			continue
		}
		info, err := os.Stat(p)
		if err != nil {
			return nil, errs.E("openpgp.key", errs.NotFound, fmt.Errorf("the key file cannot be opened: %w", err))
		}
		if info.Mode().Perm()&0o077 != 0 {
			return nil, errs.E("openpgp.key", errs.Denied, fmt.Errorf("%s can be read by other users (mode %04o)", p, info.Mode().Perm())).
				Hint("run: chmod 600 %s", p)
		}
	}
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	var pass []byte
	if passphrasePath != "" {
		if pass, err = readFile(passphrasePath); err != nil {
			return nil, err
		}
		pass = bytes.TrimSuffix(bytes.TrimSuffix(pass, []byte("\n")), []byte("\r"))
	}
	return NewKeyFile(data, pass, now)
}

// Fingerprint implements [Signer].
func (k *KeyFile) Fingerprint() string { return printFingerprint(k.entity) }

// UserIDs implements [Signer].
func (k *KeyFile) UserIDs() []string { return userIDs(k.entity) }

// Certificate is the armored public part.
func (k *KeyFile) Certificate() []byte {
	var b bytes.Buffer
	if err := k.entity.Serialize(&b); err != nil {
		return nil
	}
	out, err := armored(publicType, b.Bytes())
	if err != nil {
		return nil
	}
	return out
}

// Sign implements [Signer].
func (k *KeyFile) Sign(ctx context.Context, data []byte) ([]byte, error) {
	cfg, err := k.ready(ctx)
	if err != nil {
		return nil, err
	}
	var sig bytes.Buffer
	if err := pgp.DetachSign(&sig, []*pgp.Entity{k.entity}, bytes.NewReader(data), cfg); err != nil {
		return nil, errs.E("openpgp.sign", errs.Denied, fmt.Errorf("the key does not sign: %w", err))
	}
	return armored(signatureType, sig.Bytes())
}

// SignText implements [Signer]. The text must pass [CheckRelease].
func (k *KeyFile) SignText(ctx context.Context, text []byte) ([]byte, error) {
	if err := CheckRelease(text); err != nil {
		return nil, err
	}
	cfg, err := k.ready(ctx)
	if err != nil {
		return nil, err
	}
	var sig bytes.Buffer
	err = pgp.DetachSignWithParams(&sig, []*pgp.Entity{k.entity}, bytes.NewReader(clearBytes(text)), &pgp.SignParams{Config: cfg, TextSig: true})
	if err != nil {
		return nil, errs.E("openpgp.sign", errs.Denied, fmt.Errorf("the key does not sign: %w", err))
	}
	return armored(signatureType, sig.Bytes())
}

// ready is how the key signs now, and refuses an expired, revoked or weak one.
func (k *KeyFile) ready(ctx context.Context) (*packet.Config, error) {
	if err := ctx.Err(); err != nil {
		return nil, errs.E("openpgp.sign", errs.Unavailable, errors.New("signing was stopped before it began"))
	}
	now := k.now()
	cfg := config(func() time.Time { return now }, MinRSABits)
	if k.entity.Revoked(now) {
		return nil, errs.E("openpgp.sign", errs.Denied, fmt.Errorf("the key %s is revoked", k.Fingerprint()))
	}
	key, ok := k.entity.SigningKey(now, cfg)
	if !ok || key.PrivateKey == nil || key.PrivateKey.Dummy() {
		return nil, errs.E("openpgp.sign", errs.Denied, fmt.Errorf("the key %s has no part that may sign on %s", k.Fingerprint(), now.UTC().Format(time.DateOnly))).
			Hint("check with gpg --list-keys that it is not expired, that it may sign, and that it is EdDSA or RSA with at least %d bits", MinRSABits)
	}
	return cfg, nil
}

// Generate makes a new v4 key that signs: algorithm "rsa" (3072 bits) or "eddsa" (Ed25519 in the
// form that gpg 2.2 reads). life is how long it is valid; 0 means for ever. The private key is
// returned armored and without a passphrase: for demonstrations and tests.
func Generate(name, email, algorithm string, life time.Duration, now time.Time) (private, public []byte, err error) {
	const op = "openpgp.generate"
	cfg := &packet.Config{DefaultHash: crypto.SHA512, Time: func() time.Time { return now },
		KeyLifetimeSecs: uint32(life / time.Second), MinRSABits: MinRSABits}
	switch algorithm {
	case "rsa":
		cfg.Algorithm, cfg.RSABits = packet.PubKeyAlgoRSA, MinRSABits
	case "eddsa":
		cfg.Algorithm = packet.PubKeyAlgoEdDSA
	default:
		return nil, nil, errs.E(op, errs.Invalid, fmt.Errorf("%q is not an algorithm", algorithm)).Hint("use rsa or eddsa")
	}
	e, err := pgp.NewEntity(name, "", email, cfg)
	if err != nil {
		return nil, nil, errs.E(op, errs.Invalid, fmt.Errorf("no key could be made for %q <%s>: %w", name, email, err))
	}
	e.Subkeys = nil // NewEntity adds an encryption subkey; a release key has no use for one
	var priv, pub bytes.Buffer
	if err := e.SerializePrivateWithoutSigning(&priv, cfg); err != nil {
		return nil, nil, errs.E(op, errs.Internal, err)
	}
	if err := e.Serialize(&pub); err != nil {
		return nil, nil, errs.E(op, errs.Internal, err)
	}
	if private, err = armored(privateType, priv.Bytes()); err != nil {
		return nil, nil, errs.E(op, errs.Internal, err)
	}
	if public, err = armored(publicType, pub.Bytes()); err != nil {
		return nil, nil, errs.E(op, errs.Internal, err)
	}
	return private, public, nil
}

func locked(e *pgp.Entity) bool {
	if e.PrivateKey != nil && e.PrivateKey.Encrypted {
		return true
	}
	for _, s := range e.Subkeys {
		if s.PrivateKey != nil && s.PrivateKey.Encrypted {
			return true
		}
	}
	return false
}
