package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"slipway/bot/errs"
)

func TestPutFromIsPut(t *testing.T) {
	ctx := t.Context()
	s, err := Open(filepath.Join(t.TempDir(), "blobs"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	body := bytes.Repeat([]byte("ship "), 100_000)
	for range 2 { // the second time it is there already
		digest, size, err := s.PutFrom(ctx, iotest.HalfReader(bytes.NewReader(body)), int64(len(body)))
		if err != nil || size != int64(len(body)) || digest != Digest(body) {
			t.Fatalf("%s, %d bytes: %v", digest, size, err)
		}
	}
	f, size, err := s.Open(ctx, Digest(body))
	if err != nil || size != int64(len(body)) {
		t.Fatal(size, err)
	}
	defer f.Close()
	if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, body) {
		t.Fatal("another content was read", err)
	}
	if got, err := s.Get(ctx, Digest(body)); err != nil || !bytes.Equal(got, body) {
		t.Fatal("Get reads another content", err)
	}
}

func TestPutFromLeavesNothingHalfWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blobs")
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ended, end := context.WithCancel(t.Context())
	torn := errors.New("the line went dead")
	for what, put := range map[string]func() error{
		"too much": func() error { _, _, err := s.PutFrom(t.Context(), strings.NewReader("12345"), 4); return err },
		"torn": func() error {
			_, _, err := s.PutFrom(t.Context(), io.MultiReader(strings.NewReader("123"), iotest.ErrReader(torn)), 100)
			if !errors.Is(err, torn) {
				t.Errorf("the error of the source is %v", err)
			}
			return err
		},
		"given up": func() error {
			_, _, err := s.PutFrom(ended, readerFunc(func(p []byte) (int, error) { end(); return copy(p, "x"), nil }), 100)
			return err
		},
	} {
		if err := put(); err == nil {
			t.Errorf("%s: it was kept", what)
		}
	}
	if left, err := os.ReadDir(filepath.Join(dir, "tmp")); err != nil || len(left) != 0 {
		t.Errorf("%v is left: %v", left, err)
	}
	if _, _, err := s.Open(t.Context(), Digest([]byte("12345"))); !errs.Is(err, errs.NotFound) {
		t.Errorf("half a body can be opened: %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
