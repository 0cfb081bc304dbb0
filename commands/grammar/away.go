package grammar

// absences are the commands by which people say that they are not there.
func absences() []Entry {
	person := Arg{Name: "person", Kind: Person, Help: "a name as in people, or a mention"}
	until := Arg{Name: "date", Kind: Date, Help: "the day of being back; it begins at midnight UTC"}
	reason := Arg{Name: "reason", Kind: Text, Optional: true, Variadic: true, Help: "why, which everybody may read; \"stand-in NAME\" at its end is --stand-in"}
	options := []Option{{Name: "from", Kind: Date, Help: "the first moment; now if left out"},
		{Name: "stand-in", Kind: Person, Help: "who acts meanwhile: the roles are lent as by delegate, and the two count as one"}}
	const lead = "a release manager, or an admin"
	return []Entry{
		{Path: "away until", Args: []Arg{until, reason}, Options: options,
			Summary: "Say that you are away: you are not reminded or mentioned, and whoever waits for you is told.", Who: "anybody",
			Examples: []string{"away until 2019-02-03", "away until 2019-02-03 at sea", "away until 2019-02-03 stand-in ben", "away until 2019-02-03 --from 2019-01-28 --stand-in ben"}},
		{Path: "away", Args: []Arg{person, {Name: "until", Kind: Word, Choice: []string{"until"}, Help: "the word until"}, until, reason}, Options: options,
			Summary: "Say that somebody else is away.", Who: lead, Examples: []string{"away grace until 2019-02-03 ill"}},
		{Path: "away list", Summary: "List who is away, now and ahead.", Who: "anybody", Examples: []string{"away list"}},
		{Path: "back", Args: []Arg{{Name: "person", Kind: Person, Optional: true, Help: "whoever is back; you if left out"}},
			Summary: "End an absence before its day, with its stand-ins.", Who: "whoever is away, " + lead, Examples: []string{"back", "back grace"}},
	}
}
