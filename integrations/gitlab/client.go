// Package gitlab speaks to one GitLab, over its REST API, version 4.
//
// A [Client] knows the projects of the configuration by their numeric ids, which never change, and
// refuses one whose path is no longer what the configuration says. It repeats nothing by itself:
// [Err] says of each failure whether something may have happened, and the policies of the actions
// decide what follows. The token goes to the configured address and nowhere else.
package gitlab

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	gogitlab "github.com/xanzy/go-gitlab"
	"golang.org/x/time/rate"

	"slipway/bot/card"
	"slipway/bot/errs"
)

// Provider is the name under which a profile chooses this family, and the source name of its
// deliveries, places and accounts.
const Provider = "gitlab"

const (
	projectKept = time.Minute     // how old the answer about a project may be
	meKept      = 5 * time.Minute // the same of the bot's own account
)

// Options say which GitLab, as whom, and which projects there are.
type Options struct {
	URL      string       // of the instance, as in a browser: https://gitlab.example
	Token    string       // of the bot's own account, scope api
	HTTP     *http.Client // nil means one with sane limits
	Projects []Project
	Now      func() time.Time
}

// Project is a project as the configuration names it.
type Project struct {
	Remote string // address of its repository
	ID     int    // the number that its page shows; it stays when the project is renamed
}

// User is an account of GitLab.
type User struct {
	ID       int
	Username string
	Name     string
}

// API is the library underneath. It was moved to another path, under which it has become much larger;
// what is used of it here is the same.
//
//lint:ignore SA1019 see above
type API = gogitlab.Client

// Client is one account at one GitLab. It is safe for use by several goroutines.
type Client struct {
	api      *API
	base     *url.URL // as in a browser, without a slash at its end
	token    string
	now      func() time.Time
	projects map[string]known // by [remoteKey]

	mu    sync.Mutex
	read  map[string]time.Time // when the project of a remote was last found as configured
	me    User
	meAge time.Time
}

type known struct {
	id     int
	path   string // yard/harbour
	remote string
}

// New makes a client. It does not speak to GitLab yet. Errors are of kind [errs.Invalid].
func New(o Options) (*Client, error) {
	bad := func(hint, format string, args ...any) (*Client, error) {
		return nil, errs.E("gitlab", errs.Invalid, fmt.Errorf(format, args...)).Hint("%s", hint)
	}
	u, err := url.Parse(strings.TrimRight(strings.TrimSuffix(strings.TrimRight(strings.TrimSpace(o.URL), "/"), "/api/v4"), "/"))
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return bad("write it as in a browser, for example https://gitlab.example", "the address of GitLab cannot be used")
	case o.Token == "" || strings.ContainsFunc(o.Token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return bad("put the token of the bot's account alone into its file", "the token for GitLab is empty or has characters that no token has")
	case o.Now == nil:
		return nil, errs.E("gitlab", errs.Internal, errors.New("the GitLab client has no clock"))
	}
	c := &Client{base: u, token: o.Token, now: o.Now, projects: map[string]known{}, read: map[string]time.Time{}}
	for _, p := range o.Projects {
		path, err := c.pathOf(p.Remote)
		if err != nil {
			return nil, err
		}
		if p.ID <= 0 {
			return bad("its page shows the number below its name", "the project %s has no GitLab number", path)
		}
		key := remoteKey(p.Remote)
		if other, twice := c.projects[key]; twice && other.id != p.ID {
			return bad("take one of them out", "the repository %s has two GitLab numbers, %d and %d", path, other.id, p.ID)
		}
		c.projects[key] = known{id: p.ID, path: path, remote: p.Remote}
	}
	// The library would repeat a POST after a 502, which may have been done, and slow itself down by
	// what the first answer says: both are the work of whoever performs an action.
	//lint:ignore SA1019 see [API]
	c.api, err = gogitlab.NewClient("", gogitlab.WithBaseURL(u.String()), gogitlab.WithHTTPClient(c.httpClient(o.HTTP)), gogitlab.WithoutRetries(),
		gogitlab.WithCustomRetry(func(context.Context, *http.Response, error) (bool, error) { return false, nil }),
		gogitlab.WithCustomRetryMax(0), gogitlab.WithCustomLimiter(rate.NewLimiter(rate.Inf, 1)))
	if err != nil {
		return bad("write it as in a browser, for example https://gitlab.example", "the address of GitLab cannot be used")
	}
	c.api.UserAgent = "slipway"
	return c, nil
}

