package login

import (
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"slipway/bot/errs"
)

// CodeLife is how long a one-time code can be used.
const CodeLife = time.Minute

// maxCodes bounds the codes that wait to be used; the oldest goes first.
const maxCodes = 256

// codes are the one-time codes that wait to be used. They live in memory alone: after a restart
// people ask for another one.
type codes struct {
	mu   sync.Mutex
	open map[[32]byte]code
}

type code struct {
	account string
	until   time.Time
}

// Code makes a one-time code with which a browser becomes account, within [CodeLife] and once.
// The caller has proven who asks. [errs.Denied] when the account belongs to nobody.
func (d *Door) Code(account string) (string, error) {
	if v, err := d.viewer(account, ""); err != nil {
		return "", err
	} else if v.Person == "" {
		return "", unlinked(account)
	}
	text := newSecret(d.o.Random)
	key, _ := hashed(text)
	now := d.o.Clock()
	d.codes.mu.Lock()
	defer d.codes.mu.Unlock()
	if d.codes.open == nil {
		d.codes.open = map[[32]byte]code{}
	}
	var oldest [32]byte
	for k, c := range d.codes.open {
		if !now.Before(c.until) {
			delete(d.codes.open, k)
		} else if first, ok := d.codes.open[oldest]; !ok || c.until.Before(first.until) {
			oldest = k
		}
	}
	if len(d.codes.open) >= maxCodes {
		delete(d.codes.open, oldest)
	}
	d.codes.open[key] = code{account, now.Add(CodeLife)}
	return text, nil
}

// take uses a code up. look only looks whose it is.
func (c *codes) take(text string, now time.Time, look bool) (account string, err error) {
	key, ok := hashed(text)
	if !ok {
		key = sha256.Sum256(nil) // no code has it
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	found, ok := c.open[key]
	if !look {
		delete(c.open, key)
	}
	if !ok || !now.Before(found.until) {
		return "", errs.E("login.code", errs.Gone, errors.New("this code was used, or is older than a minute")).
			Hint("run slipway console again for a new one")
	}
	return found.account, nil
}
