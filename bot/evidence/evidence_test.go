package evidence_test

import (
	"bytes"
	"io"
	"maps"
	"strings"
	"sync"
	"testing"

	"slipway/bot/errs"
	"slipway/bot/evidence"
	"slipway/bot/gate"
	"slipway/bot/run"
)

func TestABundleProvesItsRun(t *testing.T) {
	k := newKey(1)
	s := newStory(t)
	data := write(t, s.bundle(k), k)
	if !bytes.Equal(data, write(t, s.bundle(k), k)) {
		t.Error("the same run gives two bundles")
	}
	rep, err := verify(data, k.pin())
	if err != nil {
		t.Fatal(err)
	}
	if !rep.Pinned || !rep.Whole() || !rep.Statement || len(rep.Heads) != 2 || rep.Claim.Outcome != "done" {
		t.Errorf("report: %+v", rep)
	}
	g := rep.Claim.Gates[0]
	if !g.Approved() || len(g.By) != 2 || g.By[1].Person != "dan" || g.By[1].Grants[0].For != "cyd" || g.Unchecked {
		t.Errorf("gate: %+v", g)
	}
	if len(rep.Notes) != 1 || !strings.Contains(rep.Notes[0], "released files are not in the bundle") {
		t.Errorf("notes: %q", rep.Notes)
	}
}

func TestBodiesOfArtifacts(t *testing.T) {
	k := newKey(1)
	b := newStory(t).bundle(k)
	b.Open = func(string) (io.ReadCloser, int64, error) {
		return io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	}
	rep, err := verify(write(t, b, k), k.pin())
	if err != nil || rep.Bodies != 1 || len(rep.Notes) != 0 {
		t.Errorf("%v %d %q", err, rep.Bodies, rep.Notes)
	}
	b.Open = func(string) (io.ReadCloser, int64, error) { return io.NopCloser(strings.NewReader("other")), 5, nil }
	if err := b.Write(io.Discard, k); !errs.Is(err, errs.Corrupt) {
		t.Errorf("a body that is another one: %v", err)
	}
}

// Each byte of a bundle matters: whichever is changed, it is refused. Here every 31st is tried,
// which is prime to the size of a block, so that every field of a header is met; with the tag prove,
// each.
func TestAChangedByteIsRefused(t *testing.T) { changeBytes(t, 31) }

func changeBytes(t *testing.T, step int) {
	k := newKey(1)
	data := write(t, newStory(t).bundle(k), k)
	var both sync.WaitGroup
	for half := range 2 {
		both.Go(func() {
			changed := bytes.Clone(data)
			for i := half * step; i < len(data); i += 2 * step {
				changed[i] ^= 1 << (i % 8)
				if _, err := verify(changed, k.pin()); err == nil {
					t.Errorf("byte %d of %d may be changed", i, len(data))
				}
				changed[i] = data[i]
			}
		})
	}
	both.Wait()
}

func TestCutAndLengthenedBundles(t *testing.T) {
	k := newKey(1)
	data := write(t, newStory(t).bundle(k), k)
	for n := 0; n < len(data); n += 97 {
		if _, err := verify(data[:n], k.pin()); err == nil {
			t.Errorf("%d of %d bytes are accepted", n, len(data))
		}
	}
	for _, more := range []string{"\x00", strings.Repeat("\x00", 512), string(data)} {
		if _, err := verify(append(bytes.Clone(data), more...), k.pin()); err == nil {
			t.Errorf("%d bytes more are accepted", len(more))
		}
	}
}

