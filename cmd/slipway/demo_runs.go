package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"slipway/bot/engine"
	flow "slipway/bot/run"
	"slipway/integrations/aptrepo"
)

// history is what was done in the demo, oldest first.
type history struct {
	released  []string // versions
	withdrawn []string // versions as apt shows them
	more      int      // runs that may have changed something and are neither
}

// text lists what was done.
func (h history) text() string {
	var all []string
	for _, v := range h.released {
		all = append(all, "release "+v)
	}
	for _, v := range h.withdrawn {
		all = append(all, "undo "+v)
	}
	if h.more > 0 {
		all = append(all, fmt.Sprintf("%d that did not end so, which nothing is proved of", h.more))
	}
	return strings.Join(all, ", ")
}

// shortName is how a run of the project is named in commands.
func shortName(project, run string) string { return strings.TrimPrefix(run, "release/"+project+"/") }

// history reads the runs. The bot must not be running.
func (y *yard) history(ctx context.Context) (history, error) {
	conf, err := loadConfig(y.config)
	if err != nil {
		return history{}, err
	}
	b, err := build(ctx, conf, quiet(), nil)
	if err != nil {
		return history{}, err
	}
	defer b.close()
	var all []engine.Listed
	for _, past := range []bool{false, true} {
		found, err := b.engine.Runs(ctx, engine.Filter{Person: demoManager, Past: past, Limit: 10_000})
		if err != nil {
			return history{}, err
		}
		all = append(all, found...)
	}
	slices.SortFunc(all, func(x, y engine.Listed) int { return x.Began.Compare(y.Began) })
	return historyOf(y.project, all), nil
}

func historyOf(project string, runs []engine.Listed) history {
	var h history
	for _, r := range runs {
		name := shortName(project, r.Name)
		bad, undo := strings.CutPrefix(name, "undo-")
		_, other := schemeOf(name, false)
		switch {
		case r.Status != string(flow.RunEnded) || r.Outcome != "done" || !undo && other != nil:
			h.more++
		case undo && !strings.Contains(bad, "-"):
			h.withdrawn = append(h.withdrawn, bad+"-1")
		case undo:
			h.withdrawn = append(h.withdrawn, bad)
		default:
			h.released = append(h.released, name)
		}
	}
	return h
}

// published is the version that clients must be offered now, "" for none: the last release where
// there were only releases, else what the archive itself says, which must not be what was withdrawn.
func (y *yard) published(h history) (string, error) {
	if len(h.withdrawn) == 0 && h.more == 0 && len(h.released) > 0 {
		return h.released[len(h.released)-1] + "-1", nil
	}
	conf, err := loadConfig(y.config)
	if err != nil {
		return "", err
	}
	c := conf.Archives["yard"]
	archive, err := aptrepo.Open(c.Root, aptrepo.Options{}, c.Suites...)
	if err != nil {
		return "", err
	}
	built, err := archive.Built(demoSuite, "", y.project)
	if err != nil || len(built) == 0 {
		return "", err
	}
	is, stands := built[0].Version, ""
	for _, v := range h.released {
		if !slices.Contains(h.withdrawn, v+"-1") {
			stands = v + "-1"
		}
	}
	switch {
	case slices.Contains(h.withdrawn, is):
		err = fmt.Errorf("%s was withdrawn, and the archive has it", is)
	case h.more == 0 && is != stands && !strings.Contains(is, "+really"):
		err = fmt.Errorf("the archive has %s; of what was released %q stands", is, stands)
	}
	return is, err
}

// told checks that all that was done was announced: one mail and one broadcast for each. With alone
// there may be no other mail at all.
func (y *yard) told(h history, alone bool, add func(what, how string, err error)) {
	mails, err := y.subjects()
	titles, unread := y.titles()
	check := func(what, where, want string, n int, all []string, err error) {
		if err == nil {
			if found := count(all, want); found != n {
				err = fmt.Errorf("it is there %d times", found)
			}
		}
		times := ""
		if n > 1 {
			times = fmt.Sprintf(", for each of %d times", n)
		}
		add("exactly one "+what+": "+want+times, where, err)
	}
	for _, version := range h.released {
		check("announcement was sent", y.mailbox, y.project+" "+version+" released", 1, mails, err)
		check("broadcast was posted", "#"+demoChannel, y.project+" "+version+" is released", 1, titles, unread)
	}
	for i, version := range h.withdrawn {
		if slices.Contains(h.withdrawn[:i], version) {
			continue
		}
		want, n := y.project+" "+version+" is withdrawn", count(h.withdrawn, version)
		check("correction was sent", y.mailbox, want, n, mails, err)
		check("broadcast was posted", "#"+demoChannel, want, n, titles, unread)
	}
	if done := len(h.released) + len(h.withdrawn); alone || h.more == 0 {
		if err == nil && len(mails) != done {
			err = fmt.Errorf("there are %d: %s", len(mails), strings.Join(mails, "; "))
		}
		add(fmt.Sprintf("no other mail was sent (%d in all)", done), y.mailbox, err)
	}
}

func count(all []string, want string) (n int) {
	for _, s := range all {
		if s == want {
			n++
		}
	}
	return n
}

// alone complains if anything but the one release was done.
func (y *yard) alone(h history) error {
	if len(h.released) != 1 || h.released[0] != y.version || len(h.withdrawn) > 0 || h.more > 0 {
		return errors.New("there is more, or another: " + strings.Join(append(h.released, h.withdrawn...), ", "))
	}
	return nil
}
