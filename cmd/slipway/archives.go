package main

import (
	"fmt"
	"path/filepath"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
	"slipway/integrations/openpgp"
)

// archives are the APT archives of the configuration, opened.
type archives map[string]aptrepo.Configured

// openArchives opens every archive where it lives. Nothing is written before the first release.
// point, which may be nil, is called around every step that a crash could separate from the next.
func openArchives(c *config, point func(string)) (archives, error) {
	all := archives{}
	for _, name := range sortedKeys(c.Archives) {
		a := c.Archives[name]
		place, err := a.open(point)
		if err != nil {
			return nil, errs.E("serve", errs.KindOf(err), fmt.Errorf("the archive %s: %s", name, errs.Cause(err))).Hint("%s", errs.HintOf(err))
		}
		all[name] = aptrepo.Configured{Place: place, Address: a.Address, Keyring: []byte(a.PublicKeys), Keys: a.Keys, Suites: a.Suites,
			KeyringPackage: a.Keyring}
	}
	return all, nil
}

// archiveBlobs keeps the packages of pipelines, and those that are made here.
type archiveBlobs interface {
	aptrepo.Contents
	aptrepo.Depot
}

// archiveActions are the actions on them. apt gets its roots below the state folder.
func archiveActions(c *config, blobs archiveBlobs, now func() time.Time, point func(string)) (*aptrepo.Actions, error) {
	all, err := openArchives(c, point)
	if err != nil {
		return nil, err
	}
	client := c.Apt
	if client == nil {
		client = aptrepo.Client{Dir: filepath.Join(c.State, "apt")}
	}
	return &aptrepo.Actions{
		Archives:   func(name string) (aptrepo.Configured, bool) { a, ok := all[name]; return a, ok },
		Names:      func() []string { return sortedKeys(all) },
		Contents:   blobs,
		Depot:      blobs,
		Keyrings:   keyrings{},
		Signatures: assembler{},
		Client:     client,
		Now:        now,
	}, nil
}

// assembler is openpgp as the archive wants it.
type assembler struct{}

func (assembler) Assemble(release []byte, inline, detached [][]byte, keyring []byte, keys []string, now time.Time) (inRelease, releaseGPG []byte, err error) {
	return openpgp.Assemble(release, inline, detached, keyring, keys, now)
}
