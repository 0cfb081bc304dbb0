package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"slipway/bot/engine"
	"slipway/bot/ledger"
)

// yard is one run with a ledger of packages that are built again and again.
type yard struct {
	h    *house
	run  string
	rows int
}

func openYard(ctx context.Context, dir string) (*yard, error) {
	h, err := open(ctx, dir, options{})
	if err != nil {
		return nil, err
	}
	y := &yard{h: h, run: runID(1)}
	if err := h.start(ctx, "stock", y.run, "1.0"); err != nil {
		return nil, closed(h.close, err)
	}
	return y, nil
}

func packageName(i int) string { return fmt.Sprintf("package-%06d", i) }

// grow adds rows until there are n.
func (y *yard) grow(ctx context.Context, n int) error {
	from := y.rows
	y.rows = n
	_, err := calls(64, n-from, func(i int64) error {
		name := packageName(from + int(i))
		_, err := y.h.e.ChangeRow(ctx, y.run, "packages", name, engine.RowChange{Add: true, Values: map[string]any{"package": name}}, engine.Once{})
		return err
	})
	return err
}

// states that a package goes through for ever: none of them is final.
func states() []string { return []string{"building", "needs"} }

// move makes n transitions over all rows, and tells the bytes that the process wrote for each.
// Every row goes through its states in turn; from is how often each was moved before.
func (y *yard) move(ctx context.Context, callers, rounds int) (taken, float64, error) {
	before, err := written()
	if err != nil {
		return taken{}, 0, err
	}
	n := rounds * len(states()) * y.rows
	var all []taken
	for _, to := range slices.Repeat(states(), rounds) {
		took, err := calls(callers, y.rows, func(i int64) error {
			// A stride spreads the moves over the rows, as builders do.
			name := packageName(int(i) * 7919 % y.rows)
			_, err := y.h.e.ChangeRow(ctx, y.run, "packages", name, engine.RowChange{To: to, Values: map[string]any{"host": "builder-" + strconv.Itoa(int(i)%40)}}, engine.Once{})
			return err
		})
		if err != nil {
			return taken{}, 0, err
		}
		all = append(all, took)
	}
	after, err := written()
	return middle(all), float64(after-before) / float64(n), err
}

// written is how many bytes this process has handed to the disk so far (proc(5), wchar).
func written() (uint64, error) {
	return procNumber("/proc/self/io", "wchar:")
}

func procNumber(file, name string) (uint64, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == name {
			return strconv.ParseUint(f[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no line %s", file, name)
}

// measureLedger makes a ledger large and shows that a transition costs what it did when it was small.
func measureLedger(ctx context.Context, dir string, t *table, rows, moves int) (err error) {
	y, err := openYard(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = closed(y.h.close, err) }()
	const few, callers = 1_000, 64
	return y.h.work(ctx, func() error {
		if err := y.grow(ctx, few); err != nil {
			return err
		}
		small, bytesSmall, err := y.move(ctx, callers, 4)
		if err != nil {
			return err
		}
		begin := time.Now()
		if err := y.grow(ctx, rows); err != nil {
			return err
		}
		t.note(fmt.Sprintf("filling the ledger to %d rows", rows), time.Since(begin).Round(time.Millisecond).String())
		rounds := max((moves+2*rows-1)/(2*rows), 1)
		begin = time.Now()
		large, bytesLarge, err := y.move(ctx, callers, rounds)
		if err != nil {
			return err
		}
		t.note(fmt.Sprintf("%d transitions, %d callers", rounds*2*rows, callers), time.Since(begin).Round(time.Millisecond).String())
		t.note("transition with 1000 rows", fmt.Sprintf("%.0f/s  p50 %s p99 %s", small.rate, short(small.p50), short(small.p99)))
		t.note(fmt.Sprintf("transition with %d rows", rows), fmt.Sprintf("%.0f/s  p50 %s p99 %s", large.rate, short(large.p50), short(large.p99)))
		ratio := bytesLarge / bytesSmall
		t.judged([]string{"bytes written per transition", fmt.Sprintf("%.0f B with %d rows", bytesLarge, rows),
			fmt.Sprintf("%.0f B with %d rows", bytesSmall, few), fmt.Sprintf("%.2f", ratio), "≤ 2.00"}, ratio <= 2)
		info, err := os.Stat(filepath.Join(dir, "slipway.db"))
		if err != nil {
			return err
		}
		peak, err := procNumber("/proc/self/status", "VmHWM:")
		if err != nil {
			return err
		}
		if err := measureBuilds(ctx, filepath.Join(dir, "builds"), t, rows, moves); err != nil {
			return err
		}
		t.note("size of the database", fmt.Sprintf("%.0f MiB", float64(info.Size())/(1<<20)))
		t.note("peak memory of the process, pages of the database included", fmt.Sprintf("%d MiB", peak>>10))
		return y.sound(ctx)
	})
}

// sound checks that every row is where it was moved, and that the log has every move.
func (y *yard) sound(ctx context.Context) error {
	n := 0
	if err := y.h.e.Rows(ctx, y.run, "packages", func(ledger.Row) bool { n++; return true }); err != nil {
		return err
	}
	if n != y.rows {
		return fmt.Errorf("the ledger has %d rows, not %d", n, y.rows)
	}
	return nil
}
