package blob

import (
	"errors"

	"slipway/bot/errs"
)

// Hold keeps every body until release is called: [Store.Collect] and [Store.Remove] are refused
// meanwhile, with an error of kind [errs.Busy]. It waits for a removal that is under way. A backup
// holds the store from before its snapshot until it has copied what the snapshot names. release may
// be called more than once.
func (s *Store) Hold() (release func()) {
	s.removing.Lock()
	defer s.removing.Unlock()
	s.held++
	over := false
	return func() {
		s.removing.Lock()
		defer s.removing.Unlock()
		if !over {
			s.held--
		}
		over = true
	}
}

// remove begins a removal; the caller ends it with done. It is refused while anybody holds.
func (s *Store) remove(op string) (done func(), err error) {
	s.removing.Lock()
	if s.held > 0 {
		s.removing.Unlock()
		return nil, errs.E(op, errs.Busy, errors.New("a backup is being made, and nothing is removed until it is done")).Hint("Try again later.")
	}
	return s.removing.Unlock, nil
}

// Path is the file of a body, whether it is kept or not, for whoever copies it as it is. Errors:
// [errs.Invalid] for what is no digest.
func (s *Store) Path(digest string) (string, error) {
	if err := checkDigest("blob.path", digest); err != nil {
		return "", err
	}
	return s.path(digest), nil
}
