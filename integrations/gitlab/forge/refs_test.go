package forge

import (
	"testing"

	"slipway/bot/errs"
)

func TestTagsAndBranchesAreReadBack(t *testing.T) {
	w := newWorld(t)
	tip := w.save("master", "README", "harbour")
	var tag TagOut
	if w.fine(w.do("forge.tag", TagIn{Remote: w.remote, Tag: "2026.08"}, &tag)); tag != (TagOut{}) {
		t.Errorf("a tag that nobody made: %+v", tag)
	}
	made := w.tag("2026.08", "master")
	w.fine(w.do("forge.tag", TagIn{Remote: w.remote, Tag: "2026.08", Object: made.Target, Commit: tip}, &tag))
	if want := (TagOut{Found: true, Object: made.Target, Commit: tip, URL: w.fake.URL + "/yard/harbour/-/tags/2026.08"}); tag != want || made.Target == tip {
		t.Errorf("%+v, want %+v", tag, want)
	}
	w.want(w.do("forge.tag", TagIn{Remote: w.remote, Tag: "2026.08", Object: tip}, nil), errs.Exists, "it must be "+tip)
	w.want(w.do("forge.tag", TagIn{Remote: w.remote, Tag: "2026.08", Commit: made.Target}, nil), errs.Exists, "leads to the commit "+tip)
	w.want(w.do("forge.tag", TagIn{Remote: w.remote, Tag: "2026.08", Commit: "master"}, nil), errs.Invalid, "not the id")
	w.want(w.do("forge.tag", TagIn{Remote: w.remote, Tag: "../../users"}, nil), errs.Invalid, "not the name of a tag")

	w.branch("feature/berths", "master")
	var branch BranchOut
	w.fine(w.do("forge.branch", BranchIn{Remote: w.remote, Branch: "feature/berths"}, &branch))
	if !branch.Found || branch.Tip != tip {
		t.Errorf("%+v", branch)
	}
	if _, err := w.hand.Branches.DeleteBranch(w.harbour, "feature/berths"); err != nil {
		t.Fatal(err)
	}
	if w.fine(w.do("forge.branch", BranchIn{Remote: w.remote, Branch: "feature/berths"}, &branch)); branch != (BranchOut{}) {
		t.Errorf("a deleted branch: %+v", branch)
	}
}

func TestNotesOfOthersAreNotOverwritten(t *testing.T) {
	w := newWorld(t)
	w.save("master", "README", "harbour")
	w.milestone("2026.08")
	in := ReleaseIn{Remote: w.remote, Tag: "2026.08", Name: "Harbour 2026.08", Body: "- berths", Milestones: []string{"2026.08"}}
	w.want(w.do("forge.release", in, nil), errs.NotFound, "no tag 2026.08")
	tag := w.tag("2026.08", "master")
	in.Object = tag.Commit.ID
	w.want(w.do("forge.release", in, nil), errs.Exists, "the tag 2026.08 is the object "+tag.Target+" on GitLab")
	in.Object = tag.Target
	var out ReleaseOut
	w.fine(w.do("forge.release", in, &out))
	if want := w.fake.URL + "/yard/harbour/-/releases/2026.08"; out.URL != want {
		t.Errorf("its page is %q, want %q", out.URL, want)
	}
	// Somebody mends a word.
	edited := "- berths, and a word of Ada's\n\n<!-- slipway sha256:0 -->"
	r, resp, err := w.hand.Releases.UpdateRelease(w.harbour, "2026.08", releaseText(in.Name, edited))
	must(w, r, resp, err)
	in.Body, in.Milestones = "- berths\n- piers", nil
	w.want(w.do("forge.release", in, nil), errs.Exists, "with another text")
	_, err = w.probe("forge.release", in, nil)
	w.want(err, errs.Exists, "with another text")
	w.want(w.do("forge.drop_release", DropIn{Remote: w.remote, Tag: "2026.08"}, nil), errs.Conflict, "edited the notes")
	if all := w.releases("2026.08"); all[0].Description != edited {
		t.Errorf("the notes are %q", all[0].Description)
	}
	in.Replace = true
	w.fine(w.do("forge.release", in, nil))
	if all := w.releases("2026.08"); all[0].Description != sealed(in.Body) || all[0].Name != in.Name || len(all[0].Milestones) != 1 {
		t.Errorf("the release is %+v", all[0])
	}
}

func TestAMovedProjectIsRefused(t *testing.T) {
	w := newWorld(t)
	w.save("master", "README", "harbour")
	w.tag("2026.08", "master")
	w.fake.RenameProject(w.harbour, "dock/harbour")
	for name, in := range map[string]any{
		"forge.tag":     TagIn{Remote: w.remote, Tag: "2026.08"},
		"forge.release": ReleaseIn{Remote: w.remote, Tag: "2026.08", Name: "x", Body: "y"},
	} {
		err := w.do(name, in, nil)
		w.want(err, errs.Conflict, "is dock/harbour now; the configuration says yard/harbour")
	}
	if all := w.fake.Releases(w.harbour); len(all) != 0 {
		t.Errorf("the releases are %+v", all)
	}
}
