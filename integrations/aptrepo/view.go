package aptrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
)

// Client looks at an archive as the people do who install from it: with the apt of this machine,
// in a root of its own, with nothing of this machine's configuration. An exit status alone says
// little (apt is content with an empty archive, and with an older one than it knows), so what
// decides is the candidate that apt would install.
type Client struct {
	Dir string // folder for the roots, made when it is not there; each look has one, and removes it
}

// Look is what is asked.
type Look struct {
	Address       string   // of the archive, as in sources.list: http://, https://, file:
	Keyring       []byte   // certificates of the keys that sign it, armored
	Suite         string   // suite or codename
	Components    []string // at least one
	Architectures []string // of the clients; at least one
	Packages      []string // binary packages whose candidates are wanted
	Root          string   // keeps the lists of an earlier look: what a client with a history sees; "" begins anew
}

// Candidate is what apt would install.
type Candidate struct {
	Architecture string
	Package      string
	Version      string // "" when there is none
}

// View is what the clients see.
type View struct {
	Candidates []Candidate // by architecture and package, in the order asked
	Complaints []string    // warnings and errors of apt, each once
}

// aptLimit is how long one call of apt may take.
const aptLimit = 5 * time.Minute

// Look runs apt-get update and apt-cache policy for each architecture. An archive that apt refuses
// is no error: it is told by [View.Complaints]. Errors are of kind [errs.Unavailable] when apt is
// not here or cannot be run, and [errs.Invalid] for a question that cannot be asked.
func (c Client) Look(ctx context.Context, q Look) (View, error) {
	const op = "archive.view"
	if err := q.check(); err != nil {
		return View{}, errs.E(op, errs.Invalid, err)
	}
	for _, program := range []string{"apt-get", "apt-cache"} {
		if _, err := exec.LookPath(program); err != nil {
			return View{}, errs.E(op, errs.Unavailable, fmt.Errorf("%s is not on this machine", program)).
				Hint("install apt here, or let the playbook look from a machine that has it")
		}
	}
	root := q.Root
	if root == "" {
		err := os.MkdirAll(c.Dir, 0o755)
		var dir string
		if err == nil {
			dir, err = os.MkdirTemp(c.Dir, "apt-")
		}
		if err != nil {
			return View{}, errs.E(op, errs.Unavailable, fmt.Errorf("making a root for apt: %w", err))
		}
		defer os.RemoveAll(dir)
		root = dir
	}
	var v View
	for _, arch := range q.Architectures {
		one, err := newRoot(filepath.Join(root, arch), arch, q)
		if err != nil {
			return View{}, errs.E(op, errs.Unavailable, fmt.Errorf("making a root for apt: %w", err))
		}
		said, err := one.run(ctx, "apt-get", "update", "-o", "APT::Update::Error-Mode=any")
		if err != nil {
			return View{}, err
		}
		for _, line := range complaints(said) {
			if !slices.Contains(v.Complaints, line) {
				v.Complaints = append(v.Complaints, line)
			}
		}
		said, err = one.run(ctx, "apt-cache", append([]string{"policy"}, q.Packages...)...)
		if err != nil {
			return View{}, err
		}
		found := candidates(said)
		for _, name := range q.Packages {
			v.Candidates = append(v.Candidates, Candidate{Architecture: arch, Package: name, Version: found[name]})
		}
	}
	return v, nil
}

func (q Look) check() error {
	u, err := url.Parse(q.Address)
	switch {
	case err != nil || !slices.Contains([]string{"http", "https", "file"}, u.Scheme):
		return fmt.Errorf("%q is not an http, https or file address of an archive", q.Address)
	case u.User != nil:
		return errors.New("the address of the archive holds a user")
	case len(q.Keyring) == 0:
		return errors.New("there is no key to check the archive with")
	case len(q.Architectures) == 0 || len(q.Components) == 0 || len(q.Packages) == 0:
		return errors.New("an architecture, a component and a package are needed")
	}
	for _, word := range slices.Concat([]string{q.Address, q.Suite}, q.Components, q.Architectures, q.Packages) {
		// These words stand in a line of sources.list and on a command line.
		if word == "" || word[0] == '-' || strings.ContainsAny(word, " \t\r\n\"'\\[]{};") {
			return fmt.Errorf("%q is no name", word)
		}
	}
	return nil
}

