package gitlab

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

func sum(raw []byte) string {
	digest := sha256.Sum256(raw)
	return hex.EncodeToString(digest[:])
}

func (s *Server) jobRoutes() []route {
	return []route{
		{"GET", "/projects/:id/pipelines/:pipeline/jobs", 0, s.withPipeline(func(c *call, pl *Pipeline) answer { return s.listJobs(c, pl.jobs, !c.yes("include_retried")) })},
		{"GET", "/projects/:id/jobs", 0, func(c *call) answer {
			var all []*Job
			for _, pl := range c.project.pipelines {
				all = append(all, pl.jobs...)
			}
			return s.listJobs(c, all, false)
		}},
		{"GET", "/projects/:id/jobs/artifacts/:ref/download", 0, s.refArtifacts},
		{"GET", "/projects/:id/jobs/:job", 0, s.withJob(func(c *call, pl *Pipeline, j *Job) answer { return ok(s.jobJSON(c.project, pl, j)) })},
		{"GET", "/projects/:id/jobs/:job/trace", 0, s.withJob(func(_ *call, _ *Pipeline, j *Job) answer {
			return answer{status: http.StatusOK, raw: []byte(j.Trace), header: http.Header{"Content-Type": {"text/plain"}}}
		})},
		{"GET", "/projects/:id/jobs/:job/artifacts", 0, s.withJob(func(_ *call, _ *Pipeline, j *Job) answer { return s.artifacts(j) })},
		{"GET", "/projects/:id/jobs/:job/artifacts/*path", 0, s.withJob(func(c *call, _ *Pipeline, j *Job) answer { return s.artifact(j, c.path["path"]) })},
		{"POST", "/projects/:id/jobs/:job/retry", Developer, s.withJob(s.retryJob)},
		{"POST", "/projects/:id/jobs/:job/cancel", Developer, s.withJob(s.cancelJob)},
		{"POST", "/projects/:id/jobs/:job/play", Developer, s.withJob(s.playJob)},
	}
}

func (s *Server) withJob(do func(*call, *Pipeline, *Job) answer) func(*call) answer {
	return func(c *call) answer {
		id := c.pathNum("job")
		for _, pl := range c.project.pipelines {
			for _, j := range pl.jobs {
				if j.ID == id {
					return do(c, pl, j)
				}
			}
		}
		return notFound("")
	}
}

// listJobs lists jobs, the newest first, in the scopes that are asked for.
func (s *Server) listJobs(c *call, jobs []*Job, current bool) answer {
	scopes := c.list("scope")
	for _, status := range scopes {
		if !slices.Contains(statuses(), status) {
			return wrong(http.StatusBadRequest, "scope does not have a valid value")
		}
	}
	var found []*Job
	for _, j := range jobs {
		if (!current || !j.Retried) && (len(scopes) == 0 || slices.Contains(scopes, j.Status)) {
			found = append(found, j)
		}
	}
	sort.SliceStable(found, func(a, b int) bool { return found[a].ID > found[b].ID })
	return paged(c, found, func(j *Job) map[string]any {
		pl := c.project.lastPipeline(func(pl *Pipeline) bool { return pl.ID == j.Pipeline })
		return s.jobJSON(c.project, pl, j)
	})
}

func (s *Server) jobJSON(p *Project, pl *Pipeline, j *Job) map[string]any {
	out := map[string]any{"id": j.ID, "status": j.Status, "stage": j.Stage, "name": j.Name, "ref": pl.Ref, "tag": pl.Tag, "coverage": nil,
		"allow_failure": j.AllowFailure, "created_at": stamp(j.Created), "started_at": stamp(j.Started), "finished_at": stamp(j.Finished),
		"erased_at": nil, "duration": j.duration(), "queued_duration": nil, "user": s.userJSON(s.user(j.User)), "commit": s.commitJSON(p, s.commit(p, pl.SHA)),
		"pipeline": s.pipelineJSON(p, pl), "web_url": s.web(p) + "/-/jobs/" + strconv.Itoa(j.ID), "project": map[string]any{"ci_job_token_scope_enabled": false},
		"artifacts": []any{}, "runner": nil, "archived": false, "tag_list": []string{}}
	if j.Status == "failed" {
		out["failure_reason"] = j.FailureReason
	}
	out["artifacts_expire_at"] = stamp(j.Expires)
	if s.expire(j); j.archive != nil {
		out["artifacts_file"] = map[string]any{"filename": "artifacts.zip", "size": len(j.archive)}
		out["artifacts"] = []any{map[string]any{"file_type": "archive", "size": len(j.archive), "filename": "artifacts.zip", "file_format": "zip"}}
	}
	return out
}

