package run

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"slipway/bot/errs"
	"slipway/bot/people"
)

// envelope is an event as it is stored. V is the version of the body's shape: when a shape
// changes, its version rises and [upcasters] learns to read the old one. Stored events are never
// rewritten.
type envelope struct {
	Kind string          `json:"t"`
	V    int             `json:"v"`
	At   time.Time       `json:"at"`
	By   people.PersonID `json:"by,omitempty"`
	Body json.RawMessage `json:"b"`
}

// EncodeEvent writes an event as JSON. It fails only for an event without a body.
func EncodeEvent(e Event) ([]byte, error) {
	if e.Body == nil {
		return nil, errs.E("run.encode", errs.Internal, fmt.Errorf("an event has no body"))
	}
	kind := e.Body.kind()
	body, err := encodeBody(e.Body)
	if err == nil {
		// By hand, because the body is JSON already: the same bytes as those of an envelope.
		out := make([]byte, 0, len(body)+128)
		out = append(append(append(out, `{"t":"`...), kind...), `","v":`...)
		out = append(strconv.AppendInt(out, int64(version(kind)), 10), `,"at":"`...)
		out = append(e.At.AppendFormat(out, time.RFC3339Nano), '"')
		if e.By != "" {
			var by []byte
			if by, err = json.Marshal(e.By); err == nil {
				out = append(append(out, `,"by":`...), by...)
			}
		}
		if err == nil {
			return append(append(append(out, `,"b":`...), body...), '}'), nil
		}
	}
	return nil, errs.E("run.encode", errs.Internal, fmt.Errorf("writing an event %s: %w", kind, err))
}

// DecodeEvent reads what EncodeEvent wrote, also in older shapes. An unknown kind, or a shape
// newer than this program knows, is an error of kind Corrupt that names it.
func DecodeEvent(data []byte) (Event, error) {
	var env envelope
	if err := json.Unmarshal(data, &env); err != nil {
		return Event{}, errs.E("run.decode", errs.Corrupt, fmt.Errorf("an event cannot be read: %w", err))
	}
	decode := decoder(env.Kind)
	if decode == nil {
		return Event{}, errs.E("run.decode", errs.Corrupt, fmt.Errorf("there is no event of the kind %q", env.Kind)).
			Hint("the log was written by a newer program, or is damaged; start the newest version, or run fsck")
	}
	newest := version(env.Kind)
	if env.V < 1 || env.V > newest {
		return Event{}, errs.E("run.decode", errs.Corrupt, fmt.Errorf("version %d of the event %q is not known", env.V, env.Kind)).
			Hint("this program reads versions up to %d; start the newest one", newest)
	}
	raw := env.Body
	for v := env.V; v < newest; v++ {
		var err error
		if raw, err = upcasters()[env.Kind][v-1](raw); err != nil {
			return Event{}, errs.E("run.decode", errs.Corrupt, fmt.Errorf("an old event %q cannot be read: %w", env.Kind, err))
		}
	}
	body, err := decode(raw)
	if err != nil {
		return Event{}, errs.E("run.decode", errs.Corrupt, fmt.Errorf("the event %q cannot be read: %w", env.Kind, err))
	}
	return Event{At: env.At, By: env.By, Body: body}, nil
}

// upcaster turns the body of one version into that of the next.
type upcaster func(json.RawMessage) (json.RawMessage, error)

// upcasters lists, by kind, how version 1 becomes version 2, 2 becomes 3, and so on.
func upcasters() map[string][]upcaster { return map[string][]upcaster{} }

// version is the newest version of a kind.
func version(kind string) int { return len(upcasters()[kind]) + 1 }

// decoder is how a body of that kind is read, or nil.
func decoder(kind string) func(json.RawMessage) (Body, error) {
	switch kind {
	case "run.started":
		return body[Started]
	case "step.started":
		return body[StepStarted]
	case "step.done":
		return body[StepDone]
	case "step.failed":
		return body[StepFailed]
	case "step.skipped":
		return body[StepSkipped]
	case "step.stuck":
		return body[StepStuck]
	case "step.waits":
		return body[StepWaits]
	case "step.stale":
		return body[StepStale]
	case "step.withdrawn":
		return body[StepWithdrawn]
	case "effect.intended":
		return body[EffectIntended]
	case "effect.ended":
		return body[EffectEnded]
	case "effect.voided":
		return body[EffectVoided]
	case "effect.undone":
		return body[Undone]
	case "effect.again":
		return body[Again]
	case "gate.opened":
		return body[GateOpened]
	case "gate.voided":
		return body[GateVoided]
	case "gate.voted":
		return body[Voted]
	case "gate.withdrawn":
		return body[Withdrawn]
	case "gate.closing":
		return body[GateClosing]
	case "gate.closed":
		return body[GateClosed]
	case "gate.reopened":
		return body[GateReopened]
	case "ask.answered":
		return body[Answered]
	case "role.appointed":
		return body[Appointed]
	case "run.handed_over":
		return body[HandedOver]
	case "run.renamed":
		return body[Renamed]
	case "run.inputs_changed":
		return body[InputsChanged]
	case "run.held":
		return body[Held]
	case "run.resumed":
		return body[Resumed]
	case "run.aborting":
		return body[Aborting]
	case "undo.planned":
		return body[UndoPlanned]
	case "undo.confirmed":
		return body[UndoConfirmed]
	case "timer.set":
		return body[TimerSet]
	case "timer.cleared":
		return body[TimerCleared]
	case "lock.taken":
		return body[LockTaken]
	case "lock.queued":
		return body[LockQueued]
	case "lock.released":
		return body[LockReleased]
	case "each.listed":
		return body[Listed]
	case "each.relisted":
		return body[Relisted]
	case "child.wanted":
		return body[ChildWanted]
	case "child.ended":
		return body[ChildEnded]
	case "offer.closed":
		return body[OfferClosed]
	case "ledger.counted":
		return body[Counted]
	case "guard.seen":
		return body[GuardSeen]
	case "guard.broken":
		return body[GuardBroken]
	case "run.migrated":
		return body[Migrated]
	case "adopt.begun":
		return body[Adopting]
	case "adopt.ended":
		return body[AdoptEnded]
	case "run.opened":
		return body[Opened]
	case "run.finished":
		return body[Finished]
	}
	return nil
}

