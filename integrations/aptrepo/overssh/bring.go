package overssh

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
)

// notALink is what the other host says of a suite whose name is no link.
const notALink = "/"

// scene is what is on the other host.
type scene struct {
	links map[string]string // of each name in dists: where it leads, or notALink
	pool  map[string]int64  // sizes by path; only after a look at all
	dirs  []string          // of generations and snapshots, in their lines' words
}

// look asks what is there; all also asks for every file.
func (p *Place) look(ctx context.Context, all bool) (scene, error) {
	depth := "links"
	if all {
		depth = "all"
	}
	lines, err := p.run(ctx, "look", lookScript, nil, depth)
	s := scene{links: map[string]string{}, pool: map[string]int64{}}
	for _, l := range lines {
		if len(l) != 3 {
			continue
		}
		switch l[0] {
		case "link":
			if _, twice := s.links[l[1]]; !twice {
				s.links[l[1]] = printable(l[2])
			}
		case "generation", "snapshot":
			if strings.Count(l[2], "/") == 2 && safePath(l[2]) && strings.HasPrefix(l[2], l[0]+"s/") {
				s.dirs = append(s.dirs, l[0]+" "+l[2])
			}
		case "pool":
			if n, err := strconv.ParseInt(l[1], 10, 64); err == nil && safePath(l[2]) && strings.HasPrefix(l[2], "pool/") {
				s.pool[l[2]] = n
			}
		}
	}
	return s, err
}

// lock keeps two processes from working on the other host at once: what one has just brought there
// must not be swept away by the other. Errors: Busy.
func (p *Place) lock() (release func(), err error) {
	dir := filepath.Join(p.Root(), "locks")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, errs.E("archive.ssh", errs.Failed, err).Hint("the folder of the master copy must be writable")
	}
	f, err := os.OpenFile(filepath.Join(dir, "elsewhere"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, errs.E("archive.ssh", errs.Failed, err).Hint("the folder of the master copy must be writable")
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, errs.E("archive.ssh", errs.Busy, fmt.Errorf("somebody else is at work on %s", p.host.Destination)).Hint("wait until it has ended")
	}
	return func() { _ = unix.Flock(int(f.Fd()), unix.LOCK_UN); f.Close() }, nil
}

// bring makes the other host show the generation next; see [aptrepo.Options].Before.
func (p *Place) bring(ctx context.Context, s aptrepo.Suite, next, previous string) error {
	const op = "archive.ssh"
	parts, err := p.Parts(ctx, s.Name, next)
	if err != nil {
		return err
	}
	for _, one := range parts {
		if !safePath(one.Path) {
			return errs.E(op, errs.Invalid, fmt.Errorf("the name %q is not one that can be sent to another host", one.Path)).
				Hint("use letters, digits and + . ~ _ % : = @ , - in names of files")
		}
	}
	release, err := p.lock()
	if err != nil {
		return err
	}
	defer release()
	there, err := p.look(ctx, true)
	if err != nil {
		return err
	}
	if err := p.agree(s.Name, previous, there, next); err != nil {
		return err
	}
	parts = slices.DeleteFunc(parts, func(one aptrepo.Part) bool {
		size, has := there.pool[one.Path]
		return one.Pool && has && size == one.Size
	})
	read, write := io.Pipe()
	sent := make(chan error, 1)
	go func() {
		err := p.send(write, s.Name, next, parts)
		write.CloseWithError(err)
		sent <- err
	}()
	_, err = p.run(ctx, "receive", receiveScript, read, s.Name, next)
	read.CloseWithError(io.ErrClosedPipe)
	if here := <-sent; here != nil && !errors.Is(here, io.ErrClosedPipe) {
		return errs.E(op, errs.Failed, fmt.Errorf("reading the master copy: %w", here)).Hint("look at %s", p.Root())
	}
	if err != nil {
		return err
	}
	expect, stamp := there.links[s.Name], ""
	if s.Snapshots > 0 {
		stamp, _, _ = strings.Cut(next, "-")
	}
	_, err = p.run(ctx, "switch", switchScript, nil, s.Name, next, expect, stamp)
	return err
}

// send writes the files of a generation as receiveScript takes them.
func (p *Place) send(w io.Writer, suite, id string, parts []aptrepo.Part) error {
	t := tar.NewWriter(w)
	text := func(name, content string, at time.Time) error {
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content)), ModTime: at}); err != nil {
			return err
		}
		_, err := io.WriteString(t, content)
		return err
	}
	var gen, pool strings.Builder
	for _, one := range parts {
		name := one.Path
		if one.Pool {
			fmt.Fprintf(&pool, "%s  %s\n", one.SHA256, strings.TrimPrefix(name, "pool/"))
		} else {
			name = strings.TrimPrefix(name, "generations/"+suite+"/"+id+"/")
			fmt.Fprintf(&gen, "%s  %s\n", one.SHA256, name)
			name = "gen/" + name
		}
		if err := p.sendFile(t, name, one); err != nil {
			return err
		}
	}
	now := time.Unix(0, 0)
	return errors.Join(text("gen.sums", gen.String(), now), text("pool.sums", pool.String(), now), text("done", id+"\n", now), t.Close())
}

// sendFile keeps the time of a file: clients are told it, and a mirror compares it.
func (p *Place) sendFile(t *tar.Writer, name string, one aptrepo.Part) error {
	f, err := os.Open(filepath.Join(p.Root(), filepath.FromSlash(one.Path)))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != one.Size {
		return fmt.Errorf("%s has changed its size", one.Path)
	}
	// Whole seconds: the format has no more without extensions.
	if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: one.Size, ModTime: info.ModTime().Truncate(time.Second)}); err != nil {
		return err
	}
	_, err = io.Copy(t, f)
	return err
}

// sweep removes on the other host what the master does not have.
func (p *Place) sweep(ctx context.Context) error {
	release, err := p.lock()
	if err != nil {
		return err
	}
	defer release()
	there, err := p.look(ctx, true)
	if err != nil {
		return err
	}
	for name := range there.links {
		if !slices.Contains(p.Suites(), name) {
			return errs.E("archive.ssh", errs.Conflict, fmt.Errorf("%s has the suite %q in %s, which is not configured", p.host.Destination, printable(name), p.host.Path)).
				Hint("configure it, or remove it there by hand")
		}
	}
	for _, suite := range p.Suites() {
		current, err := p.Current(suite)
		if err != nil {
			return err
		}
		if err := p.agree(suite, current, there, ""); err != nil {
			return err
		}
		if current == "" {
			continue
		}
		// A master that is not whole must not decide what goes.
		if _, err := p.Check(ctx, suite, false); err != nil {
			return err
		}
	}
	var doomed strings.Builder
	missing := func(path string) bool {
		_, err := os.Lstat(filepath.Join(p.Root(), filepath.FromSlash(path)))
		return errors.Is(err, fs.ErrNotExist)
	}
	for _, d := range there.dirs {
		kind, path, _ := strings.Cut(d, " ")
		if missing(path) {
			fmt.Fprintln(&doomed, kind, path)
		}
	}
	for path := range there.pool {
		if missing(path) {
			fmt.Fprintln(&doomed, "file", path)
		}
	}
	_, err = p.run(ctx, "sweep", sweepScript, strings.NewReader(doomed.String()))
	return err
}
