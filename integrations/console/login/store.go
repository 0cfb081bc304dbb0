package login

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"slipway/bot/errs"
)

// The buckets of sessions.db. The file is apart from the room and the store of the bot: a backup
// of those lets nobody in.
const (
	inMeta     = "meta"     // format, key: of the cookie of a login under way
	inSessions = "sessions" // SHA-256 of the id → session
	inTokens   = "tokens"   // SHA-256 of the token → Token
	formatNow  = "1"
)

// store is the file of sessions and tokens.
type store struct{ db *bbolt.DB }

func openStore(path string, random func([]byte)) (*store, error) {
	const op = "login.open"
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, errs.E(op, errs.Busy, fmt.Errorf("the sessions in %s are in use by another process", path)).Hint("stop the other slipway first")
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return nil, errs.E(op, errs.Corrupt, fmt.Errorf("%s does not hold sessions", path)).Hint("move it away: everybody logs in again, and tokens are made anew")
	case errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission):
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("the sessions in %s cannot be opened: %w", path, err)).Hint("make its folder and give it to the user that runs slipway")
	case err != nil:
		return nil, errs.E(op, errs.Unavailable, fmt.Errorf("opening the sessions in %s: %w", path, err))
	}
	s := &store{db}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, b := range []string{inMeta, inSessions, inTokens} {
			if _, err := tx.CreateBucketIfNotExists([]byte(b)); err != nil {
				return err
			}
		}
		meta := tx.Bucket([]byte(inMeta))
		if f := string(meta.Get([]byte("format"))); f != "" && f != formatNow {
			return errs.E(op, errs.Corrupt, fmt.Errorf("the sessions in %s have format %s, and this slipway reads format %s", path, f, formatNow)).
				Hint("use the slipway that wrote it, or a newer one")
		}
		if len(meta.Get([]byte("key"))) != 32 {
			key := make([]byte, 32)
			random(key)
			if err := meta.Put([]byte("key"), key); err != nil {
				return err
			}
		}
		return meta.Put([]byte("format"), []byte(formatNow))
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// sealKey is the key of the cookie of a login under way.
func (s *store) sealKey() (key [32]byte, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		copy(key[:], tx.Bucket([]byte(inMeta)).Get([]byte("key")))
		return nil
	})
	return key, err
}

// update runs f in one transaction. What f refuses keeps its kind; a file that cannot be written
// is [errs.Unavailable].
func (s *store) update(f func(tx *bbolt.Tx) error) error {
	var refused error
	err := s.db.Update(func(tx *bbolt.Tx) error { refused = f(tx); return refused })
	if err == nil || refused != nil {
		return err
	}
	return errs.E("login.store", errs.Unavailable, fmt.Errorf("the file of sessions cannot be written: %w", err)).
		Hint("see whether its disk is full or failing")
}

// secretBytes is how much randomness a session or a token has.
const secretBytes = 32

// newSecret is 256 random bits in the letters of a cookie.
func newSecret(random func([]byte)) string {
	raw := make([]byte, secretBytes)
	random(raw)
	return base64.RawURLEncoding.EncodeToString(raw)
}

// hashed is the key under which a secret is stored; ok is false for what is no secret of ours.
func hashed(secret string) (key [32]byte, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(secret)
	if err != nil || len(raw) != secretBytes {
		return key, false
	}
	return sha256.Sum256(raw), true
}

// put stores v as JSON.
func put(tx *bbolt.Tx, bucket string, key []byte, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return tx.Bucket([]byte(bucket)).Put(key, raw)
}

// get reads what put stored. What does not read back is not there: the person logs in again.
func get[V any](tx *bbolt.Tx, bucket string, key []byte) (v V, found bool) {
	raw := tx.Bucket([]byte(bucket)).Get(key)
	if raw == nil || json.Unmarshal(raw, &v) != nil {
		return *new(V), false
	}
	return v, true
}

// each calls f with every record of a bucket, oldest key first.
func each[V any](tx *bbolt.Tx, bucket string, f func(key []byte, v V)) {
	c := tx.Bucket([]byte(bucket)).Cursor()
	for k, raw := c.First(); k != nil; k, raw = c.Next() {
		var v V
		if json.Unmarshal(raw, &v) == nil {
			f(append([]byte(nil), k...), v)
		}
	}
}
