package grammar

// Family is a kind of process people start and follow: release, pilot, rollout, instance, rebuild.
// The commands of every family are the same but for the way it is started.
type Family struct {
	Name     string // the first word of its commands
	Start    string // the word that starts a run, "" when the subject follows the name at once
	Playbook string // what a start runs; the name of the family if ""
	Subject  Arg    // what is started: version, name …
	Summary  string // of the start command, one sentence
	Who      string // who may start one
	Inputs   []Input
	Examples []string // of the start command
	Sample   string   // a subject for the examples of the other commands, e.g. "2019.01"
	Starts   []Start  // other ways to start: "release undo 2019.01"

	Check   func(subject string) error
	Suggest func(subject string) string
}

// Start is one more way to start a run of a family, by a word of its own.
type Start struct {
	Word     string // after the name of the family: "undo"
	Playbook string // what it runs
	Subject  Arg    // what is started; without a name: nothing but the project
	Summary  string // one sentence
	Who      string // who may start one; that of the family if ""
	Inputs   []Input
	Reason   string // what --reason is for, which is required then and becomes the input reason
	Examples []string

	Check   func(subject string) error
	Suggest func(subject string) string
}

// StartAt finds the way to start whose command has that path.
func (f Family) StartAt(path string) (Start, bool) {
	for _, s := range f.starts() {
		if f.path(s.Word) == path {
			return s, true
		}
	}
	return Start{}, false
}

// starts are all ways to start; the one of the family itself is the first.
func (f Family) starts() []Start {
	return append([]Start{{Word: f.Start, Playbook: f.PlaybookName(), Subject: f.Subject, Summary: f.Summary, Who: f.Who,
		Inputs: f.Inputs, Examples: f.Examples, Check: f.Check, Suggest: f.Suggest}}, f.Starts...)
}

// path is that of a command of the family; "" is the name alone.
func (f Family) path(word string) string {
	if word == "" {
		return f.Name
	}
	return f.Name + " " + word
}

// entry is the command that starts a run so.
func (s Start) entry(f Family) Entry {
	e := Entry{Path: f.path(s.Word), Verb: VerbStart,
		Options: []Option{
			{Name: "plan", Kind: Flag, Help: "only show steps, gates, people and digests"},
			{Name: "private", Kind: Flag, Help: "only the run's circle sees it until it is opened"},
			{Name: "circle", Kind: Text, Help: "with --private: who sees it besides you, separated by commas"},
			{Name: "match", Kind: ID, Help: "digest of a plan; refused if the run would differ from it"},
		},
		TakesInput: true, Inputs: s.Inputs, Summary: s.Summary, Who: s.Who, Examples: s.Examples, Check: s.Check, Suggest: s.Suggest}
	if e.Who == "" {
		e.Who = f.Who
	}
	if s.Subject.Name != "" {
		e.Args = append(e.Args, s.Subject)
	}
	e.Args = append(e.Args, Arg{Name: "project", Kind: Project, Optional: true, Help: "the channel's project if left out"})
	if s.Reason != "" {
		e.Options = append(e.Options, Option{Name: "reason", Kind: Text, Required: true, Help: s.Reason})
	}
	return e
}

// PlaybookName is the playbook that a start of the family runs.
func (f Family) PlaybookName() string {
	if f.Playbook == "" {
		return f.Name
	}
	return f.Playbook
}

// Playbooks are all that the starts of the family run; the one of the family itself is the first.
func (f Family) Playbooks() []string {
	var out []string
	for _, s := range f.starts() {
		out = append(out, s.Playbook)
	}
	return out
}

// VerbStart is the Verb of a family's start command.
const VerbStart = "start"

// Release is the family of software releases; its version rule is the caller's.
func Release(check func(string) error, suggest func(string) string) Family {
	return Family{
		Name:    "release",
		Subject: Arg{Name: "version", Kind: Version, Help: "the version to release, with a two-digit month"},
		Summary: "Start a release; with --plan only show what would happen and who would be asked.",
		Who:     "whoever has the role that the playbook names for a start",
		Sample:  "2019.01",
		Examples: []string{
			"release 2019.01",
			"release 2019.01 lava --plan",
			"release 2019.01 milestone=2019.01 --private --circle grace,alan",
		},
		Check: check, Suggest: suggest,
		Starts: releaseStarts(),
	}
}

