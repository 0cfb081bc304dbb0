package aptrepo

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
)

// File is something to add: a binary package (.deb), a source package (.dsc, with the files that
// it lists beside it) or an upload (.changes, with the .deb and .dsc files that it lists).
type File struct {
	Path      string // on disk, or within FS with slashes
	FS        fs.FS  // nil means the disk
	Component string // default: what Section says before its slash, if the suite has it, or the suite's first
}

// Ref names packages of an index.
type Ref struct {
	Name    string
	Version string // "" means every version; for promotions the newest
	// Source makes Name that of a source package and means it with all that was built from it.
	// Otherwise the binary package of that name is meant, alone.
	Source bool
}

func (r Ref) String() string {
	s := r.Name
	if r.Version != "" {
		s += " " + r.Version
	}
	if r.Source {
		return "source " + s
	}
	return s
}

// Promotion takes packages over from another suite of the archive. Their files are in the pool
// already.
type Promotion struct {
	Suite      string
	Generation string // "" means the current one
	Packages   []Ref
}

// Change is what a new generation is to contain.
type Change struct {
	// Key makes Stage idempotent: the same key gives the same generation, also after a crash.
	// Any text that the caller uses once, such as the key of an effect.
	Key   string
	Suite string
	Run   string    // which run asked for it, for people; "" when none did
	Date  time.Time // of the Release; later than that of the current generation

	// Base is the generation to start from, "" the current one. An earlier one makes a rollback:
	// its content is published again under a new date, because clients ignore older dates.
	Base string
	// Sources are the source packages that go back to Base, with all that was built from them;
	// everything else stays as it is. None means that the whole suite goes back.
	Sources []string
	From    *Promotion
	Add     []File
	Remove  []Ref

	// Rollback allows versions to go backwards. Clients do not downgrade by themselves.
	Rollback bool
	// Allow lists what else may happen that is refused otherwise, by name:
	//	"Origin", "Label", "Codename": it changes, and clients must accept that by hand
	//	"architecture/armhf", "component/contrib": clients of it lose everything
	//	"empty/main/binary-amd64": this index had packages and will have none
	Allow []string
}

// digest tells apart two changes that come with one key. The bytes of files and the date are not
// in it: after a crash both may have been made again. Nor is how long things stay.
func (c Change) digest(s Suite) string {
	s.History, s.StagedFor, s.Snapshots, s.SnapshotsFor = 0, 0, 0, 0
	type file struct{ Name, Component string }
	files := []file{}
	for _, f := range c.Add {
		files = append(files, file{path.Base(strings.ReplaceAll(f.Path, "\\", "/")), f.Component})
	}
	said := []any{c.Suite, c.Base, c.From, files, c.Remove, c.Rollback, slices.Sorted(slices.Values(c.Allow)), s}
	if len(c.Sources) > 0 { // others keep the digest that their records have
		said = append(said, slices.Sorted(slices.Values(c.Sources)))
	}
	text, err := json.Marshal(said)
	if err != nil { // strings and numbers alone: always possible
		panic(err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// keyTag is the end of the id of generations that were made with the key.
func keyTag(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:6])
}

const stampForm = "20060102T150405Z"

// id is the name of the generation that the change makes.
func (c Change) id() string { return c.Date.UTC().Format(stampForm) + "-" + keyTag(c.Key) }

func (c Change) check() error {
	bad := func(hint, format string, args ...any) error {
		return errs.E("aptrepo.stage", errs.Invalid, fmt.Errorf(format, args...)).Hint("%s", hint)
	}
	switch {
	case c.Key == "":
		return bad("give every change its own", "the change has no key")
	case c.Date.IsZero() || c.Date.Year() < 1990 || c.Date.Year() > 9999:
		return bad("pass the time at which it is made", "the change has no date")
	}
	refs := slices.Clone(c.Remove)
	for _, source := range c.Sources {
		refs = append(refs, Ref{Name: source, Source: true})
	}
	if len(c.Sources) > 0 && (c.Base == "" || c.From != nil || len(c.Add)+len(c.Remove) > 0) {
		return bad("name the generation in Base, and make other changes apart", "sources go back to an earlier generation, and nothing else changes with them")
	}
	if c.From != nil {
		if c.From.Suite == c.Suite {
			return bad("name another suite; to go back to an earlier content, undo the release", "%s cannot promote packages to itself", c.Suite)
		}
		if c.From.Generation != "" && !generationID(c.From.Generation) {
			return bad("take one from the list of generations", "%q is no generation", c.From.Generation)
		}
		refs = append(refs, c.From.Packages...)
	}
	for _, r := range refs {
		if r.Name == "" || strings.ContainsAny(r.Name+r.Version, " \t\r\n") {
			return bad("name a package, and a version or none", "%q is no name of a package", r)
		}
	}
	if c.Base != "" && !generationID(c.Base) {
		return bad("take one from the list of generations", "%q is no generation", c.Base)
	}
	return nil
}

// generationID refuses what could lead out of the folder of generations.
func generationID(s string) bool { return nameForm.MatchString(s) && !unfinishedDir.MatchString(s) }

// Move is one package that came, went or changed its version.
type Move struct {
	Component     string   `json:"component"`
	Name          string   `json:"name"`
	From          string   `json:"from,omitempty"` // "" when it is new
	To            string   `json:"to,omitempty"`   // "" when it goes
	Architectures []string `json:"architectures"`  // of the indexes; "source" is the one of sources
}

func (m Move) String() string {
	where := m.Component + " " + strings.Join(m.Architectures, ",")
	switch {
	case m.From == "":
		return fmt.Sprintf("%s %s added (%s)", m.Name, m.To, where)
	case m.To == "":
		return fmt.Sprintf("%s %s removed (%s)", m.Name, m.From, where)
	}
	return fmt.Sprintf("%s %s → %s (%s)", m.Name, m.From, m.To, where)
}

// mergeMoves joins what is equal but for the architecture, and sorts.
func mergeMoves(all []Move) []Move {
	key := func(a, b Move) int {
		return cmp.Or(strings.Compare(a.Component, b.Component), strings.Compare(a.Name, b.Name), strings.Compare(a.From, b.From), strings.Compare(a.To, b.To))
	}
	slices.SortStableFunc(all, key)
	var out []Move
	for _, m := range all {
		if n := len(out); n > 0 && key(out[n-1], m) == 0 {
			out[n-1].Architectures = append(out[n-1].Architectures, m.Architectures...)
			continue
		}
		m.Architectures = slices.Clone(m.Architectures)
		out = append(out, m)
	}
	return out
}

// causeOf is the innermost words of err, without the names of operations.
func causeOf(err error) error {
	var e *errs.Error
	for errors.As(err, &e) && e.Err != nil {
		err = e.Err
	}
	return err
}

// about says which input err is about, and keeps its kind and hint.
func about(what string, err error) error {
	var ours *errs.Error
	if !errors.As(err, &ours) {
		return disk("aptrepo.read", fmt.Errorf("%s: %w", what, err))
	}
	return errs.E("aptrepo.read", errs.KindOf(err), fmt.Errorf("%s: %w", what, causeOf(err))).Hint("%s", errs.HintOf(err))
}
