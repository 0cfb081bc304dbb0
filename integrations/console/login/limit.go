package login

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits bound what one visitor can cost. The zero value of each means the default.
type Limits struct {
	AddressPerSecond float64 // requests of one address; default 50, in bursts of 4 seconds' worth
	ViewerPerSecond  float64 // requests of one session or token; default 30
	WritesPerSecond  float64 // of these, that change something; default 5
	LoginsPerMinute  float64 // attempts to come in, of one address; default 20
	Remembered       int     // addresses and viewers whose rates are known at a time; default 20,000
	StreamsPerViewer int     // event streams open at a time of one session or token; default 50
	Streams          int     // of all; default 1000
	StreamLife       time.Duration
	Body             int64 // bytes of a request's body; default 256 KiB
}

func (l Limits) filled() Limits {
	set := func(v *float64, d float64) {
		if *v == 0 {
			*v = d
		}
	}
	set(&l.AddressPerSecond, 50)
	set(&l.ViewerPerSecond, 30)
	set(&l.WritesPerSecond, 5)
	set(&l.LoginsPerMinute, 20)
	for _, n := range []struct {
		v *int
		d int
	}{{&l.Remembered, 20_000}, {&l.StreamsPerViewer, 50}, {&l.Streams, 1000}} {
		if *n.v == 0 {
			*n.v = n.d
		}
	}
	if l.StreamLife == 0 {
		l.StreamLife = 30 * time.Minute
	}
	if l.Body == 0 {
		l.Body = 256 << 10
	}
	return l
}

// rates are token buckets by name. Two generations bound them: when the young one is full it
// becomes the old one, and who was in neither begins anew.
type rates struct {
	mu         sync.Mutex
	max        int
	young, old map[string]*rate.Limiter
}

// allow takes one from the bucket of key at now.
func (r *rates) allow(key string, perSecond float64, burst int, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.young[key]
	if l == nil {
		if l = r.old[key]; l == nil {
			l = rate.NewLimiter(rate.Limit(perSecond), max(1, burst))
		}
		if r.young == nil || len(r.young) >= max(1, r.max/2) {
			r.old, r.young = r.young, map[string]*rate.Limiter{}
		}
		r.young[key] = l
	}
	return l.AllowN(now, 1)
}

// streams are the event streams that are open, by whose they are.
type streams struct {
	mu     sync.Mutex
	limits Limits
	open   map[string]map[*context.CancelFunc]bool
	total  int
}

// add opens a stream of a viewer's way in: ctx ends with it, after the longest life of a stream,
// or when done is called. ok is false when there are too many.
func (s *streams) add(parent context.Context, way string) (ctx context.Context, done func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.total >= s.limits.Streams || len(s.open[way]) >= s.limits.StreamsPerViewer {
		return nil, nil, false
	}
	ctx, cancel := context.WithTimeout(parent, s.limits.StreamLife)
	if s.open == nil {
		s.open = map[string]map[*context.CancelFunc]bool{}
	}
	if s.open[way] == nil {
		s.open[way] = map[*context.CancelFunc]bool{}
	}
	s.open[way][&cancel] = true
	s.total++
	return ctx, sync.OnceFunc(func() {
		cancel()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.total--
		if delete(s.open[way], &cancel); len(s.open[way]) == 0 {
			delete(s.open, way)
		}
	}), true
}

// cut ends the streams of a way in.
func (s *streams) cut(way string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for cancel := range s.open[way] {
		(*cancel)()
	}
}

func (s *streams) cutAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, of := range s.open {
		for cancel := range of {
			(*cancel)()
		}
	}
}
