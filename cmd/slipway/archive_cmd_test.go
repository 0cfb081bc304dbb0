package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"slipway/integrations/aptrepo"
	"slipway/integrations/debian"
	"slipway/integrations/openpgp"
)

// makeArchive adds an archive to the configuration of a world, and publishes in it: in stable two
// generations, on top of which a third waits; in testing one that has expired.
func makeArchive(ctx context.Context, dir string) error {
	at := func(day int) time.Time { return time.Date(2019, 1, day, 12, 0, 0, 0, time.UTC) }
	private, public, err := openpgp.Generate("Harbour Archive", "archive@harbour.example", "eddsa", 0, at(1))
	if err != nil {
		return err
	}
	key, err := openpgp.NewKeyFile(private, nil, func() time.Time { return at(2) })
	if err != nil {
		return err
	}
	text := fmt.Sprintf(`
archives:
  harbour:
    root: archive
    address: https://deb.example/harbour
    keys: [%s]
    public_keys: [key.asc]
    keyring: {sources: [stable], publish: true}
    suites:
      stable: {architectures: [amd64, arm64], contents: true, history: 3, staged_for: 20d}
      testing: {architectures: [amd64], valid_for: 7d}
`, key.Fingerprint())
	config := filepath.Join(dir, "slipway.yaml")
	before, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	for path, body := range map[string]string{config: string(before) + text, filepath.Join(dir, "key.asc"): string(public)} {
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			return err
		}
	}
	conf, err := loadConfig(config)
	if err != nil {
		return err
	}
	all, err := openArchives(conf, nil)
	if err != nil {
		return err
	}
	place := all["harbour"].Place
	for _, c := range []struct {
		day             int
		suite, run      string
		names, versions []string
		staged          bool
	}{
		{7, "stable", "", []string{"lamp", "tide"}, []string{"1.0", "1.0"}, false},
		{8, "testing", "", []string{"lamp"}, []string{"1.1"}, false},
		{9, "stable", "lamp-1.1", []string{"lamp"}, []string{"1.1"}, false},
		{10, "stable", "lamp-1.2", []string{"lamp", "pier"}, []string{"1.2", "0.1"}, true},
	} {
		change := aptrepo.Change{Key: fmt.Sprint("day ", c.day), Suite: c.suite, Run: c.run, Date: at(c.day)}
		for i, name := range c.names {
			path := filepath.Join(dir, name+"_"+c.versions[i]+"_all.deb")
			if err := writePackage(path, name, c.versions[i], at(1)); err != nil {
				return err
			}
			change.Add = append(change.Add, aptrepo.File{Path: path})
		}
		s, err := place.Stage(ctx, change)
		if err != nil {
			return err
		}
		if c.staged {
			continue
		}
		p := aptrepo.Publication{Suite: c.suite, Generation: s.ID, Digest: s.Digest, Expect: s.Parent, Now: at(c.day)}
		inline, detached, err := openpgp.SignRelease(ctx, key, s.Release)
		if err != nil {
			return err
		}
		if p.InRelease, p.ReleaseGPG, err = (assembler{}).Assemble(s.Release, [][]byte{inline}, [][]byte{detached}, public, conf.Archives["harbour"].Keys, at(c.day)); err != nil {
			return err
		}
		if _, err := place.Publish(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

func writePackage(path, name, version string, at time.Time) error {
	var b bytes.Buffer
	err := debian.WriteDeb(&b, debian.Build{Time: at, Files: []debian.File{{Path: "usr/bin/" + name, Mode: 0o755, Body: []byte(name + " " + version)}},
		Control: debian.Paragraph{{Name: "Package", Value: name}, {Name: "Version", Value: version}, {Name: "Architecture", Value: "all"},
			{Name: "Maintainer", Value: "Harbour <harbour@harbour.example>"}, {Name: "Description", Value: name + " of a harbour"}}})
	if err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}
