package chat

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"slipway/bot/card"
)

var update = flag.Bool("update", false, "rewrite golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s differs (-want +got):\n%s", name, d)
	}
}

const digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

func voice() Voice {
	known := map[string][]string{"hana": {"U0HANA"}, "grace": {"U0GRACE"}}
	return Voice{Mention: func(p string) []string { return known[p] }}
}

func live() card.Card {
	return card.Card{
		Key: "card/r1/releases", Title: "release/harbour/2019.01", State: card.Running, Status: "4 of 9 steps, asked for by edsger",
		Blocks: []card.Block{
			{Steps: []card.Step{
				{Name: "ready", State: card.Done}, {Name: "changelog", State: card.Done, Detail: "14 changes since 2018.11"},
				{Name: "payload", State: card.Adopted}, {Name: "go", State: card.Waiting, Detail: `1 of 2: requester does not count ("not requester")`},
				{Name: "images", State: card.Skipped, Detail: "no image changed"}, {Name: "build[armel]", State: card.Running, Detail: "stage 2"}, {Name: "sign", State: card.Pending},
			}},
			{Heading: "Waits for", Awaited: []card.Awaited{{Who: "Grace, Alan", What: "go: approve"}}},
			{Links: []card.Link{{Text: "The page of this run", URL: "https://slipway.example/runs/release/harbour/2019.01?a=1&b=2"}}},
		},
		Mentions: []string{"grace", "alan"},
	}
}

func gateMessage() card.GateMessage {
	return card.GateMessage{Key: "gate/m1", RunName: "release/harbour/2019.01", Gate: "go", State: card.Waiting, Manifest: digest,
		Rule: "2 of maintainer, not requester", Bound: []card.Field{{Name: "commit", Value: "4c6d2f1e"}, {Name: "tag payload", Value: digest}},
		Expires: time.Date(2019, 1, 31, 14, 0, 0, 0, time.UTC), Verdict: []string{"✓ grace", "✗ edsger: requester does not count", "one more of alan, barbara"},
		Mentions: []string{"alan", "hana"}}
}

// big is a run of n steps, of which a few matter.
func big(n int) card.Card {
	c := live()
	c.Title, c.State = "rollout/fleet/2019.01", card.Stuck
	c.Blocks[0].Steps = nil
	for i := range n {
		s := card.Step{Name: fmt.Sprintf("deploy[ship-%03d.fleet.example]", i), State: card.Done, Detail: "at the second attempt, 2019.01-1 installed and answering"}
		switch {
		case i == 7:
			s.State, s.Detail = card.Doubtful, "nobody can tell whether the restart was done; say: doubt rollout/fleet/2019.01 deploy[ship-007]"
		case i == 41:
			s.State, s.Detail = card.Stuck, "exit status 2: no space left on device"
		case i == 90 || i == 91:
			s.State, s.Detail = card.Running, "copying"
		case i > 150:
			s.State, s.Detail = card.Pending, ""
		}
		c.Blocks[0].Steps = append(c.Blocks[0].Steps, s)
	}
	return c
}

func hostile() card.Card {
	const bad = "<!channel> <@U0GRACE> @here <http://evil.example|safe> &lt;!here&gt; *bold* _it_ ~no~ `code` ```x``` :tada: > quote\n/approve \u202eevil\u2066\x1b[2J\x07\u00ad\u200bend http://evil.example"
	long := strings.Repeat("Ä\"\\<", 750)
	return card.Card{Key: "k", Title: bad, State: card.Waiting, Status: bad + "\n" + long,
		Blocks: []card.Block{
			{Heading: bad, Text: bad + "\n\n  " + long}, {Fields: []card.Field{{Name: bad, Value: long}, {Name: long, Value: bad}}},
			{Steps: []card.Step{{Name: bad, State: card.Waiting, Detail: long}, {Name: long, State: "<!here>", Detail: bad}}},
			{Heading: "Waits for", Awaited: []card.Awaited{{Who: "grace <!channel>", What: long}, {Who: long, What: bad}}},
			{Links: []card.Link{{Text: bad, URL: "https://harbour.example/<!channel>|x"}, {Text: "no page", URL: "javascript:alert(1)"}}},
			{Buttons: []card.Button{{ID: "approve/x", Text: bad, Command: "approve x go --reason \"<!channel>\""}, {ID: "drop", Text: long, Command: "abort x " + long, Danger: true},
				{ID: "stop", Text: "Stop it", Command: "abort " + bad, Danger: true}}},
		},
		Mentions: []string{"hana", "<!channel>", "nobody"},
	}
}

func TestMessagesAsPeopleSeeThem(t *testing.T) {
	failed, doubtful := live(), live()
	failed.State, failed.Status = card.Failed, "failed on 2019-01-31 14:00 UTC, after 3 h 5 min"
	failed.Blocks[0].Steps[5] = card.Step{Name: "build[armel]", State: card.Failed, Detail: "exit status 2: make: *** [Makefile:7: all] Error 2"}
	doubtful.State = card.Doubtful
	doubtful.Blocks[0].Steps[5] = card.Step{Name: "upload", State: card.Doubtful, Detail: "the connection broke before an answer came; it may have been done"}
	closed := gateMessage()
	closed.State, closed.Closed = card.Done, "Approved by grace and alan."
	answer := card.Card{Key: "a", Title: "I know no command hodl.", Mentions: []string{"hana"}, Blocks: []card.Block{{Text: "Did you mean hold?\n\nhold     stops a run\nresume   lets it go on"}}}
	told := card.Broadcast{Key: "b", Title: "Harbour 2019.01 is out", Text: "Faster boot.\n\nInstall it with apt.", Links: []card.Link{{Text: "Notes", URL: "https://harbour.example/2019.01"}}}
	for name, c := range map[string]card.Card{"small": live(), "steps-200": big(200), "failed": failed, "doubtful": doubtful, "hostile": hostile(),
		"gate-open": gateMessage().Card(), "gate-closed": closed.Card(), "answer": answer, "broadcast": told.Card(),
		"alone":       {Key: "c", Title: "no such code for this account, or not any more"},
		"alone-long":  {Key: "d", Title: "I do not know whose account this…", Blocks: []card.Block{{Text: "I do not know whose account this is. Say link slack where you are known."}}},
		"named-twice": {Key: "e", Title: "harbour", Status: "waits", Mentions: []string{"hana", "hana"}}} {
		first, _, wrong := whole(c, voice())
		for _, w := range wrong {
			t.Errorf("%s: %s", name, w)
		}
		text, _, rest := Message(c, voice())
		drawn := "(" + text + ")\n" + first.draw.String()
		for _, more := range rest {
			drawn += "---- in the thread\n" + look(text, more).draw.String()
		}
		golden(t, name+".txt", drawn)
	}
}

