package statetest

import (
	"bytes"
	"context"
	"fmt"
	"sort"
	"sync"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/state"
)

// Memory is an [engine.Store] in memory, for tests. It keeps every rule of the contract but the
// disk: what it holds ends with the process. All methods may be called at the same time.
type Memory struct {
	// Before runs for each batch whose guards hold, before it is written; its error is returned
	// in place of writing, so that a test can fill the disk or crash. After runs when the batch is
	// written; its error is returned all the same, as when an answer is lost. Set both before
	// the store is shared. They must not call the store.
	Before, After func(*engine.Batch) error

	limits state.Limits
	mu     sync.RWMutex
	spaces map[string]*space
}

// space keeps its ids sorted, so that scans are cheap.
type space struct {
	ids    []string
	values map[string][]byte
}

var _ engine.Store = (*Memory)(nil)

// NewMemory makes an empty store. The spaces named in large may hold snapshots.
func NewMemory(large ...string) *Memory {
	return &Memory{limits: state.Large(large...), spaces: map[string]*space{}}
}

// Commit writes b. See [engine.Store].
func (m *Memory) Commit(ctx context.Context, b *engine.Batch) error {
	const op = "store.commit"
	if _, err := m.limits.Check(op, b); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return gaveUp(op, ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, g := range b.Guards {
		have, exists := m.get(g.Key)
		if exists != (g.Want != nil) || !bytes.Equal(have, g.Want) {
			return state.Conflict(op, g.Key, exists, g.Want != nil)
		}
	}
	if m.Before != nil {
		if err := m.Before(b); err != nil {
			return err
		}
	}
	for _, p := range b.Puts {
		s := m.spaces[p.Key.Space]
		if s == nil {
			s = &space{values: map[string][]byte{}}
			m.spaces[p.Key.Space] = s
		}
		if _, exists := s.values[p.Key.ID]; !exists {
			i := sort.SearchStrings(s.ids, p.Key.ID)
			s.ids = append(s.ids, "")
			copy(s.ids[i+1:], s.ids[i:])
			s.ids[i] = p.Key.ID
		}
		s.values[p.Key.ID] = append([]byte{}, p.Value...)
	}
	for _, k := range b.Deletes {
		s := m.spaces[k.Space]
		if _, exists := m.get(k); exists {
			i := sort.SearchStrings(s.ids, k.ID)
			s.ids = append(s.ids[:i], s.ids[i+1:]...)
			delete(s.values, k.ID)
		}
	}
	if m.After != nil {
		return m.After(b)
	}
	return nil
}

func (m *Memory) get(k engine.Key) (value []byte, exists bool) {
	if s := m.spaces[k.Space]; s != nil {
		value, exists = s.values[k.ID]
	}
	return value, exists
}

// Get reads one record. See [engine.Store].
func (m *Memory) Get(ctx context.Context, k engine.Key) ([]byte, error) {
	const op = "store.get"
	if err := state.CheckKey(op, k); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, gaveUp(op, ctx)
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	value, exists := m.get(k)
	if !exists {
		return nil, nil
	}
	return append([]byte{}, value...), nil
}

// Scan visits a range as it is when Scan begins. See [engine.Store].
func (m *Memory) Scan(ctx context.Context, name, from, to string, reverse bool, visit func(id string, value []byte) bool) error {
	const op = "store.scan"
	if err := state.CheckKey(op, engine.Key{Space: name, ID: "any"}); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return gaveUp(op, ctx)
	}
	ids, values := m.slice(name, from, to)
	for n := range ids {
		i := n
		if reverse {
			i = len(ids) - 1 - n
		}
		if !visit(ids[i], values[i]) {
			return nil
		}
	}
	return nil
}

func (m *Memory) slice(name, from, to string) (ids []string, values [][]byte) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	s := m.spaces[name]
	if s == nil {
		return nil, nil
	}
	for i := sort.SearchStrings(s.ids, from); i < len(s.ids) && (to == "" || s.ids[i] < to); i++ {
		ids = append(ids, s.ids[i])
		values = append(values, append([]byte{}, s.values[s.ids[i]]...))
	}
	return ids, values
}

// Records is a copy of everything, for assertions.
func (m *Memory) Records() map[engine.Key]string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	all := map[engine.Key]string{}
	for name, s := range m.spaces {
		for id, value := range s.values {
			all[engine.Key{Space: name, ID: id}] = string(value)
		}
	}
	return all
}

func gaveUp(op string, ctx context.Context) error {
	return errs.E(op, errs.Unavailable, fmt.Errorf("given up before anything was done: %w", context.Cause(ctx)))
}
