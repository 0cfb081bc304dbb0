package forge

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	gogitlab "github.com/xanzy/go-gitlab"

	"slipway/bot/action"
	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/integrations/gitlab"
)

// Release is forge.release@1: the release of a tag, with its notes. Policy: conditional: it is made
// only where there is none, and changed only while its text is one that the bot wrote and nobody else
// has edited since. A mark at the end of the notes, which GitLab does not show, holds their digest.
type Release struct{ c *gitlab.Client }

// ReleaseIn is a release of a tag that is there.
type ReleaseIn struct {
	Remote     string   `cel:"remote" json:"remote" doc:"address of the repository"`
	Tag        string   `cel:"tag" json:"tag" doc:"it must be there"`
	Name       string   `cel:"name" json:"name" doc:"title of the release"`
	Body       string   `cel:"body" json:"body" doc:"its notes, in Markdown"`
	Milestones []string `cel:"milestones,optional" json:"milestones,omitempty" doc:"titles of milestones that it names; empty leaves them as they are"`
	Object     string   `cel:"object,optional" json:"object,omitempty" doc:"id of the tag object that the tag must be; empty: any"`
	Replace    bool     `cel:"replace,optional" json:"replace,omitempty" doc:"also where somebody else wrote the notes"`
}

// ReleaseOut is where it is.
type ReleaseOut struct {
	URL string `cel:"url" json:"url" doc:"its page"`
}

// Contract of forge.release@1.
func (Release) Contract() action.Contract {
	return action.Contract{ByHand: releaseByHand, Name: "forge.release", Version: 1, Policy: action.Conditional,
		Doc:  "Makes the release of a tag with its notes, or brings its notes up to date.",
		Undo: "forge.drop_release@1", UndoIn: map[string]string{"remote": "in.remote", "tag": "in.tag"},
		Classes: []string{"exists", "not found"}, Shell: "write the notes on the page of the release"}
}

