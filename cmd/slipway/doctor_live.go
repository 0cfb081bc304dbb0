package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/errs"
)

// Limits of what may wait.
const (
	queueMost  = 5 * time.Minute  // age of a delivery that is not decoded
	outboxMost = 30 * time.Minute // after the time of an effect
	jobMost    = 2 * time.Hour    // that a job lies there and nobody takes it
	turnMost   = 5 * time.Minute  // since a loop last looked for work
	toldMost   = 20               // stuck runs that are told one by one
)

// liveAilments are those that only a running bot can tell. No private run is named.
func liveAilments() []ailment {
	return append([]ailment{
		{"engine.stopped", ill, "the engine works", stoppedEngine},
		{"engine.hangs", ill, "every loop of the engine turns", hangingLoops},
		{"effects.paused", warning, "effects are done", pausedEffects},
		{"inbox.behind", ill, "what comes in is read at once", behindInbox},
		{"outbox.behind", warning, "what is to be done is done in time", behindOutbox},
		{"job.untaken", warning, "somebody takes the jobs", untakenJobs},
		{"run.stuck", warning, "no run is stuck", troubled(false)},
		{"effect.doubtful", warning, "no effect is doubtful", troubled(true)},
		{"run.misfit", ill, "every live run can go on with this program", misfits},
		{"heads.waiting", warning, "no head of a log waits for the log key", waitingHeads},
		{"gate.absent", warning, "every open gate can pass with those who are there", absentGates},
		{"backup.failed", ill, "the last backup was made", failedBackup},
	}, slices.Concat(liveGitLabAilments(), liveSlackAilments())...)
}

func stoppedEngine(_ context.Context, p *patient) []symptom {
	return stoppedBecause(p.bot.engine.Stopped())
}

func stoppedBecause(err error) []symptom {
	if err == nil {
		return nil
	}
	return []symptom{{"the engine has stopped: " + errs.Cause(err), errs.HintOf(err)}}
}

func hangingLoops(_ context.Context, p *patient) []symptom {
	return hanging(p.bot.engine.Turned(), time.Now())
}

// hanging finds loops that have not looked for work for too long. The loop of the effects waits
// for a free worker and may be late by its nature: the outbox tells of that.
func hanging(turned map[string]time.Time, now time.Time) (out []symptom) {
	for _, loop := range sortedKeys(turned) {
		if age := now.Sub(turned[loop]); loop != "effects" && !turned[loop].IsZero() && age > turnMost {
			out = append(out, symptom{fmt.Sprintf("the loop %s has not turned since %s", loop, card.Moment(turned[loop])), ""})
		}
	}
	return out
}

func pausedEffects(_ context.Context, p *patient) []symptom {
	by, why, since, ok := p.bot.engine.PausedSince()
	if !ok {
		return nil
	}
	who := string(by)
	if who == "" {
		who = "Slipway itself"
	}
	return []symptom{{fmt.Sprintf("effects are paused since %s by %s: %s", card.Moment(since), who, why), ""}}
}

func behindInbox(ctx context.Context, p *patient) []symptom {
	l, err := p.bot.engine.Load(ctx)
	if err != nil {
		return unread(err)
	}
	return lateQueue(l, time.Now())
}

func lateQueue(l engine.Load, now time.Time) []symptom {
	if l.Oldest.IsZero() || now.Sub(l.Oldest) < queueMost {
		return nil
	}
	return []symptom{{fmt.Sprintf("%s not read yet, the oldest since %s", counted(l.Queue, "delivery is", "deliveries are"), card.Moment(l.Oldest)), ""}}
}

func behindOutbox(ctx context.Context, p *patient) []symptom {
	if _, _, paused := p.bot.engine.Paused(); paused {
		return nil // effects.paused says why
	}
	l, err := p.bot.engine.Load(ctx)
	if err != nil {
		return unread(err)
	}
	return lateOutbox(l, time.Now())
}

