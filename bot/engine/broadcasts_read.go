package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/run"
	"slipway/bot/subscription"
)

// Receipt is how one subscriber got one piece of news.
type Receipt struct {
	To        string    `json:"to"`                  // key of the subscriber, such as mail:grace@example.org
	State     string    `json:"state"`               // waits, sending, sent, failed, doubtful, dropped
	At        time.Time `json:"at,omitzero"`         // when it was sent or failed; when it waits: when it will be
	Message   string    `json:"message,omitempty"`   // in a chat: the message; by mail: its Message-ID
	Corrected int       `json:"corrected,omitempty"` // corrections that the subscriber has been told
	Together  int       `json:"together,omitempty"`  // news in the same message, when there are several
	Why       string    `json:"why,omitempty"`
}

// Broadcast is what was told, and to whom.
type Broadcast struct {
	subscription.Item
	Receipts []Receipt `json:"receipts"`
}

// Broadcast finds what was told under a key. Errors: [errs.NotFound].
func (e *Engine) Broadcast(ctx context.Context, key string) (Broadcast, error) {
	r, _, found, err := e.readNews(ctx, key)
	if err != nil {
		return Broadcast{}, err
	}
	if !found {
		return Broadcast{}, errs.E("engine.broadcast", errs.NotFound, fmt.Errorf("nothing was told under %s", key)).Hint("`receipts RUN` shows the keys of a run")
	}
	out := Broadcast{Item: r.Item}
	var keys []string
	var list []receiptRecord
	var bad error
	err = e.cfg.Store.Scan(ctx, spReceipts, key+sep, after(key+sep), false, func(k string, value []byte) bool {
		var one receiptRecord
		bad = decode("receipts/"+k, value, &one)
		keys, list = append(keys, k[len(key)+len(sep):]), append(list, one)
		return bad == nil
	})
	if err = errors.Join(err, bad); err != nil {
		return out, err
	}
	for i, one := range list {
		receipt := Receipt{To: keys[i], State: "waits", At: one.Due, Why: one.Why}
		if one.Why != "" {
			receipt.State = isDropped
		}
		if one.Parcel != "" {
			var p parcelRecord
			if _, found, err := e.get(ctx, spParcels, one.Parcel, &p); err != nil {
				return out, err
			} else if found {
				receipt.State, receipt.At, receipt.Message, receipt.Why, receipt.Corrected = p.State, p.At, p.Message, p.Why, p.Shown[key]
				if len(p.IDs) > 0 {
					receipt.Message = p.IDs[0]
				}
				if len(p.Keys) > 1 {
					receipt.Together = len(p.Keys)
				}
			}
		}
		out.Receipts = append(out.Receipts, receipt)
	}
	return out, nil
}

