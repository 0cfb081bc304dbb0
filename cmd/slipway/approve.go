package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/manifest"
	"slipway/bot/view"
	"slipway/integrations/console/client"
)

type approveCmd struct {
	Name     string        `arg:"" name:"run" help:"A run: 2019.01, release/harbour/2019.01, or its id."`
	Gate     string        `arg:"" optional:"" help:"The gate; may be left out when only one is open."`
	Manifest string        `help:"Digest of the manifest that you looked at, or at least its first 12 digits; it is approved without a question, if the gate shows just that." placeholder:"DIGEST"`
	Yes      bool          `short:"y" help:"Approve what the gate shows now without a question."`
	Wait     time.Duration `help:"How long to wait for the answer." default:"30s"`
	inJSON
}

// Help is shown by `slipway approve --help`.
func (*approveCmd) Help() string {
	return `It shows every value that the approval covers, and asks. What is approved is exactly what was shown: if the gate shows something else by then, nothing is approved. The rule of the gate decides whether you count.

  slipway approve 2019.01 go                                         look, and answer y or n
  slipway approve 2019.01 go --manifest sha256:9f86d081884c7d65      in a script that knows what it approves
  slipway approve 2019.01 go --url https://slipway.harbour.example --token-file ~/.slipway-token`
}

func (a *approveCmd) Run(ctx context.Context, c *cli) error {
	bot, err := c.client()
	if err != nil {
		return err
	}
	defer bot.Close()
	run, gate, err := openGate(ctx, bot, a.Name, a.Gate)
	if err != nil {
		return err
	}
	if !a.JSON {
		printGate(os.Stdout, run, gate)
	}
	if err := a.sure(gate, os.Stdin, onTerminal(os.Stdin)); err != nil {
		return err
	}
	answer, err := bot.Decide(ctx, run.ID, gate.Step, "approve", gate.Digest, "", a.Wait)
	if err != nil {
		return err
	}
	return a.tell(answer, a.Wait)
}

// sure makes certain that the person means what the gate shows.
func (a *approveCmd) sure(g view.Gate, in io.Reader, asks bool) error {
	switch {
	case a.Manifest != "":
		return sameManifest(a.Manifest, g)
	case a.Yes:
		return nil
	case !asks || a.JSON:
		return errs.E("approve", errs.Invalid, errors.New("nobody can be asked whether to approve this")).
			Hint("name what is approved, --manifest %s, or write --yes for whatever the gate shows", g.Digest)
	}
	fmt.Print("Approve exactly this? [y/N] ")
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && line == "" {
		fmt.Println()
	}
	if word := strings.ToLower(strings.TrimSpace(line)); word != "y" && word != "yes" {
		return errs.E("approve", errs.Failed, errors.New("nothing was approved"))
	}
	return nil
}

// sameManifest holds the digest that somebody looked at against what the gate shows.
func sameManifest(seen string, g view.Gate) error {
	digits, whole := strings.TrimPrefix(seen, "sha256:"), strings.TrimPrefix(g.Digest, "sha256:")
	if strings.Trim(digits, "0123456789abcdef") != "" || len(digits) < 12 || len(digits) > 64 {
		return errs.E("approve", errs.Invalid, fmt.Errorf("%q is not the digest of a manifest", clipped(seen))).Hint("write sha256: and 64 digits, or at least 12 of them")
	}
	if !strings.HasPrefix(whole, digits) {
		return errs.E("approve", errs.Conflict, fmt.Errorf("the gate %s shows another manifest by now: %s", g.Step, g.Digest)).
			Hint("look at it with slipway approve, without --manifest")
	}
	return nil
}

type rejectCmd struct {
	Name string        `arg:"" name:"run" help:"A run: 2019.01, release/harbour/2019.01, or its id."`
	Gate string        `arg:"" optional:"" help:"The gate; may be left out when only one is open."`
	Why  string        `required:"" help:"The reason, in words; it is kept and shown." placeholder:"TEXT"`
	Wait time.Duration `help:"How long to wait for the answer." default:"30s"`
	inJSON
}

func (r *rejectCmd) Run(ctx context.Context, c *cli) error {
	bot, err := c.client()
	if err != nil {
		return err
	}
	defer bot.Close()
	run, gate, err := openGate(ctx, bot, r.Name, r.Gate)
	if err != nil {
		return err
	}
	answer, err := bot.Decide(ctx, run.ID, gate.Step, "reject", gate.Digest, r.Why, r.Wait)
	if err != nil {
		return err
	}
	return r.tell(answer, r.Wait)
}

