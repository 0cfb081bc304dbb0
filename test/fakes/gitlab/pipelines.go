package gitlab

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Pipeline is a pipeline. Its status follows from its jobs.
type Pipeline struct {
	ID, IID   int
	Project   int
	Ref       string // of a branch or a tag, without refs/…
	Tag       bool
	SHA       string // the commit
	Before    string // the tip before
	Source    string // push, api, web, merge_request_event …
	Status    string // created, pending, running, success, failed, canceled, skipped, manual
	Errors    string // why the CI file is wrong
	User      int
	Variables []Variable
	Created   time.Time
	Updated   time.Time
	Started   time.Time
	Finished  time.Time

	jobs []*Job
}

// Variable is a variable of a pipeline.
type Variable struct {
	Key, Value string
	Type       string // env_var or file
}

// Job is a job of a pipeline.
type Job struct {
	ID            int
	Pipeline      int
	Name, Stage   string
	Status        string
	When          string // on_success, on_failure, always, manual
	AllowFailure  bool
	Retried       bool // another job took its place
	FailureReason string
	Trace         string
	User          int
	Created       time.Time
	Started       time.Time
	Finished      time.Time
	Expires       time.Time // when the archive goes away; zero: never

	archive []byte // a zip file
	retries int
}

func (s *Server) pipelineRoutes() []route {
	return slices.Concat(s.jobRoutes(), []route{
		{"GET", "/projects/:id/pipelines", 0, s.listPipelines},
		{"POST", "/projects/:id/pipeline", Developer, s.createPipeline},
		{"GET", "/projects/:id/pipelines/latest", 0, s.latestPipeline},
		{"GET", "/projects/:id/pipelines/:pipeline", 0, s.withPipeline(func(c *call, pl *Pipeline) answer { return ok(s.pipelineFull(c.project, pl)) })},
		{"GET", "/projects/:id/pipelines/:pipeline/variables", Developer, s.withPipeline(func(c *call, pl *Pipeline) answer { return ok(pl.variables(true)) })},
		{"POST", "/projects/:id/pipelines/:pipeline/retry", Developer, s.withPipeline(func(c *call, pl *Pipeline) answer {
			s.retryPipeline(c.project, pl, c.user)
			return created(s.pipelineFull(c.project, pl))
		})},
		{"POST", "/projects/:id/pipelines/:pipeline/cancel", Developer, s.withPipeline(func(c *call, pl *Pipeline) answer {
			s.cancelPipeline(c.project, pl)
			return ok(s.pipelineFull(c.project, pl))
		})},
	})
}

// withPipeline finds the pipeline that the path names.
func (s *Server) withPipeline(do func(*call, *Pipeline) answer) func(*call) answer {
	return func(c *call) answer {
		id := c.pathNum("pipeline")
		if pl := c.project.lastPipeline(func(pl *Pipeline) bool { return pl.ID == id }); pl != nil {
			return do(c, pl)
		}
		return notFound("")
	}
}

// lastPipeline finds the newest pipeline that fits.
func (p *Project) lastPipeline(fits func(*Pipeline) bool) *Pipeline {
	for _, pl := range slices.Backward(p.pipelines) {
		if fits(pl) {
			return pl
		}
	}
	return nil
}

// statuses are those that pipelines can have.
func statuses() []string {
	return []string{"created", "waiting_for_resource", "preparing", "pending", "running", "success", "failed", "canceling", "canceled", "skipped", "manual", "scheduled"}
}

// finished says whether a status is an end.
func finished(status string) bool {
	return status == "success" || status == "failed" || status == "canceled" || status == "skipped"
}

