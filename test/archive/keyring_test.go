//go:build prove

package archive

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The keyring package is one that dpkg-deb and apt take, and with sources configured its
// installation is all that a client needs. [TestKeysChange] is about the keys in it.
func TestTheKeyringPackageBringsItsSources(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.office.conf.KeyringPackage.Sources = []string{"stable"}
	version := d.ring(d.deb("lava", "1.0", "all"))
	deb := filepath.Join(d.root, "pool/main/p", ringPackage, ringPackage+"_"+version+"_all.deb")
	for option, words := range map[string][]string{
		"-I": {"Package: " + ringPackage + "\n", "Version: " + version + "\n", "Maintainer: Archive <archive@example.org>\n", "Architecture: all\n", "Multi-Arch: foreign\n", "conffiles"},
		"-c": {"-rw-r--r-- root/root", "./" + ringPath + "\n", "./etc/apt/sources.list.d/packages.sources\n", "changelog.gz\n", "copyright\n"},
	} {
		said, err := exec.Command("dpkg-deb", option, deb).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v", said, err)
		}
		for _, w := range words {
			if !strings.Contains(string(said), w) {
				t.Errorf("dpkg-deb %s does not say %q:\n%s", option, w, said)
			}
		}
	}

	c := d.client("amd64")
	c.prepare()
	c.apt("install", ringPackage)
	c.write("etc/apt/sources.list", "")
	path := filepath.Join(c.root(), "etc/apt/sources.list.d/packages.sources")
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), "Signed-By: /"+ringPath+"\n") {
		t.Fatalf("its sources are %s, %v", text, err)
	}
	// The root of this client is a folder, and what an administrator changes in the file stays.
	own := strings.Replace(string(text), "Signed-By: ", "Signed-By: "+c.root(), 1)
	c.write("etc/apt/sources.list.d/packages.sources", own)
	c.apt("install", "lava")
	d.world.keys = append(d.world.keys, newKey(t, "Next", 0, d.clock))
	d.staff()
	d.office.conf.KeyringPackage.Sources = []string{"stable"}
	next := d.ring(d.deb("lava", "1.1", "all"))
	c.upgrade("lava 1.1", ringPackage+" "+next)
	if text, err := os.ReadFile(path); err != nil || string(text) != own {
		t.Errorf("after the upgrade the sources are %s, %v", text, err)
	}
}
