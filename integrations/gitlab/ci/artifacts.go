package ci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	gogitlab "github.com/xanzy/go-gitlab"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/pipeline"
	"slipway/integrations/gitlab"
)

// Bounds of what the jobs of one pipeline may have made.
const (
	maxFiles   = 1000
	maxFile    = 8 << 30 // bytes of one file
	maxBytes   = 16 << 30
	maxArchive = 8 << 30 // of one zip
)

// Artifacts is ci.artifacts@1: the files that the jobs of a pipeline made. Policy: read. Each archive
// is streamed to a file that has no name, and what is in it into the depot.
type Artifacts struct {
	c     *gitlab.Client
	depot Depot
}

// NewArtifacts makes ci.artifacts@1.
func NewArtifacts(c *gitlab.Client, d Depot) Artifacts { return Artifacts{c, d} }

// Contract of ci.artifacts@1.
func (Artifacts) Contract() action.Contract {
	c := pipeline.Artifacts()
	c.Timeout, c.ByHand = time.Hour, artifactsByHand
	return c
}

// Probe has nothing to look for: a read is done anew each time.
func (a Artifacts) Probe(context.Context, action.Key, pipeline.ArtifactsIn) (pipeline.ArtifactsOut, bool, error) {
	return pipeline.ArtifactsOut{}, false, nil
}

// Do fetches the files of a pipeline that has passed, under their names without folders. Those of
// another are not complete: an error of kind [errs.Conflict]. Kind [errs.Gone] is for artifacts that
// expired, and [errs.Invalid] for a job that is not there, one that made nothing, a name that two files
// of different content have, and what is no plain file.
func (a Artifacts) Do(ctx context.Context, _ action.Key, in pipeline.ArtifactsIn) (pipeline.ArtifactsOut, error) {
	p, err := open(ctx, a.c, "ci.artifacts", in.Remote)
	if err != nil {
		return pipeline.ArtifactsOut{}, err
	}
	got, err := p.one(ctx, in.Pipeline, in.Ref, in.Commit)
	switch {
	case err != nil:
		return pipeline.ArtifactsOut{}, err
	case got == nil:
		return pipeline.ArtifactsOut{}, p.fail(errs.Conflict, "start it first", "there is no pipeline of %s at %s", quote(in.Ref), in.Commit)
	case state(got.Status) != pipeline.Success:
		return pipeline.ArtifactsOut{}, p.fail(errs.Conflict, "wait for it, or start it again",
			"the pipeline %d is %s, and only one that passed has all of its artifacts", got.ID, state(got.Status))
	}
	jobs, err := p.jobs(ctx, got.ID)
	if err != nil {
		return pipeline.ArtifactsOut{}, err
	}
	if jobs, err = p.choose(got.ID, jobs, in.Jobs); err != nil {
		return pipeline.ArtifactsOut{}, err
	}
	s := &shelf{p: p, depot: a.depot, files: map[string]kept{}}
	for _, j := range jobs {
		if err := s.take(ctx, j); err != nil {
			return pipeline.ArtifactsOut{}, err
		}
	}
	return pipeline.ArtifactsOut{Files: s.list()}, nil
}

func hasArchive(j *gogitlab.Job) bool { return j.ArtifactsFile.Filename != "" }

// expired reports whether a job had an archive that is not there any more, as far as that can be told.
// One that made reports alone has a time for these and never had an archive; its log is no report.
func expired(j *gogitlab.Job) bool {
	if hasArchive(j) || j.ArtifactsExpireAt == nil {
		return false
	}
	for _, a := range j.Artifacts {
		if !slices.Contains([]string{"archive", "metadata", "trace"}, a.FileType) {
			return false
		}
	}
	return true
}

// choose gives the jobs whose artifacts are taken: those with the names, or all that have some. A job
// that may fail and did so has no whole artifacts: it is left out, and one that was named is an error
// of kind Conflict.
func (p project) choose(id int, jobs []*gogitlab.Job, names []string) (out []*gogitlab.Job, err error) {
	wanted := func(j *gogitlab.Job) bool { return len(names) == 0 || slices.Contains(names, j.Name) }
	for _, name := range names {
		if !slices.ContainsFunc(jobs, func(j *gogitlab.Job) bool { return j.Name == name }) {
			return nil, p.fail(errs.Invalid, "name jobs of the pipeline", "the pipeline %d has no job %s; it has %s", id, quote(name), named(jobs))
		}
	}
	for _, j := range jobs {
		switch {
		case !wanted(j), len(names) == 0 && j.Status != "success":
		case j.Status != "success":
			return nil, p.fail(errs.Conflict, "run it again on its page, or take the job out of the list",
				"%s is %s, and only one that passed has all of its artifacts", title(j), quote(j.Status))
		case hasArchive(j):
			out = append(out, j)
		case expired(j):
			return nil, p.fail(errs.Gone, "run the pipeline again, and let its jobs keep their artifacts longer (artifacts: expire_in)",
				"the artifacts of %s expired at %s", title(j), j.ArtifactsExpireAt.UTC().Format("2006-01-02 15:04 MST"))
		case len(names) > 0:
			return nil, p.fail(errs.Invalid, "let it keep its files (artifacts: paths), or take the job out of the list", "%s left no artifacts", title(j))
		}
	}
	if len(out) == 0 {
		return nil, p.fail(errs.Invalid, "let a job keep its files (artifacts: paths)", "the pipeline %d left no artifacts", id)
	}
	return out, nil
}

