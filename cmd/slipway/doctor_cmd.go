package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/finding"
	"slipway/integrations/console/client"
)

type doctorCmd struct {
	Codes bool `help:"Say what every code means and what to do about it, and look at nothing."`
	Here  bool `help:"Look from this process alone, and do not ask the running bot."`
}

// Run looks at everything and says what it found. A running bot is asked, since it knows more; it
// looks again at everything for that. Nothing is changed, but for a file of a few kilobytes that is
// written to measure the disk and removed, and nothing is sent.
func (d *doctorCmd) Run(ctx context.Context, c *cli) error {
	if d.Codes {
		return tellCodes(os.Stdout)
	}
	conf, err := loadConfig(c.Config)
	if err != nil {
		fmt.Printf("%-8s%-24s%s\n", ill, "config.invalid", errs.Text(err))
		return errs.E("doctor", errs.KindOf(err), fmt.Errorf("the configuration is not valid")).Hint("mend it first; the rest depends on it")
	}
	fmt.Printf("%-8s%-24s%s is valid\n", "good", "config", c.Config)
	note := ""
	if !d.Here {
		r, err := askedBot(ctx, c)
		switch {
		case err == nil:
			fmt.Printf("%-8s%-24s%s\n", "good", "bot", "the bot runs; this is what it finds now")
			return tellReport(r)
		case errs.Is(err, errs.Unavailable):
			note = "no bot answers here"
		default:
			note = "the bot could not be asked (" + errs.Text(err) + ")"
		}
	}
	all, err := contracts()
	if err != nil {
		return err
	}
	p := &patient{conf: conf}
	if p.shelf, err = loadShelf(conf.Playbooks, all, false); err != nil {
		fmt.Printf("%-8s%-24s%s\n", ill, "playbook.unreadable", errs.Text(err))
		return errs.E("doctor", errs.KindOf(err), fmt.Errorf("the playbooks cannot be read")).Hint("mend them first; the rest depends on them")
	}
	r, err := finding.New(p.checks()...)
	if err != nil {
		return err
	}
	lookAll(ctx, r, time.Now)
	if note != "" {
		fmt.Printf("%-8s%-24s%s\n", "note", "bot", note+": runs, effects, deliveries and jobs were not looked at")
	}
	return tellReport(r.Report())
}

// askedBot asks the running bot to look at everything and tell.
func askedBot(ctx context.Context, c *cli) (finding.Report, error) {
	bot, err := c.client()
	if err != nil {
		return finding.Report{}, err
	}
	defer bot.Close()
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	bot.Tries = 1
	return client.Get[finding.Report](ctx, bot, "/findings", url.Values{"fresh": {"true"}})
}

// tellReport writes findings for people. The error counts them, if there are errors.
func tellReport(r finding.Report) error {
	for _, g := range r.Good {
		area, _, _ := strings.Cut(g.Code, ".")
		fmt.Printf("%-8s%-24s%s\n", "good", area, g.Good)
	}
	for _, f := range r.Findings {
		fmt.Printf("%-8s%-24s%s%s\n%32s%s\n", f.Severity, f.Code, f.What, age(f, time.Now()), "→ ", f.Fix)
	}
	if n := r.Count(ill); n > 0 {
		return errs.E("doctor", errs.Failed, errors.New(countedFindings(r))).Hint("slipway doctor --codes says more of each")
	}
	fmt.Printf("no errors, %d warnings\n", r.Count(warning))
	return nil
}

// age says since when something is found, and when it was looked for last if that is a while ago.
func age(f finding.Finding, now time.Time) string {
	var said []string
	if now.Sub(f.Since) > time.Minute {
		said = append(said, "since "+card.Moment(f.Since))
	}
	if ago := now.Sub(f.Checked); !f.Checked.IsZero() && ago >= time.Minute { // zero: from an older bot
		said = append(said, "checked "+counted(int(ago.Minutes()), "minute", "minutes")+" ago")
	}
	if len(said) == 0 {
		return ""
	}
	return " (" + strings.Join(said, ", ") + ")"
}

func countedFindings(r finding.Report) string {
	return fmt.Sprintf("%d errors and %d warnings", r.Count(ill), r.Count(warning))
}
