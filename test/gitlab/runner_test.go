package gitlab

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/commands/release"
	"slipway/integrations/debian"
	fake "slipway/test/fakes/gitlab"
)

// run plays the runners of GitLab until ctx ends: pipelines succeed as soon as they are there, unless
// the story holds those of their ref.
func (w *world) run(ctx context.Context) {
	done := map[int]bool{}
	for pause(ctx, 30*time.Millisecond) {
		for _, project := range []int{w.project, w.fork} {
			for _, p := range w.lab.Pipelines(project) {
				w.mu.Lock()
				held := w.held[p.Ref] || w.held[""]
				w.mu.Unlock()
				if done[p.ID] || held || slices.Contains([]string{"success", "failed", "canceled", "skipped"}, p.Status) {
					continue
				}
				done[p.ID] = true
				if err := w.build(project, p); err != nil {
					w.t.Errorf("pipeline %d: %v", p.ID, err)
				}
			}
		}
	}
}

// hold keeps the runners from the pipelines of a ref, or lets them go on.
func (w *world) hold(ref string, on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held[ref] = on
}

func (w *world) build(project int, p fake.Pipeline) error {
	for _, j := range w.lab.Jobs(p.ID) {
		if j.Name != "package" {
			continue
		}
		changelog, _ := w.lab.File(project, p.SHA, "debian/changelog")
		files, err := packages(changelog)
		if err == nil {
			err = w.lab.SetArtifacts(j.ID, files)
		}
		if err != nil {
			return err
		}
	}
	return w.lab.FinishPipeline(p.ID, "success")
}

// packages are the source and the package that a changelog names, as dpkg-buildpackage leaves them.
// The same changelog gives the same bytes.
func packages(changelog string) (map[string][]byte, error) {
	entry, _, err := release.ParseEntry(changelog)
	if err != nil {
		return nil, err
	}
	upstream, revision, _ := strings.Cut(entry.Version, "-")
	by := entry.Name + " <" + entry.Mail + ">"
	files, names := map[string][]byte{}, []string{}
	keep := func(name string, data []byte) {
		files["packages/"+name] = data
		names = append(names, name)
	}
	list := func(more string) string {
		var strong, plain strings.Builder
		for _, name := range names {
			data := files["packages/"+name]
			fmt.Fprintf(&strong, " %x %d %s\n", sha256.Sum256(data), len(data), name)
			fmt.Fprintf(&plain, " %x %d %s%s\n", md5.Sum(data), len(data), more, name)
		}
		return "Checksums-Sha256:\n" + strong.String() + "Files:\n" + plain.String()
	}
	orig, err := tarball(entry.Date, entry.Source+"-"+upstream+"/README", "The harbour.\n")
	if err != nil {
		return nil, err
	}
	keep(entry.Source+"_"+upstream+".orig.tar.gz", orig)
	folder, err := tarball(entry.Date, "debian/changelog", changelog)
	if err != nil {
		return nil, err
	}
	keep(entry.Source+"_"+upstream+"-"+revision+".debian.tar.gz", folder)
	keep(entry.Source+"_"+entry.Version+".dsc", fmt.Appendf(nil, "Format: 3.0 (quilt)\nSource: %s\nBinary: %s\nArchitecture: all\nVersion: %s\nMaintainer: %s\nStandards-Version: 4.6.2\n"+
		"Package-List:\n %s deb misc optional arch=all\n%s", entry.Source, entry.Source, entry.Version, by, entry.Source, list("")))
	var deb bytes.Buffer
	err = debian.WriteDeb(&deb, debian.Build{Time: entry.Date,
		Control: debian.Paragraph{{Name: "Package", Value: entry.Source}, {Name: "Version", Value: entry.Version}, {Name: "Architecture", Value: "all"}, {Name: "Section", Value: "misc"},
			{Name: "Priority", Value: "optional"}, {Name: "Maintainer", Value: by}, {Name: "Description", Value: "keeps the lamps and the tides of a harbour"}},
		Files: []debian.File{{Path: "usr/bin/harbour", Mode: 0o755, Body: []byte("#!/bin/sh\necho harbour " + upstream + "\n")}}})
	if err != nil {
		return nil, err
	}
	keep(entry.Source+"_"+entry.Version+"_all.deb", deb.Bytes())
	keep(entry.Source+"_"+entry.Version+"_source.changes", fmt.Appendf(nil, "Format: 1.8\nDate: %s\nSource: %s\nArchitecture: source all\nVersion: %s\nDistribution: unstable\nMaintainer: %s\n"+
		"Changes:\n %s (%s) unstable; urgency=medium\n%s", entry.Date.Format(time.RFC1123Z), entry.Source, entry.Version, by, entry.Source, entry.Version, list("misc optional ")))
	return files, nil
}

func tarball(at time.Time, name, text string) ([]byte, error) {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	t := tar.NewWriter(z)
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), ModTime: at, Format: tar.FormatGNU}); err != nil {
		return nil, err
	}
	if _, err := t.Write([]byte(text)); err != nil {
		return nil, err
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	err := z.Close()
	return out.Bytes(), err
}
