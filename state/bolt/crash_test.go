package bolt_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/state/bolt"
)

// childEnv names the role of this test binary when a test runs it again as its own child.
const childEnv = "SLIPWAY_TEST_CHILD"

func TestMain(m *testing.M) {
	path := os.Getenv(childEnv + "_PATH")
	switch os.Getenv(childEnv) {
	case "writers":
		fail(writers(path))
	case "full":
		fail(fillFile(path))
	default:
		os.Exit(m.Run())
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func child(t *testing.T, role, path string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childEnv+"="+role, childEnv+"_PATH="+path)
	cmd.Stderr = os.Stderr
	return cmd
}

const crashWriters = 32

// counted is the n-th batch of a writer: a counter that is guarded by its last value, a record
// for each step, and one large enough for several pages.
func counted(writer, n int) *engine.Batch {
	w := strconv.Itoa(writer)
	b := &engine.Batch{
		Guards: []engine.Guard{{Key: engine.Key{Space: "counter", ID: w}}},
		Puts: []engine.Record{
			{Key: engine.Key{Space: "counter", ID: w}, Value: []byte(strconv.Itoa(n))},
			{Key: engine.Key{Space: "step", ID: step(writer, n)}, Value: []byte(step(writer, n))},
			{Key: engine.Key{Space: "body", ID: step(writer, n)}, Value: []byte(strings.Repeat(w+" ", 100+n%3000))},
		},
	}
	if n > 1 {
		b.Guards[0].Want = []byte(strconv.Itoa(n - 1))
	}
	return b
}

func step(writer, n int) string { return fmt.Sprintf("%02d/%08d", writer, n) }

// writers commits from all writers until the process is killed, and prints a line for each
// batch after it was acknowledged.
func writers(path string) error {
	db, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		return err
	}
	var out sync.Mutex
	failed := make(chan error)
	for w := range crashWriters {
		go func() {
			last, err := db.Get(background, engine.Key{Space: "counter", ID: strconv.Itoa(w)})
			n, _ := strconv.Atoi(string(last))
			for err == nil {
				n++
				if err = db.Commit(background, counted(w, n)); err != nil {
					break
				}
				out.Lock()
				_, err = fmt.Printf("%d %d\n", w, n)
				out.Unlock()
			}
			failed <- err
		}()
	}
	return <-failed
}

func TestKilledProcessLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slipway.db")
	acknowledged := make([]int, crashWriters)
	total := 0
	for range 10 {
		cmd := child(t, "writers", path)
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// It dies a random time after a random number of acknowledgements: anywhere in a commit.
		left := 1 + rand.IntN(1500)
		delay := time.Duration(rand.Int64N(int64(2 * time.Millisecond)))
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			var w, n int
			if _, err := fmt.Sscanf(lines.Text(), "%d %d", &w, &n); err != nil {
				break // the last line may be cut
			}
			acknowledged[w] = n
			total++
			if left--; left == 0 {
				time.AfterFunc(delay, func() { cmd.Process.Kill() })
			}
		}
		if err := cmd.Wait(); err == nil || left > 0 {
			t.Fatalf("the writers ended by themselves: %v", err)
		}
		checkAcknowledged(t, path, acknowledged)
	}
	t.Logf("%d batches acknowledged, none lost", total)
}

// checkAcknowledged opens the store and looks for every acknowledged batch. What a writer wrote
// without being told is there whole or not at all, and is at most one batch.
func checkAcknowledged(t *testing.T, path string, acknowledged []int) {
	t.Helper()
	db := open(t, path, bolt.Options{})
	defer db.Close()
	wantSound(t, db)
	for w, acked := range acknowledged {
		value, err := db.Get(background, engine.Key{Space: "counter", ID: strconv.Itoa(w)})
		if err != nil {
			t.Fatal(err)
		}
		kept, _ := strconv.Atoi(string(value))
		if kept < acked || kept > acked+1 {
			t.Errorf("writer %d was told of %d batches, and %d are kept", w, acked, kept)
		}
		n := 0
		for _, space := range []string{"step", "body"} {
			n = 0
			err := db.Scan(background, space, step(w, 0), step(w+1, 0), false, func(id string, value []byte) bool {
				n++
				batch := counted(w, n)
				want := batch.Puts[1]
				if space == "body" {
					want = batch.Puts[2]
				}
				if id != want.Key.ID || string(value) != string(want.Value) {
					t.Errorf("%s of writer %d: record %d is %s with %d bytes", space, w, n, id, len(value))
					return false
				}
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
			if n != kept {
				t.Errorf("%s of writer %d: %d records beside a counter of %d", space, w, n, kept)
			}
		}
		acknowledged[w] = kept
	}
}

// fillFile lets the kernel itself refuse to grow the file, and then allows it again.
func fillFile(path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	db, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		return err
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 24 << 20, Max: old.Max}); err != nil {
		return err
	}
	value := strings.Repeat("v", engine.MaxValue)
	n := 0
	for ; err == nil && n < 10000; n++ {
		err = db.Commit(background, putOf(fmt.Sprintf("%05d", n), value))
	}
	if !errs.Is(err, errs.Full) {
		return fmt.Errorf("a file at its limit gave %v", err)
	}
	n--
	for range 3 {
		if err := db.Commit(background, putOf("more", value)); !errs.Is(err, errs.Full) {
			return fmt.Errorf("trying again gave %v", err)
		}
	}
	for i := range n {
		got, err := db.Get(background, engine.Key{Space: "s", ID: fmt.Sprintf("%05d", i)})
		if err != nil || string(got) != value {
			return fmt.Errorf("in a full store record %d of %d reads as %d bytes, %v", i, n, len(got), err)
		}
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	if err := db.Commit(background, putOf("more", value)); err != nil {
		return fmt.Errorf("with room again: %w", err)
	}
	if err := db.Check(background); err != nil {
		return err
	}
	return db.Close()
}

func TestKernelRefusesToGrowTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slipway.db")
	if out, err := child(t, "full", path).Output(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	db := open(t, path, bolt.Options{})
	want(t, db, "more", strings.Repeat("v", engine.MaxValue))
	wantSound(t, db)
}
