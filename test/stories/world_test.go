// Package stories tells what people live through with Slipway: each test is one story, typed
// and reacted in the console's room by persons named after their roles, and ends with what the
// run has become and what `why` says of it to people.
//
// All but the outside is real: the engine on the embedded store, the console and its socket,
// the table of commands, the release playbook with the contracts of its integrations. What is
// slow or far away (git, gpg, a mail server) is a stateful stand-in that refuses what the real
// one would refuse.
package stories

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/view"
	"slipway/commands/grammar"
	"slipway/commands/release"
	"slipway/commands/talk"
	"slipway/integrations/console"
	"slipway/integrations/console/api"
	"slipway/integrations/signing"
	"slipway/state/blob"
	"slipway/state/bolt"
)

const (
	channel = "lava"
	bot     = "bot:slipway"
)

// clock is driven by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clock) pass(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.now = c.now.Add(d) }

// Wake is not used by a drained engine.
func (c *clock) Wake(time.Time) (<-chan struct{}, func()) { return nil, func() {} }

// staff is where persons and roles are kept. Roles can be taken away and the place can be away.
type staff struct {
	mu      sync.Mutex
	persons []people.Person
	grants  []people.Grant
	down    error
	reads   int
}

func (s *staff) People(context.Context) ([]people.Person, []people.Grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.persons), slices.Clone(s.grants), nil
}

func (s *staff) Again(_ context.Context, project, role string) ([]people.Grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if s.down != nil {
		return nil, s.down
	}
	return slices.DeleteFunc(slices.Clone(s.grants), func(g people.Grant) bool { return g.Role != role || g.Project != project }), nil
}

func (s *staff) breaks(err error) { s.mu.Lock(); defer s.mu.Unlock(); s.down = err }

// drops takes a role away where it is kept, without telling anybody.
func (s *staff) drops(who people.PersonID, role string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grants = slices.DeleteFunc(slices.Clone(s.grants), func(g people.Grant) bool { return g.Person == who && g.Role == role })
}

func town() *staff {
	s := &staff{}
	add := func(name string, roles ...string) {
		s.persons = append(s.persons, people.Person{ID: people.PersonID(name), Name: name, Mail: name + "@example.org",
			Accounts: []people.Account{{Source: "console", ID: name}}})
		for _, r := range roles {
			s.grants = append(s.grants, people.Grant{ID: name + "/" + r, Person: people.PersonID(name), Role: r, Project: "lava"})
		}
	}
	add("requester")
	add("maintainer-a", "maintainer")
	add("maintainer-b", "maintainer")
	add("maintainer-c", "maintainer")
	add("manager", "release-manager")
	add("tester", "tester")
	add("uploader", "debian-uploader")
	add("admin", "admin")
	add("outsider")
	add("deputy")
	add("robot", "maintainer")
	s.persons[len(s.persons)-1].Bot = true
	s.persons[1].Accounts = append(s.persons[1].Accounts, people.Account{Source: "console", ID: "maintainer-a-phone"})
	return s
}

// world is one town: the bot, its room, and everything outside.
type world struct {
	t          testing.TB
	restarting bool   // the process ends and begins again after each line
	books      *shelf // what is on it outlives a process, being the same files
	dir        string
	clock      *clock
	ids        int
	staff      *staff
	out        *outside
	key        key
	yard       *yard
	profile    map[string]any
	triggers   []string // playbooks that start by themselves

	db    *bolt.DB
	blobs *blob.Store
	room  *console.Room
	e     *engine.Engine
	stop  func()

	mu        sync.Mutex
	delivered []engine.Delivery

	noise    *rand.Rand // repeats deliveries; nil: none is
	repeated int        // deliveries that were
	again    int
}

// story runs f in a town that stays up, and in one whose bot is restarted after each line.
func story(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	for _, mode := range []string{"plain", "restarting"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			f(t, newWorld(t, mode == "restarting"))
		})
	}
}

