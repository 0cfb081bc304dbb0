package hook

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/bot/errs"
)

var update = flag.Bool("update", false, "write the golden files anew")

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func fixtures(t testing.TB) (names []string) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d payloads, %v", len(files), err)
	}
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".json"))
	}
	return names
}

// kindOf is the path by which Slack sends a payload.
func kindOf(name string) Kind {
	for _, part := range []string{"block_", "view_", "dialog_"} {
		if strings.HasPrefix(name, part) {
			return Interactive
		}
	}
	return Events
}

// of is the app and team that a payload is of.
func of(body []byte) Known {
	k := ours()
	var p struct {
		App  string `json:"api_app_id"`
		Team string `json:"team_id"`
		In   struct {
			ID string `json:"id"`
		} `json:"team"`
	}
	if json.Unmarshal(body, &p) == nil {
		k.App, k.Team = orElse(p.App, k.App), orElse(orElse(p.Team, p.In.ID), k.Team)
	}
	return k
}

// told is a decoded delivery in lines.
func told(facts []Fact, ignored string, err error) string {
	var b strings.Builder
	for _, f := range facts {
		switch f := f.(type) {
		case Said:
			fmt.Fprintf(&b, "said by %s (%s) at %s, message %s, thread %q, addressed %t, direct %t, changed %t, %s\n  %q\n", f.Account, f.Handle, f.Place, f.Message,
				f.Thread, f.Addressed, f.Direct, f.Changed, f.At.Format("2006-01-02 15:04:05.000000Z07:00"), f.Text)
		case Touched:
			fmt.Fprintf(&b, "touched message %s at %s\n", f.Message, f.Place)
		case Noticed:
			fmt.Fprintf(&b, "noticed %s at %q: %s\n", f.What, f.Place, f.Text)
		}
	}
	if ignored != "" {
		fmt.Fprintf(&b, "ignored: %s\n", ignored)
	}
	if err != nil {
		fmt.Fprintf(&b, "refused: %s\n", errs.Text(err))
	}
	return b.String()
}

// TestEveryPayload decodes examples of payloads that Slack sent, as they came and without their
// credentials. Some are the inner part alone, or lack what Slack always sends: these say why they are not
// taken.
func TestEveryPayload(t *testing.T) {
	var b strings.Builder
	for _, name := range fixtures(t) {
		body := fixture(t, name)
		kind := kindOf(name)
		facts, ignored, err := Decode(Header{kind}, body, of(body))
		if n := min(len(facts), 1) + min(len(ignored), 1); n != 1 && err == nil || n > 0 && err != nil {
			t.Errorf("%s: %d facts, ignored for %q, %v", name, len(facts), ignored, err)
		}
		in := &inbox{}
		if _, err := NewIntake(IntakeOptions{Inbox: in}).Take(t.Context(), kind, body, Retry{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(in.got) > 0 {
			again, ignoredToo, errToo := Decode(HeaderOf(in.got[0].Headers), in.got[0].Body, of(body))
			if diff := cmp.Diff(told(facts, ignored, err), told(again, ignoredToo, errToo)); diff != "" {
				t.Errorf("%s says something else without its credentials:\n%s", name, diff)
			}
		}
		fmt.Fprintf(&b, "== %s (%s)\n%s\n", name, kind, told(facts, ignored, err))
	}
	golden(t, "facts.golden", b.String())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got); -update writes it anew:\n%s", path, diff)
	}
}

// TestOtherTeamsAndApps: a signature says which app Slack speaks to, never whose words they are. What names
// another team or app is no word of anybody.
func TestOtherTeamsAndApps(t *testing.T) {
	for name, c := range map[string]struct {
		kind Kind
		body string
	}{
		"a message": {Events, event("Ev1", wrote("slipway mine", ""))}, "a command": {Commands, string(unwrapped(Commands, []byte(typed("mine", "1.2.x"))))},
		"a press": {Interactive, pressedOn(ActionSay, "mine", "1700000005.000300")}, "a form": {Interactive, sentForm(nil)},
		"a limit": {Events, `{"type":"app_rate_limited","team_id":"T0HARBOUR","api_app_id":"A0SLIPWAY","minute_rate_limited":1}`},
	} {
		if facts, ignored, err := Decode(Header{c.kind}, []byte(c.body), ours()); len(facts) != 1 {
			t.Errorf("%s says nothing: %q, %v", name, ignored, err)
		}
		for what, body := range map[string]string{
			"another team": strings.ReplaceAll(c.body, "T0HARBOUR", "T0EVIL"), "another app": strings.ReplaceAll(c.body, "A0SLIPWAY", "A0EVIL"),
			"no app": strings.ReplaceAll(c.body, "api_app_id", "app"), "no team": strings.NewReplacer(`"team_id"`, `"t"`, `"team":{"id"`, `"team":{"i"`).Replace(c.body),
		} {
			facts, ignored, err := Decode(Header{c.kind}, []byte(body), ours())
			if len(facts) > 0 || ignored == "" && !errs.Is(err, errs.Invalid) {
				t.Errorf("%s of %s: %s", name, what, told(facts, ignored, err))
			}
		}
		if facts, ignored, _ := Decode(Header{c.kind}, []byte(c.body), Known{}); len(facts) > 0 || ignored == "" {
			t.Errorf("%s is heard by a bot that does not know its team", name)
		}
	}
}