// releaseStarts are what follows a release, or happens between two.
func releaseStarts() []Start {
	of := func(help string) Arg { return Arg{Name: "version", Kind: Version, Help: help} }
	return []Start{
		{Word: "undo", Playbook: "release-undo", Subject: of("the bad release, or the version of the package as apt shows it"),
			Summary: "Take a bad version out of the archive; with installed=true also for clients that have installed it.",
			Reason:  "why it goes, in words; clients read it",
			Inputs: []Input{
				{Name: "installed", Kind: Word, Help: "true: clients get a higher version with the earlier content"},
				{Name: "suite", Kind: Word, Help: "only this suite"},
			},
			Examples: []string{`release undo 2019.02 --reason "jobs are lost"`, `release undo 2019.02 installed=true --reason "jobs are lost"`}},
		{Word: "promote", Playbook: "release-promote", Subject: of("the version that was tried"),
			Summary:  "Take a version that was tried in another suite into the suites of releases.",
			Inputs:   []Input{{Name: "from", Kind: Word, Help: "the suite where it was tried; proposed if left out"}},
			Examples: []string{"release promote 2019.02", "release promote 2019.02 from=testing"}},
		{Word: "leftovers", Playbook: "release-leftovers", Subject: of("the release whose milestone is to be emptied"),
			Summary:  "Move what is open in a release's milestone to the next one, so that the release goes on.",
			Inputs:   []Input{{Name: "to", Kind: Word, Help: "the milestone that gets it; it is made if it is not there"}},
			Examples: []string{"release leftovers 2019.01 to=2019.02", "release leftovers 2019.01 lava to=2019.02"}},
		{Word: "refresh", Playbook: "release-refresh",
			Summary:  "Give the archive a new date now, if the one it has is more than half used up.",
			Examples: []string{"release refresh", "release refresh lava"}},
		{Word: "daily", Playbook: "release-daily",
			Summary:  "Build the branch for the daily suites now, if anything changed.",
			Examples: []string{"release daily", "release daily lava --plan"}},
		{Word: "debian", Playbook: "release-debian", Subject: of("a release that is in the archive"),
			Summary:  "Upload a release to Debian: prepared, approved, signed and sent by people.",
			Inputs:   []Input{{Name: "suite", Kind: Word, Help: "the suite of Debian; unstable if left out"}},
			Examples: []string{"release debian 2019.01", "release debian 2019.01 suite=experimental"}},
	}
}

