package build

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"slipway/bot/errs"
)

// checkout is a git repository whose commits are read, by its owner and without its configuration
// running anything.
type checkout struct {
	dir string
	who account // its owner
}

// maxText bounds files of debian/ that are read whole.
const maxText = 16 << 20

func (c checkout) command(args ...string) (command, error) {
	git, err := exec.LookPath("git")
	if err != nil {
		return command{}, fail(errs.Unavailable, "Install it: apt-get install git", "the program git is not installed")
	}
	// The configuration of a repository can name programs that git runs: none of these.
	settings := []string{"core.fsmonitor", "false", "core.hooksPath", "/dev/null", "core.attributesFile", "/dev/null",
		"tar.umask", "0022", "submodule.recurse", "false", "log.showSignature", "false"}
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "LC_ALL=C.UTF-8", "TZ=UTC", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1", "GIT_OPTIONAL_LOCKS=0", "GIT_NO_REPLACE_OBJECTS=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_PAGER=cat", "GIT_CONFIG_COUNT=" + strconv.Itoa(len(settings)/2)}
	for i := 0; i < len(settings); i += 2 {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i/2, settings[i]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i/2, settings[i+1]))
	}
	return command{who: c.who, dir: c.dir, path: git, args: args, env: env}, nil
}

// git runs git and gives what it prints.
func (c checkout) git(ctx context.Context, args ...string) (string, error) {
	cmd, err := c.command(args...)
	if err != nil {
		return "", err
	}
	out, said := &lines{max: maxText + 1}, &lines{max: 64 << 10}
	cmd.stdout, cmd.stderr = out, said
	if err := cmd.run(ctx); err != nil {
		return "", fail(errs.Invalid, "Name a whole checkout of a git repository", "git %s in %s failed: %s", args[0], c.dir, lastWords(said.String()))
	}
	if out.Len() > maxText {
		return "", fail(errs.Invalid, "Check that this is the right repository", "git %s gives more than %d MB", args[0], maxText>>20)
	}
	return out.String(), nil
}

// head is the commit that is checked out, and its time.
func (c checkout) head(ctx context.Context) (commit string, when time.Time, err error) {
	text, err := c.git(ctx, "log", "-1", "--format=%H %ct", "HEAD", "--")
	if err != nil {
		return "", when, err
	}
	commit, at, _ := strings.Cut(strings.TrimSpace(text), " ")
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return "", when, fail(errs.Invalid, "Name a whole checkout of a git repository", "%s has no commit", c.dir)
	}
	return commit, time.Unix(seconds, 0).UTC(), nil
}

// changes lists paths that are in no commit, except those below skip.
func (c checkout) changes(ctx context.Context, skip string) ([]string, error) {
	text, err := c.git(ctx, "status", "--porcelain", "-z", "--untracked-files=normal", "--no-renames")
	if err != nil {
		return nil, err
	}
	var paths []string
	for entry := range strings.SplitSeq(text, "\x00") {
		if len(entry) < 4 {
			continue
		}
		p := entry[3:]
		if skip != "" && (p == skip || strings.HasPrefix(p, skip+"/") || strings.HasSuffix(p, "/") && strings.HasPrefix(skip+"/", p)) {
			continue
		}
		paths = append(paths, p)
	}
	return paths, nil
}

// file reads a file of the commit; found is false when there is none.
func (c checkout) file(ctx context.Context, commit, name string) (text string, found bool, err error) {
	list, err := c.git(ctx, "ls-tree", "-z", commit, "--", name)
	if err != nil || list == "" {
		return "", false, err
	}
	if !strings.HasPrefix(list, "100") {
		return "", false, fail(errs.Invalid, "Make it a plain file", "%s is no plain file in the commit %s", name, commit)
	}
	text, err = c.git(ctx, "cat-file", "blob", commit+":"+name)
	return text, err == nil, err
}

// files gives every entry of the commit's upstream files or, with packaging, of its debian/, in
// git's order: sorted, and the same for the same commit. Upstream's are as `git archive` makes a
// tarball of them, with export-ignore and export-subst; debian/ is whole, since some projects keep
// it out of their tarballs that way. Paths start at the top of the repository.
func (c checkout) files(ctx context.Context, commit string, packaging bool, each func(h *tar.Header, body io.Reader) error) error {
	args := []string{"archive", "--format=tar", commit}
	if packaging {
		args[2] = commit + ":debian"
	}
	cmd, err := c.command(args...)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, w := io.Pipe()
	said := &lines{max: 64 << 10}
	cmd.stdout, cmd.stderr = w, said
	ended := make(chan error, 1)
	go func() {
		err := cmd.run(ctx)
		w.CloseWithError(err) // nil is the end of the archive
		ended <- err
	}()
	var mine error
	err = entries(tar.NewReader(r), packaging, func(h *tar.Header, body io.Reader) error {
		mine = each(h, body)
		return mine
	})
	if err == nil {
		_, err = io.Copy(io.Discard, r)
	} else {
		cancel()
	}
	r.Close()
	failed := <-ended
	switch {
	case mine != nil:
		return mine
	case failed != nil && said.Len() > 0:
		return fail(errs.Invalid, "Name a whole checkout of a git repository", "git archive failed: %s", lastWords(said.String()))
	case err != nil:
		return err
	case failed != nil:
		return fail(errs.Unavailable, "Try again", "git archive %s", endedWith(failed))
	}
	return nil
}

