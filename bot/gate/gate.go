// Package gate decides whether people have approved a manifest.
//
// A [Rule] such as "2 of maintainer, not requester" counts persons, never accounts. [Evaluate]
// is the only place where approval is decided: the engine calls it to enforce, `why` and `who`
// call it to explain, so the two cannot disagree. It reads no clock and no network; callers pass
// the time and the directory of people as it is then.
package gate

import (
	"time"

	"slipway/bot/manifest"
	"slipway/bot/people"
)

// VoteKind is what a person said about a manifest.
type VoteKind string

const (
	Approve VoteKind = "approve"
	Reject  VoteKind = "reject" // a final no
	Veto    VoteKind = "veto"   // blocks until it is lifted
)

// Vote is one person's standing word on one manifest, through one message.
type Vote struct {
	Kind     VoteKind        `json:"kind"`
	Person   people.PersonID `json:"person"`            // "" when the account is not linked to anybody
	Account  people.Account  `json:"account"`           // that spoke
	Manifest manifest.Digest `json:"manifest"`          // that it speaks of
	Message  string          `json:"message,omitempty"` // gate message, command or review it came through
	Reason   string          `json:"reason,omitempty"`
	At       time.Time       `json:"at"`
}
