package engine

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"crypto/sha256"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/jsonout"
	"slipway/bot/ledger"
	"slipway/bot/people"
)

// Format is the version of the storage format below. A store of a newer format is refused; one of
// an older format is brought up to this one at the start. Format 1 had no index of the last parts
// of names, no entries of the run itself among those who are awaited, and an aborted run kept its
// name until its undo plan was answered. Format 2 had no heads of logs, nothing of what gates relied
// on, no absences, no subscriptions with their news, and no memory of a restore: a program that does
// not know of them would let gates close unsigned and tell people again. Format 3 had the body of a
// delivery in its record, which was written again with it.
const Format = 4

// The spaces of the storage format, version 4. IDs are made of parts joined by sep; times in them
// are 19 digits of Unix nanoseconds, so that order is order in time. Values are JSON, but for those
// of spBodies. A value of any other space that begins with '@' is the digest of the value in the
// blob store.
const (
	spMeta      = "meta"      // layout (the format), epoch, pause, reshow, restored, alive, back [sep KEY] → text
	spRuns      = "runs"      // RUN                                             → runRecord (head; may be large)
	spSteps     = "steps"     // RUN sep PATH                                    → run.Step
	spEvents    = "events"    // RUN sep SEQ(20)                                 → eventRecord; one a commit
	spNames     = "names"     // canonical name of a live run [sep RUN, once the name is free] → nameRecord
	spEndings   = "endings"   // last part of a run's canonical name sep RUN         → its name
	spPast      = "past"      // name sep TIME sep RUN, of ended runs            → nameRecord
	spAwaits    = "awaits"    // ROLE or @PERSON sep PROJECT sep RUN sep PATH (of the run itself: "") → ""
	spOutbox    = "outbox"    // TIME sep EFFECT KEY                             → effectRecord; pending only
	spUnused    = "unused"    // RUN sep EFFECT KEY sep TIME                     → unusedRecord
	spTimers    = "timers"    // TIME sep RUN sep TIMER                          → "t"
	spLocks     = "locks"     // lock                                            → run.Lock
	spInbox     = "inbox"     // SEQ(20)                                         → inboxRecord
	spBodies    = "bodies"    // SEQ(20) of a delivery                           → its body, byte for byte, if it is short
	spQueue     = "queue"     // SEQ(20) of deliveries that are not decoded      → ""
	spSeen      = "seen"      // SOURCE sep digest of a transport id             → SEQ; expires with the delivery
	spSaid      = "said"      // semantic key (digest)                           → when [sep RUN that it was said to]
	spTouch     = "touch"     // SOURCE sep PLACE, or byAccount sep SOURCE sep ACCOUNT → SEQ of the newest delivery from there
	spMessages  = "messages"  // SOURCE/PLACE/MESSAGE, escaped                   → messageRecord
	spGates     = "gates"     // MANIFEST sep RUN sep PATH [sep SOURCE sep PLACE] → "" or the message's id
	spCards     = "cards"     // RUN sep SOURCE sep PLACE                        → cardRecord
	spStale     = "stale"     // RUN sep SOURCE sep PLACE, cards of ended runs that may not say so → ""
	spCalls     = "calls"     // RUN sep KIND sep PATH sep MARK sep SOURCE sep PLACE → callRecord; until it is settled
	spPeople    = "people"    // person                                          → people.Person
	spGrants    = "grants"    // grant                                           → people.Grant
	spRoles     = "roles"     // PROJECT/ROLE                                    → roleRecord: its version
	spFreezes   = "freezes"   // freeze                                          → calendar.Freeze
	spCalendars = "calendars" // calendar                                        → its version
	spJobs      = "jobs"      // KIND sep JOB                                    → job.Job
	spJobQueue  = "jobqueue"  // KIND sep TIME sep JOB, jobs that are not final  → ""
	spLeases    = "leases"    // TIME sep KIND sep JOB, ends of leases           → ""
	spBooks     = "books"     // digest of a playbook                            → bookRecord: name and source
	spClosures  = "closures"  // digest of a closure                             → names to digests
	spStarts    = "starts"    // canonical name sep TIME sep id                  → startRecord, waits for the name
	spRows      = "rows"      // RUN sep LEDGER sep KEY                          → ledger.Row
	spRowLog    = "rowlog"    // RUN sep LEDGER sep SEQ(20)                      → ledger.Change
	spRowNews   = "rownews"   // RUN sep LEDGER sep KEY, rows the run was not told of yet → ""
	spListed    = "listed"    // RUN sep LEDGER sep KEY, rows that the run knows → run.Row
	spElements  = "elements"  // RUN sep PATH sep KEY of a list that lives on a ledger → run.Element
	spReady     = "ready"     // RUN sep PATH sep MARK [sep ORDER sep TIME sep KEY], rows that builders may lease → ""
	spWork      = "work"      // KIND sep TIME sep RUN sep PATH, lists whose rows may be leased → ""
	spHeld      = "held"      // KIND sep HOLDER → the job that it holds of a row
	spSchedules = "schedules" // PROJECT sep PLAYBOOK                            → scheduleRecord
	spOffers    = "offers"    // "on" sep FACT sep PROJECT sep RUN sep PATH sep ENTRY, "at" sep TIME sep RUN sep PATH sep ENTRY → "t"
	spHeads     = "heads"     // RUN sep SEQ(20)                                 → headRecord
	spUnsigned  = "unsigned"  // RUN sep SEQ(20) of a head that waits for the log key → ""
	spRelied    = "relied"    // RUN sep SEQ(20) of a commit                     → evidence.Relied
	spShown     = "shown"     // RUN sep MANIFEST sep MESSAGE sep TIME sep DIGEST → card of a gate message from then on
	spLedgers   = "ledgers"   // RUN sep LEDGER                                  → ledgerRecord: counters, chain
	spSubs      = "subs"      // id of a subscription                            → subscription.Subscription
	spNews      = "news"      // KEY                                             → newsRecord: what is told, with its corrections
	spNewsOf    = "newsof"    // RUN ("" for none) sep TIME sep KEY              → ""
	spReceipts  = "receipts"  // KEY sep SUBSCRIBER                              → receiptRecord
	spParcels   = "parcels"   // PARCEL                                          → parcelRecord: one message to one subscriber
	spDigests   = "digests"   // TIME sep SUBSCRIPTION sep KEY, what waits for its time → ""
	spAway      = "away"      // PERSON sep TIME of the end                      → people.Absence
	spLinks     = "links"     // SOURCE sep ACCOUNT that was linked in a chat        → linkRecord
	spLinkCodes = "linkcodes" // one-time codes, and tries of them, see linkcodes.go
	spLinkLog   = "linklog"   // TIME sep SOURCE sep ACCOUNT sep PERSON sep WHAT     → linkLogRecord
	spAsked     = "asked"     // RUN sep EFFECT KEY, of which people were asked  → the epoch in which they were
)

