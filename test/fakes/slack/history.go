package slack

import "slices"

func (s *Server) historyMethods() []method {
	reading := []string{"channels:history", "groups:history", "im:history", "mpim:history"}
	return []method{
		{"conversations.history", reading, tier3, s.history},
		{"conversations.replies", reading, tier3, s.repliesOf},
	}
}

// readable finds the conversation of a call whose messages the token may read.
func (c *call) readable() (*Channel, *answer) {
	ch, refused := c.locate("history")
	if refused == nil && !slices.Contains(ch.Members, c.token.User) {
		a := fail("not_in_channel")
		refused = &a
	}
	return ch, refused
}

// span is the part of the time that a call asks for, in microseconds, both ends inside.
func (c *call) span() (from, to int64, bad string) {
	edge := int64(1)
	if c.yes("inclusive") {
		edge = 0
	}
	from, to = 0, 1<<62
	if v := c.in["oldest"]; v != "" && v != "0" {
		n, good := micros(v)
		if !good {
			return 0, 0, "invalid_ts_oldest"
		}
		from = n + edge
	}
	if v := c.in["latest"]; v != "" && v != "0" && v != "now" {
		n, good := micros(v)
		if !good {
			return 0, 0, "invalid_ts_latest"
		}
		to = n - edge
	}
	return from, to, ""
}

// history is what stands in a conversation itself, newest first: answers in threads only when they
// are shown there too.
func (s *Server) history(c *call) answer {
	ch, refused := c.readable()
	if refused != nil {
		return *refused
	}
	from, to, bad := c.span()
	if bad != "" {
		return fail(bad)
	}
	n, good := c.limit(100, 999)
	if !good {
		return fail("invalid_limit")
	}
	next, good := openCursor(c.in["cursor"], "next_ts")
	if !good {
		return fail("invalid_cursor")
	}
	if next > 0 {
		to = min(to, int64(next))
	}
	out, more := []any{}, ""
	for _, m := range slices.Backward(ch.messages) {
		at, _ := micros(m.TS)
		if at < from || at > to || m.Only != "" || m.Thread != "" && !m.Broadcast {
			continue
		}
		if len(out) == n {
			more = cursor("next_ts", int(at))
			break
		}
		out = append(out, s.messageJSON(ch, m, c.yes("include_all_metadata")))
	}
	b := body{"messages": out, "has_more": more != "", "pin_count": 0, "channel_actions_ts": nil, "channel_actions_count": 0}
	if more != "" {
		b["response_metadata"] = body{"next_cursor": more}
	}
	if c.in["latest"] != "" {
		b["latest"] = c.in["latest"]
	}
	return ok(b)
}

// repliesOf is a thread: its first message, then the answers by time.
func (s *Server) repliesOf(c *call) answer {
	ch, refused := c.readable()
	if refused != nil {
		return *refused
	}
	from, to, bad := c.span()
	if bad != "" {
		return fail(bad)
	}
	first := ch.message(c.in["ts"])
	if first == nil || first.Only != "" {
		return fail("thread_not_found")
	}
	n, good := c.limit(1000, 1000)
	if !good {
		return fail("invalid_limit")
	}
	next, good := openCursor(c.in["cursor"], "next_ts")
	if !good {
		return fail("invalid_cursor")
	}
	from = max(from, int64(next))
	out := []any{s.messageJSON(ch, first, c.yes("include_all_metadata"))}
	more := ""
	for _, m := range ch.replies(first.TS) {
		at, _ := micros(m.TS)
		if at < from || at > to {
			continue
		}
		if len(out) > n {
			more = cursor("next_ts", int(at))
			break
		}
		out = append(out, s.messageJSON(ch, m, c.yes("include_all_metadata")))
	}
	b := body{"messages": out, "has_more": more != ""}
	if more != "" {
		b["response_metadata"] = body{"next_cursor": more}
	}
	return ok(b)
}
