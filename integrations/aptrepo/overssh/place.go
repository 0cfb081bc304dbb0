// Package overssh publishes an APT archive to another host.
//
// The archive itself is made in a folder of this host, the master: see [aptrepo.Archive]. Clients
// read a folder of another host that is laid out alike. A publication brings there what is new,
// in this order:
//
//  1. new packages and the generation with its signatures, under a temporary name
//  2. there: SHA256 of every one of these files, their owner, and their modes
//  3. packages go to their place in the pool, the generation gets its name
//  4. the link of the suite is turned, if it still leads where the master's does
//  5. the link of the master is turned
//
// Whatever is interrupted, clients there find the old or the new generation, whole; the same
// publication made again finishes the work. When the other host shows something else than the
// master and no interrupted publication explains it, nothing is changed and both are named.
//
// The other side needs sh, coreutils, find and tar, and no program of Slipway. Everything goes
// through the ssh of this host, so that ~/.ssh/config decides about ports, keys and jumps;
// Slipway asks nobody for a password and trusts no unknown host key. A publication takes three
// connections.
package overssh

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
)

// Host is where clients read the archive.
type Host struct {
	Destination string // user@host, or a Host of ssh_config
	Path        string // folder there, from /; it must exist
	Owner       string // who must own the files there; "" is the user who logs in
}

// Options are for the way there.
type Options struct {
	Program string // the ssh to use; default "ssh"
	Config  string // a file to use in place of ~/.ssh/config
	// KnownHosts is the only file that is asked for the key of the host; "" are those of ssh. It must
	// have no spaces, quotes, $ and %, which ssh would read as something else.
	KnownHosts string
	// Step is that of [aptrepo.Options], for the master and around every connection.
	Step func(name string)
}

// Place is an archive that clients read on another host.
type Place struct {
	*aptrepo.Archive // the master
	host             Host
	opts             Options
	suites           []aptrepo.Suite
}

var _ aptrepo.Place = (*Place)(nil)

var (
	ownerForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)
	// pathForm is what a name within the archive may consist of: nothing that a shell, sha256sum or
	// a line could take for something else.
	pathForm = regexp.MustCompile(`^[A-Za-z0-9.][A-Za-z0-9+.~_%:=@,-]*(/[A-Za-z0-9.][A-Za-z0-9+.~_%:=@,-]*)*$`)
)

// safePath reports whether a path within the archive can be sent.
func safePath(p string) bool {
	return pathForm.MatchString(p) && path.Clean(p) == p && p != ".." && !strings.HasPrefix(p, "../")
}

// Open is the archive whose master lies in root. Nothing is connected yet. Errors: Invalid.
func Open(root string, host Host, opts Options, suites ...aptrepo.Suite) (*Place, error) {
	if err := host.Check(); err != nil {
		return nil, err
	}
	host.Path = path.Clean(host.Path)
	if opts.Program == "" {
		opts.Program = "ssh"
	}
	p := &Place{host: host, opts: opts, suites: slices.Clone(suites)}
	var err error
	p.Archive, err = aptrepo.Open(root, aptrepo.Options{Step: opts.Step, Before: p.bring}, suites...)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Check refuses what could not be written on a command line. Errors: Invalid.
func (h Host) Check() error {
	bad := func(hint, format string, args ...any) error {
		return errs.E("archive.ssh", errs.Invalid, fmt.Errorf(format, args...)).Hint("%s", hint)
	}
	odd := func(s string) bool {
		return strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) || r == unicode.ReplacementChar })
	}
	switch {
	case h.Destination == "" || h.Destination[0] == '-' || odd(h.Destination) || strings.ContainsAny(h.Destination, " '\"\\`$;&|<>*?(){}"):
		return bad("write user@host, or a Host of ~/.ssh/config", "ssh is %q", h.Destination)
	case !path.IsAbs(h.Path) || path.Clean(h.Path) == "/" || odd(h.Path):
		return bad("write the folder of the archive from /, in printable characters", "path is %q", h.Path)
	case h.Owner != "" && !ownerForm.MatchString(h.Owner):
		return bad("write the name of the user who must own the files there", "owner is %q", h.Owner)
	}
	return nil
}

func (p *Place) step(name string) {
	if p.opts.Step != nil {
		p.opts.Step(name)
	}
}

// Stage makes a generation in the master, if the other host shows what the master does and can be
// written: what people approve must be what can be published. Errors: those of
// [aptrepo.Archive.Stage]; Conflict when the two differ; Unavailable; Denied.
func (p *Place) Stage(ctx context.Context, c aptrepo.Change) (aptrepo.Staged, error) {
	current, err := p.Current(c.Suite)
	if err != nil {
		return aptrepo.Staged{}, err
	}
	there, err := p.look(ctx, false)
	if err != nil {
		return aptrepo.Staged{}, err
	}
	if err := p.agree(c.Suite, current, there, ""); err != nil {
		return aptrepo.Staged{}, err
	}
	return p.Archive.Stage(ctx, c)
}

// Reach looks whether a publication could be made there now, and changes nothing. Errors: Unavailable,
// Denied, NotFound, each with what to do.
func (p *Place) Reach(ctx context.Context) error {
	_, err := p.look(ctx, false)
	return err
}

// agree compares the link of a suite there with the generation that the master shows. A suite that
// was never published there may begin with any generation; next, when not "", may be there already.
func (p *Place) agree(suite, current string, there scene, next string) error {
	link := there.links[suite]
	if link == "" || current != "" && link == target(suite, current) || next != "" && link == target(suite, next) {
		return nil
	}
	master := "nothing"
	if current != "" {
		master = target(suite, current)
	}
	if link == notALink {
		return errs.E("archive.ssh", errs.Conflict, fmt.Errorf("dists/%s of %s on %s is not a link", suite, p.host.Path, p.host.Destination)).
			Hint("move away what is there; Slipway writes a link in its place")
	}
	return errs.E("archive.ssh", errs.Conflict, fmt.Errorf("dists/%s leads to %s on %s, and to %s in the master copy %s", suite, link, p.host.Destination, master, p.Root())).
		Hint("if a publication was interrupted, try it again; otherwise find out who changed the link there, and set it back to %s", master)
}

func target(suite, id string) string { return "../generations/" + suite + "/" + id }

// Cleanup cleans the master, and then removes on the other host what the master does not have.
// Errors: those of [aptrepo.Archive.Cleanup]; Conflict when the two show different generations, or
// the other host has a suite that is not configured; Busy, Unavailable, Denied.
func (p *Place) Cleanup(ctx context.Context, now time.Time) (aptrepo.Removed, error) {
	done, err := p.Archive.Cleanup(ctx, now)
	if err != nil {
		return done, err
	}
	return done, p.sweep(ctx)
}