const sep = "\x1f"

// spaces lists all of them.
func spaces() []string {
	return []string{spMeta, spRuns, spSteps, spEvents, spNames, spEndings, spPast, spAwaits, spOutbox, spUnused, spTimers, spLocks, spInbox, spBodies,
		spQueue, spSeen, spSaid, spTouch, spMessages, spGates, spCards, spStale, spCalls, spPeople, spGrants, spRoles, spFreezes, spCalendars, spJobs,
		spJobQueue, spLeases, spBooks, spClosures, spStarts, spRows, spRowLog, spRowNews, spListed, spElements, spReady, spWork, spHeld,
		spSchedules, spOffers, spLedgers, spHeads, spUnsigned, spRelied, spShown, spAsked, spAway,
		spSubs, spNews, spNewsOf, spReceipts, spParcels, spDigests, spLinks, spLinkCodes, spLinkLog}
}

// LargeSpaces lists the spaces whose values may be as long as [MaxSnapshot].
func LargeSpaces() []string { return []string{spRuns} }

// inlineValue is how long a value may be before it moves to the blob store, in bytes; it leaves
// room below [MaxValue].
const inlineValue = 15 << 10

// runRecord is the head of a run with what the engine needs beside it.
type runRecord struct {
	Seq     uint64            `json:"seq"`               // commits so far
	Chain   string            `json:"chain"`             // of the last events record
	Epoch   uint64            `json:"epoch,omitempty"`   // of the store when the run began, or the run whose child it is
	Pending map[string]string `json:"pending,omitempty"` // effect key → ID in the outbox
	Head    json.RawMessage   `json:"head"`
}

