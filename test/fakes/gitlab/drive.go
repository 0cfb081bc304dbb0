package gitlab

import (
	"fmt"
	"slices"
	"time"
)

// addJob gives a pipeline a job that was not begun.
func (s *Server) addJob(pl *Pipeline, j *Job) {
	j.ID, j.Pipeline, j.User, j.Created = s.id("job"), pl.ID, pl.User, s.now()
	if j.Status == "" {
		j.Status = "created"
	}
	pl.jobs = append(pl.jobs, j)
}

// again puts a new job in the place of one.
func (s *Server) again(pl *Pipeline, j *Job, u *User) *Job {
	j.Retried = true
	next := &Job{Name: j.Name, Stage: j.Stage, When: j.When, AllowFailure: j.AllowFailure, retries: j.retries + 1}
	if next.When == "manual" {
		next.When = "on_success" // it was played
	}
	s.addJob(pl, next)
	if u != nil {
		next.User = u.ID
	}
	return next
}

// stages lists the stages of a pipeline in their order.
func (pl *Pipeline) stages() []string {
	var out []string
	for _, j := range pl.jobs {
		if !slices.Contains(out, j.Stage) {
			out = append(out, j.Stage)
		}
	}
	return out
}

// reopen makes the jobs of later stages that were skipped wait again.
func (s *Server) reopen(pl *Pipeline, j *Job) {
	all := pl.stages()
	for _, other := range pl.jobs {
		if other.Status == "skipped" && slices.Index(all, other.Stage) > slices.Index(all, j.Stage) {
			other.Status, other.Finished = "created", time.Time{}
		}
	}
}

// setJob changes the status of a job and tells of it.
func (s *Server) setJob(p *Project, pl *Pipeline, j *Job, status string) {
	if j.Status == status {
		return
	}
	j.Status = status
	switch {
	case status == "running":
		j.Started = s.now()
	case finished(status):
		j.Finished = s.now()
		if j.Started.IsZero() && status != "skipped" {
			j.Started = j.Finished
		}
	}
	if status == "failed" && j.FailureReason == "" {
		j.FailureReason = "script_failure"
	}
	s.tellJob(p, pl, j)
}

// advance lets the jobs begin whose turn it is, and the pipeline have the status that follows.
func (s *Server) advance(p *Project, pl *Pipeline) {
	done, broken := true, false
	for _, stage := range pl.stages() {
		for _, j := range pl.jobs {
			if j.Retried || j.Stage != stage || j.Status != "created" || !done {
				continue
			}
			switch {
			case j.When == "manual" && !broken:
				s.setJob(p, pl, j, "manual")
			case j.When == "always", j.When == "on_failure" && broken, j.When != "on_failure" && j.When != "manual" && !broken:
				s.setJob(p, pl, j, "pending")
			default:
				s.setJob(p, pl, j, "skipped")
			}
		}
		for _, j := range pl.jobs {
			if j.Retried || j.Stage != stage {
				continue
			}
			if !finished(j.Status) && !(j.Status == "manual" && j.AllowFailure) {
				done = false
			}
			if (j.Status == "failed" || j.Status == "canceled") && !j.AllowFailure {
				broken = true
			}
		}
	}
	status := pl.follows()
	pl.Updated = s.now()
	if status == pl.Status {
		return
	}
	pl.Status = status
	switch {
	case finished(status):
		pl.Finished = s.now()
		if pl.Started.IsZero() {
			pl.Started = pl.Finished
		}
	case status == "running":
		pl.Started, pl.Finished = s.now(), time.Time{}
	default:
		pl.Finished = time.Time{}
	}
	s.tellPipeline(p, pl)
}