// Somebody who changes the history and makes everything anew needs the log key for it.
func TestABundleAlteredAndHashedAnewThroughoutIsRefused(t *testing.T) {
	ours, theirs := newKey(1), newKey(2)
	s := newStory(t)
	forged := newStory(t)
	forged.commits[0][0].Body = func() run.Body {
		b := forged.commits[0][0].Body.(run.Started)
		b.Start.Inputs = map[string]any{"version": "6.6.6"}
		return b
	}()
	data := write(t, forged.bundle(theirs), theirs)
	if _, err := verify(data, theirs.pin()); err != nil {
		t.Fatalf("the forgery does not hold together: %v", err)
	}
	_, err := verify(data, ours.pin())
	if !errs.Is(err, errs.Denied) || !strings.Contains(errs.Text(err), "not the one you pinned") {
		t.Errorf("with a key of their own: %v", err)
	}
	// With our heads, which they could copy, and with our public key in it.
	b := forged.bundle(theirs)
	b.Heads = s.bundle(ours).Heads
	if _, err := verify(write(t, b, theirs), ours.pin()); err == nil {
		t.Error("our heads make their log good")
	}
	if _, err := verify(write(t, b, theirs), theirs.pin()); err == nil {
		t.Error("heads by another key are good")
	}
	// Claiming our fingerprint does not help: the signature is theirs.
	swapped := bytes.ReplaceAll(data, []byte(evidence.FingerprintOf(theirs.Public())), []byte(evidence.FingerprintOf(ours.Public())))
	if _, err := verify(swapped, ours.pin()); err == nil {
		t.Error("a name in the envelope is enough")
	}
}

func TestWithoutAPinNothingIsProven(t *testing.T) {
	k := newKey(1)
	rep, err := verify(write(t, newStory(t).bundle(k), k), evidence.Options{Tell: tell})
	if err != nil || rep.Pinned || !strings.Contains(strings.Join(rep.Notes, "\n"), "nothing is proven about who wrote it") {
		t.Errorf("%v %+v", err, rep.Notes)
	}
}

// Whoever holds the key can leave out the end; the check says that it is not there.
func TestATruncatedHistoryIsTold(t *testing.T) {
	k := newKey(1)
	s := newStory(t)
	s.commits = s.commits[:4]
	rep, err := verify(write(t, s.bundle(k), k), k.pin())
	if err != nil {
		t.Fatal(err)
	}
	if rep.Whole() || !strings.Contains(strings.Join(rep.Notes, "\n"), "had not ended when this was made, or its last commits were cut off") {
		t.Errorf("cut off: %q", rep.Notes)
	}
	b := newStory(t).bundle(k)
	delete(b.Heads, 5)
	rep, err = verify(write(t, b, k), k.pin())
	if err != nil || rep.Whole() || !strings.Contains(strings.Join(rep.Notes, "\n"), "no signed head of the end") {
		t.Errorf("without the head of the end: %v %q", err, rep.Notes)
	}
	b = newStory(t).bundle(k)
	delete(b.Heads, 4)
	rep, err = verify(write(t, b, k), k.pin())
	if err == nil && !strings.Contains(strings.Join(rep.Notes, "\n"), "gate go was not signed") {
		t.Errorf("without the head of the gate: %q", rep.Notes)
	}
}

