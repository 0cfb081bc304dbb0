//go:build prove

package main

import (
	"fmt"
	"testing"
)

// approve presses Approve on the open gate of that name.
func (w *window) approve(gate string) {
	w.s.t.Helper()
	w.until("the gate "+gate, fmt.Sprintf(`$$('.card[data-kind="gate"][data-state="waiting"]').some((c) => c.querySelector(".card-title").innerText.includes("gate %s") && c.querySelector('[data-button^="approve/"]'))`, gate))
	find[bool](w, fmt.Sprintf(`($$('.card[data-kind="gate"][data-state="waiting"]').find((c) => c.querySelector(".card-title").innerText.includes("gate %s")).querySelector('[data-button^="approve/"]').click(), true)`, gate))
}

// TestBrowserRelease: three people, three windows of one browser, one release; the bot is killed in
// the middle, and what is clicked then is neither lost nor done twice.
func TestBrowserRelease(t *testing.T) {
	s := newStage(t, true, "")
	hana, ben, chen := s.open("hana", 1280, 900), s.open("ben", 1280, 900), s.open("chen", 1280, 900)
	hana.shot("welcome")
	for _, w := range []*window{hana, ben, chen} {
		w.mark()
	}
	hana.say("release 2019.01")
	for _, w := range []*window{hana, ben, chen} {
		w.until("the card", `!!$('.card[data-kind="run"]')`)
	}
	hana.answer("checklist", "merged=true")
	tessa := s.open("tessa", 1280, 900)
	tessa.answer("tested", `good=true how="on two boards"`)

	// Who asked for it may not agree to it, and is told why.
	hana.approve("go")
	hana.reads("does not count")
	hana.shot("refused")
	ben.shot("gate")

	s.vanish()
	ben.until("the loss", `$("#connection").dataset.connection !== "live"`)
	ben.approve("go")
	ben.reads("Not sent yet")
	ben.shot("away")
	chen.say("mine")
	s.appear()
	for _, w := range []*window{hana, ben, chen} {
		w.until("the connection", `["live", "back"].includes($("#connection").dataset.connection)`)
	}
	ben.until("what was clicked", `!document.body.innerText.includes("Not sent yet")`)
	ben.reads("You approved.")
	chen.until("Ben's approval", `$$(".chip[data-emoji='✅']").some((c) => c.innerText.includes("Ben"))`)
	if n := find[int](chen, `$$(".message:not(.reply) .text").filter((p) => p.innerText === "mine").length`); n != 1 {
		chen.fail("mine stands there %d times", n)
	}

	chen.approve("go")
	for _, w := range []*window{hana, ben, chen} {
		w.approve("publish")
	}
	for _, w := range []*window{hana, ben, chen} {
		w.until("the end", `$$('.card[data-kind="run"]').some((c) => c.dataset.state === "done")`)
		w.stays()
	}
	hana.shot("done")
}
