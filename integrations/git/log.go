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
}

// LogOut is the log, newest first, without merges.
type LogOut struct {
	Lines       []string `cel:"lines" json:"lines" doc:"abbreviated id and subject of each commit, as git log --no-merges --oneline --abbrev=9 has them"`
	Text        string   `cel:"text" json:"text" doc:"the lines, each ending with a newline"`
	Count       int      `cel:"count" json:"count" doc:"number of commits without merges"`
	Merges      int      `cel:"merges" json:"merges" doc:"number of merges"`
	Authors     []string `cel:"authors" json:"authors" doc:"mail addresses of the authors of commits that are no merges, each once, in order"`
	AuthorNames []string `cel:"author_names" json:"author_names" doc:"the name for each of authors"`
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
		return nil
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
