package engine_test

import (
	"context"

	"slipway/bot/run"
)

func (w *world) run(name string) *run.State {
	w.t.Helper()
	id, err := w.e.Resolve(context.Background(), name, "manager")
	if err != nil {
		w.t.Fatal(err)
	}
	s, _, err := w.e.RunState(context.Background(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) wantStep(name, step string, want run.StepStatus) {
	w.t.Helper()
	st := w.run(name).Steps[step]
	if st == nil || st.Status != want {
		w.t.Fatalf("step %s of %s is %+v, want %s", step, name, st, want)
	}
}

func (w *world) wantApplied(what string, n int) {
	w.t.Helper()
	w.out.mu.Lock()
	defer w.out.mu.Unlock()
	if w.out.applied[what] != n {
		w.t.Fatalf("%s happened %d times, want %d", what, w.out.applied[what], n)
	}
}