func lateOutbox(l engine.Load, now time.Time) []symptom {
	o := l.Longest
	if o.Since.IsZero() || now.Sub(o.Since) < outboxMost {
		return nil
	}
	of := ""
	switch {
	case o.Private:
		of = " of a private run"
	case o.Run != "":
		of = " of " + o.Run
	}
	what := fmt.Sprintf("%s%s should have been done since %s", o.Action, of, card.Moment(o.Since))
	if o.Last != "" && !o.Private {
		what += "; the last try: " + o.Last
	}
	return []symptom{{what, ""}}
}

func untakenJobs(ctx context.Context, p *patient) []symptom {
	l, err := p.bot.engine.Load(ctx)
	if err != nil {
		return unread(err)
	}
	return lateJobs(l, time.Now())
}

func lateJobs(l engine.Load, now time.Time) (out []symptom) {
	for _, kind := range sortedKeys(l.Jobs) {
		if idle := l.Jobs[kind]; now.Sub(idle.Oldest) > jobMost {
			out = append(out, symptom{fmt.Sprintf("%s of the kind %s for somebody to take them, the oldest since %s",
				counted(idle.Count, "job waits", "jobs wait"), kind, card.Moment(idle.Oldest)), ""})
		}
	}
	return out
}

// troubled finds the steps of live runs that need a person.
func troubled(doubt bool) func(context.Context, *patient) []symptom {
	return func(ctx context.Context, p *patient) []symptom {
		all, _, err := p.bot.engine.Troubles(ctx)
		if err != nil {
			return unread(err)
		}
		return troubles(all, doubt)
	}
}

func troubles(all []engine.Trouble, doubt bool) (out []symptom) {
	private := 0
	var named []engine.Trouble
	for _, t := range all {
		switch {
		case t.Doubt != doubt:
		case t.Private:
			private++
		default:
			named = append(named, t)
		}
	}
	for i, t := range named {
		if i == toldMost {
			out = append(out, symptom{fmt.Sprintf("and %d more", len(named)-toldMost), ""})
			break
		}
		if doubt {
			out = append(out, symptom{fmt.Sprintf("nobody can tell whether %s of %s happened, since %s", t.Step, t.Run, card.Moment(t.Since)),
				fmt.Sprintf("look, and say: doubt %s %s happened, redo or failed", t.Run, t.Step)})
		} else {
			out = append(out, symptom{fmt.Sprintf("%s of %s is stuck since %s", t.Step, t.Run, card.Moment(t.Since)), "slipway why " + t.Run})
		}
	}
	switch {
	case private > 0 && doubt:
		out = append(out, symptom{counted(private, "effect of private runs is", "effects of private runs are") + " doubtful", "their circles know which"})
	case private > 0:
		out = append(out, symptom{counted(private, "step of private runs is", "steps of private runs are") + " stuck", "their circles know which"})
	}
	return out
}

func misfits(_ context.Context, p *patient) []symptom { return misfitting(p.bot.engine.Misfits()) }

// misfitting tells of playbooks by their digests.
func misfitting(found map[string]string) (out []symptom) {
	for _, digest := range sortedKeys(found) {
		out = append(out, symptom{fmt.Sprintf("the playbook %s, with which live runs began, does not fit this program: %s", card.Short(digest), found[digest]), ""})
	}
	return out
}

func failedBackup(_ context.Context, p *patient) []symptom {
	return badBackup(p.bot.backups.standing())
}

func badBackup(s backupStatus) []symptom {
	if s.Error != "" && !s.Running {
		return []symptom{{"the last backup failed: " + s.Error, ""}}
	}
	return nil
}

// unread is the symptom of a store that does not answer.
func unread(err error) []symptom {
	return []symptom{{"the records cannot be read: " + errs.Cause(err), "slipway doctor says more of the disk; slipway fsck checks it when the bot is stopped"}}
}
