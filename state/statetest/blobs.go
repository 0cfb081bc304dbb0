package statetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"

	"slipway/bot/engine"
	"slipway/bot/errs"
)

// MemoryBlobs is an [engine.Blobs] in memory, for tests. The zero value is empty and ready. All
// methods may be called at the same time.
type MemoryBlobs struct {
	mu     sync.Mutex
	bodies map[string][]byte
}

var _ engine.Blobs = (*MemoryBlobs)(nil)

// Put keeps content. See [engine.Blobs].
func (m *MemoryBlobs) Put(ctx context.Context, content []byte) (string, error) {
	if ctx.Err() != nil {
		return "", gaveUp("blob.put", ctx)
	}
	sum := sha256.Sum256(content)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bodies == nil {
		m.bodies = map[string][]byte{}
	}
	m.bodies[digest] = append([]byte{}, content...)
	return digest, nil
}

// Get returns the content of digest. See [engine.Blobs].
func (m *MemoryBlobs) Get(ctx context.Context, digest string) ([]byte, error) {
	const op = "blob.get"
	if ctx.Err() != nil {
		return nil, gaveUp(op, ctx)
	}
	sum, ok := strings.CutPrefix(digest, "sha256:")
	raw, err := hex.DecodeString(sum)
	if !ok || err != nil || len(raw) != sha256.Size || strings.ToLower(sum) != sum {
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("%.100q is no digest", digest)).
			Hint("A digest is sha256: and 64 digits of 0-9 and a-f.")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	content, ok := m.bodies[digest]
	if !ok {
		return nil, errs.E(op, errs.NotFound, fmt.Errorf("%s is not kept", digest))
	}
	return append([]byte{}, content...), nil
}

// RunBlobs holds a store of bodies to the contract of [engine.Blobs]. open makes an empty one.
func RunBlobs(t *testing.T, open func(t *testing.T) engine.Blobs) {
	ctx := context.Background()
	b := open(t)
	const abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // FIPS 180-2, B.1
	content := []byte("abc")
	for range 2 {
		if digest, err := b.Put(ctx, content); digest != abc || err != nil {
			t.Fatalf("abc is kept as %s, %v", digest, err)
		}
	}
	copy(content, "XXX")
	got, err := b.Get(ctx, abc)
	if err != nil || string(got) != "abc" {
		t.Fatalf("%s reads as %q, %v", abc, got, err)
	}
	copy(got, "YYY")
	if got, _ := b.Get(ctx, abc); string(got) != "abc" {
		t.Errorf("changing what was read changed the body to %q", got)
	}
	large := bytes.Repeat([]byte("large body "), 400_000)
	together(t, 8, func(int) error {
		digest, err := b.Put(ctx, large)
		if err != nil {
			return err
		}
		got, err := b.Get(ctx, digest)
		if err == nil && !bytes.Equal(got, large) {
			return fmt.Errorf("%s reads as %d bytes", digest, len(got))
		}
		return err
	})
	empty, err := b.Put(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := b.Get(ctx, empty); got == nil || len(got) != 0 || err != nil {
		t.Errorf("the empty body reads as %v, %v", got, err)
	}
	if _, err := b.Get(ctx, strings.Replace(abc, "ba", "bb", 1)); !errs.Is(err, errs.NotFound) {
		t.Errorf("a body that was never put gave %v", err)
	}
	for _, bad := range []string{"", abc[7:], strings.ToUpper(abc), abc + "0", "sha256:" + strings.Repeat("/", 64)} {
		if _, err := b.Get(ctx, bad); !errs.Is(err, errs.Invalid) {
			t.Errorf("the digest %q gave %v", bad, err)
		}
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := b.Put(ended, []byte("late")); !errs.Is(err, errs.Unavailable) {
		t.Errorf("put with an ended context gave %v", err)
	}
}
