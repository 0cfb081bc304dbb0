package slack

import (
	"strings"
	"testing"
	"time"
)

func TestWhatAPersonSees(t *testing.T) {
	h := newHarbour(t, Options{})
	h.s.SetUser(h.bo, func(u *User) { u.DisplayName = "Bo the Builder" })
	ts := h.card()
	h.must(h.s.React(h.ada, h.quay, ts, "✅"))
	h.pass(time.Minute)
	h.s.Say(h.bo, h.quay, "ping <@"+h.ada+"> & *all* `x < y`", ts)
	h.s.SayToAll(h.ada, h.quay, "<!channel> see <https://x.example/|here>", ts)
	h.good("chat.postMessage", "channel", h.quay, "text", "x", "blocks", `[{"type":"rich_text","elements":[{"type":"rich_text_list","style":"bullet","elements":[
		{"type":"rich_text_section","elements":[{"type":"text","text":"<b> of "},{"type":"user","user_id":"`+h.bo+`"}]}]}]},
		{"type":"context","elements":[{"type":"plain_text","text":"quiet"}]},{"type":"section","fields":[{"type":"mrkdwn","text":"*Who*\nada"},{"type":"plain_text","text":"b"}]}]`)
	want := `Slipway [app] 09:00:00
  Release
  [Approve] [Stop]
  ✅ Ada Anchor
    Bo the Builder 09:01:00
      ping @Ada Anchor & all x < y
    Ada Anchor 09:01:00
      @channel see here
Slipway [app] 09:01:00
  • <b> of @Bo the Builder
  · quiet
  Who: ada | b
`
	if got := h.s.Rendered(h.quay); got != want {
		t.Errorf("seen:\n%s\nwant:\n%s", got, want)
	}
	page := string(h.s.Page(h.quay))
	for _, part := range []string{"<b>Release</b>", `<button class="primary">Approve</button>`, "&lt;b&gt; of ", `<span class="mention">@Ada Anchor</span>`,
		"<code>x &lt; y</code>", `<a href="#">here</a>`, `<span>✅ 1</span>`, "<b>all</b>"} {
		if !strings.Contains(page, part) {
			t.Errorf("the page has no %q", part)
		}
	}
	if strings.Contains(page, "<b> of") {
		t.Error("what was said becomes HTML")
	}
}

func TestMarkupIsDrawnAsSlackDoes(t *testing.T) {
	h := newHarbour(t, Options{})
	for text, want := range map[string]string{
		"*a* _b_ ~c~":         "<b>a</b> <i>b</i> <s>c</s>",
		"2*3*4 a_b_c":         "2*3*4 a_b_c",
		"```\n<x> *y*\n```":   "<pre>&lt;x&gt; *y*\n</pre>",
		"&gt; said\nthen":     "<blockquote>said</blockquote>then",
		"&lt;script&gt;":      "&lt;script&gt;",
		":rocket: :not_one:":  "🚀 :not_one:",
		"<#" + h.quay + ">":   `<span class="mention">#quay</span>`,
		"<mailto:a@b.c|mail>": `<a href="#">mail</a>`,
	} {
		if got := h.s.mrkdwn(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
