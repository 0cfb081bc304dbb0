package aptrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// fresh is how old a staged state may be that is taken for the one of the same try.
const fresh = time.Hour

// stage is archive.stage@1.
type stage struct{ a *Actions }

// StageIn is what the next state is to be.
type StageIn struct {
	Archive  string     `cel:"archive" json:"archive"`
	Suites   []string   `cel:"suites" json:"suites"`
	Kind     string     `cel:"kind" json:"kind" enum:"add,refresh,rollback,promote" doc:"add files; the same again with a new date; what was there of a source package before a version; packages of another suite"`
	Files    []Artifact `cel:"files,optional" json:"files,omitempty" doc:"with add: .deb and .dsc files, and what those name"`
	Source   string     `cel:"source,optional" json:"source,omitempty" doc:"with rollback and promote: the source package"`
	Version  string     `cel:"version,optional" json:"version,omitempty" doc:"with rollback: the version that goes; with promote: the one that comes"`
	From     string     `cel:"from,optional" json:"from,omitempty" doc:"with promote: the suite it comes from"`
	Backward bool       `cel:"backward,optional" json:"backward,omitempty" doc:"versions may go backwards; a rollback always may"`
}

// StageOut is a state that waits for its signatures.
type StageOut struct {
	Generation string            `cel:"generation" json:"generation"`
	Releases   []SuiteRelease    `cel:"releases" json:"releases"`
	Current    []SuiteGeneration `cel:"current" json:"current" doc:"what clients see until it is published"`
	Digest     string            `cel:"digest" json:"digest" kind:"digest" doc:"over the Release files of all suites"`
	Digests    []string          `cel:"digests" json:"digests" kind:"digest" doc:"of the Release file of each suite"`
	Changes    []string          `cel:"changes" json:"changes" doc:"what changes for clients, in words"`
	Packages   int               `cel:"packages" json:"packages" doc:"entries of all indexes"`
}

// Probe finds a state that was staged under the key and is what clients read by now: made again, it
// would be published twice. One that still waits is given by staging again under the same key.
func (s stage) Probe(ctx context.Context, key action.Key, in StageIn) (StageOut, bool, error) {
	c, err := s.a.archive("archive.stage", in.Archive)
	if err != nil {
		return StageOut{}, false, err
	}
	on, date, found, err := publishedUnder(c.Place, key, in.Suites)
	if err != nil || !found {
		return StageOut{}, false, err
	}
	out, err := s.make(ctx, c, key, in, on, date)
	return out, err == nil, err
}

// publishedUnder looks whether what clients read of all suites was staged under the key: on is what
// they read before, and date that of the Release files.
func publishedUnder(p Place, key action.Key, suites []string) (on string, date time.Time, found bool, err error) {
	before, ids := make([]string, len(suites)), make([]string, len(suites))
	for i, suite := range suites {
		all, err := p.Generations(suite)
		if err != nil {
			return "", date, false, err
		}
		for _, g := range all {
			if g.Current && !g.Staged && g.Run == key.Run {
				before[i], ids[i], date = g.Parent, g.ID, g.Date
			}
		}
	}
	on = strings.Join(before, ",")
	for _, id := range ids {
		if id == "" {
			return "", date, false, nil
		}
		first := key.String() + " on " + on
		switch {
		case strings.HasSuffix(id, "-"+keyTag(first)):
		case strings.HasSuffix(id, "-"+keyTag(first+" at "+date.Format(time.RFC3339))):
			on += " at " + date.Format(time.RFC3339) // a later try
		default:
			return "", date, false, nil
		}
	}
	return on, date, len(ids) > 0, nil
}

