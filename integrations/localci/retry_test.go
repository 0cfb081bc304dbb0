package localci

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/bot/errs"
)

func TestARunIsBegunAgainOnceForOneKey(t *testing.T) {
	w := newWorld(t, 0, Options{})
	mark := filepath.Join(t.TempDir(), "mark")
	out, err := w.start(1, "sh", "-c", `echo x >>"$0"; test "$(wc -l <"$0")" = 3`, mark)
	if err != nil {
		t.Fatal(err)
	}
	w.settle(out.Pipeline)
	retry, in := NewRetry(w.runner), RetryIn{Remote: w.repo, Commit: w.commit, Pipeline: out.Pipeline}
	ran := func() int {
		data, _ := os.ReadFile(mark)
		return strings.Count(string(data), "x")
	}
	step(t, w, retry, in, 2, Failed)
	// The same key again, by another process too, does nothing.
	w.runner = w.open(0)
	retry = NewRetry(w.runner)
	step(t, w, retry, in, 2, Failed)
	if _, found, err := retry.Probe(t.Context(), key(2), in); !found || err != nil || ran() != 2 {
		t.Errorf("again: %v, %v, it ran %d times", found, err, ran())
	}
	if _, found, err := retry.Probe(t.Context(), key(3), in); found || err != nil {
		t.Errorf("probe of another key: %v, %v", found, err)
	}
	step(t, w, retry, in, 3, Success)
	if got := w.read(); got.State != Success || !strings.Contains(got.Log, "begun again by a person") || ran() != 3 {
		t.Errorf("%+v, it ran %d times", got, ran())
	}
	step(t, w, retry, in, 4, Success) // what passed is left alone
	in.Commit = strings.Repeat("0", 40)
	if _, err := retry.Do(t.Context(), key(5), in); !errs.Is(err, errs.Conflict) || !strings.Contains(errs.Text(err), w.commit) || ran() != 3 {
		t.Errorf("another commit: %v", err)
	}
	in.Pipeline = "x"
	if _, err := retry.Do(t.Context(), key(5), in); !errs.Is(err, errs.Invalid) {
		t.Errorf("no id: %v", err)
	}
}

// step begins the run again under a key, and waits for its end.
func step(t *testing.T, w *world, retry Retry, in RetryIn, try int, want string) {
	t.Helper()
	if _, err := retry.Do(t.Context(), key(try), in); err != nil {
		t.Fatal(err)
	}
	w.settle(in.Pipeline)
	if s, err := w.runner.Status(in.Pipeline); err != nil || s.State != want {
		t.Fatalf("try %d: %+v, %v", try, s, err)
	}
}

func TestACanceledRunIsBegunAgain(t *testing.T) {
	w := newWorld(t, 0, Options{})
	out, _, _ := w.waiting(1)
	if _, err := NewCancel(w.runner).Do(t.Context(), key(1), CancelIn{Pipeline: out.Pipeline}); err != nil {
		t.Fatal(err)
	}
	w.settle(out.Pipeline)
	request := filepath.Join(w.state, "runs", out.Pipeline, "request")
	data, err := os.ReadFile(request)
	if err != nil {
		t.Fatal(err)
	}
	// What it waited for is answered this time.
	if err := os.WriteFile(request, []byte(strings.Replace(string(data), `"wait"`, `"ok"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	step(t, w, NewRetry(w.runner), RetryIn{Remote: w.repo, Commit: w.commit, Pipeline: out.Pipeline}, 2, Success)
}
