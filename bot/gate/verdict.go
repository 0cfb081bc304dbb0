package gate

import (
	"time"

	"slipway/bot/manifest"
	"slipway/bot/people"
)

// Question is everything that a verdict depends on.
type Question struct {
	Rule      Rule
	Manifest  manifest.Digest // what is to be approved; votes on anything else do not count
	Project   string
	Requester people.PersonID // "" for a triggered run
	Authors   []string        // of what is approved: mail addresses, "Name <mail>", or ids of persons
	Directory people.Directory
	Opened    time.Time // when the manifest was put to people; what was linked since does not count
	Now       time.Time
}

// Verdict is what [Evaluate] found. Passes means that the gate may begin closing as approved.
type Verdict struct {
	Passes   bool      `json:"passes"`
	Rejected bool      `json:"rejected,omitempty"` // a final no
	Vetoed   bool      `json:"vetoed,omitempty"`   // blocked until the veto is lifted
	Counted  []Vote    `json:"counted,omitempty"`  // approvals that fill the rule, oldest first
	Against  []Vote    `json:"against,omitempty"`  // rejects and vetoes that stand, oldest first
	Spare    []Vote    `json:"spare,omitempty"`    // approvals that would count, but are not needed
	Refused  []Refusal `json:"refused,omitempty"`  // votes that do not count, oldest first
	Needs    []Need    `json:"needs,omitempty"`    // what is missing on the shortest way to pass
	Terms    []Term    `json:"terms,omitempty"`    // of that way: how far each is filled
	Or       []string  `json:"or,omitempty"`       // the other ways, in words, with what each still needs
	Other    []Other   `json:"other,omitempty"`    // the other ways that persons there are could still fill
	Absent   string    `json:"absent,omitempty"`   // why it cannot pass before somebody who is away is back
}

// Other is another way to pass, and what is missing on it.
type Other struct {
	Way   string `json:"way"` // in words
	Needs []Need `json:"needs"`
	Given int    `json:"given,omitempty"` // approvals that count on it already
}

// Refusal is a vote that does not count, and why.
type Refusal struct {
	Vote Vote   `json:"vote"`
	Why  string `json:"why"`
	Rule string `json:"rule,omitempty"` // the exclusion that says so: "not requester", "not author"
}

// Need is what is missing of one role, and who could give it now.
type Need struct {
	Role  string            `json:"role"`
	Count int               `json:"count"`
	From  []people.PersonID `json:"from,omitempty"` // sorted
	Why   string            `json:"why,omitempty"`  // why From is not enough
	Away  []people.Absence  `json:"away,omitempty"` // of those in From who are away
}

// Term is one part of the rule, "N of Role", and who fills it.
type Term struct {
	N    int               `json:"n"`
	Role string            `json:"role"`
	By   []people.PersonID `json:"by,omitempty"` // in the order of their votes
}