// storyWith is story with the release playbook changed: old becomes new in its text.
func storyWith(t *testing.T, old, new string, f func(t *testing.T, w *world)) {
	t.Helper()
	for _, mode := range []string{"plain", "restarting"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(string(release.Playbook), old) {
				t.Fatalf("the release playbook does not have %q", old)
			}
			f(t, newWorldOf(t, mode == "restarting", strings.Replace(string(release.Playbook), old, new, 1), nil))
		})
	}
}

// archived is what the profile of a project with an archive has instead.
func archived() map[string]any {
	return map[string]any{"archive": "lava", "archive_address": "https://apt.example.org", "archive_keys": []any{archiveKey},
		"suites": []any{"stable"}, "daily_suites": []any{"daily"}, "architectures": []any{"amd64", "arm64"}, "build": []any{"slipway", "package", "build"}, "trial_packages": true}
}

// archiveStory is story in a town whose project has an archive.
func archiveStory(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	for _, mode := range []string{"plain", "restarting"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			f(t, newWorldOf(t, mode == "restarting", string(release.Playbook), archived()))
		})
	}
}

func newWorld(t testing.TB, restarting bool) *world {
	t.Helper()
	return newWorldOf(t, restarting, string(release.Playbook), nil)
}

// newWorldOf makes a town with that release playbook, and more in the profile of its project.
func newWorldOf(t testing.TB, restarting bool, book string, more map[string]any) *world {
	t.Helper()
	// A process ends here, never the machine: what it wrote needs no disk, and memory waits for none.
	dir, err := os.MkdirTemp("/dev/shm", "story") // short: a socket's path has at most 108 bytes
	if err != nil {
		dir, err = os.MkdirTemp("", "story")
	}
	if err != nil {
		t.Fatal(err)
	}
	sources := release.Playbooks()
	sources["release"] = []byte(book)
	w := &world{t: t, restarting: restarting, dir: dir, books: &shelf{sources: sources}, clock: &clock{now: time.Date(2019, 1, 15, 10, 0, 0, 0, time.UTC)},
		staff: town(), out: newOutside(), key: key{"0123456789ABCDEF0123456789ABCDEF01234567"}}
	w.profile = map[string]any{"name": "lava", "remote": "/srv/git/lava.git", "branch": "master", "tag_pattern": "20*", "scheme": "calendar",
		"changelog": "debian/changelog", "package": "lava", "suite": "unstable", "tagger": "Release Team <release@example.org>",
		"release_key": w.key.fingerprint, "public_key": "key", "channel": channel, "broadcast": []any{channel},
		"mail_from": "Release Team <release@example.org>", "mail_to": []any{"announce@lists.example.org"}, "ci": []any{"make", "test"},
		"archive": "", "archive_address": "", "archive_keys": []any{}, "suites": []any{}, "daily_suites": []any{}, "architectures": []any{},
		"build": []any{}, "lintian": "off", "packaging": "", "packaging_branch": "", "packaging_upstream": "", "packaging_debian": "keep",
		"forge": "", "milestones": false, "fork": "", "fork_branch": "", "trial": "/srv/git/lava.git", "trial_packages": false, "order": "together",
		"artifact_jobs": []any{}, "changelog_style": "log", "version_file": "", "commit_message": "lava {version} release", "sign_off": false,
		"handover": "", "handover_branch": "", "handover_from": "", "handover_to": ""}
	for field, value := range more {
		w.profile[field] = value
	}
	t.Cleanup(func() {
		w.down()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	w.up()
	return w
}

// Project, Home and Names are what is configured.
func (w *world) Project(name string) (engine.Project, bool) {
	if name != "lava" {
		return engine.Project{}, false
	}
	return engine.Project{Name: name, Profile: w.profile, Triggers: w.triggers, Places: []engine.Place{{Source: console.Source, ID: channel}}}, true
}
func (w *world) Home(p engine.Place) string {
	if p.ID == channel {
		return "lava"
	}
	return ""
}
func (w *world) Names() []string { return []string{"lava"} }

// must ends the story when the town itself does not work.
func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// up begins a process on what the disk holds.
func (w *world) up() {
	w.t.Helper()
	var err error
	w.db, err = bolt.Open(filepath.Join(w.dir, "slipway.db"), bolt.Options{Large: engine.LargeSpaces()})
	w.must(err)
	w.blobs, err = blob.Open(filepath.Join(w.dir, "blobs"), blob.Options{})
	w.must(err)
	w.room, err = console.Open(filepath.Join(w.dir, "console.db"), w.clock.Now)
	w.must(err)
	w.yard, err = openYard(w.dir, w.clock.Now)
	w.must(err)
	bounds, tag, files, err := w.out.bounds(w.clock.Now, w.key, w.yard, w.blobs)
	w.must(err)
	set, err := action.NewSet(bounds...)
	w.must(err)
	own, err := engine.Contracts()
	w.must(err)
	w.books.known = playbook.Known{Contracts: append(set.Contracts(), own...), Profile: w.profileType()}
	families := []grammar.Family{grammar.Release(nil, nil)}
	table, err := grammar.Standard(families...)
	w.must(err)
	answers := &talk.Answers{Table: table, Projects: w, Shelf: w.books, Books: slices.Sorted(maps.Keys(w.books.sources)), Families: families}
	w.e, err = engine.New(context.Background(), engine.Config{Store: w.db, Blobs: w.blobs, Actions: set, Playbooks: w.books, Projects: w,
		Clock: w.clock, IDs: func() string { w.ids++; return fmt.Sprintf("id%05d", w.ids) },
		Parser: talk.Parser{Table: table, Families: families, Addresses: []string{"slipway"}}, Answers: answers,
		Decoders: map[string]engine.Decoder{console.Source: decoder{}}, People: w.staff,
		Posters: map[string]engine.Poster{console.Source: poster{w.room.Poster(bot)}}, Cards: talk.Cards{},
		Tell: w.telling(), Zone: time.LoadLocation,
		Jobs: map[string]engine.JobKind{
			signing.TagJob:     {Prepare: tag.Prepare, Finish: tag.Finish},
			signing.ReleaseJob: {Prepare: files.Prepare, Finish: files.Finish}}})
	w.must(err)
	answers.Engine = w.e

	socket, err := console.Listen(filepath.Join(w.dir, "s"), "")
	w.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	door, err := api.New(api.Options{Desk: &console.Desk{Room: w.room, Deliver: w.deliver}, View: view.New(w.e), Bot: bot, Log: slog.New(slog.DiscardHandler)})
	w.must(err)
	server := api.Socket{Handler: w.anybody(door)}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(ctx, socket); err != nil {
			w.t.Error(err)
		}
	})
	w.stop = func() { cancel(); serving.Wait() }
	w.drain()
}

