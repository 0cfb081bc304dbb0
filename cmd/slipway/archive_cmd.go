package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
)

// archiveCmd is for those who look after an archive. It works on the folder itself: the bot may be
// running, since both take the lock of a suite while they work on it.
type archiveCmd struct {
	Archive string `help:"Which archive, when several are configured." placeholder:"NAME"`
	JSON    bool   `name:"json" help:"Print JSON, for programs."`

	List    archiveList    `cmd:"" help:"List the archives, their suites, and what waits for its signatures."`
	Show    archiveShow    `cmd:"" help:"Show what a suite offers."`
	History archiveHistory `cmd:"" help:"List what was published in a suite, the newest first."`
	Diff    archiveDiff    `cmd:"" help:"Compare two generations of a suite."`
	Check   archiveCheck   `cmd:"" help:"Check all that clients read: checksums, signatures, dates, packages."`
	Clean   archiveClean   `cmd:"" help:"Remove what no client can ask for any more."`
	Drop    archiveDrop    `cmd:"" help:"Remove a generation that waits for its signatures."`
	Stage   archiveStage   `cmd:"" help:"Make the next state of suites by hand, which nobody reads before it is signed."`
	Keyring archiveKeyring `cmd:"" help:"Make the package that gives the archive's keys to its clients."`
}

// opened is an archive of the configuration.
type opened struct {
	name string
	conf archiveConfig
	aptrepo.Configured
}

// archive opens the one that is meant.
func (a *archiveCmd) archive(c *cli) (opened, error) {
	conf, err := loadConfig(c.Config)
	if err != nil {
		return opened{}, err
	}
	all, err := openArchives(conf, nil)
	if err != nil {
		return opened{}, err
	}
	names := sortedKeys(all)
	name := a.Archive
	switch {
	case len(names) == 0:
		return opened{}, errs.E("archive", errs.NotFound, errors.New("no archive is configured")).Hint("add one under archives: of %s", c.Config)
	case name == "" && len(names) > 1:
		return opened{}, errs.E("archive", errs.Invalid, errors.New("there are several archives")).Hint("choose one with --archive: %s", strings.Join(names, ", "))
	case name == "":
		name = names[0]
	}
	got, ok := all[name]
	if !ok {
		e := errs.E("archive", errs.NotFound, fmt.Errorf("there is no archive %q", name))
		if near := errs.Nearest(name, names); near != "" {
			return opened{}, e.Hint("did you mean %s?", near)
		}
		return opened{}, e.Hint("there are: %s", strings.Join(names, ", "))
	}
	return opened{name, conf.Archives[name], got}, nil
}

// cannot says that an archive of this kind lacks something.
func (o opened) cannot(what, instead string) error {
	return errs.E("archive", errs.Invalid, fmt.Errorf("the archive %s is kept by another program: %s", o.name, what)).Hint("%s", instead)
}

// generation finds one by its name or the beginning of it; "" and "current" are what clients read,
// "previous" is what they read before.
func (o opened) generation(suite, text string) (aptrepo.Generation, error) {
	all, err := o.Place.Generations(suite)
	if err != nil {
		return aptrepo.Generation{}, err
	}
	at := func(id string) int {
		return slices.IndexFunc(all, func(g aptrepo.Generation) bool { return id != "" && g.ID == id })
	}
	now := slices.IndexFunc(all, func(g aptrepo.Generation) bool { return g.Current })
	var found []aptrepo.Generation
	switch {
	case (text == "" || text == "current" || text == "previous") && now < 0:
		return aptrepo.Generation{}, errs.E("archive", errs.NotFound, fmt.Errorf("suite %s was never published", suite)).Hint("name a generation: slipway archive history %s", suite)
	case text == "" || text == "current":
		return all[now], nil
	case text == "previous":
		if i := at(all[now].Parent); i >= 0 {
			return all[i], nil
		}
		return aptrepo.Generation{}, errs.E("archive", errs.NotFound, fmt.Errorf("suite %s remembers nothing from before %s", suite, all[now].ID)).Hint("history: of the suite in slipway.yaml says how many earlier publications stay")
	}
	for _, g := range all {
		if g.ID == text {
			return g, nil
		}
		if strings.HasPrefix(g.ID, text) {
			found = append(found, g)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return aptrepo.Generation{}, errs.E("archive", errs.NotFound, fmt.Errorf("suite %s has no generation %s", suite, text)).Hint("slipway archive history %s lists them", suite)
	}
	return aptrepo.Generation{}, errs.E("archive", errs.Invalid, fmt.Errorf("%d generations of %s begin with %s", len(found), suite, text)).Hint("write more of its name")
}

// printJSON prints a value for programs.
func printJSON(v any) error {
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(v)
}

// printTable prints rows in columns.
func printTable(rows [][]string) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(w, strings.TrimRight(strings.Join(r, "\t"), "\t"))
	}
	return w.Flush()
}

