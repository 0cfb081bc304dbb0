package view

import (
	"fmt"
	"strings"

	"slipway/bot/card"
	"slipway/bot/gate"
	"slipway/bot/run"
)

// The weights of events.
const (
	key   = "key"
	plain = "plain"
	fine  = "fine"
)

// say tells an event in words, how much it weighs, and through which message it came.
func (r *Reader) say(v seen, ev run.Event) (words, weight, message string) {
	who := func(id personID) string { return name(v.world, id) }
	f := fmt.Sprintf
	switch b := ev.Body.(type) {
	case run.Started:
		if b.Start.Requester == "" {
			return f("%s began by itself (%s)", b.Name, b.Start.Via), key, ""
		}
		return f("%s asked for %s", who(b.Start.Requester), b.Name), key, ""
	case run.StepStarted:
		if b.Attempt > 1 {
			return f("%s begins, attempt %d", b.Step, b.Attempt), plain, ""
		}
		return b.Step + " begins", plain, ""
	case run.StepDone:
		switch {
		case b.Adopted:
			return b.Step + " was found already done outside of this run", key, ""
		case b.Reused:
			return b.Step + " keeps its earlier result: nothing it uses has changed", plain, ""
		}
		if b.Told != nil {
			return b.Step + " is done: " + b.Told.String(), plain, ""
		}
		return b.Step + " is done", plain, ""
	case run.StepFailed:
		words = f("%s failed: %s", b.Step, b.Message)
		if b.Told != nil {
			words += " (" + b.Told.String() + ")"
		}
		if !b.RetryAt.IsZero() {
			words += "; it is tried again at " + card.Moment(b.RetryAt)
		}
		return words, key, ""
	case run.StepSkipped:
		return f("%s is left out: %s", b.Step, b.Why), plain, ""
	case run.StepStuck:
		return f("%s is stuck: %s", b.Step, b.Why), key, ""
	case run.StepWaits:
		if b.On == "" && b.Why == "" {
			return b.Step + " goes on", fine, ""
		}
		return f("%s waits: %s", b.Step, orElse(b.Why, b.On)), plain, ""
	case run.StepStale:
		return f("%s is to be done again: %s", b.Step, b.Because), plain, ""
	case run.StepWithdrawn:
		return f("%s is withdrawn: %s", b.Step, b.Why), plain, ""
	case run.GateOpened:
		return f("%s asks for approval of manifest %s", b.Step, card.Short(string(b.Digest))), key, ""
	case run.GateVoided:
		return f("the approvals of %s are void: %s", b.Step, b.Why), key, ""
	case run.Voted:
		return votes(v, b)
	case run.Withdrawn:
		return f("%s takes back %s", who(b.Person), kindWords(b.Kind)) + colon(b.Reason), key, ""
	case run.GateClosing:
		return f("the answers to %s are read again before it closes, with roles and accounts", b.Step), fine, ""
	case run.GateClosed:
		if b.Approved {
			return b.Step + " is approved: " + strings.Join(b.Verdict.Explain(), "; "), key, ""
		}
		return b.Step + " is rejected: " + strings.Join(b.Verdict.Explain(), "; "), key, ""
	case run.GateReopened:
		return f("%s is open again: %s", b.Step, b.Why), key, ""
	case run.Answered:
		words = f("%s answered %s", who(ev.By), b.Step)
		if b.Member != "" {
			words += " for " + b.Member
		}
		if b.For != "" {
			words += ", on behalf of " + who(b.For)
		}
		if b.Late {
			words += ", late"
		}
		return words, key, ""
	}
	return r.sayMore(v, ev)
}

