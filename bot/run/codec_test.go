package run

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"slipway/bot/errs"
	"slipway/bot/gate"
	"slipway/bot/manifest"
	"slipway/bot/people"
)

var update = flag.Bool("update", false, "rewrite the golden history")

// everyKind is one event of every kind, with every field of use.
func everyKind() []Body {
	at := time.Date(2019, 1, 10, 12, 0, 0, 0, time.UTC)
	v := map[string]any{"n": int64(7), "l": []any{"a", int64(1)}, "o": map[string]any{"t": true}}
	vote := gate.Vote{Kind: gate.Approve, Person: "a", Account: people.Account{Source: "console", ID: "a"}, Manifest: "sha256:1", Message: "m", At: at}
	return []Body{
		Started{Start{ID: "r", Project: "lava", Requester: "a", Inputs: v, Profile: v}, "release/1"},
		StepStarted{"s", 1, v, "sha256:d", v}, StepDone{Step: "s", Output: v}, StepFailed{Step: "s", Class: "any", Message: "m", RetryAt: at},
		StepSkipped{"t", "w"}, StepStuck{Step: "u", Why: "w", On: "freeze x"}, StepWaits{"u", "lock a", "w"},
		StepStale{Step: "s", Because: "b", Despite: "x", Forget: true}, StepWithdrawn{"e[1]", "gone"},
		EffectIntended{Key: "k", Step: "s", Action: "t.make@1", Inputs: []byte("{}"), Generation: 1, Digest: "sha256:d", After: at},
		EffectEnded{Key: "k", Step: "s", Outcome: OK, Output: []byte(`{"n":1}`), Found: true}, EffectVoided{"k2", "s", "w"},
		Undone{"s", "k"}, Again{"s", "sha256:d"},
		GateOpened{"go", "sha256:1", manifest.Manifest{Run: "r", Gate: "go", Number: 1, Binds: []manifest.Bind{{Name: "x", Value: "1"}}}, time.Time{}},
		Voted{"go", "m", []gate.Vote{vote}}, Withdrawn{"go", "b", gate.Veto, "fine"}, GateClosing{"go", 1, true}, GateReopened{"go", "w", at},
		GateClosed{"go", true, gate.Verdict{Passes: true, Counted: []gate.Vote{vote}}, []Read{{"role", "lava/maintainer", 3}}},
		GateVoided{"go2", "sha256:1", "w"}, Answered{Step: "q", Member: "m", Values: v, Late: true}, Appointed{"coordinator", []people.PersonID{"b"}},
		HandedOver{"b", "w"}, Renamed{"release/2", v}, InputsChanged{v}, Held{"w", true, map[string]time.Duration{"deadline/s": time.Hour}}, Resumed{},
		Adopting{}, AdoptEnded{}, TimerSet{"retry/s", at}, TimerCleared{"other"}, LockTaken{"a", Claim{Run: "r", Scope: "s", Since: at}},
		LockQueued{"b", Claim{Run: "r", Scope: "s", Since: at}}, LockReleased{Lock: "a", Scope: "s", Why: "w"}, Listed{"e", []string{"1"}, map[string]any{"1": v}},
		ChildWanted{"c", "up", "kid"}, ChildEnded{"c", "kid", "done", []byte("{}")}, OfferClosed{"c"},
		Counted{Aggregate{Ledger: "l", Total: 1, Counts: map[string]int{"x": 1}, Rows: []Row{{Key: "k", State: "x", Values: v, Match: true}}}},
		GuardSeen{"g", int64(1)}, GuardBroken{"g", int64(1), int64(2)}, Migrated{"sha256:p", "sha256:c", v, "w"}, Opened{}, Aborting{"w"},
		UndoPlanned{[]UndoItem{{Key: "k", Step: "s", Did: "t.make@1", Action: "t.unmake@1", Inputs: []byte("{}")}}},
		UndoConfirmed{Keys: []string{"k"}, Rest: true}, Finished{"aborted", v},
	}
}

func everyEvent() []Event {
	var out []Event
	for i, b := range everyKind() {
		out = append(out, Event{At: time.Date(2019, 1, 10, 12, 0, i, 0, time.UTC), By: "a", Body: b})
	}
	return out
}

// TestGoldenHistory reads a log written by the first format and compares what it makes. The file
// is never rewritten when a shape changes: a new one is added, and upcasters read the old.
func TestGoldenHistory(t *testing.T) {
	goldenHistory(t, "history-1", everyEvent())
}

// TestGoldenHistoryOfLivingLists is a run whose list was begun by the first format and goes on in
// the second, which records what changed of a list.
func TestGoldenHistoryOfLivingLists(t *testing.T) {
	goldenHistory(t, "history-2", livingEvents())
}

func livingEvents() []Event {
	v := map[string]any{"n": int64(7)}
	var out []Event
	for i, b := range []Body{Listed{"e", []string{"1", "3"}, map[string]any{"1": v, "3": v}}, Relisted{"e", map[string]any{"2": v, "3": map[string]any{"n": int64(8)}}, []string{"1"}},
		Relisted{Step: "empty"}, Relisted{Step: "f", Set: map[string]any{"b": "x", "a": "y"}}, Relisted{Step: "f", Gone: []string{"b"}}} {
		out = append(out, Event{At: time.Date(2019, 1, 10, 12, 0, i, 0, time.UTC), Body: b})
	}
	return out
}

