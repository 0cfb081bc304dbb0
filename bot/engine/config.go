package engine

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/evidence"
	"slipway/bot/gate"
	"slipway/bot/job"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// Config is everything an Engine is made of. Store, Blobs, Actions, Playbooks, Projects, Clock
// and IDs are required; without Posters nothing is shown in a chat.
type Config struct {
	Store     Store
	Blobs     Blobs
	Actions   *action.Set
	Playbooks Playbooks
	Projects  Projects
	Clock     Clock
	IDs       func() string      // opaque, unique for ever, fit for file names
	Parser    Parser             // nil: nobody can command by text
	Answers   Answers            // nil: commands of the kind Other are refused
	Decoders  map[string]Decoder // by source; a delivery of another source is refused
	People    PeopleSource       // nil: only people and grants that were stored
	Posters   map[string]Poster  // chats by source
	Cards     Cards              // nil: no cards
	Jobs      map[string]JobKind // pulled jobs by kind
	Log       *slog.Logger       // nil: nothing is logged
	Jitter    func() float64     // in [0,1): spreads back-off; nil: 0.5 always
	Point     func(name string)  // crash point; nil: none
	LogKey    evidence.Signer    // signs the heads of logs and the evidence; nil: they wait until there is one

	Workers    int                      // effects at a time; 0: 8
	Tries      int                      // of an effect that leave a doubt, before a person is asked; 0: 12
	Patience   time.Duration            // for how long an effect is tried whose other side is away, if its step has no deadline; 0: 3 days
	Backoff    time.Duration            // before the second try; doubles; 0: 2 s
	BackoffCap time.Duration            // 0: 10 min
	KeepInbox  time.Duration            // deliveries and their transport ids; 0: 30 days
	StaleAfter time.Duration            // a replayed command older than this asks its author; 0: 1 h
	CardEvery  time.Duration            // least time between two edits of a card; 0: 1 s
	Votes      map[string]gate.VoteKind // what reactions mean; nil: ✅ approves, ❌ rejects

	// Direct are the places that only this person and the bot read: a private run is shown in those
	// of its circle. nil: a private run is shown nowhere.
	Direct func(people.PersonID) []Place

	// Linking is how people link accounts of theirs; Standings say of accounts, by source, whether they
	// count. The accounts of a source without one do.
	Linking   Linking
	Standings map[string]Standing

	Past map[string]Past // sources that can tell again what they delivered, by name

	// Link is the address of the page of a run, or of a step of it, for messages; "" or nil: none.
	Link func(run, step string) string

	// Tell is how subscribers are reached besides chats.
	Tell Telling

	// Zone finds the time zone of a schedule by its IANA name; nil: only UTC is known.
	Zone func(name string) (*time.Location, error)
}

// Clock is the wall clock. Wake returns a channel that is closed at or after t, and a function
// that gives up waiting; tests drive it by hand.
type Clock interface {
	Now() time.Time
	Wake(t time.Time) (<-chan struct{}, func())
}

// Playbooks knows the checked definitions.
type Playbooks interface {
	// Current is the playbook that a new run of this family gets, or nil.
	Current(name string) *playbook.Playbook
	// ByDigest is a playbook known to this process, or nil.
	ByDigest(digest string) *playbook.Playbook
	// Check reads a stored source again, for live runs that pinned it. The error says in words
	// what does not fit any more.
	Check(name string, source []byte) (*playbook.Playbook, error)
}

// Project is what the engine must know of a configured project.
type Project struct {
	Name      string
	Profile   map[string]any    // the fields that playbooks may read, of plain values
	Providers map[string]string // capability ("ci.pipeline") → provider
	Places    []Place           // where its cards and gate messages go, the main one first
	Tell      []Place           // where broadcasts go; nil: Places
	Triggers  []string          // playbooks that start here by themselves, by their trigger
	Starters  map[string]string // family → role that may start it; without an entry any person may
}

// Projects knows the configured projects.
type Projects interface {
	Project(name string) (Project, bool)
	// Home is the default project of a place, or "".
	Home(p Place) string
	Names() []string
}

// Place is a channel of a chat: its source and its id there.
type Place struct {
	Source string `json:"source"`
	ID     string `json:"id"`
}

// Ref is one message in a chat.
type Ref struct {
	Place   Place  `json:"place"`
	Message string `json:"message"`
	Thread  string `json:"thread,omitempty"`
}

// Spoken is what a parser may know of who speaks and where.
type Spoken struct {
	Person    people.PersonID // "" when the account is not linked
	Account   people.Account
	Place     Place
	Thread    string
	Project   string // default project of the place
	Run       string // id of the run whose thread or card this is, or ""
	Addressed bool
	Direct    bool // nobody else reads the place: a direct message
	Message   string
	Now       time.Time
}

// Viewer is the person for whom an answer may be written: nobody in particular where others read
// it too, so that a private run is not spoken of in a channel.
func (s Spoken) Viewer() people.PersonID {
	if s.Direct {
		return s.Person
	}
	return ""
}

// Parser turns the text of one message into what it asks for; nothing when it asks for nothing.
// It is pure.
type Parser interface {
	Parse(text string, s Spoken) []Asked
}

