package web

// Streams is how many pages are open and follow what happens.
func (s *Site) Streams() int {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	return s.hub.open
}
