//go:build prove

package chat

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	slackgo "github.com/slack-go/slack"

	"slipway/bot/card"
	"slipway/bot/picture"
	"slipway/bot/playbook"
	"slipway/bot/view"
	"slipway/integrations/slack/hook"
)

// shots is the folder in which pictures of the messages are kept for people to look at, if it is set.
const shots = "SLIPWAY_SHOTS"

// TestMessagesOnScreens draws each kind of message as Slack does, as wide as a phone and as a desktop:
// nothing is wider than the screen, and every word is there to be seen.
func TestMessagesOnScreens(t *testing.T) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is not installed: it draws the pages")
	}
	y := newYard(t)
	pages := y.pages()
	dir := os.Getenv(shots)
	if dir == "" {
		dir = t.TempDir()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	options := append(append([]chromedp.ExecAllocatorOption{}, chromedp.DefaultExecAllocatorOptions[:]...), chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(2*time.Minute))
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	for name, page := range pages {
		file := filepath.Join(t.TempDir(), name+".html")
		y.ok(os.WriteFile(file, page, 0o600))
		for screen, wide := range map[string]int64{"phone": 390, "desktop": 1280} {
			y.ok(chromedp.Do(ctx, chromedp.EmulateViewport(wide, 800), chromedp.Navigate("file://"+file)))
			real, err := chromedp.Run(ctx, chromedp.Evaluate[int64](`document.documentElement.scrollWidth`))
			y.ok(err)
			if real > wide {
				t.Errorf("%s on a %s is %d wide", name, screen, real)
			}
			tall, err := chromedp.Run(ctx, chromedp.Evaluate[int64](`document.documentElement.scrollHeight`))
			y.ok(err)
			cut, err := chromedp.Run(ctx, chromedp.Evaluate[string](`[...document.querySelectorAll("button")].filter(b => b.scrollWidth > b.clientWidth + 1).map(b => b.textContent).join("\n")`))
			y.ok(err)
			if cut != "" && name != "hostile" { // whoever writes 75 letters on a button sees the first
				t.Errorf("%s on a %s: the words on a button are cut: %s", name, screen, cut)
			}
			y.ok(chromedp.Do(ctx, chromedp.EmulateViewport(wide, min(tall, 6000))))
			png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
			y.ok(err)
			y.ok(os.WriteFile(filepath.Join(dir, "slack-"+name+"-"+screen+".png"), png, 0o600))
		}
	}
}

// pages are the messages by name, each as a page.
func (y *yard) pages() map[string][]byte {
	y.Helper()
	failed, doubtful := live(), live()
	failed.State, failed.Status = card.Failed, "failed on 2019-01-31 14:00 UTC, after 3 h 5 min"
	failed.Blocks[0].Steps[5] = card.Step{Name: "build[armel]", State: card.Failed, Detail: "exit status 2: make: *** [Makefile:7: all] Error 2"}
	doubtful.State = card.Doubtful
	doubtful.Blocks[0].Steps[5] = card.Step{Name: "upload", State: card.Doubtful, Detail: "the connection broke before an answer came; it may have been done"}
	closed := gateMessage()
	closed.State, closed.Closed = card.Done, "Approved by grace and alan."
	log := card.Card{Key: "log", Title: "built of release/harbour/2019.01", Mentions: []string{"hana"}, Blocks: []card.Block{{Text: "Did you mean hold?\n\nhold     stops a run\nresume   lets it go on"}}}
	out := map[string][]byte{}
	for name, c := range map[string]card.Card{"small": live(), "steps-200": big(200), "failed": failed, "doubtful": doubtful, "hostile": hostile(),
		"gate-open": gateMessage().Card(), "gate-closed": closed.Card(), "answer": log} {
		ref := y.post("page-"+name, y.room(), c)
		if name == "gate-open" {
			y.react(y.grace, ref, "white_check_mark")
		}
		out[name] = y.fake.PageOf(y.channel, ref.Message)
	}
	out["picture"] = y.pictured()
	out["form"] = y.form()
	return out
}

