package ci

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	gogitlab "github.com/xanzy/go-gitlab"

	"slipway/bot/action"
	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/pipeline"
	"slipway/integrations/gitlab"
)

// keyVariable is the variable by which a pipeline that the bot made is found again.
const keyVariable = "SLIPWAY_KEY"

// appear is how long the pipeline of a push may take to be there: GitLab makes it after the push was
// answered, in the background. look is how often it is looked for.
const (
	appear = time.Minute
	look   = 3 * time.Second
)

// Start is ci.start@1: it takes the pipeline that the push of this ref and commit made, or makes one.
// Policy: lookup, by the key in its variables. A second attempt, and one after an undo, always makes
// one of its own.
type Start struct {
	c     *gitlab.Client
	pause func(context.Context, time.Duration) error
}

// NewStart makes ci.start@1.
func NewStart(c *gitlab.Client) Start { return Start{c: c, pause: pause} }

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return errs.E("ci.start", errs.Unavailable, errors.New("the time was over before GitLab made the pipeline of the push")).Hint("it is looked for again")
	}
}

// Contract of ci.start@1.
func (Start) Contract() action.Contract {
	c := pipeline.Start()
	c.Policy, c.Settle, c.Timeout, c.ByHand = action.Lookup, settle, 5*time.Minute, startByHand
	c.Shell = "look at the page of the pipelines, and start one there if the push made none"
	return c
}

// Probe finds the pipeline of the push, or the one that was made under this key.
func (a Start) Probe(ctx context.Context, key action.Key, in pipeline.StartIn) (pipeline.StartOut, bool, error) {
	p, err := open(ctx, a.c, "ci.start", in.Remote)
	if err != nil {
		return pipeline.StartOut{}, false, err
	}
	if err := p.check(in.Ref, in.Commit); err != nil {
		return pipeline.StartOut{}, false, err
	}
	got, err := p.started(ctx, key, in)
	if err != nil || got == nil {
		return pipeline.StartOut{}, false, err
	}
	return outOf(got.ID, got.WebURL), true, nil
}

func outOf(id int, url string) pipeline.StartOut {
	return pipeline.StartOut{Pipeline: strconv.Itoa(id), URL: page(url)}
}

// ofPush reports whether the pipeline of the push will do.
func ofPush(key action.Key, in pipeline.StartIn) bool { return key.Generation == 0 && in.Attempt == 0 }

// Do waits a minute for the pipeline of the push, unless it is there, and then makes one. It returns an
// error of kind [errs.NotFound] when there is no such branch or tag, and [errs.Conflict] when that is at
// another commit.
func (a Start) Do(ctx context.Context, key action.Key, in pipeline.StartIn) (pipeline.StartOut, error) {
	p, err := open(ctx, a.c, "ci.start", in.Remote)
	if err != nil {
		return pipeline.StartOut{}, err
	}
	if err := p.check(in.Ref, in.Commit); err != nil {
		return pipeline.StartOut{}, err
	}
	for waited := time.Duration(0); ; waited += look {
		got, err := p.started(ctx, key, in)
		if err != nil {
			return pipeline.StartOut{}, err
		}
		if got != nil {
			return outOf(got.ID, got.WebURL), nil
		}
		if !ofPush(key, in) || waited >= appear {
			break
		}
		if err := a.pause(ctx, look); err != nil {
			return pipeline.StartOut{}, err
		}
	}
	return p.create(ctx, key, in)
}

// started finds the pipeline that was started under the key, or that the push made. It refuses a ref
// that lost the commit.
func (p project) started(ctx context.Context, key action.Key, in pipeline.StartIn) (*gogitlab.PipelineInfo, error) {
	own, err := p.list(ctx, in.Ref, in.Commit, "api")
	if err != nil {
		return nil, err
	}
	for _, i := range own {
		variables, resp, err := p.c.API().Pipelines.GetPipelineVariables(p.pid, i.ID, gogitlab.WithContext(ctx))
		if err = p.read(resp, err); errs.Is(err, errs.Denied) || errs.Is(err, errs.NotFound) {
			if err := p.others(ctx, i.ID, err); err != nil {
				return nil, err
			}
			continue
		} else if err != nil {
			return nil, err
		}
		for _, v := range variables {
			if v != nil && v.Key == keyVariable && v.Value == key.String() {
				return i, nil
			}
		}
	}
	if err := p.holds(ctx, in.Ref, in.Commit); err != nil || !ofPush(key, in) {
		return nil, err
	}
	pushed, err := p.list(ctx, in.Ref, in.Commit, "push")
	if err != nil || len(pushed) == 0 {
		return nil, err
	}
	return pushed[0], nil // the first: later ones are of the same commit, pushed again
}

// others makes sure that a pipeline into which the bot may not look is not one that it made: then
// nobody could tell whether it is the one that is looked for.
func (p project) others(ctx context.Context, id int, unseen error) error {
	me, err := p.c.Me(ctx)
	if err != nil {
		return err
	}
	got, err := p.get(ctx, id)
	if err != nil {
		return err
	}
	if got.User != nil && got.User.ID != me.ID {
		return nil
	}
	return p.fail(errs.KindOf(unseen), "give the bot's account the role Maintainer in the project", "the bot may not read the variables of the pipeline %d, which it may have made", id)
}