// Do stages suite after suite under the key of the effect.
func (s stage) Do(ctx context.Context, key action.Key, in StageIn) (StageOut, error) {
	const op = "archive.stage"
	c, err := s.a.archive(op, in.Archive)
	if err != nil {
		return StageOut{}, err
	}
	if len(in.Suites) == 0 {
		return StageOut{}, errs.E(op, errs.Invalid, errors.New("no suite is named")).Hint("name the suites of the project")
	}
	// When somebody else publishes meanwhile, what was staged is worth nothing: another try is then
	// another generation, on top of theirs.
	on, newest, err := currentOf(c.Place, in.Suites)
	if err != nil {
		return StageOut{}, err
	}
	date := s.a.Now().UTC().Truncate(time.Second)
	if !date.After(newest) && date.Add(clockSkew).After(newest) {
		// A Release tells its time in whole seconds, and clients ignore one that is no later.
		return StageOut{}, errs.E(op, errs.Busy, fmt.Errorf("what clients read was made in this very second, at %s", newest.Format(dateForm))).Hint("wait: it is staged in a moment")
	}
	return s.make(ctx, c, key, in, on, date)
}

// make stages suite after suite, on top of what clients read. Of what was staged before under the
// key it gives that.
func (s stage) make(ctx context.Context, c Configured, key action.Key, in StageIn, on string, date time.Time) (StageOut, error) {
	const op = "archive.stage"
	out := StageOut{Changes: []string{}} // a refresh changes nothing
	var digests strings.Builder
	for _, name := range in.Suites {
		change, err := s.change(ctx, c, in, name)
		if err != nil {
			return StageOut{}, err
		}
		change.Key, change.Run, change.Date = key.String()+" on "+on, key.Run, date
		got, err := c.Place.Stage(ctx, change)
		if err == nil && got.Staged && s.a.Now().Sub(got.Date) > fresh {
			// A person tries the step again: clients count a Release's age from its date.
			change.Key += " at " + date.Format(time.RFC3339)
			got, err = c.Place.Stage(ctx, change)
		}
		if errs.Is(err, errs.Conflict) {
			if now, _, moved := currentOf(c.Place, in.Suites); moved == nil && now != on {
				return StageOut{}, errs.E(op, errs.Busy, fmt.Errorf("somebody else published in %s meanwhile", name)).Hint("wait: it is staged again on top of that")
			}
		}
		if err != nil {
			return StageOut{}, err
		}
		// The id is made of the date and the key: a repeat finds what the first try began with.
		if out.Generation == "" {
			out.Generation, date = got.ID, got.Date
		} else if out.Generation != got.ID {
			return StageOut{}, errs.E(op, errs.Conflict, fmt.Errorf("%s is staged as %s, and %s as %s", in.Suites[0], out.Generation, name, got.ID)).
				Hint("try the step again")
		}
		release := SuiteRelease{Suite: name, Text: string(got.Release), Digest: got.Digest}
		out.Releases = append(out.Releases, release)
		out.Digests = append(out.Digests, release.Digest)
		out.Current = append(out.Current, SuiteGeneration{Suite: name, Generation: got.Parent})
		fmt.Fprintf(&digests, "%s %s\n", release.Digest, name)
		for _, m := range got.Moves {
			out.Changes = append(out.Changes, name+": "+m.String())
		}
		for _, n := range got.Counts {
			out.Packages += n
		}
	}
	out.Digest = action.DigestOf([]byte(digests.String()))
	return out, nil
}

// currentOf names what clients see of the suites, and the newest date among it.
func currentOf(p Place, suites []string) (names string, newest time.Time, err error) {
	ids := make([]string, len(suites))
	for i, suite := range suites {
		all, err := p.Generations(suite)
		if err != nil {
			return "", newest, err
		}
		for _, g := range all {
			if !g.Current {
				continue
			}
			ids[i] = g.ID
			if g.Date.After(newest) {
				newest = g.Date
			}
		}
	}
	return strings.Join(ids, ","), newest, nil
}

