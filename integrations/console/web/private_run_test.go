package web_test

import (
	"context"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/picture"
	"slipway/bot/view"
	"slipway/integrations/console"
)

// private is what no outsider may read: each word stands in a private run only.
func private() []string {
	return []string{"7777.01", "codeword-blue", "codeword-moved", "codeword-hold"}
}

// embargoed makes a private run of grace and hana that holds the lock of the repository, with one of
// lava that waits for it.
func embargoed(t *testing.T) (y *yard, secret, open string) {
	y = newYard(t)
	y.say("grace", console.Mine, "release 7777.01 lava note=codeword-blue --private --circle grace,hana,alan")
	secret = y.id("grace", "7777.01")
	y.say("grace", console.Mine, "answer "+secret+" checklist merged=true moved=codeword-moved")
	y.say("alan", console.Mine, "approve "+secret+" go")
	y.Break("fleet.push", true, errs.E("push", errs.Doubtful, errNobody))
	y.say("hana", console.Mine, "approve "+secret+" go")
	y.Break("fleet.push", false, nil)
	y.say("grace", "lava", "release 2026.02")
	open = y.id("oskar", "2026.02")
	y.say("grace", "lava", "answer 2026.02 checklist merged=true")
	y.say("alan", "lava", "approve 2026.02 go")
	y.say("hana", "lava", "approve 2026.02 go")
	if len(y.Engine.Locks()) != 1 || y.Engine.Locks()[0].Holder.Run != secret || len(y.Engine.Locks()[0].Queue) != 1 {
		t.Fatalf("the story is another: %+v", y.Engine.Locks())
	}
	return y, secret, open
}

var errNobody = errs.E("push", errs.Doubtful, context.Canceled)