func goldenHistory(t *testing.T, name string, wanted []Event) {
	log, state := filepath.Join("testdata", name+".jsonl"), filepath.Join("testdata", name+".state.json")
	if *update {
		var b bytes.Buffer
		for _, e := range wanted {
			data, err := EncodeEvent(e)
			if err != nil {
				t.Fatal(err)
			}
			b.Write(append(data, '\n'))
		}
		if err := os.WriteFile(log, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	var events []Event
	kinds := map[string]bool{}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		e, err := DecodeEvent(lines.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		again, err := EncodeEvent(e)
		if err != nil || string(again) != lines.Text() {
			t.Fatalf("%s is written back as\n%s", lines.Text(), again)
		}
		kinds[e.Kind()] = true
		events = append(events, e)
	}
	for _, e := range wanted {
		if !kinds[e.Kind()] {
			t.Errorf("the golden history has no %s", e.Kind())
		}
	}
	s := (*State)(nil).Replay(events)
	got := dump(t, s)
	if *update {
		if err := os.WriteFile(state, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("the golden history makes another state:\n%s", got)
	}
}

// dump writes a snapshot record by record.
func dump(t *testing.T, s *State) []byte {
	t.Helper()
	head, err := json.Marshal(s.Head) // with the rows, which a store keeps apart
	if err != nil {
		t.Fatal(err)
	}
	out := append(head, '\n')
	for _, path := range sortedNames(s.Steps) {
		st, err := EncodeStep(s.Steps[path])
		if err != nil {
			t.Fatal(err)
		}
		out = append(append(out, st...), '\n')
		put, _ := ElementsOf(path, nil, s.Steps[path], nil)
		for _, e := range put {
			raw, err := EncodeElement(e)
			if err != nil {
				t.Fatal(err)
			}
			out = append(append(out, raw...), '\n')
		}
	}
	return out
}

func TestSnapshotReadsBack(t *testing.T) {
	s := (*State)(nil).Replay(append(everyEvent(), livingEvents()...))
	data, _ := EncodeHead(s.Head)
	head, err := DecodeHead(data)
	if err != nil {
		t.Fatal(err)
	}
	back := &State{Head: head, Steps: map[string]*Step{}}
	rows := 0
	for name, a := range s.Ledgers {
		if len(head.Ledgers[name].Rows) > 0 {
			t.Errorf("the head holds rows of the ledger %s", name)
		}
		for _, r := range a.Rows {
			data, _ := EncodeRow(r)
			row, err := DecodeRow(data)
			if err != nil {
				t.Fatal(err)
			}
			rows++
			head.Ledgers[name].Rows = append(head.Ledgers[name].Rows, row)
		}
	}
	if rows == 0 {
		t.Error("no row was read back")
	}
	for path, st := range s.Steps {
		data, _ := EncodeStep(st)
		if back.Steps[path], err = DecodeStep(data); err != nil {
			t.Fatal(err)
		}
		var elements []Element
		put, _ := ElementsOf(path, nil, st, nil)
		for _, e := range put {
			raw, _ := EncodeElement(e)
			e, err := DecodeElement(raw)
			if err != nil {
				t.Fatal(err)
			}
			elements = append(elements, e)
		}
		if st.Living {
			if len(back.Steps[path].Keys) > 0 {
				t.Errorf("the record of %s holds its elements", path)
			}
			back.Steps[path].With(elements)
		}
	}
	if diff := equal(s, back); diff != "" {
		t.Fatal(diff)
	}
}

func TestUnknownEventsAreNamed(t *testing.T) {
	for data, words := range map[string]string{
		`{"t":"step.danced","v":1,"b":{}}`: "step.danced",
		`{"t":"step.done","v":9,"b":{}}`:   "version 9",
		`{"t":"step.done","v":0,"b":{}}`:   "version 0",
		`{"t":"step.done","v":1,"b":[]}`:   "step.done",
		`nonsense`:                         "cannot be read",
	} {
		_, err := DecodeEvent([]byte(data))
		if errs.KindOf(err) != errs.Corrupt || !strings.Contains(errs.Text(err), words) {
			t.Errorf("%s: %v", data, err)
		}
	}
	if _, err := EncodeEvent(Event{}); err == nil {
		t.Error("an event without a body is written")
	}
}

// TestEveryKindIsRead: a body that is added without a reader would be lost.
func TestEveryKindIsRead(t *testing.T) {
	for _, b := range everyKind() {
		if decoder(b.kind()) == nil {
			t.Errorf("%s has no reader", b.kind())
		}
	}
}

func TestTouchedNamesEveryStepThatChanged(t *testing.T) {
	s := &State{}
	for _, e := range everyEvent() {
		next := s.Apply(e)
		touched := Touched([]Event{e})
		for path, st := range next.Steps {
			if !reflect.DeepEqual(st, s.Steps[path]) && !slices.Contains(touched, path) {
				t.Errorf("%s changed %s, and Touched does not say so", e.Kind(), path)
			}
		}
		s = next
	}
}

// TestApplyIsTotal: no sequence of events makes Apply fail, and it never changes what it is given.
func TestApplyIsTotal(t *testing.T) {
	all := everyEvent()
	rapid.Check(t, func(t *rapid.T) {
		s := &State{}
		var events []Event
		for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(all)-1), 1, 60).Draw(t, "events") {
			events = append(events, all[i])
			s = s.Apply(all[i])
		}
		if diff := equal(s, (*State)(nil).Replay(events)); diff != "" {
			t.Fatalf("one by one and at once differ: %s", diff)
		}
	})
}

func FuzzDecodeEvent(f *testing.F) {
	for _, e := range everyEvent() {
		data, _ := EncodeEvent(e)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := DecodeEvent(data)
		if err != nil {
			return
		}
		out, err := EncodeEvent(e)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeEvent(out); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		(&State{}).Apply(e)
	})
}

func TestChain(t *testing.T) {
	a := Chain([32]byte{}, []byte("1"))
	if a == Chain([32]byte{}, []byte("2")) || Chain(a, []byte("2")) == Chain([32]byte{}, []byte("2")) {
		t.Fatal("the chain does not bind")
	}
}
