//go:build prove

package gitlab

import (
	_ "embed"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

//go:embed python_core.py
var pythonCore string

// python runs a script that uses Debian's python3-gitlab, and wants that it ends with "served".
func (y *yard) python(script string, env ...string) {
	y.Helper()
	cmd := exec.CommandContext(y.Context(), "/usr/bin/python3", "-I", "-")
	cmd.Stdin = strings.NewReader(script)
	cmd.Env = append(cmd.Environ(), "FAKE_URL="+y.s.URL, "FAKE_TOKEN="+y.token, fmt.Sprintf("FAKE_PROJECT=%d", y.harbour))
	cmd.Env = append(cmd.Env, env...)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.HasSuffix(string(out), "served\n") {
		y.Fatalf("%v\n%s", err, out)
	}
}

func TestPythonGitlabIsServedByTheCore(t *testing.T) {
	y := newYard(t, Options{})
	y.s.RenameProject(y.harbour, "yard/dock")
	y.s.RenameProject(y.harbour, "yard/harbour")
	_, err := y.s.CommitFiles(y.harbour, y.ada.ID, "dock", "Dock", map[string]string{ciFile: "compile: {script: [make]}\n"})
	y.must(err)
	pl := y.s.Pipelines(y.harbour)[0]
	job := y.job(pl.ID, "compile")
	y.must(y.s.SetArtifacts(job, map[string][]byte{"out/ship.deb": []byte("a ship")}))
	y.must(y.s.SetTrace(job, "make\nok\n"))
	y.must(y.s.FinishPipeline(pl.ID, "success"))
	y.s.Fault(Fault{Method: "GET", Path: "/version", Skip: 2, Do: TooMany, RetryAfter: time.Second})
	y.python(pythonCore, fmt.Sprintf("FAKE_JOB=%d", job))
	if left := y.s.ClearFaults(); left != 0 {
		t.Errorf("%d faults were not met", left)
	}
	if r := y.s.Releases(y.harbour); len(r) != 1 || r[0].Tag != "v1/a" || len(r[0].Links) != 1 {
		t.Errorf("releases: %+v", r)
	}
}
