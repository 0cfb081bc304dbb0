package git

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// Log reads what is between two points of the history. Policy: read.
type Log struct{ copies Copies }

// NewLog makes git.log@1.
func NewLog(c Copies) Log { return Log{copies: c} }

// LogIn names two points: a tag, a branch or a whole commit id each.
type LogIn struct {
	Remote string `cel:"remote" json:"remote" doc:"address of the repository"`
	From   string `cel:"from,optional" json:"from,omitempty" doc:"the last release; empty means the whole history"`
	To     string `cel:"to" json:"to"`
	Path   string `cel:"path,optional" json:"path,omitempty" doc:"a file or folder; the commits that touch it are told one by one in entries"`
}

// Entry is one commit that is no merge.
type Entry struct {
	ID      string `cel:"id" json:"id" doc:"whole id of the commit"`
	Subject string `cel:"subject" json:"subject"`
	Author  string `cel:"author" json:"author" doc:"name, without the mail address"`
	Body    string `cel:"body" json:"body" doc:"what follows the subject"`
}

// LogOut is the log, newest first, without merges.
type LogOut struct {
	Lines       []string `cel:"lines" json:"lines" doc:"abbreviated id and subject of each commit, as git log --no-merges --oneline --abbrev=9 has them"`
	Text        string   `cel:"text" json:"text" doc:"the lines, each ending with a newline"`
	Count       int      `cel:"count" json:"count" doc:"number of commits without merges"`
	Merges      int      `cel:"merges" json:"merges" doc:"number of merges"`
	Authors     []string `cel:"authors" json:"authors" doc:"mail addresses of the authors of commits that are no merges, each once, in order"`
	AuthorNames []string `cel:"author_names" json:"author_names" doc:"the name for each of authors"`
	Entries     []Entry  `cel:"entries,optional" json:"entries,omitempty" doc:"the commits that touch path, oldest first; absent without a path or such a commit"`
}

// Contract of git.log@1.
func (Log) Contract() action.Contract {
	return action.Contract{ByHand: logByHand, Name: "git.log", Version: 1, Policy: action.Read, Timeout: 5 * time.Minute, Authors: "authors",
		Doc:   "Lists the commits since the last release.",
		Shell: "git log --no-merges --oneline --abbrev=9 FROM..TO"}
}

// Probe has nothing to look for: a read is done anew each time.
func (a Log) Probe(context.Context, action.Key, LogIn) (LogOut, bool, error) {
	return LogOut{}, false, nil
}

// Do fetches and reads.
func (a Log) Do(ctx context.Context, _ action.Key, in LogIn) (out LogOut, err error) {
	err = a.copies.With(ctx, in.Remote, func(c *Copy) error {
		if err := c.Fetch(ctx); err != nil {
			return err
		}
		to, err := c.resolve(ctx, in.To)
		if err != nil {
			return err
		}
		from := ""
		if in.From != "" {
			if from, err = c.resolve(ctx, in.From); err != nil {
				return err
			}
		}
		commits, err := c.commits(ctx, from, to)
		if err != nil {
			return err
		}
		out = summarize(commits)
		if in.Path != "" {
			out.Entries, err = c.entries(ctx, from, to, in.Path)
		}
		return err
	})
	return out, err
}

// Commit is one commit of a history.
type Commit struct {
	Oid, Abbrev, Subject, Name, Mail string
	Parents                          []string
}

// commits lists the history of to without that of from, newest first.
func (c *Copy) commits(ctx context.Context, from, to string) ([]Commit, error) {
	const format = "%H%x00%h%x00%s%x00%an%x00%ae%x00%P"
	args := []string{"log", "-z", "--abbrev=9", "--no-color", "--no-decorate", "--format=" + format, "--end-of-options", to}
	if from != "" {
		args = append(args, "^"+from)
	}
	text, err := c.exec(ctx, call{args: append(args, "--")})
	if err != nil {
		return nil, err
	}
	if text == "" {
		return nil, nil
	}
	fields := strings.Split(strings.TrimSuffix(text, "\x00"), "\x00")
	if len(fields)%6 != 0 {
		return nil, errs.E("git.log", errs.Corrupt, fmt.Errorf("git log of %s cannot be read", Redact(c.remote))).
			Hint("Run git fsck in the repository")
	}
	commits := make([]Commit, 0, len(fields)/6)
	for f := range slices.Chunk(fields, 6) {
		commits = append(commits, Commit{Oid: f[0], Abbrev: f[1], Subject: clean(f[2]), Name: clean(f[3]), Mail: clean(f[4]), Parents: strings.Fields(f[5])})
	}
	return commits, nil
}

// maxEntries and maxBody bound what is told of single commits: bodies are read for a few words of command.
const (
	maxEntries = 1000
	maxBody    = 4000 // bytes
)

// entries lists the commits of to without those of from that touch path, oldest first.
func (c *Copy) entries(ctx context.Context, from, to, path string) ([]Entry, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	args := []string{"log", "-z", "--no-merges", "--no-color", "--no-decorate", "--format=%H%x00%s%x00%an%x00%b", "--end-of-options", to}
	if from != "" {
		args = append(args, "^"+from)
	}
	text, err := c.exec(ctx, call{args: append(args, "--", path)})
	if err != nil || text == "" {
		return nil, err
	}
	fields := strings.Split(strings.TrimSuffix(text, "\x00"), "\x00")
	if len(fields)%4 != 0 {
		return nil, errs.E("git.log", errs.Corrupt, fmt.Errorf("git log of %s cannot be read", Redact(c.remote))).
			Hint("Run git fsck in the repository")
	}
	var out []Entry
	for f := range slices.Chunk(fields, 4) {
		var body []string
		for line := range strings.Lines(f[3][:min(len(f[3]), maxBody)]) {
			body = append(body, clean(strings.TrimRight(line, "\r\n")))
		}
		out = append(out, Entry{ID: f[0], Subject: clean(f[1]), Author: clean(f[2]), Body: strings.Join(body, "\n")})
	}
	if len(out) > maxEntries {
		return nil, errs.E("git.log", errs.Invalid, fmt.Errorf("%d commits touch %s since %s", len(out), path, orHistory(from))).
			Hint("More than %d cannot be told one by one; check that the last release is the right one", maxEntries)
	}
	slices.Reverse(out)
	return out, nil
}

func orHistory(from string) string {
	if from == "" {
		return "the beginning"
	}
	return from
}

// clean is text from a commit on one line of valid UTF-8.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if printable(r) == ' ' || r == '\n' || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

func summarize(commits []Commit) LogOut {
	out := LogOut{Lines: []string{}, Authors: []string{}, AuthorNames: []string{}}
	names := map[string]string{}
	var b strings.Builder
	for _, c := range commits {
		if len(c.Parents) > 1 {
			out.Merges++
			continue
		}
		line := c.Abbrev + " " + c.Subject
		out.Lines = append(out.Lines, line)
		b.WriteString(line + "\n")
		out.Count++
		if mail := strings.ToLower(c.Mail); names[mail] == "" {
			names[mail] = c.Name
			out.Authors = append(out.Authors, mail)
		}
	}
	out.Text = b.String()
	slices.Sort(out.Authors)
	out.Authors = slices.Compact(out.Authors)
	for _, mail := range out.Authors {
		out.AuthorNames = append(out.AuthorNames, names[mail])
	}
	return out
}
