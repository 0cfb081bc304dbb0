package grammar

// graph is the command that draws a run, beside those that tell of it in words.
func (f Family) graph(run Arg, sample string) Entry {
	return Entry{Verb: "graph", Args: []Arg{run}, Summary: "Draw a run: its steps, how each of them stands, and what comes after what.",
		Who: "whoever may see the run", Examples: []string{f.Name + " graph " + sample}}
}
