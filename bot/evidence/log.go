package evidence

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"slipway/bot/errs"
	"slipway/bot/run"
)

// Commit is one commit of a run's log, as it was chained. Commits count from 1.
type Commit struct {
	At     time.Time         `json:"at"`
	Chain  string            `json:"chain"`
	Events []json.RawMessage `json:"events"`
}

// line writes a commit so that the bytes of its events are those that were chained.
func (c Commit) line() []byte {
	out := append([]byte(`{"at":"`), c.At.Format(time.RFC3339Nano)...)
	out = append(append(append(out, `","chain":"`...), c.Chain...), `","events":[`...)
	for i, ev := range c.Events {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, ev...)
	}
	return append(out, "]}\n"...)
}

// writeLog writes log.jsonl.
func writeLog(log []Commit) []byte {
	var out []byte
	for _, c := range log {
		out = append(out, c.line()...)
	}
	return out
}

// readLog reads log.jsonl, recomputes the chain and decodes every event. What is not written in
// the one way of [Commit] is refused, as is a link that does not fit.
func readLog(data []byte) ([]Commit, [][]run.Event, error) {
	var log []Commit
	var events [][]run.Event
	chain := ""
	bad := func(format string, args ...any) ([]Commit, [][]run.Event, error) {
		return nil, nil, errs.E("evidence.log", errs.Corrupt, fmt.Errorf("commit %d of the log "+format, append([]any{len(log) + 1}, args...)...)).
			Hint("the log was changed, or is damaged")
	}
	for len(data) > 0 {
		line, rest, whole := bytes.Cut(data, []byte("\n"))
		data = rest
		var c Commit
		if err := json.Unmarshal(line, &c); err != nil || !whole {
			return bad("cannot be read")
		}
		if !bytes.Equal(append(line[:len(line):len(line)], '\n'), c.line()) {
			return bad("is not written in the one way that is accepted")
		}
		link, err := Link(chain, c.At, c.Events)
		if err != nil || link != c.Chain {
			return bad("does not follow from those before it")
		}
		chain = link
		var list []run.Event
		for _, raw := range c.Events {
			ev, err := run.DecodeEvent(raw)
			if err != nil {
				return bad("holds an event that this program cannot read: %w", err)
			}
			list = append(list, ev)
		}
		log, events = append(log, c), append(events, list)
	}
	return log, events, nil
}
