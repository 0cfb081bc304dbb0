package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"slipway/bot/playbook"
)

// TestDocsOfTheBundledPlaybooks keeps the pages that come with Slipway, so that what a change of
// a playbook means for people is read with the change.
func TestDocsOfTheBundledPlaybooks(t *testing.T) {
	all, err := contracts()
	if err != nil {
		t.Fatal(err)
	}
	s, err := loadShelf("", all, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range s.names() {
		file := filepath.Join("testdata", "docs", name+".md")
		got := []byte(playbook.Docs(s.Current(name)))
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs; read the page, then run go test ./cmd/slipway -run DocsOfThe -update", file)
		}
	}
}
