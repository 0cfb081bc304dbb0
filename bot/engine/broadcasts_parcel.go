package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/run"
	"slipway/bot/subscription"
)

// The states of a parcel.
const (
	isSending  = "sending"
	isSent     = "sent"
	isFailed   = "failed"
	isDoubtful = "doubtful"
	isDropped  = "dropped" // the subscription ended before it was sent
)

// receiptRecord says how one subscriber gets one piece of news.
type receiptRecord struct {
	Sub    string    `json:"sub,omitempty"`    // id of the subscription; "": a channel of the configuration
	Parcel string    `json:"parcel,omitempty"` // "": it waits for Due, or will not be sent
	Due    time.Time `json:"due,omitzero"`
	Why    string    `json:"why,omitempty"` // it will not be sent
}

// parcelRecord is one message to one subscriber.
type parcelRecord struct {
	Sub     string                  `json:"sub,omitempty"`
	To      subscription.Subscriber `json:"to"`
	Place   Place                   `json:"place,omitzero"` // of a post
	Mail    string                  `json:"mail,omitempty"` // address of a mail
	Keys    []string                `json:"keys,omitempty"` // of the news; none: the mail that asks an addressee
	State   string                  `json:"state"`
	Begun   time.Time               `json:"begun"`
	At      time.Time               `json:"at,omitzero"`       // sent, failed …
	Message string                  `json:"message,omitempty"` // of a post: its [Ref]
	IDs     []string                `json:"ids,omitempty"`     // Message-IDs of mails: the first, then corrections
	Shown   map[string]int          `json:"shown,omitempty"`   // news → corrections that the subscriber has been told
	Pending string                  `json:"pending,omitempty"` // key of the effect that is under way
	Fixing  string                  `json:"fixing,omitempty"`  // news that a mail under way corrects
	Why     string                  `json:"why,omitempty"`
	Tries   int                     `json:"tries,omitempty"` // times that a person had it sent again
	Post    string                  `json:"post,omitempty"`  // key of a post that a step made
}

// subFor is the subscription of a parcel.
func (e *Engine) subFor(p parcelRecord) (subscription.Subscription, bool) {
	if p.Sub == "" {
		return configuredSub(p.Place), true
	}
	s, ok := e.sub(p.Sub)
	return s.Subscription, ok
}

// way finds where a subscriber is reached: a place in a chat, or an address.
func (e *Engine) way(s subscription.Subscription, project string) (place Place, mail, why string) {
	here := func(p Place) bool { return e.cfg.Posters[p.Source] != nil }
	switch {
	case s.To.Mail != "":
		mail = s.To.Mail
	case s.To.Person != "":
		if e.cfg.Direct != nil {
			if list := e.cfg.Direct(s.To.Person); slices.ContainsFunc(list, here) {
				return list[slices.IndexFunc(list, here)], "", ""
			}
		}
		p, ok := e.World().Directory.Person(s.To.Person)
		if !ok || p.Gone {
			return Place{}, "", string(s.To.Person) + " is not here any more"
		}
		if mail, _ = subscription.Address(p.Mail); mail == "" {
			return Place{}, "", string(s.To.Person) + " has no place of their own and no address"
		}
	default:
		if place = (Place{s.To.Source, s.To.Place}); here(place) {
			return place, "", ""
		}
		return Place{}, "", "the chat " + s.To.Source + " is not configured"
	}
	if err := e.canMail("engine.tell", project, false); err != nil {
		return Place{}, "", errs.Text(err)
	}
	return Place{}, mail, ""
}

// putParcel adds to a commit one message with these news and the effect that sends it.
func (e *Engine) putParcel(ctx context.Context, b *batch, s subscription.Subscription, list []newsRecord) error {
	n := list[0].News
	p := parcelRecord{Sub: s.ID, To: s.To, State: isSending, Begun: e.now(), Shown: map[string]int{}}
	for _, r := range list {
		p.Keys = append(p.Keys, r.News.Key)
		p.Shown[r.News.Key] = len(r.Corrections)
	}
	parcel := short("parcel\x00" + n.Key + "\x00" + s.To.Key())
	var why string
	if p.Place, p.Mail, why = e.way(s, n.Project); why != "" {
		for _, r := range list {
			b.put(spReceipts, id(r.News.Key, s.To.Key()), encode(receiptRecord{Sub: s.ID, Why: why}))
		}
		return nil
	}
	for _, r := range list {
		b.put(spReceipts, id(r.News.Key, s.To.Key()), encode(receiptRecord{Sub: s.ID, Parcel: parcel}))
	}
	b.guard(spParcels, parcel, nil)
	if p.Mail != "" {
		letter := subscription.Mail(s, items(list), e.setting(s))
		messageID := e.messageID("news", parcel, n.Project)
		p.IDs = []string{messageID}
		return e.putMail(ctx, b, parcel, p, s, n.Project, letter, messageID, nil)
	}
	return e.putPost(ctx, b, parcel, p, n.Project, actNews)
}

