package evidence

import (
	"time"

	"slipway/bot/calendar"
	"slipway/bot/gate"
	"slipway/bot/manifest"
	"slipway/bot/people"
)

// Relied is what one commit of a run relied on that is not in its log: it was true in the world at
// that moment. It is written in the same commit, and the next signed head binds it.
type Relied struct {
	Run     string     `json:"run"`
	Seq     uint64     `json:"seq"`
	At      time.Time  `json:"at"`
	Gates   []Closing  `json:"gates"`   // that this commit closed
	Freezes []Calendar `json:"freezes"` // calendars that this commit looked at
	Steps   []string   `json:"steps"`   // that began or were kept waiting under them
}

// Calendar is one calendar as it was read.
type Calendar struct {
	Name    string            `json:"name"`
	Version uint64            `json:"version"`
	Freezes []calendar.Freeze `json:"freezes"` // all windows of it that had not ended
}

// Closing is what the closing of one gate relied on.
type Closing struct {
	Step     string                       `json:"step"`
	Manifest string                       `json:"manifest"`         // digest
	Authors  []string                     `json:"authors"`          // of what is approved, as the actions told
	Persons  []people.Person              `json:"persons"`          // who voted, who may have, and for whom they stand in
	Grants   []people.Grant               `json:"grants"`           // of the roles in the rule
	Filled   map[string][]people.PersonID `json:"filled"`           // roles of the rule that are filled in the run
	Roles    []RoleVersion                `json:"roles"`            // as the closing read found them
	Away     map[string]string            `json:"away"`             // roles whose source could not be reached, and why
	Shown    []Shown                      `json:"shown"`            // messages that put the manifest to people
	Barred   []people.Barred              `json:"barred,omitempty"` // accounts of votes that count nowhere, as their sources say
}

// RoleVersion is the version of a role's record.
type RoleVersion struct {
	Role    string `json:"role"` // project/role
	Version uint64 `json:"version"`
}

// Shown is a gate message as a place showed it from a moment on.
type Shown struct {
	Message string    `json:"message"` // SOURCE/PLACE/MESSAGE, each part escaped, as in votes
	At      time.Time `json:"at"`
	Card    string    `json:"card"` // digest of the card, which is in cards/
}

// Encode writes the record; its digest is that of these bytes.
func (r Relied) Encode() ([]byte, error) { return writeJSON(r) }

// decision asks package gate again, with what was recorded. votes are those that stood when the
// gate closed.
func (c Closing) decision(rule gate.Rule, project string, requester people.PersonID, opened, at time.Time, votes []gate.Vote) gate.Verdict {
	versions := map[string]uint64{}
	for _, r := range c.Roles {
		versions[r.Role] = r.Version
	}
	dir := people.NewDirectory(c.Persons, c.Grants, versions, c.Away).WithRoles(c.Filled).WithBarred(c.Barred)
	return gate.Evaluate(gate.Question{Rule: rule, Manifest: manifest.Digest(c.Manifest), Project: project, Requester: requester,
		Authors: c.Authors, Directory: dir, Opened: opened, Now: at}, votes)
}
