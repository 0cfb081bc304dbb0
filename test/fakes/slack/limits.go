package slack

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// tier is how often a method may be called in a minute, by an app in a workspace.
// https://docs.slack.dev/apis/web-api/rate-limits
type tier int

const (
	tier1   tier = 1
	tier2   tier = 20
	tier3   tier = 50
	tier4   tier = 100
	special tier = 300
)

// limit counts a call, and says how long to wait when there were too many. chat.postMessage counts
// in each channel: one message a second, after a short burst.
func (s *Server) limit(c *call, t tier) time.Duration {
	now := s.now()
	key := c.token.Team + " " + c.name
	one := key + " " + c.in["channel"]
	for _, k := range []string{key, one} {
		if wait := s.paused[k].Sub(now); wait > 0 {
			return wait
		}
	}
	if !s.o.Limits {
		return 0
	}
	if c.name == "chat.postMessage" {
		if wait := s.spend(one, s.o.Burst, time.Duration(s.o.Burst)*time.Second, now); wait > 0 {
			return wait
		}
	}
	return s.spend(key, int(t), time.Minute, now)
}

// spend takes one of n calls in a window that slides.
func (s *Server) spend(key string, n int, window time.Duration, now time.Time) time.Duration {
	past := s.windows[key]
	for len(past) > 0 && !now.Before(past[0].Add(window)) {
		past = past[1:]
	}
	s.windows[key] = past
	if len(past) >= n {
		return past[0].Add(window).Sub(now)
	}
	s.windows[key] = append(past, now)
	return 0
}

// Throttle makes Slack refuse a method with 429 for so long, in one channel ("": in all).
func (s *Server) Throttle(method, channel string, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := s.o.Team + " " + method
	if channel != "" {
		key += " " + channel
	}
	s.paused[key] = s.now().Add(d)
}

// slowDown is Slack's answer to too many calls.
func slowDown(wait time.Duration) answer {
	seconds := max(1, int((wait+time.Second-1)/time.Second))
	a := fail("ratelimited")
	a.status, a.header = http.StatusTooManyRequests, http.Header{"Retry-After": {strconv.Itoa(seconds)}}
	return a
}

// String says a tier as the documentation does.
func (t tier) String() string {
	switch t {
	case tier1, tier2, tier3, tier4:
		return fmt.Sprintf("%d+ per minute", int(t))
	}
	return "special"
}
