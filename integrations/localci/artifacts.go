package localci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/pipeline"
)

// Bounds of what one run of a pipeline may leave behind.
const (
	maxArtifacts = 1000
	maxBytes     = 8 << 30 // of one artifact
)

// Depot keeps the content of artifacts, named by its digest. Keep returns errors of kind Full and
// Unavailable for the disk, and Invalid for more than limit bytes; what it returned is durable.
type Depot interface {
	PutFrom(ctx context.Context, r io.Reader, limit int64) (digest string, size int64, err error)
}

// Artifacts is ci.artifacts@1: what the pipeline of a commit made. The command of a pipeline leaves
// files in the folder that its environment calls CI_ARTIFACTS; every regular file directly in it is
// an artifact; there are no jobs to choose from. Policy: read. The content goes into the depot, where it is found by its digest.
type Artifacts struct {
	runner *Runner
	depot  Depot
}

// NewArtifacts makes ci.artifacts@1.
func NewArtifacts(r *Runner, d Depot) Artifacts { return Artifacts{runner: r, depot: d} }

// Contract of ci.artifacts@1.
func (a Artifacts) Contract() action.Contract {
	c := pipeline.Artifacts()
	c.Timeout, c.ByHand = 30*time.Minute, a.artifactsByHand
	return c
}

// Probe has nothing to look for: a read is done anew each time.
func (a Artifacts) Probe(context.Context, action.Key, ArtifactsIn) (ArtifactsOut, bool, error) {
	return ArtifactsOut{}, false, nil
}

// Do keeps the artifacts of a run that has passed. Those of another are not complete, so it fails
// with kind [errs.Conflict]; one that made nothing, or something that is no plain file, fails with
// kind [errs.Invalid].
func (a Artifacts) Do(ctx context.Context, _ action.Key, in ArtifactsIn) (ArtifactsOut, error) {
	const op = "ci.artifacts"
	run := in.Pipeline
	if run == "" {
		var err error
		if run, err = a.runner.latest(in.Remote, in.Ref, in.Commit); err != nil {
			return ArtifactsOut{}, err
		}
	}
	s, err := a.runner.Status(run)
	if err != nil {
		return ArtifactsOut{}, err
	}
	if s.State != Success {
		return ArtifactsOut{}, errs.E(op, errs.Conflict, fmt.Errorf("the pipeline is %s, and only one that passed has all of its artifacts", s.State)).
			Hint("wait for it, or start it again")
	}
	dir := filepath.Join(a.runner.dir(run), "artifacts")
	list, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return ArtifactsOut{}, broken("the artifacts cannot be listed: %w", err)
	}
	if len(list) == 0 {
		return ArtifactsOut{}, errs.E(op, errs.Invalid, errors.New("the pipeline left no artifacts")).
			Hint("let its command put them into the folder $CI_ARTIFACTS")
	}
	if len(list) > maxArtifacts {
		return ArtifactsOut{}, errs.E(op, errs.Invalid, fmt.Errorf("the pipeline left %d artifacts; at most %d are taken", len(list), maxArtifacts)).
			Hint("leave only what is to be released")
	}
	var out ArtifactsOut
	for _, e := range list {
		one, err := a.keep(ctx, filepath.Join(dir, e.Name()))
		if err != nil {
			return ArtifactsOut{}, err
		}
		out.Files = append(out.Files, one)
	}
	slices.SortFunc(out.Files, func(x, y Artifact) int { return strings.Compare(x.Name, y.Name) })
	return out, nil
}

// plainName is a name that is the same file in every folder, URL and archive.
var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~:-]{0,199}$`)

func (a Artifacts) keep(ctx context.Context, path string) (Artifact, error) {
	name := filepath.Base(path)
	bad := func(what, hint string) (Artifact, error) {
		return Artifact{}, errs.E("ci.artifacts", errs.Invalid, fmt.Errorf("the artifact %q %s", clean(name), what)).Hint("%s", hint)
	}
	if !plainName.MatchString(name) {
		return bad("has a name that not every server can hold", "use letters, digits and . _ + ~ : -")
	}
	// A link could lead anywhere on this machine, and a pipe would never end.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		if errors.Is(err, syscall.ELOOP) {
			return bad("is a link", "copy the file into $CI_ARTIFACTS")
		}
		return Artifact{}, broken("the artifact %s cannot be read: %w", name, err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return bad("is no plain file", "leave files only, or pack the folder")
	}
	digest, size, err := a.depot.PutFrom(ctx, f, maxBytes)
	if err != nil {
		return Artifact{}, errs.E("ci.artifacts", errs.KindOf(err), fmt.Errorf("keeping %s: %w", name, err))
	}
	return Artifact{Name: name, Digest: digest, Size: int(size)}, nil
}