func items(list []newsRecord) []subscription.Item {
	out := make([]subscription.Item, len(list))
	for i, r := range list {
		out[i] = r.Item
	}
	return out
}

// setting is how texts for a subscriber are written.
func (e *Engine) setting(s subscription.Subscription) subscription.Setting {
	o := subscription.Setting{Zone: e.location(s.Rules.Zone), Page: e.cfg.Tell.Page}
	if s.ID != "" {
		o.Stop = e.link("/unsubscribe/", e.token(forStop, s))
	}
	return o
}

// link is the address of a page for a token, or "".
func (e *Engine) link(path, token string) string {
	if token == "" || e.cfg.Tell.Page == nil {
		return ""
	}
	return e.cfg.Tell.Page(path + token)
}

// putPost adds the effect that posts a parcel, or brings its post up to date, and the parcel.
func (e *Engine) putPost(ctx context.Context, b *batch, parcel string, p parcelRecord, project, act string) error {
	now := e.now()
	sum := 0
	for _, n := range p.Shown {
		sum += n
	}
	r := effectRecord{Key: fmt.Sprintf("%s-%s-%d-%d", strings.TrimSuffix(strings.TrimPrefix(act, "slipway."), "@1"), parcel, sum, p.Tries), Project: project,
		Action: act, After: now, Boot: e.boot, Epoch: e.world.epoch, Parcel: parcel, Inputs: string(encode(map[string]any{"parcel": parcel}))}
	p.Pending = r.Key
	b.intend(id(stamp(now), r.Key), encode(r))
	return e.putRecord(ctx, b, spParcels, parcel, p)
}

func (e *Engine) putRecord(ctx context.Context, b *batch, space, key string, v any) error {
	value, err := e.pack(ctx, encode(v))
	if err == nil {
		b.put(space, key, value)
	}
	return err
}

// domain is the part of the sender's address that message ids and lists are named after.
func (e *Engine) domain(project string) string {
	from := e.cfg.Tell.From(wide(project))
	if _, after, ok := strings.Cut(strings.TrimRight(strings.TrimSpace(from), ">"), "@"); ok {
		return strings.ToLower(after)
	}
	return "localhost"
}

// messageID names a mail for good.
func (e *Engine) messageID(what, parcel, project string) string {
	return what + "-" + parcel + "@" + e.domain(project)
}

// putMail adds the effect that sends a mail of a parcel, and the parcel. Its action and policy are
// those of announcements: what may have been sent is looked for, or a person is asked.
func (e *Engine) putMail(ctx context.Context, b *batch, parcel string, p parcelRecord, s subscription.Subscription, project string,
	letter subscription.Letter, messageID string, more map[string]any) error {
	headers := map[string]any{"List-Id": listID(project, e.domain(project))}
	// RFC 2369 and RFC 8058: a mail program offers to end the subscription, by one request to the link.
	if stop := e.link("/unsubscribe/", e.token(forStop, s)); stop != "" && s.ID != "" && !s.Confirmed.IsZero() {
		headers["List-Unsubscribe"] = "<" + stop + ">"
		headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
	}
	for name, value := range more {
		headers[name] = value
	}
	now := e.now()
	in, err := action.Canonical(map[string]any{"from": e.cfg.Tell.From(wide(project)), "to": []any{p.Mail}, "subject": letter.Subject, "body": letter.Body,
		"message_id": messageID, "date": now.Truncate(time.Second).Format(time.RFC3339), "headers": headers})
	if err != nil {
		return errs.E("engine.tell", errs.Internal, err)
	}
	k := action.Key{Run: "mail-" + messageID, Inputs: action.DigestOf(in), Generation: p.Tries}
	r := effectRecord{Key: k.String(), Project: project, Action: e.cfg.Tell.Mail, Inputs: string(in), Generation: p.Tries, After: now,
		Boot: e.boot, Epoch: e.world.epoch, Parcel: parcel}
	p.Pending = r.Key
	value, err := e.pack(ctx, encode(r))
	if err != nil {
		return err
	}
	b.intend(id(stamp(now), r.Key), value)
	return e.putRecord(ctx, b, spParcels, parcel, p)
}