// tip is where a ref is, as GitLab has it.
type tip struct {
	commit string
	tag    bool
}

// at finds where a ref is. A name that a branch and a tag have is an error of kind Conflict: nobody can
// tell whose pipeline is meant.
func (p project) at(ctx context.Context, ref string) (tip, error) {
	tag, resp, err := p.c.API().Tags.GetTag(p.pid, ref, gogitlab.WithContext(ctx))
	if err = p.read(resp, err); err != nil && !errs.Is(err, errs.NotFound) {
		return tip{}, err
	}
	isTag := err == nil
	branch, resp, err := p.c.API().Branches.GetBranch(p.pid, ref, gogitlab.WithContext(ctx))
	if err = p.read(resp, err); err != nil && !errs.Is(err, errs.NotFound) {
		return tip{}, err
	}
	isBranch := err == nil
	switch {
	case isTag && isBranch:
		return tip{}, p.fail(errs.Conflict, "rename the branch", "there are a branch and a tag with the name %s", quote(ref))
	case isTag && tag.Commit != nil:
		return tip{commit: tag.Commit.ID, tag: true}, nil
	case isBranch && branch.Commit != nil:
		return tip{commit: branch.Commit.ID}, nil
	case isTag || isBranch:
		return tip{}, p.fail(errs.Unavailable, "it is asked again", "GitLab does not say where %s is", quote(ref))
	}
	return tip{}, p.fail(errs.NotFound, "push it first; if it was there, find out who removed it", "the project has no branch and no tag %s", quote(ref))
}

// holds refuses a tag that is of another commit, and a branch that does not have the commit.
func (p project) holds(ctx context.Context, ref, commit string) error {
	now, err := p.at(ctx, ref)
	if err != nil || now.commit == commit {
		return err
	}
	if now.tag {
		return p.fail(errs.Conflict, "find out who moved the tag; whoever fetched it has the other one", "the tag %s is of the commit %s now, not of %s", quote(ref), quote(now.commit), commit)
	}
	base, resp, err := p.c.API().Repositories.MergeBase(p.pid, &gogitlab.MergeBaseOptions{Ref: gogitlab.Ptr([]string{now.commit, commit})}, gogitlab.WithContext(ctx))
	switch err = p.read(resp, err); {
	case errs.Is(err, errs.NotFound), errs.Is(err, errs.Invalid):
	case err != nil:
		return err
	case base.ID == commit:
		return nil
	}
	return p.fail(errs.Conflict, "find out who moved the branch", "the branch %s is at %s now, and does not have the commit %s any more", quote(ref), quote(now.commit), commit)
}

// create makes a pipeline of the ref, which must be at the commit: GitLab takes the commit that the ref
// is at.
func (p project) create(ctx context.Context, key action.Key, in pipeline.StartIn) (pipeline.StartOut, error) {
	now, err := p.at(ctx, in.Ref)
	if err != nil {
		return pipeline.StartOut{}, err
	}
	moved := func(to string) error {
		return p.fail(errs.Conflict, "push the commit to a branch of its own, or begin again on top of "+card.Line(to, 64),
			"%s is at %s, so that no pipeline of %s can be started", quote(in.Ref), quote(to), in.Commit)
	}
	if now.commit != in.Commit {
		return pipeline.StartOut{}, moved(now.commit)
	}
	variables := []*gogitlab.PipelineVariableOptions{{Key: gogitlab.Ptr(keyVariable), Value: gogitlab.Ptr(key.String())}}
	made, resp, err := p.c.API().Pipelines.CreatePipeline(p.pid, &gogitlab.CreatePipelineOptions{Ref: &in.Ref, Variables: &variables}, gogitlab.WithContext(ctx))
	if err != nil {
		return pipeline.StartOut{}, p.unmade(p.wrote(resp, err))
	}
	if made.SHA != in.Commit {
		// The branch moved between the two requests. Nobody wants this pipeline.
		_, _, _ = p.c.API().Pipelines.CancelPipelineBuild(p.pid, made.ID, gogitlab.WithContext(ctx))
		return pipeline.StartOut{}, moved(made.SHA)
	}
	return outOf(made.ID, made.WebURL), nil
}

// unmade adds what helps to GitLab's words about a pipeline that it does not make.
func (p project) unmade(err error) error {
	if !errs.Is(err, errs.Invalid) {
		return err
	}
	cause, low := errs.Cause(err), strings.ToLower(errs.Cause(err))
	hint := "its words say what is wrong; look at .gitlab-ci.yml"
	switch {
	case strings.Contains(low, "variables"):
		hint = "let the bot's role set pipeline variables: Settings, CI/CD, Variables, minimum role to use pipeline variables"
	case strings.Contains(low, "empty"), strings.Contains(low, "rules"), strings.Contains(low, "no stages"):
		hint = `give the jobs a rule for $CI_PIPELINE_SOURCE == "api", or push to a branch whose pushes make pipelines`
	case strings.Contains(low, "permission"):
		hint = "let the bot's account push to or merge into this branch, or create this tag"
	}
	return p.fail(errs.Invalid, hint, "%s", fmt.Sprint(cause))
}