// sayMore tells the rest: what was done with the run, and the details behind its steps.
func (r *Reader) sayMore(v seen, ev run.Event) (words, weight, message string) {
	who := func(id personID) string { return name(v.world, id) }
	f := fmt.Sprintf
	switch b := ev.Body.(type) {
	case run.Appointed:
		if len(b.Persons) == 0 {
			return f("nobody is %s any more", b.Role), key, ""
		}
		names := make([]string, len(b.Persons))
		for i, id := range b.Persons {
			names[i] = who(id)
		}
		return f("%s is now %s", strings.Join(names, ", "), b.Role), key, ""
	case run.HandedOver:
		return f("handed over to %s", who(b.To)) + colon(b.Reason), key, ""
	case run.Renamed:
		return "renamed to " + b.Name, key, ""
	case run.InputsChanged:
		return "inputs changed: " + strings.Join(sortedKeys(b.Inputs), ", "), key, ""
	case run.Held:
		return f("%s holds it", who(ev.By)) + colon(b.Reason), key, ""
	case run.Resumed:
		return f("%s lets it go on", who(ev.By)), key, ""
	case run.Aborting:
		return f("%s aborts it", who(ev.By)) + colon(b.Reason), key, ""
	case run.UndoPlanned:
		return f("what it did is listed: %s to undo or to leave", count(len(b.Items), "thing", "things")), key, ""
	case run.UndoConfirmed:
		if b.Rest {
			return f("%s says what is undone; the rest stays", who(ev.By)), key, ""
		}
		return f("%s lets %s be undone", who(ev.By), count(len(b.Keys), "thing", "things")), key, ""
	case run.Undone:
		return "what " + b.Step + " did is undone", key, ""
	case run.Again:
		return f("%s has %s done again", who(ev.By), b.Step), key, ""
	case run.EffectIntended:
		return f("%s: %s is to be done%s", b.Step, b.Action, purpose(b.For)), fine, ""
	case run.EffectEnded:
		if b.Outcome == run.Doubtful {
			return f("nobody can tell whether %s happened", b.Step) + colon(b.Message), key, ""
		}
		return f("%s: its effect ended: %s", b.Step, b.Outcome) + colon(b.Message), fine, ""
	case run.EffectVoided:
		return f("an intent of %s is withdrawn: %s", b.Step, b.Why), fine, ""
	case run.TimerSet:
		return f("%s is due at %s", b.ID, card.Moment(b.Due)), fine, ""
	case run.LockTaken:
		return "it has the lock " + b.Lock, plain, ""
	case run.LockQueued:
		return "it waits for the lock " + b.Lock, plain, ""
	case run.LockReleased:
		return "it gives the lock " + b.Lock + " back" + colon(b.Why), plain, ""
	case run.Listed:
		return f("%s has %s", b.Step, count(len(b.Keys), "element", "elements")), plain, ""
	case run.ChildWanted:
		return f("%s starts a run", b.Step), plain, ""
	case run.ChildEnded:
		return f("the run that %s started has ended: %s", b.Step, b.Outcome), plain, ""
	case run.OfferClosed:
		return b.Step + " is closed", key, ""
	case run.GuardBroken:
		return f("%s moved from %v to %v", b.Guard, b.Was, b.Is), key, ""
	case run.Migrated:
		return "moved to another playbook" + colon(b.What), key, ""
	case run.Adopting:
		return "it looks for what was done outside of it", key, ""
	case run.AdoptEnded:
		return "it has looked for what was done outside of it", plain, ""
	case run.Opened:
		return f("%s ends its privacy", who(ev.By)), key, ""
	case run.Finished:
		return "it has ended: " + b.Outcome, key, ""
	}
	return "", fine, ""
}

// votes says who voted what.
func votes(v seen, b run.Voted) (words, weight, message string) {
	if len(b.Votes) == 0 {
		return "nobody has a word on " + b.Step + " through that message any more", plain, b.Message
	}
	var parts []string
	for _, vote := range b.Votes {
		who := name(v.world, vote.Person)
		if vote.Person == "" {
			who = "the unknown account " + vote.Account.String()
		}
		text := who + " " + voted(vote.Kind) + " " + b.Step
		if b.Message != "" {
			text += " by a reaction"
		}
		parts = append(parts, text+colon(vote.Reason))
		if message == "" {
			message = vote.Message
		}
	}
	return strings.Join(parts, "; "), key, orElse(b.Message, message)
}

func voted(k gate.VoteKind) string {
	switch k {
	case gate.Approve:
		return "approves"
	case gate.Reject:
		return "rejects"
	}
	return "vetoes"
}

func kindWords(k gate.VoteKind) string {
	switch k {
	case gate.Reject:
		return "a rejection"
	case gate.Veto:
		return "a veto"
	}
	return "an approval"
}

// purpose says what an effect is for, where it is not the step's own.
func purpose(p run.Purpose) string {
	if p == run.ForStep {
		return ""
	}
	return " (" + strings.ReplaceAll(string(p), "_", " ") + ")"
}

func colon(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}