// body reads a body of type T. Free values have their numbers as whole numbers, as everywhere in
// the heart.
func body[T Body](raw json.RawMessage) (Body, error) {
	var b T
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&b); err != nil {
		return nil, err
	}
	return plainBody(b), nil
}

// plainBody turns the numbers in a body's free values into int64.
func plainBody(b Body) Body {
	switch b := b.(type) {
	case Started:
		plain(b.Start.Inputs)
		plain(b.Start.Profile)
	case StepStarted:
		plain(b.Inputs)
		plain(b.Saw)
	case StepDone:
		plain(b.Output)
	case Answered:
		plain(b.Values)
	case Renamed:
		plain(b.Inputs)
	case InputsChanged:
		plain(b.Inputs)
	case Listed:
		plain(b.Items)
	case Relisted:
		plain(b.Set)
	case Counted:
		for _, r := range b.Aggregate.Rows {
			plain(r.Values)
		}
	case GuardSeen:
		b.Value = plain(b.Value)
		return b
	case GuardBroken:
		b.Was, b.Is = plain(b.Was), plain(b.Is)
		return b
	case Migrated:
		plain(b.Profile)
	case Finished:
		plain(b.Output)
	}
	return b
}

// EncodeHead and EncodeStep write the records of a snapshot; DecodeHead and DecodeStep read them.
// A snapshot may always be made again from the events, so it has no versions.
//
// The rows of ledgers are not in the head: a store keeps each by itself ([EncodeRow], [DecodeRow]),
// by key, so that one that changed is written alone, and gives them back to [Aggregate.Rows].
func EncodeHead(h Head) ([]byte, error) {
	for _, a := range h.Ledgers {
		if len(a.Rows) > 0 {
			bare := make(map[string]*Aggregate, len(h.Ledgers))
			for name, a := range h.Ledgers {
				next := *a
				next.Rows = nil
				bare[name] = &next
			}
			h.Ledgers = bare
			break
		}
	}
	return encodeHead(&h)
}

// EncodeRow and DecodeRow are the record of one row that a living list has.
func EncodeRow(r Row) ([]byte, error) { return json.Marshal(r) }

func DecodeRow(data []byte) (Row, error) {
	var r Row
	err := decodeRecord(data, &r)
	plain(r.Values)
	return r, err
}

// EncodeStep leaves the elements of a list that lives on a ledger to [EncodeElement].
func EncodeStep(st *Step) ([]byte, error) { return encodeStep(st.bare()) }

func DecodeHead(data []byte) (Head, error) {
	var h Head
	if err := decodeRecord(data, &h); err != nil {
		return Head{}, err
	}
	plain(h.Inputs)
	plain(h.Profile)
	plain(h.Output)
	plain(h.Guards)
	for _, a := range h.Ledgers {
		for _, r := range a.Rows {
			plain(r.Values)
		}
	}
	return h, nil
}

func DecodeStep(data []byte) (*Step, error) {
	st := &Step{}
	if err := decodeRecord(data, st); err != nil {
		return nil, err
	}
	plain(st.Inputs)
	plain(st.Output)
	plain(st.Saw)
	plain(st.Items)
	for _, values := range st.Answers {
		plain(values)
	}
	if st.Prior != nil {
		plain(st.Prior.Inputs)
		plain(st.Prior.Output)
		plain(st.Prior.Saw)
	}
	return st, nil
}

func decodeRecord(data []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(into); err != nil {
		return errs.E("run.decode", errs.Corrupt, fmt.Errorf("a snapshot cannot be read: %w", err)).
			Hint("it can be made again from the events: run fsck")
	}
	return nil
}

// Chain is the head of a log after record: the SHA-256 of the head before it and the record. The
// zero head is that of an empty log.
func Chain(prev [32]byte, record []byte) [32]byte {
	h := sha256.New()
	h.Write(prev[:])
	h.Write(record)
	var out [32]byte
	h.Sum(out[:0])
	return out
}

// Touched lists the paths of the steps that events changed, sorted: the step records that a
// store has to write.
func Touched(events []Event) []string {
	var out []string
	for _, e := range events {
		if path := stepOf(e.Body); path != "" && !slices.Contains(out, path) {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

func stepOf(b Body) string {
	switch b := b.(type) {
	case StepStarted:
		return b.Step
	case StepDone:
		return b.Step
	case StepFailed:
		return b.Step
	case StepSkipped:
		return b.Step
	case StepStuck:
		return b.Step
	case StepWaits:
		return b.Step
	case StepStale:
		return b.Step
	case StepWithdrawn:
		return b.Step
	case EffectIntended:
		return b.Step
	case EffectEnded:
		return b.Step
	case EffectVoided:
		return b.Step
	case Undone:
		return b.Step
	case Again:
		return b.Step
	case GateOpened:
		return b.Step
	case GateVoided:
		return b.Step
	case Voted:
		return b.Step
	case Withdrawn:
		return b.Step
	case GateClosing:
		return b.Step
	case GateClosed:
		return b.Step
	case GateReopened:
		return b.Step
	case Answered:
		return b.Step
	case Listed:
		return b.Step
	case Relisted:
		return b.Step
	case OfferClosed:
		return b.Step
	}
	return ""
}
