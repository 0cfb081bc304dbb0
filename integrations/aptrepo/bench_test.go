package aptrepo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"slipway/integrations/debian"
)

// benchSuite has one index, as the tools that it is compared with were run: Packages and
// Packages.gz for amd64.
func benchSuite() Suite {
	return Suite{Name: "stable", Codename: "bookworm", Origin: "Bench", Label: "Bench", Architectures: []string{"amd64"}, ByHash: true}
}

func manyDebs(w *world, n int) (files []File) {
	for i := range n {
		files = append(files, w.deb(fmt.Sprintf("bench-%06d", i*7919%1000003), "1.0-1", "all"))
	}
	return files
}

func (w *world) mustPublish(s Staged) {
	if _, err := w.a.Publish(context.Background(), w.signed(s)); err != nil {
		w.t.Fatal(err)
	}
}

// From a folder of packages to a published suite, pool and all.
func BenchmarkFull5000(b *testing.B) {
	b.StopTimer()
	w := newWorld(b, Options{Link: true}, benchSuite())
	files := manyDebs(w, 5000)
	for range b.N {
		w.root = b.TempDir()
		w.reopen(Options{Link: true}, benchSuite())
		b.StartTimer()
		w.mustPublish(w.stage(w.change(files...)))
		b.StopTimer()
	}
}

// synthetic publishes a first generation of n packages that are in no pool.
func synthetic(w *world, n int) {
	s := w.a.suites["stable"]
	c := w.change()
	bld := &build{archive: w.a, suite: s, change: c, sync: &pending{}, dir: w.a.gen(s.Name, c.id()) + staging, want: wishes{}}
	for i := range n {
		name := fmt.Sprintf("bench-%06d", i*7919%1000003)
		control := debian.Paragraph{{Name: "Package", Value: name}, {Name: "Version", Value: "1.0-1"}, {Name: "Architecture", Value: "all"},
			{Name: "Maintainer", Value: "Release Team <team@example.org>"}, {Name: "Section", Value: "misc"}, {Name: "Priority", Value: "optional"},
			{Name: "Depends", Value: "libc6 (>= 2.36), adduser"}, {Name: "Description", Value: "example\nIt has a second line.\n.\nAnd a third one."}}
		sum, _ := sumPieces([][]byte{[]byte(name)}, []Algorithm{SHA256})
		r := row{name: name, version: "1.0-1", arch: "all", source: name, sum: sum[SHA256], size: int64(900 + i%100),
			filename: poolDir("main", name) + "/" + name + "_1.0-1_all.deb"}
		r.text = binaryStanza(control, r, sum, []Algorithm{SHA256})
		wish := bld.want.of(index{"main", "amd64"}, name)
		wish.add = []row{r}
	}
	if err := errors.Join(bld.plan(context.Background()), os.MkdirAll(bld.dir, 0o755)); err != nil {
		w.t.Fatal(err)
	}
	if _, err := bld.write(); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(bld.dir, w.a.gen("stable", c.id())+staged); err != nil {
		w.t.Fatal(err)
	}
	all, err := w.a.generations("stable")
	if err != nil || len(all) != 1 {
		w.t.Fatal(all, err)
	}
	release, err := os.ReadFile(filepath.Join(w.a.gen("stable", c.id())+staged, "Release"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.mustPublish(Staged{Generation: all[0], Release: release})
}

func oneMore(b *testing.B, have int) {
	b.StopTimer()
	w := newWorld(b, Options{Link: true}, benchSuite())
	synthetic(w, have)
	for n := range b.N {
		c := w.change(w.deb(fmt.Sprintf("bench-%06d-more", n*7919%1000003), "1.0-1", "all"))
		b.StartTimer()
		w.mustPublish(w.stage(c))
		b.StopTimer()
	}
}

func BenchmarkOneMore5000(b *testing.B)  { oneMore(b, 5000) }
func BenchmarkOneMore50000(b *testing.B) { oneMore(b, 50000) }