// Broadcasts lists what was told of a run, oldest first; runID "" lists what is of no run. At most
// max of them, the newest.
func (e *Engine) Broadcasts(ctx context.Context, runID string, max int) ([]Broadcast, error) {
	var keys []string
	prefix := runID + sep
	err := e.cfg.Store.Scan(ctx, spNewsOf, prefix, after(prefix), true, func(k string, _ []byte) bool {
		parts := splitID(k)
		keys = append(keys, parts[len(parts)-1])
		return len(keys) < max
	})
	if err != nil {
		return nil, err
	}
	slices.Reverse(keys)
	out := make([]Broadcast, 0, len(keys))
	for _, key := range keys {
		one, err := e.Broadcast(ctx, key)
		if errs.Is(err, errs.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// Settle says what became of a message of which nobody can tell, or has one that failed sent again,
// once. To is the subscriber's key as receipts show it. Errors: [errs.NotFound], [errs.Denied],
// [errs.Conflict] for a message that was sent.
func (e *Engine) Settle(ctx context.Context, key, to string, sent bool, by people.PersonID, once Once) error {
	const op = "engine.settle"
	r, _, found, err := e.readNews(ctx, key)
	if err != nil {
		return err
	}
	var one receiptRecord
	if found {
		_, found, err = e.get(ctx, spReceipts, id(key, to), &one)
	}
	var p parcelRecord
	var raw []byte
	if err == nil && found && one.Parcel != "" {
		raw, found, err = e.get(ctx, spParcels, one.Parcel, &p)
	}
	switch {
	case err != nil:
		return err
	case !found || one.Parcel == "":
		return errs.E(op, errs.NotFound, fmt.Errorf("no message to %s was sent under %s", to, key)).Hint("`receipts %s` shows them", key)
	case p.State != isDoubtful && p.State != isFailed:
		return errs.E(op, errs.Conflict, fmt.Errorf("the message to %s is %s", to, p.State)).Hint("there is nothing to settle")
	}
	w := e.World()
	if err := subscription.MaySpeak(w.Directory, by, r.News.Project, w.Now); err != nil {
		return err
	}
	b := newBatch()
	b.guard(spParcels, one.Parcel, raw)
	e.onceIn(b, once)
	switch s, ok := e.subFor(p); {
	case sent:
		p.State, p.Why, p.At = isSent, "settled by "+string(by), w.Now
		err = e.catchUp(ctx, b, one.Parcel, p)
	case !ok || p.Sub != "" && !s.Confirmed.IsZero() && s.GivenUp != "":
		return errs.E(op, errs.Conflict, fmt.Errorf("%s is not subscribed any more", to)).Hint("subscribe it anew")
	default:
		list, raws, cerr := e.content(ctx, p)
		if cerr != nil {
			return cerr
		}
		p.State, p.Why = isSending, ""
		p.Tries++
		for _, r := range list {
			p.Shown[r.News.Key] = len(r.Corrections)
		}
		if p.Mail == "" {
			err = e.guardAll(b, raws, e.putPost(ctx, b, one.Parcel, p, r.News.Project, actNews))
		} else {
			letter := subscription.Mail(s, items(list), e.setting(s))
			err = e.guardAll(b, raws, e.putMail(ctx, b, one.Parcel, p, s, r.News.Project, letter, p.IDs[0], nil))
		}
	}
	if err != nil {
		return err
	}
	return e.commitSub(ctx, b, once)
}

// Bounced says that a mail of ours came back, as the mailbox of its sender shows: the subscription
// counts it as a failure. Errors: [errs.NotFound] for a Message-ID that is not of such a mail.
func (e *Engine) Bounced(ctx context.Context, messageID, why string, by people.PersonID, once Once) error {
	local, _, _ := strings.Cut(strings.Trim(strings.TrimSpace(messageID), "<>"), "@")
	parcel := local[strings.LastIndexByte(local, '-')+1:]
	var p parcelRecord
	raw, found, err := e.get(ctx, spParcels, parcel, &p)
	if err != nil {
		return err
	}
	if !found || p.Mail == "" {
		return errs.E("engine.bounced", errs.NotFound, fmt.Errorf("%s is no mail to a subscriber", messageID)).Hint("write the Message-ID of the mail that came back")
	}
	project := ""
	if len(p.Keys) > 0 {
		r, _, _, err := e.readNews(ctx, p.Keys[0])
		if err != nil {
			return err
		}
		project = r.News.Project
	}
	w := e.World()
	if err := subscription.MaySpeak(w.Directory, by, wide(project), w.Now); err != nil {
		return err
	}
	if p.State == isFailed {
		return nil // it was counted
	}
	p.State, p.Why, p.At = isFailed, "it came back: "+clip(why, 300), w.Now
	b := newBatch()
	b.guard(spParcels, parcel, raw)
	e.onceIn(b, once)
	if err := e.putRecord(ctx, b, spParcels, parcel, p); err != nil {
		return err
	}
	after, err := e.judge(ctx, b, &effectRecord{Key: "bounced-" + parcel, Project: project}, p)
	if err != nil {
		return err
	}
	if err := e.commitSub(ctx, b, once); err != nil {
		return err
	}
	if after != nil {
		after()
	}
	return nil
}

// StepNews is what a step of a run that tells subscribers would tell, with its inputs as they are
// written where they are not known yet.
type StepNews struct {
	Step string
	News subscription.News
	Done bool // it was told
}

// StepsThatTell lists the broadcasts of a run's playbook. Errors: [errs.NotFound].
func (e *Engine) StepsThatTell(ctx context.Context, runID string) ([]StepNews, error) {
	s, p, err := e.RunState(ctx, runID)
	if err != nil || s == nil {
		return nil, err
	}
	var out []StepNews
	for _, def := range p.Steps {
		if def.Do == nil || def.Do.Ref != actBroadcast {
			continue
		}
		in := map[string]any{}
		for name, t := range def.Do.With {
			in[name] = t.Written()
		}
		one := StepNews{Step: def.Path}
		if st := s.Steps[def.Path]; st != nil {
			one.Done = st.Status == run.Done
			for name, v := range st.Inputs {
				in[name] = v
			}
		}
		one.News = stepNews(in)
		one.News.Project, one.News.Family, one.News.Run, one.News.Name = s.Project, p.Name, s.ID, s.Name
		out = append(out, one)
	}
	return out, nil
}
