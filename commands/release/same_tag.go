package release

import (
	"fmt"

	"slipway/bot/errs"
)

// SameTagIn and SameTagOut are those of release.same_tag@1.
type SameTagIn struct {
	Tag    string `cel:"tag" json:"tag"`
	Pushed string `cel:"pushed" json:"pushed" doc:"id of the tag object that was signed and pushed"`
	Seen   string `cel:"seen" json:"seen" doc:"id of the tag object that is there now"`
	Commit string `cel:"commit" json:"commit" doc:"commit of the release"`
	SeenAt string `cel:"seen_at" json:"seen_at" doc:"commit that the tag names there"`
}
type SameTagOut struct {
	Object string `cel:"object" json:"object" doc:"id of the tag object, which both have"`
}

// sameTag refuses a tag that is not the one that people approved and a key holder signed: everything
// that is built and published afterwards is called by this name.
func sameTag(in SameTagIn) (SameTagOut, error) {
	refuse := func(format string, args ...any) (SameTagOut, error) {
		return SameTagOut{}, errs.E("release.same_tag", errs.Conflict, fmt.Errorf(format, args...)).
			Hint("Find out who moved the tag %s; put the signed one back and retry the step, or abort the release. Nothing has been published", in.Tag)
	}
	switch {
	case in.Seen == "":
		return refuse("the tag %s is gone; %s was pushed", in.Tag, in.Pushed)
	case in.Seen != in.Pushed:
		return refuse("the tag %s is the object %s there, not %s, which was signed and pushed", in.Tag, in.Seen, in.Pushed)
	case in.SeenAt != in.Commit:
		return refuse("the tag %s names the commit %s there, not %s, which was approved", in.Tag, in.SeenAt, in.Commit)
	}
	return SameTagOut{Object: in.Pushed}, nil
}
