package git

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"slipway/bot/errs"
)

// Bounds of what [Look] gives.
const (
	lookCommits = 300
	lookFiles   = 500
	lookDiff    = 400 << 10 // bytes
)

// Look shows people what is in a commit, as far as the working copy has it. It changes nothing, and
// fetches only when the commit is not there.
type Look struct{ copies Copies }

// NewLook makes one.
func NewLook(c Copies) Look { return Look{c} }

// Sight is a commit with what is new in it.
type Sight struct {
	Commit Commit
	At     time.Time
	Body   string   // of its message, after the subject
	Since  string   // the newest tag before it, or ""
	Log    []string // as [LogOut.Lines], newest first, at most 300
	More   int      // commits that Log leaves out
	Files  []FileDiff
	Diff   string // since that tag; without one, since its first parent; at most 400 kB
	Cut    bool   // Diff or Files are longer

}

// FileDiff is how much of one file changes. A binary file has neither lines.
type FileDiff struct {
	Path           string
	Added, Removed int
}

// At looks at a commit of a remote. Tags like pattern are releases; "" means all. Errors: [errs.Invalid]
// for what is no whole commit id, [errs.NotFound] for a commit that is not there, [errs.Unavailable]
// when the working copy or the remote cannot be had in time.
func (l Look) At(ctx context.Context, remote, commit, pattern string) (s Sight, err error) {
	if err := CheckCommit(commit); err != nil {
		return Sight{}, err
	}
	err = l.copies.With(ctx, remote, func(c *Copy) error {
		if !c.has(ctx, commit) {
			if err := c.Fetch(ctx); err != nil {
				return err
			}
		}
		s, err = c.sight(ctx, commit, pattern)
		return err
	})
	return s, err
}

func (c *Copy) sight(ctx context.Context, commit, pattern string) (s Sight, err error) {
	if _, err := c.resolve(ctx, commit); err != nil {
		return s, err
	}
	one, err := c.line(ctx, "log", "--max-count=1", "--no-color", "--no-decorate", "--format=%H%x00%h%x00%s%x00%an%x00%ae%x00%P%x00%ct%x00%b", "--end-of-options", commit, "--")
	if err != nil {
		return s, err
	}
	f := strings.SplitN(one, "\x00", 8)
	if len(f) != 8 {
		return s, errs.E("git.look", errs.Corrupt, errors.New("what git says of the commit cannot be read")).Hint("Run git fsck in the repository")
	}
	s.Commit = Commit{Oid: f[0], Abbrev: f[1], Subject: clean(f[2]), Name: clean(f[3]), Mail: clean(f[4]), Parents: strings.Fields(f[5])}
	if sec, err := strconv.ParseInt(f[6], 10, 64); err == nil {
		s.At = time.Unix(sec, 0).UTC()
	}
	s.Body = strings.TrimSpace(strings.ToValidUTF8(f[7], "\uFFFD"))
	from := ""
	if s.Since, from, err = c.tagBefore(ctx, commit, pattern); err != nil {
		return s, err
	}
	commits, err := c.commits(ctx, from, commit)
	if err != nil {
		return s, err
	}
	s.Log = summarize(commits).Lines
	if s.More = len(s.Log) - lookCommits; s.More > 0 {
		s.Log = s.Log[:lookCommits]
	} else {
		s.More = 0
	}
	if from == "" && len(s.Commit.Parents) > 0 {
		from = s.Commit.Parents[0]
	}
	return s, c.differences(ctx, &s, from, commit)
}

// tagBefore is the newest tag like pattern of a commit before this one, with that commit.
func (c *Copy) tagBefore(ctx context.Context, commit, pattern string) (tag, at string, err error) {
	if pattern == "" || strings.HasPrefix(pattern, "-") {
		pattern = "*"
	}
	out, err := c.line(ctx, "for-each-ref", "--merged="+commit, "--sort=-creatordate", "--count=20",
		"--format=%(refname) %(objectname) %(*objectname)", "--", tagsAt+pattern)
	if err != nil {
		return "", "", err
	}
	for _, line := range strings.Split(out, "\n") {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		if of := f[len(f)-1]; of != commit {
			return strings.TrimPrefix(f[0], tagsAt), of, nil
		}
	}
	return "", "", nil
}

// differences fills in what changes from one commit to another; from "" is the beginning.
func (c *Copy) differences(ctx context.Context, s *Sight, from, to string) error {
	args := func(more ...string) []string {
		out := append([]string{"diff"}, more...)
		out = append(out, "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--end-of-options")
		if from == "" {
			from = emptyTree(to)
		}
		return append(out, from, to, "--")
	}
	counts, err := c.line(ctx, args("--numstat", "-z")...)
	if err != nil {
		return err
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(counts, "\x00"), "\x00") {
		f := strings.SplitN(line, "\t", 3)
		if len(f) != 3 {
			continue
		}
		if len(s.Files) == lookFiles {
			s.Cut = true
			break
		}
		added, _ := strconv.Atoi(f[0])
		removed, _ := strconv.Atoi(f[1])
		s.Files = append(s.Files, FileDiff{clean(f[2]), added, removed})
	}
	s.Diff, err = c.line(ctx, args("--unified=3")...)
	if errs.Is(err, errs.Invalid) { // larger than one command may print
		s.Diff, s.Cut, err = "", true, nil
	}
	if len(s.Diff) > lookDiff {
		s.Cut = true
		s.Diff = s.Diff[:lookDiff]
		if i := strings.LastIndexByte(s.Diff, '\n'); i > 0 {
			s.Diff = s.Diff[:i]
		}
	}
	s.Diff = strings.ToValidUTF8(s.Diff, "\uFFFD")
	return err
}

// emptyTree is the id of a tree without files, in a repository whose ids are as long as like.
func emptyTree(like string) string {
	if len(like) == 64 {
		return "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321"
	}
	return "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
}
