package grammar

// links are the commands by which people link their accounts.
func links() []Entry {
	code := Arg{Name: "code", Kind: ID, Help: "the one-time code, as it was shown"}
	return []Entry{
		{Path: "link", Args: []Arg{{Name: "what", Kind: ID, Optional: true, Help: "a chat, to get a one-time code for an account there; or the code, said to me alone with that account"},
			{Name: "person", Kind: Person, Optional: true, Help: "of an admin, for a person who has no account yet"}},
			Summary: "Link another account of yours: ask for a code where I know you, then type it to me alone with the other account.",
			Who:     "anybody; a code, any account", Examples: []string{"link", "link slack", "link K7QM-X2PD"}},
		{Path: "link confirm", Args: []Arg{code}, Summary: "Say yes to a link, on each of its two sides, to me alone.", Who: "the two accounts that are to be linked", Examples: []string{"link confirm K7QM-X2PD"}},
		{Path: "link list", Args: []Arg{{Name: "person", Kind: Person, Optional: true, Help: "a name as in people; you if left out"}},
			Options: []Option{{Name: "log", Kind: Flag, Help: "what happened with everybody's accounts, newest first; for admins"}},
			Summary: "List the accounts of a person, and since when they are linked.", Who: "anybody", Examples: []string{"link list", "link list grace", "link list --log"}},
		{Path: "unlink", Args: []Arg{{Name: "account", Kind: ID, Help: "as link list shows it"}}, Summary: "Take an account away from the person that it was linked to. It is nobody's then, in open gates too.",
			Who: "whose account it is, or an admin", Examples: []string{"unlink slack:T024BE7LD/U0G9QF9C6"}},
	}
}