// eventRecord is what one commit said.
type eventRecord struct {
	At     time.Time         `json:"at"`
	Chain  string            `json:"chain"` // over the chain before and Events
	Events []json.RawMessage `json:"events"`
}

// nameRecord is the line of a run in lists.
type nameRecord struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Project   string            `json:"project"`
	Family    string            `json:"family"`
	Book      string            `json:"book"` // digest of the playbook
	Status    string            `json:"status"`
	Outcome   string            `json:"outcome,omitempty"`
	Requester people.PersonID   `json:"requester,omitempty"`
	Began     time.Time         `json:"began"`
	Ended     time.Time         `json:"ended,omitzero"`
	Private   bool              `json:"private,omitempty"`
	Circle    []people.PersonID `json:"circle,omitempty"`
	Parent    string            `json:"parent,omitempty"`
}

// effectRecord is one intent that has not ended.
type effectRecord struct {
	Key        string    `json:"key"`
	Run        string    `json:"run,omitempty"` // "": the engine's own, such as a reply
	Step       string    `json:"step,omitempty"`
	Project    string    `json:"project,omitempty"`
	Action     string    `json:"action"`
	Inputs     string    `json:"inputs"` // canonical JSON
	Generation int       `json:"gen,omitempty"`
	Undoes     string    `json:"undoes,omitempty"`
	ProbeOnly  bool      `json:"probe_only,omitempty"`
	After      time.Time `json:"after"`
	Boot       string    `json:"boot"`                // the process that committed the intent
	Epoch      uint64    `json:"epoch,omitempty"`     // of the store when it was intended
	Marked     string    `json:"marked,omitempty"`    // once-or-ask: the process that marked it as begun
	Attempts   int       `json:"attempts,omitempty"`  // tries that failed
	NotBefore  time.Time `json:"not_before,omitzero"` // of the next try
	Last       string    `json:"last,omitempty"`      // why the last try failed, for people
	LastTry    time.Time `json:"last_try,omitzero"`
	Turn       uint64    `json:"turn,omitempty"`    // level-triggered reads: raised by each new touch
	Parcel     string    `json:"parcel,omitempty"`  // the message to a subscriber that it is about
	Since      time.Time `json:"since,omitzero"`    // of the first try that failed
	Asked      time.Time `json:"asked,omitzero"`    // until when the other side asks to be left alone
	Doubts     int       `json:"doubts,omitempty"`  // tries that left a doubt
	MayLand    time.Time `json:"may_land,omitzero"` // of the last try of which it is not known that nothing came of it
	First      time.Time `json:"first,omitzero"`    // no earlier than this it was intended first; set when it is intended again under its key
}

// unusedRecord keeps a result that came too late to be used.
type unusedRecord struct {
	At      time.Time `json:"at"`
	Action  string    `json:"action"`
	Outcome string    `json:"outcome"`
	Output  string    `json:"output,omitempty"`
	Message string    `json:"message,omitempty"`
}

// messageRecord ties a message in a chat to the gate or card it is for.
type messageRecord struct {
	Run      string `json:"run"`
	Step     string `json:"step,omitempty"`
	Manifest string `json:"manifest,omitempty"`
	Thread   string `json:"thread,omitempty"`

	Digest string    `json:"digest,omitempty"` // of what a gate message shows
	At     time.Time `json:"at,omitzero"`      // when that was edited last
	Closed bool      `json:"closed,omitempty"` // it says how it ended, and is not edited any more
}

