package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"slipway/bot/card"
	"slipway/bot/view"
	"slipway/integrations/console"
	"slipway/integrations/console/api"
	"slipway/integrations/console/client"
)

type showCmd struct {
	What string `arg:"" help:"A run (2019.01 or release/harbour/2019.01), or the id of a message."`
	inJSON
}

func (s *showCmd) Run(ctx context.Context, c *cli) error {
	if len(s.What) == 13 && strings.Trim(s.What, "0123456789") == "" {
		return reads(ctx, c, s.inJSON, client.Path("messages", s.What), nil, func(w io.Writer, shown console.Shown) error {
			printMessage(w, shown.Message)
			return nil
		})
	}
	return reads(ctx, c, s.inJSON, client.Path("runs", s.What), nil, func(w io.Writer, r view.Run) error {
		_, err := fmt.Fprintln(w, strings.TrimRight(card.Text(runCard(r), cardWidth()), "\n"))
		return err
	})
}

// runCard shows a run in a terminal.
func runCard(r view.Run) card.Card {
	c := card.Card{Key: "run", Title: r.Name, Status: r.Words, State: r.State}
	var facts []card.Field
	for _, in := range r.Inputs {
		if in.Text == "" {
			continue
		}
		facts = append(facts, card.Field{Name: in.Name, Value: in.Text})
	}
	if r.Requester != nil {
		facts = append(facts, card.Field{Name: "Asked for by", Value: r.Requester.Name})
	}
	facts = append(facts, card.Field{Name: "Began", Value: card.Moment(r.Began)})
	c.Blocks = append(c.Blocks, card.Block{Fields: facts})
	steps := card.Block{}
	for _, s := range r.Steps {
		steps.Steps = append(steps.Steps, card.Step{Name: s.Path, State: s.State, Detail: s.Words})
	}
	if len(steps.Steps) > 0 {
		c.Blocks = append(c.Blocks, steps)
	}
	waits := card.Block{Heading: "Waiting for"}
	for _, a := range r.Awaited {
		waits.Awaited = append(waits.Awaited, card.Awaited{Who: whoOf(a), What: a.What})
	}
	if len(waits.Awaited) > 0 {
		c.Blocks = append(c.Blocks, waits)
	}
	return c
}

// whoOf names the persons for whom something waits.
func whoOf(a view.Awaited) string {
	var names []string
	for _, p := range a.Persons {
		names = append(names, p.Name)
	}
	if len(names) == 0 {
		return "nobody"
	}
	return strings.Join(names, ", ")
}

type runsCmd struct {
	Words   []string `arg:"" optional:"" help:"Only runs with all of these words in the name, project, family or requester."`
	Project string   `help:"Only of this project." placeholder:"NAME"`
	Status  string   `help:"Only those that stand so, or ended so: live, held, done, aborted, failed, ..." placeholder:"WORD"`
	Limit   int      `help:"How many at most." default:"100"`
	inJSON
}

func (r *runsCmd) Run(ctx context.Context, c *cli) error {
	q := url.Values{"limit": {strconv.Itoa(r.Limit)}}
	for name, value := range map[string]string{"q": strings.Join(r.Words, " "), "project": r.Project, "status": r.Status} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return reads(ctx, c, r.inJSON, "/runs", q, func(w io.Writer, list view.RunList) error {
		if len(list.Runs) == 0 && len(q) == 1 {
			_, err := fmt.Fprintln(w, "no runs yet: slipway say 'release VERSION' starts one")
			return err
		}
		if len(list.Runs) == 0 {
			_, err := fmt.Fprintln(w, "no such runs")
			return err
		}
		slices.SortStableFunc(list.Runs, func(a, b view.Line) int { return cmp.Compare(behind(a), behind(b)) })
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "RUN\tSTATUS\tASKED FOR BY\tBEGAN")
		for _, one := range list.Runs {
			status, by := one.Status, ""
			if one.Outcome != "" {
				status = one.Outcome
			}
			if one.Requester != nil {
				by = string(one.Requester.ID)
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", one.Name, status, by, card.Moment(one.Began))
		}
		if list.Next != "" {
			fmt.Fprintln(t, "and more: name words, or a larger --limit")
		}
		return t.Flush()
	})
}

// behind puts runs that have ended behind the others.
func behind(l view.Line) int {
	if l.Outcome == "" {
		return 0
	}
	return 1
}

type mineCmd struct{ inJSON }

func (m *mineCmd) Run(ctx context.Context, c *cli) error {
	return reads(ctx, c, m.inJSON, "/mine", nil, func(w io.Writer, mine view.Mine) error {
		if len(mine.Waits) == 0 {
			fmt.Fprintln(w, "Nothing waits for you.")
		}
		for _, one := range mine.Waits {
			printAwaited(w, one.Run.Name, one.Awaited)
		}
		for i, run := range mine.Asked {
			if i == 0 {
				fmt.Fprintln(w, "\nYou asked for:")
			}
			fmt.Fprintf(w, "  %s: %s\n", run.Name, run.Words)
		}
		return nil
	})
}

