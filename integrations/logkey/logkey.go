// Package logkey keeps the key that signs the heads of logs and the evidence of runs.
//
// It is an Ed25519 key of its own, used unattended by the bot, and never for releases: who breaks
// into the bot's machine can take it, and so can lie about what happens from then on, but not about
// heads that others hold already. The file is a private key in PKCS #8 and PEM (RFC 8410), as
// `openssl genpkey -algorithm ed25519` writes it, outside of the state folder, so that a copy of the
// state is no copy of the key.
package logkey

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"slipway/bot/errs"
	"slipway/bot/evidence"
)

const (
	pemType = "PRIVATE KEY"
	maxFile = 4 << 10
)

// Key is a log key in memory. It is an [evidence.Signer], and never written into a text.
type Key struct{ private ed25519.PrivateKey }

var _ evidence.Signer = (*Key)(nil)

// Sign signs a message (RFC 8032, PureEdDSA). It does not fail.
func (k *Key) Sign(message []byte) ([]byte, error) { return ed25519.Sign(k.private, message), nil }

// Public is the public key.
func (k *Key) Public() ed25519.PublicKey { return k.private.Public().(ed25519.PublicKey) }

// Fingerprint is what people pin.
func (k *Key) Fingerprint() evidence.Fingerprint { return evidence.FingerprintOf(k.Public()) }

// String keeps the key out of logs.
func (k *Key) String() string { return "log key " + string(k.Fingerprint()) }

// GoString is String, for %#v.
func (k *Key) GoString() string { return k.String() }

// Create makes a key and writes it to a new file that only its owner can read. It is on disk when
// Create returns. Errors: [errs.Exists] for a file that is there, which is never touched,
// [errs.NotFound] for a folder that is not.
func Create(path string) (*Key, error) {
	const op = "logkey.create"
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, errs.E(op, errs.Internal, err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, errs.E(op, errs.Internal, err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, errs.E(op, errs.Exists, fmt.Errorf("%s is there already", path)).
			Hint("name another file; what an earlier key signed can only be checked with its fingerprint, so keep it")
	case errors.Is(err, fs.ErrNotExist):
		return nil, errs.E(op, errs.NotFound, fmt.Errorf("the folder of %s is not there", path)).Hint("make it first, for the user that the bot runs as")
	case err != nil:
		return nil, errs.E(op, errs.Unavailable, fmt.Errorf("making %s: %w", path, err)).Hint("name a file in a folder that this user may write to")
	}
	err = pem.Encode(f, &pem.Block{Type: pemType, Bytes: der})
	if err = errors.Join(err, f.Sync(), f.Close(), syncFolder(filepath.Dir(path))); err != nil {
		_ = os.Remove(path)
		return nil, errs.E(op, errs.Unavailable, fmt.Errorf("writing %s: %w", path, err)).Hint("look whether the disk is full")
	}
	return &Key{private}, nil
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Open reads a key. Errors: [errs.NotFound], [errs.Denied] for a file that others than its owner can
// read or write, or that is of another user, [errs.Invalid] for what is no Ed25519 key.
func Open(path string) (*Key, error) {
	const op = "logkey.open"
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errs.E(op, errs.NotFound, fmt.Errorf("there is no log key %s", path)).Hint("make one: slipway logkey new %s", path)
	}
	if err != nil {
		return nil, errs.E(op, errs.Denied, fmt.Errorf("the log key cannot be read: %w", err)).Hint("give the file to the user that the bot runs as")
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, errs.E(op, errs.Unavailable, err)
	}
	switch mode := info.Mode(); {
	case !mode.IsRegular():
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("the log key %s is not a file", path)).Hint("name the file with the key")
	case mode.Perm()&0o077 != 0:
		return nil, errs.E(op, errs.Denied, fmt.Errorf("others may read or change the log key %s (%s)", path, mode.Perm())).
			Hint("chmod 600 %s; if others were on this machine, make a new key", path)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != uint32(os.Geteuid()) && st.Uid != 0 {
		return nil, errs.E(op, errs.Denied, fmt.Errorf("the log key %s belongs to another user", path)).Hint("give it to the user that the bot runs as")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, errs.E(op, errs.Unavailable, fmt.Errorf("reading the log key: %w", err))
	}
	return decode(path, data)
}

func decode(path string, data []byte) (*Key, error) {
	bad := errs.E("logkey.open", errs.Invalid, fmt.Errorf("%s holds no Ed25519 key in PEM", path)).Hint("make one: slipway logkey new FILE")
	block, _ := pem.Decode(data)
	if block == nil || block.Type != pemType {
		return nil, bad
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, bad
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, bad
	}
	return &Key{private}, nil
}
