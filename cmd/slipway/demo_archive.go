package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
)

// demoArchive is an APT archive that is served on a loopback port, as clients would have it.
type demoArchive struct {
	root    string
	address string   // as in sources.list
	arch    string   // of its clients, as Debian calls it
	build   []string // what makes the packages; empty: dpkg-buildpackage
	server  *http.Server
}

// demoSuite is the suite of the demo's archive.
const demoSuite = "stable"

// startArchive serves the folder of an archive that has nothing in it yet.
func (y *yard) startArchive(ctx context.Context, o yardOptions) error {
	a := &demoArchive{root: filepath.Join(y.dir, "archive"), arch: o.Arch, build: o.Build}
	if a.arch == "" {
		var err error
		if a.arch, err = output(ctx, y.dir, "dpkg", "--print-architecture"); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(a.root, 0o755); err != nil {
		return errs.E("demo", errs.Unavailable, fmt.Errorf("making the folder of the archive: %w", err))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return errs.E("demo", errs.Unavailable, fmt.Errorf("listening for clients of the archive: %w", err))
	}
	a.address = "http://" + l.Addr().String() + "/" + y.project
	mux := http.NewServeMux()
	mux.Handle("/"+y.project+"/", http.StripPrefix("/"+y.project, http.FileServer(http.Dir(a.root))))
	a.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = a.server.Serve(l) }()
	y.archive = a
	return nil
}

// config is the archive in slipway.yaml, and what the project says of it.
func (a *demoArchive) config(y *yard) (archives, project string) {
	archives = fmt.Sprintf(`archives:
  yard:
    root: archive
    address: %s
    keys: [%s]
    public_keys: [key/demo-cert.asc]
    suites:
      %s: {origin: Harbour, label: Harbour, architectures: [%s], valid_for: 14d, snapshots: 10}
`, a.address, y.fingerprint, demoSuite, a.arch)
	project = fmt.Sprintf("\n    archive: yard\n    suites: [%s]", demoSuite)
	if len(a.build) > 0 {
		project += fmt.Sprintf("\n    build: {command: [%s]}", quoted(a.build))
	}
	return archives, project
}

// look is the question of a client of the archive.
func (a *demoArchive) look(y *yard) (aptrepo.Look, error) {
	key, err := os.ReadFile(filepath.Join(y.dir, "key", "demo-cert.asc"))
	return aptrepo.Look{Address: a.address, Keyring: key, Suite: demoSuite, Components: []string{"main"}, Architectures: []string{a.arch},
		Packages: []string{y.project}, Root: filepath.Join(y.dir, "client")}, err
}

// proofs are made with gpgv and apt, as a client would; want is the version that there must be, "" for none.
func (a *demoArchive) proofs(ctx context.Context, y *yard, want string, add func(what, how string, err error)) {
	ring := filepath.Join(y.dir, "archive-key.gpg")
	_, err := output(ctx, y.dir, "gpg", "--batch", "--yes", "--no-default-keyring", "--homedir", y.dir, "--output", ring, "--dearmor", filepath.Join(y.dir, "key", "demo-cert.asc"))
	dist := filepath.Join(a.root, "dists", demoSuite)
	if err == nil {
		_, err = output(ctx, dist, "gpgv", "--keyring", ring, "InRelease")
	}
	add("InRelease is signed by the archive's key", "gpgv InRelease", err)
	_, err = output(ctx, dist, "gpgv", "--keyring", ring, "Release.gpg", "Release")
	add("so is Release", "gpgv Release.gpg Release", err)

	q, err := a.look(y)
	if err != nil {
		add("the archive's key is there", q.Root, err)
		return
	}
	view, err := aptrepo.Client{Dir: y.dir}.Look(ctx, q)
	if err == nil && len(view.Complaints) > 0 {
		err = errors.New(strings.Join(view.Complaints, "; "))
	}
	add("apt reads the archive without a complaint, with its checks of dates on", "apt-get update", err)
	if err == nil && !slices.ContainsFunc(view.Candidates, func(c aptrepo.Candidate) bool { return c.Package == y.project && c.Version == want }) {
		err = fmt.Errorf("apt offers %v", view.Candidates)
	}
	if want == "" {
		add("apt offers no "+y.project+", as all of it was withdrawn", "apt-cache policy "+y.project, err)
		return
	}
	add(fmt.Sprintf("apt offers %s %s", y.project, want), "apt-cache policy "+y.project, err)
	have, err := aptrepo.Client{Dir: y.dir}.Install(ctx, q, y.project)
	if err == nil && have[y.project] != want {
		err = fmt.Errorf("dpkg has %v", have)
	}
	if err == nil {
		upstream := want[:strings.LastIndex(want, "-")]
		var said string
		if said, err = output(ctx, y.dir, filepath.Join(q.Root, a.arch, "usr/bin", y.project)); err == nil && !strings.HasSuffix(said, " "+upstream) {
			err = fmt.Errorf("the program says %q", said)
		}
	}
	add(fmt.Sprintf("apt installs %s %s into a root of its own, and the program there says its version", y.project, want), "apt-get install "+y.project, err)
}

// needs are the programs that the archive of the demo wants, with the packages that have them.
func (*demoArchive) needs() map[string]string {
	return map[string]string{"gpgv": "gpgv", "dpkg-buildpackage": buildEssential, "make": buildEssential, "apt-get": "apt", "dpkg-query": "dpkg"}
}

// buildEssential is what every package may need for its build without saying so (Debian Policy,
// section 4.2), and without which dpkg builds none, even if its programs are there.
const buildEssential = "build-essential"

// lacksBuildEssential reports whether dpkg says that it is not installed.
func lacksBuildEssential(ctx context.Context) bool {
	if _, err := exec.LookPath("dpkg-query"); err != nil {
		return false // not Debian
	}
	status, err := output(ctx, "/", "dpkg-query", "--showformat=${db:Status-Status}", "--show", buildEssential)
	return err != nil || status != "installed"
}

// onDebian reports whether this machine can have an archive at all.
func onDebian() bool {
	_, err := exec.LookPath("apt-get")
	return err == nil
}
