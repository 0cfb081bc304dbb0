package gitlab

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// hooks is what is known of webhooks.
type hooks struct {
	all     []*Hook
	queue   []Delivery
	sent    []Sent
	last    int // id of the last delivery
	tap     func(Delivery)
	wake    chan struct{}
	timeout time.Duration
	caught  *map[string]any // where the next payload goes instead of to the hooks; nil: nowhere
	tests   []time.Time     // calls of the test endpoint in the last minute
}

// Hook is a webhook of a project.
type Hook struct {
	ID, Project       int
	URL               string
	Name, Description string
	Token             string // X-Gitlab-Token; never shown
	SigningToken      string // whsec_…; never shown
	Events            map[string]bool
	Branches          string // wildcard for the branches of pushes; "": all
	Verify            bool   // TLS; only shown
	Failures          int    // in a row
	Until             time.Time
	Made              time.Time
}

// Which hooks hear of what: the kind of a payload, the name of the trigger, the setting of the hook.
const triggers = `push push_hooks push_events
tag_push tag_push_hooks tag_push_events
issue issue_hooks issues_events
confidential_issue confidential_issue_hooks confidential_issues_events
note note_hooks note_events
confidential_note confidential_note_hooks confidential_note_events
merge_request merge_request_hooks merge_requests_events
build job_hooks job_events
pipeline pipeline_hooks pipeline_events
release release_hooks releases_events
milestone milestone_hooks milestone_events
emoji emoji_hooks emoji_events`

// trigger finds a line of triggers by one of its three words.
func trigger(word string) (kind, name, setting string) {
	for line := range strings.Lines(triggers) {
		if f := strings.Fields(line); slices.Contains(f, word) {
			return f[0], f[1], f[2]
		}
	}
	return "", "", ""
}

// settings are the names of all settings for events. Those that this server has no events for can
// be set and are shown.
func settings() []string {
	var out []string
	for line := range strings.Lines(triggers) {
		out = append(out, strings.Fields(line)[2])
	}
	return append(out, "wiki_page_events", "deployment_events", "feature_flag_events", "repository_update_events", "resource_access_token_events")
}

// eventHeader is X-Gitlab-Event for a trigger: note_hooks becomes "Note Hook".
func eventHeader(name string) string {
	words := strings.Split(strings.TrimSuffix(name, "s"), "_")
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, " ")
}

// hook finds a webhook; s.mu is held.
func (s *Server) hook(id int) *Hook {
	for _, h := range s.hooks.all {
		if h.ID == id {
			return h
		}
	}
	return nil
}

// announce queues the deliveries of an event, one for each hook of the project that asked for it.
func (s *Server) announce(p *Project, kind string, payload map[string]any) {
	if s.hooks.caught != nil {
		*s.hooks.caught = payload
		return
	}
	if k, _ := payload["event_type"].(string); strings.HasPrefix(k, "confidential_") {
		kind = k
	}
	_, name, setting := trigger(kind)
	body, err := json.Marshal(payload)
	if err != nil || name == "" {
		panic(fmt.Sprintf("a payload of kind %s cannot be sent: %v", kind, err))
	}
	chain := uuid()
	for _, h := range s.hooks.all {
		if h.Project == p.ID && h.Events[setting] && h.Status(s.now()) == Executable && h.hears(kind, payload) {
			s.hooks.queue = append(s.hooks.queue, s.delivery(h, name, chain, body))
		}
	}
	if s.hooks.wake != nil && len(s.hooks.queue) > 0 {
		select {
		case s.hooks.wake <- struct{}{}:
		default:
		}
	}
}

// hears says whether a push is of a branch that the hook wants.
func (h *Hook) hears(kind string, payload map[string]any) bool {
	if kind != "push" || h.Branches == "" {
		return true
	}
	ref, _ := payload["ref"].(string)
	return (&Protection{Name: h.Branches}).covers(strings.TrimPrefix(ref, "refs/heads/"))
}

// delivery makes the first attempt of an event for a hook.
func (s *Server) delivery(h *Hook, name, chain string, body []byte) Delivery {
	d := Delivery{Project: h.Project, Hook: h.ID, URL: h.URL, Trigger: name, Body: body, Header: http.Header{}}
	for k, v := range map[string]string{"Content-Type": "application/json", "User-Agent": "GitLab/" + s.o.Version, "Idempotency-Key": uuid(),
		"X-Gitlab-Event": eventHeader(name), "X-Gitlab-Webhook-UUID": uuid(), "X-Gitlab-Instance": s.URL, "X-Gitlab-Event-UUID": chain} {
		d.Header.Set(k, v)
	}
	s.seal(h, d)
	return d
}

// What can be said of a hook.
const (
	Executable = "executable"
	Resting    = "temporarily_disabled"
	Off        = "disabled"
)

// Failures in a row: from the fourth on a hook rests, from the fortieth it is off.
const (
	restsAfter = 3
	offAfter   = 39
)

