//go:build prove

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// axe names the file of axe-core, which judges how well pages can be used by everybody.
const axe = "SLIPWAY_AXE"

// waiting is a stage with a release that waits at its first gate, and where its page is.
func waiting(t *testing.T) (s *stage, hana *window, run string) {
	t.Helper()
	s = newStage(t, true, "")
	hana = s.open("hana", 1280, 900)
	hana.say("release 2019.01")
	hana.until("the card", `!!$('.card[data-kind="run"] a[href^="/runs/"]')`)
	hana.answer("checklist", "merged=true")
	tessa := s.open("tessa", 1280, 900)
	tessa.answer("tested", `good=true how="on two boards"`)
	hana.until("the gate", `!!$('.card[data-kind="gate"][data-state="waiting"]')`)
	return s, hana, find[string](hana, `$('.card[data-kind="run"] a[href^="/runs/"]').getAttribute("href")`)
}

// pages are one of each kind, with the name of its picture.
func pages(run string) [][2]string {
	return [][2]string{{"channel", "/c/" + demoChannel}, {"direct", "/c/@me"}, {"run", run}, {"step", run + "/steps/go"}, {"timeline", run + "/timeline"},
		{"runs", "/runs"}, {"mine", "/mine"}, {"calendar", "/calendar"}, {"queue", "/queue"}, {"status", "/status"},
		{"subscriptions", "/subscriptions"}, {"help", "/help"}, {"nothing", "/runs/none"}}
}

// TestBrowserPages looks at every page, in a wide window and on a phone, by day and by night: nothing
// sticks out, no script fails, and axe-core finds nothing serious.
func TestBrowserPages(t *testing.T) {
	source, err := os.ReadFile(os.Getenv(axe))
	if err != nil {
		t.Fatalf("%s must name axe.min.js of npm's axe-core, as make prove fetches it: %v", axe, err)
	}
	s, _, run := waiting(t)
	ben := s.open("ben", 1280, 900)
	for _, size := range []struct {
		name          string
		width, height int64
	}{{"desktop", 1280, 900}, {"phone", 360, 740}} {
		ben.do(chromedp.EmulateViewport(size.width, size.height))
		for _, dark := range []bool{false, true} {
			ben.dark(dark)
			colours := "light"
			if dark {
				colours = "dark"
			}
			for _, p := range pages(run) {
				ben.to(p[1])
				ben.shot(p[0] + "-" + size.name + "-" + colours)
				if over := find[int](ben, "document.scrollingElement.scrollWidth - innerWidth"); over > 0 {
					ben.fail("on a %s the page is %d pixels wider than the window", size.name, over)
				}
				ben.judge(string(source))
				if len(ben.faults) > 0 {
					ben.fail("the script failed: %s", <-ben.faults)
				}
			}
		}
	}
}

// judge lets axe-core look at the page.
func (w *window) judge(source string) {
	w.s.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	// Through the debugger, so that the page's own rules about scripts stay as they are.
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[chromedp.Void](source)); err != nil {
		w.fail("axe-core does not load: %v", err)
	}
	raw, err := chromedp.Run(ctx, chromedp.Evaluate[string](
		`axe.run(document, {resultTypes: ["violations"]}).then((r) => JSON.stringify(r.violations.map((v) => ({id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.map((n) => n.target.join(" ") + ": " + n.failureSummary)}))))`,
		chromedp.EvalAwaitPromise))
	if err != nil {
		w.fail("axe-core does not answer: %v", err)
	}
	var found []struct {
		ID, Impact, Help string
		Nodes            []string
	}
	if err := json.Unmarshal([]byte(raw), &found); err != nil {
		w.fail("axe-core said %q: %v", raw, err)
	}
	for _, v := range found {
		if v.Impact == "serious" || v.Impact == "critical" {
			w.fail("axe-core: %s (%s): %s\n%s", v.Help, v.ID, v.Impact, strings.Join(v.Nodes, "\n"))
		}
	}
}

