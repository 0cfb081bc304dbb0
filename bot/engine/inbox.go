package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"slipway/bot/errs"
	"slipway/bot/jsonout"
	"slipway/bot/people"
)

// inboxRecord is one delivery as it came. Its body is beside it, in spBodies or, when it is long, in
// the blob store: the record is written again when the delivery is decoded, and the body never.
type inboxRecord struct {
	Source   string            `json:"source"`
	ID       string            `json:"id"`
	Account  people.Account    `json:"account,omitzero"`
	Place    string            `json:"place,omitempty"`
	Headers  map[string]string `json:"headers,omitempty"`
	Body     []byte            `json:"body,omitempty"` // of a delivery that came before format 4
	Size     int               `json:"size,omitempty"` // of the body beside it, in bytes
	Blob     string            `json:"blob,omitempty"` // of a longer body
	At       time.Time         `json:"at"`
	Decoded  time.Time         `json:"decoded,omitzero"`
	Facts    []string          `json:"facts,omitempty"` // what it was found to say, in short
	Error    string            `json:"error,omitempty"` // why it could not be decoded
	Replayed int               `json:"replayed,omitempty"`
	Missed   bool              `json:"missed,omitempty"` // it came while the engine was away

	seq string // its key
}

// encode is [encode] for what every delivery writes, twice.
func (r *inboxRecord) encode() []byte {
	o := jsonout.Begin(make([]byte, 0, 384+len(r.Body)*4/3))
	o.String("source", r.Source)
	o.String("id", r.ID)
	if r.Account != (people.Account{}) {
		o.Any("account", r.Account)
	}
	o.OptString("place", r.Place)
	if len(r.Headers) > 0 {
		o.Nested("headers", func(out []byte) ([]byte, error) {
			o := jsonout.Begin(out)
			for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
				o.String(name, r.Headers[name])
			}
			return o.End()
		})
	}
	o.OptBytes("body", r.Body)
	o.OptInt("size", r.Size)
	o.OptString("blob", r.Blob)
	o.Time("at", r.At)
	o.OptTime("decoded", r.Decoded)
	if len(r.Facts) > 0 {
		o.List("facts", len(r.Facts), func(out []byte, i int) ([]byte, error) {
			return jsonout.AppendString(out, r.Facts[i]), nil
		})
	}
	o.OptString("error", r.Error)
	o.OptInt("replayed", r.Replayed)
	o.OptBool("missed", r.Missed)
	out, err := o.End()
	return encoded(out, err)
}

func (r *inboxRecord) delivery(body []byte) Delivery {
	return Delivery{Source: r.Source, ID: r.ID, Account: r.Account, Place: r.Place, Headers: r.Headers, Body: body, At: r.At}
}

// inbox numbers the deliveries, and remembers the newest until they are decoded, so that they need
// not be read back for that.
type inbox struct {
	mu     sync.Mutex
	last   uint64
	fresh  map[string]fresh // by key
	weight int              // of their bodies

	rest    time.Time // until then the loop that decodes rests; its own
	resting bool      // it does, and looks again by itself
}

// fresh is a delivery that was not decoded yet.
type fresh struct {
	record inboxRecord
	body   []byte
}

// rests notes whether the loop that decodes looks again by itself, so that nobody has to wake it.
func (i *inbox) rests(now bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.resting = now
}

func (i *inbox) awake() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return !i.resting
}

func (i *inbox) newest() uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.last
}

func (i *inbox) take() uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.last++
	return i.last
}

// freshBytes bounds what the inbox remembers.
const freshBytes = 8 << 20

// remember keeps a delivery that is about to be stored, if there is room.
func (i *inbox) remember(seq string, r inboxRecord, body []byte) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.weight+len(body) > freshBytes || len(i.fresh) >= freshBytes/1024 {
		return
	}
	if i.fresh == nil {
		i.fresh = map[string]fresh{}
	}
	r.seq = seq
	i.fresh[seq], i.weight = fresh{r, body}, i.weight+len(body)
}

// recall gives a delivery that was remembered, once.
func (i *inbox) recall(seq string) (fresh, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f, ok := i.fresh[seq]
	if ok {
		delete(i.fresh, seq)
		i.weight -= len(f.body)
	}
	return f, ok
}

// fsckInbox compares the deliveries with the bodies that are kept beside them, both ways.
func (e *Engine) fsckInbox(ctx context.Context, problem func(string)) error {
	sizes := map[string]int{}
	err := e.cfg.Store.Scan(ctx, spInbox, "", "", false, func(seq string, value []byte) bool {
		body, err := e.unpack(ctx, value)
		var r inboxRecord
		if err == nil {
			err = decode("inbox/"+seq, body, &r)
		}
		if err != nil {
			problem(fmt.Sprintf("the delivery %s does not read back: %s", plainSeq(seq), errs.Text(err)))
			r.Size = -1 // its body is not judged
		}
		if r.Size != 0 {
			sizes[seq] = r.Size
		}
		return true
	})
	if err != nil {
		return err
	}
	err = e.cfg.Store.Scan(ctx, spBodies, "", "", false, func(seq string, value []byte) bool {
		if size, ok := sizes[seq]; !ok {
			problem(fmt.Sprintf("the body %s belongs to no delivery", plainSeq(seq)))
		} else if size >= 0 && size != len(value) {
			problem(fmt.Sprintf("the body of delivery %s has %d bytes, and %d came", plainSeq(seq), len(value), size))
		}
		delete(sizes, seq)
		return true
	})
	for _, seq := range slices.Sorted(maps.Keys(sizes)) {
		if sizes[seq] > 0 {
			problem(fmt.Sprintf("the body of delivery %s is not there", plainSeq(seq)))
		}
	}
	return err
}
