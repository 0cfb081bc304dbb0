//go:build prove

package gitlab

import (
	_ "embed"
	"testing"
)

//go:embed python_social.py
var pythonSocial string

func TestPythonGitlabIsServedByWhatPeopleWorkOn(t *testing.T) {
	y, _, bobs := crew(t, Options{})
	r := listen(t)
	y.python(pythonSocial, "FAKE_BOB="+bobs, "FAKE_HOOK="+r.url)
	if len(r.bodies) != 2 || r.bodies[0] != r.bodies[1] || r.heads[0].Get("Idempotency-Key") != r.heads[1].Get("Idempotency-Key") {
		t.Errorf("%d deliveries arrived", len(r.bodies))
	}
	if m, _ := y.s.MergeRequest(y.harbour, 1); m.State != Merged || len(m.Approvals) != 0 {
		t.Errorf("the merge request: %+v", m)
	}
}