// change is what is asked for, for one suite.
func (s stage) change(ctx context.Context, c Configured, in StageIn, suite string) (Change, error) {
	bad := func(hint, format string, args ...any) (Change, error) {
		return Change{}, errs.E("archive.stage", errs.Invalid, fmt.Errorf(format, args...)).Hint("%s", hint)
	}
	change := Change{Suite: suite, Rollback: in.Backward}
	switch in.Kind {
	case "refresh":
	case "add":
		// Clients must have a new key before the archive is signed with it alone.
		more, err := s.a.missingKeyring(ctx, in.Archive, c, suite)
		if err != nil {
			return Change{}, err
		}
		files := artifacts{ctx: ctx, from: s.a.Contents, files: slices.Concat(in.Files, more)}
		for _, f := range files.files {
			if strings.HasSuffix(f.Name, ".deb") || strings.HasSuffix(f.Name, ".dsc") {
				change.Add = append(change.Add, File{Path: f.Name, FS: files})
			}
		}
		if len(change.Add) == len(more) {
			return bad("let the pipeline leave its packages among its artifacts", "there is no .deb and no .dsc among %d files", len(in.Files))
		}
	case "promote":
		if in.From == "" || in.Source == "" {
			return bad("give from and source", "a promotion needs the suite and the source package that it takes")
		}
		change.From = &Promotion{Suite: in.From, Packages: []Ref{{Name: in.Source, Version: in.Version, Source: true}}}
	case "rollback":
		g, err := before(c.Place, suite, in.Source, in.Version)
		if err != nil {
			return Change{}, err
		}
		// Others publish into the suite too: what they have there stays.
		change.Base, change.Sources, change.Rollback = g.ID, []string{in.Source}, true
	default:
		return bad("it is add, refresh, rollback or promote", "the kind is %q", in.Kind)
	}
	return change, nil
}

// before is the newest generation without that version of a source package that came before the
// one which brought it, on the way back from what clients see: from a rollback the way goes on at
// the generation whose content came back, so that what was rolled back is not found again. What
// came back of other source packages does not count.
// Errors: NotFound.
func before(p Place, suite, source, version string) (Generation, error) {
	const op = "archive.stage"
	if source == "" || version == "" {
		return Generation{}, errs.E(op, errs.Invalid, errors.New("a rollback needs the source package and the version that goes")).Hint("give source and version")
	}
	all, err := p.Generations(suite)
	if err != nil {
		return Generation{}, err
	}
	brought := false
	i := slices.IndexFunc(all, func(g Generation) bool { return g.Current })
	for ; i >= 0; i = earlier(all, i, source) {
		built, err := p.Built(suite, all[i].ID, source)
		if err != nil {
			return Generation{}, err
		}
		has := slices.ContainsFunc(built, func(b Built) bool { return b.Version == version })
		if brought && !has {
			return all[i], nil
		}
		brought = brought || has
	}
	if !brought {
		return Generation{}, errs.E(op, errs.NotFound, fmt.Errorf("%s has no %s %s, and what it has now did not come after it", suite, source, version)).
			Hint("look at what the suite has, and name that version")
	}
	return Generation{}, errs.E(op, errs.NotFound, fmt.Errorf("%s remembers nothing from before %s %s", suite, source, version)).
		Hint("there is nothing to go back to: end this run, and release what is mended under a higher version")
}

// earlier is where a source package of a generation came from, -1 when nothing is known. When that
// was cleaned up it is the newest published one from before.
func earlier(all []Generation, i int, source string) int {
	from := all[i].Base
	if back := all[i].Sources; len(back) > 0 && !slices.Contains(back, source) {
		from = all[i].Parent
	}
	if at := slices.IndexFunc(all[:i], func(g Generation) bool { return g.ID == from }); at >= 0 {
		return at
	}
	for at := i - 1; at >= 0; at-- {
		if g := all[at]; !g.Staged && !g.Published.IsZero() && (from == "" || g.ID < from) {
			return at
		}
	}
	return -1
}

// artifacts are files of a pipeline as a file system: by the names that .dsc files know them by.
type artifacts struct {
	ctx   context.Context
	from  Contents
	files []Artifact
}

