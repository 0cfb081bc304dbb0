package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/commands/release"
)

type demoCmd struct {
	Auto    bool          `help:"Play the people too, prove the result, and end."`
	Repo    string        `help:"Release a copy of this repository instead of the sample. Nothing is pushed to its remotes." placeholder:"FOLDER" type:"path"`
	Version string        `help:"Version to release; with --repo it must be given." placeholder:"VERSION"`
	Dir     string        `help:"Folder for everything the demo makes; by default a new one." placeholder:"FOLDER" type:"path"`
	Limit   time.Duration `help:"With --auto: give up after this long." default:"4m"`
}

func (d *demoCmd) Run(ctx context.Context, c *cli) error {
	if d.Repo != "" && d.Version == "" {
		return errs.E("demo", errs.Invalid, errors.New("--repo is given without --version")).Hint("name the version to release, e.g. --version 2.0.0")
	}
	if d.Version == "" {
		d.Version = sampleVersion
	}
	if info, err := os.Stat(d.Repo); d.Repo != "" && (err != nil || !info.IsDir()) {
		return errs.E("demo", errs.Invalid, fmt.Errorf("--repo: there is no folder %s", d.Repo)).
			Hint("give the folder of a git repository, e.g. --repo ~/src/harbour, or leave --repo out to release the sample")
	}
	if _, err := schemeOf(d.Version, d.Repo == ""); err != nil {
		return err
	}
	// A repository of somebody else may need anything to build its packages.
	publish := d.Repo == "" && onDebian()
	if err := installMissing(ctx, d.Auto, publish); err != nil {
		return err
	}
	signer, err := besideUs("slipway-signer")
	if err != nil {
		return err
	}
	if d.Dir == "" {
		if d.Dir, err = os.MkdirTemp("", "slipway-demo-"); err != nil {
			return errs.E("demo", errs.Unavailable, fmt.Errorf("making a folder: %w", err))
		}
	}
	before, err := refsOf(ctx, d.Repo)
	if err != nil {
		return err
	}
	fmt.Printf("A release on this machine. Everything is made in %s; nothing leaves it.\n", d.Dir)
	if d.Repo != "" {
		fmt.Printf("The release is made in a copy of %s, which stays as it is.\n", d.Repo)
	}
	y, err := newYard(ctx, yardOptions{Dir: d.Dir, Repo: d.Repo, Version: d.Version, Signer: signer, Archive: true, Publish: publish, Web: true})
	if err != nil {
		return err
	}
	defer y.close()
	if d.Auto {
		return d.auto(ctx, y, before)
	}
	return d.byHand(ctx, y, before)
}

// schemeOf is the scheme that a version is of, the calendar first. The sample knows no other.
func schemeOf(version string, sample bool) (release.Scheme, error) {
	_, err := release.NewVersion(release.Calendar, version)
	if err == nil {
		return release.Calendar, nil
	}
	if _, other := release.NewVersion(release.SemverLike, version); other == nil && !sample {
		return release.SemverLike, nil
	}
	if sample {
		return "", err
	}
	return "", errs.E("demo", errs.Invalid, fmt.Errorf("%q is no version", clipped(version))).
		Hint("write a date such as 2026.11, or three numbers such as 2.0.0")
}

func took(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }

// quiet is a log of nothing.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// withBot runs the bot in this process for as long as do takes.
func withBot(ctx context.Context, y *yard, do func(context.Context, *config) error) error {
	conf, err := loadConfig(y.config)
	if err != nil {
		return err
	}
	conf.Apt, conf.Web.First = y.apt, "release "+y.version
	b, err := build(ctx, conf, quiet(), nil)
	if err != nil {
		return err
	}
	defer b.close()
	running, stop := context.WithCancel(ctx)
	defer stop()
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- b.serve(running, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-ended:
		return err
	}
	err = do(ctx, conf)
	stop()
	return errors.Join(err, <-ended)
}

// auto plays the whole release and proves what came of it.
func (d *demoCmd) auto(ctx context.Context, y *yard, before string) error {
	ctx, cancel := context.WithTimeout(ctx, d.Limit)
	defer cancel()
	began := time.Now()
	width := screen(os.Stdout)
	tell := func(line string) {
		fmt.Println(fit(fmt.Sprintf("%6.1fs  %s", time.Since(began).Seconds(), line), width))
	}
	fmt.Printf("Watch it in a browser: %s\n\n", y.pageOf(demoTester))
	var page error
	err := withBot(ctx, y, func(ctx context.Context, conf *config) error {
		if _, err := drive(ctx, conf.Socket, y.version, tell); err != nil {
			return err
		}
		page = y.onPage(ctx)
		return nil
	})
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = errs.E("demo", errs.Failed, fmt.Errorf("the release was not done after %s", d.Limit)).Hint("%s keeps what there is", y.dir)
		}
		return err
	}
	proofs := append(y.proofs(ctx, conf{repo: d.Repo, before: before, alone: true}),
		proof{"the web console shows the release as done", "GET " + y.pageOf(demoTester), page})
	if err := show(os.Stdout, proofs); err != nil {
		return err
	}
	fmt.Printf("\n%s %s was released in %s. Look around: git -C %s log --stat, %s\n", y.project, y.version, took(time.Since(began)), y.remote, y.mailbox)
	return nil
}

// drive plays the people until the run has ended, and fails if it ended otherwise than done.
func drive(ctx context.Context, socket, version string, tell func(string)) (runWaits, error) {
	people := newDriver(socket, version, tell)
	tell("  " + demoManager + ": release " + version)
	if err := people.ask(ctx); err != nil {
		return runWaits{}, err
	}
	return people.play(ctx)
}

// play answers and reacts until the run has ended.
func (d *driver) play(ctx context.Context) (runWaits, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go d.follow(ctx)
	for {
		ended, w, err := d.step(ctx)
		switch {
		case errors.Is(err, errNotYet):
		case err != nil:
			return w, err
		case ended && w.Outcome != "done":
			return w, errs.E("demo", errs.Failed, errors.New(ending(w)))
		case ended:
			return w, nil
		case stuck(w) != "":
			return w, errs.E("demo", errs.Failed, errors.New(stuck(w)))
		}
		select {
		case <-ctx.Done():
			return w, ctx.Err()
		case <-time.After(150 * time.Millisecond):
		}
	}
}

// ending says how a run ended that is not done.
func ending(w runWaits) string {
	text := "the release ended as " + w.Outcome
	if w.Reason != "" {
		text += ": " + w.Reason
	}
	return text
}

// stuck says what a person would have to untangle, or "".
func stuck(w runWaits) string {
	for _, wait := range w.Waits {
		if wait.Kind == "stuck" || wait.Kind == "doubtful" {
			if strings.HasPrefix(wait.What, wait.Step) {
				return wait.What
			}
			return wait.Step + " is " + wait.Kind + ": " + wait.What
		}
	}
	return ""
}