// follows is the status that a pipeline has by its jobs, in the order in which GitLab decides it. A
// job that may fail and did counts as one that succeeded; one that people may start, as none.
func (pl *Pipeline) follows() string {
	has := map[string]bool{}
	for _, j := range pl.jobs {
		switch {
		case j.Retried, j.AllowFailure && j.Status == "manual":
		case j.AllowFailure && (j.Status == "failed" || j.Status == "canceled"):
			has["warned"] = true
		default:
			has[j.Status] = true
		}
	}
	only := func(statuses ...string) bool {
		for status := range has {
			if status != "warned" && !slices.Contains(statuses, status) {
				return false
			}
		}
		return true
	}
	switch {
	case len(has) == 0, only("skipped") && !has["warned"]:
		return "skipped"
	case only("success", "skipped"):
		return "success"
	case only("created"):
		return "created"
	case only("canceled", "success", "skipped"):
		return "canceled"
	case only("pending", "created", "skipped"):
		return "pending"
	case has["running"], has["pending"]:
		return "running"
	case has["manual"]:
		return "manual"
	case has["created"]:
		return "running"
	}
	return "failed"
}

// retryPipeline runs again what failed or was canceled, and then what was skipped.
func (s *Server) retryPipeline(p *Project, pl *Pipeline, u *User) {
	for _, j := range slices.Clone(pl.jobs) {
		if !j.Retried && (j.Status == "failed" || j.Status == "canceled") {
			s.again(pl, j, u)
			s.reopen(pl, j)
		}
	}
	s.advance(p, pl)
}

func (s *Server) cancelPipeline(p *Project, pl *Pipeline) {
	for _, j := range pl.jobs {
		if !j.Retried && !finished(j.Status) {
			s.setJob(p, pl, j, "canceled")
		}
	}
	s.advance(p, pl)
}

// changeJob finds a job by its id and changes it.
func (s *Server) changeJob(id int, change func(*Project, *Pipeline, *Job)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.projects {
		for _, pl := range p.pipelines {
			for _, j := range pl.jobs {
				if j.ID == id {
					change(p, pl, j)
					return nil
				}
			}
		}
	}
	return fmt.Errorf("there is no job %d", id)
}

func (s *Server) changePipeline(id int, change func(*Project, *Pipeline) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.projects {
		for _, pl := range p.pipelines {
			if pl.ID == id {
				return change(p, pl)
			}
		}
	}
	return fmt.Errorf("there is no pipeline %d", id)
}

// RunJob lets a runner take a job.
func (s *Server) RunJob(id int) error {
	return s.changeJob(id, func(p *Project, pl *Pipeline, j *Job) {
		s.setJob(p, pl, j, "running")
		s.advance(p, pl)
	})
}

// FinishJob ends a job: success, failed or canceled.
func (s *Server) FinishJob(id int, status string) error {
	return s.changeJob(id, func(p *Project, pl *Pipeline, j *Job) {
		if j.Status != "running" {
			s.setJob(p, pl, j, "running")
			s.advance(p, pl)
		}
		s.setJob(p, pl, j, status)
		s.advance(p, pl)
	})
}

// FinishPipeline brings a pipeline to an end: with success every job that waits runs and succeeds;
// with failed the first one that may not fail does, and what comes later is skipped; with canceled
// everything that is left is canceled. Jobs that people must start are left alone.
func (s *Server) FinishPipeline(id int, status string) error {
	if status != "success" && status != "failed" && status != "canceled" {
		return fmt.Errorf("a pipeline does not end as %q", status)
	}
	return s.changePipeline(id, func(p *Project, pl *Pipeline) error {
		if status == "canceled" {
			s.cancelPipeline(p, pl)
		}
		failed := false
		for !finished(pl.Status) {
			at := slices.IndexFunc(pl.jobs, func(j *Job) bool { return !j.Retried && (j.Status == "pending" || j.Status == "running") })
			if at < 0 {
				break
			}
			j := pl.jobs[at]
			s.setJob(p, pl, j, "running")
			s.advance(p, pl)
			end := "success"
			if status == "failed" && !failed && !j.AllowFailure {
				end, failed = "failed", true
			}
			s.setJob(p, pl, j, end)
			s.advance(p, pl)
		}
		if pl.Status != status {
			return fmt.Errorf("pipeline %d is %s and cannot become %s", id, pl.Status, status)
		}
		return nil
	})
}

// Pipelines are the pipelines of a project, oldest first.
func (s *Server) Pipelines(project int) []Pipeline {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Pipeline
	if p := s.project(project); p != nil {
		for _, pl := range p.pipelines {
			one := *pl
			one.jobs, one.Variables = nil, slices.Clone(pl.Variables)
			out = append(out, one)
		}
	}
	return out
}

