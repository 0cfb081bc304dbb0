// Package setup reads, and where it is asked to, mends what GitLab has to have for Slipway: the token,
// the bot's role in each project, and the webhooks.
//
// [Examine] compares and changes nothing. [Setup.Install] makes a webhook be as it is wanted, and says in
// words what it did. GitLab never tells the secrets of a webhook, so that only a delivery shows whether
// they are right: that is what [Setup.Test] is for.
package setup

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	gogitlab "github.com/xanzy/go-gitlab"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/integrations/gitlab"
)

// Setup reads and mends by one account.
type Setup struct{ client *gitlab.Client }

// New makes one.
func New(c *gitlab.Client) *Setup { return &Setup{c} }

// Token is what GitLab tells of the token in use (docs.gitlab.com, "Personal access tokens API").
type Token struct {
	Scopes  []string
	Expires time.Time // the day on which it is good no more, 00:00 UTC; zero: never
}

// May reports whether the token has what Slipway needs.
func (t Token) May() bool { return slices.Contains(t.Scopes, "api") }

// Token reads it. Errors: [errs.Denied] when GitLab does not accept it, [errs.NotFound] when it is of a
// kind that does not tell of itself.
func (s *Setup) Token(ctx context.Context) (Token, error) {
	var got struct {
		Scopes  []string `json:"scopes"`
		Expires string   `json:"expires_at"`
	}
	if err := s.call(ctx, "gitlab.token", http.MethodGet, "personal_access_tokens/self", nil, &got); err != nil {
		return Token{}, err
	}
	t := Token{Scopes: got.Scopes}
	if got.Expires != "" {
		day, err := time.Parse(time.DateOnly, got.Expires)
		if err != nil {
			return Token{}, errs.E("gitlab.token", errs.Unavailable, fmt.Errorf("GitLab says that the token expires on %q, which is no day", card.Line(got.Expires, 40))).
				Hint("look whether the address of GitLab is right")
		}
		t.Expires = day
	}
	return t, nil
}

// Access levels (docs.gitlab.com, "Members API").
const (
	Developer  = 30
	Maintainer = 40
)

// Role is the name of an access level.
func Role(level int) string {
	for _, r := range []struct {
		level int
		name  string
	}{{50, "Owner"}, {Maintainer, "Maintainer"}, {Developer, "Developer"}, {20, "Reporter"}, {15, "Planner"}, {10, "Guest"}, {5, "Minimal access"}} {
		if level >= r.level {
			return r.name
		}
	}
	return "no role"
}

// Project is how the bot finds a project.
type Project struct {
	Level    int       // the bot's access level
	Activity time.Time // when something happened in it last; GitLab keeps it to the hour
}

// Project reads it.
func (s *Setup) Project(ctx context.Context, id int) (Project, error) {
	const op = "gitlab.project"
	got, resp, err := s.client.API().Projects.GetProject(id, nil, gogitlab.WithContext(ctx))
	if err != nil {
		return Project{}, gitlab.Err(op, resp, err, false)
	}
	var p Project
	if got.LastActivityAt != nil {
		p.Activity = *got.LastActivityAt
	}
	if got.Permissions != nil {
		if a := got.Permissions.ProjectAccess; a != nil {
			p.Level = max(p.Level, int(a.AccessLevel))
		}
		if a := got.Permissions.GroupAccess; a != nil {
			p.Level = max(p.Level, int(a.AccessLevel))
		}
	}
	if p.Level >= Maintainer {
		return p, nil
	}
	// A role that comes through a group which was invited stands in the list of members alone.
	me, err := s.client.Me(ctx)
	if err != nil {
		return Project{}, err
	}
	member, resp, err := s.client.API().ProjectMembers.GetInheritedProjectMember(id, me.ID, gogitlab.WithContext(ctx))
	if err = gitlab.Err(op, resp, err, false); err != nil {
		if errs.Is(err, errs.NotFound) || errs.Is(err, errs.Denied) {
			return p, nil
		}
		return Project{}, err
	}
	p.Level = max(p.Level, int(member.AccessLevel))
	return p, nil
}

// Room looks for an issue or a merge request: 4711/issues/12. One that is not there is [errs.NotFound].
func (s *Setup) Room(ctx context.Context, place string) error {
	return s.call(ctx, "gitlab.room", http.MethodGet, "projects/"+place, nil, nil)
}

// HasBranch reports whether a project has a branch of this name.
func (s *Setup) HasBranch(ctx context.Context, id int, branch string) (bool, error) {
	_, resp, err := s.client.API().Branches.GetBranch(id, branch, gogitlab.WithContext(ctx))
	err = gitlab.Err("gitlab.branch", resp, err, false)
	if errs.Is(err, errs.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// call sends one request that the library has no method for. A change is never sent twice.
func (s *Setup) call(ctx context.Context, op, method, path string, in, out any) error {
	req, err := s.client.API().NewRequest(method, path, in, []gogitlab.RequestOptionFunc{gogitlab.WithContext(ctx)})
	if err != nil {
		return errs.E(op, errs.Internal, err)
	}
	resp, err := s.client.API().Do(req, out)
	return gitlab.Err(op, resp, err, method != http.MethodGet)
}
