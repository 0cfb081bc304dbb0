// Package forge does at GitLab what a release needs of a forge: milestones with what is open in them,
// tags and branches read back, merge requests, releases with their notes, proposals and issues.
//
// No action repeats itself. What must not happen twice is conditional (on a state, a commit, or that
// the name is free) or is looked for first, by a mark that the bot left in its own text. Titles and
// names that GitLab gives are data: they are cleaned and cut before anybody sees them, and people are
// told apart by the numbers of their accounts.
package forge

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	gogitlab "github.com/xanzy/go-gitlab"

	"slipway/bot/action"
	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/integrations/gitlab"
)

// Bounds.
const (
	maxItems   = 500       // issues or merge requests of a milestone
	maxTitle   = 255       // runes, GitLab's own bound of titles
	maxText    = 900 << 10 // bytes; GitLab takes a million characters (GitLab docs, "Instance limits")
	shownTitle = 120
)

// settle is how long a request that got no answer may still be worked on: GitLab ends one after 60
// seconds (GitLab docs, "Worker timeout").
const settle = 75 * time.Second

// moveTimeout is for many requests, one after the other.
const moveTimeout = 10 * time.Minute

// Depot gives the content that a digest names. Errors are of kind NotFound, Unavailable and Corrupt.
type Depot interface {
	Get(ctx context.Context, digest string) ([]byte, error)
}

// Bind gives the actions of this package with their code, for the set that cmd builds. Contracts alone
// need neither client nor depot.
func Bind(c *gitlab.Client, depot Depot) ([]action.Bound, error) {
	var all []action.Bound
	var first error
	add := func(b action.Bound, err error) {
		b.Provider = gitlab.Provider
		if all = append(all, b); err != nil && first == nil {
			first = err
		}
	}
	milestone, moveOpen, moveItems := Milestone{c}, MoveOpen{c}, MoveItems{c}
	add(action.Of(milestone.Contract(), milestone))
	add(action.Of(moveOpen.Contract(), moveOpen))
	add(action.Of(moveItems.Contract(), moveItems))
	shut, reopen := CloseMilestone{c}, OpenMilestone{c}
	add(action.Of(shut.Contract(), shut))
	add(action.Of(reopen.Contract(), reopen))
	tag, branch := Tag{c}, Branch{c}
	add(action.Of(tag.Contract(), tag))
	add(action.Of(branch.Contract(), branch))
	release, drop := Release{c}, DropRelease{c}
	add(action.Of(release.Contract(), release))
	add(action.Of(drop.Contract(), drop))
	request, merge := MergeRequest{c}, Merge{c}
	add(action.Of(request.Contract(), request))
	add(action.Of(merge.Contract(), merge))
	propose, withdraw := Propose{c, depot}, Withdraw{c}
	add(action.Of(propose.Contract(), propose))
	add(action.Of(withdraw.Contract(), withdraw))
	issue, closeIssue := Issue{c}, CloseIssue{c}
	add(action.Of(issue.Contract(), issue))
	add(action.Of(closeIssue.Contract(), closeIssue))
	return all, first
}

// project is the project of one call.
type project struct {
	c   *gitlab.Client
	api *gitlab.API
	op  string
	pid int
	web string // its page
}

func open(ctx context.Context, c *gitlab.Client, op, remote string) (project, error) {
	if c == nil {
		return project{}, errs.E(op, errs.Unavailable, errors.New("no GitLab is configured")).Hint("add gitlab: to the configuration")
	}
	pid, err := c.ProjectID(ctx, remote)
	return project{c: c, api: c.API(), op: op, pid: pid, web: c.Page(remote)}, err
}

// read and wrote say what became of a call.
func (p project) read(resp *gogitlab.Response, err error) error {
	return gitlab.Err(p.op, resp, err, false)
}

func (p project) wrote(resp *gogitlab.Response, err error) error {
	return gitlab.Err(p.op, resp, err, true)
}

// page is a page of the project.
func (p project) page(path string) string { return address(p.web + path) }

func (p project) bad(kind errs.Kind, format string, args ...any) *errs.Error {
	return errs.E(p.op, kind, fmt.Errorf(format, args...))
}

// odd is an answer that does not say what was asked.
func (p project) odd(what string) error {
	return p.bad(errs.Unavailable, "GitLab's answer about %s does not fit the question", what).Hint("it is asked again")
}

func invalid(op, hint, format string, args ...any) error {
	return errs.E(op, errs.Invalid, fmt.Errorf(format, args...)).Hint("%s", hint)
}

// checkLine refuses what GitLab would not keep as it is: titles and names are one line.
func checkLine(op, what, text string) error {
	switch {
	case strings.TrimSpace(text) != text || text == "":
		return invalid(op, "write it without spaces at its ends", "the %s %s is empty or has spaces at its ends", what, quote(text))
	case !utf8.ValidString(text) || strings.ContainsFunc(text, hidden):
		return invalid(op, "write it as plain text on one line", "the %s %s has characters that are not seen", what, quote(text))
	case utf8.RuneCountInString(text) > maxTitle:
		return invalid(op, "shorten it", "the %s %s is longer than %d characters", what, quote(text), maxTitle)
	}
	return nil
}

// checkText refuses a text of several lines with characters that steer a terminal or turn what is read.
// Others that are not seen, such as soft hyphens and joiners, are part of names and words.
func checkText(op, what, text string) error {
	switch {
	case len(text) > maxText:
		return invalid(op, "shorten it", "the %s is longer than %d kB", what, maxText>>10)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' || turns(r) }):
		return invalid(op, "write plain text", "the %s has control characters", what)
	}
	return nil
}

// turns reports whether a character changes the direction of text, or is no part of one.
func turns(r rune) bool {
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' || r == '\u200e' || r == '\u200f' || r == '\ufeff' || r == '\u2028' || r == '\u2029'
}

func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
}

// checkRef refuses a name that git does not take for a branch or a tag, or that could mean something
// else in an address (git check-ref-format).
func checkRef(op, what, name string) error {
	bad := name == "" || len(name) > 250 || !utf8.ValidString(name) || strings.HasPrefix(name, "-") || strings.HasPrefix(name, "refs/") ||
		strings.Contains(name, "..") || strings.Contains(name, "@{") || name == "@" || strings.ContainsAny(name, " ~^:?*[\\\"<>|") || strings.ContainsFunc(name, hidden) ||
		strings.HasSuffix(name, ".") || strings.HasSuffix(name, "/")
	for part := range strings.SplitSeq(name, "/") {
		bad = bad || part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock")
	}
	if bad {
		return invalid(op, "give its whole name, as git branch or git tag shows it", "%s is not the name of a %s", quote(name), what)
	}
	return nil
}

// checkCommit refuses what is not a whole object id.
func checkCommit(op, what, id string) error {
	ok := len(id) == 40 || len(id) == 64
	for _, r := range id {
		ok = ok && (r >= '0' && r <= '9' || r >= 'a' && r <= 'f')
	}
	if !ok {
		return invalid(op, "give all 40 digits, in lower case", "%s is not the id of a %s", quote(id), what)
	}
	return nil
}

// quote shows text from outside on one line.
func quote(text string) string { return strconv.Quote(card.Line(text, 80)) }

// account is how an account is written in people: its number, since names may change.
func account(id int) string { return gitlab.Provider + ":" + strconv.Itoa(id) }

// name is the name of an account, for people to read.
func name(u *gogitlab.BasicUser) string {
	if u == nil {
		return "somebody"
	}
	return card.Line(u.Username, 60)
}
