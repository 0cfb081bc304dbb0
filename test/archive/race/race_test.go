//go:build prove

package race

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"slipway/integrations/debian"
)

const (
	packages = 50 // of each archive in the beginning
	clients  = 6
	pace     = 3   // updates that begin to read from one publication to the next
	spanning = 200 // updates that must have read across a publication
)

// publications is how many are made at least, and after how many ours gives up.
func publications() (least, most int) {
	if os.Getenv("SLIPWAY_SOAK") == "1" {
		return 1_000, 2_000
	}
	return 50, 200
}

// archiver is a tool that publishes.
type archiver interface {
	// prepare does what clients do not see, where the tool can do that by itself.
	prepare(deb string) error
	// publish makes clients see what prepare was given.
	publish(deb string) error
	// root is what a web server serves; line is what follows the address in sources.list.
	root() string
	keyring() string
}

func TestClientsReadWhileOthersPublish(t *testing.T) {
	first, more := debs(t)
	least, most := publications()
	out := &strings.Builder{}
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	row := func(cells ...any) {
		for _, c := range cells {
			fmt.Fprintf(table, "%v\t", c)
		}
		fmt.Fprintln(table)
	}
	row("", "publications", "updates", "across one", "checksum", "404", "signature", "empty", "older", "other")
	for _, kind := range []string{"slipway", "reprepro", "aptly"} {
		var a archiver
		bound := least // the others publish as often as they must to be compared
		switch kind {
		case "slipway":
			a, bound = newOurs(t, first), most
		case "reprepro":
			a = newReprepro(t, first)
		case "aptly":
			a = newAptly(t, first)
		}
		begin := time.Now()
		r := newRace(t, a)
		r.run(more, least, bound)
		n := r.count
		row(kind, len(r.published), r.updates, r.across, n[checksum], n[missing], n[signature], n[empty], n[older], n[other])
		t.Logf("%s: %d publications, %d updates, %d across one, met %v; %s, about %v an update", kind, len(r.published), r.updates, r.across, n,
			time.Since(begin).Round(time.Millisecond), (r.took / time.Duration(max(r.updates, 1))).Round(time.Millisecond))
		for _, said := range r.examples {
			t.Logf("%s: %s", kind, said)
		}
		if len(r.published) < least || r.across == 0 {
			t.Errorf("%s made %d publications, want %d, and %d updates read across one", kind, len(r.published), least, r.across)
		}
		if kind != "slipway" {
			continue
		}
		if r.across < spanning {
			t.Errorf("only %d updates read across a publication, want %d", r.across, spanning)
		}
		for what, times := range n {
			if times > 0 {
				t.Errorf("clients of ours met %s %d times", trouble(what), times)
			}
		}
		r.everybodySees(packages + len(r.published))
	}
	if err := table.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Logf("what clients met, in updates:\n%s", out)
}

// trouble is what an update can meet.
type trouble int

const (
	checksum  trouble = iota // a file is not what the Release says
	missing                  // 404
	signature                // broken, expired, of nobody
	empty                    // no packages, and not a word
	older                    // fewer packages than before, and not a word
	other
	troubles
)

func (t trouble) String() string {
	return [...]string{"a wrong checksum", "a missing file", "a bad signature", "an empty archive without a word", "an older archive", "another complaint"}[t]
}

// race is one tool that publishes, and its clients.
type race struct {
	t       *testing.T
	a       archiver
	front   *front
	clients []*client

	mu        sync.Mutex
	published []window
	updates   int
	across    int
	took      time.Duration
	count     [troubles]int
	examples  []string // one of each kind
}

// window is the time that a publication takes.
type window struct{ begin, end time.Time }

func newRace(t *testing.T, a archiver) *race {
	r := &race{t: t, a: a, front: newFront(t, a.root())}
	for range clients {
		r.clients = append(r.clients, newClient(t, r.front.url, a.keyring()))
	}
	return r
}

// run publishes and lets clients update until there were enough publications, and enough updates
// across one. The clients set the pace: a publication begins at the moment at which one of them
// gets its InRelease, when some others have had theirs since the last one.
func (r *race) run(more []string, least, most int) {
	ctx, stop := context.WithCancel(r.t.Context())
	var all sync.WaitGroup
	for _, c := range r.clients {
		all.Go(func() {
			defer stop() // one that fails ends the race
			for ctx.Err() == nil {
				begin := time.Now()
				met, err := c.update()
				if err != nil {
					r.t.Error(err)
					return
				}
				r.note(begin, time.Now(), met)
			}
		})
	}
	for i := 0; ctx.Err() == nil && i < most && i < len(more) && !r.enough(least); i++ {
		err := r.a.prepare(more[i])
		if err == nil && r.front.wait(ctx, pace) {
			begin := time.Now()
			err = r.a.publish(more[i])
			r.mu.Lock()
			r.published = append(r.published, window{begin, time.Now()})
			r.mu.Unlock()
		}
		if err != nil {
			r.t.Errorf("publication %d: %v", i, err)
			break
		}
	}
	r.front.wait(ctx, clients) // the updates that are under way count, too
	stop()
	all.Wait()
	r.count[missing] = r.front.notFound()
}

func (r *race) enough(least int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.published) >= least && r.across >= spanning
}

// note counts one update.
func (r *race) note(begin, end time.Time, met []complaint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.updates++
	r.took += end.Sub(begin)
	for _, w := range r.published {
		if w.begin.After(begin) && w.end.Before(end) {
			r.across++
			break
		}
	}
	seen := [troubles]bool{}
	for _, m := range met {
		if seen[m.kind] || m.kind == missing { // counted by the server, as apt does not tell each
			continue
		}
		if seen[m.kind] = true; r.count[m.kind] == 0 {
			r.examples = append(r.examples, m.said)
		}
		r.count[m.kind]++
	}
}

// everybodySees wants every client to have the newest archive after one more update, in peace.
func (r *race) everybodySees(want int) {
	r.t.Helper()
	for _, c := range r.clients {
		met, err := c.update()
		if err != nil || len(met) > 0 || c.packages != want {
			r.t.Errorf("in the end a client has %d packages, want %d; %v %v", c.packages, want, met, err)
		}
	}
}

// debs makes the packages of the beginning and those to come.
func debs(t *testing.T) (first, more []string) {
	t.Helper()
	dir := t.TempDir()
	_, most := publications()
	for i := range packages + most {
		name := fmt.Sprintf("race-%04d", i*7919%10007)
		path := filepath.Join(dir, name+"_1.0_all.deb")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		err = debian.WriteDeb(f, debian.Build{Time: time.Unix(1_700_000_000, 0), Control: debian.Paragraph{
			{Name: "Package", Value: name}, {Name: "Version", Value: "1.0"}, {Name: "Architecture", Value: "all"},
			{Name: "Section", Value: "misc"}, {Name: "Priority", Value: "optional"},
			{Name: "Maintainer", Value: "Release Team <team@example.org>"}, {Name: "Description", Value: "example " + name}}})
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		if i < packages {
			first = append(first, path)
		} else {
			more = append(more, path)
		}
	}
	return first, more
}
