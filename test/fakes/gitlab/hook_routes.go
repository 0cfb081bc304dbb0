package gitlab

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"
)

func (s *Server) hookRoutes() []route {
	const one = "/projects/:id/hooks/:hook"
	return []route{
		{"GET", "/projects/:id/hooks", Maintainer, func(c *call) answer {
			var found []*Hook
			for _, h := range s.hooks.all {
				if h.Project == c.project.ID {
					found = append(found, h)
				}
			}
			return paged(c, found, s.hookJSON)
		}},
		{"POST", "/projects/:id/hooks", Maintainer, func(c *call) answer {
			h := Hook{Project: c.project.ID, Events: map[string]bool{"push_events": true}, Verify: true}
			if refused := h.take(c); refused != nil {
				return *refused
			}
			return created(s.hookJSON(s.addHook(h)))
		}},
		{"GET", one, Maintainer, s.onHook(func(_ *call, h *Hook) answer { return ok(s.hookJSON(h)) })},
		{"PUT", one, Maintainer, s.onHook(func(c *call, h *Hook) answer {
			if refused := h.take(c); refused != nil {
				return *refused
			}
			return ok(s.hookJSON(h))
		})},
		{"DELETE", one, Maintainer, s.onHook(func(_ *call, h *Hook) answer {
			s.hooks.all = slices.DeleteFunc(s.hooks.all, func(one *Hook) bool { return one == h })
			return noContent()
		})},
		{"POST", one + "/test/:trigger", Maintainer, s.onHook(s.testHook)},
		{"GET", one + "/events", Maintainer, s.onHook(s.hookEvents)},
		{"POST", one + "/events/:event/resend", Maintainer, s.onHook(s.resendEvent)},
	}
}

func (s *Server) onHook(do func(*call, *Hook) answer) func(*call) answer {
	return func(c *call) answer {
		h := s.hook(c.pathNum("hook"))
		if h == nil || h.Project != c.project.ID {
			return notFound("")
		}
		return do(c, h)
	}
}

// testsInAMinute is how often hooks may be tested, or deliveries sent again
// (https://docs.gitlab.com/api/project_webhooks/#trigger-a-test-project-webhook).
const testsInAMinute = 5

// throttle refuses the sixth call within a minute.
func (s *Server) throttle() *answer {
	now := s.now()
	s.hooks.tests = slices.DeleteFunc(s.hooks.tests, func(t time.Time) bool { return !now.Before(t.Add(time.Minute)) })
	if len(s.hooks.tests) >= testsInAMinute {
		a := message(http.StatusTooManyRequests, map[string]any{"error": "This endpoint has been requested too many times. Try again later."})
		a.header = http.Header{"Retry-After": {"60"}}
		return &a
	}
	s.hooks.tests = append(s.hooks.tests, now)
	return nil
}

// testHook sends a sample at once, also to a hook that is paused, which a success turns on again.
// The sample is made of what the project has; a test of tag_push_events sends a push.
func (s *Server) testHook(c *call, h *Hook) answer {
	_, name, setting := trigger(c.path["trigger"])
	if setting == "" || setting != c.path["trigger"] {
		return wrong(http.StatusBadRequest, "trigger does not have a valid value")
	}
	if refused := s.throttle(); refused != nil {
		return *refused
	}
	payload, lacks := s.sample(c, setting)
	if lacks != "" {
		return message(http.StatusUnprocessableEntity, "Ensure the project has "+lacks+".")
	}
	body, err := json.Marshal(payload)
	if err != nil {
		panic(err)
	}
	sent := s.sendUnlocked(c, s.delivery(h, name, uuid(), body), true)
	if sent.Status >= 200 && sent.Status < 300 {
		return message(http.StatusCreated, "201 Created")
	}
	return message(http.StatusUnprocessableEntity, sent.Answer)
}

// sendUnlocked sends while others may use the server: whoever gets the delivery may call back.
func (s *Server) sendUnlocked(c *call, d Delivery, forced bool) Sent {
	s.mu.Unlock()
	defer s.mu.Lock()
	sent, _ := s.send(context.WithoutCancel(c.r.Context()), d, forced)
	return sent
}

// sample is the payload of a test, or what the project lacks for one.
func (s *Server) sample(c *call, setting string) (payload map[string]any, lacks string) {
	p, u := c.project, c.user
	switch setting {
	case "issues_events", "confidential_issues_events":
		if all := newestFirst(s.issues, func(i *Issue) bool { return i.Project == p.ID }); len(all) > 0 {
			return s.issueEvent(u, all[0], "", nil), ""
		}
		return nil, "issues"
	case "merge_requests_events":
		if all := newestFirst(s.merges, func(m *MergeRequest) bool { return m.Project == p.ID }); len(all) > 0 {
			return s.mergeEvent(u, all[0], "", nil, nil), ""
		}
		return nil, "merge requests"
	case "milestone_events":
		if all := newestFirst(s.milestones, func(m *Milestone) bool { return m.Project == p.ID }); len(all) > 0 {
			return s.milestoneEvent(all[0], "create"), ""
		}
		return nil, "milestones"
	case "note_events", "confidential_note_events", "emoji_events":
		all := newestFirst(s.notes, func(n *Note) bool { return s.itemOf(n).Project == p.ID })
		switch {
		case len(all) == 0:
			return nil, "notes"
		case setting == "emoji_events":
			return s.emojiEvent(u, &Award{ID: 1, Name: "thumbsup", User: u.ID, On: "Note", OnID: all[0].ID, Created: s.now()}, "award"), ""
		}
		return s.noteEvent(u, all[0], "create"), ""
	}
	return s.sampleWork(p, u, setting)
}

