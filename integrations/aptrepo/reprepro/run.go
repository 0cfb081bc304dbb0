package reprepro

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"slipway/bot/errs"
)

// maxSaid is how much of what reprepro says is kept, in bytes.
const maxSaid = 256 << 10

// drive runs reprepro on a tree. Every folder is named on the command line, which reprepro prefers
// to conf/options: nothing but that tree may change.
func (p *Place) drive(ctx context.Context, dir string, args ...string) error {
	line := slices.Concat([]string{"-c", `umask 022; exec "$@"`, "sh", p.opts.Program,
		"--basedir", dir, "--confdir", filepath.Join(dir, "conf"), "--outdir", dir, "--distdir", filepath.Join(dir, "dists"),
		"--dbdir", filepath.Join(dir, "db"), "--logdir", filepath.Join(dir, "logs"), "--waitforlock", "0"}, args)
	cmd := exec.CommandContext(ctx, "sh", line...)
	cmd.Dir = dir
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC"}
	for _, name := range []string{"PATH", "HOME"} {
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	if err == nil {
		return nil
	}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return errs.E(op, errs.Unavailable, errors.New("reprepro did not end in time")).Hint("try again; what clients read did not change")
	case errors.As(err, &exit) && exit.ExitCode() == 127:
		return errs.E(op, errs.Unavailable, fmt.Errorf("%s is not on this machine", p.opts.Program)).Hint("install it: apt-get install reprepro")
	case !errors.As(err, &exit):
		return errs.E(op, errs.Unavailable, fmt.Errorf("%s could not be run: %w", p.opts.Program, err)).Hint("try again; what clients read did not change")
	}
	return explain(said.Bytes(), exit)
}

// explain says why reprepro did not do it, in its words.
func explain(said []byte, exit *exec.ExitError) error {
	if len(said) > maxSaid {
		said = said[:maxSaid]
	}
	text := strings.ToValidUTF8(string(said), "?")
	var words []string
	for l := range strings.Lines(text) {
		l = strings.TrimSpace(l)
		if l != "" && !strings.HasPrefix(l, "There have been errors") && !strings.HasPrefix(l, "Exporting ") && !strings.HasPrefix(l, "Deleting files") {
			words = append(words, l)
		}
	}
	if len(words) > 3 {
		words = words[:3]
	}
	if len(words) == 0 {
		words = []string{"it ended with " + exit.String()}
	}
	what := strings.Join(words, " ")
	say := func(kind errs.Kind, hint string) error {
		return errs.E(op, kind, fmt.Errorf("reprepro: %s", what)).Hint("%s", hint)
	}
	has := func(part string) bool { return strings.Contains(text, part) }
	switch {
	case has("No space left on device"), has("Disk quota exceeded"):
		return say(errs.Full, "make room, and do it again; what clients read did not change")
	case has("Already existing files can only be included again"):
		return say(errs.Exists, "give the new build a higher version")
	case has("Cannot find definition of distribution"):
		return say(errs.NotFound, "add the suite to conf/distributions, or take it out of suites: of the archive")
	case has("lock file"), has("could not get lock"):
		return say(errs.Busy, "wait until the other reprepro has ended")
	case has("Permission denied"):
		return say(errs.Denied, "run Slipway as the user who owns the archive")
	}
	return say(errs.Failed, "mend the cause, and do it again; what clients read did not change")
}

// settings refuses a tree whose configuration lets reprepro sign, or write elsewhere than in the
// tree.
func (p *Place) settings(dir string) error {
	parts := []string{"pool", "db", "dists"}
	for _, s := range p.suites {
		parts = append(parts, filepath.Join("dists", codename(s)))
		for _, component := range s.Components { // reprepro deletes there what a copy no longer needs
			parts = append(parts, filepath.Join("pool", component))
		}
	}
	for _, part := range parts {
		if info, err := os.Lstat(filepath.Join(dir, part)); err == nil && !info.IsDir() {
			return conflict("make it a folder", "%s of %s is a link; a change of a copy would change what clients read", part, dir)
		}
	}
	text, err := confText(filepath.Join(dir, "conf", "distributions"))
	if errors.Is(err, fs.ErrNotExist) {
		return conflict("make "+Link+" lead to the folder that holds conf, db, dists and pool", "%s has no conf/distributions; it is no tree of reprepro", dir)
	}
	if err != nil {
		return err
	}
	var known []string
	for l := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(l), ":")
		switch strings.ToLower(name) {
		case "signwith":
			return conflict("remove SignWith from conf/distributions: Release files are approved first, and signed by the signers of Slipway",
				"reprepro of %s signs by itself", dir)
		case "codename":
			known = append(known, strings.TrimSpace(value))
		}
	}
	for _, s := range p.suites {
		if !slices.Contains(known, codename(s)) {
			return conflict("add it there, or take it out of suites: of the archive", "conf/distributions of %s has no Codename %s", dir, codename(s))
		}
	}
	text, err = confText(filepath.Join(dir, "conf", "options"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for l := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.Replace(strings.TrimSpace(l), "=", " ", 1), " ")
		own := map[string][]string{"outdir": {"+b", "+b/"}, "distdir": {"+b/dists", "+o/dists"}, "dbdir": {"+b/db"}, "outhook": nil, "endhook": nil}
		if usual, strict := own[strings.TrimLeft(name, "-")]; strict && !slices.Contains(usual, strings.Trim(value, " \t\"")) {
			return conflict("remove that line; every tree holds its own conf, db, dists and pool, and hooks would see what is not published",
				"conf/options of %s sets %s", dir, strings.TrimSpace(l))
		}
	}
	return nil
}

// confText is a file of the configuration, or all that a folder of that name holds.
func confText(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	files := []string{path}
	if info.IsDir() {
		if files, err = filepath.Glob(filepath.Join(path, "*.conf")); err != nil {
			return "", err
		}
	}
	var all strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		all.Write(text)
		all.WriteByte('\n')
	}
	return all.String(), nil
}
