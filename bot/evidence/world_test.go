package evidence_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/calendar"
	"slipway/bot/card"
	"slipway/bot/evidence"
	"slipway/bot/gate"
	"slipway/bot/manifest"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

type key struct{ private ed25519.PrivateKey }

func newKey(seed byte) key {
	return key{ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))}
}
func (k key) Sign(message []byte) ([]byte, error) { return ed25519.Sign(k.private, message), nil }
func (k key) Public() ed25519.PublicKey           { return k.private.Public().(ed25519.PublicKey) }
func (k key) pin() evidence.Options {
	return evidence.Options{Pinned: []evidence.Fingerprint{evidence.FingerprintOf(k.Public())}, Tell: tell}
}

var bookText = []byte(`playbook: release
doc: A release in small.
never: [{do: test.push, without: go}]
steps:
  build: {do: test.build@1}
  go: {gate: "2 of maintainer, not requester", binds: ["${steps.build.digest}"], needs: [build]}
  push: {do: test.push@1, needs: [go]}
`)

// tell says that test.push released its file.
func tell(deeds []evidence.Deed) evidence.Released {
	var out evidence.Released
	for _, d := range deeds {
		if d.Name() != "test.push" {
			continue
		}
		var f evidence.Artifact
		d.Decode(&f)
		out.Artifacts = append(out.Artifacts, f)
		out.Subjects = append(out.Subjects, evidence.Subject{Name: f.Name, Digest: map[string]string{"sha256": f.Digest[len("sha256:"):]}},
			evidence.Subject{Name: "refs/tags/1.0", Digest: map[string]string{"gitTag": "0123456789012345678901234567890123456789"}})
		out.Materials = append(out.Materials, evidence.Subject{Name: "repo", Digest: map[string]string{"gitCommit": "0123456789012345678901234567890123456789"}})
		out.Texts = append(out.Texts, evidence.Text{Name: "1.0.tag", Content: "object 0123\n", What: "the tag 1.0", By: "ABCD"})
	}
	return out
}

var body = []byte("what was released\n")

// story is a run that people approved and that released something, as its log tells it.
type story struct {
	t       testing.TB
	at      time.Time
	digest  string // of the playbook
	closure string
	m       manifest.Manifest
	votes   []gate.Vote
	rule    gate.Rule
	persons []people.Person
	grants  []people.Grant
	shown   []byte // card

	commits [][]run.Event
}

func account(who string) people.Account { return people.Account{Source: "chat", ID: "U-" + who} }

func newStory(t testing.TB) *story {
	t.Helper()
	plain, err := playbook.Canonical(bookText)
	if err != nil {
		t.Fatal(err)
	}
	s := &story{t: t, at: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), digest: action.DigestOf(plain)}
	s.closure = action.DigestOf(canonical(t, map[string]string{"release": s.digest}))
	if s.rule, err = gate.ParseRule("2 of maintainer, not requester"); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"ada", "bea", "cyd", "dan"} {
		s.persons = append(s.persons, people.Person{ID: people.PersonID(p), Name: p, Accounts: []people.Account{account(p)}})
	}
	s.grants = []people.Grant{
		{ID: "1", Person: "ada", Role: "maintainer", Project: "lava"}, {ID: "2", Person: "bea", Role: "maintainer", Project: "lava"},
		{ID: "3", Person: "cyd", Role: "maintainer", Project: "lava"},
		{ID: "4", Person: "dan", Role: "maintainer", Project: "lava", For: "cyd", Until: s.at.Add(time.Hour)},
	}
	profile := map[string]any{"name": "lava"}
	s.m = manifest.Manifest{Run: "run1", Name: "release/lava/1.0", Gate: "go", Number: 1, Playbook: s.closure,
		Profile: action.DigestOf(canonical(t, profile)), Rule: s.rule.String(), Binds: []manifest.Bind{{Name: "steps.build.digest", Value: `"sha256:00"`}}}
	for i, p := range []people.PersonID{"bea", "dan"} {
		s.votes = append(s.votes, gate.Vote{Kind: gate.Approve, Person: p, Account: account(string(p)), Manifest: s.m.Digest(), Message: "chat/lava/m1", At: s.at.Add(time.Duration(3+i) * time.Minute)})
	}
	c := card.Card{Key: "gate", Title: "Release lava 1.0?"}
	if s.shown, err = c.Bytes(); err != nil {
		t.Fatal(err)
	}
	in, out := []byte(`{}`), canonical(t, evidence.Artifact{Name: "lava_1.0.tar", Digest: action.DigestOf(body), Size: int64(len(body))})
	s.commits = [][]run.Event{
		{s.event(0, "ada", run.Started{Name: "release/lava/1.0", Start: run.Start{ID: "run1", Project: "lava", Playbook: s.digest, Closure: s.closure, Requester: "ada",
			Inputs: map[string]any{"version": "1.0"}, Profile: profile}}),
			s.event(0, "", run.StepStarted{Step: "build", Attempt: 1, Digest: "d"}), s.event(0, "", run.StepDone{Step: "build"})},
		{s.event(1, "", run.StepStarted{Step: "go", Attempt: 1, Digest: "d"}), s.event(1, "", run.GateOpened{Step: "go", Digest: s.m.Digest(), Manifest: s.m})},
		{s.event(4, "", run.Voted{Step: "go", Message: "chat/lava/m1", Votes: s.votes}), s.event(4, "", run.GateClosing{Step: "go", Number: 1})},
		{s.event(5, "", s.closed()), s.event(5, "", run.StepDone{Step: "go"}),
			s.event(5, "", run.StepStarted{Step: "push", Attempt: 1, Digest: "d"}),
			s.event(5, "", run.EffectIntended{Key: "k1", Step: "push", Action: "test.push@1", Inputs: in})},
		{s.event(6, "", run.EffectEnded{Key: "k1", Step: "push", Outcome: run.OK, Output: out}), s.event(6, "", run.StepDone{Step: "push"}),
			s.event(6, "", run.Finished{Outcome: "done"})},
	}
	return s
}

