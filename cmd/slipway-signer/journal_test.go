package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"slipway/bot/errs"
)

func filled(t *testing.T) (*world, []byte) {
	t.Helper()
	w := newWorld(t)
	for _, tag := range []string{"2026.01", "2026.02"} {
		w.wantSigned(w.offer(w.request(tag)))
	}
	w.worker.Journal.Close()
	data, err := os.ReadFile(w.logPath)
	if err != nil {
		t.Fatal(err)
	}
	return w, data
}

func TestChangedLogNamesTheBrokenLine(t *testing.T) {
	w, data := filled(t)
	lines := strings.SplitAfter(string(data), "\n")
	for name, c := range map[string]struct {
		text string
		line string
	}{
		"changed":  {strings.Replace(string(data), `"tag":"2026.02"`, `"tag":"2026.03"`, 1), "line 3"},
		"removed":  {lines[0] + lines[2] + lines[3], "line 2"},
		"swapped":  {lines[0] + lines[2] + lines[1] + lines[3], "line 2"},
		"repeated": {lines[0] + lines[0] + lines[1], "line 2"},
		"spaces":   {lines[0] + " " + lines[1], "line 2"},
		"rubbish":  {lines[0] + "rubbish\n" + lines[1], "line 2"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(w.logPath, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := VerifyJournal(w.logPath)
			wantKind(t, err, errs.Corrupt, c.line)
			_, err = OpenJournal(w.logPath, w.worker.Now)
			wantKind(t, err, errs.Corrupt, c.line)
		})
	}
}

// A crash at any byte of a write: what was whole stays, the rest is removed and that is recorded.
func TestUnfinishedLastLineIsRepaired(t *testing.T) {
	w, data := filled(t)
	whole := bytes.LastIndexByte(data[:len(data)-1], '\n') + 1
	for cut := whole; cut < len(data); cut += 37 {
		if err := os.WriteFile(w.logPath, data[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		h, err := VerifyJournal(w.logPath)
		if err != nil || h.Lines != 3 || h.Tail != int64(cut-whole) {
			t.Fatalf("cut at %d: %+v, %v", cut, h, err)
		}
		w.reopen()
		w.worker.Journal.Close()
		want := []string{intent, result, intent}
		if cut > whole {
			want = append(want, repaired)
		}
		w.wantLog(want...)
	}
	// The lost line was the result of 2026.02: its signature never left, so it is signed again.
	w.reopen()
	w.wantSigned(w.offer(w.request("2026.02")))
}

func TestOneSignerForOneLog(t *testing.T) {
	w := newWorld(t)
	_, err := OpenJournal(w.logPath, w.worker.Now)
	wantKind(t, err, errs.Conflict, "another signer")
}

func TestNothingIsSignedWithoutItsRecord(t *testing.T) {
	w := newWorld(t)
	id := w.offer(w.request("2026.01"))
	w.worker.Journal.file.Close() // every write fails from here
	if _, err := w.worker.Once(t.Context()); err == nil {
		t.Fatal("no error")
	}
	if w.key.used != 0 || len(w.queue.jobs[id].Verdict.Result) != 0 {
		t.Fatal("the key was used without a record")
	}
}

func TestLogVerifyCommand(t *testing.T) {
	w, data := filled(t)
	var out, errOut bytes.Buffer
	if code := Main([]string{"log", "verify", w.logPath}, &out, &errOut); code != 0 || !strings.Contains(out.String(), "4 lines, the chain is whole") {
		t.Fatalf("%d %s %s", code, out.String(), errOut.String())
	}
	bad := bytes.Replace(data, []byte("2026.01"), []byte("2026.09"), 1)
	if err := os.WriteFile(w.logPath, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	if code := Main([]string{"log", "verify", w.logPath}, &out, &errOut); code != 1 || !strings.Contains(errOut.String(), "line 1 of the log is broken") {
		t.Fatalf("%d %s", code, errOut.String())
	}
}

func FuzzScan(f *testing.F) {
	r := Record{Seq: 1, Type: result, Time: start}
	r.Hash, _ = r.sum()
	f.Add([]byte("{\"seq\":1}\n"))
	f.Add([]byte("unfinished"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var records int
		good, tail, err := scan(iotest.OneByteReader(bytes.NewReader(data)), func(Record) { records++ })
		if err == nil && (good+tail != int64(len(data)) || records != bytes.Count(data, []byte("\n"))) {
			t.Fatalf("%d records, %d and %d of %d bytes", records, good, tail, len(data))
		}
	})
}
