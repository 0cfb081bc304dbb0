package run

import (
	"encoding/json"
	"maps"
	"slices"

	"slipway/bot/gate"
	"slipway/bot/jsonout"
	"slipway/bot/manifest"
)

// What the start of a run and the votes of a gate write is written by hand, in the order of the
// types' members and as their tags say: encoding/json would give the same bytes, and took a
// quarter of the time of a commit. A test compares the two.

// encodeBody writes the body of an event.
func encodeBody(b Body) ([]byte, error) {
	o := jsonout.Begin(make([]byte, 0, 512))
	switch b := b.(type) {
	case Started:
		o.Nested("start", func(out []byte) ([]byte, error) {
			o := jsonout.Begin(out)
			b.Start.encode(&o)
			return o.End()
		})
		o.String("name", b.Name)
	case StepStarted:
		o.String("step", b.Step)
		o.Int("attempt", b.Attempt)
		o.OptValues("inputs", b.Inputs)
		o.String("digest", b.Digest)
		o.OptValues("saw", b.Saw)
	case GateOpened:
		o.String("step", b.Step)
		o.String("digest", string(b.Digest))
		o.Nested("manifest", func(out []byte) ([]byte, error) { return encodeManifest(out, b.Manifest) })
		o.OptTime("opened", b.Opened)
	case EffectIntended:
		o.String("key", b.Key)
		o.String("step", b.Step)
		o.String("action", b.Action)
		o.Bytes("inputs", b.Inputs)
		o.OptInt("generation", b.Generation)
		o.OptString("undoes", b.Undoes)
		o.OptString("undoes_of", b.UndoesOf)
		o.OptTime("after", b.After)
		o.OptBool("probe_only", b.ProbeOnly)
		o.OptString("for", string(b.For))
		o.OptString("digest", b.Digest)
		o.OptBool("forget", b.Forget)
	case Voted:
		o.String("step", b.Step)
		o.OptString("message", b.Message)
		if b.Votes == nil {
			o.Any("votes", nil)
		} else {
			o.List("votes", len(b.Votes), func(out []byte, i int) ([]byte, error) { return encodeVote(out, b.Votes[i]) })
		}
	default:
		return json.Marshal(b)
	}
	return o.End()
}

// encode writes the members of s.
func (s Start) encode(o *jsonout.Object) {
	o.String("ID", s.ID)
	o.String("Project", s.Project)
	o.String("Playbook", s.Playbook)
	o.String("Closure", s.Closure)
	o.String("Requester", string(s.Requester))
	o.String("Owner", s.Owner)
	o.Values("Inputs", s.Inputs)
	o.Values("Profile", s.Profile)
	o.Bool("Private", s.Private)
	if s.Circle == nil {
		o.Raw("Circle", []byte("null"))
	} else {
		o.Any("Circle", s.Circle)
	}
	o.String("Parent", s.Parent)
	o.String("Via", s.Via)
	o.Int("Priority", s.Priority)
	if len(s.Inherited) > 0 {
		o.Any("Inherited", s.Inherited)
	}
	o.OptBool("Adopt", s.Adopt)
}

func encodeHead(h *Head) ([]byte, error) {
	o := jsonout.Begin(make([]byte, 0, 1024))
	h.Start.encode(&o)
	o.String("name", h.Name)
	o.String("status", string(h.Status))
	o.OptString("outcome", h.Outcome)
	o.Time("began", h.Began)
	o.OptTime("ended_at", h.EndedAt)
	o.Uint("events", h.Events)
	if h.Hold != nil {
		o.Any("hold", h.Hold)
	}
	optMap(&o, "filled", h.Filled)
	if len(h.Effects) > 0 {
		encodeEffects(&o, "effects", h.Effects)
	}
	optMap(&o, "timers", h.Timers)
	optMap(&o, "locks", h.Locks)
	optMap(&o, "queued", h.Queued)
	optMap(&o, "children", h.Children)
	optMap(&o, "ledgers", h.Ledgers)
	o.OptValues("guards", h.Guards)
	if len(h.Undo) > 0 {
		o.Any("undo", h.Undo)
	}
	o.OptString("why", h.Why)
	if len(h.Requesters) > 0 {
		o.Any("requesters", h.Requesters)
	}
	o.OptBool("adopting", h.Adopting)
	o.OptBool("planned", h.Planned)
	o.OptValues("output", h.Output)
	return o.End()
}

