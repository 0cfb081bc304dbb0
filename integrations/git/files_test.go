package git

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/bot/action"
	"slipway/bot/errs"

	"github.com/google/go-cmp/cmp"
)

type depot map[string]string

func (d depot) PutFrom(_ context.Context, r io.Reader, limit int64) (string, int64, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit))
	d[action.DigestOf(data)] = string(data)
	return action.DigestOf(data), int64(len(data)), err
}

func TestFilesOfAFolderGoIntoTheDepot(t *testing.T) {
	w := newWorld(t)
	w.commit("Ann", "Devices", "etc/devices/b c.jinja2", "two\n\x00", "etc/devices/sub/a.jinja2", "", "etc/devices-old", "x", "README", "hello\n")
	w.git(w.clone, "tag", "2019.01")
	w.commit("Ann", "Later", "etc/devices/new", "later")
	w.push()
	d := depot{}
	files := NewFiles(w.repos, d)
	get := func(path, to string) []KeptFile {
		t.Helper()
		out, err := files.Do(ctx(t), key("f"), FilesIn{Remote: w.remote, Commit: "2019.01", Path: path, To: to})
		if err != nil || out.Commit != w.git(w.clone, "rev-parse", "2019.01^{}") {
			t.Fatalf("%+v, %v", out, err)
		}
		return out.Files
	}
	two, empty, hello := action.DigestOf([]byte("two\n\x00")), action.DigestOf(nil), action.DigestOf([]byte("hello\n"))
	for _, c := range []struct {
		path, to string
		want     []KeptFile
	}{
		{"etc/devices", "", []KeptFile{{"b c.jinja2", two, 5}, {"sub/a.jinja2", empty, 0}}},
		{"etc/devices", "share/types", []KeptFile{{"share/types/b c.jinja2", two, 5}, {"share/types/sub/a.jinja2", empty, 0}}},
		{"README", "doc", []KeptFile{{"doc/README", hello, 6}}},
		{"README", "", []KeptFile{{"README", hello, 6}}},
	} {
		if diff := cmp.Diff(c.want, get(c.path, c.to)); diff != "" {
			t.Errorf("%s to %q: %s", c.path, c.to, diff)
		}
	}
	if d[two] != "two\n\x00" || d[hello] != "hello\n" {
		t.Errorf("kept is %q", d)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(w.clone, "etc/devices/link")); err != nil {
		t.Fatal(err)
	}
	w.commit("Mallory", "a link")
	w.push()
	for name, c := range map[string]struct {
		in   FilesIn
		kind errs.Kind
		want string
	}{
		"a link":     {FilesIn{Commit: "main", Path: "etc/devices"}, errs.Invalid, "etc/devices/link"},
		"no folder":  {FilesIn{Commit: "main", Path: "none"}, errs.NotFound, "no folder"},
		"outside":    {FilesIn{Commit: "main", Path: "../x"}, errs.Invalid, "may not be written"},
		"to outside": {FilesIn{Commit: "2019.01", Path: "etc/devices", To: "/etc"}, errs.Invalid, "absolute"},
		"no path":    {FilesIn{Commit: "2019.01"}, errs.Invalid, "empty"},
		"no commit":  {FilesIn{Commit: strings.Repeat("0", 40), Path: "etc"}, errs.NotFound, "is not in"},
	} {
		c.in.Remote = w.remote
		if _, err := files.Do(ctx(t), key("f"), c.in); !errs.Is(err, c.kind) || !strings.Contains(errs.Text(err), c.want) {
			t.Errorf("%s: %v: %v", name, errs.KindOf(err), err)
		}
	}
}
