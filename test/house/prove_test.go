package house

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// How test/prove finds what it runs: all tests in files with the tag, and those that it names because
// the tag makes them longer.
var (
	proveTag   = regexp.MustCompile(`(?m)^//go:build (.*[^!])?prove`)
	proveNames = regexp.MustCompile(`(?m)^longer="([A-Za-z0-9_\s]*)"$`)
	testFunc   = regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9_]*)\(t \*testing\.T\)`)
)

// room is what the test files of one folder have: the tests in files with the tag, and in the others.
type room struct{ tagged, plain []string }

// unproven are the rooms that have files with the tag and none of whose tests would run, and the names
// that no such room has.
func unproven(rooms map[string]room, longer []string) (empty, unknown []string) {
	for _, dir := range slices.Sorted(maps.Keys(rooms)) {
		named := slices.ContainsFunc(longer, func(name string) bool { return slices.Contains(rooms[dir].plain, name) })
		if len(rooms[dir].tagged) == 0 && !named {
			empty = append(empty, dir)
		}
	}
	for _, name := range longer {
		if !slices.ContainsFunc(slices.Collect(maps.Values(rooms)), func(r room) bool { return slices.Contains(r.plain, name) }) {
			unknown = append(unknown, name)
		}
	}
	return empty, unknown
}

// TestProveRunsWhatTheTagChanges: a file with the tag may only make tests of its neighbours longer.
// Then these must be named, or nobody ever runs them so.
func TestProveRunsWhatTheTagChanges(t *testing.T) {
	root := top(t)
	script, err := os.ReadFile(filepath.Join(root, "test", "prove"))
	if err != nil {
		t.Fatal(err)
	}
	names := proveNames.FindSubmatch(script)
	if names == nil {
		t.Fatal(`test/prove has no line longer="…"`)
	}
	rooms, tagged := map[string]room{}, map[string]bool{}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".git" {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		r := rooms[dir]
		for _, m := range testFunc.FindAllSubmatch(text, -1) {
			if proveTag.Match(text) {
				r.tagged = append(r.tagged, string(m[1]))
			} else {
				r.plain = append(r.plain, string(m[1]))
			}
		}
		rooms[dir], tagged[dir] = r, tagged[dir] || proveTag.Match(text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(rooms, func(dir string, _ room) bool { return !tagged[dir] })
	if len(rooms) < 5 {
		t.Fatalf("found only %d rooms with the tag: the walk is wrong", len(rooms))
	}
	empty, unknown := unproven(rooms, strings.Fields(string(names[1])))
	for _, dir := range empty {
		t.Errorf("%s has files with the tag prove, and test/prove runs no test there: name those that the tag makes longer in its list longer", dir)
	}
	for _, name := range unknown {
		t.Errorf("test/prove names %s, which is in no room with the tag", name)
	}
}

func TestARoomThatProveForgetsIsSeen(t *testing.T) {
	rooms := map[string]room{"a": {tagged: []string{"TestReal"}}, "b": {plain: []string{"TestSweep", "TestOther"}}, "c": {plain: []string{"TestLong"}}}
	empty, unknown := unproven(rooms, []string{"TestSweep", "TestGone"})
	if !slices.Equal(empty, []string{"c"}) || !slices.Equal(unknown, []string{"TestGone"}) {
		t.Errorf("rooms without a test %v, names of nothing %v", empty, unknown)
	}
}
