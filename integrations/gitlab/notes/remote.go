package notes

import (
	"context"
	"fmt"
	"net/http"
	"time"

	gogitlab "github.com/xanzy/go-gitlab"

	"slipway/integrations/gitlab"
)

// Issues and merge requests have the same addresses for comments. What is read of the answers stands
// here (docs.gitlab.com, "Notes API", "Discussions API", "Emoji reactions API", "Issues API").

type author struct {
	ID       int    `json:"id"`
	Username string `json:"username"`
	Name     string `json:"name"`
	State    string `json:"state"`
}

type note struct {
	ID        int       `json:"id"`
	Body      string    `json:"body"`
	Author    author    `json:"author"`
	System    bool      `json:"system"`
	Internal  bool      `json:"internal"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

type discussion struct {
	ID    string `json:"id"`
	Notes []note `json:"notes"`
}

type award struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
	User author `json:"user"`
}

// thing is an issue or a merge request.
type thing struct {
	ID           int    `json:"id"`
	IID          int    `json:"iid"`
	Title        string `json:"title"`
	State        string `json:"state"`
	WebURL       string `json:"web_url"`
	MovedTo      int    `json:"moved_to_id"`
	Locked       bool   `json:"discussion_locked"`
	Confidential bool   `json:"confidential"`
}

// answerTime bounds one request with its answer: cards are shown one after the other, and those that go
// elsewhere wait meanwhile.
const answerTime = 30 * time.Second

type text struct {
	Body string `json:"body"`
}

// call does one request; wrote says that a lost answer leaves it open whether something happened.
func (p *Poster) call(ctx context.Context, op, method, path string, in, out any, wrote bool) error {
	return call(ctx, p.o.Client, op, method, path, in, out, wrote)
}

func call(ctx context.Context, c *gitlab.Client, op, method, path string, in, out any, wrote bool) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	req, err := c.API().NewRequest(method, path, in, []gogitlab.RequestOptionFunc{gogitlab.WithContext(ctx)})
	if err != nil {
		return gitlab.Err(op, nil, err, false)
	}
	resp, err := c.API().Do(req, out)
	return gitlab.Err(op, resp, err, wrote)
}

// each walks a list of GitLab, page after page.
func each[T any](ctx context.Context, c *gitlab.Client, op, path string, limit int, use func(T) (more bool)) error {
	return gitlab.Each(ctx, op, limit, func(page gogitlab.ListOptions, with gogitlab.RequestOptionFunc) ([]T, *gogitlab.Response, error) {
		ctx, cancel := context.WithTimeout(ctx, answerTime)
		defer cancel()
		req, err := c.API().NewRequest(http.MethodGet, path, page, []gogitlab.RequestOptionFunc{with, gogitlab.WithContext(ctx)})
		if err != nil {
			return nil, nil, err
		}
		var out []T
		resp, err := c.API().Do(req, &out)
		return out, resp, err
	}, use)
}

// path is an address below the place.
func (p Place) path(format string, args ...any) string {
	return fmt.Sprintf("projects/%d/%s/%d", p.Project, p.Kind, p.IID) + fmt.Sprintf(format, args...)
}