func TestTheJSONOfACard(t *testing.T) {
	_, blocks, _ := Message(gateMessage().Card(), voice())
	raw, err := blocksJSON(blocks)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "gate-open.json", strings.ReplaceAll(string(raw), `,{"type":`, ",\n{\"type\":")+"\n")
}

// A card says the same here and on the console, but for what only draws.
func TestTheWordsAreThoseOfTheConsole(t *testing.T) {
	for name, c := range map[string]card.Card{"live": live(), "gate": gateMessage().Card(), "small run of many steps": big(30)} {
		first, _, _ := whole(c, Voice{})
		got := strings.Join(wordsOf(first.plain.String()), " ")
		for line := range strings.Lines(card.Text(c, 4000)) {
			if strings.Contains(line, "https://") || strings.Contains(line, "▸") { // a link and a button, which are pressed here
				continue
			}
			if want := strings.Join(wordsOf(line), " "); want != "" && !strings.Contains(got, want) {
				t.Errorf("%s: %q is missing in %q", name, want, got)
			}
		}
	}
}

func TestABigRunShowsWhatMatters(t *testing.T) {
	first, _, _ := whole(big(200), voice())
	got := first.plain.String()
	for _, want := range []string{"deploy[ship-007", "nobody can tell", "deploy[ship-041", "no space left", "deploy[ship-090", "…and 147 done, 49 pending", "Grace, Alan", "4 of 9 steps"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in %s", want, got)
		}
	}
	worst := big(200)
	for i := range worst.Blocks[0].Steps {
		worst.Blocks[0].Steps[i].State, worst.Blocks[0].Steps[i].Detail = card.Running, strings.Repeat("x ", 1000)
	}
	worst.Blocks[0].Steps[199].State = card.Failed
	first, _, wrong := whole(worst, voice())
	if got := first.plain.String(); len(wrong) > 0 || !strings.Contains(got, "ship-199") || !strings.Contains(got, "running\n") && !strings.Contains(got, " running") {
		t.Errorf("%v in %s", wrong, got)
	}
}

func TestMentionsAreThoseOfTheCardAlone(t *testing.T) {
	for name, x := range map[string]struct {
		c    card.Card
		want []string
	}{
		"card": {live(), []string{"U0GRACE"}}, "gate": {gateMessage().Card(), []string{"U0HANA"}}, "hostile": {hostile(), []string{"U0HANA"}},
		"none": {card.Broadcast{Key: "b", Title: "<@U0HANA> @hana"}.Card(), nil},
	} {
		first, _, _ := whole(x.c, voice())
		if !slices.Equal(first.users, x.want) {
			t.Errorf("%s: %v are notified, not %v", name, first.users, x.want)
		}
	}
	forged := Voice{Mention: func(string) []string { return []string{"U0X> <!channel", "here", ""} }}
	if first, _, wrong := whole(live(), forged); len(first.users) > 0 || len(wrong) > 0 {
		t.Errorf("%v, %v", first.users, wrong)
	}
}

func TestWhatDoesNotFitFollows(t *testing.T) {
	c := card.Card{Key: "a", Title: "Here is the log.", Mentions: []string{"hana"}}
	for i := range 12 {
		c.Blocks = append(c.Blocks, card.Block{Text: fmt.Sprintf("part %d\n", i) + strings.Repeat("word and word ", 200)})
	}
	first, all, wrong := whole(c, voice())
	if len(wrong) > 0 || strings.Count(all, "word") != 12*400 || !strings.Contains(first.plain.String(), "in the thread") {
		t.Errorf("%v: %d of the text", wrong, strings.Count(all, "word"))
	}
	last := -1
	for i := range 12 {
		at := strings.Index(all, fmt.Sprintf("part %d\n", i))
		if at <= last {
			t.Errorf("part %d stands at %d, before what it follows", i, at)
		}
		last = at
	}
}

func TestButtons(t *testing.T) {
	c := card.Card{Key: "k", Title: "What now?", Blocks: []card.Block{{Buttons: []card.Button{{ID: "again", Text: "Again", Command: "retry 2019.01 build"}}},
		{Buttons: []card.Button{{ID: "form:answer", Text: "Answer…", Command: "r1 ask answer"}, {ID: "stop", Text: "Stop", Command: "abort 2019.01", Danger: true}}}}}
	_, blocks, _ := Message(c, voice())
	raw, err := blocksJSON(blocks)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"action_id":"say","value":"retry 2019.01 build"`, `"action_id":"form:2","value":"r1 ask answer"`, `"action_id":"say:3"`, `"style":"danger"`, `"confirm":{"title"`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("%s is missing in %s", want, raw)
		}
	}
}
