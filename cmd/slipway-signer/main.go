// Command slipway-signer runs beside the release key. It pulls what the bot asks to be signed,
// reads it, shows it in words, and signs only what its own policy allows and what a person at its
// prompt, or enough signed approvals, say yes to. The bot never sees the key.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"slipway/bot/errs"
	"slipway/integrations/openpgp"
)

type runCmd struct {
	common
	Server     string   `help:"Address of the bot, instead of the file's."`
	TokenFile  string   `help:"File with the bearer token, instead of the file's." type:"path"`
	Repository string   `help:"Repository that may be signed for, with --project and --tag."`
	Tag        []string `help:"Pattern of tags that may be signed."`
	Poll       string   `help:"How often to ask for work, e.g. 5s."`
	Rollback   string   `help:"Whether that archive may go back to an older content: never, ask (a person, always) or allow." placeholder:"WHEN"`
	DemoPolicy bool     `help:"Sign what the policy allows without asking. Only with a throw-away key."`
	WithParent bool     `help:"End when standard input ends, and so with the program that started this one."`
}

// common is what every command that signs is told.
type common struct {
	Config  string   `help:"Configuration file." type:"existingfile" short:"c"`
	Key     string   `help:"Private key file, instead of the file's." type:"path"`
	Log     string   `help:"The signer's log, instead of the file's." type:"path"`
	Project string   `help:"Project that may be signed for."`
	Archive string   `help:"Archive whose Release files may be signed, with --project and --suite."`
	Suite   []string `help:"Pattern of suites that may be signed."`
	Origin  string   `help:"Origin that those Release files must have."`
}

type handCmd struct {
	common
	Rollback bool     `help:"The archive goes back to an older content, on purpose."`
	Release  []string `arg:"" help:"Release files, each in a folder of its own." type:"existingfile"`
}

type cli struct {
	Run         runCmd    `cmd:"" help:"Pull signing requests, ask, and sign."`
	SignRelease handCmd   `cmd:"" help:"Sign Release files by hand: writes Release.gpg and InRelease beside each."`
	Fetch       fetchCmd  `cmd:"" help:"Fetch what is to be signed into a folder, for a key that never meets this program."`
	HandIn      handInCmd `cmd:"" help:"Check what was signed in such a folder, and deliver it."`
	Log         struct {
		Verify struct {
			File string `arg:"" help:"The signer's log." type:"path"`
		} `cmd:"" help:"Check the chain of a log and show its head."`
	} `cmd:"" help:"Work with the signer's log."`
	Keygen struct {
		Demo string `required:"" help:"Folder for a throw-away key." placeholder:"DIR" type:"path"`
	} `cmd:"" help:"Make a throw-away key for the demo."`
}

func main() {
	os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr))
}

// Main is the program with its surroundings as parameters. It returns the exit status.
func Main(args []string, stdout, stderr io.Writer) int {
	var c cli
	exit := -1
	parser, err := kong.New(&c, kong.Name("slipway-signer"), kong.Writers(stdout, stderr),
		kong.Description("Signs releases beside the key, never as an oracle."), kong.Exit(func(code int) { exit = code }))
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	k, err := parser.Parse(args)
	if exit >= 0 { // help was shown
		return exit
	}
	if err != nil {
		fmt.Fprintf(stderr, "slipway-signer: %s\n", err)
		return 2
	}
	switch k.Command() {
	case "run":
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		if c.Run.WithParent {
			ctx = withParent(ctx, os.Stdin)
		}
		err = c.Run.run(ctx, stdout)
	case "sign-release <release>":
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		err = c.SignRelease.run(ctx, stdout)
	case "fetch":
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		err = c.Fetch.run(ctx, stdout)
	case "hand-in <folder>":
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		err = c.HandIn.run(ctx, stdout)
	case "log verify <file>":
		err = verifyLog(c.Log.Verify.File, stdout)
	case "keygen":
		var fingerprint string
		if fingerprint, err = Keygen(c.Keygen.Demo, time.Now()); err == nil {
			fmt.Fprintln(stdout, fingerprint)
		}
	}
	if err != nil {
		fmt.Fprintf(stderr, "slipway-signer: %s\n", errs.Text(err))
	}
	return errs.ExitCode(err)
}

// withParent ends the context when in does. A pipe ends with its writer even where that is killed.
func withParent(ctx context.Context, in io.Reader) context.Context {
	ctx, stop := context.WithCancel(ctx)
	go func() { // it may sit in Read until the process ends
		defer stop()
		_, _ = io.Copy(io.Discard, in)
	}()
	return ctx
}

func verifyLog(file string, out io.Writer) error {
	h, err := VerifyJournal(file)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d lines, the chain is whole, head %s\n", h.Lines, h.Hash)
	if h.Tail > 0 {
		fmt.Fprintf(out, "an unfinished line of %d bytes follows; the signer removes it when it starts\n", h.Tail)
	}
	return nil
}

func (r common) config() (Config, error) {
	var c Config
	if r.Config != "" {
		var err error
		if c, err = ReadConfig(r.Config); err != nil {
			return c, err
		}
	}
	if r.Log != "" {
		c.Log = r.Log
	}
	if r.Key != "" {
		c.Key, c.More = KeyConfig{File: r.Key}, nil
	}
	return c, nil
}