// pictured is a question, and its answer with a picture.
func (y *yard) pictured() []byte {
	y.Helper()
	book, err := playbook.Parse("p.yaml", []byte("playbook: p\nsteps:\n  ready: {do: git.state@1, doc: Look at the branch}\n  notes: {do: git.state@1, doc: Write the notes}\n"+
		"  go: {gate: \"2 of maintainer\", binds: [\"x\"], needs: [ready, notes], on_reject: sorry, doc: The team agrees}\n  sorry: {do: chat.broadcast@1, doc: Tell the channel}\n  push: {do: git.push_release@1, needs: [go], doc: Push the tag}\n"))
	y.ok(err)
	plan := picture.Lay(book)
	steps := map[string]picture.Step{"ready": {State: card.Done}, "notes": {State: card.Failed, Detail: "中文: no space left on device"}, "go": {State: card.Waiting, Awaited: true, Detail: "1 of 2 of maintainer"}}
	image, err := plan.PNG(steps, picture.Options{Title: "release/harbour/2019.01", AsOf: y.Now()})
	y.ok(err)
	asked := y.fake.Say(y.hana.ID, y.channel, "<@"+y.fake.App().User+"> release graph 2019.01", "")
	to := y.room()
	to.Thread = asked
	y.ok(y.poster.PostFile(y.Context(), to, File{Name: "run-456789abcdef.png", Title: "release/harbour/2019.01", Alt: plan.Words(steps), Content: image.PNG}))
	y.post("page-answer", to, card.Card{Key: "k", Title: "release/harbour/2019.01: 1 of 5 steps, asked for by edsger", Mentions: []string{"hana"},
		Blocks: []card.Block{{Text: plan.Words(steps) + "\nThe picture is in the file run-456789abcdef.png."}, {Links: []card.Link{{Text: "The page of this run", URL: "https://slipway.example/runs/r1"}}}}})
	return y.fake.PageOf(y.channel, asked)
}

// form is the modal that a button opens.
func (y *yard) form() []byte {
	y.Helper()
	ref := y.post("page-asks", y.room(), card.Card{Key: "asks", Title: "release/harbour/2019.01", State: card.Running, Blocks: []card.Block{
		{Buttons: []card.Button{{ID: hook.ActionForm + "answer/notes", Text: "Answer notes", Command: "r1 notes answer"}}}}})
	d, err := y.fake.Press(y.hana.ID, y.channel, ref.Message, "Answer notes")
	y.ok(err)
	body, err := url.ParseQuery(string(d.Body))
	y.ok(err)
	var pressed slackgo.InteractionCallback
	y.ok(json.Unmarshal([]byte(body.Get("payload")), &pressed))
	modal, err := (hook.Form{Title: "Answer notes", Text: "What is new?", Action: view.Action{ID: "answer", Text: "Answer", Command: "answer r1 notes", Fields: []view.Field{
		{Name: "headline", Type: "string", Help: "one line for the announcement", Required: true}, {Name: "urgent", Type: "bool", Help: "whether it hurries"},
		{Name: "suite", Type: "string", Choices: []string{"stable", "proposed"}, Value: "stable", Help: "where it goes"}, {Name: "count", Type: "int", Help: "of " + strconv.Itoa(9)}}}}).
		View(hook.Press{Account: "T0HARBOUR/" + y.hana.ID, Place: "T0HARBOUR/" + y.channel, Thread: ref.Message, Ref: "r1 notes answer"})
	y.ok(err)
	raw, err := json.Marshal(modal)
	y.ok(err)
	y.ok(y.client.Call(y.Context(), "slack.form", "views.open", url.Values{"trigger_id": {pressed.TriggerID}, "view": {string(raw)}}, nil, false))
	open := y.fake.Views(y.hana.ID)
	if len(open) != 1 || !strings.Contains(string(y.fake.ViewPage(open[0].ID)), "What is new?") {
		y.Fatalf("%d forms are open", len(open))
	}
	return y.fake.ViewPage(open[0].ID)
}