func (s *Server) listPipelines(c *call) answer {
	const bad = "%s does not have a valid value"
	status, scope, order, sort := c.str("status"), c.str("scope"), cmp.Or(c.str("order_by"), "id"), cmp.Or(c.str("sort"), "desc")
	switch {
	case status != "" && !slices.Contains(statuses(), status):
		return wrong(http.StatusBadRequest, bad, "status")
	case scope != "" && !slices.Contains([]string{"running", "pending", "finished", "branches", "tags"}, scope):
		return wrong(http.StatusBadRequest, bad, "scope")
	case !slices.Contains([]string{"id", "status", "ref", "updated_at", "user_id"}, order):
		return wrong(http.StatusBadRequest, bad, "order_by")
	case sort != "asc" && sort != "desc":
		return wrong(http.StatusBadRequest, bad, "sort")
	}
	after, isAfter := c.when("updated_after")
	before, isBefore := c.when("updated_before")
	var found []*Pipeline
	for _, pl := range c.project.pipelines {
		user := s.user(pl.User)
		switch {
		case status != "" && pl.Status != status,
			scope == "running" && pl.Status != "running", scope == "pending" && pl.Status != "pending", scope == "finished" && !finished(pl.Status),
			scope == "branches" && pl.Tag, scope == "tags" && !pl.Tag,
			c.str("ref") != "" && pl.Ref != c.str("ref"), c.str("sha") != "" && pl.SHA != c.str("sha"),
			c.str("source") != "" && pl.Source != c.str("source"), c.has("yaml_errors") && c.yes("yaml_errors") != (pl.Errors != ""),
			c.str("username") != "" && (user == nil || user.Username != c.str("username")),
			isAfter && !pl.Updated.After(after), isBefore && !pl.Updated.Before(before):
			continue
		}
		found = append(found, pl)
	}
	slices.SortStableFunc(found, func(a, b *Pipeline) int {
		n := 0
		switch order {
		case "status":
			n = cmp.Compare(a.Status, b.Status)
		case "ref":
			n = cmp.Compare(a.Ref, b.Ref)
		case "updated_at":
			n = a.Updated.Compare(b.Updated)
		case "user_id":
			n = cmp.Compare(a.User, b.User)
		}
		if n = cmp.Or(n, cmp.Compare(a.ID, b.ID)); sort == "desc" {
			n = -n
		}
		return n
	})
	return paged(c, found, func(pl *Pipeline) map[string]any { return s.pipelineJSON(c.project, pl) })
}

func (s *Server) latestPipeline(c *call) answer {
	ref := c.orBranch("ref")
	tip := s.commit(c.project, ref)
	pl := c.project.lastPipeline(func(pl *Pipeline) bool { return tip != nil && pl.Ref == ref && pl.SHA == tip.ID })
	if pl == nil {
		return notFound("Pipeline")
	}
	return ok(s.pipelineFull(c.project, pl))
}

func (s *Server) pipelineJSON(p *Project, pl *Pipeline) map[string]any {
	return map[string]any{"id": pl.ID, "iid": pl.IID, "project_id": p.ID, "sha": pl.SHA, "ref": pl.Ref, "status": pl.Status, "source": pl.Source,
		"created_at": stamp(pl.Created), "updated_at": stamp(pl.Updated), "name": nil, "web_url": s.pipelineURL(p, pl)}
}

func (s *Server) pipelineFull(p *Project, pl *Pipeline) map[string]any {
	out := s.pipelineJSON(p, pl)
	out["before_sha"], out["tag"], out["yaml_errors"], out["user"] = pl.Before, pl.Tag, nil, s.userJSON(s.user(pl.User))
	if pl.Errors != "" {
		out["yaml_errors"] = pl.Errors
	}
	out["started_at"], out["finished_at"], out["committed_at"] = stamp(pl.Started), stamp(pl.Finished), nil
	out["duration"], out["queued_duration"], out["coverage"], out["archived"] = pl.duration(), nil, nil, false
	out["detailed_status"] = map[string]any{"icon": "status_" + pl.Status, "text": pl.Status, "label": detailed(pl.Status), "group": pl.Status,
		"tooltip": detailed(pl.Status), "has_details": true, "details_path": "/" + p.Path + "/-/pipelines/" + text(float64(pl.ID)), "illustration": nil}
	return out
}

func (s *Server) pipelineURL(p *Project, pl *Pipeline) string {
	return s.web(p) + "/-/pipelines/" + text(float64(pl.ID))
}

// detailed is the word that people read for a status.
func detailed(status string) string {
	if status == "success" {
		return "passed"
	}
	return status
}

// duration is in whole seconds; null before the end.
func (pl *Pipeline) duration() any {
	if pl.Started.IsZero() || pl.Finished.IsZero() {
		return nil
	}
	return int(pl.Finished.Sub(pl.Started).Seconds())
}

func (pl *Pipeline) variables(types bool) []map[string]any {
	out := []map[string]any{}
	for _, v := range pl.Variables {
		one := map[string]any{"key": v.Key, "value": v.Value}
		if types {
			one["variable_type"], one["raw"] = cmp.Or(v.Type, "env_var"), false
		}
		out = append(out, one)
	}
	return out
}

