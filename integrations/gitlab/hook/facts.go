package hook

import "time"

// Header is what a [Delivery] has beside its body.
type Header struct {
	Event string // X-Gitlab-Event
	Hook  string // name of the hook
}

// Known is what is known of a hook and of the bot, beside the delivery.
type Known struct {
	Project string // Slipway's name of the project
	ID      int64  // GitLab's number of the one project whose events come by this hook
	Bot     int64  // number of the bot's own account; 0: not known yet

	// ReadBack: GitLab was asked for it, no webhook told of it. Then a comment that was changed since is
	// a [Said] of its own, so that its author can be told; when a webhook tells of an edit, the comment
	// itself came before.
	ReadBack bool
}

// Fact is what a delivery says. The set is closed.
type Fact interface{ fact() }

// Said: a person wrote a new comment on an issue or a merge request.
type Said struct {
	Account string    // the author's number
	Handle  string    // the author's user name then; for showing alone
	Place   string    // PROJECTID/issues/IID or PROJECTID/merge_requests/IID
	Message string    // number of the note
	Thread  string    // id of the discussion; "" when GitLab did not say
	Text    string    // Markdown, as it was written
	At      time.Time // zero when GitLab did not say
	Changed bool      // it does not say what it said at first, perhaps by somebody else's hand: never obeyed
}

// Touched: an emoji was put on a comment, or taken away. Which ones are there now is read again.
type Touched struct {
	Place   string // as in [Said]
	Message string // number of the note
}

// Happened: something that waits and triggers may be about, under the name of the contract that
// reads it again. Fields are hints; a release rests on what is read.
type Happened struct {
	Name    string
	Project string
	Fields  map[string]any // text, truth, or int64
}

func (Said) fact()     {}
func (Touched) fact()  {}
func (Happened) fact() {}