// TestBrowserKeyboard releases with the keyboard alone: a line with completion, messages by j and k,
// an approval by Tab and Enter.
func TestBrowserKeyboard(t *testing.T) {
	s := newStage(t, true, "")
	hana := s.open("hana", 1280, 900)
	hana.until("the line", "!!$('main form[data-line] textarea')")
	hana.press("/")
	hana.until("the focus in the line", "document.activeElement.matches('form[data-line] textarea')")
	hana.key("r", "e", "l")
	hana.until("ways to go on", `$$('[role="listbox"] [role="option"]').some((o) => o.innerText.includes("release"))`)
	hana.key(kb.ArrowDown)
	hana.until("one that is chosen", `!!$('[role="option"][aria-selected="true"]')`)
	hana.key(kb.Tab)
	hana.until("the word", `document.activeElement.value.startsWith("release")`)
	value := find[string](hana, "document.activeElement.value")
	for _, c := range strings.TrimPrefix("release 2019.01", strings.TrimRight(value, " ")) {
		if c != ' ' || !strings.HasSuffix(value, " ") {
			hana.key(string(c))
		}
	}
	hana.until("the line", `document.activeElement.value?.trim() === "release 2019.01"`)
	hana.key(kb.Enter)
	hana.until("the card", `!!$('.card[data-kind="run"]')`)
	hana.answer("checklist", "merged=true")
	s.open("tessa", 1280, 900).answer("tested", `good=true how="on two boards"`)

	ben := s.open("ben", 1280, 900)
	ben.until("the gate", `!!$('.card[data-kind="gate"] [data-button^="approve/"]')`)
	ben.press("j")
	ben.until("a message in the focus", `document.activeElement.matches("[data-focus]")`)
	first := find[string](ben, `document.activeElement.closest(".message").id`)
	ben.press("k")
	ben.until("another message in the focus", fmt.Sprintf(`document.activeElement.closest(".message")?.id !== %q`, first))
	for range 200 {
		if find[bool](ben, `!!document.activeElement?.matches('[data-button^="approve/"]')`) {
			break
		}
		ben.key(kb.Tab)
	}
	if !find[bool](ben, `document.activeElement.matches('[data-button^="approve/"]:focus-visible')`) {
		ben.fail("the Tab key does not lead to Approve, or the focus is not shown there")
	}
	ben.key(kb.Enter)
	ben.reads("You approved.")
	ben.press("?")
	ben.until("the list of keys", `!!$("dialog[open]")`)
	ben.key(kb.Escape)
	ben.until("no list of keys", `!$("dialog[open]")`)
	ben.shot("keyboard")
}

// TestBrowserDoubt: the bot dies when it may have sent the announcement. The page says that nobody
// knows, with the evidence, and a person answers there.
func TestBrowserDoubt(t *testing.T) {
	s := newStage(t, false, "effect/mail.announce@1/after-do#1")
	hana, ben, chen := s.open("hana", 1280, 900), s.open("ben", 1280, 900), s.open("chen", 1280, 900)
	hana.say("release 2019.01")
	hana.until("the card", `!!$('.card[data-kind="run"] a[href^="/runs/"]')`)
	hana.answer("checklist", "merged=true")
	s.open("tessa", 1280, 900).answer("tested", `good=true how="on two boards"`)
	ben.approve("go")
	chen.approve("go")
	for _, w := range []*window{hana, ben, chen} {
		w.approve("publish")
	}
	hana.until("the doubt", `$$('.card[data-kind="run"]').some((c) => c.dataset.state === "doubtful")`)
	hana.to(find[string](hana, `$('.card[data-kind="run"] a[href^="/runs/"]').getAttribute("href")`))
	hana.until("the question", `!!$('[data-doubt="announce"]') && !!$('[data-awaits="doubtful"] form[data-action]')`)
	hana.shot("doubt")
	hana.mark()
	find[bool](hana, `($$('[data-awaits="doubtful"] form[data-action] button').find((b) => b.title.includes("happened")).click(), true)`)
	hana.until("the end", `$("#run-top .state").innerText.includes("done")`)
	hana.stays()
	hana.shot("run-done")
}
