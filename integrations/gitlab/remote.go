package gitlab

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"slipway/bot/card"
	"slipway/bot/errs"
)

// scpForm is git's short form of an SSH address: git@gitlab.example:yard/harbour.git.
var scpForm = regexp.MustCompile(`^(?:[^@/:]+@)?([^@/:]+):([^/].*)$`)

// pathForm is the path of a project: groups and a name.
var pathForm = regexp.MustCompile(`^[\pL\pN_.][\pL\pN_. +-]*(/[\pL\pN_.][\pL\pN_. +-]*)+$`)

// remoteKey is what two ways to write one address have in common.
func remoteKey(remote string) string {
	return strings.TrimSuffix(strings.TrimRight(remote, "/"), ".git")
}

// pathOf is the path of the project at the address of its repository: yard/harbour. An address over
// HTTP must be of this GitLab; over SSH the host may have another name.
func (c *Client) pathOf(remote string) (string, error) {
	bad := func(why string) (string, error) {
		return "", errs.E("gitlab.project", errs.Invalid, fmt.Errorf("%s is not a repository of %s: %s", shown(remote), c.base.Host, why)).
			Hint("write the address that GitLab shows for cloning")
	}
	path := ""
	if m := scpForm.FindStringSubmatch(remote); m != nil && !strings.Contains(remote, "://") {
		path = m[2]
	} else {
		u, err := url.Parse(remote)
		if err != nil {
			return bad("it is no address")
		}
		path = strings.TrimPrefix(u.Path, "/")
		switch u.Scheme {
		case "ssh", "git+ssh":
		case "http", "https":
			if !strings.EqualFold(u.Host, c.base.Host) {
				return bad("it is on " + card.Line(u.Host, 200))
			}
			under := strings.TrimPrefix(c.base.Path+"/", "/")
			if !strings.HasPrefix(path, under) {
				return bad("it is not below " + c.base.String())
			}
			path = path[len(under):]
		default:
			return bad("it is neither HTTP nor SSH")
		}
	}
	if path = remoteKey(path); !pathForm.MatchString(path) || strings.Contains("/"+path+"/", "/./") || strings.Contains(path, "..") {
		return bad("it has no group and name")
	}
	return path, nil
}

// shown is an address without a password.
func shown(remote string) string {
	if u, err := url.Parse(remote); err == nil && u.User != nil && u.Scheme != "ssh" && u.Scheme != "git+ssh" {
		u.User = nil
		remote = u.String()
	}
	return card.Line(remote, 300)
}
