package git

import (
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"slipway/bot/action"
)

// Versions tells which tags are releases and which comes first. IsRelease reports whether tag
// names a release in the scheme; Compare is negative when a was before b, and never 0 for two
// different tags.
type Versions interface {
	IsRelease(scheme, tag string) bool
	Compare(scheme, a, b string) int
}

// State reads where a branch is and which release came last. Policy: read.
type State struct {
	copies   Copies
	versions Versions
}

// NewState makes git.state@1.
func NewState(c Copies, v Versions) State { return State{copies: c, versions: v} }

// StateIn names a branch.
type StateIn struct {
	Remote     string `cel:"remote" json:"remote" doc:"address of the repository"`
	Branch     string `cel:"branch" json:"branch"`
	TagPattern string `cel:"tag_pattern,optional" json:"tag_pattern,omitempty" doc:"only tags like this are releases: 20*, v*; empty means all"`
	Scheme     string `cel:"scheme,optional" json:"scheme,omitempty" doc:"version scheme of the project: calendar or semver-like"`
}

// StateOut is the state of a branch.
type StateOut struct {
	Tip        string   `cel:"tip" json:"tip" doc:"commit the branch is at"`
	LastTag    string   `cel:"last_tag" json:"last_tag" doc:"highest release among the tags that are merged into the branch; empty when there is none"`
	LastCommit string   `cel:"last_commit" json:"last_commit" doc:"commit of last_tag; empty when there is none"`
	Tags       []string `cel:"tags" json:"tags" doc:"release tags of the whole repository, lowest first"`
	Merged     []string `cel:"merged" json:"merged" doc:"of tags, those that are merged into the branch"`
}

// Contract of git.state@1.
func (State) Contract() action.Contract {
	return action.Contract{ByHand: stateByHand, Name: "git.state", Version: 1, Policy: action.Read, Watched: true, Timeout: 5 * time.Minute,
		Doc:   "Reads where a branch is and which release was the last one on it.",
		Shell: "git fetch --tags && git describe --abbrev=0 BRANCH"}
}

// Probe has nothing to look for: a read is done anew each time.
func (a State) Probe(context.Context, action.Key, StateIn) (StateOut, bool, error) {
	return StateOut{}, false, nil
}

// Do fetches and reads.
func (a State) Do(ctx context.Context, _ action.Key, in StateIn) (out StateOut, err error) {
	if err := CheckBranch(in.Branch); err != nil {
		return out, err
	}
	if _, err := path.Match(in.TagPattern, ""); err != nil {
		return out, invalid("Use a pattern such as 20* or v*", "%s is not a pattern for tags", quote(in.TagPattern))
	}
	err = a.copies.With(ctx, in.Remote, func(c *Copy) error {
		if err := c.Fetch(ctx); err != nil {
			return err
		}
		if out.Tip, err = c.tip(ctx, in.Branch); err != nil {
			return err
		}
		list := func(more ...string) ([]string, error) {
			text, err := c.line(ctx, append(append([]string{"for-each-ref", "--format=%(refname)"}, more...), tagsAt)...)
			tags := []string{}
			for ref := range strings.FieldsSeq(text) {
				if tag := strings.TrimPrefix(ref, tagsAt); a.release(in, tag) {
					tags = append(tags, tag)
				}
			}
			slices.SortFunc(tags, func(x, y string) int { return a.versions.Compare(in.Scheme, x, y) })
			return tags, err
		}
		if out.Tags, err = list(); err != nil {
			return err
		}
		if out.Merged, err = list("--merged=" + out.Tip); err != nil || len(out.Merged) == 0 {
			return err
		}
		out.LastTag = out.Merged[len(out.Merged)-1]
		out.LastCommit, err = c.line(ctx, "rev-parse", "--verify", "--end-of-options", tagsAt+out.LastTag+"^{commit}")
		return err
	})
	return out, err
}

func (a State) release(in StateIn, tag string) bool {
	if CheckTag(tag) != nil || !a.versions.IsRelease(in.Scheme, tag) {
		return false
	}
	match, _ := path.Match(in.TagPattern, tag)
	return in.TagPattern == "" || match
}
