package grammar

// Standard is the table of all commands: those of every family and those that belong to none.
func Standard(families ...Family) (*Table, error) {
	entries := append(append(append(general(), subscriptions()...), absences()...), links()...)
	for _, f := range families {
		entries = append(entries, f.Entries()...)
	}
	return New(entries...)
}

func general() []Entry {
	run := Arg{Name: "run", Kind: Run, Help: "a version or name, project/version, a full name, or an id"}
	step := Arg{Name: "step", Kind: Step, Help: "a step of the run"}
	gate := Arg{Name: "gate", Kind: Gate, Optional: true, Help: "the gate; may be left out when only one is open"}
	person := Arg{Name: "person", Kind: Person, Help: "a name as in people, or a mention"}
	role := Arg{Name: "role", Kind: Role, Help: "the name of a role"}
	project := Arg{Name: "project", Kind: Project, Help: "a project's name"}
	lock := Arg{Name: "lock", Kind: Lock, Help: "a lock's name, e.g. archive/stable"}
	reason := Option{Name: "reason", Kind: Text, Required: true, Help: "why, in words; it is kept and shown"}
	manifest := Option{Name: "manifest", Kind: ID, Help: "digest of what you saw; refused if the gate shows something else by now"}
	from := func(required bool) Option {
		return Option{Name: "from", Kind: Date, Required: required, Help: "the first moment"}
	}
	until := func(required bool) Option {
		return Option{Name: "until", Kind: Date, Required: required, Help: "the last moment"}
	}
	const (
		anybody  = "anybody"
		approver = "whom the gate's rule counts"
		operator = "an operator"
		lead     = "a release manager of the project; an operator for all projects"
		may      = "the run's owner, or a maintainer of its project"
	)
	return []Entry{
		{Path: "approve", Args: []Arg{run, gate}, Options: []Option{manifest},
			Summary: "Say yes to what an open gate shows.", Who: approver,
			Examples: []string{"approve 2019.01", "approve lava/2019.01 publish", "approve 2019.01 go --manifest sha256:9f86d081884c7d65"}},
		{Path: "reject", Args: []Arg{run, gate}, Options: []Option{reason, manifest}, Summary: "Say a final no to a gate.", Who: approver,
			Examples: []string{`reject 2019.01 go --reason "the changelog is wrong"`, `reject 2019.01 go --reason "the changelog is wrong" --manifest sha256:9f86d081884c7d65`}},
		{Path: "veto", Args: []Arg{run, gate}, Options: []Option{reason}, Summary: "Block a gate until the veto is lifted.", Who: "a maintainer of the project",
			Examples: []string{`veto 2019.01 publish --reason "wait for the security fix"`}},
		{Path: "unveto", Args: []Arg{run, gate}, Summary: "Lift a veto.", Who: "who gave the veto, or whom the gate names", Examples: []string{"unveto 2019.01 publish"}},
		{Path: "lift", Args: []Arg{run, gate}, Summary: "Lift a veto; the same as unveto.", Who: "who gave the veto, or whom the gate names", Examples: []string{"lift 2019.01"}},
		{Path: "withdraw", Args: []Arg{run, gate}, Summary: "Take your own approval back while the gate is open.", Who: "who approved", Examples: []string{"withdraw 2019.01 go"}},
		{Path: "answer", Args: []Arg{run, step}, TakesInput: true, Summary: "Answer what a step asks.", Who: "whom the step asks",
			Examples: []string{`answer 2019.01 notes headline="Faster boot" urgent=no`}},
		{Path: "done", Args: []Arg{run, step, {Name: "evidence", Kind: Text, Optional: true, Variadic: true, Help: "what shows that it is done: a link, a digest, words"}},
			TakesInput: true, Summary: "Say that a step done by hand is done.", Who: "whom the step names",
			Examples: []string{"done 2019.01 upload https://archive.example.org/pool/lava.changes", `done 2019.01 call "spoke to the mirror team"`}},
		{Path: "doubt", Args: []Arg{run, step, {Name: "verdict", Kind: Word, Choice: []string{"happened", "redo", "failed"}, Help: "what became of it"}},
			Options: []Option{{Name: "reason", Kind: Text, Help: "how you know"}}, TakesInput: true,
			Summary: "Settle a doubtful effect: it happened (with its outputs, if any), do it again, or it failed.", Who: may,
			Examples: []string{"doubt 2019.01 upload happened", `doubt 2019.01 announce redo --reason "not in the list archive"`}},
		{Path: "mine", Summary: "List what waits for you.", Who: anybody, Examples: []string{"mine"}},
		{Path: "appoint", Args: []Arg{person, role, run}, Options: []Option{{Name: "remove", Kind: Flag, Help: "take the role from the person"}},
			Summary: "Fill a role of a run, or with --remove take it from somebody.", Who: "whom the playbook names for the role",
			Examples: []string{"appoint grace coordinator 2019.01", "appoint grace coordinator 2019.01 --remove"}},
		{Path: "hand-over", Args: []Arg{run, person}, Summary: "Make somebody else the owner of a run.", Who: may, Examples: []string{"hand-over 2019.01 grace"}},
		{Path: "lock list", Summary: "List the locks that are held or waited for.", Who: anybody, Examples: []string{"lock list"}},
		{Path: "lock show", Args: []Arg{lock}, Summary: "Show who holds a lock and who waits.", Who: anybody, Examples: []string{"lock show archive/stable"}},
		{Path: "lock take", Args: []Arg{lock}, Options: []Option{{Name: "from", Kind: Run, Required: true, Help: "the run that loses it"},
			{Name: "for", Kind: Run, Help: "the run that goes first; whoever has waited longest if left out"}, reason},
			Summary: "Take a lock away from a run; refused while something is in flight under it.", Who: "a release manager, or an operator",
			Examples: []string{`lock take archive/stable --from lava/2019.01 --reason "a security fix goes first"`,
				`lock take archive/stable --from lava/2019.01 --for lava/2019.01.1 --reason "a security fix goes first"`}},
		{Path: "freeze list", Args: []Arg{{Name: "project", Kind: Project, Optional: true}}, Summary: "List the freezes, now and ahead.", Who: anybody, Examples: []string{"freeze list"}},
		{Path: "freeze add", Args: []Arg{{Name: "name", Kind: Word, Help: "a name for it"}},
			Options: []Option{from(true), until(true), {Name: "project", Kind: Project, Help: "only this project; all of them if left out"},
				{Name: "calendar", Kind: Word, Help: "the calendar that playbooks name in frozen_by; release if left out"}, reason},
			Summary: "Add a window in which frozen steps may not start.", Who: lead,
			Examples: []string{`freeze add year-end --from 2019-12-20 --until 2020-01-06 --project lava --reason "nobody is there to mend it"`,
				`freeze add bookworm --from 2019-12-20 --until 2020-01-06 --calendar debian --reason "the archive is frozen"`}},
		{Path: "freeze end", Args: []Arg{{Name: "name", Kind: Word, Help: "its name"}}, Options: []Option{reason}, Summary: "End a freeze now.", Who: lead,
			Examples: []string{`freeze end year-end --reason "everybody is back"`}},
		{Path: "grant", Args: []Arg{person, role, project}, Options: []Option{from(false), until(false)}, Summary: "Give somebody a role in a project.", Who: operator,
			Examples: []string{"grant grace maintainer lava", "grant alan maintainer lava --from 2019-01-01 --until 2019-06-30"}},
		{Path: "revoke", Args: []Arg{person, role, project}, Options: []Option{{Name: "reason", Kind: Text, Help: "why"}}, Summary: "Take a role away.", Who: operator,
			Examples: []string{"revoke alan maintainer lava"}},
		{Path: "delegate", Args: []Arg{person, role, project}, Options: []Option{from(true), until(true)}, Summary: "Lend your own role to somebody for a time.", Who: "who has the role",
			Examples: []string{"delegate alan maintainer lava --from 2019-02-01 --until 2019-02-14"}},
		{Path: "people", Args: []Arg{{Name: "project", Kind: Project, Optional: true}}, Summary: "List people and their roles.", Who: anybody, Examples: []string{"people", "people lava"}},
		{Path: "inbox list", Options: []Option{{Name: "since", Kind: Date, Help: "from this moment on"}}, Summary: "List deliveries, newest first.", Who: operator, Examples: []string{"inbox list --since 2019-01-31"}},
		{Path: "inbox show", Args: []Arg{{Name: "delivery", Kind: ID}}, Summary: "Show one delivery, credentials left out.", Who: operator, Examples: []string{"inbox show d-17"}},
		{Path: "inbox replay", Args: []Arg{{Name: "delivery", Kind: ID}}, Summary: "Decode a stored delivery again.", Who: operator, Examples: []string{"inbox replay d-17"}},
		{Path: "pause effects", Options: []Option{reason}, Summary: "Do nothing outside until resumed; everything else goes on.", Who: operator,
			Examples: []string{`pause effects --reason "restored from a backup"`}},
		{Path: "resume effects", Options: []Option{{Name: "nothing-lost", Kind: Flag, Help: "after a restore: you know that nothing was done outside since the backup, so new runs need not ask"}},
			Summary: "End a pause of effects.", Who: operator, Examples: []string{"resume effects", "resume effects --nothing-lost"}},
		{Path: "playbook list", Summary: "List the playbooks.", Who: anybody, Examples: []string{"playbook list"}},
		{Path: "playbook show", Args: []Arg{{Name: "playbook", Kind: Word}}, Summary: "Show a playbook as a checklist.", Who: anybody, Examples: []string{"playbook show release"}},
		{Path: "help", Args: []Arg{{Name: "command", Kind: Text, Optional: true, Variadic: true, Help: "a command, or its first word"}},
			Summary: "Show what I can do, or how one command is used.", Who: anybody, Examples: []string{"help", "help release retry"}},
		{Path: "whoami", Summary: "Say who I think you are, and which roles you have.", Who: anybody, Examples: []string{"whoami"}},
	}
}