// aptRoot is a folder that apt takes for a whole system.
type aptRoot struct{ dir string }

// newRoot makes dir a system of architecture arch that knows one archive. One that is there
// already keeps its lists.
func newRoot(dir, arch string, q Look) (aptRoot, error) {
	for _, sub := range []string{"etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/sources.list.d", "var/lib/apt/lists/partial",
		"var/cache/apt/archives/partial", "var/lib/dpkg", "var/log/apt", "usr/share"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return aptRoot{}, err
		}
	}
	key := filepath.Join(dir, "etc/apt/archive.asc")
	proxy := ""
	if u, err := url.Parse(q.Address); err == nil && (u.Hostname() == "localhost" || strings.HasPrefix(u.Hostname(), "127.")) {
		proxy = fmt.Sprintf("Acquire::http::Proxy::%q \"DIRECT\";\n", u.Hostname())
	}
	files := map[string]string{
		// Read before any other configuration: from here on nothing of this machine is read. What a
		// container may have switched off is on, or the checks would prove nothing.
		"apt.conf": fmt.Sprintf(`Dir %q;
Dir::State::status %q;
Dir::Bin::dpkg "/usr/bin/dpkg";
APT::Architecture %q;
APT::Architectures {%q;};
APT::Sandbox::User "root";
Acquire::Check-Date "true";
Acquire::Check-Valid-Until "true";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "60";
%s`, dir, filepath.Join(dir, "var/lib/dpkg/status"), arch, arch, proxy),
		"etc/apt/archive.asc": string(q.Keyring),
		"etc/apt/sources.list": fmt.Sprintf("deb [signed-by=%s] %s %s %s\n", key, strings.TrimRight(q.Address, "/"), q.Suite,
			strings.Join(q.Components, " ")),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return aptRoot{}, err
		}
	}
	status, err := os.OpenFile(filepath.Join(dir, "var/lib/dpkg/status"), os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return aptRoot{}, err
	}
	return aptRoot{dir: dir}, status.Close()
}

// run calls a program of apt. An exit status other than 0 is no error: what apt says is told.
func (r aptRoot) run(ctx context.Context, program string, args ...string) (said string, err error) {
	ctx, cancel := context.WithTimeout(ctx, aptLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "APT_CONFIG=" + filepath.Join(r.dir, "apt.conf"), "LC_ALL=C.UTF-8", "HOME=" + r.dir}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", errs.E("archive.view", errs.Unavailable, fmt.Errorf("%s did not end: %w", program, ctx.Err())).Hint("is the archive reachable from here?")
	case errors.As(err, &exit) && len(complaints(out.String())) == 0:
		return "", errs.E("archive.view", errs.Unavailable, fmt.Errorf("%s ended with %s and said: %s", program, exit, strings.TrimSpace(out.String())))
	case err != nil && !errors.As(err, &exit):
		return "", errs.E("archive.view", errs.Unavailable, fmt.Errorf("running %s: %w", program, err))
	}
	return out.String(), nil
}

// complaints are the warnings and errors in what apt said.
func complaints(said string) []string {
	var list []string
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "E: ") || strings.HasPrefix(line, "W: ") {
			list = append(list, line)
		}
	}
	return list
}

// candidates reads what apt-cache policy prints: "NAME:" at the beginning of a line, and below it
// "  Candidate: VERSION".
func candidates(said string) map[string]string {
	found := map[string]string{}
	name := ""
	for line := range strings.Lines(said) {
		line = strings.TrimRight(line, "\n")
		if version, ok := strings.CutPrefix(line, "  Candidate: "); ok {
			if name != "" && version != "(none)" {
				found[name] = version
			}
			continue
		}
		if n, ok := strings.CutSuffix(line, ":"); ok && !strings.HasPrefix(line, " ") {
			// apt writes name:arch for a package of another architecture than the client's.
			name, _, _ = strings.Cut(n, ":")
		}
	}
	return found
}
