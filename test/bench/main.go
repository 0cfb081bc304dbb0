// Command bench measures the engine on disk, and the pages of the console in Chromium, against limits
// that it measures in the same run, and exits with 1 when a share is below its target.
//
// Absolute figures say little about another machine; the shares do. Rounds of the limit and of
// ours alternate, so that noise meets both, and the median of the rounds counts.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	if err := bench(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, args []string) (err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	rounds := f.Int("rounds", 3, "rounds of each measurement; the median counts")
	only := f.String("only", "", "measure only these, by comma: gate, cycle, slow, open, release, pages, hooks")
	runs := f.Int("runs", 50_000, "live runs for the cold open")
	listed := f.Int("listed", 10_000, "with pages: runs")
	steps := f.Int("steps", 2_000, "with pages: steps of the largest run")
	ledger := f.Bool("ledger", false, "measure a ledger instead")
	rows := f.Int("rows", 35_000, "with -ledger: its rows")
	moves := f.Int("moves", 500_000, "with -ledger: transitions")
	profile := f.String("cpuprofile", "", "write a profile of the processor to this file")
	work := f.String("dir", "", "folder for the stores; by default a temporary one")
	archive := f.Bool("archive", false, "measure archives of packages beside apt-ftparchive and reprepro instead")
	sizes := f.String("packages", "5000,50000", "with -archive: how many packages; filling is measured with the first number alone")
	publish := f.String("publish", "", "used by itself: publish packages to the archive in this folder")
	listen := f.Bool("listen", false, "used by itself: open event streams and say what they were told")
	hooks := f.String("hooks", "", "used by itself: take deliveries of webhooks into the store in this folder")
	delay := f.Duration("delay", 0, "with -hooks: what is added to each commit")
	cold := f.String("cold", "", "used by itself: open the store in this folder and say when it is ready")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *cold != "" {
		return coldOpen(ctx, *cold)
	}
	if *hooks != "" {
		debug.SetGCPercent(gcPercent)
		return serveHooks(ctx, *hooks, *delay, os.Stdin, os.Stdout)
	}
	if *listen {
		return listenAll(ctx, os.Stdin, os.Stdout)
	}
	if *profile != "" {
		out, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer out.Close()
		if err := pprof.StartCPUProfile(out); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	if *publish != "" {
		return publishOnce(ctx, *publish, f.Args())
	}
	if *archive && *work == "" {
		*work = tmpfs()
	}
	dir, err := os.MkdirTemp(*work, "slipway-bench-")
	if err != nil {
		return err
	}
	defer func() { err = closed(func() error { return os.RemoveAll(dir) }, err) }()
	debug.SetGCPercent(gcPercent)
	t := &table{}
	if *archive {
		err = measureArchive(ctx, dir, t, *rounds, *sizes)
	} else if *ledger {
		err = measureLedger(ctx, dir, t, *rows, *moves)
	} else {
		m := measurement{dir: dir, rounds: *rounds, runs: *runs, fleet: *listed, steps: *steps, only: *only, t: t}
		err = m.all(ctx)
	}
	if err != nil {
		return err
	}
	return t.print(os.Stdout)
}

// gcPercent is what `slipway serve` sets: what lives is small beside what each command makes.
const gcPercent = 400

// measurement is one run of the whole.
type measurement struct {
	dir          string
	rounds, runs int
	fleet, steps int // with pages: runs, and steps of the largest
	only         string
	t            *table
}

func (m *measurement) wants(what string) bool {
	return m.only == "" || strings.Contains(","+m.only+",", ","+what+",")
}

func (m *measurement) folder(name string) (string, error) {
	dir := filepath.Join(m.dir, name)
	return dir, os.MkdirAll(dir, 0o700)
}