// moment is a time for programs, "" when there is none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// counted is a number with its noun.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

type archiveList struct{}

// suiteState is a suite of an archive, as list tells it.
type suiteState struct {
	Suite      string       `json:"suite"`
	Generation string       `json:"generation,omitempty"` // that clients read
	Published  string       `json:"published,omitempty"`
	Until      string       `json:"until,omitempty"`
	Entries    int          `json:"entries"` // of all indexes
	Waiting    []stagedLine `json:"waiting"`
}

// stagedLine is a generation that waits for its signatures.
type stagedLine struct {
	Generation string `json:"generation"`
	Date       string `json:"date"`
	Run        string `json:"run,omitempty"`
}

type archiveState struct {
	Archive string       `json:"archive"`
	Address string       `json:"address"`
	Root    string       `json:"root"`
	Suites  []suiteState `json:"suites"`
}

// Run lists all archives, or the one that is named.
func (l *archiveList) Run(ctx context.Context, c *cli) error {
	conf, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	states := []archiveState{}
	names := sortedKeys(conf.Archives)
	if c.Archive.Archive != "" || len(names) == 0 {
		one, err := c.Archive.archive(c)
		if err != nil {
			return err
		}
		names = []string{one.name}
	}
	for _, name := range names {
		which := archiveCmd{Archive: name}
		o, err := which.archive(c)
		if err != nil {
			return err
		}
		state, err := o.state(ctx)
		if err != nil {
			return err
		}
		states = append(states, state)
	}
	if c.Archive.JSON {
		return printJSON(states)
	}
	for _, a := range states {
		fmt.Printf("%s  %s  in %s\n", a.Archive, a.Address, a.Root)
		var rows [][]string
		for _, s := range a.Suites {
			row := []string{"  " + s.Suite, s.Generation, "never published"}
			if s.Generation != "" {
				row[2] = counted(s.Entries, "entry", "entries")
				if s.Until != "" {
					until, _ := time.Parse(time.RFC3339, s.Until)
					row[2] += ", valid until " + card.Moment(until)
				}
			}
			rows = append(rows, row)
			for _, w := range s.Waiting {
				rows = append(rows, []string{"", w.Generation, "waits for its signatures" + forRun(w.Run)})
			}
		}
		if err := printTable(rows); err != nil {
			return err
		}
	}
	return nil
}

func forRun(run string) string {
	if run == "" {
		return ""
	}
	return ", for run " + run
}

func (o opened) state(ctx context.Context) (archiveState, error) {
	out := archiveState{Archive: o.name, Address: o.Address, Root: o.conf.Root, Suites: []suiteState{}}
	for _, s := range o.Suites {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		all, err := o.Place.Generations(s.Name)
		if err != nil {
			return out, err
		}
		state := suiteState{Suite: s.Name, Waiting: []stagedLine{}}
		for _, g := range all {
			if g.Staged {
				state.Waiting = append(state.Waiting, stagedLine{g.ID, moment(g.Date), g.Run})
			}
			if g.Current {
				state.Generation, state.Published, state.Until = g.ID, moment(g.Published), moment(g.Until)
				for _, n := range g.Counts {
					state.Entries += n
				}
			}
		}
		out.Suites = append(out.Suites, state)
	}
	return out, nil
}
