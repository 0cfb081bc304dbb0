package build

import (
	"slices"
	"strings"
	"testing"
)

func TestUnmetDependenciesAreRead(t *testing.T) {
	for _, c := range []struct {
		said    string
		cross   bool
		needs   []string
		install []string
	}{
		{"dpkg-checkbuilddeps: error: Unmet build dependencies: a b (>= 1.2~) c:any | d e [armel]\n", false,
			[]string{"a", "b (>= 1.2~)", "c:any | d", "e [armel]"}, []string{"a", "b", "c", "e"}},
		{"dpkg-checkbuilddeps: error: Unmet build dependencies: a:native b c:armhf debhelper-compat (= 13)\n", true,
			[]string{"a:native", "b", "c:armhf", "debhelper-compat (= 13)"}, []string{"a", "b:armel", "c:armhf", "debhelper"}},
		{"something else\n", false, nil, nil},
	} {
		needs, _ := unmet(c.said)
		if !slices.Equal(needs, c.needs) {
			t.Errorf("%q: needs %q", c.said, needs)
		}
		if got := toInstall(needs, "armel", c.cross); !slices.Equal(got, c.install) {
			t.Errorf("%q: install %q", c.said, got)
		}
	}
	if _, conflicts := unmet("dpkg-checkbuilddeps: error: Unmet build conflicts: evil (<< 2)\n"); !slices.Equal(conflicts, []string{"evil (<< 2)"}) {
		t.Errorf("conflicts %q", conflicts)
	}
}

func FuzzUnmet(f *testing.F) {
	for _, seed := range []string{"Unmet build dependencies: a (>= 1) | b", "Unmet build dependencies: | ( [ a", "build conflicts: x <!nocheck>", ")))"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, said string) {
		needs, conflicts := unmet(said)
		for _, n := range append(needs, conflicts...) {
			if strings.TrimSpace(n) == "" || strings.ContainsAny(n, "\n\t") {
				t.Fatalf("%q gives %q", said, n)
			}
		}
		for _, name := range toInstall(needs, "armel", true) {
			if len(strings.Fields(name)) > 1 {
				t.Fatalf("%q gives the name %q", said, name)
			}
		}
	})
}