// printAwaited says what waits, and what to type.
func printAwaited(w io.Writer, run string, a view.Awaited) {
	where := run
	if a.Step != "" {
		where += " " + a.Step
	}
	since := ""
	if a.Waits >= 60 {
		since = ", for " + span(time.Duration(a.Waits)*time.Second)
	}
	fmt.Fprintf(w, "%s: %s%s\n", where, plain(a.What), since)
	for _, do := range a.Actions {
		if a.Kind == "gate" && do.ID == "approve" {
			fmt.Fprintf(w, "    slipway approve %s %s\n", run, a.Step)
			continue
		}
		var more []string
		for _, f := range do.Fields {
			if !f.Required {
				continue
			}
			value := strings.ToUpper(f.Name)
			if f.Option {
				more = append(more, "--"+f.Name+" "+value)
			} else {
				more = append(more, f.Name+"="+value)
			}
		}
		fmt.Fprintf(w, "    slipway ask '%s'\n", strings.Join(append([]string{shortDigest(do.Command)}, more...), " "))
	}
}

// span is a time in its two largest units.
func span(d time.Duration) string {
	d = d.Round(time.Minute)
	days, hours, minutes := d/(24*time.Hour), d%(24*time.Hour)/time.Hour, d%time.Hour/time.Minute
	switch {
	case days > 0:
		return fmt.Sprintf("%dd %dh", days, hours)
	case hours > 0:
		return fmt.Sprintf("%dh %dm", hours, minutes)
	}
	return fmt.Sprintf("%dm", minutes)
}

// shortDigest is a command as one types it: digests with their first digits.
func shortDigest(command string) string {
	words := strings.Split(command, " ")
	for i, word := range words {
		if strings.HasPrefix(word, "sha256:") {
			words[i] = card.Short(word)
		}
	}
	return strings.Join(words, " ")
}

type whyCmd struct {
	Name string `arg:"" name:"run" help:"A run: 2019.01, release/harbour/2019.01, or its id."`
	Step string `arg:"" optional:"" help:"A step of it; the run as a whole if left out."`
	inJSON
}

func (y *whyCmd) Run(ctx context.Context, c *cli) error {
	q := url.Values{}
	if y.Step != "" {
		q.Set("step", y.Step)
	}
	return reads(ctx, c, y.inJSON, client.Path("runs", y.Name, "why"), q, func(w io.Writer, why api.Why) error {
		head := why.Run.Name
		if why.Step != "" {
			head += " " + why.Step
		}
		fmt.Fprintf(w, "%s: %s\n", head, plain(why.Words))
		for _, line := range why.Lines {
			fmt.Fprintln(w, indent(plain(line)))
		}
		for _, a := range why.Awaited {
			if a.Mine {
				fmt.Fprintln(w, "It waits for you:")
				printAwaited(w, why.Run.Name, a)
			}
		}
		return nil
	})
}

type whoCmd struct {
	Name string `arg:"" name:"run" optional:"" help:"A run; all that are under way if left out."`
	inJSON
}

func (o *whoCmd) Run(ctx context.Context, c *cli) error {
	if o.Name != "" {
		return reads(ctx, c, o.inJSON, client.Path("runs", o.Name, "who"), nil, printWho)
	}
	bot, err := c.client()
	if err != nil {
		return err
	}
	defer bot.Close()
	live, err := client.Get[view.RunList](ctx, bot, "/runs", url.Values{"which": {"live"}, "limit": {"100"}})
	if err != nil {
		return err
	}
	all := []api.Who{}
	for _, r := range live.Runs {
		who, err := client.Get[api.Who](ctx, bot, client.Path("runs", r.ID, "who"), nil)
		if err != nil {
			return err
		}
		all = append(all, who)
	}
	if o.JSON {
		return json.NewEncoder(os.Stdout).Encode(all)
	}
	if len(all) == 0 {
		fmt.Println("No run is under way.")
	}
	for _, who := range all {
		if err := printWho(os.Stdout, who); err != nil {
			return err
		}
	}
	return nil
}

func printWho(w io.Writer, who api.Who) error {
	if len(who.Awaited) == 0 {
		_, err := fmt.Fprintf(w, "%s waits for nobody.\n", who.Run.Name)
		return err
	}
	fmt.Fprintln(w, who.Run.Name)
	for _, a := range who.Awaited {
		step := a.Step
		if step != "" {
			step += ": "
		}
		fmt.Fprintf(w, "    %s%s: %s\n", step, whoOf(a), plain(a.What))
	}
	return nil
}
