package main

import "testing"

func TestInside(t *testing.T) {
	for _, c := range []struct {
		folder, path string
		want         bool
	}{
		{"/var/backups", "/var/backups/a.tar", true}, {"/var/backups", "/var/backups", true}, {"/var/backups", "/var/backups/../etc/x", false},
		{"/var/backups", "/var/backupsx", false}, {"/var/backups", "/etc/x", false}, {"", "/etc/x", false},
	} {
		if got := inside(c.folder, c.path); got != c.want {
			t.Errorf("inside(%q, %q) is %v", c.folder, c.path, got)
		}
	}
}
