package engine_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/evidence"
)

// logKey is a log key in memory that can fail.
type logKey struct {
	private ed25519.PrivateKey
	broken  error
	signed  int
}

func newLogKey(seed byte) *logKey {
	return &logKey{private: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))}
}

func (k *logKey) Public() ed25519.PublicKey { return k.private.Public().(ed25519.PublicKey) }
func (k *logKey) Sign(message []byte) ([]byte, error) {
	if k.broken != nil {
		return nil, k.broken
	}
	k.signed++
	return ed25519.Sign(k.private, message), nil
}

func (k *logKey) print() evidence.Fingerprint { return evidence.FingerprintOf(k.Public()) }

// released plays a whole small release with a log key.
func released(t *testing.T, key *logKey, sources ...string) *world {
	t.Helper()
	w := newWorld(t, sources...)
	w.cfg = func(c *engine.Config) { c.LogKey = key }
	w.open()
	w.say("requester", "release 1.0")
	w.pass(time.Minute)
	w.react("requester")
	w.react("maintainer-a")
	w.pass(2 * time.Minute)
	return w
}

func (w *world) heads(version string) []engine.Head {
	w.t.Helper()
	list, err := w.e.Heads(context.Background(), w.run(version).ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func (w *world) bundle(version string, o engine.EvidenceOptions) []byte {
	w.t.Helper()
	var b bytes.Buffer
	if err := w.e.Evidence(context.Background(), w.run(version).ID, o, &b); err != nil {
		w.t.Fatal(err)
	}
	return b.Bytes()
}

func TestHeadsAreSignedAtEachGateAndAtTheEnd(t *testing.T) {
	key := newLogKey(1)
	w := released(t, key)
	heads := w.heads("1.0")
	var reasons []string
	for _, h := range heads {
		reasons = append(reasons, strings.Join(h.Reasons, "+"))
		got, err := evidence.OpenHead(key.Public(), h.Envelope)
		if err != nil || got.Chain != h.Chain || got.Seq != h.Seq || h.By != key.print() {
			t.Errorf("commit %d: %v %+v", h.Seq, err, got)
		}
	}
	if got := strings.Join(reasons, ", "); got != "gate go, end" {
		t.Errorf("heads were signed for %s", got)
	}
	w.wantSound()
	if n, _, why, err := w.e.HeadTrouble(context.Background()); n != 0 || why != "" || err != nil {
		t.Errorf("trouble: %d %s %v", n, why, err)
	}
}

// No gate waits for the key. What it could not sign it signs as soon as it works again, also in
// another process.
func TestHeadsAreMadeUpForWhenTheKeyIsBack(t *testing.T) {
	key := newLogKey(1)
	key.broken = errs.E("test", errs.NotFound, errors.New("there is no log key"))
	w := released(t, key)
	if s := w.run("1.0"); s.Outcome != "done" {
		t.Fatalf("the run is %s %s", s.Status, s.Outcome)
	}
	n, since, why, err := w.e.HeadTrouble(context.Background())
	if err != nil || n != 2 || since.IsZero() || !strings.Contains(why, "there is no log key") {
		t.Errorf("trouble: %d %s %q %v", n, since, why, err)
	}
	w.wantSound()
	w.open()
	w.drain()
	if heads := w.heads("1.0"); len(heads) != 2 || heads[0].Envelope != nil {
		t.Fatalf("heads: %+v", heads)
	}
	key.broken = nil
	w.pass(2 * time.Minute)
	for _, h := range w.heads("1.0") {
		if h.Envelope == nil || h.Signed.Sub(h.At) < time.Minute {
			t.Errorf("the head of commit %d was signed at %s", h.Seq, h.Signed)
		}
	}
	w.wantSound()
	rep, err := evidence.Verify(bytes.NewReader(w.bundle("1.0", engine.EvidenceOptions{})), evidence.Options{Pinned: []evidence.Fingerprint{key.print()}})
	if err != nil || !strings.Contains(strings.Join(rep.Notes, "\n"), "after the commit") {
		t.Errorf("%v: %q", err, rep.Notes)
	}
}

// Heads of a store that had no key wait for the first one.
func TestAKeyThatComesLaterSignsWhatWaits(t *testing.T) {
	w := newWorld(t)
	w.open()
	w.say("requester", "release 1.0")
	w.react("maintainer-a")
	w.pass(2 * time.Minute)
	if n, _, why, _ := w.e.HeadTrouble(context.Background()); n != 2 || why == "" {
		t.Errorf("without a key %d heads wait: %q", n, why)
	}
	if err := w.e.Evidence(context.Background(), w.run("1.0").ID, engine.EvidenceOptions{}, &bytes.Buffer{}); !errs.Is(err, errs.Unavailable) || errs.HintOf(err) == "" {
		t.Errorf("evidence without a key: %v", err)
	}
	key := newLogKey(2)
	w.cfg = func(c *engine.Config) { c.LogKey = key }
	w.open()
	w.drain()
	for _, h := range w.heads("1.0") {
		if h.By != key.print() {
			t.Errorf("the head of commit %d is not signed", h.Seq)
		}
	}
	w.wantSound()
}

// Killed at every point around a head, the head is there and signed once.
func TestHeadsOutliveCrashes(t *testing.T) {
	for _, point := range []string{"head/before-sign", "head/after-sign", "head/before-commit", "head/after-commit"} {
		t.Run(point, func(t *testing.T) {
			key := newLogKey(1)
			w := newWorld(t)
			w.cfg = func(c *engine.Config) { c.LogKey = key }
			w.open()
			w.say("requester", "release 1.0")
			w.dying(point, func() { w.open(); w.react("maintainer-a"); w.drain() })
			w.open()
			w.pass(2 * time.Minute)
			heads := w.heads("1.0")
			if len(heads) != 2 {
				t.Fatalf("%d heads", len(heads))
			}
			for _, h := range heads {
				if _, err := evidence.OpenHead(key.Public(), h.Envelope); err != nil {
					t.Errorf("commit %d: %v", h.Seq, err)
				}
			}
			w.wantSound()
		})
	}
}

func TestEvidenceIsVerified(t *testing.T) {
	key := newLogKey(1)
	w := released(t, key)
	one, two := w.bundle("1.0", engine.EvidenceOptions{}), w.bundle("1.0", engine.EvidenceOptions{})
	if !bytes.Equal(one, two) {
		t.Error("the same run gives two bundles")
	}
	rep, err := evidence.Verify(bytes.NewReader(one), evidence.Options{Pinned: []evidence.Fingerprint{key.print()}})
	if err != nil {
		t.Fatal(err)
	}
	if !rep.Pinned || !rep.Whole() || len(rep.Heads) != 2 {
		t.Errorf("report: %+v", rep)
	}
	if len(rep.Claim.Gates) != 1 {
		t.Fatalf("gates: %+v", rep.Claim.Gates)
	}
	g := rep.Claim.Gates[0]
	if !g.Approved() || len(g.By) != 1 || g.By[0].Person != "maintainer-a" || len(g.By[0].Grants) != 1 || g.By[0].Roles[0] != "maintainer" || g.Unchecked || len(g.Shown) == 0 {
		t.Errorf("gate: %+v", g)
	}
	if len(g.Refused) != 1 || !strings.Contains(g.Refused[0], "requester") {
		t.Errorf("refused: %q", g.Refused)
	}
}

// A store in which somebody wrote is found out.
func TestFsckComparesHeadsWithTheLog(t *testing.T) {
	for name, damage := range map[string]func(w *world, id string, h map[string]any){
		"chain": func(_ *world, _ string, h map[string]any) {
			h["head"].(map[string]any)["chain"] = strings.Repeat("ab", 32)
		},
		"signed": func(_ *world, _ string, h map[string]any) { h["head"].(map[string]any)["reasons"] = []string{"end"} },
		"gone":   func(_ *world, _ string, h map[string]any) { delete(h, "signed") },
		"relied": func(w *world, id string, _ map[string]any) { w.rewrite("relied", id, []byte("{}")) },
	} {
		t.Run(name, func(t *testing.T) {
			w := released(t, newLogKey(1))
			var keys []string
			var value []byte
			err := w.store.Scan(context.Background(), "heads", "", "", false, func(k string, v []byte) bool {
				keys = append(keys, k)
				if len(keys) == 1 {
					value = v
				}
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
			var h map[string]any
			if err := json.Unmarshal(value, &h); err != nil {
				t.Fatal(err)
			}
			damage(w, keys[0], h)
			data, err := json.Marshal(h)
			if err != nil {
				t.Fatal(err)
			}
			w.rewrite("heads", keys[0], data)
			found := 0
			if err := w.e.FsckFull(context.Background(), func(string) { found++ }); err != nil || found == 0 {
				t.Errorf("%d problems, %v", found, err)
			}
		})
	}
}

// rewrite changes a record behind the engine's back.
func (w *world) rewrite(space, id string, value []byte) {
	w.t.Helper()
	err := w.store.Commit(context.Background(), &engine.Batch{Puts: []engine.Record{{Key: engine.Key{Space: space, ID: id}, Value: value}}})
	if err != nil {
		w.t.Fatal(err)
	}
}

// secretive is a source whose deliveries bear credentials.
type secretive struct{ decoder }

func (secretive) Secrets() []string { return []string{"token", "response_url"} }

// What a source proves itself with is kept with the delivery, and never gets into a log: so evidence
// need not be redacted, which would break its chain.
func TestCredentialsOfDeliveriesAreNotInEvidence(t *testing.T) {
	const secret = "hunter2-s3cret"
	ctx := context.Background()
	key := newLogKey(1)
	w := newWorld(t)
	w.cfg = func(c *engine.Config) {
		c.LogKey = key
		c.Decoders = map[string]engine.Decoder{"chat": secretive{}}
	}
	w.open()
	deliver := func(id, body string) {
		t.Helper()
		err := w.e.Deliver(ctx, engine.Delivery{Source: "chat", ID: id, Place: "lava", Headers: map[string]string{"token": secret}, Body: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
		w.drain()
	}
	deliver("d1", `{"Who":"requester","Place":"lava","Message":"x1","Text":"release 1.0","token":"`+secret+`","response_url":"https://chat.example/`+secret+`"}`)
	id := w.run("1.0").ID
	deliver("d2", `{"Who":"maintainer-a","Place":"lava","Message":"x2","Text":"approve `+id+` go","token":"`+secret+`"}`)
	w.pass(2 * time.Minute)
	data := w.bundle("1.0", engine.EvidenceOptions{})
	if rep, err := evidence.Verify(bytes.NewReader(data), evidence.Options{Pinned: []evidence.Fingerprint{key.print()}}); err != nil || rep.Claim.Outcome != "done" || rep.Claim.Gates[0].By[0].Person != "maintainer-a" {
		t.Fatalf("%v %+v", err, rep.Claim)
	}
	if bytes.Contains(data, []byte(secret)) {
		t.Error("the bundle holds the credential")
	}
	kept := false
	err := w.store.Scan(ctx, "bodies", "", "", false, func(_ string, value []byte) bool {
		kept = kept || bytes.Contains(value, []byte(secret))
		return true
	})
	if err != nil || !kept {
		t.Errorf("the deliveries did not bear it: %v", err)
	}
	for _, space := range []string{"events", "steps", "runs", "relied", "shown", "heads"} {
		if err := w.store.Scan(ctx, space, "", "", false, func(k string, value []byte) bool {
			if bytes.Contains(value, []byte(secret)) {
				t.Errorf("the record %s/%s holds the credential", space, k)
			}
			return true
		}); err != nil {
			t.Error(err)
		}
	}
}
