package logkey

import (
	"crypto/ed25519"
	"fmt"
	"sync"

	"slipway/bot/errs"
	"slipway/bot/evidence"
)

// File signs with the key in a file, which is read at each use: a key that is missing or broken is
// an error then, and signs again as soon as it is mended. Its methods may be called by many
// goroutines at once.
type File struct {
	path string

	mu     sync.Mutex
	public ed25519.PublicKey // since it could be read first
}

var _ evidence.Signer = (*File)(nil)

// At is the key in a file. The file need not be there yet.
func At(path string) *File { return &File{path: path} }

// Check reads the key. Errors are those of [Open], and [errs.Conflict] for another key than before:
// those who pinned the first must be told.
func (f *File) Check() error {
	_, err := f.open()
	return err
}

func (f *File) open() (*Key, error) {
	k, err := Open(f.path)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.public == nil {
		f.public = k.Public()
	}
	if !k.Public().Equal(f.public) {
		return nil, errs.E("logkey.sign", errs.Conflict, fmt.Errorf("the log key %s is another one than before", f.path)).
			Hint("tell those who pinned %s, then start the bot again", evidence.FingerprintOf(f.public))
	}
	return k, nil
}

// Public is the public key; nil while the file could never be read.
func (f *File) Public() ed25519.PublicKey {
	f.mu.Lock()
	public := f.public
	f.mu.Unlock()
	if public == nil {
		if k, err := f.open(); err == nil {
			public = k.Public()
		}
	}
	return public
}

// Sign reads the key and signs. Errors are those of [File.Check].
func (f *File) Sign(message []byte) ([]byte, error) {
	k, err := f.open()
	if err != nil {
		return nil, err
	}
	return k.Sign(message)
}