func entries(t *tar.Reader, packaging bool, each func(*tar.Header, io.Reader) error) error {
	for {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fail(errs.Invalid, "Name a whole checkout of a git repository", "the files of the commit cannot be read: %w", err)
		}
		name := strings.TrimSuffix(h.Name, "/")
		if h.Typeflag == tar.TypeXGlobalHeader || name == "" {
			continue
		}
		if packaging {
			name = "debian/" + name
		}
		if path.Clean("/"+name) != "/"+name {
			return fail(errs.Invalid, "Rename it", "the commit has the path %q", name)
		}
		if inDebian := name == "debian" || strings.HasPrefix(name, "debian/"); inDebian != packaging {
			continue
		}
		clean := tar.Header{Typeflag: h.Typeflag, Name: name, Linkname: h.Linkname, Size: h.Size, Mode: 0o644}
		switch {
		case h.Typeflag == tar.TypeReg && h.Mode&0o111 != 0:
			clean.Mode = 0o755
		case h.Typeflag == tar.TypeDir:
			clean.Mode = 0o755
		case h.Typeflag == tar.TypeSymlink:
			clean.Mode = 0o777
		case h.Typeflag != tar.TypeReg:
			return fail(errs.Invalid, "Take it out", "the commit has %q, which is neither file, folder nor link", name)
		}
		if err := each(&clean, t); err != nil {
			return err
		}
	}
}

// orig writes the upstream tarball of a commit: its files without debian/, under the folder prefix.
// The same commit gives the same bytes: names sorted, every time the commit's, everything owned by
// root.
func (c checkout) orig(ctx context.Context, commit, prefix string, when time.Time, out io.Writer) error {
	t := tar.NewWriter(out)
	put := func(h *tar.Header, body io.Reader) error {
		h.ModTime, h.Uname, h.Gname, h.Format = when, "root", "root", tar.FormatGNU
		if h.Name = prefix + "/" + h.Name; h.Typeflag == tar.TypeDir && !strings.HasSuffix(h.Name, "/") {
			h.Name += "/"
		}
		err := t.WriteHeader(h)
		if err == nil {
			_, err = io.Copy(t, body)
		}
		if err != nil {
			return disk("the upstream tarball cannot be written", err)
		}
		return nil
	}
	if err := put(&tar.Header{Typeflag: tar.TypeDir, Mode: 0o755}, bytes.NewReader(nil)); err != nil {
		return err
	}
	if err := c.files(ctx, commit, false, put); err != nil {
		return err
	}
	if err := t.Close(); err != nil {
		return disk("the upstream tarball cannot be written", err)
	}
	return nil
}

// compress sends what write gives through the program xz. Its way of compressing is the one that
// pristine-tar makes again from a git repository: one thread, preset 6.
func compress(ctx context.Context, program string, who account, out io.Writer, write func(io.Writer) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, w, err := os.Pipe()
	if err != nil {
		return disk("xz cannot be run", err)
	}
	said := &lines{max: 64 << 10}
	ended := make(chan error, 1)
	go func() {
		defer r.Close()
		ended <- command{who: who, dir: "/", path: program, args: []string{"--compress", "--stdout", "-6", "--threads=1", "--check=crc64"},
			env: []string{"PATH=" + plainPath, "LANG=C.UTF-8"}, stdin: r, stdout: out, stderr: said}.run(ctx)
	}()
	err = write(w)
	if err != nil {
		cancel() // half of a tarball is no tarball
	}
	if errors.Is(err, syscall.EPIPE) {
		err = nil // xz ended first, and knows why
	}
	w.Close()
	failed := <-ended
	switch {
	case failed != nil && said.Len() > 0:
		return fail(errs.Unavailable, "Check the disk and the installation of xz-utils", "the upstream tarball cannot be compressed: %s", lastWords(said.String()))
	case err != nil:
		return err
	case failed != nil:
		return fail(errs.Unavailable, "Check the disk and the installation of xz-utils", "the upstream tarball cannot be compressed: xz %s", endedWith(failed))
	}
	return nil
}

// unpack writes the files of the commit below dir, which must exist, and gives how many bytes they
// have. Every path stays below dir, whatever links the commit has.
func (c checkout) unpack(ctx context.Context, commit string, packaging bool, dir string, when time.Time, who account) (size int64, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, disk("the private copy cannot be made", err)
	}
	defer root.Close()
	put := func(h *tar.Header, body io.Reader) error {
		var err error
		switch h.Typeflag {
		case tar.TypeDir:
			err = root.MkdirAll(h.Name, 0o755)
		case tar.TypeSymlink:
			err = root.Symlink(h.Linkname, h.Name)
		default:
			err = writeFile(root, h, body)
			size += h.Size
		}
		if err == nil && h.Typeflag != tar.TypeSymlink { // whatever the umask is: modes get into packages
			err = errors.Join(root.Chmod(h.Name, os.FileMode(h.Mode)), root.Chtimes(h.Name, when, when))
		}
		if err == nil && who.become {
			err = root.Lchown(h.Name, int(who.uid), int(who.gid))
		}
		if err != nil {
			return disk("the private copy cannot be written", err)
		}
		return nil
	}
	if packaging {
		if err := put(&tar.Header{Typeflag: tar.TypeDir, Name: "debian", Mode: 0o755}, bytes.NewReader(nil)); err != nil {
			return 0, err
		}
	}
	err = c.files(ctx, commit, packaging, put)
	return size, err
}

func writeFile(root *os.Root, h *tar.Header, body io.Reader) error {
	f, err := root.OpenFile(h.Name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, os.FileMode(h.Mode))
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}
