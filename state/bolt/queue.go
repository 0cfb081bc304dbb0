package bolt

import (
	"sync"
	"sync/atomic"

	"slipway/bot/engine"
)

// A request is one batch on its way through the committer.
type request struct {
	batch *engine.Batch
	size  int   // bytes, as [state.Limits.Check] counts them
	err   error // the outcome; read it after done
	owner atomic.Int32
	done  chan struct{} // one message: the outcome is known
}

// Who decides about a request: the caller may take it back until the committer took it.
const (
	queued int32 = iota
	taken
	withdrawn
)

// take hands the request to the committer, unless its caller withdrew it.
func (r *request) take() bool { return r.owner.CompareAndSwap(queued, taken) }

// withdraw takes the request back, unless the committer has it already.
func (r *request) withdraw() bool { return r.owner.CompareAndSwap(queued, withdrawn) }

// A queue gathers requests in order of arrival. Its length is bounded by the callers, because
// each of them waits for its request. A slice under a lock costs the committer one lock for a
// whole group, where a channel costs one for each request.
type queue struct {
	maxBatches, maxBytes int

	mu      sync.Mutex
	arrived sync.Cond
	waiting []*request
	closed  bool
}

func (q *queue) init(maxBatches, maxBytes int) {
	q.maxBatches, q.maxBytes = maxBatches, maxBytes
	if q.maxBatches <= 0 {
		q.maxBatches = 1024
	}
	if q.maxBytes <= 0 {
		q.maxBytes = 8 << 20
	}
	q.arrived.L = &q.mu
}

// put reports false when the queue is closed.
func (q *queue) put(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.waiting = append(q.waiting, r)
	if len(q.waiting) == 1 {
		q.arrived.Signal()
	}
	return true
}

// next appends the oldest requests to group, at least one and as many as the bounds allow. It
// waits for the first. It appends none when the queue is closed and empty.
func (q *queue) next(group []*request) []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) == 0 && !q.closed {
		q.arrived.Wait()
	}
	n, bytes := 0, 0
	for n < len(q.waiting) && n < q.maxBatches {
		bytes += q.waiting[n].size
		if n > 0 && bytes > q.maxBytes {
			break
		}
		n++
	}
	group = append(group, q.waiting[:n]...)
	rest := copy(q.waiting, q.waiting[n:])
	clear(q.waiting[rest:])
	q.waiting = q.waiting[:rest]
	return group
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.arrived.Broadcast()
}