// Jobs are the jobs of a pipeline in the order in which they were made, those that were retried too.
func (s *Server) Jobs(pipeline int) []Job {
	var out []Job
	_ = s.changePipeline(pipeline, func(_ *Project, pl *Pipeline) error {
		for _, j := range pl.jobs {
			out = append(out, *j)
		}
		return nil
	})
	return out
}

// tellJob tells the hooks of a job whose status changed.
func (s *Server) tellJob(p *Project, pl *Pipeline, j *Job) {
	out := map[string]any{"object_kind": "build", "ref": pl.Ref, "tag": pl.Tag, "before_sha": pl.Before, "sha": pl.SHA, "build_id": j.ID,
		"build_name": j.Name, "build_stage": j.Stage, "build_status": j.Status, "build_created_at": hookStamp(j.Created),
		"build_started_at": hookStamp(j.Started), "build_finished_at": hookStamp(j.Finished), "build_duration": j.duration(), "build_queued_duration": nil,
		"build_allow_failure": j.AllowFailure, "build_failure_reason": "unknown_failure", "retries_count": j.retries, "pipeline_id": pl.ID,
		"project_id": p.ID, "project_name": p.Path, "project": s.hookProject(p), "user": s.hookUser(s.user(j.User)), "runner": nil,
		"repository": s.hookRepository(p), "environment": nil}
	if j.FailureReason != "" {
		out["build_failure_reason"] = j.FailureReason
	}
	commit := map[string]any{"id": pl.ID, "name": nil, "sha": pl.SHA, "status": pl.Status, "duration": pl.duration(),
		"started_at": hookStamp(pl.Started), "finished_at": hookStamp(pl.Finished)}
	if c := s.commit(p, pl.SHA); c != nil {
		commit["message"], commit["author_name"], commit["author_email"] = c.Message, c.Author, c.AuthorEmail
	}
	out["commit"] = commit
	s.emit(p, "build", out)
}

// tellPipeline tells the hooks of a pipeline whose status changed.
func (s *Server) tellPipeline(p *Project, pl *Pipeline) {
	attributes := map[string]any{"id": pl.ID, "iid": pl.IID, "name": nil, "ref": pl.Ref, "tag": pl.Tag, "sha": pl.SHA, "before_sha": pl.Before,
		"source": pl.Source, "status": pl.Status, "detailed_status": detailed(pl.Status), "stages": append([]string{}, pl.stages()...),
		"created_at": hookStamp(pl.Created), "finished_at": hookStamp(pl.Finished), "duration": pl.duration(), "queued_duration": nil,
		"variables": pl.variables(false), "url": s.pipelineURL(p, pl), "protected_ref": s.refProtected(p, fullRef(pl))}
	builds := []any{}
	for _, j := range pl.jobs {
		if j.Retried {
			continue
		}
		file := map[string]any{"filename": nil, "size": nil}
		if j.archive != nil {
			file = map[string]any{"filename": "artifacts.zip", "size": len(j.archive)}
		}
		one := map[string]any{"id": j.ID, "stage": j.Stage, "name": j.Name, "status": j.Status, "created_at": hookStamp(j.Created),
			"started_at": hookStamp(j.Started), "finished_at": hookStamp(j.Finished), "duration": j.duration(), "queued_duration": nil,
			"failure_reason": nil, "when": j.When, "manual": j.When == "manual", "allow_failure": j.AllowFailure,
			"user": s.hookUser(s.user(j.User)), "runner": nil, "artifacts_file": file, "environment": nil}
		if j.FailureReason != "" {
			one["failure_reason"] = j.FailureReason
		}
		builds = append(builds, one)
	}
	out := map[string]any{"object_kind": "pipeline", "object_attributes": attributes, "merge_request": nil, "user": s.hookUser(s.user(pl.User)),
		"project": s.hookProject(p), "builds": builds}
	if c := s.commit(p, pl.SHA); c != nil {
		out["commit"] = s.hookCommit(p, c, false)
	}
	s.emit(p, "pipeline", out)
}

func fullRef(pl *Pipeline) string {
	if pl.Tag {
		return "refs/tags/" + pl.Ref
	}
	return "refs/heads/" + pl.Ref
}
