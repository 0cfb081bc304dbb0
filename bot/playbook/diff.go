package playbook

import (
	"bytes"
	"fmt"
	"slices"
)

// Diff says in lines what changes from one definition to another, as their files say it: steps
// that come, go or change, and the keys that change in them. Comments, layout and order do not
// count. Both need only to have been parsed once; a file that no longer parses gives one line.
func Diff(was, now []byte) []string {
	a, b := root("before", was), root("after", now)
	if a == nil || b == nil {
		return []string{"the files cannot be compared"}
	}
	var out []string
	for _, key := range bothKeys(a, b) {
		x, y := a.child(key), b.child(key)
		switch {
		case key == "steps":
			out = append(out, diffSteps("", x, y)...)
		case !same(x, y):
			out = append(out, fmt.Sprintf("%s: %s", key, change(x, y)))
		}
	}
	return out
}

func root(file string, src []byte) *node {
	r := &reader{file: file}
	text := normal(src)
	r.src = newSource(file, text)
	n := r.readYAML(text)
	if len(r.errs) > 0 || n == nil || n.kind != mapNode {
		return nil
	}
	return n
}

// diffSteps compares the steps of a playbook, or of the body of an each.
func diffSteps(prefix string, a, b *node) []string {
	var out []string
	for _, id := range bothKeys(a, b) {
		path := prefix + id
		x, y := a.child(id), b.child(id)
		switch {
		case x == nil:
			out = append(out, "step "+path+" is new")
		case y == nil:
			out = append(out, "step "+path+" is gone")
		case !same(x, y):
			out = append(out, diffStep(path, x, y)...)
		}
	}
	return out
}

func diffStep(path string, a, b *node) []string {
	var out []string
	for _, key := range bothKeys(a, b) {
		x, y := a.child(key), b.child(key)
		switch {
		case same(x, y):
		case key == "steps":
			out = append(out, diffSteps(path+"/", x, y)...)
		case key == "each" && x.child("steps") != nil && y.child("steps") != nil:
			out = append(out, diffStep(path, x, y)...)
		default:
			out = append(out, fmt.Sprintf("step %s, %s: %s", path, key, change(x, y)))
		}
	}
	return out
}

// child is the value of a key of a map, or nil.
func (n *node) child(key string) *node {
	if n == nil {
		return nil
	}
	for _, e := range n.entries {
		if e.key == key {
			return e.val
		}
	}
	return nil
}

// bothKeys are the keys of both maps: those of b in order, then those that are only in a.
func bothKeys(a, b *node) []string {
	var keys []string
	for _, n := range []*node{b, a} {
		if n == nil {
			continue
		}
		for _, e := range n.entries {
			if !slices.Contains(keys, e.key) {
				keys = append(keys, e.key)
			}
		}
	}
	return keys
}

func same(a, b *node) bool { return canonicalText(a) == canonicalText(b) }

func canonicalText(n *node) string {
	if n == nil {
		return ""
	}
	var b bytes.Buffer
	writeCanonical(&b, n)
	return b.String()
}

func change(a, b *node) string {
	switch {
	case a == nil:
		return "now " + inWords(b)
	case b == nil:
		return "no longer " + inWords(a)
	}
	return "was " + inWords(a) + ", now " + inWords(b)
}

// inWords is a value in one short line.
func inWords(n *node) string {
	text := n.text
	if n.kind != scalarNode {
		text = canonicalText(n)
	}
	if r := []rune(text); len(r) > 120 {
		text = string(r[:119]) + "…"
	}
	return text
}
