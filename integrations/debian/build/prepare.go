package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/debian"
)

// read learns from the commit what is to be built.
func (j *job) read() error {
	c := checkout{j.q.Source, j.owner}
	var err error
	if j.commit, j.when, err = c.head(j.ctx); err != nil {
		return err
	}
	skip, err := filepath.Rel(j.q.Source, j.q.To)
	if err != nil || strings.HasPrefix(skip, "..") {
		skip = ""
	}
	changed, err := c.changes(j.ctx, skip)
	if err != nil {
		return err
	}
	if len(changed) > 0 {
		return fail(errs.Invalid, "Commit them, remove them or ignore them: what is built is the commit",
			"the checkout has changes that are in no commit: %s", strings.Join(changed[:min(len(changed), 5)], ", "))
	}
	if j.entry, err = j.readChangelog(c); err != nil {
		return err
	}
	text, found, err := c.file(j.ctx, j.commit, "debian/control")
	if err != nil {
		return err
	}
	if !found {
		return fail(errs.Invalid, "Build a commit that has the folder debian", "the commit %s has no debian/control", j.commit)
	}
	if j.control, err = debian.ParseControl([]byte(text)); err != nil {
		return err
	}
	if j.control.Name != j.entry.Package {
		return fail(errs.Invalid, "Write the same name in both", "debian/control is of the source %s, and debian/changelog of %s", j.control.Name, j.entry.Package)
	}
	return j.decideFormat(c)
}

// readChangelog reads the newest entry; with a version of its own, the build gets an entry above it.
func (j *job) readChangelog(c checkout) (debian.Entry, error) {
	text, found, err := c.file(j.ctx, j.commit, "debian/changelog")
	if err != nil {
		return debian.Entry{}, err
	}
	if !found {
		return debian.Entry{}, fail(errs.Invalid, "Build a commit that has the folder debian", "the commit %s has no debian/changelog", j.commit)
	}
	entries, err := debian.ParseChangelog(strings.NewReader(text))
	if err != nil {
		return debian.Entry{}, err
	}
	e := entries[0]
	if j.q.Version != "" && j.q.Version != e.Version {
		e = debian.Entry{Package: e.Package, Version: j.q.Version, Distributions: e.Distributions, Urgency: "medium",
			Changes: []string{"  * Build of the commit " + j.commit + "."}, Maintainer: e.Maintainer, Mail: e.Mail, Date: j.when}
	}
	if j.q.Dist != "" {
		e.Distributions = []string{j.q.Dist}
	}
	j.out.Source, j.out.Version, j.epoch = e.Package, e.Version, e.Date.Unix()
	j.version, err = debian.ParseVersion(e.Version)
	return e, err
}

// decideFormat finds out whether the source package has an upstream tarball.
func (j *job) decideFormat(c checkout) error {
	text, _, err := c.file(j.ctx, j.commit, "debian/source/format")
	if err != nil {
		return err
	}
	j.format = strings.TrimSpace(text)
	switch j.format {
	case "3.0 (quilt)":
		if j.version.Native() {
			return j.makeNative(c)
		}
		j.quilt = true
		return nil
	case "3.0 (native)":
		if !j.version.Native() {
			return fail(errs.Invalid, "Give a version without a hyphen, or write 3.0 (quilt) in debian/source/format",
				"%s has a revision, and the source format 3.0 (native) has none", j.version)
		}
		return nil
	case "", "1.0":
		if j.version.Native() {
			return nil
		}
	}
	return fail(errs.Invalid, "Write 3.0 (quilt) or 3.0 (native) in debian/source/format",
		"the source format %q cannot be built as %s", j.format, j.version)
}

// makeNative builds a version without a revision, as daily builds have, from a package that has an
// upstream tarball in its releases: this source has none. Patches would not be applied then.
func (j *job) makeNative(c checkout) error {
	series, _, err := c.file(j.ctx, j.commit, "debian/patches/series")
	if err != nil {
		return err
	}
	for line := range strings.Lines(series) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return fail(errs.Invalid, "Give a version with a revision, such as "+j.version.String()+"-1",
				"%s has no revision, and a source without one cannot have the patches in debian/patches", j.version)
		}
	}
	j.format = "3.0 (native)"
	return nil
}