// API is the library underneath. Its errors go through [Err].
func (c *Client) API() *API { return c.api }

// URL is the address of the instance, without a slash at its end.
func (c *Client) URL() string { return c.base.String() }

// Projects are the configured ones, in no order.
func (c *Client) Projects() []Project {
	var out []Project
	for _, p := range c.projects {
		out = append(out, Project{Remote: p.remote, ID: p.id})
	}
	return out
}

// ProjectID is the number of the project at remote. It reads the project, at most once a minute, and
// returns an error of kind [errs.Conflict] when it was renamed, moved, archived or is about to be
// deleted, and [errs.Invalid] for a remote that is not configured.
func (c *Client) ProjectID(ctx context.Context, remote string) (int, error) {
	const op = "gitlab.project"
	key := remoteKey(remote)
	p, ok := c.projects[key]
	if !ok {
		return 0, errs.E(op, errs.Invalid, fmt.Errorf("no project of the configuration is the GitLab project of %s", shown(remote))).
			Hint("write its number into the project: gitlab: {project: 4711}")
	}
	c.mu.Lock()
	at, seen := c.read[key]
	c.mu.Unlock()
	if age := c.now().Sub(at); seen && age >= 0 && age < projectKept {
		return p.id, nil
	}
	got, resp, err := c.api.Projects.GetProject(p.id, nil, gogitlab.WithContext(ctx))
	if err != nil {
		err = Err(op, resp, err, false)
		if errs.Is(err, errs.NotFound) {
			return 0, errs.E(op, errs.NotFound, fmt.Errorf("GitLab has no project %d (%s), or does not show it to the bot", p.id, p.path)).
				Hint("make the bot's account a member of the project, or correct its number in the configuration")
		}
		return 0, err
	}
	now := card.Line(got.PathWithNamespace, 300)
	switch {
	case got.ID != p.id:
		return 0, errs.E(op, errs.Unavailable, fmt.Errorf("asked for project %d, GitLab gave project %d", p.id, got.ID)).Hint("look whether the address of GitLab is right")
	case !strings.EqualFold(got.PathWithNamespace, p.path):
		return 0, errs.E(op, errs.Conflict, fmt.Errorf("the GitLab project %d is %s now; the configuration says %s", p.id, now, p.path)).
			Hint("if it was moved on purpose, change its remote to %s/%s.git, and start the release again", c.base, now)
	case got.Archived || got.MarkedForDeletionAt != nil:
		return 0, errs.E(op, errs.Conflict, fmt.Errorf("the GitLab project %s is archived or about to be deleted", now)).Hint("restore it on its settings page")
	}
	c.mu.Lock()
	c.read[key] = c.now()
	c.mu.Unlock()
	return p.id, nil
}

// Still returns an error when the project at remote is not, at this moment, the one that the
// configuration means, as [Client.ProjectID] does; nothing is taken from memory. Of a remote that is no
// project of this GitLab it knows nothing, and returns nil.
func (c *Client) Still(ctx context.Context, remote string) error {
	key := remoteKey(remote)
	if _, ok := c.projects[key]; !ok {
		return nil
	}
	c.mu.Lock()
	delete(c.read, key)
	c.mu.Unlock()
	_, err := c.ProjectID(ctx, remote)
	return err
}

// Me is the bot's own account.
func (c *Client) Me(ctx context.Context) (User, error) {
	c.mu.Lock()
	me, age := c.me, c.now().Sub(c.meAge)
	c.mu.Unlock()
	if me.ID != 0 && age >= 0 && age < meKept {
		return me, nil
	}
	got, resp, err := c.api.Users.CurrentUser(gogitlab.WithContext(ctx))
	if err != nil {
		return User{}, Err("gitlab.account", resp, err, false)
	}
	if got.ID <= 0 {
		return User{}, errs.E("gitlab.account", errs.Unavailable, errors.New("GitLab does not say whose token this is")).Hint("look whether the address of GitLab is right")
	}
	me = User{ID: got.ID, Username: card.Line(got.Username, 255), Name: card.Line(got.Name, 255)}
	c.mu.Lock()
	c.me, c.meAge = me, c.now()
	c.mu.Unlock()
	return me, nil
}

// Page is the address of the project's page, as the configuration has it; "" for a remote that is not
// configured.
func (c *Client) Page(remote string) string {
	if p, ok := c.projects[remoteKey(remote)]; ok {
		return c.base.String() + "/" + p.path
	}
	return ""
}
