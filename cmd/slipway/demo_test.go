package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/openpgp"
)

// verifyOwn checks the tag of a clone without gpg.
func (y *yard) verifyOwn(ctx context.Context, clone, tag string) error {
	object, err := output(ctx, clone, "git", "cat-file", "tag", tag)
	if err != nil {
		return err
	}
	payload, signature, err := openpgp.SplitTag([]byte(object + "\n"))
	if err != nil {
		return err
	}
	certs, err := openpgp.LoadCertificates(filepath.Join(y.dir, "key", "demo-cert.asc"))
	if err != nil {
		return err
	}
	_, err = openpgp.Policy{Certificates: certs, Allowed: []string{y.fingerprint}}.VerifyTag(payload, signature, y.fingerprint, time.Now())
	return err
}

// offeredOwn looks at the archive without gpgv and apt.
func offeredOwn(ctx context.Context, y *yard, add func(what, how string, err error)) {
	c, err := loadConfig(y.config)
	if err == nil {
		err = y.offered(ctx, c.Archives["yard"], y.version+"-1")
	}
	add("clients are offered the version", y.archive.address, err)
}

// demoRelease is `slipway demo --auto` without gpg. It gives the first proof that failed.
func demoRelease(ctx context.Context, o yardOptions) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	before, err := refsOf(ctx, o.Repo)
	if err != nil {
		return err
	}
	y, err := newYard(ctx, o)
	if err != nil {
		return err
	}
	defer y.close()
	var story strings.Builder
	err = withBot(ctx, y, func(ctx context.Context, c *config) error {
		_, err := drive(ctx, c.Socket, y.version, func(line string) { story.WriteString(line + "\n") })
		if err == nil && y.listen != "" {
			err = y.onPage(ctx)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, p := range y.proofs(ctx, conf{repo: o.Repo, before: before, alone: true, verify: y.verifyOwn, archive: offeredOwn}) {
		if p.err != nil {
			return errors.Join(errors.New(p.what+" ["+p.how+"]"), p.err, errors.New(story.String()))
		}
	}
	return nil
}

func TestDemoReleasesTheSample(t *testing.T) {
	s := newSlip(t)
	build, err := buildHere()
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]yardOptions{
		"with packages":    {Publish: true, Build: build, Arch: "amd64", Apt: httpClient{}},
		"without packages": {Web: true},
	} {
		o.Dir, o.Version, o.Signer, o.Archive = filepath.Join(s.work, name), sampleVersion, s.signer, true
		if err := demoRelease(t.Context(), o); err != nil {
			t.Errorf("%s: %s", name, errs.Text(err))
		}
	}
}

// owned is a person's repository with a remote, hooks that must not run and a file that is not
// committed.
type owned struct {
	dir, remote, ran string
	g                *sampleRepo
}

func newOwned(t *testing.T, dir string) *owned {
	t.Helper()
	o := &owned{dir: dir, remote: dir + "-remote.git", ran: dir + "-hook-ran"}
	o.g = &sampleRepo{ctx: t.Context(), dir: dir, when: time.Date(2024, 3, 1, 9, 0, 0, 0, time.UTC)}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	o.g.git("init", "--quiet", "--initial-branch=trunk")
	o.g.write("README", "Mine.\n")
	o.g.commit("Begin")
	return o
}

// ready ends the making of the repository.
func (o *owned) ready(t *testing.T) {
	t.Helper()
	o.g.git("clone", "--quiet", "--bare", "--no-local", ".", o.remote)
	o.g.git("remote", "add", "origin", o.remote)
	hook := "#!/bin/sh\ntouch '" + o.ran + "'\nexit 1\n"
	for _, name := range []string{"pre-commit", "post-commit", "post-checkout", "pre-push", "reference-transaction", "post-update", "pre-receive"} {
		for _, hooks := range []string{filepath.Join(o.dir, ".git", "hooks"), filepath.Join(o.remote, "hooks")} {
			if err := errors.Join(os.MkdirAll(hooks, 0o755), os.WriteFile(filepath.Join(hooks, name), []byte(hook), 0o755)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(o.g.err, os.WriteFile(filepath.Join(o.dir, "README"), []byte("Mine, not committed.\n"), 0o644),
		os.WriteFile(filepath.Join(o.dir, "new"), []byte("new\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// look is everything that a release of a copy must not change.
func (o *owned) look(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, c := range [][]string{
		{o.dir, "status", "--porcelain=v1"}, {o.dir, "for-each-ref"}, {o.dir, "rev-parse", "HEAD"}, {o.dir, "config", "--list", "--local"},
		{o.dir, "diff"}, {o.remote, "for-each-ref"}, {o.remote, "count-objects", "-v"},
	} {
		text, err := output(t.Context(), c[0], "git", c[1:]...)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(text + "\n")
	}
	if _, err := os.Stat(o.ran); err == nil {
		all.WriteString("a hook ran\n")
	}
	return all.String()
}

func TestDemoReleasesACopy(t *testing.T) {
	s := newSlip(t)
	debian := "harbour (2024.03-1) unstable; urgency=medium\n\n  * Earlier.\n\n -- Hana Harbour <hana@harbour.example>  Fri, 01 Mar 2024 09:00:00 +0000\n"
	for _, c := range []struct {
		name    string
		version string
		make    func(o *owned)
		bare    bool
		want    string // part of the refusal; "" when it must succeed
	}{
		{name: "calendar", version: "2024.04", make: func(o *owned) {
			o.g.write("debian/changelog", debian)
			o.g.commit("Package it")
			o.g.git("tag", "--annotate", "--message=2024.03", "2024.03")
			o.g.write("a", "a")
			o.g.commit("Add a")
		}},
		{name: "three numbers", version: "1.3.0", make: func(o *owned) {
			o.g.git("tag", "1.2.9")
			o.g.write("a", "a")
			o.g.commit("Add a")
			o.g.git("tag", "unrelated")
		}},
		{name: "no tags", version: "0.1.0", make: func(*owned) {}},
		{name: "detached", version: "0.2.0", make: func(o *owned) {
			o.g.git("tag", "0.1.0")
			o.g.write("a", "a")
			o.g.commit("Add a")
			o.g.git("checkout", "--quiet", "--detach", "HEAD~1")
		}},
		{name: "path with spaces", version: "0.1.0", make: func(*owned) {}},
		{name: "bare", version: "0.1.0", bare: true, make: func(*owned) {}},
		{name: "changelog is ahead", version: "2024.02", want: "2024.03", make: func(o *owned) {
			o.g.write("debian/changelog", debian)
			o.g.commit("Package it")
		}},
		{name: "changelog of another order", version: "1.0.0", want: "2024.03", make: func(o *owned) {
			o.g.write("CHANGELOG", debian)
			o.g.commit("Write it down")
		}},
		{name: "tags are ahead", version: "1.0.0", want: "2.0.0", make: func(o *owned) { o.g.git("tag", "2.0.0") }},
		{name: "tag exists", version: "2.0.0", want: "2.0.0", make: func(o *owned) { o.g.git("tag", "2.0.0") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOwned(t, filepath.Join(s.dir, c.name, "my project"))
			c.make(o)
			o.ready(t)
			repo := o.dir
			if c.bare {
				repo = o.remote
			}
			before := o.look(t)
			err := demoRelease(t.Context(), yardOptions{Dir: filepath.Join(s.work, c.name, "demo"), Repo: repo, Version: c.version, Signer: s.signer, Archive: true})
			switch {
			case c.want == "" && err != nil:
				t.Error(errs.Text(err))
			case c.want != "" && (err == nil || !strings.Contains(errs.Text(err), c.want)):
				t.Errorf("the refusal is %v; it does not name %q", err, c.want)
			case c.want != "":
				t.Log(errs.Text(err))
			}
			if after := o.look(t); after != before {
				t.Errorf("the repository or its remote changed from\n%s\nto\n%s", before, after)
			}
		})
	}
}
