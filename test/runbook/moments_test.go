package runbook

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"slipway/bot/action"
	"slipway/bot/run"
	"slipway/bot/runbook"
)

// beforeGo brings a release to the moment at which one of two maintainers has agreed.
func beforeGo(t *testing.T, more map[string]any) *world {
	t.Helper()
	w := newWorld(t, more)
	w.start(map[string]any{"version": "2019.01"})
	w.answer("checklist", "maria", map[string]any{"merged": true})
	w.answer("tested", "tess", map[string]any{"good": true})
	w.approve("go", "grace")
	w.status("go", run.Running)
	return w
}

func archived() map[string]any {
	return map[string]any{"archive": "lava", "archive_address": "https://apt.example.org", "archive_keys": []any{fingerprint},
		"suites": []any{"stable"}, "architectures": []any{"amd64"}, "build": []any{"slipway", "package", "build"}, "lintian": "report", "trial_packages": true}
}

func (w *world) book(o runbook.Options) runbook.Book { return runbook.Make(w.p, w.s, w.World(), o) }

// TestRunbookBeforeGo has the commit made and nothing signed.
func TestRunbookBeforeGo(t *testing.T) {
	w := beforeGo(t, archived())
	text := w.book(runbook.Options{Inline: -1}).Text()
	w.golden("before-go.sh", text)
	w.parses(text)
}

// TestRunbookBetweenTagAndPush has the signed tag, and a push that may have happened.
func TestRunbookBetweenTagAndPush(t *testing.T) {
	w := beforeGo(t, archived())
	w.stop["push"] = true
	w.approve("go", "alan")
	w.status("sign", run.Done)
	w.status("push", run.Running)
	text := w.book(runbook.Options{Inline: -1}).Text()
	w.golden("before-push.sh", text)
	w.parses(text)
}

// TestRunbookAfterADoubtfulPublication does not know what clients see.
func TestRunbookAfterADoubtfulPublication(t *testing.T) {
	w := beforeGo(t, archived())
	text := "Origin: Example\nSuite: stable\n"
	digest := action.DigestOf([]byte(text))
	file := map[string]any{"name": "lava_2019.01-1_all.deb", "digest": action.DigestOf([]byte("deb")), "size": int64(3)}
	w.outputs["artifacts"] = map[string]any{"files": []any{file}}
	w.outputs["packages"] = map[string]any{"files": []any{file}, "packages": []any{"lava"}, "architectures": []any{"all"}, "version": "2019.01-1",
		"lintian_errors": int64(0), "lintian_warnings": int64(0), "lintian": "", "digest": digest}
	w.outputs["stage"] = map[string]any{"generation": "20190131T120000Z-0011223344556677", "releases": []any{map[string]any{"suite": "stable", "text": text, "digest": digest}},
		"current": []any{map[string]any{"suite": "stable", "generation": "20181130T120000Z-0011223344556677"}}, "digest": digest, "digests": []any{digest},
		"changes": []any{"stable: lava 2018.11-1 → 2019.01-1"}, "packages": int64(1)}
	w.outputs["signatures/sign"] = map[string]any{"fingerprint": fingerprint, "signed_at": "2019-01-31T12:00:00Z",
		"signatures": []any{map[string]any{"suite": "stable", "digest": digest, "inline": "inline", "detached": "detached"}}}
	w.results["switch"] = run.Doubtful
	w.approve("go", "alan")
	w.approve("publish", "maria")
	w.status("switch", run.InDoubt)
	book := w.book(runbook.Options{Inline: -1}).Text()
	w.golden("publish-doubtful.sh", book)
	w.parses(book)
}

// parses demands that a shell reads the text.
func (w *world) parses(text string) {
	w.t.Helper()
	cmd := exec.Command("sh", "-n")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Errorf("sh cannot read it: %v\n%s", err, out)
	}
}

// folder writes a runbook that can be run, as slipway runbook --files does.
func (w *world) folder(b runbook.Book) (script string) {
	w.t.Helper()
	dir := filepath.Join(w.dir, "by hand")
	for _, f := range b.Files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(f.Text), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		w.t.Fatal(err)
	}
	script = filepath.Join(dir, "runbook.sh")
	if err := os.WriteFile(script, []byte(b.Text()), 0o755); err != nil {
		w.t.Fatal(err)
	}
	return script
}
