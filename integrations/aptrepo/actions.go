package aptrepo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
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
	// KeyringPackage is how the package that gives the keys to clients is made.
	KeyringPackage KeyringOptions
}

// Signatures verifies the signatures of a Release.
type Signatures interface {
	// Assemble puts the signatures of all keys together into an InRelease and a Release.gpg, each
	// by every one of the keys, and verifies them. Errors: Denied, with the reason.
	Assemble(release []byte, inline, detached [][]byte, keyring []byte, keys []string, now time.Time) (inRelease, releaseGPG []byte, err error)
}

// Looker sees an archive as those who install from it do; [Client] is the real one. What a client
// refuses is no error: it stands in [View.Complaints].
type Looker interface {
	Look(ctx context.Context, q Look) (View, error)
}

// Actions are those of archives, for the set that cmd builds.
type Actions struct {
	Archives   func(name string) (Configured, bool)
	Names      func() []string
	Contents   Contents
	Signatures Signatures
	Client     Looker
	Keyrings   Keyrings
	Depot      Depot
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
		Name: "archive.stage", Version: 1, ByHand: a.stageByHand, Policy: action.Keyed, Timeout: 30 * time.Minute,
		Doc:   "Makes the next state of an archive's suites, complete but for its signatures. Clients see nothing of it.",
		Shell: "reprepro --basedir current-release include SUITE FILE.changes   # a copy of the archive, not the one that clients read",
		Undo:  "archive.drop@1", UndoIn: map[string]string{"archive": "in.archive", "suites": "in.suites", "generation": "out.generation"},
		Classes: []string{"conflict", "exists"},
	}, stage{a}))
	add(action.Of(action.Contract{
		Name: "archive.drop", Version: 1, Policy: action.Conditional, Timeout: 5 * time.Minute,
		Doc:   "Removes a staged state of an archive's suites. What was published stays.",
		Shell: "rm -rf current-release   # the copy that was prepared, not the one that clients read",
	}, drop{a}))
	add(action.Of(action.Contract{
		Name: "archive.keyring", Version: 1, Policy: action.Keyed, Timeout: 5 * time.Minute,
		Doc:   "Makes the package that gives an archive's keys to its clients, to be staged like any other.",
		Shell: "put gpg --export FINGERPRINT… into /usr/share/keyrings/NAME.gpg of a package, and build it",
	}, keyringPackage{a}))
	add(action.Of(action.Contract{
		Name: "archive.publish", Version: 1, ByHand: a.publishByHand, Policy: action.Conditional, Timeout: 30 * time.Minute, Irreversible: true, Classes: []string{"conflict", "exists"},
		Doc:   "Adds the signatures to the staged state of the suites, and turns clients to it at once.",
		Shell: "put Release.gpg and InRelease beside each Release, then: ln -s current-release new && mv -T new release",
	}, publish{a}))
	add(action.Of(action.Contract{
		Name: "archive.view", Version: 1, ByHand: a.viewByHand, Policy: action.Read, Watched: true, Timeout: 15 * time.Minute,
		Doc:   "Looks with a real apt client at what an archive offers.",
		Shell: "apt-get update && apt-cache policy PACKAGE",
	}, view{a}))
	add(action.Of(action.Contract{
		Name: "archive.history", Version: 1, Policy: action.Read,
		Doc:   "Finds when a version came into an archive's suites, and what was there before.",
		Shell: "look at the snapshots of the archive",
	}, history{a}))
	add(action.Of(action.Contract{
		Name: "archive.clean", Version: 1, ByHand: a.cleanByHand, Policy: action.Conditional, Timeout: 30 * time.Minute,
		Doc:   "Removes states of an archive that no client can ask for any more, and packages that none of them names.",
		Shell: "rm -rf old-release",
	}, clean{a}))
	add(action.Of(action.Contract{
		Name: "archive.expiry", Version: 1, Policy: action.Read,
		Doc:   "Tells which suites of an archive need a new date, because clients will soon refuse the one they have.",
		Shell: "grep Valid-Until: dists/*/Release",
	}, expiry{a}))
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
		g, done, err := published(c.Place, r.Suite, in.Generation, r.Digest)
		if err != nil || !done {
			return PublishOut{}, false, err
		}
		out.Published = g.Published.UTC().Format(time.RFC3339)
	}
	if s, ok := c.Place.(settler); ok && len(in.Releases) > 0 {
		if err := s.Settle(); err != nil {
			return PublishOut{}, false, err
		}
	}
	return out, len(in.Releases) > 0, nil
}

// settler is a [Place] that may have been killed between the turn of a link and its way to the disk.
// See [Archive.Settle].
type settler interface{ Settle() error }