// cardRecord is what a place shows of a run.
type cardRecord struct {
	Message string    `json:"message,omitempty"` // "" until the first post is known to have happened
	Digest  string    `json:"digest,omitempty"`  // shown
	Seq     uint64    `json:"seq,omitempty"`     // of the run when it was rendered
	At      time.Time `json:"at"`
	Intent  bool      `json:"intent,omitempty"` // a post may have happened
	Gone    bool      `json:"gone,omitempty"`   // the place cannot be reached any more
	Away    string    `json:"away,omitempty"`   // what did not get through when it was rendered, in short
}

// roleRecord is the version of who holds a role, with the digest it was counted for.
type roleRecord struct {
	Version uint64 `json:"version"`
	Digest  string `json:"digest"`
}

// ledgerRecord is the head of a ledger, and how much of it its run was told.
type ledgerRecord struct {
	Head ledger.Head `json:"head"`
	Told uint64      `json:"told"`
}

// scheduleRecord is when a trigger comes next.
type scheduleRecord struct {
	Every string    `json:"every"` // the schedule that Due was made with
	Due   time.Time `json:"due"`
}

type bookRecord struct {
	Name   string `json:"name"`
	Source string `json:"source"`
}

// startRecord is a start that waits until its name is free.
type startRecord struct {
	Request StartRequest `json:"request"`
	ID      string       `json:"id"`
}

// same reports whether two lines say the same of a run.
func (r *nameRecord) same(o *nameRecord) bool {
	return r.ID == o.ID && r.Name == o.Name && r.Project == o.Project && r.Family == o.Family && r.Book == o.Book &&
		r.Status == o.Status && r.Outcome == o.Outcome && r.Requester == o.Requester && r.Began.Equal(o.Began) &&
		r.Ended.Equal(o.Ended) && r.Private == o.Private && slices.Equal(r.Circle, o.Circle) && r.Parent == o.Parent
}

// ending is the last part of a name, as it is compared: the version of most.
func ending(name string) string {
	key := nameKey(name)
	return key[strings.LastIndexByte(key, '/')+1:]
}

func id(parts ...string) string { return strings.Join(parts, sep) }

func splitID(key string) []string { return strings.Split(key, sep) }

func seqID(n uint64) string {
	digits := []byte("00000000000000000000")
	for i := len(digits) - 1; n > 0; i, n = i-1, n/10 {
		digits[i] += byte(n % 10)
	}
	return string(digits)
}

// stamp is t in an ID. Times before 1970 count as 1970.
func stamp(t time.Time) string {
	n := int64(0)
	if !t.IsZero() && t.Unix() > 0 {
		n = t.UnixNano()
	}
	return fmt.Sprintf("%019d", n)
}

// after is the first ID behind all those that begin with prefix.
func after(prefix string) string { return prefix + "\xff" }

func short(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// nameKey is the identity of a run's name: in parts that look like versions, zeros before a
// number do not count, as Debian sorts them equal (Debian Policy 5.6.12): 2019.1 is 2019.01.
func nameKey(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		if p != "" && p[0] >= '0' && p[0] <= '9' {
			parts[i] = plainVersion(p)
		}
	}
	return strings.Join(parts, "/")
}

func plainVersion(v string) string {
	var b strings.Builder
	for i := 0; i < len(v); {
		if v[i] < '0' || v[i] > '9' {
			b.WriteByte(v[i])
			i++
			continue
		}
		j := i
		for j < len(v) && v[j] >= '0' && v[j] <= '9' {
			j++
		}
		digits := strings.TrimLeft(v[i:j], "0")
		if digits == "" {
			digits = "0"
		}
		b.WriteString(digits)
		i = j
	}
	return b.String()
}

// encode makes the value of a record. The types of this package always encode.
func encode(v any) []byte {
	data, err := json.Marshal(v)
	return encoded(data, err)
}

func encoded(data []byte, err error) []byte {
	if err != nil {
		panic(fmt.Sprintf("a record of the engine does not encode: %v", err))
	}
	return data
}

