package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
	"slipway/integrations/openpgp"
)

type archiveCheck struct {
	Suites []string `arg:"" optional:"" help:"Suites; without any, all."`
	Deep   bool     `help:"Read every package whole; otherwise its size alone is compared."`
	All    bool     `help:"Check all generations that are kept, not only what clients read now."`
}

// Run prints what is wrong. Exit status 1 says that something is.
func (k *archiveCheck) Run(ctx context.Context, c *cli) error {
	o, err := c.Archive.archive(c)
	if err != nil {
		return err
	}
	place, ok := o.Place.(interface {
		Inspect(ctx context.Context, suite string, q aptrepo.Inspection) ([]aptrepo.Finding, error)
	})
	if !ok {
		return o.cannot("it cannot be checked here", "reprepro check && reprepro checkpool")
	}
	now := time.Now()
	verify, err := o.verifier(now)
	if err != nil {
		return err
	}
	suites := k.Suites
	if len(suites) == 0 {
		for _, s := range o.Suites {
			suites = append(suites, s.Name)
		}
	}
	findings := []aptrepo.Finding{}
	for _, suite := range suites {
		found, err := place.Inspect(ctx, suite, aptrepo.Inspection{Deep: k.Deep, All: k.All, Now: now, Verify: verify})
		if err != nil {
			return err
		}
		findings = append(findings, found...)
	}
	switch {
	case c.Archive.JSON:
		if err := printJSON(findings); err != nil {
			return err
		}
	case len(findings) == 0:
		fmt.Printf("%s is good: %s\n", o.name, strings.Join(suites, ", "))
		if o.conf.Over.SSH != "" {
			fmt.Printf("  this is the master copy; clients read %s on %s\n", o.conf.Over.Path, o.conf.Over.SSH)
		}
	}
	if len(findings) == 0 {
		return nil
	}
	hint := findings[0].Hint
	for _, f := range findings {
		if f.Hint != hint {
			hint = ""
		}
	}
	for _, f := range findings {
		if c.Archive.JSON {
			break
		}
		fmt.Println(strings.TrimSpace(f.Suite+" "+f.Generation) + ": " + f.What)
		if hint == "" && f.Hint != "" {
			fmt.Println("  " + f.Hint)
		}
	}
	e := errs.E("archive.check", errs.Corrupt, fmt.Errorf("%s of %s", counted(len(findings), "thing is not as it must be", "things are not as they must be"), o.name))
	if hint != "" {
		return e.Hint("%s", hint)
	}
	return e
}

// verifier decides whether every key of the archive signed a Release.
func (o opened) verifier(now time.Time) (func(release, inRelease, releaseGPG []byte) error, error) {
	certs, err := openpgp.ReadCertificates(o.Keyring)
	if err != nil {
		return nil, err
	}
	policy := openpgp.Policy{Certificates: certs, Allowed: o.Keys}
	return func(release, inRelease, releaseGPG []byte) error {
		text, _, err := openpgp.VerifyInRelease(inRelease, policy, o.Keys, now)
		if err == nil && !bytes.Equal(text, release) {
			err = errs.E("archive.check", errs.Denied, errors.New("InRelease was signed over another text than Release"))
		}
		if err == nil {
			_, err = openpgp.VerifyReleaseGPG(release, releaseGPG, policy, o.Keys, now)
		}
		if err == nil {
			return nil
		}
		return errs.E("archive.check", errs.KindOf(err), fmt.Errorf("its signatures: %s", errs.Cause(err))).Hint("stage the same content again, and let the archive's keys sign it")
	}, nil
}

type archiveClean struct {
	Plan bool `help:"Only say what would go."`
}

// Run cleans the archive up, or says what would go.
func (k *archiveClean) Run(ctx context.Context, c *cli) error {
	o, err := c.Archive.archive(c)
	if err != nil {
		return err
	}
	clean := o.Place.Cleanup
	if k.Plan {
		place, ok := o.Place.(interface {
			PlanCleanup(ctx context.Context, now time.Time) (aptrepo.Removed, error)
		})
		if !ok {
			return o.cannot("what would go cannot be told before", "leave out --plan; what clients can ask for stays")
		}
		clean = place.PlanCleanup
	}
	done, err := clean(ctx, time.Now())
	if err != nil {
		return err
	}
	if c.Archive.JSON {
		return printJSON(struct {
			Plan        bool     `json:"plan"`
			Snapshots   int      `json:"snapshots"`
			Generations int      `json:"generations"`
			Staged      int      `json:"staged"`
			Files       int      `json:"files"`
			Bytes       int64    `json:"bytes"`
			What        []string `json:"what"`
		}{k.Plan, done.Snapshots, done.Generations, done.Staged, done.Files, done.Bytes, append([]string{}, done.What...)})
	}
	for _, w := range done.What {
		fmt.Println("  " + w)
	}
	verb := "removed"
	if k.Plan {
		verb = "would be removed"
	}
	fmt.Printf("%s, %s, %s, %s of %s %s\n", counted(done.Snapshots, "snapshot", "snapshots"), counted(done.Generations, "generation", "generations"),
		counted(done.Staged, "staged generation", "staged generations"), counted(done.Files, "file", "files"), volume(done.Bytes), verb)
	return nil
}

// volume is a number of bytes for people, rounded up.
func volume(n int64) string {
	for _, unit := range []string{"kB", "MB", "GB"} {
		if n = (n + 999) / 1000; n < 10_000 {
			return fmt.Sprintf("%d %s", n, unit)
		}
	}
	return fmt.Sprintf("%d TB", (n+999)/1000)
}

type archiveKeyring struct {
	To      string   `help:"Folder for the package." default:"." type:"path" placeholder:"DIR"`
	Suites  []string `help:"Suites that will get it; by default all." placeholder:"NAME"`
	Version string   `help:"Its version; by default the day of the newest signature of a key, or a higher one than the suites have." placeholder:"V"`
}

// Run writes the package; nothing is staged.
func (k *archiveKeyring) Run(c *cli) error {
	o, err := c.Archive.archive(c)
	if err != nil {
		return err
	}
	made, err := aptrepo.MakeKeyring(o.name, o.Configured, keyrings{}, k.Version, k.Suites)
	if err != nil {
		return err
	}
	path := filepath.Join(k.To, made.Filename())
	if err := os.WriteFile(path, made.Bytes, 0o644); err != nil {
		return errs.E("archive.keyring", errs.Unavailable, fmt.Errorf("%s cannot be written: %w", path, err)).Hint("name a folder with --to")
	}
	if c.Archive.JSON {
		return printJSON(struct {
			Package string   `json:"package"`
			Version string   `json:"version"`
			File    string   `json:"file"`
			Keys    []string `json:"keys"`
			Missing []string `json:"missing"` // suites that do not offer it yet
		}{made.Package, made.Version, path, made.Certificates.Fingerprints, made.Missing})
	}
	fmt.Println(path)
	for _, f := range made.Certificates.Fingerprints {
		fmt.Println("  has the key " + f)
	}
	for _, s := range made.Missing {
		fmt.Println("  is not in " + s + " yet")
	}
	return nil
}