// listID names the list that a mail is of (RFC 2919).
func listID(project, domain string) string {
	label := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, strings.ToLower(strings.ReplaceAll(wide(project), subscription.EveryProject, "everything")))
	return "News of " + strings.ReplaceAll(wide(project), subscription.EveryProject, "every project") + " <" + strings.Trim(label, "-") + ".news." + domain + ">"
}

// invite adds to a commit the mail that asks an addressee to agree.
func (e *Engine) invite(ctx context.Context, b *batch, s subscription.Subscription) error {
	code := e.token(forConfirm, s)
	letter := subscription.Invite(s, string(s.By), code, e.link("/subscribe/", code), e.setting(s))
	parcel := short("invite\x00" + s.ID + "\x00" + stamp(s.Added))
	messageID := e.messageID("confirm", parcel, s.Filter.Project)
	p := parcelRecord{Sub: s.ID, To: s.To, Mail: s.To.Mail, State: isSending, Begun: e.now(), IDs: []string{messageID}}
	return e.putMail(ctx, b, parcel, p, s, s.Filter.Project, letter, messageID, nil)
}

// wanted reports whether a message is still to be sent: what was begun comes to its end, what was
// not is dropped when the subscription has ended meanwhile.
func (e *Engine) wanted(ctx context.Context, r *effectRecord) bool {
	if r.Marked != "" || r.Attempts > 0 || r.Boot != e.boot {
		return true
	}
	var p parcelRecord
	_, found, err := e.get(ctx, spParcels, r.Parcel, &p)
	if err != nil || !found || p.Sub == "" || r.Action == actEditNews {
		return true // the effect itself tells what is wrong, and what stands in a chat is made right
	}
	s, ok := e.sub(p.Sub)
	return ok && (s.Active() || len(p.Keys) == 0)
}

// content reads the news of a parcel as they are now.
func (e *Engine) content(ctx context.Context, p parcelRecord) (list []newsRecord, raws map[string][]byte, err error) {
	raws = map[string][]byte{}
	for _, key := range p.Keys {
		r, raw, found, err := e.readNews(ctx, key)
		if err != nil {
			return nil, nil, err
		}
		if found {
			list = append(list, r)
			raws[key] = raw
		}
	}
	return list, raws, nil
}

// parcelOf reads the parcel of an effect with its news.
func (e *Engine) parcelOf(ctx context.Context, r *effectRecord) (p parcelRecord, list []newsRecord, err error) {
	_, found, err := e.get(ctx, spParcels, r.Parcel, &p)
	if err == nil && !found {
		err = errs.E(r.Action, errs.Gone, errors.New("there is no such message"))
	}
	if err == nil {
		list, _, err = e.content(ctx, p)
	}
	if err == nil && len(list) == 0 {
		err = errs.E(r.Action, errs.Gone, errors.New("what it told is not kept any more"))
	}
	return p, list, err
}

// shownBy is what a message shows that was made of these news.
func shownBy(list []newsRecord) map[string]any {
	out := map[string]any{}
	for _, r := range list {
		out[r.News.Key] = int64(len(r.Corrections))
	}
	return out
}

// sendPost posts a parcel, once.
func (e *Engine) sendPost(ctx context.Context, r *effectRecord, lost bool) (action.Values, error) {
	p, list, err := e.parcelOf(ctx, r)
	if err != nil {
		return nil, err
	}
	s, ok := e.subFor(p)
	if !ok {
		s.To = p.To
	}
	c := subscription.Post(items(list), e.setting(s))
	c.Key = postKey(r.Parcel, p)
	shown := shownBy(list)
	if lost {
		since := time.Time{} // of what a step posted under a key of its own
		if p.Post == "" {
			since = e.sinceOf(r, r.Epoch, p.Begun)
		}
		ref, found, err := e.cfg.Posters[p.Place.Source].Find(ctx, c.Key, Ref{Place: p.Place}, since)
		if err != nil {
			return nil, err
		}
		if found { // what was found may show less
			return action.Values{"message": ref.String(), "shown": map[string]any{}}, nil
		}
	}
	ref, err := e.post(ctx, c.Key, Ref{Place: p.Place}, c, false, time.Time{})
	if err != nil {
		return nil, err
	}
	return action.Values{"message": ref.String(), "shown": shown}, nil
}