// stored is a release as GitLab has it. The library's own type has no milestones.
type stored struct {
	Tag         string `json:"tag_name"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Author      struct {
		Username string `json:"username"`
	} `json:"author"`
	Milestones []struct {
		Title string `json:"title"`
	} `json:"milestones"`
	Links struct {
		Self string `json:"self"`
	} `json:"_links"`
}

func (p project) release(ctx context.Context, tag string) (*stored, error) {
	var r stored
	path := fmt.Sprintf("projects/%d/releases/%s", p.pid, gogitlab.PathEscape(tag))
	req, err := p.api.NewRequest("GET", path, nil, []gogitlab.RequestOptionFunc{gogitlab.WithContext(ctx)})
	if err != nil {
		return nil, p.read(nil, err)
	}
	resp, err := p.api.Do(req, &r)
	switch {
	case gone(resp, err):
		return nil, nil
	case err != nil:
		return nil, p.read(resp, err)
	case r.Tag != tag:
		return nil, p.odd("the release " + quote(tag))
	}
	return &r, nil
}

// plain is a text as GitLab may give it back.
func plain(text string) string {
	return strings.TrimRight(strings.ReplaceAll(text, "\r\n", "\n"), " \t\n")
}

// sealed is the notes with the mark that holds their digest.
func sealed(body string) string {
	return gitlab.WithMark(plain(body), action.DigestOf([]byte(plain(body))))
}

// ours reports whether the notes are as the bot wrote them. Nobody who edits them keeps the digest
// right by accident; who does it on purpose may change them anyway.
func (r *stored) ours() bool {
	key, before, marked := gitlab.MarkOf(r.Description)
	return marked && key == action.DigestOf([]byte(plain(before)))
}

// fits reports whether the release is as in says.
func (r *stored) fits(in ReleaseIn) bool {
	for _, title := range in.Milestones {
		if !slices.ContainsFunc(r.Milestones, func(m struct {
			Title string `json:"title"`
		}) bool {
			return m.Title == title
		}) {
			return false
		}
	}
	return r.Name == in.Name && plain(r.Description) == sealed(in.Body) && (len(in.Milestones) == 0 || len(r.Milestones) == len(in.Milestones))
}

func (in ReleaseIn) check() error {
	const op = "forge.release"
	if err := checkRef(op, "tag", in.Tag); err != nil {
		return err
	}
	if in.Object != "" {
		if err := checkCommit(op, "tag object", in.Object); err != nil {
			return err
		}
	}
	if err := checkLine(op, "name", in.Name); err != nil {
		return err
	}
	if plain(in.Body) == "" {
		return invalid(op, "give the notes of the release", "the release %s has no notes", quote(in.Tag))
	}
	if _, _, marked := gitlab.MarkOf(in.Body); marked {
		return invalid(op, "take its last line out", "the notes end with a mark of the bot")
	}
	for _, title := range in.Milestones {
		if err := checkMilestone(op, title); err != nil {
			return err
		}
	}
	return checkText(op, "text of the release", in.Body)
}

// released is the page of the release.
func (p project) released(r *stored, tag string) ReleaseOut {
	at := p.page("/-/releases/" + url.PathEscape(tag))
	if r != nil && strings.HasPrefix(r.Links.Self, p.c.URL()+"/") {
		at = address(r.Links.Self)
	}
	return ReleaseOut{URL: at}
}

// Probe reports a release that is as in says. One with somebody else's text, or of a tag that is another
// object, is an error of kind Exists.
func (a Release) Probe(ctx context.Context, _ action.Key, in ReleaseIn) (ReleaseOut, bool, error) {
	p, r, err := a.look(ctx, in)
	if err != nil || r == nil || !r.fits(in) {
		return ReleaseOut{}, false, err
	}
	return p.released(r, in.Tag), true, nil
}

// look reads the tag and its release, and refuses one that the bot may not change.
func (a Release) look(ctx context.Context, in ReleaseIn) (project, *stored, error) {
	if err := in.check(); err != nil {
		return project{}, nil, err
	}
	p, err := open(ctx, a.c, "forge.release", in.Remote)
	if err != nil {
		return p, nil, err
	}
	t, err := p.tag(ctx, in.Tag)
	switch {
	case err != nil:
		return p, nil, err
	case !t.Found:
		return p, nil, p.bad(errs.NotFound, "GitLab has no tag %s", in.Tag).Hint("push it first; if it was there, find out who deleted it")
	case in.Object != "" && in.Object != t.Object:
		return p, nil, p.bad(errs.Exists, "the tag %s is the object %s on GitLab; it must be %s", in.Tag, t.Object, in.Object).
			Hint("find out who made it; do not release from it")
	}
	r, err := p.release(ctx, in.Tag)
	if err != nil || r == nil || r.fits(in) || r.ours() || in.Replace || strings.TrimSpace(r.Description) == "" {
		return p, r, err
	}
	by := ""
	if r.Author.Username != "" {
		by = ", by " + card.Line(r.Author.Username, 60)
	}
	return p, nil, p.bad(errs.Exists, "the tag %s has a release with another text on GitLab%s: %s", in.Tag, by, p.released(r, in.Tag).URL).
		Hint("if its text may go, say replace: true, or delete the release on its page; else leave this step out")
}

// Do makes the release, or changes it. It never makes a tag: one that is not there is an error of kind
// NotFound.
func (a Release) Do(ctx context.Context, _ action.Key, in ReleaseIn) (ReleaseOut, error) {
	p, r, err := a.look(ctx, in)
	if err != nil {
		return ReleaseOut{}, err
	}
	if r != nil && r.fits(in) {
		return p.released(r, in.Tag), nil
	}
	body := sealed(in.Body)
	var resp *gogitlab.Response
	if r == nil {
		opt := &gogitlab.CreateReleaseOptions{TagName: &in.Tag, Name: &in.Name, Description: &body}
		if len(in.Milestones) > 0 {
			opt.Milestones = &in.Milestones
		}
		_, resp, err = p.api.Releases.CreateRelease(p.pid, opt, gogitlab.WithContext(ctx))
		if err != nil {
			err = p.wrote(resp, err)
			if errs.Is(err, errs.Conflict) { // an earlier try that had no answer may have come through just now
				if now, failed := p.release(ctx, in.Tag); failed == nil && now != nil && now.fits(in) {
					return p.released(now, in.Tag), nil
				}
			}
			return ReleaseOut{}, err
		}
	} else {
		// What is left out is sent as null, which would take it away.
		opt := &gogitlab.UpdateReleaseOptions{Name: &in.Name, Description: &body, Milestones: titles(in, r)}
		_, resp, err = p.api.Releases.UpdateRelease(p.pid, in.Tag, opt, gogitlab.WithContext(ctx))
		if err != nil {
			return ReleaseOut{}, p.wrote(resp, err)
		}
	}
	if r, err = p.release(ctx, in.Tag); err != nil {
		return ReleaseOut{}, errs.E(p.op, errs.Doubtful, err)
	}
	if r == nil || !r.fits(in) {
		return ReleaseOut{}, p.bad(errs.Conflict, "GitLab took the release of %s, and shows another text", in.Tag).Hint("look at its page: %s", p.released(r, in.Tag).URL)
	}
	return p.released(r, in.Tag), nil
}

// titles are the milestones of a release after a change.
func titles(in ReleaseIn, r *stored) *[]string {
	list := slices.Clone(in.Milestones)
	if len(list) == 0 {
		for _, m := range r.Milestones {
			list = append(list, m.Title)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return &list
}

// DropRelease is forge.drop_release@1: it takes the bot's notes of a tag away. The tag stays. Policy:
// conditional: notes that somebody edited stay too.
type DropRelease struct{ c *gitlab.Client }

// DropIn names the release.
type DropIn struct {
	Remote string `cel:"remote" json:"remote" doc:"address of the repository"`
	Tag    string `cel:"tag" json:"tag"`
}

// DropOut says whether there was one.
type DropOut struct {
	Gone bool `cel:"gone" json:"gone" doc:"there is no release of the tag now"`
}

// Contract of forge.drop_release@1.
func (DropRelease) Contract() action.Contract {
	return action.Contract{ByHand: dropByHand, Name: "forge.drop_release", Version: 1, Policy: action.Conditional,
		Doc: "Deletes the release of a tag, if nobody has edited its notes. The tag stays.", Classes: []string{"conflict"},
		Shell: "delete the release on its page; leave the tag"}
}

// Probe reports that there is none.
func (a DropRelease) Probe(ctx context.Context, _ action.Key, in DropIn) (DropOut, bool, error) {
	_, r, err := a.look(ctx, in)
	return DropOut{Gone: true}, err == nil && r == nil, err
}

func (a DropRelease) look(ctx context.Context, in DropIn) (project, *stored, error) {
	const op = "forge.drop_release"
	if err := checkRef(op, "tag", in.Tag); err != nil {
		return project{}, nil, err
	}
	p, err := open(ctx, a.c, op, in.Remote)
	if err != nil {
		return p, nil, err
	}
	r, err := p.release(ctx, in.Tag)
	if err == nil && r != nil && !r.ours() {
		return p, nil, p.bad(errs.Conflict, "somebody else wrote or edited the notes of %s: %s", in.Tag, p.released(r, in.Tag).URL).Hint("delete the release on its page, if it is to go")
	}
	return p, r, err
}

// Do deletes it.
func (a DropRelease) Do(ctx context.Context, _ action.Key, in DropIn) (DropOut, error) {
	p, r, err := a.look(ctx, in)
	if err != nil || r == nil {
		return DropOut{Gone: err == nil}, err
	}
	if _, resp, err := p.api.Releases.DeleteRelease(p.pid, in.Tag, gogitlab.WithContext(ctx)); err != nil && !gone(resp, err) {
		return DropOut{}, p.wrote(resp, err)
	}
	return DropOut{Gone: true}, nil
}
