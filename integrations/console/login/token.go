package login

import (
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"slipway/bot/errs"
	"slipway/bot/people"
)

// tokenMark begins every token, so that scanners for leaked secrets can find one.
const tokenMark = "slw_"

// Bounds of tokens.
const (
	MaxTokens    = 50                   // of one account
	MaxTokenLife = 366 * 24 * time.Hour // longest time until one expires
)

// Token is what a program shows instead of a session. It belongs to the person who made it, acts
// as the account it was made with, and never does more than that person may.
type Token struct {
	ID      string          `json:"id" doc:"Names the token; opens nothing."`
	Name    string          `json:"name" doc:"What it is for, in its owner's words."`
	Account string          `json:"account" doc:"The account as which it acts."`
	Person  people.PersonID `json:"person" doc:"To whom the account belonged when it was made; it is dead when that changes."`
	Scopes  []Scope         `json:"scopes" doc:"What it allows: read, say, approve, operate."`
	Made    time.Time       `json:"made"`
	Expires time.Time       `json:"expires"`
	Used    time.Time       `json:"used,omitzero" doc:"Last use, within five minutes; absent when never used."`
}

var tokenName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// ParseScopes reads a list such as "read,say". Every list has read in it, since nothing can be
// done unseen. Its error is of kind [errs.Invalid].
func ParseScopes(text string) ([]Scope, error) {
	var out []Scope
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		if !slices.Contains(Scopes(), Scope(word)) {
			return nil, errs.E("login.scopes", errs.Invalid, fmt.Errorf("there is no scope %q", clip(word, 40))).
				Hint("the scopes are %s", scopeNames(Scopes()))
		}
		out = append(out, Scope(word))
	}
	if len(out) == 0 {
		return nil, errs.E("login.scopes", errs.Invalid, errors.New("no scope is named")).Hint("the scopes are %s", scopeNames(Scopes()))
	}
	return full(out), nil
}

// full is a list of scopes with read, in the usual order, each once.
func full(list []Scope) []Scope {
	return slices.DeleteFunc(Scopes(), func(s Scope) bool { return s != Read && !slices.Contains(list, s) })
}

// NewToken makes a token for v and gives its secret, which is shown this once and never stored.
// Nobody gets a scope through a token that he does not have himself; v must belong to a person.
// The kinds of error are [errs.Invalid], [errs.Denied], [errs.Exists] and [errs.Full].
func (d *Door) NewToken(v Viewer, name string, scopes []Scope, life time.Duration) (secret string, t Token, err error) {
	const op = "login.token"
	fail := func(k errs.Kind, hint, format string, args ...any) (string, Token, error) {
		return "", Token{}, errs.E(op, k, fmt.Errorf(format, args...)).Hint("%s", hint)
	}
	if err := v.InPerson(); err != nil {
		return "", Token{}, err
	}
	scopes = full(scopes)
	switch {
	case v.Person == "":
		return fail(errs.Denied, "ask an admin to add it to people in slipway.yaml", "the account %s belongs to nobody, so it can have no token", v.Account)
	case !tokenName.MatchString(name):
		return fail(errs.Invalid, "use small letters, digits, dots and dashes, e.g. nightly-status", "%q is no name of a token", clip(name, 80))
	case life < time.Hour || life > MaxTokenLife:
		return fail(errs.Invalid, "choose between 1h and 366d, e.g. 90d", "a token cannot be good for %s", life)
	}
	for _, s := range scopes {
		if !v.May(s) {
			return fail(errs.Denied, "log in another way", "whoever may not %s cannot make a token that may", s)
		}
	}
	now := d.o.Clock().UTC()
	secret = newSecret(d.o.Random)
	key, _ := hashed(secret)
	t = Token{ID: hex.EncodeToString(key[:6]), Name: name, Account: v.Account, Person: v.Person, Scopes: scopes, Made: now, Expires: now.Add(life)}
	err = d.store.update(func(tx *bbolt.Tx) error {
		n := 0
		var refused error
		var gone [][]byte
		each(tx, inTokens, func(k []byte, old Token) {
			switch {
			case !now.Before(old.Expires.AddDate(0, 1, 0)): // listed as expired for a month
				gone = append(gone, k)
			case old.Person == v.Person && old.Name == name && now.Before(old.Expires):
				refused = errs.E(op, errs.Exists, fmt.Errorf("you have a token called %s already", name)).
					Hint("revoke it first, with: slipway token revoke %s", old.ID)
			case old.Account == v.Account:
				n++
			}
		})
		if n >= MaxTokens {
			refused = errs.E(op, errs.Full, fmt.Errorf("you have %d tokens, and that is the limit", n)).Hint("revoke those that you do not use")
		}
		if refused != nil {
			return refused
		}
		for _, k := range gone {
			if err := tx.Bucket([]byte(inTokens)).Delete(k); err != nil {
				return err
			}
		}
		return put(tx, inTokens, key[:], t)
	})
	if err != nil {
		return "", Token{}, err
	}
	return tokenMark + secret, t, nil
}

// Tokens lists the tokens of a person, newest first; expired ones stay for a month.
func (d *Door) Tokens(p people.PersonID) ([]Token, error) {
	out := []Token{}
	err := d.store.db.View(func(tx *bbolt.Tx) error {
		each(tx, inTokens, func(_ []byte, t Token) {
			if t.Person == p && p != "" {
				out = append(out, t)
			}
		})
		return nil
	})
	slices.SortFunc(out, func(x, y Token) int { return y.Made.Compare(x.Made) })
	return out, err
}

// RevokeToken ends a token of the person, by its id or name; it and its streams are refused from
// then on. To others it does not exist: [errs.NotFound].
func (d *Door) RevokeToken(p people.PersonID, which string) (Token, error) {
	var found Token
	var key []byte
	err := d.store.update(func(tx *bbolt.Tx) error {
		key = nil
		each(tx, inTokens, func(k []byte, t Token) {
			live := d.o.Clock().Before(t.Expires)
			if t.Person == p && p != "" && (t.ID == which || t.Name == which && (live || key == nil)) {
				found, key = t, k
			}
		})
		if key == nil {
			return errs.E("login.token", errs.NotFound, fmt.Errorf("you have no token %q", clip(which, 80))).
				Hint("slipway token list shows those that you have")
		}
		return tx.Bucket([]byte(inTokens)).Delete(key)
	})
	if err != nil {
		return Token{}, err
	}
	d.streams.cut("token/" + found.ID)
	return found, nil
}

// token finds the token of a secret that is still good, and notes that it was used.
func (d *Door) token(secret string) (t Token, found bool) {
	bare, marked := strings.CutPrefix(secret, tokenMark)
	key, ok := hashed(bare)
	if !marked || !ok {
		return Token{}, false
	}
	_ = d.store.db.View(func(tx *bbolt.Tx) error {
		t, found = get[Token](tx, inTokens, key[:])
		return nil
	})
	now := d.o.Clock().UTC()
	if !found || !now.Before(t.Expires) {
		return Token{}, false
	}
	if now.Sub(t.Used) < seenStep {
		return t, true
	}
	_ = d.store.update(func(tx *bbolt.Tx) error {
		fresh, still := get[Token](tx, inTokens, key[:])
		if !still { // revoked meanwhile
			found = false
			return nil
		}
		fresh.Used = now
		return put(tx, inTokens, key[:], fresh)
	})
	return t, found
}
