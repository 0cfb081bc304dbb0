package main

import (
	"context"
	"fmt"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/logkey"
)

// evidenceAilments are what keeps runs from being proven. None of it keeps a release from ending.
func evidenceAilments() []ailment {
	return []ailment{
		{"logkey.none", warning, "a log key is configured, so runs can be proven", noLogKey},
		{"logkey.broken", warning, "the log key can sign", brokenLogKey},
	}
}

func noLogKey(_ context.Context, p *patient) []symptom {
	if p.conf.LogKey != "" {
		return nil
	}
	return []symptom{{"no log key is configured: what is done cannot be proven to others later", "slipway logkey new FILE, then evidence: {log_key_file: FILE} in slipway.yaml"}}
}

func brokenLogKey(_ context.Context, p *patient) []symptom {
	if p.conf.LogKey == "" {
		return nil
	}
	if _, err := logkey.Open(p.conf.LogKey); err != nil {
		return []symptom{{errs.Cause(err), errs.HintOf(err)}}
	}
	return nil
}

func waitingHeads(ctx context.Context, p *patient) []symptom {
	if p.conf.LogKey == "" {
		return nil
	}
	n, since, why, err := p.bot.engine.HeadTrouble(ctx)
	if err != nil {
		return unread(err)
	}
	return headsWait(n, since, why)
}

func headsWait(n int, since time.Time, why string) []symptom {
	if n == 0 {
		return nil
	}
	return []symptom{{fmt.Sprintf("%s since %s: %s", counted(n, "head of a log waits for the log key", "heads of logs wait for the log key"), since.UTC().Format("2006-01-02 15:04 MST"), why),
		"mend the log key; they are signed within a minute, and evidence says that it was late"}}
}
