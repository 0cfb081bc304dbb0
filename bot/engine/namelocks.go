package engine

import "sync"

// nameLocks are locks by name. One is held while a chat is spoken to, which may take seconds: unlike the
// [stripes], no two names share a lock, so that what one card waits for keeps no other card waiting.
type nameLocks struct {
	mu   sync.Mutex
	free *sync.Cond // some lock was given back
	held map[string]bool
}

// hold locks a name and returns how to unlock it.
func (n *nameLocks) hold(name string) (unlock func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.held == nil {
		n.held, n.free = map[string]bool{}, sync.NewCond(&n.mu)
	}
	for n.held[name] {
		n.free.Wait()
	}
	n.held[name] = true
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.held, name)
		n.free.Broadcast()
	}
}
