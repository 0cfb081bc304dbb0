package release

import (
	"cmp"
	"slices"
	"strings"
)

// Commit is one commit since the last release.
type Commit struct {
	Abbrev  string `json:"abbrev"`
	Subject string `json:"subject"`
	Name    string `json:"name"` // of its author
	Mail    string `json:"mail"`
	Merge   bool   `json:"merge"` // has more than one parent
}

// Summary is what is in a release since the last one.
type Summary struct {
	Commits int      `json:"commits"` // without merges
	Merges  int      `json:"merges"`
	Authors []Author `json:"authors"` // of commits that are no merges; most commits first
	Groups  []Group  `json:"groups"`  // by topic; "other" is last
}

// Author is a person with the number of commits. One mail address is one person.
type Author struct {
	Name    string `json:"name"`
	Mail    string `json:"mail"`
	Commits int    `json:"commits"`
}

// Group is the commits of one topic, newest first. The topic is what stands before the first
// colon of a subject ("doc: fix links"), in lower case.
type Group struct {
	Topic string   `json:"topic"`
	Lines []string `json:"lines"`
}

const otherTopic = "other"

// Summarize counts and groups commits, given newest first. A topic with one commit is not worth
// a heading and goes to "other".
func Summarize(commits []Commit) Summary {
	var s Summary
	authors := map[string]*Author{}
	topics := map[string]int{}
	for _, c := range commits {
		if c.Merge {
			s.Merges++
			continue
		}
		s.Commits++
		topics[topic(c.Subject)]++
		key := strings.ToLower(c.Mail)
		if authors[key] == nil {
			authors[key] = &Author{Name: OneLine(c.Name), Mail: OneLine(c.Mail)}
		}
		authors[key].Commits++
	}
	for _, a := range authors {
		s.Authors = append(s.Authors, *a)
	}
	slices.SortFunc(s.Authors, func(a, b Author) int {
		return cmp.Or(cmp.Compare(b.Commits, a.Commits), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Mail, b.Mail))
	})
	groups := map[string]int{}
	for _, c := range commits {
		if c.Merge {
			continue
		}
		t := topic(c.Subject)
		if topics[t] < 2 {
			t = otherTopic
		}
		i, seen := groups[t]
		if !seen {
			i = len(s.Groups)
			groups[t] = i
			s.Groups = append(s.Groups, Group{Topic: t})
		}
		s.Groups[i].Lines = append(s.Groups[i].Lines, OneLine(c.Abbrev+" "+c.Subject))
	}
	slices.SortFunc(s.Groups, func(a, b Group) int {
		if (a.Topic == otherTopic) != (b.Topic == otherTopic) {
			if a.Topic == otherTopic {
				return 1
			}
			return -1
		}
		return cmp.Or(cmp.Compare(len(b.Lines), len(a.Lines)), cmp.Compare(a.Topic, b.Topic))
	})
	return s
}

func topic(subject string) string {
	before, _, found := strings.Cut(OneLine(subject), ": ")
	if !found || len(before) > 24 || before == "" || strings.Contains(before, " ") {
		return otherTopic
	}
	return strings.ToLower(before)
}

// Lines is the one-line log: abbreviated hash and subject of every commit that is no merge, in
// the order given.
func Lines(commits []Commit) []string {
	lines := make([]string, 0, len(commits))
	for _, c := range commits {
		if !c.Merge {
			lines = append(lines, OneLine(c.Abbrev+" "+c.Subject))
		}
	}
	return lines
}