func (s *Server) createPipeline(c *call) answer {
	base := func(what string) answer {
		return message(http.StatusBadRequest, map[string]any{"base": []string{what}})
	}
	name := c.str("ref")
	if name == "" {
		return missing("ref")
	}
	var variables []Variable
	list, _ := c.in["variables"].([]any)
	for _, one := range list {
		v, _ := one.(map[string]any)
		if text(v["key"]) == "" {
			return wrong(http.StatusBadRequest, "variables[0][key] is missing")
		}
		variables = append(variables, Variable{Key: text(v["key"]), Value: text(v["value"]), Type: text(v["variable_type"])})
	}
	p := c.project
	short := strings.TrimPrefix(strings.TrimPrefix(name, "refs/heads/"), "refs/tags/")
	branch, tag := p.refs["refs/heads/"+short], p.refs["refs/tags/"+short]
	if strings.HasPrefix(name, "refs/heads/") {
		tag = ""
	} else if strings.HasPrefix(name, "refs/tags/") {
		branch = ""
	}
	switch {
	case branch == "" && tag == "":
		return base("Reference not found")
	case branch != "" && tag != "":
		return base("Ref is ambiguous")
	case branch != "" && !allowed(p.branches, short, c.level(), true), tag != "" && !allowed(p.tags, short, c.level(), false):
		return base("You do not have sufficient permission to run a pipeline on '" + short + "'. Please select a different branch or contact your administrator for assistance.")
	}
	pl, err := s.newPipeline(p, c.user, Pipeline{Ref: short, Tag: tag != "", SHA: cmp.Or(branch, tag), Before: zero, Source: "api", Variables: variables})
	if err != nil {
		return base(err.Error())
	}
	return created(s.pipelineFull(p, pl))
}

// newPipeline makes a pipeline for the commit that SHA names, with the jobs that its CI file has.
// s.mu is held.
func (s *Server) newPipeline(p *Project, u *User, pl Pipeline) (*Pipeline, error) {
	tip := s.commit(p, pl.SHA)
	if tip == nil {
		return nil, errText("Commit not found")
	}
	text, _, found := s.content(p, tip.ID, ciFile)
	if !found {
		return nil, errText("Missing CI config file")
	}
	variables := map[string]string{"CI_DEFAULT_BRANCH": p.Branch, "CI_PROJECT_PATH": p.Path, "CI_PROJECT_NAMESPACE": strings.TrimSuffix(p.Path, "/"+lastPart(p.Path)), "CI_COMMIT_TITLE": tip.title(), "CI_COMMIT_MESSAGE": tip.Message}
	for _, v := range pl.Variables {
		variables[v.Key] = v.Value
	}
	jobs, err := plan(text, circumstances{ref: pl.Ref, tag: pl.Tag, source: pl.Source, variables: variables})
	if err != nil {
		return nil, err
	}
	made := s.record(p, u, pl, tip)
	for _, j := range jobs {
		s.addJob(made, j)
	}
	if low := strings.ToLower(tip.Message); pl.Source == "push" && (strings.Contains(low, "[skip ci]") || strings.Contains(low, "[ci skip]")) {
		for _, j := range jobs {
			j.Status = "skipped"
		}
	}
	s.advance(p, made)
	return made, nil
}

func lastPart(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// record takes a pipeline down, without jobs.
func (s *Server) record(p *Project, u *User, pl Pipeline, tip *Commit) *Pipeline {
	pl.ID, pl.IID, pl.Project, pl.SHA, pl.User = s.id("pipeline"), p.iid("pipeline"), p.ID, tip.ID, idOf(u)
	pl.Created, pl.Updated, pl.Status = s.now(), s.now(), ""
	p.pipelines = append(p.pipelines, &pl)
	return &pl
}

// pushPipeline makes the pipeline of a ref that was pushed, where the commit has a CI file. One that
// is wrong makes a pipeline that failed and says why.
func (s *Server) pushPipeline(p *Project, u *User, ref, before string) {
	name, tag := strings.CutPrefix(ref, "refs/tags/")
	if !tag {
		name = strings.TrimPrefix(ref, "refs/heads/")
	}
	pl := Pipeline{Ref: name, Tag: tag, SHA: p.refs[ref], Before: before, Source: "push"}
	if s.delaying {
		s.delayed = append(s.delayed, func() { s.begin(p, u, pl) })
		return
	}
	s.begin(p, u, pl)
}

// DelayPipelines lets the pipelines of pushes wait, as they do while GitLab's queue is long; ending
// that begins them, in order.
func (s *Server) DelayPipelines(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.delaying = on; on {
		return
	}
	for _, begin := range s.delayed {
		begin()
	}
	s.delayed = nil
}

func (s *Server) begin(p *Project, u *User, pl Pipeline) {
	_, err := s.newPipeline(p, u, pl)
	if err == nil {
		return
	}
	what := err.Error()
	if !strings.HasPrefix(what, "(") && !strings.HasPrefix(what, "jobs ") && !strings.Contains(what, " job: ") {
		return // nothing to do in these circumstances
	}
	if tip := s.commit(p, pl.SHA); tip != nil {
		pl.Errors = what
		made := s.record(p, u, pl, tip)
		made.Status, made.Finished = "failed", s.now()
		s.tellPipeline(p, made)
	}
}
