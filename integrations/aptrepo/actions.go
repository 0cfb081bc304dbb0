package aptrepo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// Provider is the name under which a profile chooses this package.
const Provider = "local"

// Place is an archive where it lives: in a folder of this host ([Archive]), behind ssh, or in a
// reprepro.
type Place interface {
	// Stage makes a generation that waits for signatures. See [Archive.Stage].
	Stage(ctx context.Context, c Change) (Staged, error)
	// Publish turns clients to a staged generation. See [Archive.Publish].
	Publish(ctx context.Context, p Publication) (Published, error)
	// Generations are all of a suite, the oldest first.
	Generations(suite string) ([]Generation, error)
	// Built are the versions of a source package in a generation. See [Archive.Built].
	Built(suite, generation, source string) ([]Built, error)
	// Cleanup removes what no client can ask for any more.
	Cleanup(ctx context.Context, now time.Time) (Removed, error)
}

// Contents opens what the artifacts of a pipeline are kept in, by digest. Errors: NotFound.
type Contents interface {
	Open(ctx context.Context, digest string) (*os.File, int64, error)
}

// Configured is one archive with what its clients and its signers know of it.
type Configured struct {
	Place   Place
	Address string   // as clients have it in sources.list
	Keyring []byte   // certificates of the keys, armored
	Keys    []string // primary fingerprints; every one must sign
	Suites  []Suite
}

// Signatures verifies the signatures of a Release.
type Signatures interface {
	// Assemble puts the signatures of all keys together into an InRelease and a Release.gpg, each
	// by every one of the keys, and verifies them. Errors: Denied, with the reason.
	Assemble(release []byte, inline, detached [][]byte, keyring []byte, keys []string, now time.Time) (inRelease, releaseGPG []byte, err error)
}

// Actions are those of archives, for the set that cmd builds.
type Actions struct {
	Archives   func(name string) (Configured, bool)
	Names      func() []string
	Contents   Contents
	Signatures Signatures
	Client     Client
	Now        func() time.Time
}

// Artifact is a file that a pipeline made, as `ci.artifacts@1` gives it.
type Artifact struct {
	Name   string `cel:"name" json:"name" doc:"name of the file, without a folder"`
	Digest string `cel:"digest" json:"digest" kind:"digest" doc:"of its content"`
	Size   int    `cel:"size" json:"size" doc:"in bytes"`
}

// SuiteRelease is the Release file of one suite.
type SuiteRelease struct {
	Suite  string `cel:"suite" json:"suite"`
	Text   string `cel:"text" json:"text" doc:"the exact bytes"`
	Digest string `cel:"digest" json:"digest" kind:"digest" doc:"of the text"`
}

// SuiteGeneration is one state of a suite.
type SuiteGeneration struct {
	Suite      string `cel:"suite" json:"suite"`
	Generation string `cel:"generation" json:"generation" doc:"empty: the suite was never published"`
}

// Bind gives the actions with their code.
func (a *Actions) Bind() ([]action.Bound, error) {
	var all []action.Bound
	var failed error
	add := func(b action.Bound, err error) {
		b.Provider = Provider
		all, failed = append(all, b), errors.Join(failed, err)
	}
	add(action.Of(action.Contract{
		Name: "archive.stage", Version: 1, Policy: action.Keyed, Timeout: 30 * time.Minute,
		Doc:   "Makes the next state of an archive's suites, complete but for its signatures. Clients see nothing of it.",
		Shell: "reprepro --basedir current-release include SUITE FILE.changes   # a copy of the archive, not the one that clients read",
	}, stage{a}))
	add(action.Of(action.Contract{
		Name: "archive.publish", Version: 1, Policy: action.Conditional, Timeout: 30 * time.Minute, Irreversible: true,
		Doc:   "Adds the signatures to the staged state of the suites, and turns clients to it at once.",
		Shell: "put Release.gpg and InRelease beside each Release, then: ln -s current-release new && mv -T new release",
	}, publish{a}))
	add(action.Of(action.Contract{
		Name: "archive.view", Version: 1, Policy: action.Read, Watched: true, Timeout: 15 * time.Minute,
		Doc:   "Looks with a real apt client at what an archive offers.",
		Shell: "apt-get update && apt-cache policy PACKAGE",
	}, view{a}))
	add(action.Of(action.Contract{
		Name: "archive.history", Version: 1, Policy: action.Read,
		Doc:   "Finds when a version came into an archive's suites, and what was there before.",
		Shell: "look at the snapshots of the archive",
	}, history{a}))
	add(action.Of(action.Contract{
		Name: "archive.clean", Version: 1, Policy: action.Conditional, Timeout: 30 * time.Minute,
		Doc:   "Removes states of an archive that no client can ask for any more, and packages that none of them names.",
		Shell: "rm -rf old-release",
	}, clean{a}))
	return all, failed
}

func (a *Actions) archive(op, name string) (Configured, error) {
	if c, ok := a.Archives(name); ok {
		return c, nil
	}
	e := errs.E(op, errs.NotFound, fmt.Errorf("there is no archive %q", name))
	if near := errs.Nearest(name, a.Names()); near != "" {
		return Configured{}, e.Hint("did you mean %q?", near)
	}
	return Configured{}, e.Hint("add it under archives: of the configuration")
}

func (c Configured) suite(op, name string) (Suite, error) {
	for _, s := range c.Suites {
		if s.Name == name {
			return s.withDefaults()
		}
	}
	return Suite{}, errs.E(op, errs.NotFound, fmt.Errorf("the archive has no suite %q", name)).Hint("add it under suites: of the archive")
}

// publish is archive.publish@1.
type publish struct{ a *Actions }

