package debian

import (
	"slices"
	"strings"
	"testing"

	"slipway/bot/errs"
)

const sampleControl = `# comment
Source: lava
Section: contrib/net
Maintainer: A Person <person@example.org>
Build-Depends: debhelper-compat (= 13),
# why
 python3

Package: lava-server
Architecture: all
Description: server
 long

Package: lava-dispatcher
Section: admin
Architecture: linux-any kfreebsd-amd64
Description: dispatcher

Package: lava-dev
Architecture: any
Description: headers
`

func TestControlFilesName(t *testing.T) {
	c, err := ParseControl([]byte(sampleControl))
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "lava" || c.Section != "contrib/net" || len(c.Binaries) != 3 || c.Source.Get("Build-Depends") != "debhelper-compat (= 13),\npython3" {
		t.Fatalf("%+v", c)
	}
	if component, section := Component(c.Binaries[0].Section); component != "contrib" || section != "net" {
		t.Error(component, section)
	}
	if component, section := Component(c.Binaries[1].Section); component != "main" || section != "admin" {
		t.Error(component, section)
	}
	for arch, want := range map[string][]string{
		"all": {"lava-server"}, "arm64": {"lava-dispatcher", "lava-dev"},
		"kfreebsd-amd64": {"lava-dispatcher", "lava-dev"}, "hurd-i386": {"lava-dev"},
	} {
		if got := c.Builds(arch); !slices.Equal(got, want) {
			t.Errorf("%s: %v", arch, got)
		}
	}
	for _, bad := range []struct{ why, old, new string }{
		{"not of a source", "Source: lava", "Package: lava"},
		{"not the name", "Source: lava", "Source: Lava"},
		{"begins the package lava-server again", "Package: lava-dev", "Package: lava-server"},
		{"whose Architecture is", "linux-any kfreebsd", "all kfreebsd"},
		{"whose Architecture is", "linux-any kfreebsd", "Linux kfreebsd"},
		{"has no Architecture", "Architecture: any\n", ""},
		{"line 5 of debian/control has no colon", "Build-Depends: debhelper", "debhelper"},
		{"not of a binary", "Package: lava-dev\n", "Pakcage: lava-dev\n"},
	} {
		_, err := ParseControl([]byte(strings.Replace(sampleControl, bad.old, bad.new, 1)))
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), bad.why) {
			t.Errorf("want %q, got %v", bad.why, err)
		}
	}
	if _, err := ParseControl([]byte("Source: lava\n")); err == nil {
		t.Error("a source without binaries")
	}
	if _, err := ParseControl(nil); err == nil {
		t.Error("an empty file")
	}
}

func TestWildcardsOfArchitectures(t *testing.T) {
	for _, c := range []struct {
		pattern, arch string
		want          bool
	}{
		{"any", "amd64", true}, {"any", "all", false}, {"any", "source", false}, {"all", "all", true}, {"all", "amd64", false},
		{"linux-any", "amd64", true}, {"linux-any", "hurd-i386", false}, {"hurd-any", "hurd-i386", true},
		{"any-amd64", "amd64", true}, {"any-amd64", "kfreebsd-amd64", true}, {"any-amd64", "x32", true}, {"any-i386", "amd64", false},
		{"any-arm", "armhf", true}, {"amd64", "arm64", false}, {"kfreebsd-amd64", "kfreebsd-amd64", true},
	} {
		if got := MatchArchitecture(c.pattern, c.arch); got != c.want {
			t.Errorf("%s for %s: %v", c.pattern, c.arch, got)
		}
	}
	for _, bad := range []string{"", "any", "source", "linux-any", "any-amd64", "amd 64", "../x", "Amd64"} {
		if CheckArchitecture(bad) == nil {
			t.Errorf("%q is taken for an architecture", bad)
		}
	}
}
