package notes

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"slipway/bot/errs"
)

// The kinds of places, as they stand in addresses of GitLab's API.
const (
	Issues        = "issues"
	MergeRequests = "merge_requests"
)

// Place is an issue or a merge request. Its project is the numeric id, which stays when the project
// is renamed or moved.
type Place struct {
	Project int
	Kind    string // Issues or MergeRequests
	IID     int    // the number that people see
}

// ID is the name of the place: "4711/issues/12".
func (p Place) ID() string { return fmt.Sprintf("%d/%s/%d", p.Project, p.Kind, p.IID) }

// String is the place in words: "issue #12 of project 4711".
func (p Place) String() string {
	if p.Kind == MergeRequests {
		return fmt.Sprintf("merge request !%d of project %d", p.IID, p.Project)
	}
	return fmt.Sprintf("issue #%d of project %d", p.IID, p.Project)
}

// ParsePlace reads what [Place.ID] wrote. Anything else is [errs.Invalid].
func ParsePlace(id string) (Place, error) {
	parts := strings.Split(id, "/")
	bad := errs.E("gitlab.place", errs.Invalid, fmt.Errorf("%q is not an issue or a merge request", id)).
		Hint("write PROJECT/issues/NUMBER or PROJECT/merge_requests/NUMBER, with the numeric id of the project")
	if len(parts) != 3 || parts[1] != Issues && parts[1] != MergeRequests {
		return Place{}, bad
	}
	project, err := number(parts[0])
	iid, err2 := number(parts[2])
	if errors.Join(err, err2) != nil {
		return Place{}, bad
	}
	return Place{Project: project, Kind: parts[1], IID: iid}, nil
}

// Room is the place of a project that its configuration names: "issues/12".
func Room(project int, room string) (Place, error) {
	return ParsePlace(strconv.Itoa(project) + "/" + room)
}

// number reads a positive number in its only spelling.
func number(s string) (int, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || n >= 1<<53 || strconv.FormatInt(n, 10) != s {
		return 0, errors.New("not a number")
	}
	return int(n), nil
}

var discussionID = regexp.MustCompile(`^[0-9a-f]{40}$`)

// named is what the id of a message says: a discussion, or the number of a note.
func named(message string) (discussion string, note int, err error) {
	if discussionID.MatchString(message) {
		return message, 0, nil
	}
	if note, err = number(message); err != nil {
		return "", 0, errs.E("gitlab.message", errs.Invalid, fmt.Errorf("%q names no comment", message)).
			Hint("a comment is named by its number, a thread by 40 hexadecimal digits")
	}
	return "", note, nil
}

// userName is what user names of GitLab are made of (docs.gitlab.com, "Reserved names and rules").
var userName = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9])?$`)

// full is how GitLab refuses a comment below what has too many.
var full = regexp.MustCompile(`(?i)maximum number of (comments|notes)`)
