package talk

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/subscription"
	"slipway/commands/grammar"
)

// tells reports whether a command is about who is told what.
func tells(path string) bool {
	first, _, _ := strings.Cut(path, " ")
	return slices.Contains([]string{"subscribe", "unsubscribe", "subscriptions", "receipts", "broadcast"}, first)
}

// telling carries out the commands about who is told what.
func (a *Answers) telling(ctx context.Context, s engine.Spoken, c grammar.Command, once engine.Once) (string, error) {
	switch c.Path {
	case "subscribe":
		return a.subscribe(ctx, s, c.Rest, once)
	case "subscribe confirm":
		sub, err := a.Engine.Confirm(ctx, c.Args["code"], once)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s is told from now on of %s", sub.To, sub.Filter), nil
	case "unsubscribe":
		return a.unsubscribe(ctx, s, c.Rest, once)
	case "subscriptions":
		return a.subscriptions(s, c.Args["project"]), nil
	case "receipts":
		return a.receipts(ctx, s, c.Args["run"])
	case "broadcast list":
		return a.broadcasts(ctx, "", s)
	case "broadcast preview":
		return a.preview(ctx, s, c.Args["run"])
	case "broadcast correct":
		n, err := a.Engine.Correct(ctx, c.Args["key"], strings.Join(c.Rest, " "), s.Person, once)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%q is corrected: chats show it in the message that they have, addresses get one mail. `receipts %s` shows how far it is.", n.Title, n.Key), nil
	case "broadcast settle":
		sent := c.Args["verdict"] == "sent"
		if err := a.Engine.Settle(ctx, c.Args["key"], c.Args["subscriber"], sent, s.Person, once); err != nil {
			return "", err
		}
		if sent {
			return "it counts as sent", nil
		}
		return "it is sent again", nil
	case "broadcast bounced":
		if err := a.Engine.Bounced(ctx, c.Args["message"], c.Options["reason"], s.Person, once); err != nil {
			return "", err
		}
		return "it counts as not delivered", nil
	}
	return "", errs.E("talk.tell", errs.Invalid, fmt.Errorf("%s cannot be done here", c.Path)).Hint("say help")
}

// wish reads the words of a subscription, for whom they are meant where they are said.
func (a *Answers) wish(s engine.Spoken, words []string) (subscription.Subscription, error) {
	known := subscription.Known{Projects: a.Projects.Names()}
	for _, f := range a.Families {
		known.Families = append(known.Families, f.Playbooks()...)
	}
	w, err := subscription.Parse(words, known)
	if err != nil {
		return subscription.Subscription{}, err
	}
	if w.Filter.Project == "" {
		if w.Filter.Project = s.Project; s.Project == "" {
			w.Filter.Project = subscription.EveryProject
		}
	}
	out := subscription.Subscription{Filter: w.Filter, Rules: w.Rules}
	switch {
	case w.Way == subscription.ByMail && w.Mail == "":
		p, _ := a.Engine.World().Directory.Person(s.Person)
		if out.To.Mail, err = subscription.Address(p.Mail); err != nil {
			return out, errs.E("talk.subscribe", errs.Invalid, fmt.Errorf("no mail address of yours is known")).Hint("an operator adds it to people, or name one: by mail name@example.org")
		}
	case w.Way == subscription.ByMail:
		out.To.Mail = w.Mail
	case w.Way == subscription.Me, s.Direct && w.Way != subscription.Here:
		out.To.Person = s.Person
	case s.Direct:
		return out, errs.E("talk.subscribe", errs.Invalid, fmt.Errorf("this is no channel")).Hint("say it in the channel, or write me")
	default:
		out.To.Source, out.To.Place = s.Place.Source, s.Place.ID
	}
	return out, nil
}

func (a *Answers) subscribe(ctx context.Context, s engine.Spoken, words []string, once engine.Once) (string, error) {
	sub, err := a.wish(s, words)
	if err != nil {
		return "", err
	}
	if sub, err = a.Engine.Subscribe(ctx, sub, s.Person, once); err != nil {
		return "", err
	}
	if sub.Confirmed.IsZero() {
		return fmt.Sprintf("I have asked %s to agree, by mail. Nothing else is sent there before; `unsubscribe %s` takes it back.", sub.To, sub.ID), nil
	}
	return fmt.Sprintf("%s told of %s, %s. `unsubscribe %s` ends it.", whoIs(sub.To, s), sub.Filter, sub.Rules, sub.ID), nil
}