func encodeStep(st *Step) ([]byte, error) {
	o := jsonout.Begin(make([]byte, 0, 1024))
	o.String("path", st.Path)
	o.String("status", string(st.Status))
	o.OptInt("attempt", st.Attempt)
	o.OptTime("since", st.Since)
	o.OptValues("inputs", st.Inputs)
	o.OptString("digest", st.Digest)
	o.OptValues("saw", st.Saw)
	o.OptValues("output", st.Output)
	o.OptString("message", st.Message)
	o.OptString("on", st.On)
	optMap(&o, "failures", st.Failures)
	o.OptString("effect", st.Effect)
	if st.Prior != nil {
		o.Any("prior", st.Prior)
	}
	if st.Gate != nil {
		o.Nested("gate", func(out []byte) ([]byte, error) { return encodeGate(out, st.Gate) })
	}
	optMap(&o, "answers", st.Answers)
	if len(st.Keys) > 0 {
		o.Any("keys", st.Keys)
	}
	o.OptValues("items", st.Items)
	o.OptBool("living", st.Living)
	o.OptBool("closed", st.Closed)
	optMap(&o, "generations", st.Generations)
	o.OptTime("retry_at", st.RetryAt)
	o.OptInt("polls", st.Polls)
	if len(st.Past) > 0 {
		encodeEffects(&o, "past", st.Past)
	}
	o.OptString("despite", st.Despite)
	o.OptString("probed", st.Probed)
	if len(st.Late) > 0 {
		o.Any("late", st.Late)
	}
	optMap(&o, "answered_by", st.AnsweredBy)
	o.OptString("by", string(st.By))
	if st.Told != nil {
		o.Any("told", st.Told)
	}
	return o.End()
}

func encodeGate(out []byte, g *Gate) ([]byte, error) {
	o := jsonout.Begin(out)
	o.String("digest", string(g.Digest))
	o.Nested("manifest", func(out []byte) ([]byte, error) { return encodeManifest(out, g.Manifest) })
	o.Int("number", g.Number)
	if len(g.Votes) > 0 {
		o.List("votes", len(g.Votes), func(out []byte, i int) ([]byte, error) { return encodeVote(out, g.Votes[i]) })
	}
	o.OptInt("closing", g.Closing)
	o.OptInt("closings", g.Closings)
	o.OptBool("again", g.Again)
	if g.Verdict != nil {
		o.Any("verdict", g.Verdict)
	}
	o.OptString("note", g.Note)
	o.OptTime("retry_at", g.RetryAt)
	optMap(&o, "lifted", g.Lifted)
	o.OptTime("at", g.At)
	o.OptBool("approved", g.Approved)
	if len(g.Read) > 0 {
		o.Any("read", g.Read)
	}
	o.OptTime("opened", g.Opened)
	return o.End()
}

func encodeManifest(out []byte, m manifest.Manifest) ([]byte, error) {
	o := jsonout.Begin(out)
	o.String("run", m.Run)
	o.String("name", m.Name)
	o.String("gate", m.Gate)
	o.Int("number", m.Number)
	o.String("playbook", m.Playbook)
	o.String("profile", m.Profile)
	o.String("rule", m.Rule)
	o.OptTime("expires", m.Expires)
	if m.Binds == nil {
		o.Any("binds", nil)
		return o.End()
	}
	o.List("binds", len(m.Binds), func(out []byte, i int) ([]byte, error) {
		b := m.Binds[i]
		o := jsonout.Begin(out)
		o.String("name", b.Name)
		o.String("value", b.Value)
		o.OptString("digest", b.Digest)
		o.OptInt("size", b.Size)
		return o.End()
	})
	return o.End()
}

func encodeVote(out []byte, v gate.Vote) ([]byte, error) {
	o := jsonout.Begin(out)
	o.String("kind", string(v.Kind))
	o.String("person", string(v.Person))
	o.Any("account", v.Account)
	o.String("manifest", string(v.Manifest))
	o.OptString("message", v.Message)
	o.OptString("reason", v.Reason)
	o.Time("at", v.At)
	return o.End()
}

func encodeEffects(o *jsonout.Object, name string, all map[string]*Effect) {
	o.Nested(name, func(out []byte) ([]byte, error) {
		o := jsonout.Begin(out)
		for _, key := range slices.Sorted(maps.Keys(all)) {
			if all[key] == nil {
				o.Any(key, nil)
				continue
			}
			o.Nested(key, func(out []byte) ([]byte, error) { return encodeEffect(out, all[key]) })
		}
		return o.End()
	})
}

func encodeEffect(out []byte, ef *Effect) ([]byte, error) {
	o := jsonout.Begin(out)
	o.String("step", ef.Step)
	o.String("action", ef.Action)
	o.OptBytes("inputs", ef.Inputs)
	o.OptInt("generation", ef.Generation)
	o.OptString("outcome", string(ef.Outcome))
	o.OptBytes("output", ef.Output)
	o.Uint("order", ef.Order)
	o.OptString("undoes", ef.Undoes)
	o.OptBool("undone", ef.Undone)
	o.OptString("message", ef.Message)
	o.OptString("for", string(ef.For))
	o.OptString("digest", ef.Digest)
	o.OptBool("forget", ef.Forget)
	o.OptBool("probe_only", ef.ProbeOnly)
	o.OptString("undoes_of", ef.UndoesOf)
	o.OptTime("after", ef.After)
	return o.End()
}

func optMap[K comparable, V any](o *jsonout.Object, name string, m map[K]V) {
	if len(m) > 0 {
		o.Any(name, m)
	}
}
