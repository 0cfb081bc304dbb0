package ci

import (
	"encoding/json"
	"strings"
	"testing"

	gogitlab "github.com/xanzy/go-gitlab"

	"slipway/bot/errs"
)

// GitLab gives a time of expiry to what made reports alone, and keeps the log of what has expired.
func TestWhichJobsHaveArtifactsToTake(t *testing.T) {
	const (
		archive = `{"name":"package","stage":"build","status":"success","artifacts_expire_at":"2026-09-01T00:00:00Z","artifacts_file":{"filename":"artifacts.zip","size":3},"artifacts":[{"file_type":"archive"}]}`
		reports = `{"name":"unit","stage":"test","status":"success","artifacts_expire_at":"2026-09-01T00:00:00Z","artifacts":[{"file_type":"junit"},{"file_type":"trace"}]}`
		gone    = `{"name":"docs","stage":"build","status":"success","artifacts_expire_at":"2019-02-01T00:00:00Z","artifacts":[{"file_type":"trace"}]}`
		broken  = `{"name":"lint","stage":"test","status":"failed","allow_failure":true,"artifacts_file":{"filename":"artifacts.zip","size":3},"artifacts":[{"file_type":"archive"}]}`
	)
	for _, x := range []struct {
		jobs, names []string
		want        string // the names that are taken
		kind        errs.Kind
		text        string
	}{
		{[]string{archive, reports}, nil, "package", errs.Other, ""},
		{[]string{archive, gone}, nil, "", errs.Gone, "the job docs (stage build) expired at 2019-02-01 00:00 UTC"},
		{[]string{archive, gone}, []string{"package"}, "package", errs.Other, ""},
		{[]string{archive, broken}, nil, "package", errs.Other, ""},
		{[]string{archive, broken}, []string{"lint"}, "", errs.Conflict, `the job lint (stage test) is "failed", and only one that passed`},
		{[]string{reports}, []string{"unit"}, "", errs.Invalid, "the job unit (stage test) left no artifacts"},
		{[]string{broken}, nil, "", errs.Invalid, "left no artifacts"},
	} {
		var jobs []*gogitlab.Job
		if err := json.Unmarshal([]byte("["+strings.Join(x.jobs, ",")+"]"), &jobs); err != nil {
			t.Fatal(err)
		}
		got, err := project{op: "ci.artifacts"}.choose(9, jobs, x.names)
		var names []string
		for _, j := range got {
			names = append(names, j.Name)
		}
		if x.text == "" && err != nil || x.text != "" && (errs.KindOf(err) != x.kind || !strings.Contains(errs.Text(err), x.text) || errs.HintOf(err) == "") ||
			strings.Join(names, " ") != x.want {
			t.Errorf("%d jobs, of which %v: %v, %v", len(jobs), x.names, names, err)
		}
	}
}