// whoIs is a subscriber as the one who speaks would call them, with the verb.
func whoIs(to subscription.Subscriber, s engine.Spoken) string {
	switch {
	case to.Person == s.Person && to.Person != "":
		return "You are"
	case to.Source == s.Place.Source && to.Place == s.Place.ID && to.Place != "":
		return "This channel is"
	}
	return to.String() + " is"
}

func (a *Answers) unsubscribe(ctx context.Context, s engine.Spoken, words []string, once engine.Once) (string, error) {
	var ends []subscription.Subscription
	all := a.Engine.Subscriptions()
	switch {
	case len(words) == 1 && strings.EqualFold(words[0], "all"):
		for _, sub := range all {
			if sub.To.Person == s.Person || a.ownMail(s.Person, sub.To) {
				ends = append(ends, sub)
			}
		}
	case len(words) == 1 && slices.ContainsFunc(all, func(sub subscription.Subscription) bool { return sub.ID == words[0] }):
		ends = append(ends, subscription.Subscription{ID: words[0]})
	default:
		want, err := a.wish(s, words)
		if err != nil {
			return "", err
		}
		for _, sub := range all {
			if sub.Cover(want) {
				ends = append(ends, sub)
			}
		}
	}
	if len(ends) == 0 {
		return "", errs.E("talk.unsubscribe", errs.NotFound, fmt.Errorf("there is no such subscription")).Hint("`subscriptions` lists them with their ids")
	}
	var lines []string
	for i, sub := range ends {
		with := engine.Once{}
		if i == len(ends)-1 { // several are ended one after another; the last one ends the command
			with = once
		}
		ended, err := a.Engine.Unsubscribe(ctx, sub.ID, s.Person, with)
		if err != nil {
			return "", err
		}
		lines = append(lines, fmt.Sprintf("%s told no more of %s", whoIs(ended.To, s), ended.Filter))
	}
	return strings.Join(lines, "\n"), nil
}

func (a *Answers) ownMail(person people.PersonID, to subscription.Subscriber) bool {
	p, ok := a.Engine.World().Directory.Person(person)
	return ok && to.Mail != "" && subscription.SameAddress(p.Mail, to.Mail)
}

// subscriptions lists those of the person and of the channel; with a project, for its people, all
// of it. Addresses of others are shown to nobody else.
func (a *Answers) subscriptions(s engine.Spoken, project string) string {
	w := a.Engine.World()
	var lines []string
	if p, ok := a.Projects.Project(s.Project); ok && !s.Direct {
		told := p.Tell
		if told == nil {
			told = p.Places
		}
		if slices.Contains(told, s.Place) {
			lines = append(lines, "• This channel is told what "+s.Project+" announces, by the configuration.")
		}
	}
	for _, sub := range a.Engine.Subscriptions() {
		mine := sub.To.Person == s.Person || sub.By == s.Person || a.ownMail(s.Person, sub.To)
		here := sub.To.Place != "" && sub.To.Source == s.Place.Source && sub.To.Place == s.Place.ID
		asked := project != "" && (sub.Filter.Project == project || sub.Filter.Project == subscription.EveryProject) &&
			subscription.MaySpeak(w.Directory, s.Person, project, w.Now) == nil
		if !here && !asked && (!mine || project != "" && sub.Filter.Project != project && sub.Filter.Project != subscription.EveryProject) {
			continue
		}
		if !a.ownMail(s.Person, sub.To) {
			sub.To.Mail = masked(sub.To.Mail, s.Direct)
		}
		lines = append(lines, fmt.Sprintf("• %s %s", sub.ID, sub))
	}
	if len(lines) == 0 {
		return "nobody is subscribed here, and you are not either; `help subscribe` says how"
	}
	return strings.Join(lines, "\n")
}

// masked is an address as it may be shown here.
func masked(address string, alone bool) string {
	if alone {
		return address
	}
	return subscription.Masked(address)
}

// receiver is a subscriber's key as it may be shown here.
func receiver(key string, alone bool) string {
	if !strings.HasPrefix(key, "mail:") {
		return key
	}
	return masked(key, alone)
}

// receipts answers for a run, or for the key of one message.
func (a *Answers) receipts(ctx context.Context, s engine.Spoken, name string) (string, error) {
	if one, err := a.Engine.Broadcast(ctx, name); err == nil {
		return receiptsOf(one, a.zone(s), s.Direct), nil
	}
	run, err := a.visibleRun(ctx, s, name)
	if err != nil {
		return "", err
	}
	return a.broadcasts(ctx, run, s)
}

