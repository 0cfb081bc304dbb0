package card

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"slipway/bot/errs"
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

func live() Card {
	return Card{
		Key: "card/r1/releases", Title: "release/lava/2019.01", State: Waiting, Status: "Waits for 1 more approval of the gate go.",
		Blocks: []Block{
			{Steps: []Step{
				{"ready", Done, ""}, {"changelog", Done, "14 changes since 2018.11"}, {"payload", Adopted, ""},
				{"go", Waiting, "1 of 2: requester does not count (\"not requester\"), and the sentence goes on until it needs a second line"},
				{"images", Skipped, "no image changed"}, {"upload", Doubtful, ""}, {"build[armel]", Running, "stage 2"},
				{"build[armhf]", Failed, "exit status 2"}, {"sign", Pending, ""},
			}},
			{Heading: "Waiting for", Awaited: []Awaited{{Who: "grace or alan", What: "approve the gate go"}}},
			{Fields: []Field{{"Commit", "4c6d2f1"}, {"Requested by", "edsger"}, {"名前", "全角の名前は二つの桁を取るので折り返しもそれに従わなければなりません。長い行です。とても長い行です。"}}},
			{Links: []Link{{"The run's page", "https://slipway.example.org/runs/release/lava/2019.01?with=a-long-address-that-must-not-be-wrapped"}}},
		},
	}
}

func gateMessage() GateMessage {
	return GateMessage{
		Key: "gate/m1/releases", RunName: "release/lava/2019.01", Gate: "go", State: Waiting,
		Manifest: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Rule: "2 of maintainer, not requester",
		Bound:   []Field{{"commit", "4c6d2f1e"}, {"tag payload", "sha256:2c26b46b"}},
		Expires: time.Date(2019, 1, 31, 15, 0, 0, 0, time.FixedZone("", 3600)),
		Verdict: []string{"✓ grace", "✗ edsger: requester does not count", "one more of alan, barbara"},
	}
}

func TestText(t *testing.T) {
	closed := gateMessage()
	closed.State, closed.Closed = Done, "Approved by grace and alan."
	told := Broadcast{Key: "b", Title: "LAVA 2019.01 is out", Text: "Faster boot.\n\nInstall it with apt.", Links: []Link{{"Notes", "https://lava.example.org/2019.01"}}}
	for name, c := range map[string]Card{"live": live(), "gate-open": gateMessage().Card(), "gate-closed": closed.Card(), "broadcast": told.Card()} {
		if err := c.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		golden(t, name+".txt", Text(c, 72))
	}
	golden(t, "narrow.txt", Text(live(), 30))
	for _, columns := range []int{30, 40, 72, 200} {
		for _, l := range strings.Split(Text(live(), columns), "\n") {
			if cells(l) > columns && !strings.Contains(l, "https://") {
				t.Errorf("%d columns: %q takes %d", columns, l, cells(l))
			}
		}
	}
}

func TestOutsideTextStaysText(t *testing.T) {
	c := Card{Key: "k", Title: "a\x1b[2Jb\u202ec\r\nd\u009be", Blocks: []Block{{Text: "x\x07\ny"}}}
	got := Text(c, 40)
	for _, r := range got {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("%U reached the terminal", r)
		}
	}
	if !strings.HasPrefix(got, "a�[2Jb�c d�e\n") {
		t.Errorf("got %q", got)
	}
	escaped := live().Map(func(s string) string { return "‹" + s + "›" })
	b, _ := escaped.Bytes()
	if !strings.Contains(string(b), "‹1 of 2") || !strings.Contains(string(b), `"url":"https://slipway`) || !strings.Contains(string(b), `"state":"waiting"`) {
		t.Errorf("got %s", b)
	}
	if live().Digest() == escaped.Digest() {
		t.Error("Map changed nothing")
	}
}

func TestDigestFollowsWhatIsShown(t *testing.T) {
	a, b := live(), live()
	if a.Digest() != b.Digest() || !strings.HasPrefix(a.Digest(), "sha256:") {
		t.Fatalf("equal cards differ: %s, %s", a.Digest(), b.Digest())
	}
	b.Blocks[0].Steps[3].State = Done
	if a.Digest() == b.Digest() {
		t.Error("a changed step has the same digest")
	}
	raw, err := a.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	var back Card
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(a, back); d != "" {
		t.Errorf("a card does not read back: %s", d)
	}
}

func TestClosedGateOffersNothing(t *testing.T) {
	g := gateMessage()
	g.Mentions = []string{"alan"}
	if got := Text(g.Card(), 72); !strings.Contains(got, "approve release/lava/2019.01 go") || len(g.Card().Mentions) != 1 {
		t.Errorf("open: %s", got)
	}
	g.Closed, g.State = "Superseded: the commit changed.", Stale
	if c := g.Card(); strings.Contains(Text(c, 72), "pprove release") || strings.Contains(c.Status, Approve) || c.Mentions != nil {
		t.Errorf("closed: %s", Text(c, 72))
	}
}