// encode is [encode] for what every start writes.
func (r *nameRecord) encode() []byte {
	o := jsonout.Begin(make([]byte, 0, 384))
	o.String("id", r.ID)
	o.String("name", r.Name)
	o.String("project", r.Project)
	o.String("family", r.Family)
	o.String("book", r.Book)
	o.String("status", r.Status)
	o.OptString("outcome", r.Outcome)
	o.OptString("requester", string(r.Requester))
	o.Time("began", r.Began)
	o.OptTime("ended", r.Ended)
	o.OptBool("private", r.Private)
	if len(r.Circle) > 0 {
		o.Any("circle", r.Circle)
	}
	o.OptString("parent", r.Parent)
	out, err := o.End()
	return encoded(out, err)
}

// encode is [encode] for what every effect writes.
func (r *effectRecord) encode() []byte {
	o := jsonout.Begin(make([]byte, 0, 512+len(r.Inputs)))
	o.String("key", r.Key)
	o.OptString("run", r.Run)
	o.OptString("step", r.Step)
	o.OptString("project", r.Project)
	o.String("action", r.Action)
	o.String("inputs", r.Inputs)
	o.OptInt("gen", r.Generation)
	o.OptString("undoes", r.Undoes)
	o.OptBool("probe_only", r.ProbeOnly)
	o.Time("after", r.After)
	o.String("boot", r.Boot)
	o.OptUint("epoch", r.Epoch)
	o.OptString("marked", r.Marked)
	o.OptInt("attempts", r.Attempts)
	o.OptTime("not_before", r.NotBefore)
	o.OptString("last", r.Last)
	o.OptTime("last_try", r.LastTry)
	o.OptUint("turn", r.Turn)
	o.OptString("parcel", r.Parcel)
	o.OptTime("since", r.Since)
	o.OptTime("asked", r.Asked)
	o.OptInt("doubts", r.Doubts)
	o.OptTime("may_land", r.MayLand)
	o.OptTime("first", r.First)
	out, err := o.End()
	return encoded(out, err)
}

func decode(what string, data []byte, v any) error {
	if err := json.Unmarshal(data, v); err != nil {
		return errs.E("engine.read", errs.Corrupt, fmt.Errorf("the record %s does not read back: %w", what, err)).
			Hint("Stop slipway and run slipway fsck; restore from the last backup if it cannot mend it.")
	}
	return nil
}

// pack moves a long value to the blob store.
func (e *Engine) pack(ctx context.Context, value []byte) ([]byte, error) {
	if len(value) <= inlineValue {
		return value, nil
	}
	digest, err := e.keep(ctx, value)
	if err != nil {
		return nil, err
	}
	return []byte("@" + digest), nil
}

// keep puts a body into the blob store. When nobody can tell whether it is on disk, the engine ends
// as it does after an ambiguous commit.
func (e *Engine) keep(ctx context.Context, body []byte) (digest string, err error) {
	digest, err = e.cfg.Blobs.Put(ctx, body)
	if errs.Is(err, errs.Doubtful) {
		e.cfg.Log.Error("the blob store cannot tell what it holds; stopping", "error", errs.Text(err))
		e.fail(err)
	}
	return digest, err
}

func (e *Engine) unpack(ctx context.Context, value []byte) ([]byte, error) {
	if len(value) == 0 || value[0] != '@' {
		return value, nil
	}
	return e.cfg.Blobs.Get(ctx, string(value[1:]))
}

// get reads and decodes one record; found is false when it does not exist.
func (e *Engine) get(ctx context.Context, space, key string, v any) (raw []byte, found bool, err error) {
	raw, err = e.cfg.Store.Get(ctx, Key{space, key})
	if err != nil || raw == nil {
		return nil, false, err
	}
	body, err := e.unpack(ctx, raw)
	if err != nil {
		return nil, false, err
	}
	return raw, true, decode(space+"/"+key, body, v)
}

// keyOf is the effect key that actions see. Effects that are numbered within their step have keys
// of another making; those get the stored key as a part of their step's name.
func (r *effectRecord) keyOf() action.Key {
	k := action.Key{Run: r.Run, Step: r.Step, Inputs: action.DigestOf([]byte(r.Inputs)), Generation: r.Generation}
	if k.String() != r.Key {
		k.Step = r.Step + "#" + r.Key
	}
	return k
}
