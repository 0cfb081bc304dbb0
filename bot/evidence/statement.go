package evidence

import (
	"fmt"
	"time"

	"slipway/bot/action"
)

// The types of the in-toto statement (github.com/in-toto/attestation, spec v1) and of its predicate
// (slsa.dev/spec/v1.0/provenance).
const (
	statementURI = "https://in-toto.io/Statement/v1"
	predicateURI = "https://slsa.dev/provenance/v1"
	buildURI     = "https://slipway.invalid/evidence/run/v1"
)

// Statement is the in-toto statement of a release. Its predicate is SLSA provenance v1; what only a
// run knows stands in fields whose names begin with "slipway_", which the specification leaves to
// those who extend it.
type Statement struct {
	Type          string    `json:"_type"`
	Subject       []Subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     Predicate `json:"predicate"`
}

// Predicate is SLSA provenance v1.
type Predicate struct {
	BuildDefinition Definition `json:"buildDefinition"`
	RunDetails      Details    `json:"runDetails"`
	Approvals       []Agreed   `json:"slipway_approvals"`
}

// Definition says what was asked for, and of what it was made.
type Definition struct {
	BuildType            string         `json:"buildType"`
	ExternalParameters   map[string]any `json:"externalParameters"`
	InternalParameters   map[string]any `json:"internalParameters"`
	ResolvedDependencies []Subject      `json:"resolvedDependencies"`
}

// Details says who carried it out, and when. The builder is named by its log key.
type Details struct {
	Builder    Builder   `json:"builder"`
	Metadata   Metadata  `json:"metadata"`
	Byproducts []Subject `json:"byproducts"`
}

// Builder is who carried it out.
type Builder struct {
	ID string `json:"id"`
}

// Metadata is which run it was.
type Metadata struct {
	InvocationID string    `json:"invocationId"`
	StartedOn    time.Time `json:"startedOn"`
	FinishedOn   time.Time `json:"finishedOn"`
}

// Agreed is a gate that people let pass.
type Agreed struct {
	Gate     string   `json:"gate"`
	Rule     string   `json:"rule"`
	Manifest string   `json:"manifest"` // digest of what they approved
	By       []string `json:"by"`
	At       string   `json:"at"`
}

// statement says what a run released; ok is false for a run that released nothing, which has none.
func statement(c Claim, r Released, key Fingerprint, logDigest string) (Statement, bool) {
	if c.Outcome != "done" || len(c.Released) == 0 {
		return Statement{}, false
	}
	hex := func(digest string) map[string]string {
		_, h, _ := cutDigest(digest)
		return map[string]string{"sha256": h}
	}
	p := Predicate{Approvals: []Agreed{}}
	p.BuildDefinition = Definition{BuildType: buildURI,
		ExternalParameters:   map[string]any{"run": c.Name, "project": c.Project, "inputs": c.Inputs},
		InternalParameters:   map[string]any{"profile": c.Profile},
		ResolvedDependencies: append([]Subject{{Name: "playbook", Digest: hex(c.Playbook)}}, r.Materials...)}
	p.RunDetails = Details{Builder: Builder{ID: "https://slipway.invalid/log-key/" + string(key)},
		Metadata:   Metadata{InvocationID: c.Run, StartedOn: c.Began, FinishedOn: c.Ended},
		Byproducts: []Subject{{Name: "log.jsonl", Digest: hex(logDigest)}}}
	for _, g := range c.Gates {
		if !g.Approved() {
			continue
		}
		a := Agreed{Gate: g.Step, Rule: g.Rule, Manifest: g.Manifest, By: []string{}, At: g.Closed.Format(time.RFC3339)}
		for _, by := range g.By {
			a.By = append(a.By, string(by.Person))
		}
		p.Approvals = append(p.Approvals, a)
		p.RunDetails.Byproducts = append(p.RunDetails.Byproducts, Subject{Name: g.File, Digest: hex(g.Manifest)})
	}
	return Statement{Type: statementURI, Subject: c.Released, PredicateType: predicateURI, Predicate: p}, true
}

// cutDigest takes "sha256:HEX" apart; ok is false for what is no digest.
func cutDigest(digest string) (algorithm, hex string, ok bool) {
	if !fingerprintForm.MatchString(digest) {
		return "", "", false
	}
	return "sha256", digest[len("sha256:"):], true
}

// digestName is a digest as a part of a file's name.
func digestName(digest string) (string, error) {
	algorithm, hex, ok := cutDigest(digest)
	if !ok {
		return "", notBundle(fmt.Sprintf("%q is no digest", digest))
	}
	return algorithm + "-" + hex, nil
}

func digestOf(data []byte) string { return action.DigestOf(data) }
