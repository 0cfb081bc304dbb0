package talk_test

import (
	"strings"
	"testing"

	"slipway/bot/card"
)

// pictures are those of the cards that were posted since.
func (w *world) pictures(since int) (out []card.Picture) {
	for _, c := range w.room.posts[since:] {
		for _, b := range c.Blocks {
			if b.Picture != nil {
				out = append(out, *b.Picture)
			}
		}
	}
	return out
}

// TestARunIsDrawnForWhoMaySeeIt: the answer names the run alone and says what the picture shows; a private
// run is drawn where nobody else reads, for those of its circle.
func TestARunIsDrawnForWhoMaySeeIt(t *testing.T) {
	w := newWorld(t)
	w.say("ada", "release 2019.01")
	w.say("ada", `answer 2019.01 notes headline="Faster boot"`)
	since := len(w.room.posts)
	if got := w.say("alan", "release graph 2019.01"); !strings.HasPrefix(got, "release/lava/2019.01: 2 of 4 steps, asked for by ada") {
		t.Errorf("the answer is %q", got)
	}
	found := w.pictures(since)
	if len(found) != 1 || found[0].Run != w.state("2019.01").ID {
		t.Fatalf("the pictures are %v", found)
	}
	want := "4 steps, 1 waiting, 2 done, 1 not yet. A person is awaited at go.\n◷ go: waiting, 0 of 2 maintainers (a person is awaited)"
	if found[0].Alt != want {
		t.Errorf("it shows %q, want %q", found[0].Alt, want)
	}

	w.say("ada", "release 2019.03 --private --circle grace")
	for _, c := range []struct {
		who    string
		direct bool
		want   string // "": a picture
	}{
		{"ada", false, "that is not spoken of where others read"},
		{"grace", false, "that is not spoken of where others read"},
		{"alan", false, "2019.03"},
		{"alan", true, "2019.03"},
		{"ada", true, ""},
		{"grace", true, ""},
	} {
		since := len(w.room.posts)
		got := w.tell(wire{Who: c.who, Text: "release graph 2019.03", Direct: c.direct})
		if drawn := len(w.pictures(since)); (drawn == 1) != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s, direct %v: %d pictures, %q", c.who, c.direct, drawn, got)
		}
		if c.who == "alan" && !strings.Contains(got, "there is no run") && !strings.Contains(got, "no run") {
			t.Errorf("alan is told %q", got)
		}
	}
}