var plainPart = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.+~_-]*$`)

// prepare makes the private folders and the copy of the commit.
func (j *job) prepare() (err error) {
	if j.base, err = os.MkdirTemp(j.host.Temp, "slipway-build-"); err != nil {
		return disk("no private folder can be made", err)
	}
	up := j.entry.Package + "-" + strings.ReplaceAll(j.version.Upstream, ":", "_")
	if !plainPart.MatchString(up) {
		return fail(errs.Invalid, "Use letters, digits and the marks of versions", "%q cannot be the name of a folder", up)
	}
	j.work = filepath.Join(j.base, "work")
	j.tree, j.made = filepath.Join(j.work, up), j.work
	dirs := []string{filepath.Join(j.base, "home"), filepath.Join(j.base, "tmp"), j.work, j.tree}
	if j.q.With == Sbuild {
		j.made = filepath.Join(j.base, "made")
		dirs = append(dirs, j.made)
	}
	for _, dir := range dirs {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return disk("the private folder cannot be made", err)
		}
	}
	c := checkout{j.q.Source, j.owner}
	var size int64
	for _, packaging := range []bool{false, true} {
		n, err := c.unpack(j.ctx, j.commit, packaging, j.tree, j.when, j.who)
		if err != nil {
			return err
		}
		size += n
	}
	if err := j.edit(); err != nil {
		return err
	}
	if free, err := j.host.Free(j.work); err != nil {
		return disk("nobody can tell how much room there is", err)
	} else if free < 2*size {
		return fail(errs.Full, "Make room on the disk of "+j.host.Temp, "a build needs %d MB at least, and %d MB are free", 2*size>>20, free>>20)
	}
	if j.quilt && !j.q.BinaryOnly || j.quilt && j.q.With == Sbuild {
		if err := j.tarball(c); err != nil {
			return err
		}
	}
	return j.handOver(dirs)
}

// handOver gives the folders to the account that builds. Until then nobody else gets into them: what
// still runs as that account from another build could put links where root writes.
func (j *job) handOver(dirs []string) error {
	mode := os.FileMode(0o700)
	if j.q.With == Sbuild {
		mode = 0o755 // it looks into them with the numbers of another range of accounts
	}
	for _, dir := range dirs {
		err := os.Chmod(dir, mode)
		if err == nil && j.who.become {
			err = os.Lchown(dir, int(j.who.uid), int(j.who.gid))
		}
		if err != nil {
			return disk("the private folder cannot be handed over", err)
		}
	}
	if err := os.Chmod(j.base, 0o711); err != nil {
		return disk("the private folder cannot be handed over", err)
	}
	return nil
}

// edit writes the changelog entry and the source format of a build under another version.
func (j *job) edit() error {
	root, err := os.OpenRoot(j.tree)
	if err != nil {
		return disk("the private copy cannot be opened", err)
	}
	defer root.Close()
	if j.q.Version != "" || j.q.Dist != "" {
		old, err := root.ReadFile("debian/changelog")
		if err != nil {
			return disk("the private copy cannot be read", err)
		}
		entries, err := debian.ParseChangelog(strings.NewReader(string(old)))
		if err != nil {
			return err
		}
		if entries[0].Version == j.entry.Version { // only the distribution differs
			lines := strings.SplitAfter(string(old), "\n")
			old = []byte(strings.Join(lines[j.lastLine(entries):], ""))
		}
		j.entry.Warnings, j.entry.Line = nil, 0
		text, err := debian.FormatEntry(j.entry)
		if err != nil {
			return err
		}
		if err := j.rewrite(root, "debian/changelog", text+"\n"+strings.TrimLeft(string(old), "\n")); err != nil {
			return err
		}
	}
	if j.format == "3.0 (native)" {
		if err := root.MkdirAll("debian/source", 0o755); err != nil {
			return disk("the private copy cannot be written", err)
		}
		return j.rewrite(root, "debian/source/format", j.format+"\n")
	}
	return nil
}

// lastLine is how many lines the first entry takes.
func (j *job) lastLine(entries []debian.Entry) int {
	if len(entries) > 1 {
		return entries[1].Line - 1
	}
	return 1 << 30
}

func (j *job) rewrite(root *os.Root, name, text string) error {
	err := root.Remove(name)
	if err == nil || errors.Is(err, os.ErrNotExist) {
		err = root.WriteFile(name, []byte(text), 0o644)
	}
	if err == nil {
		err = errors.Join(root.Chmod(name, 0o644), root.Chtimes(name, j.when, j.when))
	}
	if err == nil && j.who.become {
		err = root.Lchown(name, int(j.who.uid), int(j.who.gid))
	}
	if err != nil {
		return disk("the private copy cannot be written", err)
	}
	return nil
}

// tarball puts the upstream tarball beside the tree.
func (j *job) tarball(c checkout) error {
	base := fmt.Sprintf("%s_%s.orig.tar", j.entry.Package, j.version.Upstream)
	write := func(out io.Writer) error {
		return compress(j.ctx, j.host.find("xz"), j.who, out, func(out io.Writer) error {
			return c.orig(j.ctx, j.commit, filepath.Base(j.tree), j.when, out)
		})
	}
	ext := ".xz"
	if j.q.Orig != "" {
		ext = filepath.Ext(j.q.Orig)
		if !slices.Contains([]string{".xz", ".gz", ".bz2"}, ext) {
			return fail(errs.Invalid, "Give a .tar.xz, .tar.gz or .tar.bz2", "%s is no upstream tarball", filepath.Base(j.q.Orig))
		}
		in, err := os.Open(j.q.Orig)
		if err != nil {
			return fail(errs.Invalid, "Name a file that can be read", "the upstream tarball cannot be read: %w", err)
		}
		defer in.Close()
		write = func(out io.Writer) error { _, err := io.Copy(out, in); return err }
	}
	f, err := os.OpenFile(filepath.Join(j.work, base+ext), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return disk("the upstream tarball cannot be made", err)
	}
	err = write(f)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err != nil && errs.KindOf(err) == errs.Other {
		err = disk("the upstream tarball cannot be written", err)
	}
	return err
}

// Orig writes the upstream tarball of the commit that is checked out in dir, as a build makes it:
// the files of the commit without debian/, under the folder SOURCE-UPSTREAM, compressed by xz. The
// same commit gives the same bytes, as far as xz does. The time is that of the commit.
func Orig(ctx context.Context, h Host, dir, source, upstream string, out io.Writer) (when time.Time, err error) {
	h = h.complete()
	program := h.find("xz")
	if program == "" {
		return when, fail(errs.Unavailable, "Install it: apt-get install xz-utils", "this machine has no xz")
	}
	c := checkout{dir: dir}
	commit, when, err := c.head(ctx)
	if err != nil {
		return when, err
	}
	return when, compress(ctx, program, account{}, out, func(out io.Writer) error {
		return c.orig(ctx, commit, source+"-"+strings.ReplaceAll(upstream, ":", "_"), when, out)
	})
}
