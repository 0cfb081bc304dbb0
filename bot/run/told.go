package run

// Told is what made a wait look when it found what it waited for. Nothing is told of waits that ended
// before this was recorded.
type Told struct {
	By       ToldBy `json:"by"`
	Source   string `json:"source,omitempty"`   // of a hook
	Delivery string `json:"delivery,omitempty"` // of a hook: its number in the inbox
}

// ToldBy is the kind of what made a wait look.
type ToldBy string

// What makes a wait look. Hooks are hints: the look reads the fact itself, whatever brought it.
const (
	ToldByPoll  ToldBy = "poll"  // the slow look by itself
	ToldByHook  ToldBy = "hook"  // a delivery said that something happened
	ToldByStart ToldBy = "start" // Slipway was away, and looked when it was back
)

// String says it in words: "told by gitlab (delivery #17)".
func (t Told) String() string {
	switch t.By {
	case ToldByHook:
		text := "told by " + orElse(t.Source, "a hook")
		if t.Delivery != "" {
			text += " (delivery #" + t.Delivery + ")"
		}
		return text
	case ToldByPoll:
		return "found by polling"
	case ToldByStart:
		return "found when Slipway started again"
	}
	return ""
}

// ToldWords says what made the wait look; "" when that was not recorded.
func (st *Step) ToldWords() string {
	if st == nil || st.Told == nil {
		return ""
	}
	return st.Told.String()
}
