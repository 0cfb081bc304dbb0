// Command slipway is the bot and the tool of those who run it.
//
// `slipway serve` is the bot. The other commands talk to a running bot over its socket
// (ask, say, react, show, watch, runs), look at playbooks without one (playbook), check what is
// configured and on disk (check, doctor, fsck), or show the whole thing on this machine (demo).
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"slipway/bot/errs"
)

// cli is the command line, as kong reads it.
type cli struct {
	Config string `help:"Configuration file." default:"slipway.yaml" type:"path" env:"SLIPWAY_CONFIG"`
	Socket string `help:"Socket of the running bot; by default the one of the configuration." type:"path" env:"SLIPWAY_SOCKET"`
	As     string `help:"Act as this person; only a demo allows it." env:"SLIPWAY_AS"`

	Serve    serveCmd    `cmd:"" help:"Run the bot."`
	Demo     demoCmd     `cmd:"" help:"Show a whole release on this machine, without any account."`
	Say      sayCmd      `cmd:"" help:"Say something in a channel: slipway say 'release 2019.01'."`
	Ask      askCmd      `cmd:"" help:"Give a command of the chat and print the answer: slipway ask mine."`
	React    reactCmd    `cmd:"" help:"React to a message."`
	Show     showCmd     `cmd:"" help:"Show a message or a run."`
	Watch    watchCmd    `cmd:"" help:"Follow what is said."`
	Runs     runsCmd     `cmd:"" help:"List the runs."`
	Playbook playbookCmd `cmd:"" help:"Look at playbooks: list, show, check, rehearse."`
	Check    checkCmd    `cmd:"" help:"Check the configuration."`
	Doctor   doctorCmd   `cmd:"" help:"Look at the configuration and its surroundings, and say what to mend."`
	Fsck     fsckCmd     `cmd:"" help:"Check what is on disk against the events it was made from."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

// run is main without the exit, for tests. The exit codes are those of [errs.ExitCode].
func run(ctx context.Context, args []string) int {
	var c cli
	code := -1
	parser, err := kong.New(&c, kong.Name("slipway"), kong.UsageOnError(),
		kong.Description("Carries software out of the yard: durable releases with gates, from a typed line."),
		kong.Exit(func(n int) { code = n }), kong.BindTo(ctx, (*context.Context)(nil)))
	if err != nil {
		return report(err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if code >= 0 { // help was shown
		return code
	}
	if err != nil {
		var bad *kong.ParseError
		if errors.As(err, &bad) {
			return report(errs.E("slipway", errs.Invalid, err).Hint("slipway --help lists the commands"))
		}
		return report(err)
	}
	return report(k.Run(&c))
}

// report shows an error to the person and gives the exit code.
func report(err error) int {
	if err == nil || errors.Is(err, context.Canceled) {
		return 0
	}
	fmt.Fprintln(os.Stderr, "slipway: "+errs.Text(err))
	return errs.ExitCode(err)
}
