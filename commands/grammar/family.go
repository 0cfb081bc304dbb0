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

	Check   func(subject string) error
	Suggest func(subject string) string
}

// PlaybookName is the playbook that a start of the family runs.
func (f Family) PlaybookName() string {
	if f.Playbook == "" {
		return f.Name
	}
	return f.Playbook
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
	path, verb := f.Name, VerbStart
	if f.Start != "" {
		path = f.Name + " " + f.Start
	}
	const owner = "the run's owner, or a maintainer of its project"
	entries := []Entry{
		{Path: path, Verb: verb, Args: []Arg{f.Subject, {Name: "project", Kind: Project, Optional: true, Help: "the channel's project if left out"}},
			Options: []Option{
				{Name: "plan", Kind: Flag, Help: "only show steps, gates, people and digests"},
				{Name: "private", Kind: Flag, Help: "only the run's circle sees it until it is opened"},
				{Name: "circle", Kind: Text, Help: "with --private: who sees it besides you, separated by commas"},
				{Name: "match", Kind: ID, Help: "digest of a plan; refused if the run would differ from it"},
			},
			TakesInput: true, Inputs: f.Inputs, Summary: f.Summary, Who: f.Who, Examples: f.Examples, Check: f.Check, Suggest: f.Suggest},
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
	}
	for i := range entries {
		entries[i].Family = f.Name
		if entries[i].Path == "" {
			entries[i].Path = f.Name + " " + entries[i].Verb
		}
	}
	return entries
}