// Not even the holder of the key can show a log that was rewritten since its heads were signed, or
// one in which a gate passed against its rule.
func TestABundleThatContradictsItselfIsRefused(t *testing.T) {
	k := newKey(1)
	whole := newStory(t).bundle(k)
	for name, change := range map[string]func(s *story, b *evidence.Bundle){
		"a log that was rewritten since": func(s *story, b *evidence.Bundle) {
			s.commits[0][0].Body = run.Started{Name: "release/lava/2.0", Start: s.commits[0][0].Body.(run.Started).Start}
			b.Log = s.chained()
		},
		"another vote": func(s *story, b *evidence.Bundle) {
			s.votes = s.votes[:1]
			s.commits[2][0].Body = run.Voted{Step: "go", Message: "chat/lava/m1", Votes: s.votes}
			*b = s.bundle(k)
		},
		"too few": func(s *story, b *evidence.Bundle) {
			s.votes = s.votes[:1]
			closed := s.closed()
			closed.Approved, closed.Verdict.Passes = true, true
			s.commits[2][0].Body, s.commits[3][0].Body = run.Voted{Step: "go", Message: "chat/lava/m1", Votes: s.votes}, closed
			*b = s.bundle(k)
		},
		"a delegate whose time is over": func(s *story, b *evidence.Bundle) {
			s.grants[3].Until = s.at.Add(1)
			*b = s.bundle(k)
		},
		"the requester approves": func(s *story, b *evidence.Bundle) {
			s.votes[0].Person, s.votes[0].Account = "ada", account("ada")
			closed := s.commits[3][0].Body.(run.GateClosed)
			closed.Verdict.Counted = s.votes
			s.commits[2][0].Body, s.commits[3][0].Body = run.Voted{Step: "go", Message: "chat/lava/m1", Votes: s.votes}, closed
			*b = s.bundle(k)
		},
		"another manifest": func(s *story, b *evidence.Bundle) {
			s.m.Binds[0].Value = `"sha256:11"`
			opened := s.commits[1][1].Body.(run.GateOpened)
			opened.Manifest = s.m
			s.commits[1][1].Body = opened
			*b = s.bundle(k)
		},
		"a gate that was not open": func(s *story, b *evidence.Bundle) {
			s.commits[1] = s.commits[1][:1]
			*b = s.bundle(k)
		},
		"what was relied on is changed": func(_ *story, b *evidence.Bundle) {
			b.Relied[4] = bytes.Replace(b.Relied[4], []byte("holidays"), []byte("weekends"), 1)
		},
		"what was relied on is gone": func(_ *story, b *evidence.Bundle) { delete(b.Relied, 4) },
		"more was relied on": func(_ *story, b *evidence.Bundle) {
			b.Relied[2] = bytes.Replace(b.Relied[4], []byte(`"seq":4`), []byte(`"seq":2`), 1)
		},
		"another playbook": func(s *story, b *evidence.Bundle) {
			b.Books[s.digest] = evidence.Book{Name: "release", Source: bytes.Replace(bookText, []byte("2 of"), []byte("1 of"), 1)}
		},
		"no playbook":        func(s *story, b *evidence.Bundle) { delete(b.Books, s.digest) },
		"no closure":         func(s *story, b *evidence.Bundle) { delete(b.Closures, s.closure) },
		"another message":    func(_ *story, b *evidence.Bundle) { clear(b.Cards) },
		"a head out of line": func(_ *story, b *evidence.Bundle) { b.Heads[3] = b.Heads[4] },
		"another release": func(_ *story, b *evidence.Bundle) {
			b.Tell = func(deeds []evidence.Deed) evidence.Released {
				r := tell(deeds)
				r.Subjects[0].Digest = map[string]string{"sha256": strings.Repeat("ab", 32)}
				return r
			}
		},
		"another signature": func(_ *story, b *evidence.Bundle) {
			b.Tell = func(deeds []evidence.Deed) evidence.Released {
				r := tell(deeds)
				r.Texts[0].Content += "x"
				return r
			}
		},
		"a weaker rule than the playbook's": func(s *story, b *evidence.Bundle) {
			s.rule, _ = gate.ParseRule("1 of maintainer")
			s.m.Rule = s.rule.String()
			for i := range s.votes {
				s.votes[i].Manifest = s.m.Digest()
			}
			s.commits[1][1].Body = run.GateOpened{Step: "go", Digest: s.m.Digest(), Manifest: s.m}
			s.commits[2][0].Body, s.commits[3][0].Body = run.Voted{Step: "go", Message: "chat/lava/m1", Votes: s.votes}, s.closed()
			*b = s.bundle(k)
		},
		"pushed before the gate": func(s *story, b *evidence.Bundle) {
			s.commits[2] = append(s.commits[2], s.commits[3][3])
			*b = s.bundle(k)
		},
		"a run that begins twice": func(s *story, b *evidence.Bundle) {
			s.commits = append(s.commits[:1:1], s.commits...)
			*b = s.bundle(k)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t)
			b := s.bundle(k)
			change(s, &b)
			var out bytes.Buffer
			err := b.Write(&out, k) // some cannot even be written
			if err == nil {
				_, err = verify(out.Bytes(), k.pin())
			}
			if err == nil || errs.HintOf(err) == "" {
				t.Errorf("it is accepted, or without a hint: %v", err)
			}
			t.Log(err)
		})
	}
	if _, err := verify(write(t, whole, k), k.pin()); err != nil {
		t.Fatal(err)
	}
}

func TestTheLogMustChain(t *testing.T) {
	k := newKey(1)
	for i, change := range []func(log []evidence.Commit){
		func(log []evidence.Commit) { log[1].Chain = strings.Repeat("00", 32) },
		func(log []evidence.Commit) { log[1], log[2] = log[2], log[1] },
		func(log []evidence.Commit) { log[3].Events = log[3].Events[1:] },
		func(log []evidence.Commit) { log[0].At = log[0].At.Add(1) },
		func(log []evidence.Commit) { log[2].Events[0] = append([]byte(" "), log[2].Events[0]...) },
		func(log []evidence.Commit) { log[0].Chain = "x" },
	} {
		b := newStory(t).bundle(k)
		change(b.Log)
		if err := b.Write(io.Discard, k); !errs.Is(err, errs.Corrupt) {
			t.Errorf("change %d: %v", i, err)
		}
	}
}

