package evidence

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"slipway/bot/errs"
	"slipway/bot/run"
)

// Head says how far the log of a run was at a moment that matters, and what the chain was then.
// Whoever holds a signed head can tell whether a log that is shown later was rewritten before it.
type Head struct {
	Run      string    `json:"run"`
	Seq      uint64    `json:"seq"`      // commit
	Chain    string    `json:"chain"`    // link of that commit, 64 hexadecimal digits
	At       time.Time `json:"at"`       // of the commit
	Epoch    uint64    `json:"epoch"`    // how often the store was restored from a backup
	Playbook string    `json:"playbook"` // digest
	Reasons  []string  `json:"reasons"`  // "gate PATH" for each that closed, "end"
	Relied   []Ref     `json:"relied"`   // what commits since the last head relied on, oldest first
	Signed   time.Time `json:"signed"`   // when the key signed it: soon after At, or later when the key was away
}

// Ref binds the record of what one commit relied on.
type Ref struct {
	Seq    uint64 `json:"seq"`
	Digest string `json:"digest"` // of the bytes of relied/SEQ.json
}

// AtEnd is the reason of the head that ends a run.
const AtEnd = "end"

// AtGate is the reason of the head that follows the closing of a gate.
func AtGate(path string) string { return "gate " + path }

// Ends reports whether the head is that of the end.
func (h Head) Ends() bool { return slices.Contains(h.Reasons, AtEnd) }

// SealHead signs a head. Errors are the signer's.
func SealHead(s Signer, h Head) ([]byte, error) {
	if h.Relied == nil {
		h.Relied = []Ref{}
	}
	payload, err := writeJSON(h)
	if err != nil {
		return nil, err
	}
	return Seal(s, HeadType, payload)
}

// OpenHead checks a signed head. Errors are those of [Open].
func OpenHead(key ed25519.PublicKey, envelope []byte) (Head, error) {
	payload, err := Open(key, HeadType, envelope)
	if err != nil {
		return Head{}, err
	}
	var h Head
	if err := readJSON(payload, &h); err != nil {
		return Head{}, errs.E("evidence.head", errs.Invalid, fmt.Errorf("the signed head cannot be read: %w", err))
	}
	return h, nil
}

// Link is the chain after a commit: prev is that before it, "" at the beginning; events are the
// bytes of each event as they are stored. Errors: [errs.Corrupt] when prev is no link.
func Link(prev string, at time.Time, events []json.RawMessage) (string, error) {
	var before [32]byte
	if prev != "" {
		raw, err := hex.DecodeString(prev)
		if err != nil || len(raw) != len(before) {
			return "", errs.E("evidence.chain", errs.Corrupt, fmt.Errorf("the chain value %q is not a digest", prev))
		}
		copy(before[:], raw)
	}
	record := []byte(at.Format(time.RFC3339Nano))
	for _, ev := range events {
		record = append(append(record, '\n'), ev...)
	}
	sum := run.Chain(before, record)
	return hex.EncodeToString(sum[:]), nil
}
