package main

import (
	"testing"
)

// A transition in a ledger writes what it changes: ten times the rows do not make it dearer.
func TestLedgerIsNeverRewrittenWhole(t *testing.T) {
	ctx := t.Context()
	y, err := openYard(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := y.h.close(); err != nil {
			t.Error(err)
		}
	}()
	err = y.h.work(ctx, func() error {
		if err := y.grow(ctx, 200); err != nil {
			return err
		}
		_, small, err := y.move(ctx, 64, 5)
		if err != nil {
			return err
		}
		if err := y.grow(ctx, 2_000); err != nil {
			return err
		}
		_, large, err := y.move(ctx, 64, 5)
		if err != nil {
			return err
		}
		t.Logf("%.0f bytes a transition with 200 rows, %.0f with 2,000", small, large)
		if large > 2*small {
			t.Errorf("a transition writes %.0f bytes with 2,000 rows and %.0f with 200", large, small)
		}
		return y.sound(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := y.h.e.RunState(ctx, y.run)
	if err != nil {
		t.Fatal(err)
	}
	if a := s.Ledgers["packages"]; a != nil && len(a.Rows) > 0 {
		t.Errorf("the run was told of %d rows that no list of its playbook reads", len(a.Rows))
	}
}

// Neither does a lease, its verdict, or a person who wants the row again; and none of them is an
// event of the run.
func TestLeasedRowsWriteWhatTheyChange(t *testing.T) {
	ctx := t.Context()
	y, err := openBuilds(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := y.h.close(); err != nil {
			t.Error(err)
		}
	}()
	err = y.h.work(ctx, func() error {
		if err := y.grow(ctx, 200); err != nil {
			return err
		}
		_, small, err := y.build(ctx, 800)
		if err != nil {
			return err
		}
		if err := y.grow(ctx, 2_000); err != nil {
			return err
		}
		_, large, err := y.build(ctx, 2_000)
		if err != nil {
			return err
		}
		t.Logf("%.0f bytes a transition with 200 rows, %.0f with 2,000", small, large)
		if large > 2*small {
			t.Errorf("a transition writes %.0f bytes with 2,000 rows and %.0f with 200", large, small)
		}
		return y.quiet(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
}
