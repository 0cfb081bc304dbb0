package build

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"slipway/bot/errs"
	"slipway/integrations/debian"
)

// report is the name of what lintian says.
const report = "lintian.txt"

// changes finds the one .changes that the builder left.
func (j *job) changes() (string, error) {
	list, err := os.ReadDir(j.made)
	if err != nil {
		return "", disk("what was built cannot be listed", err)
	}
	var names []string
	for _, e := range list {
		if strings.HasSuffix(e.Name(), ".changes") {
			names = append(names, e.Name())
		}
	}
	if len(names) != 1 {
		return "", fail(errs.Failed, "Read the log "+j.out.Log, "the builder left %d files that end in .changes, not one", len(names))
	}
	return names[0], nil
}

// lintian looks at the packages, as the account that built them.
func (j *job) lintian() error {
	if !j.q.Lintian {
		return nil
	}
	name, err := j.changes()
	if err != nil {
		return err
	}
	path := filepath.Join(j.q.To, report)
	_ = os.Remove(path)
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return disk("the report of lintian cannot be written", err)
	}
	defer out.Close()
	said := &lines{max: 64 << 10}
	err = command{who: j.who, dir: j.made, path: j.host.find("lintian"), env: j.env(), stdout: io.MultiWriter(out, j.host.Log), stderr: said,
		args: []string{"--no-cfg", "--fail-on", "none", "--color", "never", "--tag-display-limit", "0", name}}.run(j.ctx)
	if err != nil {
		return fail(errs.Other, "Build without --lintian, or mend lintian", "lintian %s: %s", endedWith(err), lastWords(said.String()))
	}
	j.out.Files = append(j.out.Files, report)
	return nil
}

// collect copies what was built into the target folder. What counts is the copy: the account that
// built may still change its own files.
func (j *job) collect() error {
	name, err := j.changes()
	if err != nil {
		return err
	}
	stage, err := os.MkdirTemp(j.q.To, ".slipway-")
	if err != nil {
		return disk("the target folder cannot be written", err)
	}
	defer os.RemoveAll(stage)
	from, err := os.OpenRoot(j.made)
	if err != nil {
		return disk("what was built cannot be read", err)
	}
	defer from.Close()
	data, err := j.copy(from, name, stage)
	if err != nil {
		return err
	}
	c, err := debian.ParseChanges(data)
	if err != nil {
		return err
	}
	if err := j.expected(name, c); err != nil {
		return err
	}
	names := []string{name}
	for _, f := range c.Files {
		if _, err := j.copy(from, f.Name, stage); err != nil {
			return err
		}
		names = append(names, f.Name)
	}
	open := func(name string) (io.ReadCloser, error) {
		f, err := os.Open(filepath.Join(stage, name))
		if err != nil {
			return nil, fail(errs.Failed, "Build again", "%s is listed and was not made", name)
		}
		return f, nil
	}
	if err := debian.Verify(c.Files, open); err != nil {
		return err
	}
	if dsc, _, _ := c.ToSign(); dsc != "" {
		data, err := os.ReadFile(filepath.Join(stage, dsc))
		if err != nil {
			return disk("the .dsc cannot be read", err)
		}
		d, err := debian.ParseDSC(data)
		if err != nil {
			return err
		}
		if err := debian.Verify(d.Files, open); err != nil {
			return err
		}
	}
	for _, name := range names {
		if err := os.Rename(filepath.Join(stage, name), filepath.Join(j.q.To, name)); err != nil {
			return disk("the target folder cannot be written", err)
		}
	}
	j.out.Changes = name
	j.out.Files = append(append(j.out.Files, names...), j.out.Log)
	slices.Sort(j.out.Files)
	return nil
}

// expected compares the .changes with what was asked for.
func (j *job) expected(name string, c debian.Changes) error {
	switch source := slices.Contains(c.Architectures, "source"); {
	case c.Source != j.entry.Package || c.Version != j.version:
		return fail(errs.Failed, "Let debian/rules take the version of debian/changelog", "%s is of %s %s; %s %s was to be built", name, c.Source, c.Version, j.entry.Package, j.version)
	case source == j.q.BinaryOnly:
		return fail(errs.Failed, "Let nothing in debian/rules choose what is built", "%s has the architectures %s", name, strings.Join(c.Architectures, " "))
	}
	return nil
}

// copy copies a plain file into the stage. A small one is given too.
func (j *job) copy(from *os.Root, name, stage string) ([]byte, error) {
	f, err := from.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fail(errs.Failed, "Read the log "+j.out.Log, "%s was not made, or is a link", name)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fail(errs.Failed, "Read the log "+j.out.Log, "%s is no plain file", name)
	}
	to, err := os.OpenFile(filepath.Join(stage, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, disk("the target folder cannot be written", err)
	}
	_, err = io.Copy(to, f)
	if err := errors.Join(err, to.Sync(), to.Chmod(0o644), to.Close()); err != nil {
		return nil, disk("the target folder cannot be written", err)
	}
	if !strings.HasSuffix(name, ".changes") {
		return nil, nil
	}
	data, err := os.ReadFile(filepath.Join(stage, name))
	if err != nil {
		return nil, disk("the target folder cannot be read", err)
	}
	return data, nil
}