// Open gives the content of the artifact of that name.
func (a artifacts) Open(name string) (fs.File, error) {
	for _, f := range a.files {
		if f.Name == name {
			file, _, err := a.from.Open(a.ctx, f.Digest)
			if err != nil {
				return nil, &fs.PathError{Op: "open", Path: name, Err: err}
			}
			return named{file, name}, nil
		}
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// named is an open file under the name that it was asked for.
type named struct {
	*os.File
	name string
}

func (n named) Stat() (fs.FileInfo, error) {
	info, err := n.File.Stat()
	return namedInfo{info, n.name}, err
}

type namedInfo struct {
	fs.FileInfo
	name string
}

func (n namedInfo) Name() string { return n.name }

// history is archive.history@1.
type history struct{ a *Actions }

// HistoryIn asks for a version of a source package.
type HistoryIn struct {
	Archive string   `cel:"archive" json:"archive"`
	Suites  []string `cel:"suites" json:"suites"`
	Source  string   `cel:"source" json:"source"`
	Version string   `cel:"version" json:"version"`
	Apart   []string `cel:"apart,optional" json:"apart,omitempty" doc:"suites that must not be among them, such as those it is to go to"`
	Offered bool     `cel:"offered,optional" json:"offered,omitempty" doc:"true: it fails when none of the suites offers the version"`
	Back    bool     `cel:"back,optional" json:"back,omitempty" doc:"true: it fails when a suite that offers the version does not remember what was before it"`
}

// HistoryOut is where it is now, and what was before it.
type HistoryOut struct {
	Suites   []string  `cel:"suites" json:"suites" doc:"those that offer the version now"`
	Packages []string  `cel:"packages" json:"packages" doc:"binary packages of that version"`
	Previous string    `cel:"previous" json:"previous" doc:"version that they offered before; empty: none that is remembered"`
	Before   []Earlier `cel:"before" json:"before" doc:"what each of those suites offered before"`
}

// Earlier is what a suite offered of a source package before.
type Earlier struct {
	Suite    string   `cel:"suite" json:"suite"`
	Known    bool     `cel:"known" json:"known" doc:"it remembers what was before"`
	Version  string   `cel:"version" json:"version" doc:"empty: nothing, or nothing that is remembered"`
	Packages []string `cel:"packages" json:"packages" doc:"binary packages of that version, or of the one that is there now"`
}

func (history) Probe(context.Context, action.Key, HistoryIn) (HistoryOut, bool, error) {
	return HistoryOut{}, false, nil
}

func (h history) Do(_ context.Context, _ action.Key, in HistoryIn) (HistoryOut, error) {
	c, err := h.a.archive("archive.history", in.Archive)
	if err != nil {
		return HistoryOut{}, err
	}
	for _, suite := range in.Suites {
		if slices.Contains(in.Apart, suite) {
			return HistoryOut{}, errs.E("archive.history", errs.Invalid, fmt.Errorf("%s is where it is to go, so it cannot come from there", suite)).
				Hint("name the suite where it was tried")
		}
	}
	out := HistoryOut{Suites: []string{}, Packages: []string{}, Before: []Earlier{}}
	for _, suite := range in.Suites {
		now, err := c.Place.Built(suite, "", in.Source)
		if err != nil {
			return HistoryOut{}, err
		}
		i := slices.IndexFunc(now, func(b Built) bool { return b.Version == in.Version })
		if i < 0 {
			continue
		}
		out.Suites = append(out.Suites, suite)
		out.Packages = append(out.Packages, now[i].Packages...)
		was := Earlier{Suite: suite, Packages: now[i].Packages}
		g, err := before(c.Place, suite, in.Source, in.Version)
		if errs.Is(err, errs.NotFound) {
			out.Before = append(out.Before, was)
			continue
		}
		if err != nil {
			return HistoryOut{}, err
		}
		earlier, err := c.Place.Built(suite, g.ID, in.Source)
		if err != nil {
			return HistoryOut{}, err
		}
		was.Known = true
		if len(earlier) > 0 {
			was.Version, was.Packages = earlier[0].Version, earlier[0].Packages
		}
		out.Before = append(out.Before, was)
		if out.Previous == "" {
			out.Previous = was.Version
		}
	}
	if in.Offered && len(out.Suites) == 0 {
		return HistoryOut{}, errs.E("archive.history", errs.NotFound, fmt.Errorf("%s has no %s %s", strings.Join(in.Suites, ", "), in.Source, in.Version)).
			Hint("name a version that the suite has, or another suite")
	}
	if in.Back {
		for _, b := range out.Before {
			if !b.Known {
				return HistoryOut{}, errs.E("archive.history", errs.NotFound, fmt.Errorf("%s remembers nothing from before %s %s, so there is nothing to go back to", b.Suite, in.Source, in.Version)).
					Hint("release a higher version instead")
			}
		}
	}
	slices.Sort(out.Packages)
	out.Packages = slices.Compact(out.Packages)
	return out, nil
}
