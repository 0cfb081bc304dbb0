package view

import (
	"cmp"
	"container/list"
	"context"
	"slices"
	"sync"
	"time"

	"slipway/bot/engine"
	"slipway/bot/gate"
	"slipway/bot/manifest"
	"slipway/bot/run"
)

// Bounds of what is remembered of logs.
const (
	logMost   = 64     // runs
	readMost  = 20_000 // commits of one log that are read for one request
	readPiece = 500    // commits at a time
)

// Attempt is one try of a step.
type Attempt struct {
	Number  int       `json:"number" doc:"counts from 1"`
	Began   time.Time `json:"began"`
	Ended   time.Time `json:"ended,omitzero"`
	Took    int64     `json:"took,omitempty" doc:"seconds"`
	Outcome string    `json:"outcome,omitempty" doc:"done, adopted, reused, failed, skipped, stuck, stale or withdrawn; empty while it goes on"`
	Class   string    `json:"class,omitempty" doc:"of a failure, as on_fail names it"`
	Message string    `json:"message,omitempty"`
	Seq     uint64    `json:"seq" doc:"number of the commit that began it"`
}

// opened is one manifest that a gate put to the people.
type opened struct {
	at       time.Time
	digest   manifest.Digest
	manifest manifest.Manifest
}

// log is what is remembered of the log of a run: it grows as the log does.
type log struct {
	mu       sync.Mutex
	id       string
	seq      uint64 // commits that were read
	attempts map[string][]Attempt
	commits  map[string][]uint64 // by step: the commits that touched it
	gates    map[string][]opened
	yes      map[string]map[personID]map[manifest.Digest]time.Time // approvals, by gate
}

// logs are the logs that were read last.
type logs struct {
	mu    sync.Mutex
	byRun map[string]*list.Element
	order *list.List // of *log, the newest first
}

func (l *logs) init() { l.byRun, l.order = map[string]*list.Element{}, list.New() }

func (l *logs) get(id string) *log {
	l.mu.Lock()
	defer l.mu.Unlock()
	if el := l.byRun[id]; el != nil {
		l.order.MoveToFront(el)
		return el.Value.(*log)
	}
	one := &log{id: id, attempts: map[string][]Attempt{}, commits: map[string][]uint64{}, gates: map[string][]opened{},
		yes: map[string]map[personID]map[manifest.Digest]time.Time{}}
	l.byRun[id] = l.order.PushFront(one)
	if l.order.Len() > logMost {
		last := l.order.Back()
		delete(l.byRun, last.Value.(*log).id)
		l.order.Remove(last)
	}
	return one
}

// log is what is remembered of a run's log, up to the commit seq.
func (r *Reader) log(ctx context.Context, runID string, seq uint64) (*log, error) {
	l := r.logs.get(runID)
	l.mu.Lock()
	defer l.mu.Unlock()
	for read := 0; l.seq < seq && read < readMost; {
		commits, err := r.e.History(ctx, runID, l.seq+1, readPiece)
		if err != nil {
			return nil, err
		}
		if len(commits) == 0 {
			break
		}
		for _, c := range commits {
			l.add(c)
		}
		read += len(commits)
	}
	return l, nil
}

func (l *log) add(c engine.Commit) {
	l.seq = c.Seq
	for _, ev := range c.Events {
		for _, path := range run.Touched([]run.Event{ev}) {
			if list := l.commits[path]; len(list) == 0 || list[len(list)-1] != c.Seq {
				l.commits[path] = append(list, c.Seq)
			}
		}
		l.event(ev, c.Seq)
	}
}

func (l *log) event(ev run.Event, seq uint64) {
	end := func(path, outcome, class, message string) {
		list := l.attempts[path]
		if len(list) == 0 || outcome == "stale" && !list[len(list)-1].Ended.IsZero() {
			return
		}
		a := &list[len(list)-1]
		a.Ended, a.Outcome, a.Class, a.Message = ev.At, outcome, class, message
		a.Took = seconds(a.Ended.Sub(a.Began))
	}
	switch b := ev.Body.(type) {
	case run.StepStarted:
		list := l.attempts[b.Step]
		if n := len(list); n > 0 && list[n-1].Number == b.Attempt && list[n-1].Ended.IsZero() {
			return // the same attempt, asked anew
		}
		l.attempts[b.Step] = append(list, Attempt{Number: b.Attempt, Began: ev.At, Seq: seq})
	case run.StepDone:
		outcome := "done"
		switch {
		case b.Adopted:
			outcome = "adopted"
		case b.Reused:
			outcome = "reused"
		}
		end(b.Step, outcome, "", "")
	case run.StepFailed:
		end(b.Step, "failed", b.Class, b.Message)
	case run.StepSkipped:
		end(b.Step, "skipped", "", b.Why)
	case run.StepStuck:
		end(b.Step, "stuck", "", b.Why)
	case run.StepStale:
		end(b.Step, "stale", "", b.Because)
	case run.StepWithdrawn:
		end(b.Step, "withdrawn", "", b.Why)
	case run.GateOpened:
		l.gates[b.Step] = append(l.gates[b.Step], opened{ev.At, b.Digest, b.Manifest})
	case run.Voted:
		for _, v := range b.Votes {
			if v.Kind == gate.Approve && v.Person != "" {
				l.approved(b.Step, v)
			}
		}
	}
}

func (l *log) approved(step string, v gate.Vote) {
	if l.yes[step] == nil {
		l.yes[step] = map[personID]map[manifest.Digest]time.Time{}
	}
	if l.yes[step][v.Person] == nil {
		l.yes[step][v.Person] = map[manifest.Digest]time.Time{}
	}
	l.yes[step][v.Person][v.Manifest] = v.At
}

// span is the last attempt of a step.
func (l *log) span(path string) (Attempt, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.attempts[path]
	if len(list) == 0 {
		return Attempt{}, false
	}
	return list[len(list)-1], true
}

// all are the attempts of a step, the newest first.
func (l *log) all(path string) []Attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := slices.Clone(l.attempts[path])
	slices.Reverse(out)
	return out
}

// touching are the commits that touched a step.
func (l *log) touching(path string) []uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.commits[path])
}

// before is the last manifest of a gate that a person approved, other than the present one.
func (l *log) before(step string, p personID, now manifest.Digest) (manifest.Manifest, time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	said := l.yes[step][p]
	list := slices.Clone(l.gates[step])
	slices.SortStableFunc(list, func(a, b opened) int { return cmp.Compare(a.manifest.Number, b.manifest.Number) })
	for _, o := range slices.Backward(list) {
		if at, yes := said[o.digest]; yes && o.digest != now {
			return o.manifest, at, true
		}
	}
	return manifest.Manifest{}, time.Time{}, false
}
