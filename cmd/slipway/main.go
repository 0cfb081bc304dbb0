// Command slipway is the bot and the tool of those who run it.
//
// `slipway serve` is the bot. The other commands talk to a running bot over its socket
// (ask, say, react, show, watch, runs), look at playbooks without one (playbook), check what is
// configured and on disk (check, doctor, fsck), look after archives (archive), or show the whole
// thing on this machine (demo).
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"slipway/bot/errs"
)

// cli is the command line, as kong reads it.
type cli struct {
	Config    string `help:"Configuration file, by default slipway.yaml." default:"slipway.yaml" placeholder:"FILE" type:"path" env:"SLIPWAY_CONFIG"`
	Socket    string `help:"Socket of the running bot, instead of the one in the configuration." placeholder:"FILE" type:"path" env:"SLIPWAY_SOCKET"`
	URL       string `name:"url" help:"Console of a bot elsewhere, such as https://slipway.harbour.example, instead of the socket." placeholder:"URL" env:"SLIPWAY_URL"`
	TokenFile string `help:"File with the token for --url; only you may read it." placeholder:"FILE" type:"path" env:"SLIPWAY_TOKEN_FILE"`
	As        string `help:"Act as this person; only a demo allows it." placeholder:"PERSON" env:"SLIPWAY_AS"`

	Serve    serveCmd    `cmd:"" help:"Run the bot until it is stopped."`
	Demo     demoCmd     `cmd:"" help:"Try a whole release on this machine, without any account."`
	Say      sayCmd      `cmd:"" help:"Say something in a channel and go on: slipway say release 2019.01"`
	Ask      askCmd      `cmd:"" help:"Give a command of the chat and print the answer: slipway ask mine"`
	React    reactCmd    `cmd:"" help:"React to a message, by default with approval."`
	Show     showCmd     `cmd:"" help:"Show a run, or a message."`
	Watch    watchCmd    `cmd:"" help:"Follow what is said, until interrupted."`
	Runs     runsCmd     `cmd:"" help:"List the runs, those under way first."`
	Console  consoleCmd  `cmd:"" help:"Print a link that logs a browser in as you, once."`
	Token    tokenCmd    `cmd:"" help:"Make, list and revoke tokens, with which programs use the API as you."`
	Mine     mineCmd     `cmd:"" help:"What waits for you."`
	Why      whyCmd      `cmd:"" help:"Why a run, or a step of it, stands as it does: slipway why 2019.01 go"`
	Who      whoCmd      `cmd:"" help:"For whom runs wait."`
	Log      logCmd      `cmd:"" help:"What a step did: slipway log 2019.01 built"`
	Approve  approveCmd  `cmd:"" help:"Look at what a gate shows and approve exactly that: slipway approve 2019.01 go"`
	Reject   rejectCmd   `cmd:"" help:"Reject a gate: slipway reject 2019.01 go --why 'the notes are wrong'"`
	API      apiCmd      `cmd:"" name:"api" help:"Describe the bot's API for programs."`
	Playbook playbookCmd `cmd:"" help:"List, show, check, draw, explain and rehearse playbooks."`
	Check    checkCmd    `cmd:"" help:"Check the configuration; nothing is started or changed."`
	Doctor   doctorCmd   `cmd:"" help:"Check the configuration and what it needs around it, and say what to mend."`
	Hooks    hooksCmd    `cmd:"" help:"Make, test and check the webhooks on GitLab."`
	Manifest manifestCmd `cmd:"" help:"Print what an app of a chat is made from."`
	Fsck     fsckCmd     `cmd:"" help:"Check what is on disk; the bot must be stopped."`
	Backup   backupCmd   `cmd:"" help:"Back up everything that the bot knows, while it works; check a backup."`
	Restore  restoreCmd  `cmd:"" help:"Lay a backup out as a new state folder, on this machine or another."`
	Runbook  runbookCmd  `cmd:"" help:"Write how to end a run by hand, as shell commands; the bot must be stopped."`
	Archive  archiveCmd  `cmd:"" help:"Look at APT archives, check them and clean them up; the bot may be running."`
	Evidence evidenceCmd `cmd:"" help:"Write the evidence of a run: a bundle that anybody can check offline."`
	Verify   verifyCmd   `cmd:"" help:"Check an evidence bundle against the fingerprint of a log key; needs nothing else."`
	Logkey   logkeyCmd   `cmd:"" help:"Make or show the key that signs evidence."`
	Package  packageCmd  `cmd:"" help:"Build the Debian packages of a checkout, as a local pipeline does."`
	Version  versionCmd  `cmd:"" help:"Print the version of this program."`
}

type versionCmd struct{}

func (versionCmd) Run() error { _, err := fmt.Println("slipway " + programVersion()); return err }

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
		kong.Description("Releases software from a typed line: it prepares, asks the people, signs, pushes and tells, and goes on where it was after any crash.\n\nBegin with: slipway demo"),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 100}),
		kong.Exit(func(n int) { code = n }), kong.BindTo(ctx, (*context.Context)(nil)))
	if err != nil {
		return report(err)
	}
	switch {
	case len(args) == 0:
		args = []string{"--help"}
	case args[0] == "help":
		args = append(slices.Clone(args[1:]), "--help")
	}
	k, err := parser.Parse(args)
	if code >= 0 { // help was shown
		return code
	}
	if err != nil {
		var bad *kong.ParseError
		if errors.As(err, &bad) {
			return report(mistyped(bad))
		}
		return report(err)
	}
	return report(k.Run(&c))
}

// mistyped says what is wrong with a command line, and names the help of the command it got to.
func mistyped(bad *kong.ParseError) error {
	path, cause, lists := "slipway", error(bad), "lists the commands"
	if at := bad.Context.Selected(); at != nil {
		path = at.FullPath()
		if len(at.Children) == 0 {
			lists = "says how it is used"
		}
	}
	switch text, one := strings.CutPrefix(bad.Error(), "expected one of "); {
	case one:
		cause = fmt.Errorf("%s needs one of its commands", path)
	case strings.HasPrefix(text, "expected \""):
		cause = fmt.Errorf("%s needs %s", path, strings.Trim(strings.TrimPrefix(text, "expected "), "\". "))
	}
	return errs.E("slipway", errs.Invalid, cause).Hint("%s --help %s", path, lists)
}

// report shows an error to the person and gives the exit code.
func report(err error) int {
	if err == nil || errors.Is(err, context.Canceled) {
		return 0
	}
	fmt.Fprintln(os.Stderr, "slipway: "+errs.Text(err))
	var own exitStatus
	if errors.As(err, &own) {
		return own.status
	}
	return errs.ExitCode(err)
}
