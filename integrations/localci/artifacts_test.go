package localci

import (
	"context"
	"io"
	"strings"
	"testing"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// depot keeps artifacts in memory, by their digest.
type depot map[string]string

func (d depot) PutFrom(_ context.Context, r io.Reader, limit int64) (string, int64, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit))
	digest := action.DigestOf(data)
	d[digest] = string(data)
	return digest, int64(len(data)), err
}

// made runs command and asks for what it left behind.
func (w *world) made(attempt int, command ...string) (ArtifactsOut, depot, error) {
	w.t.Helper()
	out, err := w.start(attempt, command...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.settle(out.Pipeline)
	d := depot{}
	got, err := NewArtifacts(w.runner, d).Do(w.t.Context(), key(attempt), ArtifactsIn{Remote: w.repo, Ref: "2019.01", Commit: w.commit, Pipeline: out.Pipeline, Jobs: []string{"package"}})
	return got, d, err
}

func TestArtifactsAreWhatTheCommandLeft(t *testing.T) {
	w := newWorld(t, 0, Options{})
	got, d, err := w.made(1, "sh", "-c", `echo two > "$CI_ARTIFACTS/b_1.0-1_amd64.deb"; echo one > "$CI_ARTIFACTS/a.dsc"`)
	if err != nil {
		t.Fatal(err)
	}
	want := []Artifact{
		{Name: "a.dsc", Digest: action.DigestOf([]byte("one\n")), Size: 4},
		{Name: "b_1.0-1_amd64.deb", Digest: action.DigestOf([]byte("two\n")), Size: 4},
	}
	if len(got.Files) != 2 || got.Files[0] != want[0] || got.Files[1] != want[1] {
		t.Errorf("got %+v, want %+v", got.Files, want)
	}
	if d[want[0].Digest] != "one\n" || d[want[1].Digest] != "two\n" {
		t.Errorf("kept is %v", d)
	}
}

func TestArtifactsThatCannotBeTaken(t *testing.T) {
	w := newWorld(t, 0, Options{})
	for i, c := range []struct{ script, want string }{
		{`true`, "left no artifacts"},
		{`ln -s /etc/passwd "$CI_ARTIFACTS/passwd"`, "is a link"},
		{`mkdir "$CI_ARTIFACTS/folder"`, "is no plain file"},
		{`mkfifo "$CI_ARTIFACTS/pipe"`, "is no plain file"},
		{`echo x > "$CI_ARTIFACTS/a b"`, "has a name that"},
		{`echo x > "$CI_ARTIFACTS/a.deb"; exit 1`, "the pipeline is failed"},
	} {
		_, _, err := w.made(i+1, "sh", "-c", c.script)
		if err == nil || !strings.Contains(errs.Text(err), c.want) {
			t.Errorf("%s: %v, want %q", c.script, err, c.want)
		}
	}
}