// PublishIn is what clients are to see.
type PublishIn struct {
	Archive    string            `cel:"archive" json:"archive"`
	Generation string            `cel:"generation" json:"generation" doc:"from archive.stage"`
	Releases   []SuiteRelease    `cel:"releases" json:"releases" doc:"from archive.stage; what was approved and signed"`
	Current    []SuiteGeneration `cel:"current" json:"current" doc:"from archive.stage: what clients see until then"`
	Signed     [][]Signature     `cel:"signed" json:"signed" doc:"the signatures of sign.release, of each key"`
}

// PublishOut is what they see.
type PublishOut struct {
	Generation string            `cel:"generation" json:"generation"`
	Previous   []SuiteGeneration `cel:"previous" json:"previous"`
	Published  string            `cel:"published" json:"published" kind:"time"`
}

// Signature are the two signatures of one Release by one key, as `sign.release@1` gives them.
type Signature struct {
	Suite    string `cel:"suite" json:"suite"`
	Digest   string `cel:"digest" json:"digest" kind:"digest" doc:"of the Release file"`
	Inline   string `cel:"inline" json:"inline" doc:"armored, over the clear text"`
	Detached string `cel:"detached" json:"detached" doc:"armored, over the bytes"`
}

// Probe reports a generation that clients see in every suite.
func (p publish) Probe(_ context.Context, _ action.Key, in PublishIn) (PublishOut, bool, error) {
	c, err := p.a.archive("archive.publish", in.Archive)
	if err != nil {
		return PublishOut{}, false, err
	}
	out := PublishOut{Generation: in.Generation, Previous: in.Current}
	for _, r := range in.Releases {
		all, err := c.Place.Generations(r.Suite)
		if err != nil {
			return PublishOut{}, false, err
		}
		i := slices.IndexFunc(all, func(g Generation) bool { return g.ID == in.Generation })
		if i < 0 || all[i].Staged || all[i].Published.IsZero() {
			return PublishOut{}, false, nil
		}
		if all[i].Digest != r.Digest {
			return PublishOut{}, false, errs.E("archive.publish", errs.Exists, fmt.Errorf("%s of %s is published with another Release", in.Generation, r.Suite)).
				Hint("look at the archive: somebody else wrote there")
		}
		out.Published = all[i].Published.UTC().Format(time.RFC3339)
	}
	return out, len(in.Releases) > 0, nil
}

// Do publishes suite after suite. A suite that has it already is left alone, so that a repeat goes
// on where it was interrupted.
func (p publish) Do(ctx context.Context, _ action.Key, in PublishIn) (PublishOut, error) {
	const op = "archive.publish"
	c, err := p.a.archive(op, in.Archive)
	if err != nil {
		return PublishOut{}, err
	}
	// All signatures are checked before the first suite turns.
	ready := make([]Publication, 0, len(in.Releases))
	for _, r := range in.Releases {
		if got := action.DigestOf([]byte(r.Text)); got != r.Digest {
			return PublishOut{}, errs.E(op, errs.Invalid, fmt.Errorf("the Release of %s has the digest %s, and %s was approved", r.Suite, got, r.Digest))
		}
		inline, detached := signaturesOf(in.Signed, r)
		inRelease, gpg, err := p.a.Signatures.Assemble([]byte(r.Text), inline, detached, c.Keyring, c.Keys, p.a.Now())
		if err != nil {
			return PublishOut{}, errs.E(op, errs.Failed, fmt.Errorf("the signatures of %s: %s", r.Suite, errs.Cause(err))).Hint("sign the step again with the keys of the archive")
		}
		ready = append(ready, Publication{Suite: r.Suite, Generation: in.Generation, Digest: r.Digest, InRelease: inRelease, ReleaseGPG: gpg,
			Expect: generationOf(in.Current, r.Suite), Now: p.a.Now()})
	}
	out := PublishOut{Generation: in.Generation, Published: p.a.Now().UTC().Format(time.RFC3339)}
	for _, one := range ready {
		done, err := c.Place.Publish(ctx, one)
		if err != nil {
			return PublishOut{}, err
		}
		out.Previous = append(out.Previous, SuiteGeneration{Suite: one.Suite, Generation: done.Previous})
	}
	return out, nil
}

func signaturesOf(signed [][]Signature, r SuiteRelease) (inline, detached [][]byte) {
	for _, s := range slices.Concat(signed...) {
		if s.Suite == r.Suite && s.Digest == r.Digest {
			inline, detached = append(inline, []byte(s.Inline)), append(detached, []byte(s.Detached))
		}
	}
	return inline, detached
}

func generationOf(list []SuiteGeneration, suite string) string {
	for _, g := range list {
		if g.Suite == suite {
			return g.Generation
		}
	}
	return ""
}

// clean is archive.clean@1.
type clean struct{ a *Actions }

// CleanIn names the archive.
type CleanIn struct {
	Archive string `cel:"archive" json:"archive"`
}

// CleanOut is what went.
type CleanOut struct {
	Generations int `cel:"generations" json:"generations"`
	Files       int `cel:"files" json:"files"`
	Bytes       int `cel:"bytes" json:"bytes"`
}

func (clean) Probe(context.Context, action.Key, CleanIn) (CleanOut, bool, error) {
	return CleanOut{}, false, nil
}

func (c clean) Do(ctx context.Context, _ action.Key, in CleanIn) (CleanOut, error) {
	archive, err := c.a.archive("archive.clean", in.Archive)
	if err != nil {
		return CleanOut{}, err
	}
	r, err := archive.Place.Cleanup(ctx, c.a.Now())
	return CleanOut{Generations: r.Generations, Files: r.Files, Bytes: int(r.Bytes)}, err
}
