package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The shares of the time of the others that ours may take at most.
const (
	fullShare = 0.8 // of apt-ftparchive, for everything from a folder of packages
	moreShare = 0.8 // of reprepro, for one package more
)

// measureArchive holds aptrepo against apt-ftparchive and reprepro: the same packages, one index
// for amd64 as Packages and Packages.gz with the same checksums, and the same two calls of gpg for
// the signatures. What is measured is a process of its own, from its start to a signed archive.
// Everything lies on one file system, where there is one in memory, and was read or written just
// before. apt-ftparchive has no cache of checksums, as nobody else has one of a new archive.
//
// apt-ftparchive has no pool and finds the files in place, so that ours puts them into its pool as
// hard links; reprepro copies them.
func measureArchive(ctx context.Context, dir string, t *table, rounds int, packages string) error {
	var sizes []int
	for word := range strings.SplitSeq(packages, ",") {
		size, err := strconv.Atoi(word)
		if err != nil || size < 1 || size > 900_000 {
			return fmt.Errorf("%q is no number of packages", word)
		}
		sizes = append(sizes, size)
	}
	for _, program := range []string{"apt-ftparchive", "reprepro", "gpg", "gzip", "xz"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%s is not here; apt-get install apt-utils reprepro gnupg xz-utils", program)
		}
	}
	key, err := newSigningKey(ctx)
	if err != nil {
		return err
	}
	defer key.close()
	for n, size := range sizes {
		sub := filepath.Join(dir, strconv.Itoa(size))
		f, err := newField(ctx, sub, key, size, rounds)
		if err != nil {
			return err
		}
		if err := f.measure(ctx, t, n == 0); err != nil {
			return fmt.Errorf("%d packages: %w", size, err)
		}
		if err := os.RemoveAll(sub); err != nil {
			return err
		}
	}
	t.note("each has Packages and Packages.gz for amd64, MD5Sum, SHA1 and SHA256, InRelease and Release.gpg", "-")
	t.note("load of the machine, 1, 5 and 15 minutes", load())
	return nil
}

// field is the packages, and an archive of each kind.
type field struct {
	dir    string
	key    *signingKey
	size   int
	rounds int
	date   time.Time // of our last generation
	extra  []string  // packages that are added one by one
	packed string    // how the tars of the packages are compressed
}

// round is what one round of the others and of ours took.
type round map[string]spent

// measure takes the rounds; the kinds alternate. Beyond the first size the archives are filled
// once, and only what one package more takes is measured.
func (f *field) measure(ctx context.Context, t *table, fulls bool) error {
	const ftparchive, reprepro, ours = "apt-ftparchive", "reprepro", "slipway"
	var full, more []round
	for r := range f.rounds {
		if r == 0 || fulls {
			took := round{}
			kinds := []string{reprepro, ours}
			if fulls {
				kinds = []string{ftparchive, reprepro, ours}
			}
			for _, k := range kinds {
				one, err := f.full(ctx, k)
				if err != nil {
					return fmt.Errorf("%s: %w", k, err)
				}
				took[k] = one
			}
			full = append(full, took)
		}
		took := round{}
		for _, k := range []string{reprepro, ours} {
			one, err := f.more(ctx, k, f.extra[r])
			if err != nil {
				return fmt.Errorf("%s, one more: %w", k, err)
			}
			took[k] = one
		}
		more = append(more, took)
	}
	if fulls {
		t.against(fmt.Sprintf("archive of %d packages, packed by %s, all new (limit: apt-ftparchive without a cache; ours links its pool)", f.size, f.packed), full, ours, ftparchive, fullShare)
		t.against(fmt.Sprintf("archive of %d packages, packed by %s, all new (limit: reprepro)", f.size, f.packed), full, ours, reprepro, 0)
	}
	t.against(fmt.Sprintf("archive of %d packages, packed by %s, one more (limit: reprepro)", f.size, f.packed), more, ours, reprepro, moreShare)
	return nil
}

func (f *field) full(ctx context.Context, kind string) (spent, error) {
	switch kind {
	case "slipway":
		if err := os.RemoveAll(f.path("slipway")); err != nil {
			return spent{}, err
		}
		return f.ours(ctx, f.path("debs"), f.size)
	case "reprepro":
		if err := f.newReprepro(); err != nil {
			return spent{}, err
		}
		debs, err := filepath.Glob(f.path("debs/*.deb"))
		if err != nil {
			return spent{}, err
		}
		return f.reprepro(ctx, debs, f.size)
	}
	return f.ftparchive(ctx)
}

func (f *field) more(ctx context.Context, kind, deb string) (spent, error) {
	if kind == "slipway" {
		return f.ours(ctx, deb, -1)
	}
	return f.reprepro(ctx, []string{deb}, -1)
}

func (f *field) path(name string) string { return filepath.Join(f.dir, name) }

// against writes rows of a share by wall time, judged, and by processor time, which depends less
// on what else the machine does.
func (t *table) against(what string, rounds []round, ours, limit string, target float64) {
	of := func(kind string, by func(spent) time.Duration) time.Duration {
		var all []time.Duration
		for _, r := range rounds {
			all = append(all, by(r[kind]))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	share := func(by func(spent) time.Duration) float64 {
		var all []float64
		for _, r := range rounds {
			all = append(all, float64(by(r[ours]))/float64(by(r[limit])))
		}
		return median(all)
	}
	for _, one := range []struct {
		name string
		by   func(spent) time.Duration
	}{{"", func(s spent) time.Duration { return s.wall }}, {", processor time", func(s spent) time.Duration { return s.cpu }}} {
		got := share(one.by)
		row := []string{what + one.name, short(of(ours, one.by)), short(of(limit, one.by)), fmt.Sprintf("%.3f", got)}
		if target == 0 || one.name != "" {
			t.rows = append(t.rows, append(row, "-", "-"))
			continue
		}
		t.judged(append(row, fmt.Sprintf("≤ %.2f", target)), got <= target)
	}
}

// load is what the machine had to do besides.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil || len(text) < 14 {
		return "not known"
	}
	return string(text[:14])
}

// tmpfs is a folder in memory, "" when there is none: the disk of one round must not be measured
// in the next.
func tmpfs() string {
	const shm = "/dev/shm"
	if info, err := os.Stat(shm); err != nil || !info.IsDir() {
		return ""
	}
	return shm
}