func TestFit(t *testing.T) {
	for _, x := range []struct {
		in      string
		columns int
		want    string
	}{
		{"short", 5, "short"}, {"longer", 5, "long…"}, {"two words", 5, "two…"}, {"全角の名前", 6, "全角…"}, {"全角の名前", 5, "全角…"},
		{"全角", 4, "全角"}, {"e\u0301e\u0301e\u0301", 2, "e\u0301…"}, {"word", 1, "…"}, {"word", 0, ""}, {"", 0, ""},
	} {
		if got := Fit(x.in, x.columns); got != x.want {
			t.Errorf("Fit(%q, %d) = %q, want %q", x.in, x.columns, got, x.want)
		}
	}
}

func TestShort(t *testing.T) {
	sum, commit := strings.Repeat("0123456789abcdef", 4), strings.Repeat("c0ffee1234", 4)
	for in, want := range map[string]string{
		"sha256:" + sum: "sha256:0123456789ab", commit: "c0ffee1234c0", "at " + commit + ".": "at c0ffee1234c0.",
		sum + "0": sum + "0", "4c6d2f1e": "4c6d2f1e", "a lamp": "a lamp",
	} {
		if got := Short(in); got != want {
			t.Errorf("Short(%q) = %q, want %q", in, got, want)
		}
	}
	g := gateMessage()
	g.Bound = []Field{{"commit", commit}}
	c := g.Card()
	if text := Text(c, 90); strings.Contains(text, g.Manifest) || strings.Contains(text, commit) {
		t.Errorf("whole digests: %s", text)
	}
	if b := c.Blocks[len(c.Blocks)-1].Buttons[0]; !strings.HasSuffix(b.Command, g.Manifest) || !strings.HasSuffix(b.ID, g.Manifest) {
		t.Errorf("what the button says is not whole: %+v", b)
	}
}

func TestCheck(t *testing.T) {
	for want, spoil := range map[string]func(*Card){
		"needs a key":         func(c *Card) { c.Key = "" },
		"title has 201":       func(c *Card) { c.Title = strings.Repeat("é", 201) },
		"holds 0 kinds":       func(c *Card) { c.Blocks[0] = Block{Heading: "x"} },
		"holds 2 kinds":       func(c *Card) { c.Blocks[0].Text = "x" },
		"does not lead to":    func(c *Card) { c.Blocks[3].Links[0].URL = "javascript:alert(1)" },
		"needs an id, a text": func(c *Card) { c.Blocks[0] = Block{Buttons: []Button{{ID: "x"}}} },
		"longer than 3000":    func(c *Card) { c.Status = strings.Repeat("x", 3001) },
		"has 201 entries":     func(c *Card) { c.Blocks[0].Steps = make([]Step, 201) },
		"bytes, and 40000 is": func(c *Card) { c.Blocks = append(c.Blocks, many(20)...) },
	} {
		c := live()
		spoil(&c)
		if err := c.Check(); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

func many(n int) []Block {
	var out []Block
	for range n {
		out = append(out, Block{Text: strings.Repeat("x", 2900)})
	}
	return out
}

func FuzzText(f *testing.F) {
	f.Add("a title", "some text\nof two lines", 40)
	f.Add("\x1b[31m", "\u202e全角 👩‍🚀 e\u0301", 1)
	f.Add("", "\xff", -3)
	f.Add("00000000000000000000000000000", "0", -14)
	f.Fuzz(func(t *testing.T, title, text string, columns int) {
		c := Card{Key: "k", Title: title, Blocks: []Block{{Text: text}, {Fields: []Field{{text, title}}}, {Steps: []Step{{title, Failed, text}}}}}
		columns = min(columns, 1000)
		out := Text(c, columns)
		limit := max(columns, 30)
		if columns == 0 {
			limit = 78
		}
		for _, l := range strings.Split(out, "\n") {
			if cells(l) > limit {
				t.Fatalf("%q is wider than %d", l, limit)
			}
			for _, r := range l {
				if unicode.Is(unicode.Cc, r) {
					t.Fatalf("%U reached the terminal", r)
				}
			}
		}
	})
}

// The form of a gate message is for what the message shows, and gone with it.
func TestAGateMessageNamesItsFormsManifest(t *testing.T) {
	form := func(g GateMessage) (f *Form) {
		for _, b := range g.Card().Map(func(s string) string { return "‹" + s + "›" }).Blocks {
			for _, x := range b.Buttons {
				f = x.Form
			}
		}
		return f
	}
	g := gateMessage()
	if f := form(g); f != nil {
		t.Errorf("the form of a run without an id is %+v", f)
	}
	g.RunID = "id1"
	if f := form(g); f == nil || *f != (Form{Text: "‹Reject…›", Run: "id1", Step: "go", Action: "reject", Manifest: g.Manifest}) {
		t.Errorf("the form is %+v", f)
	}
	g.Closed = "approved"
	if f := form(g); f != nil {
		t.Errorf("the form of a closed gate is %+v", f)
	}
}
