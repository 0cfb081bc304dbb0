//go:build prove

package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// TestDemoIsProvedByGPG runs the whole demo as a person would start it: a process of its own,
// proved with git and gpg.
func TestDemoIsProvedByGPG(t *testing.T) {
	s := newSlip(t)
	t.Setenv("PATH", filepath.Dir(s.signer)+":"+os.Getenv("PATH"))
	if code := run(context.Background(), []string{"demo", "--auto", "--dir", filepath.Join(s.dir, "demo")}); code != 0 {
		t.Errorf("the demo ends with %d", code)
	}
}
