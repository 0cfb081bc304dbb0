package main

import (
	"context"
	"os"
	"testing"
)

func TestSignerEndsWithItsParent(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx := withParent(context.Background(), r)
	if _, err := w.WriteString("anything\n"); err != nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatal("it ended before its parent")
	}
	if err := w.Close(); err != nil { // as the kernel does when the parent is killed
		t.Fatal(err)
	}
	<-ctx.Done()
}