// Status says whether the hook is delivered to: it rests from the fourth failure in a row on, for
// a minute that doubles up to a day, and is off from the fortieth on.
func (h *Hook) Status(now time.Time) string {
	switch {
	case h.Failures > offAfter:
		return Off
	case h.Failures > restsAfter && !h.Until.Before(now):
		return Resting
	}
	return Executable
}

// count notes how a delivery went. A success ends every pause; a failure of a hook that is paused
// already changes nothing.
func (h *Hook) count(ok bool, now time.Time) {
	switch {
	case ok:
		h.Failures, h.Until = 0, time.Time{}
	case h.Status(now) == Executable:
		if h.Failures >= restsAfter {
			minutes := math.Min(math.Pow(2, float64(h.Failures-restsAfter)), 24*60)
			h.Until = now.Add(time.Duration(minutes) * time.Minute)
		}
		h.Failures = min(h.Failures+1, offAfter+1)
	}
}

// AddHook makes a webhook as its settings page does, for all events where h names none.
func (s *Server) AddHook(h Hook) Hook {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.Events == nil {
		h.Events = map[string]bool{}
		for _, name := range settings() {
			h.Events[name] = true
		}
	}
	return *s.addHook(h)
}

func (s *Server) addHook(h Hook) *Hook {
	h.ID, h.Made, h.Events = s.id("hook"), s.now(), maps.Clone(h.Events)
	s.hooks.all = append(s.hooks.all, &h)
	return &h
}

// Hooks are a project's webhooks as they are now, secrets included.
func (s *Server) Hooks(project int) []Hook {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := mine(s.hooks.all, func(h *Hook) bool { return h.Project == project })
	for i := range out {
		out[i].Events = maps.Clone(out[i].Events)
	}
	return out
}

// SetHook changes a webhook behind everybody's back.
func (s *Server) SetHook(id int, change func(*Hook)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.hook(id); h != nil {
		change(h)
	}
}

// Pause leaves a hook as so many failures in a row leave it: from 4 on it rests for a day, from 40
// on it is off.
func (s *Server) Pause(id, failures int) {
	s.SetHook(id, func(h *Hook) { h.Failures, h.Until = failures, s.now().Add(24*time.Hour) })
}

// HookTimeout says how long an answer to a delivery may take; 0: 10 s as at GitLab.
func (s *Server) HookTimeout(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks.timeout = d
}

// signs says whether this version sends the headers of Standard Webhooks.
func (s *Server) signs() bool {
	major, _, _ := strings.Cut(s.o.Version, ".")
	n, _ := strconv.Atoi(major)
	return n >= 19
}

func (s *Server) hookJSON(h *Hook) map[string]any {
	out := map[string]any{"id": h.ID, "url": h.URL, "name": orNil(h.Name), "description": orNil(h.Description), "project_id": h.Project, "created_at": stamp(h.Made),
		"push_events_branch_filter": h.Branches, "branch_filter_strategy": "wildcard", "enable_ssl_verification": h.Verify,
		"alert_status": h.Status(s.now()), "disabled_until": stamp(h.Until), "url_variables": []any{}, "custom_headers": []any{}, "custom_webhook_template": nil}
	for _, name := range settings() {
		out[name] = h.Events[name]
	}
	if s.signs() {
		out["signing_token_present"] = h.SigningToken != ""
	}
	return out
}

// take reads the settings of a hook from a call, or says what is wrong with them.
func (h *Hook) take(c *call) *answer {
	refuse := func(a answer) *answer { return &a }
	if !c.has("url") {
		return refuse(missing("url"))
	}
	u, err := url.Parse(c.str("url"))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return refuse(wrong(http.StatusUnprocessableEntity, "Invalid url given"))
	}
	if _, err := path.Match(c.str("push_events_branch_filter"), ""); err != nil {
		return refuse(wrong(http.StatusUnprocessableEntity, "Invalid branch filter given"))
	}
	if t := c.str("signing_token"); t != "" && c.s.signs() {
		raw, is := strings.CutPrefix(t, "whsec_")
		if key, err := base64.StdEncoding.DecodeString(raw); !is || err != nil || len(key) < 24 || len(key) > 64 {
			return refuse(message(http.StatusUnprocessableEntity, map[string]any{"signing_token": []string{"is invalid"}}))
		}
	}
	if h.URL != "" && h.URL != c.str("url") {
		h.Token = "" // an address that changes takes the secret along only when it is given again
	}
	h.URL = c.str("url")
	for name, into := range map[string]*string{"name": &h.Name, "description": &h.Description, "token": &h.Token, "push_events_branch_filter": &h.Branches} {
		if c.has(name) {
			*into = c.str(name)
		}
	}
	if c.has("signing_token") && c.s.signs() {
		h.SigningToken = c.str("signing_token")
	}
	if c.has("enable_ssl_verification") {
		h.Verify = c.yes("enable_ssl_verification")
	}
	for _, name := range settings() {
		if c.has(name) {
			h.Events[name] = c.yes(name)
		}
	}
	return nil
}