// fetch streams the archive of a job into a file that has no name any more; the caller closes it.
func (p project) fetch(ctx context.Context, j *gogitlab.Job) (_ *os.File, size int64, err error) {
	broken := func(err error) error {
		kind := errs.Unavailable
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			kind = errs.Full
		}
		return p.fail(kind, "make room in the folder for temporary files (TMPDIR)", "the archive of %s cannot be kept for reading: %w", title(j), err)
	}
	f, err := os.CreateTemp("", "slipway-artifacts-")
	if err != nil {
		return nil, 0, broken(err)
	}
	_ = os.Remove(f.Name()) // a crash leaves nothing behind
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := p.c.API().NewRequest(http.MethodGet, fmt.Sprintf("projects/%d/jobs/%d/artifacts", p.pid, j.ID), nil, []gogitlab.RequestOptionFunc{gogitlab.WithContext(gitlab.Streamed(ctx))})
	if err != nil {
		return nil, 0, errs.E(p.op, errs.Internal, err)
	}
	w := &disk{f: f, stop: cancel}
	resp, err := p.c.API().Do(req, w)
	switch {
	case w.failed != nil:
		return nil, 0, broken(w.failed)
	case w.n > maxArchive:
		return nil, 0, p.fail(errs.Invalid, "let it keep less", "the archive of %s is larger than %d GB", title(j), maxArchive>>30)
	case err != nil:
		if err = p.read(resp, err); errs.Is(err, errs.NotFound) {
			err = p.fail(errs.Gone, "run the pipeline again, and let its jobs keep their artifacts longer (artifacts: expire_in)", "the artifacts of %s are not there any more", title(j))
		}
		return nil, 0, err
	case j.ArtifactsFile.Size > 0 && w.n != int64(j.ArtifactsFile.Size):
		return nil, 0, p.fail(errs.Unavailable, "it is fetched again", "the archive of %s came with %d of %d bytes", title(j), w.n, j.ArtifactsFile.Size)
	}
	return f, w.n, nil
}

// disk writes to a file, up to the bound of an archive.
type disk struct {
	f      *os.File
	n      int64
	stop   func()
	failed error
}

func (d *disk) Write(p []byte) (int, error) {
	if d.n += int64(len(p)); d.n > maxArchive {
		d.stop()
		return 0, errors.New("it is too large")
	}
	n, err := d.f.Write(p)
	if err != nil {
		d.failed = err
		d.stop()
	}
	return n, err
}

// kept is a file in the depot, and where it came from.
type kept struct {
	pipeline.Artifact
	from string
}

// shelf gathers the files of several jobs.
type shelf struct {
	p     project
	depot Depot
	files map[string]kept
	bytes int64
}

func (s *shelf) list() []pipeline.Artifact {
	out := make([]pipeline.Artifact, 0, len(s.files))
	for _, f := range s.files {
		out = append(out, f.Artifact)
	}
	slices.SortFunc(out, func(x, y pipeline.Artifact) int { return strings.Compare(x.Name, y.Name) })
	return out
}

// take keeps the files of one job.
func (s *shelf) take(ctx context.Context, j *gogitlab.Job) error {
	f, size, err := s.p.fetch(ctx, j)
	if err != nil {
		return err
	}
	defer f.Close()
	return s.unpack(ctx, f, size, title(j))
}

// put keeps one file. The same file from two jobs is one.
func (s *shelf) put(ctx context.Context, name, from string, r io.Reader) error {
	digest, size, err := s.depot.PutFrom(ctx, r, min(maxFile, maxBytes-s.bytes))
	if err != nil {
		return err
	}
	s.bytes += size
	if old, twice := s.files[name]; twice {
		if old.Digest == digest {
			return nil
		}
		return s.p.fail(errs.Invalid, "name the jobs whose files are wanted, or let one of them use another name",
			"%s and %s made different files with the name %s", old.from, from, name)
	}
	s.files[name] = kept{pipeline.Artifact{Name: name, Digest: digest, Size: int(size)}, from}
	return nil
}
