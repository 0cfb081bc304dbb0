package grammar

import (
	"slices"
	"strings"
	"testing"
)

// said is which lines of a comment on GitLab run.
func said(t *testing.T, text string) (ran []int) {
	t.Helper()
	for _, r := range table(t).Parse(text, Context{Addresses: []string{"slipway", "slipway-bot"}, Markdown: true}) {
		switch r := r.(type) {
		case Command:
			ran = append(ran, r.Line)
		case Reply:
			ran = append(ran, r.Lines...)
		}
	}
	return ran
}

const order = "slipway release 2019.01"

func TestWhatACommentShowsNeverRuns(t *testing.T) {
	for what, text := range map[string]string{
		"a quotation":                    "> " + order,
		"a line that belongs to it":      "> Maria wrote:\n" + order,
		"a quotation in a quotation":     "> > x\n" + order,
		"GitLab's long quotation":        ">>>\n" + order + "\n>>>",
		"a fence":                        "```\n" + order + "\n```",
		"a fence with a language":        "```sh\n" + order + "\n```",
		"a longer fence around one":      "````\n```\n" + order + "\n```\n" + order + "\n````",
		"tildes around backticks":        "~~~\n```\n~~~~x\n" + order + "\n~~~",
		"backticks within a fence":       "```\necho \"a```b\"\n" + order + "\n```",
		"a fence without an end":         "~~~~\n" + order + "\n~~~\n" + order,
		"a fence in a list":              "- ```\n  " + order + "\n  ```",
		"a fence in a quotation":         "> ```\n" + order,
		"indented code":                  "x\n\n    " + order + "\n\t" + order,
		"code":                           "`" + order + "`",
		"code over lines":                "see `this\n" + order + "\nthat`",
		"code of two backticks":          "see ``this\n" + order + "\nthat``",
		"code with other code in it":     "``a ` b\n" + order + "\nc``",
		"a comment":                      "<!-- " + order + " -->",
		"a comment over lines":           "<!--\n" + order + "\n\n" + order + "\n-->",
		"a comment without an end":       "text <!--\n\n" + order,
		"a line that ends a comment":     "<!--\n" + order + " --> " + order,
		"what follows it in the block":   "<!-- x -->\n" + order,
		"two comments":                   "<!-- x --> <!--\n\n" + order + "\n-->",
		"something folded":               "<details>\n<summary>Log</summary>\n\n" + order + "\n\n</details>",
		"folded without an end":          "<details>\n\n" + order,
		"folded in capitals":             "<DETAILS open>\n\n" + order + "\n</DETAILS>",
		"folded twice":                   "<details>\n\n<details>\n\n</details>\n\n" + order + "\n</details>",
		"a folded part closed in a code": "<details>\n\n`x`\n" + order + "\n",
		"an HTML quotation":              "<blockquote>\n\n" + order + "\n\n</blockquote>",
		"preformatted":                   "<pre>\n" + order + "\n\n" + order + "</pre>",
		"an HTML block":                  "<div>\n" + order + "\n</div>",
		"a formula":                      "$$\n" + order + "\n$$",
		"a quoted fence within a fence":  "```\n> ```\n" + order + "\n```",
		"an indented fence within one":   "```\n    ```\n" + order + "\n```",
		"a tabbed fence within one":      "```\n\t```\n" + order + "\n```",
		"a fence after one in a list":    "- ```\n  x\n```\n" + order + "\n```",
		"a quotation in a list":          "- > Maria wrote:\n" + order,
		"a quotation in a numbered list": "1. > Maria wrote:\n" + order,
		"a list item":                    "- " + order + "\n* " + order + "\n1. " + order,
		"a table":                        "| " + order + " |\n|---|\n| " + order + " |",
		"a title":                        "# " + order,
		"emphasis":                       "**" + order + "**\n_" + order + "_\n~~" + order + "~~",
		"a link":                         "[" + order + "](https://harbour.example)",
		"in a sentence":                  "please say " + order,
		"not addressed":                  "release 2019.01",
		"nothing":                        "",
	} {
		if ran := said(t, text); len(ran) != 0 {
			t.Errorf("%s: the lines %v of %q ran", what, ran, text)
		}
	}
}

func TestWhatACommentSaysRuns(t *testing.T) {
	for what, c := range map[string]struct {
		text string
		want []int
	}{
		"a line":                      {order, []int{1}},
		"by its user name":            {"@slipway-bot release 2019.01\r\n", []int{1}},
		"a line among others":         {"Hello all,\n" + order + "\nThanks!", []int{2}},
		"after a quotation":           {"> Maria wrote:\n> " + order + "\n\n" + order, []int{4}},
		"after a fence":               {"```\n" + order + "\n```\n" + order, []int{4}},
		"after a fence in a list":     {"- ```\n  x\n  ```\n\n" + order, []int{5}},
		"after a fence in quotation":  {"> ```\n> x\n> ```\n\n" + order, []int{5}},
		"after an indented fence":     {"  ```\n  x\n   ```\n" + order, []int{4}},
		"after code":                  {"It was `x` and ``y``.\n" + order, []int{2}},
		"after one backtick":          {"a ` alone\n\n" + order, []int{3}},
		"after an escaped backtick":   {"a \\` b\n" + order + "\nc `d`", []int{2}},
		"after a comment":             {"<!-- template -->\n\n" + order, []int{3}},
		"after something folded":      {"<details>\n\n" + order + "\n</details>\n\n" + order, []int{6}},
		"after a formula":             {"$$\nx\n$$\n" + order, []int{4}},
		"with an address before it":   {"<https://harbour.example>\n" + order, []int{2}},
		"with a comparison before it": {"a < b and 3 > 2\n" + order, []int{2}},
		"several":                     {order + "\n\nslipway mine\n> slipway mine\n\nslipway mien", []int{1, 3, 6}},
		"indented a little":           {"   " + order, []int{1}},
	} {
		if ran := said(t, c.text); !slices.Equal(ran, c.want) {
			t.Errorf("%s: %v of %q ran, want %v", what, ran, c.text, c.want)
		}
	}
}

func FuzzMarkdownLines(f *testing.F) {
	for _, s := range []string{"", "```", "````\n```", "<!--", "-->", "<details>", "$$", "> x\ny", "`a\nb`", "``\n`", "~~~~\n~~~", "\\`", "<!-- --> <!--"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
		plain := plainLines(text, false)
		for _, l := range plainLines(text, true) {
			if !slices.Contains(plain, l) {
				t.Fatalf("line %d of %q is said in Markdown alone", l.number, text)
			}
		}
		lines := strings.Split(text, "\n")
		for i, hidden := range shown(lines) {
			if strings.TrimSpace(lines[i]) == "" && !hidden {
				t.Fatalf("an empty line of %q is said", text)
			}
		}
		for _, around := range []string{"<!--\n%\n-->", "``````````\n%", "<details>\n\n%"} {
			if strings.ContainsAny(text, "<>`") || strings.Contains(text, "--") {
				continue
			}
			if got := plainLines(strings.Replace(around, "%", text, 1), true); len(got) != 0 {
				t.Fatalf("%q is said within %q", got[0].text, around)
			}
		}
	})
}