// down ends the process.
func (w *world) down() {
	if w.stop == nil {
		return
	}
	w.stop()
	w.stop = nil
	if err := errors.Join(w.db.Close(), w.blobs.Close(), w.room.Close()); err != nil {
		w.t.Error(err)
	}
}

// Restart ends the process and begins another one.
func (w *world) Restart() {
	w.t.Helper()
	w.down()
	w.up()
}

// line is the end of each line of a story.
func (w *world) line() {
	w.t.Helper()
	w.repeat()
	w.drain()
	if w.restarting {
		w.Restart()
	}
}

func (w *world) drain() {
	w.t.Helper()
	w.must(w.e.Drain(context.Background()))
}

// Pass lets time go by and does what becomes due.
func (w *world) Pass(d time.Duration) {
	w.t.Helper()
	w.clock.pass(d)
	w.line()
}

func (w *world) deliver(ctx context.Context, d console.Delivery) error {
	one := engine.Delivery{Source: d.Source, ID: d.ID, Account: account(d.Account), Place: d.Place, Body: d.Body}
	w.mu.Lock()
	w.delivered = append(w.delivered, one)
	w.mu.Unlock()
	return w.e.Deliver(ctx, one)
}

func (w *world) profileType() action.Type {
	var fields []action.Field
	for _, name := range slices.Sorted(maps.Keys(w.profile)) {
		typ := action.Type{Kind: action.String}
		if _, truth := w.profile[name].(bool); truth {
			typ.Kind = action.Bool
		}
		if _, list := w.profile[name].([]any); list {
			typ = action.ListOf(typ)
		}
		fields = append(fields, action.Field{Name: name, Type: typ})
	}
	return action.Obj(fields...)
}