func (j *Job) duration() any {
	if j.Started.IsZero() || j.Finished.IsZero() {
		return nil
	}
	return j.Finished.Sub(j.Started).Seconds()
}

// artifacts is the archive of a job, as GitLab sends it from its own disk, or the way to where it lies.
func (s *Server) artifacts(j *Job) answer {
	if s.expire(j); j.archive == nil {
		return notFound("")
	}
	if s.o.Storage {
		return answer{status: http.StatusFound, raw: []byte{}, header: http.Header{"Location": {s.storage() + "/" + strconv.Itoa(j.ID) + "/artifacts.zip?Signature=" + s.signed(j)}}}
	}
	return answer{status: http.StatusOK, raw: j.archive, header: http.Header{"Content-Type": {"application/octet-stream"},
		"Content-Disposition": {`attachment; filename="artifacts.zip"; filename*=UTF-8''artifacts.zip`}, "Content-Transfer-Encoding": {"binary"}}}
}

// artifact is one file out of the archive of a job.
func (s *Server) artifact(j *Job, path string) answer {
	s.expire(j)
	z, err := zip.NewReader(bytes.NewReader(j.archive), int64(len(j.archive)))
	if err != nil {
		return notFound("")
	}
	f, err := z.Open(path)
	if err != nil {
		return notFound("")
	}
	raw, err := io.ReadAll(f)
	if err != nil {
		return notFound("")
	}
	return answer{status: http.StatusOK, raw: raw, header: http.Header{"Content-Type": {"application/octet-stream"}}}
}

// refArtifacts is the archive of the newest job of a name in a pipeline of a branch or tag that succeeded.
func (s *Server) refArtifacts(c *call) answer {
	if c.str("job") == "" {
		return missing("job")
	}
	pl := c.project.lastPipeline(func(pl *Pipeline) bool { return pl.Ref == c.path["ref"] && pl.Status == "success" })
	if pl == nil {
		return notFound("")
	}
	for _, j := range slices.Backward(pl.jobs) {
		if j.Name == c.str("job") && j.Status == "success" {
			return s.artifacts(j)
		}
	}
	return notFound("")
}

func (s *Server) retryJob(c *call, pl *Pipeline, j *Job) answer {
	if j.Retried || !finished(j.Status) || j.Status == "skipped" {
		return message(http.StatusForbidden, "403 Forbidden - Job is not retryable")
	}
	again := s.again(pl, j, c.user)
	s.reopen(pl, j)
	s.advance(c.project, pl)
	return created(s.jobJSON(c.project, pl, again))
}

func (s *Server) cancelJob(c *call, pl *Pipeline, j *Job) answer {
	if !finished(j.Status) {
		s.setJob(c.project, pl, j, "canceled")
		s.advance(c.project, pl)
	}
	return created(s.jobJSON(c.project, pl, j))
}

func (s *Server) playJob(c *call, pl *Pipeline, j *Job) answer {
	if j.Status != "manual" {
		return message(http.StatusBadRequest, "400 Bad request - Unplayable Job")
	}
	j.User = c.user.ID
	s.setJob(c.project, pl, j, "pending")
	s.reopen(pl, j)
	s.advance(c.project, pl)
	return ok(s.jobJSON(c.project, pl, j))
}

// SetArtifacts gives a job an archive of files, by name; none takes it away.
func (s *Server) SetArtifacts(job int, files map[string][]byte) error {
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, name := range names {
		w, err := z.Create(name)
		if err != nil {
			return err
		}
		if _, err := w.Write(files[name]); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	return s.SetArchive(job, out.Bytes()[:out.Len()*min(1, len(files))])
}

// SetArchive gives a job an archive as it is, be it wrong; an empty one takes it away.
func (s *Server) SetArchive(job int, raw []byte) error {
	return s.changeJob(job, func(_ *Project, _ *Pipeline, j *Job) {
		if j.archive = raw; len(raw) == 0 {
			j.archive = nil
		}
	})
}

// expire takes an archive away whose time is over.
func (s *Server) expire(j *Job) {
	if !j.Expires.IsZero() && !s.now().Before(j.Expires) {
		j.archive = nil
	}
}

// SetExpiry says when the archive of a job goes away.
func (s *Server) SetExpiry(job int, at time.Time) error {
	return s.changeJob(job, func(_ *Project, _ *Pipeline, j *Job) { j.Expires = at })
}

// SetTrace sets the log of a job.
func (s *Server) SetTrace(job int, text string) error {
	return s.changeJob(job, func(_ *Project, _ *Pipeline, j *Job) { j.Trace = strings.ToValidUTF8(text, "�") })
}