// sampleWork is the sample of what is pushed, runs and is published.
func (s *Server) sampleWork(p *Project, u *User, setting string) (map[string]any, string) {
	last := p.lastPipeline(func(pl *Pipeline) bool { return setting != "job_events" || len(pl.jobs) > 0 })
	switch {
	case setting == "push_events", setting == "tag_push_events":
		return s.samplePush(p, u), ""
	case setting == "pipeline_events" && last != nil:
		return s.caught(func() { s.tellPipeline(p, last) }), ""
	case setting == "pipeline_events":
		return nil, "CI pipelines"
	case setting == "job_events" && last != nil:
		return s.caught(func() { s.tellJob(p, last, last.jobs[len(last.jobs)-1]) }), ""
	case setting == "job_events":
		return nil, "CI jobs"
	case len(p.releases) > 0:
		return s.caught(func() { s.tellRelease(p, p.releases[len(p.releases)-1], "create") }), ""
	}
	return nil, "releases"
}

// samplePush is a push of the newest three commits of the default branch.
func (s *Server) samplePush(p *Project, u *User) map[string]any {
	tip, before := p.refs["refs/heads/"+p.Branch], zero
	if tip == "" {
		tip = zero
	} else if list := s.commits(p, "-3", tip, "--"); len(list) > 0 {
		before = list[len(list)-1].ID
	}
	return s.caught(func() { s.tellPush(p, u, "refs/heads/"+p.Branch, before, tip) })
}

// caught is the payload of what tell would tell the hooks.
func (s *Server) caught(tell func()) map[string]any {
	var out map[string]any
	s.hooks.caught = &out
	defer func() { s.hooks.caught = nil }()
	tell()
	return out
}

func (s *Server) hookEvents(c *call, h *Hook) answer {
	if n := c.num("per_page"); n > 20 {
		return wrong(http.StatusBadRequest, "per_page does not have a valid value")
	}
	wanted := c.list("status")
	var found []Sent
	for _, x := range slices.Backward(s.hooks.sent) {
		if x.Hook == h.ID && (len(wanted) == 0 || slices.Contains(wanted, strconv.Itoa(x.Status)) || slices.Contains(wanted, x.category())) {
			found = append(found, x)
		}
	}
	return paged(c, found, s.sentJSON)
}

func (s Sent) category() string {
	return map[int]string{2: "successful", 4: "client_failure", 5: "server_failure"}[s.Status/100]
}

func (s *Server) sentJSON(x Sent) map[string]any {
	headers := map[string]string{}
	for k := range x.Header {
		headers[k] = x.Header.Get(k)
		if k == "X-Gitlab-Token" || k == "Webhook-Signature" {
			headers[k] = "[REDACTED]"
		}
	}
	status := strconv.Itoa(x.Status)
	if x.Status == 0 {
		status = "internal error"
	}
	return map[string]any{"id": x.ID, "url": x.URL, "trigger": x.Trigger, "request_headers": headers, "request_data": json.RawMessage(x.Body),
		"response_headers": map[string]string{}, "response_body": x.Answer, "execution_duration": x.Duration.Seconds(), "response_status": status}
}

// resendEvent sends a delivery of the past again. A hook that is paused is not delivered to, and a
// hook whose address has changed is not sent what was for the old one.
func (s *Server) resendEvent(c *call, h *Hook) answer {
	at := slices.IndexFunc(s.hooks.sent, func(x Sent) bool { return x.ID == c.pathNum("event") && x.Hook == h.ID })
	if refused := s.throttle(); refused != nil {
		return *refused
	}
	switch {
	case at < 0:
		return notFound("")
	case s.hooks.sent[at].URL != h.URL:
		return message(http.StatusUnprocessableEntity, "The hook URL has changed, and this log entry cannot be retried")
	case h.Status(s.now()) != Executable:
		return message(http.StatusUnprocessableEntity, "Hook disabled")
	}
	sent := s.sendUnlocked(c, s.attempt(s.hooks.sent[at].Delivery, false), false)
	if sent.Status == 0 {
		return message(http.StatusUnprocessableEntity, sent.Answer)
	}
	return created(map[string]any{"response_status": sent.Status})
}