// shelf holds the playbooks of the family, each checked when it is first asked for.
type shelf struct {
	known   playbook.Known
	sources map[string][]byte

	mu      sync.Mutex
	checked map[string]*playbook.Playbook
}

func (s *shelf) Current(name string) *playbook.Playbook {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.checked[name]; p != nil || s.sources[name] == nil {
		return p
	}
	p, err := s.Check(name+".yaml", s.sources[name])
	if err != nil {
		panic(fmt.Sprintf("%s: %v", name, err))
	}
	if s.checked == nil {
		s.checked = map[string]*playbook.Playbook{}
	}
	s.checked[name] = p
	return p
}

func (s *shelf) ByDigest(digest string) *playbook.Playbook {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.checked {
		if p.Digest == digest {
			return p
		}
	}
	return nil
}

func (s *shelf) Check(name string, source []byte) (*playbook.Playbook, error) {
	p, err := playbook.Parse(name, source)
	if err != nil {
		return nil, err
	}
	checked, found := playbook.Check(p, s.known)
	if checked == nil {
		return nil, playbook.Errors(found)
	}
	return checked, nil
}

// account reads an account of the console: "console:maintainer-a".
func account(text string) people.Account {
	source, id, _ := strings.Cut(text, ":")
	return people.Account{Source: source, ID: id, Handle: text}
}

// decoder turns the console's deliveries into facts.
type decoder struct{}

func (decoder) Decode(d engine.Delivery) ([]engine.Fact, error) {
	found, err := console.Decode(console.Delivery{Source: d.Source, ID: d.ID, Account: d.Account.String(), Place: d.Place, Body: d.Body})
	if err != nil {
		return nil, err
	}
	var out []engine.Fact
	for _, f := range found {
		switch f := f.(type) {
		case console.Said:
			out = append(out, engine.Said{Account: d.Account, Place: engine.Place{Source: console.Source, ID: f.Place},
				Message: f.Message, Thread: f.Thread, Text: f.Text, Addressed: true})
		case console.Touched:
			out = append(out, engine.Touched{Place: engine.Place{Source: console.Source, ID: f.Place}, Message: f.Message})
		}
	}
	return out, nil
}

// poster is the engine's port to the room.
type poster struct{ console.Poster }

func (p poster) Find(ctx context.Context, key string, to engine.Ref, _ time.Time) (engine.Ref, bool, error) {
	ref, found, err := p.Poster.Find(ctx, key, console.Place{Channel: to.Place.ID, Thread: to.Thread})
	return posted(ref, to), found, err
}

func (p poster) Post(ctx context.Context, key string, to engine.Ref, c card.Card) (engine.Ref, error) {
	ref, err := p.Poster.Post(ctx, key, console.Place{Channel: to.Place.ID, Thread: to.Thread}, c)
	return posted(ref, to), err
}

func (p poster) Edit(ctx context.Context, ref engine.Ref, c card.Card) error {
	return p.Poster.Edit(ctx, console.Ref{Channel: ref.Place.ID, ID: ref.Message}, c)
}

func (p poster) Reactions(ctx context.Context, ref engine.Ref) ([]engine.Reaction, error) {
	found, err := p.Poster.Reactions(ctx, console.Ref{Channel: ref.Place.ID, ID: ref.Message})
	out := make([]engine.Reaction, len(found))
	for i, r := range found {
		out[i] = engine.Reaction{Account: account(r.Account), Emoji: r.Emoji}
	}
	return out, err
}

func posted(ref console.Ref, to engine.Ref) engine.Ref {
	return engine.Ref{Place: engine.Place{Source: console.Source, ID: ref.Channel}, Message: ref.ID, Thread: to.Thread}
}

var errAway = errs.E("test.away", errs.Unavailable, errors.New("the directory does not answer"))