// A run that released nothing states nothing.
func TestARunThatReleasedNothing(t *testing.T) {
	k := newKey(1)
	s := newStory(t)
	s.commits[4] = []run.Event{s.event(6, "", run.Finished{Outcome: "failed"})}
	rep, err := verify(write(t, s.bundle(k), k), k.pin())
	if err != nil || rep.Statement || !rep.Whole() || len(rep.Claim.Released) != 0 {
		t.Errorf("%v %+v", err, rep)
	}
}

// Without knowing the trade, the check takes what was released from the bundle, and says so.
func TestWithoutATelling(t *testing.T) {
	k := newKey(1)
	o := k.pin()
	o.Tell = nil
	rep, err := verify(write(t, newStory(t).bundle(k), k), o)
	if err != nil || len(rep.Claim.Released) != 2 || !strings.Contains(strings.Join(rep.Notes, "\n"), "not compared with the log") {
		t.Errorf("%v %+v", err, rep.Notes)
	}
}

func TestBoundsOfABundle(t *testing.T) {
	k := newKey(1)
	o := k.pin()
	o.MaxDocuments = 1000
	if _, err := verify(write(t, newStory(t).bundle(k), k), o); !errs.Is(err, errs.Full) {
		t.Errorf("more than allowed: %v", err)
	}
}

func TestFingerprints(t *testing.T) {
	k := newKey(1)
	pem := evidence.EncodeKey(k.Public())
	// openssl pkey -pubin -outform DER | sha256sum
	if got := evidence.FingerprintOf(k.Public()); len(got) != 71 {
		t.Errorf("fingerprint %s", got)
	}
	back, err := evidence.DecodeKey(pem)
	if err != nil || !back.Equal(k.Public()) {
		t.Errorf("%v", err)
	}
	for _, text := range []string{"", "sha256:", "sha256:" + strings.Repeat("A", 64), "sha1:" + strings.Repeat("a", 64), " sha256:" + strings.Repeat("a", 64)} {
		if _, err := evidence.ParseFingerprint(text); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q is a fingerprint", text)
		}
	}
	for _, text := range []string{"", string(pem[1:]), string(pem) + "x", strings.Replace(string(pem), "PUBLIC", "PRIVATE", 2), strings.ReplaceAll(string(pem), "\n", "\r\n")} {
		if _, err := evidence.DecodeKey([]byte(text)); err == nil {
			t.Errorf("%q is a key", text)
		}
	}
}

func FuzzVerify(f *testing.F) {
	k := newKey(1)
	s := newStory(f)
	f.Add(write(f, s.bundle(k), k))
	f.Add([]byte{})
	f.Add(make([]byte, 1024))
	whole := write(f, s.bundle(k), k)
	f.Fuzz(func(t *testing.T, data []byte) {
		rep, err := verify(data, k.pin())
		if err == nil && !bytes.Equal(data, whole) {
			t.Fatalf("accepted: %+v", rep)
		}
	})
}

// FuzzLog feeds what a holder of the key may write: the parsers behind the seal.
func FuzzLog(f *testing.F) {
	k := newKey(1)
	s := newStory(f)
	b := s.bundle(k)
	for _, c := range b.Log {
		for _, ev := range c.Events {
			f.Add([]byte(ev))
		}
	}
	f.Fuzz(func(t *testing.T, event []byte) {
		b := newStory(t).bundle(k)
		b.Log = b.Log[:1]
		b.Heads, b.Relied = maps.Clone(b.Heads), maps.Clone(b.Relied)
		clear(b.Heads)
		clear(b.Relied)
		c := evidence.Commit{At: s.at, Events: append(b.Log[0].Events[:1:1], event)}
		chain, err := evidence.Link("", c.At, c.Events)
		if err != nil {
			t.Fatal(err)
		}
		c.Chain = chain
		b.Log[0] = c
		var out bytes.Buffer
		if b.Write(&out, k) != nil {
			return
		}
		if _, err := verify(out.Bytes(), k.pin()); err != nil && errs.KindOf(err) == errs.Internal {
			t.Fatal(err)
		}
	})
}