// openGate finds the gate that is named or, where none is, the only one that is open.
func openGate(ctx context.Context, bot *client.Client, name, step string) (view.Run, view.Gate, error) {
	run, err := client.Get[view.Run](ctx, bot, client.Path("runs", name), nil)
	if err != nil {
		return view.Run{}, view.Gate{}, err
	}
	var open []string
	for _, a := range run.Awaited {
		if a.Kind == "gate" && a.Manifest != "" && !slices.Contains(open, a.Step) {
			open = append(open, a.Step)
		}
	}
	switch {
	case step == "" && len(open) == 1:
		step = open[0]
	case step == "" && len(open) == 0:
		return view.Run{}, view.Gate{}, errs.E("approve", errs.Conflict, fmt.Errorf("no gate of %s is open now", run.Name)).Hint("slipway who %s says what it waits for", name)
	case step == "":
		return view.Run{}, view.Gate{}, errs.E("approve", errs.Invalid, fmt.Errorf("several gates of %s are open", run.Name)).Hint("say which: %s", strings.Join(open, ", "))
	}
	gate, err := client.Get[view.Gate](ctx, bot, client.Path("runs", run.ID, "gates", step), nil)
	if err == nil && gate.State != "open" && gate.State != "closing" {
		err = errs.E("approve", errs.Conflict, fmt.Errorf("the gate %s of %s is %s", step, run.Name, gate.State)).Hint("slipway why %s %s says more", name, step)
	}
	return run, gate, err
}

// shownLines is how much of one value is shown in a terminal.
const shownLines = 40

// printGate shows what an approval would cover.
func printGate(w io.Writer, run view.Run, g view.Gate) {
	fmt.Fprintf(w, "%s: gate %s\n", run.Name, g.Step)
	if g.Say != "" {
		fmt.Fprintln(w, indent(plain(g.Say)))
	}
	fmt.Fprintf(w, "  rule      %s\n  manifest  %s\n", g.Rule, g.Digest)
	if !g.Expires.IsZero() {
		fmt.Fprintf(w, "  expires   %s\n", card.Moment(g.Expires))
	}
	fmt.Fprintln(w, "It covers:")
	for _, b := range g.Bound {
		printValue(w, manifest.Label(b.Name), b.Text, b.Cut)
		for _, v := range b.Behind {
			printValue(w, "  "+manifest.Label(v.Name), v.Text, v.Cut)
		}
	}
	if g.Changed != nil {
		fmt.Fprintf(w, "You approved another one at %s. Since then:\n", card.Moment(g.Changed.Approved))
		for _, d := range g.Changed.Lines {
			fmt.Fprintf(w, "  %s is %s\n", plain(manifest.Label(d.Name)), d.Kind)
		}
	}
	for _, line := range g.Lines {
		fmt.Fprintln(w, "  "+plain(line))
	}
}

func printValue(w io.Writer, name, text string, cut bool) {
	lines := strings.Split(strings.TrimRight(plain(text), "\n"), "\n")
	if len(lines) == 1 && len(lines[0]) <= 100 && !cut {
		fmt.Fprintf(w, "  %s: %s\n", plain(name), lines[0])
		return
	}
	fmt.Fprintf(w, "  %s:\n", plain(name))
	for i, line := range lines {
		if i == shownLines {
			cut = true
			break
		}
		fmt.Fprintln(w, "      "+line)
	}
	if cut {
		fmt.Fprintln(w, "      … it is longer: its page in the console shows it whole")
	}
}

type logCmd struct {
	Name   string `arg:"" name:"run" help:"A run: 2019.01, release/harbour/2019.01, or its id."`
	Step   string `arg:"" help:"A step of it."`
	Output string `help:"Print this output of the step, and nothing else." placeholder:"NAME"`
	inJSON
}

func (l *logCmd) Run(ctx context.Context, c *cli) error {
	bot, err := c.client()
	if err != nil {
		return err
	}
	defer bot.Close()
	if l.Output != "" {
		return bot.Save(ctx, client.Call{Method: "GET", Path: client.Path("runs", l.Name, "steps", l.Step, "outputs", l.Output)}, os.Stdout)
	}
	raw, err := client.Get[json.RawMessage](ctx, bot, client.Path("runs", l.Name, "steps", l.Step), nil)
	if err != nil {
		return err
	}
	var step view.StepPage
	return l.print(raw, &step, func(w io.Writer) error { return printStep(ctx, w, bot, step) })
}

// printStep tells what a step did. An output called log is shown whole.
func printStep(ctx context.Context, w io.Writer, bot *client.Client, s view.StepPage) error {
	fmt.Fprintf(w, "%s %s: %s\n", s.Step.Path, s.Status, plain(s.Title))
	for _, line := range s.Lines {
		fmt.Fprintln(w, indent(plain(line)))
	}
	for _, a := range slices.Backward(s.Attempts) {
		line := fmt.Sprintf("attempt %d began %s", a.Number, card.Moment(a.Began))
		if a.Outcome != "" {
			line += fmt.Sprintf(" and was %s after %s", a.Outcome, time.Duration(a.Took)*time.Second)
		}
		if a.Message != "" {
			line += ": " + plain(a.Message)
		}
		fmt.Fprintln(w, line)
	}
	for _, f := range s.Effects {
		if f.Last != "" {
			fmt.Fprintf(w, "%s, tried %d times: %s\n", f.Action, f.Attempts, plain(f.Last))
		}
	}
	for _, o := range s.Outputs {
		if o.Name != "log" {
			printValue(w, o.Name, o.Text, o.Cut)
			continue
		}
		var whole strings.Builder
		if err := bot.Save(ctx, client.Call{Method: "GET", Path: client.Path("runs", s.Run.ID, "steps", s.Step.Path, "outputs", o.Name)}, &whole); err != nil {
			return err
		}
		fmt.Fprintf(w, "  log:\n%s\n", indent(plain(whole.String())))
	}
	return nil
}
