package grammar

import "slipway/bot/subscription"

// subscriptions are the commands about who is told what. The words of a subscription are read by
// package subscription: they are a sentence, and no list of arguments.
func subscriptions() []Entry {
	const (
		self   = "anybody for themselves and their own address; for a channel a maintainer or release manager of the project; for another's address a release manager"
		people = "a maintainer or release manager of the project"
	)
	key := Arg{Name: "key", Kind: ID, Help: "the key of what was told, as receipts shows it"}
	run := Arg{Name: "run", Kind: Run, Help: "a version or name, project/version, a full name, or an id; or the key of what was told"}
	what := Arg{Name: "what", Kind: Text, Optional: true, Variadic: true, Help: "a project, a family, how, and when: " + subscription.Usage}
	return []Entry{
		{Path: "subscribe", Args: []Arg{what}, Summary: "Be told what happens: in this channel, alone, or by mail; at once or together, and not in quiet hours.", Who: self,
			Examples: []string{"subscribe", "subscribe lava severity>=warning me", "subscribe lava release by mail", "subscribe * about=freeze here",
				"subscribe lava by mail list@example.org weekly mon 08:00 quiet 22:00-07:00 Europe/Berlin except urgent"}},
		{Path: "subscribe confirm", Args: []Arg{{Name: "code", Kind: ID, Help: "the code from the mail"}},
			Summary: "Agree that an address is told, with the code that was sent to it.", Who: "whoever was given the code",
			Examples: []string{"subscribe confirm 4f0c12ab.kWq1x2y3z4A5b6C7d8E9f0G1"}},
		{Path: "unsubscribe", Args: []Arg{what}, Summary: "Be told no more: by the id that subscriptions shows, by the same words as subscribe, or all.",
			Who: self + "; and whoever made the subscription", Examples: []string{"unsubscribe 4f0c12ab", "unsubscribe lava me", "unsubscribe all"}},
		{Path: "subscriptions", Args: []Arg{{Name: "project", Kind: Project, Optional: true, Help: "with those of others, for the people of that project"}},
			Summary: "List your subscriptions and those of this channel.", Who: "anybody", Examples: []string{"subscriptions", "subscriptions lava"}},
		{Path: "receipts", Args: []Arg{run}, Summary: "List what was told of a run, to whom, and when.", Who: "whoever may see the run", Examples: []string{"receipts 2019.01"}},
		{Path: "broadcast list", Summary: "List what was told last that belongs to no run, such as freezes.", Who: "anybody", Examples: []string{"broadcast list"}},
		{Path: "broadcast preview", Args: []Arg{run}, Summary: "Show what a run would tell, to whom and when, without telling it.", Who: "whoever may see the run",
			Examples: []string{"broadcast preview 2019.01"}},
		{Path: "broadcast correct", Args: []Arg{key, {Name: "text", Kind: Text, Variadic: true, Help: "what is right, in words"}},
			Summary: "Correct what was told: messages in chats are edited, addresses get one mail.", Who: people,
			Examples: []string{`broadcast correct 4f0c12ab34cd "the version is 2019.01.1"`}},
		{Path: "broadcast settle", Args: []Arg{key, {Name: "subscriber", Kind: Text, Help: "as receipts shows it, such as mail:list@example.org"},
			{Name: "verdict", Kind: Word, Choice: []string{"sent", "again"}, Help: "what became of it, or to have it sent again"}},
			Summary: "Say whether a message was sent of which nobody can tell, or have a failed one sent again.", Who: people,
			Examples: []string{"broadcast settle 4f0c12ab34cd mail:list@example.org sent"}},
		{Path: "broadcast bounced", Args: []Arg{{Name: "message", Kind: Text, Help: "Message-ID of the mail that came back"}},
			Options: []Option{{Name: "reason", Kind: Text, Required: true, Help: "what the mail server says"}},
			Summary: "Say that a mail to a subscriber came back; after three in a row nothing more is sent there.", Who: people,
			Examples: []string{`broadcast bounced news-4f0c12ab34cd@example.org --reason "no such user"`}},
	}
}
