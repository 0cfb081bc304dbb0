package login

import (
	"bytes"
	"encoding/hex"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"slipway/bot/people"
)

// maxSessions bounds the sessions of one account; the one unused for longest goes first.
const maxSessions = 50

// seenStep is how coarsely the time of last use is kept, so that reading a page writes nothing as
// a rule.
const seenStep = 5 * time.Minute

// session is what a browser's cookie stands for.
type session struct {
	Account string          `json:"account"`
	Handle  string          `json:"handle,omitempty"` // of the account, for showing
	Person  people.PersonID `json:"person,omitempty"` // whom the account belonged to at login
	Way     string          `json:"way"`              // code, oidc, pick
	Agent   string          `json:"agent,omitempty"`  // of the browser, clipped
	Made    time.Time       `json:"made"`
	Seen    time.Time       `json:"seen"`
	Until   time.Time       `json:"until"` // absolute end

	key [32]byte
}

// Session is a session as its owner sees it in a list.
type Session struct {
	ID      string // names it, opens nothing
	Way     string // code, oidc, pick
	Agent   string // what the browser says of itself
	Made    time.Time
	Seen    time.Time // within five minutes
	Current bool
}

// name is the public name of a session: the beginning of a hash, which opens nothing.
func (s session) name() string { return hex.EncodeToString(s.key[:8]) }

// begin makes a session and gives the secret of its cookie. It is always a new one, so that
// nobody shares a session that was put into a browser before login.
func (d *Door) begin(s session) (secret string, err error) {
	now := d.o.Clock()
	s.Made, s.Seen, s.Until = now, now, now.Add(d.o.Lifetime)
	s.Agent = clip(s.Agent, 120)
	secret = newSecret(d.o.Random)
	key, _ := hashed(secret)
	s.key = key
	err = d.store.update(func(tx *bbolt.Tx) error {
		var own []session
		var gone [][]byte
		each(tx, inSessions, func(k []byte, old session) {
			copy(old.key[:], k)
			switch {
			case !d.live(old, now):
				gone = append(gone, k)
			case old.Account == s.Account:
				own = append(own, old)
			}
		})
		slices.SortFunc(own, func(x, y session) int { return x.Seen.Compare(y.Seen) })
		for len(own) >= maxSessions {
			gone = append(gone, bytes.Clone(own[0].key[:]))
			own = own[1:]
		}
		for _, k := range gone {
			if err := tx.Bucket([]byte(inSessions)).Delete(k); err != nil {
				return err
			}
		}
		return put(tx, inSessions, key[:], s)
	})
	return secret, err
}

func (d *Door) live(s session, now time.Time) bool {
	return now.Before(s.Until) && now.Before(s.Seen.Add(d.o.Idle)) && !now.Before(s.Made.Add(-time.Hour))
}

// session finds the session of a secret that is still good, and notes that it was used.
func (d *Door) session(secret string) (s session, found bool) {
	key, ok := hashed(secret)
	if !ok {
		return session{}, false
	}
	_ = d.store.db.View(func(tx *bbolt.Tx) error {
		s, found = get[session](tx, inSessions, key[:])
		return nil
	})
	now := d.o.Clock()
	if !found || !d.live(s, now) {
		return session{}, false
	}
	s.key = key
	if now.Sub(s.Seen) < seenStep {
		return s, true
	}
	// A mark that is lost only makes the session end earlier.
	_ = d.store.update(func(tx *bbolt.Tx) error {
		fresh, still := get[session](tx, inSessions, key[:])
		if !still { // ended meanwhile
			found = false
			return nil
		}
		fresh.Seen = now
		return put(tx, inSessions, key[:], fresh)
	})
	s.Seen = now
	return s, found
}

// end ends the sessions of an account that which picks, with their open streams.
func (d *Door) end(account string, which func(session) bool) (n int, err error) {
	var ended []session
	err = d.store.update(func(tx *bbolt.Tx) error {
		ended = nil
		each(tx, inSessions, func(k []byte, s session) {
			if copy(s.key[:], k); s.Account == account && which(s) {
				ended = append(ended, s)
			}
		})
		for _, s := range ended {
			if err := tx.Bucket([]byte(inSessions)).Delete(s.key[:]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, s := range ended {
		d.streams.cut("session/" + s.name())
	}
	return len(ended), nil
}

// Sessions lists the sessions of an account, the one used last first.
func (d *Door) Sessions(account string) ([]Session, error) { return d.sessions(account, "") }

func (d *Door) sessions(account, current string) ([]Session, error) {
	var out []Session
	now := d.o.Clock()
	err := d.store.db.View(func(tx *bbolt.Tx) error {
		each(tx, inSessions, func(k []byte, s session) {
			copy(s.key[:], k)
			if s.Account == account && d.live(s, now) {
				out = append(out, Session{ID: s.name(), Way: s.Way, Agent: s.Agent, Made: s.Made, Seen: s.Seen, Current: s.name() == current})
			}
		})
		return nil
	})
	slices.SortFunc(out, func(x, y Session) int { return y.Seen.Compare(x.Seen) })
	return out, err
}

// EndSessions ends every session of an account, and says how many there were.
func (d *Door) EndSessions(account string) (int, error) {
	return d.end(account, func(session) bool { return true })
}

func clip(s string, n int) string {
	if runes := []rune(s); len(runes) > n {
		return string(runes[:n]) + "…"
	}
	return s
}
