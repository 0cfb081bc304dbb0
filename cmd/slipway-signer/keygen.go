package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/openpgp"
)

// The files that keygen makes.
const (
	demoKey         = "demo-key.asc"
	demoCertificate = "demo-cert.asc"
	demoFingerprint = "demo-fingerprint"
)

// demoLife is how long a demo key is valid: longer than the time before the end at which the bot warns.
const demoLife = 90 * 24 * time.Hour

// Keygen makes a throw-away key in dir: its private part without a passphrase, its certificate,
// and its fingerprint. The user id says what it is. An existing key is left alone: [errs.Exists].
func Keygen(dir string, now time.Time) (fingerprint string, err error) {
	const op = "signer.keygen"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", errs.E(op, errs.Invalid, fmt.Errorf("the folder for the key cannot be made: %w", err))
	}
	private, public, err := openpgp.Generate("Slipway demo throw-away key", "demo@slipway.invalid", "rsa", demoLife, now.Add(-time.Minute))
	if err != nil {
		return "", err
	}
	k, err := openpgp.NewKeyFile(private, nil, func() time.Time { return now })
	if err != nil {
		return "", err
	}
	for _, f := range []struct {
		name    string
		content []byte
		mode    os.FileMode
	}{{demoKey, private, 0o600}, {demoCertificate, public, 0o644}, {demoFingerprint, []byte(k.Fingerprint() + "\n"), 0o644}} {
		if err := create(filepath.Join(dir, f.name), f.content, f.mode); err != nil {
			return "", err
		}
	}
	return k.Fingerprint(), nil
}

func create(path string, content []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		if os.IsExist(err) {
			return errs.E("signer.keygen", errs.Exists, fmt.Errorf("%s is there already", path)).Hint("use it, or choose another folder")
		}
		return errs.E("signer.keygen", errs.Invalid, fmt.Errorf("the key cannot be written: %w", err))
	}
	if _, err = f.Write(content); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return errs.E("signer.keygen", errs.Full, fmt.Errorf("the key cannot be written: %w", err))
	}
	return nil
}

// throwAway refuses the demo policy for a key that does not call itself a demo key in every one
// of its user ids.
func throwAway(s openpgp.Signer) error {
	ids := s.UserIDs()
	for _, id := range ids {
		if !strings.Contains(strings.ToLower(id), "demo") {
			ids = nil
		}
	}
	if len(ids) == 0 {
		return errs.E("signer.demo", errs.Denied, fmt.Errorf("the key %s is not a throw-away key", s.Fingerprint())).
			Hint("the demo policy signs without asking; make a key for it with: slipway-signer keygen --demo DIR")
	}
	return nil
}