// visibleRun finds a run that may be spoken of here.
func (a *Answers) visibleRun(ctx context.Context, s engine.Spoken, name string) (string, error) {
	run, err := a.Engine.ResolveHere(ctx, s, name)
	if err != nil {
		return "", err
	}
	state, _, err := a.Engine.RunState(ctx, run)
	if state == nil {
		return "", err
	}
	if state.Private && !s.Direct {
		return "", errs.E("talk.answer", errs.Denied, fmt.Errorf("that is not spoken of where others read")).
			Hint("ask in a direct message, or with slipway on the command line")
	}
	return run, nil
}

// broadcastsMost bounds how many messages one answer lists.
const broadcastsMost = 20

func (a *Answers) broadcasts(ctx context.Context, run string, s engine.Spoken) (string, error) {
	list, err := a.Engine.Broadcasts(ctx, run, broadcastsMost)
	if err != nil {
		return "", err
	}
	if len(list) == 0 {
		return "nothing was told", nil
	}
	var parts []string
	for _, one := range list {
		parts = append(parts, receiptsOf(one, a.zone(s), s.Direct))
	}
	return strings.Join(parts, "\n"), nil
}

// zone is where the one who asks is, as far as the directory knows.
func (a *Answers) zone(s engine.Spoken) *time.Location {
	p, _ := a.Engine.World().Directory.Person(s.Person)
	return a.Engine.Location(p.Zone)
}

func receiptsOf(b engine.Broadcast, zone *time.Location, alone bool) string {
	n := b.News
	text := fmt.Sprintf("%s %q (%s, %s), %s", n.Key, n.Title, n.Kind, n.Severity, subscription.Local(n.At, zone))
	for _, c := range b.Corrections {
		text += fmt.Sprintf("\n  corrected by %s on %s: %s", c.By, subscription.Local(c.At, zone), c.Text)
	}
	for _, r := range b.Receipts {
		text += "\n• " + receiver(r.To, alone) + ": " + r.State
		if !r.At.IsZero() {
			at := subscription.Local(r.At, zone)
			if r.State == "waits" {
				at = "until " + at
			}
			text += " " + at
		}
		if r.Together > 1 {
			text += fmt.Sprintf(", with %d others", r.Together-1)
		}
		if r.Message != "" {
			text += ", " + r.Message
		}
		if len(b.Corrections) > 0 && r.State == "sent" {
			text += fmt.Sprintf(", %d of %d corrections", r.Corrected, len(b.Corrections))
		}
		if r.Why != "" {
			text += ": " + r.Why
		}
	}
	if len(b.Receipts) == 0 {
		text += "\n• nobody"
	}
	return clip2(text)
}

// clip2 bounds one part of an answer; its lines stay.
func clip2(text string) string {
	r := []rune(text)
	if len(r) <= 3000 {
		return text
	}
	return string(r[:2999]) + "…"
}

// preview shows what the steps of a run would tell, and to whom.
func (a *Answers) preview(ctx context.Context, s engine.Spoken, name string) (string, error) {
	run, err := a.visibleRun(ctx, s, name)
	if err != nil {
		return "", err
	}
	state, _, err := a.Engine.RunState(ctx, run)
	if state == nil {
		return "", err
	}
	list, err := a.Engine.StepsThatTell(ctx, run)
	if err != nil {
		return "", err
	}
	if len(list) == 0 {
		return state.Name + " tells nothing but its beginning, its end and what goes wrong, to those who chose that", nil
	}
	var b strings.Builder
	for _, one := range list {
		tense := "would tell"
		if one.Done {
			tense = "has told"
		}
		fmt.Fprintf(&b, "%s %s (%s, %s): %s\n", one.Step, tense, one.News.Kind, one.News.Severity, one.News.Title)
		if one.News.Text != "" {
			b.WriteString("  " + one.News.Text + "\n")
		}
		if state.Private {
			b.WriteString("• nobody: the run is private\n")
			continue
		}
		for _, p := range a.Engine.Preview(one.News, true) {
			b.WriteString("• " + planned(p, a.zone(s), a.Engine.World().Now, s.Direct) + "\n")
		}
	}
	return clip2(strings.TrimRight(b.String(), "\n")), nil
}

func planned(p engine.Reached, zone *time.Location, now time.Time, alone bool) string {
	when := "at once"
	if p.At.After(now) {
		when = "on " + subscription.Local(p.At, zone)
	}
	p.Subscription.To.Mail = masked(p.Subscription.To.Mail, alone)
	text := p.Subscription.To.String() + " " + when
	if p.Why != "" {
		text = p.Subscription.To.String() + " not: " + p.Why
	}
	return card.Clean(text)
}
