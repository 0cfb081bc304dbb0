package picture

import (
	"fmt"
	"strings"

	"slipway/bot/card"
)

// Style is the style sheet of a picture, light and dark. A page that shows a fragment includes it
// once; a page that lets people choose sets data-theme="light" or "dark" on its root element.
func Style() string {
	var b strings.Builder
	b.WriteString(shared)
	b.WriteString(colours(".sw", false))
	fmt.Fprintf(&b, "@media (prefers-color-scheme:dark){%s}\n", colours(`:root:not([data-theme=light]) .sw`, true))
	b.WriteString(colours(`:root[data-theme=dark] .sw`, true))
	return b.String()
}

// alone is the style sheet of a file of its own.
func alone() string {
	return shared + colours(".sw", false) + fmt.Sprintf("@media (prefers-color-scheme:dark){%s}\n", colours(".sw", true))
}

// shared is what does not depend on light or dark.
const shared = `.sw text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",sans-serif;font-size:11px}
.sw .sw-id{font-size:13px;font-weight:600}
.sw .sw-h{font-size:18px;font-weight:600}
.sw .sw-try,.sw .sw-on,.sw .sw-l{font-size:10.5px;font-weight:600}
.sw .sw-m{text-anchor:middle}
.sw .sw-r{text-anchor:end}
.sw .sw-b{stroke-width:1.4}
.sw .sw-i,.sw .sw-e{fill:none;stroke-linecap:round;stroke-linejoin:round}
.sw .sw-i{stroke-width:1.4}
.sw .sw-e{stroke-width:1.5}
.sw .sw-any,.sw .sw-tip.sw-any{stroke-dasharray:2 4}
.sw .sw-fails,.sw .sw-rejected{stroke-dasharray:6 4}
.sw .sw-tip{stroke:none}
.sw .sw-skipped .sw-b,.sw .sw-stale .sw-b,.sw .sw-undone .sw-b{stroke-dasharray:5 3}
.sw .sw-running .sw-b,.sw .sw-stuck .sw-b,.sw .sw-failed .sw-b,.sw .sw-doubtful .sw-b,.sw .sw-held .sw-b{stroke-width:2.4}
.sw .sw-awaited .sw-b{stroke-width:3}
.sw .sw-stack{stroke-width:1.2}
.sw a{text-decoration:none}
.sw a:focus{outline:none}
.sw a:focus-visible .sw-b,.sw a:hover .sw-b{stroke-width:3.4}
.sw .sw-running .sw-b{stroke-dasharray:14 5;animation:sw-go 1.2s linear infinite}
@keyframes sw-go{to{stroke-dashoffset:-19}}
@media (prefers-reduced-motion:reduce){.sw .sw-running .sw-b{animation:none;stroke-dasharray:none}}
`

// colours are the rules that differ between light and dark, for elements under at.
func colours(at string, dark bool) string {
	var b strings.Builder
	rule := func(sel, what string) {
		for i, s := range strings.Split(sel, ",") {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(at + " " + s)
		}
		b.WriteString("{" + what + "}\n")
	}
	pick := func(light, night string) string {
		if dark {
			return night
		}
		return light
	}
	rule(".sw-bg", "fill:"+pick("#ffffff", "#10141a"))
	rule("text", "fill:"+pick("#1b2330", "#e8ecf2"))
	rule(".sw-t,.sw-try", "fill:"+pick("#4d5868", "#aeb8c5"))
	rule(".sw-on", "fill:"+pick("#1b2330", "#ffffff"))
	rule(".sw-i", "stroke:"+pick("#3b4656", "#c3ccd8"))
	rule(".sw-b", "fill:"+pick("#f7f9fc", "#1a212b")+";stroke:"+pick("#8a96a8", "#6d7a8d"))
	rule(".sw-in", "fill:"+pick("#f4f6f9", "#151a21")+";stroke:"+pick("#8a96a8", "#6d7a8d"))
	rule(".sw-stack", "fill:"+pick("#eef1f5", "#141a22")+";stroke:"+pick("#a5afbd", "#566273"))
	rule(".sw-e", "stroke:"+pick("#aab3c0", "#566273"))
	rule(".sw-tip", "fill:"+pick("#8d98a7", "#76849a"))
	rule(".sw-e.sw-past", "stroke:"+pick("#3f9d5f", "#4fae72"))
	rule(".sw-tip.sw-past", "fill:"+pick("#3f9d5f", "#4fae72"))
	rule(".sw-e.sw-fails,.sw-e.sw-rejected", "stroke:"+pick("#c25555", "#d97878"))
	rule(".sw-tip.sw-fails,.sw-tip.sw-rejected", "fill:"+pick("#c25555", "#d97878"))
	rule(".sw-lb", "fill:"+pick("#ffffff", "#10141a"))
	rule(".sw-l", "fill:"+pick("#a63a3a", "#f0a0a0"))
	rule(".sw-who", "fill:"+pick("#ffd65c", "#ffd65c")+";stroke:"+pick("#7a5600", "#ffd65c"))
	rule(".sw-who-t", "fill:#3a2900")
	rule(".sw-who-i", "stroke:#3a2900;fill:none")
	for _, s := range states() {
		t := s.light
		if dark {
			t = s.dark
		}
		rule(".sw-"+string(s.state)+" .sw-b", fmt.Sprintf("fill:%s;stroke:%s", t.ground, t.edge))
		rule(".sw-d-"+string(s.state), "fill:"+t.disc)
	}
	not := lookOf(card.Pending).light
	if dark {
		not = lookOf(card.Pending).dark
	}
	rule(".sw-d-pending", fmt.Sprintf("fill:%s;stroke:%s;stroke-width:1.6", not.ground, not.edge))
	rule(".sw-awaited .sw-b", "stroke:"+pick("#b27d00", "#ffd65c"))
	rule("a:focus-visible .sw-b", "stroke:"+pick("#0b57d0", "#8ab4ff"))
	// The kinds, where no state is shown.
	rule(".sw-k-gate .sw-b", "fill:"+pick("#fff3dd", "#33270c")+";stroke:"+pick("#bd8413", "#d9a94a"))
	rule(".sw-k-ask .sw-b,.sw-k-collect .sw-b,.sw-k-by_hand .sw-b", "fill:"+pick("#eaf2ff", "#14263f")+";stroke:"+pick("#4d7fc4", "#74a5e8"))
	rule(".sw-k-wait .sw-b", "fill:"+pick("#f2effa", "#231d38")+";stroke:"+pick("#8268bd", "#a58fdd"))
	rule(".sw-k-call .sw-b,.sw-k-offer .sw-b", "fill:"+pick("#e9f6f4", "#0f2d2a")+";stroke:"+pick("#3b958a", "#5fbdb1"))
	return b.String()
}