func postKey(parcel string, p parcelRecord) string {
	if p.Post != "" {
		return p.Post
	}
	return short(fmt.Sprint("news\x00", parcel, "\x00", p.Tries))
}

// editPost makes a post say what was corrected. Whenever it lands, it is right.
func (e *Engine) editPost(ctx context.Context, r *effectRecord) (action.Values, error) {
	p, list, err := e.parcelOf(ctx, r)
	if err != nil {
		return nil, err
	}
	ref, ok := parseRef(p.Message)
	poster := e.cfg.Posters[ref.Place.Source]
	if !ok || poster == nil {
		return nil, errs.E(r.Action, errs.Gone, errors.New("the message cannot be reached any more"))
	}
	s, found := e.subFor(p)
	if !found {
		s.To = p.To
	}
	c := subscription.Post(items(list), e.setting(s))
	c.Key = postKey(r.Parcel, p)
	if err := poster.Edit(ctx, ref, c); err != nil {
		return nil, err
	}
	return action.Values{"shown": shownBy(list)}, nil
}

// parcelEnded writes what became of an effect of a parcel, and what follows: a correction that came
// meanwhile, and what it means to the subscription.
func (e *Engine) parcelEnded(ctx context.Context, row string, raw []byte, r *effectRecord, res run.Result) error {
	var err error
	for range decideTries {
		b := newBatch()
		b.guard(spOutbox, row, raw)
		b.del(spOutbox, row)
		var p parcelRecord
		praw, found, rerr := e.get(ctx, spParcels, r.Parcel, &p)
		if rerr != nil {
			return rerr
		}
		var after func()
		if found && p.Pending == r.Key {
			b.guard(spParcels, r.Parcel, praw)
			if after, err = e.closeParcel(ctx, b, r, p, res); err != nil {
				return err
			}
		}
		if err = e.commit(ctx, "effect/"+r.Action+"/end", b); err == nil && after != nil {
			after()
		}
		if !errs.Is(err, errs.Conflict) {
			return err
		}
		if now, gerr := e.cfg.Store.Get(ctx, Key{spOutbox, row}); gerr != nil || string(now) != string(raw) {
			return gerr // somebody else has ended it
		}
		if p.Sub != "" { // messages to one subscriber may end at once
			if err := e.readSub(ctx, p.Sub); err != nil {
				return err
			}
		}
	}
	return err
}

// closeParcel fills the commit that ends an effect of p.
func (e *Engine) closeParcel(ctx context.Context, b *batch, r *effectRecord, p parcelRecord, res run.Result) (after func(), err error) {
	p.Pending, p.At = "", e.now()
	out := action.Values{}
	if len(res.Output) > 0 {
		if out, err = action.DecodeValues(res.Output); err != nil {
			out = action.Values{}
		}
	}
	first := p.State == isSending
	switch {
	case !first: // a correction; it is not tried again for ever
		if res.Outcome != run.OK {
			p.Why = "the correction: " + res.Message
		}
		if p.Fixing != "" {
			p.Shown[p.Fixing] = int(correctionOf(r))
			p.Fixing = ""
		} else if list, _, err := e.content(ctx, p); err != nil {
			return nil, err
		} else if res.Outcome != run.OK {
			out["shown"] = shownBy(list)
		}
	case res.Outcome == run.OK:
		p.State, p.Message = isSent, text(out, "message")
		p.Why = ""
	case res.Outcome == run.Doubtful:
		p.State, p.Why = isDoubtful, res.Message
	case res.Outcome == run.Skipped:
		p.State, p.Why = isDropped, res.Message
	default:
		p.State, p.Why = isFailed, res.Message
	}
	if shown, ok := out["shown"].(map[string]any); ok {
		if first && len(shown) == 0 {
			p.Shown = map[string]int{}
			for _, key := range p.Keys {
				p.Shown[key] = 0
			}
		}
		for key, n := range shown {
			if n, ok := n.(int64); ok {
				p.Shown[key] = int(n)
			}
		}
	}
	if err := e.catchUp(ctx, b, r.Parcel, p); err != nil {
		return nil, err
	}
	if first {
		return e.judge(ctx, b, r, p)
	}
	return nil, nil
}