// Do publishes suite after suite. A suite that has it already is left alone, so that a repeat goes
// on where it was interrupted.
func (p publish) Do(ctx context.Context, _ action.Key, in PublishIn) (PublishOut, error) {
	const op = "archive.publish"
	c, err := p.a.archive(op, in.Archive)
	if err != nil {
		return PublishOut{}, err
	}
	// All dates and signatures are checked before the first suite turns.
	ready := make([]Publication, 0, len(in.Releases))
	for _, r := range in.Releases {
		if got := action.DigestOf([]byte(r.Text)); got != r.Digest {
			return PublishOut{}, errs.E(op, errs.Invalid, fmt.Errorf("the Release of %s has the digest %s, and %s was approved", r.Suite, got, r.Digest)).
				Hint("give the text that was staged, approved and signed")
		}
		// Suites may expire at different times, and the first must not turn when the second cannot.
		if text, err := parseRelease([]byte(r.Text)); err == nil {
			if err := text.checkTime(p.a.Now()); err != nil {
				return PublishOut{}, errs.E(op, errs.KindOf(err), fmt.Errorf("%s: %s", r.Suite, errs.Cause(err))).Hint("%s", errs.HintOf(err))
			}
		}
		inline, detached := signaturesOf(in.Signed, r)
		inRelease, gpg, err := p.a.Signatures.Assemble([]byte(r.Text), inline, detached, c.Keyring, c.Keys, p.a.Now())
		if err != nil {
			return PublishOut{}, errs.E(op, errs.Failed, fmt.Errorf("the signatures of %s: %s", r.Suite, errs.Cause(err))).Hint("sign the step again with the keys of the archive")
		}
		ready = append(ready, Publication{Suite: r.Suite, Generation: in.Generation, Digest: r.Digest, InRelease: inRelease, ReleaseGPG: gpg,
			Expect: generationOf(in.Current, r.Suite), Now: p.a.Now()})
	}
	out := PublishOut{Generation: in.Generation}
	for _, one := range ready {
		// A suite that had its turn before an interruption may have moved on since.
		g, done, err := published(c.Place, one.Suite, one.Generation, one.Digest)
		if err != nil {
			return PublishOut{}, err
		}
		at, previous := g.Published, cmp.Or(g.Parent, one.Expect)
		if !done || g.Current {
			turned, err := c.Place.Publish(ctx, one)
			if err != nil {
				return PublishOut{}, restage(err, one)
			}
			at, previous = turned.At, turned.Previous
		}
		out.Published = at.UTC().Format(time.RFC3339)
		out.Previous = append(out.Previous, SuiteGeneration{Suite: one.Suite, Generation: previous})
	}
	return out, nil
}

// published reports whether clients of a suite have read a generation. Errors: Exists when it has
// another Release than the one that is meant.
func published(p Place, suite, generation, digest string) (g Generation, done bool, err error) {
	all, err := p.Generations(suite)
	if err != nil {
		return g, false, err
	}
	i := slices.IndexFunc(all, func(g Generation) bool { return g.ID == generation })
	if i < 0 {
		// It may have been cleaned up; what came after it remembers it, but not its digest. The key of
		// the stage and the date are in its name.
		next := slices.IndexFunc(all, func(g Generation) bool { return g.Parent == generation && !g.Published.IsZero() })
		if next < 0 {
			return g, false, nil
		}
		return Generation{ID: generation, Suite: suite, Published: dateOf(generation)}, true, nil
	}
	if all[i].Staged || all[i].Published.IsZero() {
		return g, false, nil
	}
	if all[i].Digest != digest {
		return g, false, errs.E("archive.publish", errs.Exists, fmt.Errorf("%s of %s is published with another Release", generation, suite)).
			Hint("look at the archive: somebody else wrote there")
	}
	return all[i], true, nil
}

// dateOf is the date in the name of a generation, zero when it has none.
func dateOf(generation string) time.Time {
	stamp, _, _ := strings.Cut(generation, "-")
	at, _ := time.Parse(stampForm, stamp)
	return at
}

// restage says how to go on when what was staged cannot be published any more.
func restage(err error, p Publication) error {
	const again = "do the step that staged it again (again STEP), and have that approved and signed"
	switch errs.KindOf(err) {
	case errs.Conflict:
		return errs.E("archive.publish", errs.Conflict, errors.New(errs.Cause(err))).Hint(again)
	case errs.NotFound:
		return errs.E("archive.publish", errs.Conflict, fmt.Errorf("generation %s of %s is not there any more", p.Generation, p.Suite)).Hint(again)
	}
	return err
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
	Staged      int `cel:"staged" json:"staged" doc:"generations that were never published"`
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
	return CleanOut{Generations: r.Generations, Staged: r.Staged, Files: r.Files, Bytes: int(r.Bytes)}, err
}