func (m *measurement) all(ctx context.Context) error {
	if m.wants("pages") { // said at once, not after minutes
		if _, err := chromium(); err != nil {
			return err
		}
	}
	for _, part := range []struct {
		name string
		f    func(context.Context, string) error
	}{{"gate", m.gate}, {"cycle", m.cycle}, {"slow", m.slow}, {"open", m.open}, {"release", m.release}, {"pages", m.pages}, {"hooks", m.hooks}} {
		if !m.wants(part.name) {
			continue
		}
		dir, err := m.folder(part.name)
		if err != nil {
			return err
		}
		if err := part.f(ctx, dir); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// width is a number of callers, the calls of a round, and the shares that must be reached.
type width struct {
	callers, calls int
	start, approve float64
}

func widths() []width {
	return []width{{1, 1_500, 0.25, 0.25}, {64, 4_000, 0.15, 0.12}, {256, 4_000, 0.08, 0.06}}
}

func (m *measurement) gate(ctx context.Context, dir string) error {
	return m.gates(ctx, dir, "", 0, widths())
}

// slow is the same with a disk that takes 2 ms more for each commit: it is reported, not judged.
func (m *measurement) slow(ctx context.Context, dir string) error {
	list := widths()
	for i := range list {
		list[i].calls = min(list[i].calls, 10*list[i].callers+200)
		list[i].start, list[i].approve = 0, 0
	}
	return m.gates(ctx, dir, ", commits 2 ms slower", 2*time.Millisecond, list)
}

func (m *measurement) gates(ctx context.Context, dir, what string, delay time.Duration, list []width) (err error) {
	g, err := openRound(ctx, dir, delay)
	if err != nil {
		return err
	}
	defer func() { err = closed(g.close, err) }()
	if _, _, err := g.gate(ctx, 8, 200); err != nil { // warm up
		return err
	}
	for _, w := range list {
		var limits, starts, approvals []taken
		for range m.rounds {
			limit, err := g.limit(w.callers, max(w.calls, w.callers*50))
			if err != nil {
				return err
			}
			start, approve, err := g.gate(ctx, w.callers, w.calls)
			if err != nil {
				return err
			}
			limits, starts, approvals = append(limits, limit), append(starts, start), append(approvals, approve)
		}
		m.t.share(fmt.Sprintf("start, %d callers%s", w.callers, what), middle(starts), middle(limits).rate, w.start)
		m.t.share(fmt.Sprintf("approve, %d callers%s", w.callers, what), middle(approvals), middle(limits).rate, w.approve)
	}
	return nil
}

func (m *measurement) cycle(ctx context.Context, dir string) (err error) {
	g, err := openRound(ctx, dir, 0)
	if err != nil {
		return err
	}
	defer func() { err = closed(g.close, err) }()
	var limits []float64
	var cycles []taken
	for i := range m.rounds {
		at, err := m.folder(filepath.Join("cycle", fmt.Sprint("updates", i)))
		if err != nil {
			return err
		}
		limit, err := updates(at, 2_000)
		if err != nil {
			return err
		}
		took, err := g.cycles(ctx, 64, 2_000)
		if err != nil {
			return err
		}
		limits, cycles = append(limits, limit), append(cycles, took)
	}
	m.t.share("full cycles, 64 callers (limit: bbolt Update, 1 caller)", middle(cycles), median(limits), 0.3)
	return nil
}

// table gathers what was measured.
type table struct {
	rows   [][]string
	missed []string
}

func (t *table) share(what string, got taken, limit, target float64) {
	share := got.rate / limit
	row := []string{what, fmt.Sprintf("%.0f/s  p50 %s p99 %s", got.rate, short(got.p50), short(got.p99)), fmt.Sprintf("%.0f/s", limit), fmt.Sprintf("%.3f", share)}
	if target == 0 {
		t.rows = append(t.rows, append(row, "-", "-"))
		return
	}
	t.judged(append(row, fmt.Sprintf("≥ %.2f", target)), share >= target)
}

func (t *table) judged(row []string, ok bool) {
	verdict := "ok"
	if !ok {
		verdict = "NOT ok"
		t.missed = append(t.missed, row[0])
	}
	t.rows = append(t.rows, append(row, verdict))
}

func (t *table) note(what, measured string) {
	t.rows = append(t.rows, []string{what, measured, "-", "-", "-", "-"})
}

func (t *table) print(to *os.File) error {
	w := tabwriter.NewWriter(to, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "figure\tmeasured\tlimit, same run\tratio\ttarget\t")
	for _, r := range t.rows {
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(t.missed) > 0 {
		return fmt.Errorf("missed: %s", strings.Join(t.missed, "; "))
	}
	return nil
}

func short(d time.Duration) string {
	if d < time.Millisecond {
		return d.Round(time.Microsecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}
