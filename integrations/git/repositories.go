// Package git reads and changes git repositories for releases, through the git program.
//
// [Repositories] keeps one bare working copy a remote in a folder of the bot. Nothing in a
// repository is ever run: there are no hooks, no configuration but ours, no transports that are
// programs, and no argument that git could take for an option. What a remote has is mirrored
// under refs/slipway/, apart from what is made here, and is fetched anew by every action.
//
// Remotes are addresses from a project's profile: an absolute path, or a https, http, ssh, git
// or file URL, or user@host:path. Their credentials are never shown in an error or an output.
package git

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"slipway/bot/errs"
)

// Options are what an operator may set. The zero Options will do.
type Options struct {
	Git        string // the git program; "" = found in PATH
	GPG        string // the gpg program; "" = found in PATH when a signature is verified
	SSHCommand string // GIT_SSH_COMMAND, e.g. with a key file; "" = ssh in batch mode
	AskPass    string // GIT_ASKPASS: a program that prints the user name or the password; "" = none
	// Credentials are for remotes over HTTP, by the beginning of their address; the longest that fits counts.
	Credentials []Credential
	Timeout     time.Duration // of one git command, when the caller sets no earlier deadline; 0 = 5 minutes
	// Still is asked right before every push whether the repository at an address still is the one that
	// the configuration means: a forge leads from the old name of a project to its new one, and git
	// follows. Its error says that it is not, or that nobody can tell; then nothing is pushed. nil: not asked.
	Still func(ctx context.Context, remote string) error
}

// Repositories holds the bare working copies under one folder. Its methods may be called from
// several goroutines; one copy is used by one of them at a time. Two processes must not share a
// folder.
type Repositories struct {
	root string
	opts Options

	mu    sync.Mutex
	locks map[string]chan struct{} // by folder; holds one token
}

// Open prepares the folder root. It returns an error of kind Unavailable when git is missing.
func Open(root string, opts Options) (*Repositories, error) {
	const op = "git.open"
	if opts.Git == "" {
		path, err := exec.LookPath("git")
		if err != nil {
			return nil, errs.E(op, errs.Unavailable, fmt.Errorf("the program git is not installed")).
				Hint("Install the package git, version 2.31 or newer")
		}
		opts.Git = path
	}
	for _, c := range opts.Credentials {
		if err := c.check(); err != nil {
			return nil, err
		}
	}
	if opts.Timeout <= 0 {
		opts.Timeout = 5 * time.Minute
	}
	root, err := filepath.Abs(root)
	if err == nil {
		err = os.MkdirAll(filepath.Join(root, "home"), 0o700)
	}
	if err != nil {
		return nil, errs.E(op, errs.Unavailable, fmt.Errorf("the folder %s cannot be made: %w", root, err))
	}
	return &Repositories{root: root, opts: opts, locks: map[string]chan struct{}{}}, nil
}

// Copy is the bare working copy of one remote, while [Repositories.With] holds its lock.
type Copy struct {
	repos  *Repositories
	remote string
	dir    string
}

// With calls do with the working copy of remote, which it makes first if there is none. Nobody
// else uses the copy meanwhile. It does not fetch.
func (r *Repositories) With(ctx context.Context, remote string, do func(*Copy) error) error {
	if err := CheckRemote(remote); err != nil {
		return err
	}
	dir := filepath.Join(r.root, folder(remote))
	unlock, err := r.lock(ctx, dir)
	if err != nil {
		return err
	}
	defer unlock()
	c := &Copy{repos: r, remote: remote, dir: dir}
	if _, err := os.Stat(filepath.Join(dir, "HEAD")); err != nil {
		if _, err := c.exec(ctx, call{args: []string{"init", "--quiet", "--bare", "--template=", "--initial-branch=none", "--", dir}, outside: true}); err != nil {
			return err
		}
	}
	if err := c.unbundle(ctx); err != nil {
		return err
	}
	return do(c)
}

// Fetch mirrors the branches and tags of the remote. Refs that are gone there go here too.
func (c *Copy) Fetch(ctx context.Context) error {
	_, err := c.exec(ctx, call{args: []string{"fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head",
		"--no-recurse-submodules", "--no-auto-maintenance", "--", remoteName,
		"+refs/heads/*:" + headsAt + "*", "+refs/tags/*:" + tagsAt + "*"}, remote: true})
	return err
}

const (
	remoteName = "slipway" // the remote of every copy, configured in the environment alone
	headsAt    = "refs/slipway/heads/"
	tagsAt     = "refs/slipway/tags/"
	preparedAt = "refs/slipway/prepared/"
)

func (r *Repositories) lock(ctx context.Context, dir string) (unlock func(), err error) {
	r.mu.Lock()
	token, known := r.locks[dir]
	if !known {
		token = make(chan struct{}, 1)
		r.locks[dir] = token
	}
	r.mu.Unlock()
	select {
	case token <- struct{}{}:
		return func() { <-token }, nil
	case <-ctx.Done():
		return nil, errs.E("git.lock", errs.Unavailable, fmt.Errorf("the working copy was in use until the time was over"))
	}
}

// folder is the name of the working copy of remote: a readable part and a hash, without
// credentials in either.
func folder(remote string) string {
	sum := sha256.Sum256([]byte(remote))
	name := strings.TrimSuffix(strings.TrimRight(remote, "/"), ".git")
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return -1
	}, name[strings.LastIndexAny(name, "/:@")+1:])
	return name[:min(len(name), 40)] + "-" + hex.EncodeToString(sum[:8]) + ".git"
}