// Entries are the commands of the family.
func (f Family) Entries() []Entry {
	run := Arg{Name: "run", Kind: Run, Help: "a version or name, project/version, a full name, or an id"}
	step := Arg{Name: "step", Kind: Step, Help: "a step of the run, as shown by " + f.Name + " show"}
	maybe := func(a Arg) Arg { a.Optional = true; return a }
	reason := Option{Name: "reason", Kind: Text, Required: true, Help: "why, in words; it is kept and shown"}
	on := f.Name + " "
	s := f.Sample
	if s == "" {
		s = "example"
	}
	const owner = "the run's owner, or a maintainer of its project"
	var entries []Entry
	for _, way := range f.starts() {
		entries = append(entries, way.entry(f))
	}
	entries = append(entries, []Entry{
		{Verb: "list", Args: []Arg{{Name: "project", Kind: Project, Optional: true}},
			Options: []Option{{Name: "all", Kind: Flag, Help: "also those that have ended"}},
			Summary: "List the runs, newest first.", Who: "anybody", Examples: []string{on + "list", on + "list lava --all"}},
		{Verb: "show", Args: []Arg{run, maybe(step)}, Summary: "Show a run, or one step of it with its outputs.",
			Who: "whoever may see the run", Examples: []string{on + "show " + s, on + "show " + s + " go"}},
		{Verb: "why", Args: []Arg{run, maybe(step)}, Options: []Option{{Name: "as-of", Kind: Date, Help: "as it was then"}},
			Summary: "Say why a run waits, or why a step is as it is.", Who: "whoever may see the run",
			Examples: []string{on + "why " + s, on + "why " + s + " go --as-of 2019-01-31"}},
		{Verb: "who", Args: []Arg{run, maybe(step)}, Summary: "Say who can move a run on.", Who: "whoever may see the run",
			Examples: []string{on + "who " + s}},
		{Verb: "runbook", Args: []Arg{run}, Options: []Option{{Name: "from", Kind: Number, Help: "the first step to show, by its number"}},
			Summary: "Print what is left of a run as shell commands, for the day the bot is down.",
			Who:     "whoever may see the run", Examples: []string{on + "runbook " + s, on + "runbook " + s + " --from 12"}},
		f.graph(run, s),
		{Verb: "history", Args: []Arg{run}, Options: []Option{{Name: "from", Kind: Number, Help: "the first event to show"}},
			Summary: "List all that happened in a run.", Who: "whoever may see the run", Examples: []string{on + "history " + s}},
		{Verb: "hold", Args: []Arg{run}, Options: []Option{{Name: "now", Kind: Flag, Help: "also take back jobs that are running"}, {Name: "reason", Kind: Text, Help: "why, in words"}},
			Summary: "Start nothing new in a run until it is resumed.", Who: owner,
			Examples: []string{on + "hold " + s, on + "hold " + s + ` --reason "the mirror is full"`, on + "hold " + s + ` --now --reason "wrong branch"`}},
		{Verb: "resume", Args: []Arg{run}, Summary: "End a hold.", Who: "who set the hold, or a maintainer of the project", Examples: []string{on + "resume " + s}},
		{Verb: "retry", Args: []Arg{run, maybe(step)}, Options: []Option{{Name: "from", Kind: Step, Help: "try this step and all that follows again"}},
			TakesInput: true, Inputs: f.Inputs, Summary: "Try a failed step again, with other inputs if any are given.", Who: owner,
			Examples: []string{on + "retry " + s, on + "retry " + s + " images", on + "retry " + s + " --from changelog"}},
		{Verb: "skip", Args: []Arg{run, step}, Options: []Option{reason}, Summary: "Go on without a step, where the playbook allows it.",
			Who: "whom the step's may_skip names", Examples: []string{on + "skip " + s + ` images --reason "no image changed"`}},
		{Verb: "again", Args: []Arg{run, step}, Options: []Option{reason}, TakesInput: true, Summary: "Do again what was already done and not undone, after seeing what was done.",
			Who: owner, Examples: []string{on + "again " + s + ` announce --reason "the list was down"`}},
		{Verb: "abort", Args: []Arg{run}, Options: []Option{reason}, Summary: "End a run: wait for what is in flight, then offer an undo plan.",
			Who: owner, Examples: []string{on + "abort " + s + ` --reason "the archive is broken"`}},
		{Verb: "rename", Args: []Arg{run, {Name: "to", Kind: f.Subject.Kind, Help: "the new " + f.Subject.Name}},
			Summary: "Give a run another name; refused once something that cannot be undone has used the old one.",
			Who:     owner, Examples: []string{on + "rename " + s + " " + s + "1"}},
		{Verb: "migrate", Args: []Arg{run}, Options: []Option{{Name: "plan", Kind: Flag, Help: "only show what would change"}, {Name: "reason", Kind: Text, Help: "why, in words"}},
			Summary: "Move a run to the present playbook and configuration; gates are asked anew.", Who: owner,
			Examples: []string{on + "migrate " + s + " --plan", on + "migrate " + s + ` --reason "the upload moved to another host"`}},
		{Verb: "open", Args: []Arg{run}, Summary: "End the privacy of a private run.", Who: owner, Examples: []string{on + "open " + s}},
		{Verb: "adopt", Args: []Arg{f.Subject, {Name: "project", Kind: Project, Optional: true}}, TakesInput: true, Inputs: f.Inputs,
			Summary: "Take over work that was begun by hand: find what is already done, ask for its approval, do the rest.",
			Who:     f.Who, Examples: []string{on + "adopt " + s}, Check: f.Check, Suggest: f.Suggest},
		{Verb: "undo-plan", Args: []Arg{run}, Summary: "Show what an aborted run has left behind and how each part is undone.",
			Who: "whoever may see the run", Examples: []string{on + "undo-plan " + s}},
		{Verb: "undo-confirm", Args: []Arg{run, {Name: "steps", Kind: Step, Optional: true, Variadic: true, Help: "these only; the whole plan if left out"}},
			Summary: "Let the undo plan run, whole or in part.", Who: owner,
			Examples: []string{on + "undo-confirm " + s, on + "undo-confirm " + s + " tag upload"}},
	}...)
	for i := range entries {
		entries[i].Family = f.Name
		if entries[i].Path == "" {
			entries[i].Path = f.Name + " " + entries[i].Verb
		}
	}
	return entries
}