// Asked is one thing that a message asks for. Exactly one of Reply, Start, Input and Other is
// set. In Input the engine fills in the person, the account and the time.
type Asked struct {
	Line  int    // of the message, from 0
	Reply string // the answer, when the text was not a command but deserves one
	Start *StartRequest
	Run   string    // of Input: name, version or id, as the person wrote it
	Input run.Input // run.Command, run.Vote or run.Answer
	Other any       // handed to [Answers]

	// Stranger: an account of nobody may ask for it too. Only of Other.
	Stranger bool
}

// Answers carries out what is neither a start nor an input of a run: questions, lists, grants. A
// change it makes carries once, so that it happens with the semantic key in one commit.
type Answers interface {
	Answer(ctx context.Context, s Spoken, other any, once Once) (text string, err error)
}

// Once is a semantic key: what carries it happens at most once. The zero Once is no key.
type Once struct{ Key string }

// Decoder turns a stored delivery into facts. It is pure: the same bytes give the same facts.
// Its error says in words why the delivery cannot be understood.
type Decoder interface {
	Decode(d Delivery) ([]Fact, error)
}

// Secretive is a Decoder of a source whose deliveries bear credentials. Secrets lists the names
// of the fields and headers that hold them, at any depth; nobody is shown what they hold.
type Secretive interface {
	Secrets() []string
}

// PeopleSource tells who there is, from the configuration or a directory service.
//
// People gives everybody. Again reads the grants of one role in exactly this project ("*": those that
// hold in every project) again at the place where they are kept; [errs.Unavailable] when that cannot be
// reached now. A grant whose Account is set and whose Person is not is held by whoever the account
// belongs to.
type PeopleSource interface {
	People(ctx context.Context) ([]people.Person, []people.Grant, error)
	Again(ctx context.Context, project, role string) ([]people.Grant, error)
}

// Elsewhere is a PeopleSource some of whose roles are kept by a service that may be away, and which
// People does not wait for. Each is read by Again soon after the start and whenever a gate closes; until
// it was read, nobody holds it.
type Elsewhere interface {
	Elsewhere() []Role
}

// Role is a role in a project, or, with "*", in every project.
type Role struct{ Project, Role string }

// JobKind is what the engine must know of a kind of pulled job.
type JobKind struct {
	// Prepare makes the request that the holder gets from the effect's inputs; nil: the inputs
	// themselves. The digest is of payload.
	Prepare func(ctx context.Context, inputs []byte) (payload []byte, err error)
	// Finish checks a good verdict before it is used and makes the effect's output of it; nil: the
	// verdict's result is the output. An error of kind [errs.Failed] or [errs.Invalid] fails the step.
	Finish func(ctx context.Context, j job.Job, inputs []byte) (output []byte, err error)
}

// Engine is the shell. Its methods may be called by many goroutines at once.
type Engine struct {
	cfg  Config
	boot string // this process, in records
	life
	stripes  stripes
	cache    cache
	world    world
	inbox    inbox
	effects  effects
	aways    aways
	comeback comeback
	cards    cards
	wakes    wakes
	rowCalls rowCalls
	books    books
	plans    plans
	subs     subs
	heads    heads
	lists    lists
	feed     feed
	silent   sync.Map // source of accounts → silence, for those who link
}

// New checks c and reads what must be known before work begins. Errors: [errs.Invalid] for a
// part that is missing, [errs.Corrupt] for a store that does not read back or is of a newer format.
func New(ctx context.Context, c Config) (*Engine, error) {
	const op = "engine.new"
	for _, need := range []struct {
		what string
		ok   bool
	}{{"a store", c.Store != nil}, {"a blob store", c.Blobs != nil}, {"actions", c.Actions != nil},
		{"playbooks", c.Playbooks != nil}, {"projects", c.Projects != nil}, {"a clock", c.Clock != nil}, {"ids", c.IDs != nil}} {
		if !need.ok {
			return nil, errs.E(op, errs.Invalid, fmt.Errorf("the engine needs %s", need.what))
		}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Jitter == nil {
		c.Jitter = func() float64 { return 0.5 }
	}
	if c.Point == nil {
		c.Point = func(string) {}
	}
	if c.Votes == nil {
		c.Votes = map[string]gate.VoteKind{"✅": gate.Approve, "❌": gate.Reject}
	}
	set := func(d *time.Duration, to time.Duration) {
		if *d <= 0 {
			*d = to
		}
	}
	set(&c.Backoff, 2*time.Second)
	set(&c.BackoffCap, 10*time.Minute)
	set(&c.Patience, 72*time.Hour)
	set(&c.KeepInbox, 30*24*time.Hour)
	set(&c.StaleAfter, time.Hour)
	set(&c.CardEvery, time.Second)
	if c.Workers <= 0 {
		c.Workers = 8
	}
	if c.Tries <= 0 {
		c.Tries = 12
	}
	c.guard()
	e := &Engine{cfg: c, boot: c.IDs()}
	chats := slices.Sorted(maps.Keys(c.Posters))
	e.life.init(chats)
	e.cache.init()
	e.effects.init(c.Clock.Now())
	e.aways.init()
	e.cards.init(chats)
	e.books.init()
	e.heads.more()
	e.lists.init()
	e.feed.init(c.Clock.Now())
	if err := e.recover(ctx); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *Engine) now() time.Time { return e.cfg.Clock.Now().UTC() }

// point is where a crash is tried.
func (e *Engine) point(name string) { e.cfg.Point(name) }