// Every method of the reader, asked by an outsider and by nobody in particular: the private run is
// not there, in the words for what never was. The circle sees it.
func TestThePrivateRunIsThereForItsCircleOnly(t *testing.T) {
	y, secret, open := embargoed(t)
	ctx := context.Background()
	now := y.Clock.Now()
	asks := map[string]func(p people.PersonID) (any, error){
		"Runs":     func(p people.PersonID) (any, error) { return y.r.Runs(ctx, p, view.Query{}) },
		"Run":      func(p people.PersonID) (any, error) { return y.r.Run(ctx, p, secret) },
		"Line":     func(p people.PersonID) (any, error) { return y.r.Line(ctx, p, secret) },
		"Step":     func(p people.PersonID) (any, error) { return y.r.Step(ctx, p, secret, "push", view.Pick{}) },
		"Gate":     func(p people.PersonID) (any, error) { return y.r.Gate(ctx, p, secret, "go") },
		"Timeline": func(p people.PersonID) (any, error) { return y.r.Timeline(ctx, p, secret, view.About{}) },
		"Picture": func(p people.PersonID) (any, error) {
			svg, err := y.r.Picture(ctx, p, secret, picture.Options{})
			return string(svg), err
		},
		"PNG": func(p people.PersonID) (any, error) {
			drawn, err := y.r.PNG(ctx, p, secret)
			return drawn.Name + " " + drawn.Alt, err
		},
		"Text":  func(p people.PersonID) (any, error) { return y.r.Text(ctx, p, secret, "checklist", "moved") },
		"Holds": func(p people.PersonID) (any, error) { return y.r.Holds(ctx, p, secret, y.first(t, secret)) },
		"Commit": func(p people.PersonID) (any, error) {
			c, _, err := y.r.Commit(ctx, p, secret, y.commit(t, secret))
			return c, err
		},
		"Mine": func(p people.PersonID) (any, error) { return y.r.Mine(ctx, p) },
		"Calendar": func(p people.PersonID) (any, error) {
			return y.r.Calendar(ctx, p, now.AddDate(0, -1, 0), now.AddDate(0, 2, 0))
		},
		"Queue":    func(p people.PersonID) (any, error) { return y.r.Queue(ctx, p) },
		"Status":   func(p people.PersonID) (any, error) { return y.r.Status(ctx, p) },
		"Sees":     func(p people.PersonID) (any, error) { return y.r.Sees(ctx, p, secret), nil },
		"search":   func(p people.PersonID) (any, error) { return y.r.Runs(ctx, p, view.Query{Text: "7777"}) },
		"the open": func(p people.PersonID) (any, error) { return y.r.Run(ctx, p, open) },
		"its lock": func(p people.PersonID) (any, error) { return y.r.Step(ctx, p, open, "push", view.Pick{}) },
	}
	methods := reflect.TypeOf(y.r)
	for i := range methods.NumMethod() {
		if name := methods.Method(i).Name; asks[name] == nil && name != "Changed" { // ids alone, asked about by Sees
			t.Errorf("nobody asks what %s shows to outsiders", name)
		}
	}
	gone := map[string]bool{"Run": true, "Line": true, "Step": true, "Gate": true, "Timeline": true, "Picture": true, "PNG": true, "Text": true, "Holds": true, "Commit": true}
	for name, ask := range asks {
		for _, p := range []people.PersonID{"oskar", ""} {
			got, err := ask(p)
			if gone[name] {
				if !errs.Is(err, errs.NotFound) {
					t.Errorf("%s for %q: %v %+v", name, p, err, got)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s for %q: %v", name, p, err)
			}
			tells(t, name+" for "+string(p), flat(got))
		}
		if got, err := ask("grace"); err != nil || name == "Sees" && got != true {
			t.Errorf("%s for its circle: %v %+v", name, err, got)
		}
	}
	q, err := y.r.Queue(ctx, "oskar")
	if err != nil || len(q.Locks) != 1 || q.Locks[0].Holder.Run != (view.Ref{Name: "a private run"}) || q.Locks[0].Holder.Scope != "" || q.Locks[0].Queue[0].Run.ID != open {
		t.Errorf("the lock: %v %+v", err, q.Locks)
	}
	list, err := y.r.Runs(ctx, "alan", view.Query{Text: "7777"})
	if err != nil || len(list.Runs) != 1 || !list.Runs[0].Private {
		t.Errorf("alan is of the circle: %v %+v", err, list)
	}
}

// The same for every page, and for what is sent to them.
func TestNoPageTellsOfAPrivateRun(t *testing.T) {
	y, secret, open := embargoed(t)
	base := "/runs/" + secret
	digest, commit := y.first(t, secret), y.commit(t, secret)
	for _, path := range []string{base, base + "/steps/push", base + "/steps/go", base + "/timeline", base + "/picture.svg", base + "/log/files", base + "/output/checklist?name=moved",
		base + "/body/" + digest, base + "/commits/" + commit, base + "/evidence", "/runs/7777.01", "/runs/release%2Flava%2F7777.01"} {
		w, never := y.do("oskar", http.MethodGet, path, nil), y.do("oskar", http.MethodGet, strings.ReplaceAll(path, secret, "r9999999"), nil)
		if w.Code != http.StatusNotFound || never.Code != http.StatusNotFound {
			t.Errorf("%s: %d, and for what never was %d", path, w.Code, never.Code)
		}
		if a, b := still(w.Body.String(), secret), still(never.Body.String(), "r9999999"); a != b {
			t.Errorf("%s: another page than for what never was:\n%s\n%s", path, a, b)
		}
		if in := y.do("grace", http.MethodGet, path, nil); in.Code != http.StatusOK && in.Code != http.StatusSeeOther {
			t.Errorf("%s for its circle: %d", path, in.Code)
		}
	}
	for _, path := range []string{"/runs", "/runs?q=7777", "/runs?requester=grace", "/runs?status=live", "/mine", "/calendar", "/queue", "/status", "/runs/" + open, "/runs/" + open + "/steps/push", "/runs/" + open + "/timeline?fine=1"} {
		page := y.page("oskar", path)
		tells(t, path, strings.NewReplacer(url.QueryEscape("7777"), "", `value="7777"`, "").Replace(page))
	}
	if w := y.do("oskar", http.MethodPost, base+"/say", url.Values{"id": {"x1"}, "command": {"release hold " + secret + " --reason codeword-hold"}}); w.Code != http.StatusNotFound {
		t.Errorf("an outsider says something to it: %d", w.Code)
	}
	if s, _, err := y.Engine.RunState(context.Background(), secret); err != nil || s.Hold != nil {
		t.Errorf("it is held: %v", err)
	}
	// A button of the circle says its line in the person's own room.
	y.press("grace", base, "hold", url.Values{"o.reason": {"codeword-hold"}})
	open1, err := y.Room.Messages("lava", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range open1 {
		tells(t, "the channel", m.Text+flat(m.Card))
	}
	if s, _, err := y.Engine.RunState(context.Background(), secret); err != nil || s.Hold == nil {
		t.Errorf("the button of the circle did nothing: %v", err)
	}
	if _, runs, _ := y.Engine.Changed(0); runs != nil {
		t.Error("the feed knows 0")
	}
}

// still is a page without the run's id, and without how far the streams are: they go on meanwhile.
func still(page, run string) string {
	return regexp.MustCompile(`data-position="[^"]*"`).ReplaceAllString(strings.ReplaceAll(page, run, "ID"), "")
}

// tells fails when a text holds a word of the private run.
func tells(t *testing.T, what, text string) {
	t.Helper()
	for _, word := range private() {
		if at := strings.Index(text, word); at >= 0 {
			t.Errorf("%s tells %s: …%s…", what, word, text[max(0, at-80):min(len(text), at+80)])
		}
	}
}

func flat(v any) string {
	var b strings.Builder
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.String:
			b.WriteString(v.String() + "\n")
		case reflect.Struct:
			for i := range v.NumField() {
				walk(v.Field(i))
			}
		case reflect.Slice, reflect.Array:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		case reflect.Map:
			for _, k := range v.MapKeys() {
				walk(k)
				walk(v.MapIndex(k))
			}
		case reflect.Pointer, reflect.Interface:
			if !v.IsNil() {
				walk(v.Elem())
			}
		}
	}
	walk(reflect.ValueOf(&v).Elem())
	return b.String()
}

func (y *yard) output(t *testing.T, run, step, name string) string {
	t.Helper()
	s, _, err := y.Engine.RunState(context.Background(), run)
	if err != nil {
		t.Fatal(err)
	}
	v, _ := s.Steps[step].Output[name].(string)
	return v
}

func (y *yard) first(t *testing.T, run string) string { return y.output(t, run, "files", "first") }

func (y *yard) commit(t *testing.T, run string) string { return y.output(t, run, "state", "commit") }