func (r runCmd) config() (Config, error) {
	c, err := r.common.config()
	if err != nil {
		return c, err
	}
	for _, o := range []struct {
		to   *string
		from string
	}{{&c.Server, r.Server}, {&c.TokenFile, r.TokenFile}, {&c.Poll, r.Poll}} {
		if o.from != "" {
			*o.to = o.from
		}
	}
	if r.Repository != "" || len(r.Tag) > 0 || r.Project != "" && r.Archive == "" {
		c.Allow = append(c.Allow, Rule{Repository: r.Repository, Project: r.Project, Tags: r.Tag})
	}
	if r.Archive != "" || len(r.Suite) > 0 {
		c.Archives = append(c.Archives, ArchiveRule{Archive: r.Archive, Project: r.Project, Suites: r.Suite, Origin: r.Origin, Rollback: r.Rollback})
	}
	return c, nil
}

// run signs the files for --archive, by the rule of the configuration or by one made of the flags.
func (h handCmd) run(ctx context.Context, out io.Writer) error {
	c, err := h.config()
	if err != nil {
		return err
	}
	if len(h.Suite) > 0 {
		c.Archives = append(c.Archives, ArchiveRule{Archive: h.Archive, Project: h.Project, Suites: h.Suite, Origin: h.Origin})
	}
	archive := h.Archive
	if archive == "" && len(c.Archives) == 1 {
		archive = c.Archives[0].Archive
	}
	policy, err := c.Policy()
	if err != nil {
		return err
	}
	signers, err := c.signers(ctx)
	defer func() {
		for _, s := range signers {
			stopAgent(s)
		}
	}()
	if err != nil {
		return err
	}
	policy.Key = signers[0].Fingerprint()
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return errs.E("signer.sign_release", errs.Invalid, errors.New("there is no terminal to ask at")).Hint("run the command in a terminal")
	}
	defer tty.Close()
	journal, err := OpenJournal(c.Log, time.Now)
	if err != nil {
		return err
	}
	defer journal.Close()
	return Hand{Signer: signers[0], More: signers[1:], Policy: policy, Journal: journal, Prompt: NewTerminal(tty, tty), Out: out, Now: time.Now}.
		Sign(ctx, archive, h.Rollback, h.Release)
}

func (r runCmd) run(ctx context.Context, out io.Writer) error {
	c, err := r.config()
	if err != nil {
		return err
	}
	policy, poll, err := c.Valid()
	if err != nil {
		return err
	}
	token, err := c.Token()
	if err != nil {
		return err
	}
	client, err := NewClient(c.Server, token)
	if err != nil {
		return err
	}
	signers, err := c.signers(ctx)
	defer func() {
		for _, s := range signers {
			stopAgent(s)
		}
	}()
	if err != nil {
		return err
	}
	policy.Key = signers[0].Fingerprint()
	var prompt Prompt
	switch {
	case r.DemoPolicy:
		for _, s := range signers {
			if err := throwAway(s); err != nil {
				return err
			}
		}
		fmt.Fprintf(out, "WARNING: demo policy. This signer asks nobody. Its key %s is a throw-away key.\n", policy.Key)
	default:
		tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
		if err == nil {
			defer tty.Close()
			prompt = NewTerminal(tty, tty)
		} else if policy.Approvers.Need == 0 && !slices.ContainsFunc(policy.Archives, ArchiveRule.alone) {
			return errs.E("signer.run", errs.Invalid, errors.New("there is no terminal to ask at, and nothing may be signed without a person")).
				Hint("run the signer in a terminal, or configure approvers: or refresh: of an archive")
		}
	}
	journal, err := OpenJournal(c.Log, time.Now)
	if err != nil {
		return err
	}
	defer journal.Close()
	w := &Worker{Client: client, Signer: signers[0], More: signers[1:], Policy: policy, Journal: journal, Prompt: prompt, Demo: r.DemoPolicy,
		Out: out, Now: time.Now, Wait: wait, Poll: poll}
	for _, s := range signers {
		w.say("signing with %s for %s", s.Fingerprint(), client.base)
	}
	err = w.Run(ctx)
	w.say("stopped")
	return err
}

func stopAgent(signer openpgp.Signer) {
	if g, ok := signer.(*openpgp.GPG); ok {
		stopping, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = g.Close(stopping)
	}
}

// signers are the key and those beside it; on an error, those that were opened before.
func (c Config) signers(ctx context.Context) (list []openpgp.Signer, err error) {
	for _, k := range append([]KeyConfig{c.Key}, c.More...) {
		s, err := k.signer(ctx)
		if err != nil {
			return list, err
		}
		if slices.ContainsFunc(list, func(o openpgp.Signer) bool { return o.Fingerprint() == s.Fingerprint() }) {
			return append(list, s), errs.E("signer.config", errs.Invalid, fmt.Errorf("more_keys: the key %s is there twice", s.Fingerprint()))
		}
		list = append(list, s)
	}
	return list, nil
}

func (k KeyConfig) signer(ctx context.Context) (openpgp.Signer, error) {
	if k.Certificate != "" {
		return nil, errs.E("signer.config", errs.Invalid, errors.New("key: only its certificate is here, and that cannot sign")).
			Hint("use fetch and hand-in, or name the key with file or gpg")
	}
	if k.GPG != "" {
		return openpgp.NewGPG(ctx, openpgp.GPGConfig{Home: k.GPGHome, Key: k.GPG, PassphraseFile: k.PassphraseFile, Now: time.Now})
	}
	return openpgp.LoadKeyFile(k.File, k.PassphraseFile, time.Now)
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