// closed is the closing of the gate as package gate decides it.
func (s *story) closed() run.GateClosed {
	q := gate.Question{Rule: s.rule, Manifest: s.m.Digest(), Project: "lava", Requester: "ada", Directory: people.NewDirectory(s.persons, s.grants, nil, nil), Now: s.at.Add(5 * time.Minute)}
	v := gate.Evaluate(q, s.votes)
	return run.GateClosed{Step: "go", Approved: v.Passes, Verdict: v, Roles: []run.Read{{What: "role", Name: "lava/maintainer", Version: 3}}}
}

func (s *story) event(minute int, by people.PersonID, b run.Body) run.Event {
	return run.Event{At: s.at.Add(time.Duration(minute) * time.Minute), By: by, Body: b}
}

func canonical(t testing.TB, v any) []byte {
	t.Helper()
	data, err := action.Canonical(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// chained makes the log: every link fits.
func (s *story) chained() []evidence.Commit {
	s.t.Helper()
	var out []evidence.Commit
	chain := ""
	for _, list := range s.commits {
		c := evidence.Commit{At: list[0].At}
		for _, ev := range list {
			raw, err := run.EncodeEvent(ev)
			if err != nil {
				s.t.Fatal(err)
			}
			c.Events = append(c.Events, json.RawMessage(raw))
		}
		var err error
		if chain, err = evidence.Link(chain, c.At, c.Events); err != nil {
			s.t.Fatal(err)
		}
		c.Chain = chain
		out = append(out, c)
	}
	return out
}

// bundle is everything that follows from the story, with heads signed by k.
func (s *story) bundle(k key) evidence.Bundle {
	s.t.Helper()
	log := s.chained()
	b := evidence.Bundle{Log: log, Heads: map[uint64][]byte{}, Relied: map[uint64][]byte{}, Cards: map[string][]byte{action.DigestOf(s.shown): s.shown},
		Closures: map[string]map[string]string{s.closure: {"release": s.digest}}, Books: map[string]evidence.Book{s.digest: {Name: "release", Source: bookText}}, Tell: tell}
	var refs []evidence.Ref
	for i, list := range s.commits {
		var reasons []string
		for _, ev := range list {
			switch e := ev.Body.(type) {
			case run.GateClosed:
				reasons = append(reasons, evidence.AtGate(e.Step))
				r := evidence.Relied{Run: "run1", Seq: uint64(i + 1), At: log[i].At, Steps: []string{"push"}, Gates: []evidence.Closing{{Step: "go", Manifest: string(s.m.Digest()), Authors: []string{}, Persons: s.persons, Grants: s.grants,
					Filled: map[string][]people.PersonID{}, Roles: []evidence.RoleVersion{{Role: "lava/maintainer", Version: 3}}, Away: map[string]string{},
					Shown: []evidence.Shown{{Message: "chat/lava/m1", At: s.at.Add(time.Minute), Card: action.DigestOf(s.shown)}}}},
					Freezes: []evidence.Calendar{{Name: "release", Version: 1, Freezes: []calendar.Freeze{{ID: "f", Calendar: "release", Why: "holidays", From: s.at.Add(time.Hour)}}}}}
				data, err := r.Encode()
				if err != nil {
					s.t.Fatal(err)
				}
				b.Relied[r.Seq] = data
				refs = append(refs, evidence.Ref{Seq: r.Seq, Digest: action.DigestOf(data)})
			case run.Finished:
				reasons = append(reasons, evidence.AtEnd)
			}
		}
		if reasons == nil {
			continue
		}
		h := evidence.Head{Run: "run1", Seq: uint64(i + 1), Chain: log[i].Chain, At: log[i].At, Playbook: s.digest, Reasons: reasons, Relied: refs, Signed: log[i].At.Add(time.Second)}
		refs = nil
		sealed, err := evidence.SealHead(k, h)
		if err != nil {
			s.t.Fatal(err)
		}
		b.Heads[h.Seq] = sealed
	}
	return b
}

func write(t testing.TB, b evidence.Bundle, k key) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := b.Write(&out, k); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func verify(data []byte, o evidence.Options) (evidence.Report, error) {
	return evidence.Verify(bytes.NewReader(data), o)
}
