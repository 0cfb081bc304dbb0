package slack

import (
	"regexp"
	"strings"
)

// standard are the emoji that the server knows, by Slack's names for them. Slack knows some 1,800
// and those that a workspace adds.
const standard = `✅ white_check_mark
✔️ heavy_check_mark
☑️ ballot_box_with_check
❌ x
❎ negative_squared_cross_mark
✖️ heavy_multiplication_x
👍 +1 thumbsup
👎 -1 thumbsdown
👀 eyes
🚀 rocket
🚢 ship
⚓ anchor
🎉 tada
⏳ hourglass_flowing_sand
⌛ hourglass
⏸️ double_vertical_bar
▶️ arrow_forward
⏩ fast_forward
⏭️ black_right_pointing_double_triangle_with_vertical_bar
🔁 repeat
🔄 arrows_counterclockwise
⚠️ warning
🚧 construction
🛑 octagonal_sign
⛔ no_entry
🚫 no_entry_sign
❓ question
❔ grey_question
❗ exclamation heavy_exclamation_mark
💬 speech_balloon
🔒 lock
🔓 unlock
🔑 key
📦 package
📝 memo pencil
📌 pushpin
📣 mega
🔔 bell
🔥 fire
🐛 bug
💥 boom collision
✨ sparkles
⭐ star
❤️ heart
💯 100
🙏 pray
👏 clap
👋 wave
🤖 robot_face
😀 grinning
😄 smile
🙂 slightly_smiling_face
🙁 slightly_frowning_face
😕 confused
😢 cry
🤔 thinking_face
🙌 raised_hands
✋ hand raised_hand
👌 ok_hand
✌️ v
🤷 shrug
🟢 large_green_circle
🟡 large_yellow_circle
🟠 large_orange_circle
🔴 red_circle
🔵 large_blue_circle blue_circle
⚪ white_circle
⚫ black_circle
🟩 large_green_square
🟥 large_red_square
🟨 large_yellow_square
⬜ white_large_square
⬛ black_large_square
⬆️ arrow_up
⬇️ arrow_down
➡️ arrow_right
⬅️ arrow_left
↩️ leftwards_arrow_with_hook
➕ heavy_plus_sign
➖ heavy_minus_sign
🆗 ok
🆕 new
ℹ️ information_source
🕐 clock1
⏰ alarm_clock
⏱️ stopwatch
🗑️ wastebasket
🧪 test_tube
🔧 wrench
🔨 hammer
🏁 checkered_flag
💤 zzz
🌊 ocean
📎 paperclip
📋 clipboard
📅 date
📈 chart_with_upwards_trend
🔗 link
🔍 mag
💡 bulb
📨 incoming_envelope
🎯 dart
🥇 first_place_medal
🤝 handshake
`

// emoji is a line of standard.
type emoji struct {
	char  string
	names []string
}

func emojis() (out []emoji) {
	for line := range strings.Lines(standard) {
		f := strings.Fields(line)
		out = append(out, emoji{f[0], f[1:]})
	}
	return out
}

var shortcode = regexp.MustCompile(`:([a-z0-9_+'-]+)(?:::(skin-tone-[2-6]))?:`)

// named writes emoji as Slack keeps them: by name, with colons.
func named(text string) string {
	ascii := true
	for i := range len(text) {
		ascii = ascii && text[i] < 0x80
	}
	if ascii {
		return text
	}
	var pairs []string
	for _, e := range emojis() {
		pairs = append(pairs, e.char, ":"+e.names[0]+":")
		if bare := strings.TrimSuffix(e.char, "\ufe0f"); bare != e.char && len(bare) > 2 {
			pairs = append(pairs, bare, ":"+e.names[0]+":")
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// drawn writes the names of emoji as what a person sees.
func drawn(text string) string {
	if !strings.Contains(text, ":") {
		return text
	}
	return shortcode.ReplaceAllStringFunc(text, func(code string) string {
		if char := picture(strings.Trim(code, ":")); char != "" {
			return char
		}
		return code
	})
}

// picture is the character of a name; "" when there is none.
func picture(name string) string {
	name, _, _ = strings.Cut(name, "::")
	for _, e := range emojis() {
		for _, n := range e.names {
			if n == name {
				return e.char
			}
		}
	}
	return ""
}

// shortName is the name of an emoji that somebody picks: a character, or a name with or without
// colons and with the tone of skin.
func shortName(emoji string) string {
	tone := ""
	for i, t := range []string{"\U0001F3FB", "\U0001F3FC", "\U0001F3FD", "\U0001F3FE", "\U0001F3FF"} {
		if bare, had := strings.CutSuffix(emoji, t); had {
			emoji, tone = bare, "::skin-tone-"+string(rune('2'+i))
		}
	}
	if n := named(emoji); strings.HasPrefix(n, ":") && strings.HasSuffix(n, ":") && n != emoji {
		emoji = n
	}
	return strings.Trim(emoji, ":") + tone
}

// knownEmoji says whether there is an emoji of a name, with or without a tone of skin.
func knownEmoji(name string) bool {
	if bare, tone, toned := strings.Cut(name, "::"); toned {
		return picture(bare) != "" && regexp.MustCompile(`^skin-tone-[2-6]$`).MatchString(tone)
	}
	return picture(name) != ""
}
