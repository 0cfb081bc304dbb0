package talk

import (
	"slices"
	"strings"

	"slipway/bot/engine"
	"slipway/bot/gate"
	"slipway/bot/manifest"
	"slipway/bot/people"
	"slipway/bot/run"
	"slipway/commands/grammar"
)

// Parser turns messages into what they ask of the engine. It is pure but for Names, which says
// what exists for the suggestions of the moment.
type Parser struct {
	Table     *grammar.Table
	Families  []grammar.Family
	Addresses []string // how the bot is called
	Markdown  bool     // messages are shown as Markdown
	Names     func(engine.Spoken) grammar.Names
}

// Question is a command that is neither a start nor an input of a run: [Answers] carries it out.
type Question struct{ Command grammar.Command }

// Parse reads one message.
func (p Parser) Parse(text string, s engine.Spoken) []engine.Asked {
	c := grammar.Context{Addressed: s.Addressed, Addresses: p.Addresses, Markdown: p.Markdown, Run: s.Run}
	if p.Names != nil {
		c.Names = p.Names(s)
	}
	var asked []engine.Asked
	for _, r := range p.Table.Parse(text, c) {
		switch r := r.(type) {
		case grammar.Reply:
			line := 0
			if len(r.Lines) > 0 {
				line = r.Lines[0] - 1
			}
			asked = append(asked, engine.Asked{Line: line, Reply: r.Text})
		case grammar.Command:
			a := p.command(r, s)
			a.Line = r.Line - 1
			asked = append(asked, a)
		}
	}
	return asked
}

func (p Parser) command(c grammar.Command, s engine.Spoken) engine.Asked {
	if f, ok := p.family(c.Family); ok && c.Verb == grammar.VerbStart {
		return engine.Asked{Start: start(f, c, s)}
	}
	subject := "version"
	if f, ok := p.family(c.Family); ok {
		subject = f.Subject.Name
	}
	if in := input(c, subject); in != nil {
		return engine.Asked{Run: runName(c), Input: in}
	}
	return engine.Asked{Other: Question{c}, Stranger: aboutLinks(c.Path)}
}

func (p Parser) family(name string) (grammar.Family, bool) {
	for _, f := range p.Families {
		if f.Name == name {
			return f, true
		}
	}
	return grammar.Family{}, false
}

func start(f grammar.Family, c grammar.Command, s engine.Spoken) *engine.StartRequest {
	project := c.Args["project"]
	if project == "" {
		project = s.Project
	}
	way, found := f.StartAt(c.Path)
	if !found { // of another command, such as adopt
		way = grammar.Start{Playbook: f.PlaybookName(), Subject: f.Subject}
	}
	inputs := map[string]any{}
	if way.Subject.Name != "" {
		inputs[way.Subject.Name] = c.Args[way.Subject.Name]
	}
	for k, v := range c.Inputs {
		inputs[k] = v
	}
	if way.Reason != "" {
		inputs["reason"] = c.Options["reason"]
	}
	r := &engine.StartRequest{Family: way.Playbook, Project: project, Inputs: inputs, Person: s.Person,
		Plan: c.Options["plan"] != "", Private: c.Options["private"] != "", Match: c.Options["match"]}
	if r.Private {
		r.Circle = []people.PersonID{s.Person}
		for _, name := range strings.FieldsFunc(c.Options["circle"], func(x rune) bool { return x == ',' || x == ' ' }) {
			if id := people.PersonID(strings.TrimPrefix(name, "@")); !slices.Contains(r.Circle, id) {
				r.Circle = append(r.Circle, id)
			}
		}
	}
	return r
}

// runName is how the person named the run; a bare version belongs to the command's family.
func runName(c grammar.Command) string {
	if from := c.Options["from"]; c.Path == "lock take" {
		return from
	}
	return c.Args["run"]
}

// input makes the input of a run, or nil for commands that are none. subject is the input that
// names a run of the command's family.
func input(c grammar.Command, subject string) run.Input {
	if c.Family != "" {
		return familyInput(c, subject)
	}
	vote := func(kind gate.VoteKind) run.Vote {
		return run.Vote{Step: c.Args["gate"], Vote: gate.Vote{Kind: kind, Reason: c.Options["reason"],
			Manifest: manifest.Digest(c.Options["manifest"])}}
	}
	switch c.Path {
	case "approve":
		return vote(gate.Approve)
	case "reject":
		return vote(gate.Reject)
	case "veto":
		return vote(gate.Veto)
	case "lift", "unveto":
		v := vote(gate.Veto)
		v.Lift = true
		return v
	case "withdraw":
		v := vote(gate.Approve)
		v.Withdraw = true
		return v
	case "answer":
		return run.Answer{Step: c.Args["step"], Values: values(c)}
	case "done":
		in := values(c)
		if len(c.Rest) > 0 {
			in["evidence"] = strings.Join(c.Rest, " ")
		}
		return run.Answer{Step: c.Args["step"], Values: in}
	case "doubt":
		in := values(c)
		in["answer"] = c.Args["verdict"]
		return run.Command{Verb: run.DoubtVerb, Step: c.Args["step"], Reason: c.Options["reason"], Values: in}
	case "appoint":
		cmd := run.Command{Verb: run.AppointVerb, Role: c.Args["role"], To: people.PersonID(c.Args["person"])}
		if c.Options["remove"] != "" {
			cmd.Values = map[string]any{"remove": true}
		}
		return cmd
	case "hand-over":
		return run.Command{Verb: run.HandOverVerb, To: people.PersonID(c.Args["person"])}
	case "lock take":
		return run.Command{Verb: run.YieldVerb, Lock: c.Args["lock"], First: c.Options["for"], Reason: c.Options["reason"]}
	}
	return nil
}

func familyInput(c grammar.Command, subject string) run.Input {
	cmd := run.Command{Step: c.Args["step"], Reason: c.Options["reason"], Now: c.Options["now"] != ""}
	switch c.Verb {
	case "hold":
		cmd.Verb = run.HoldVerb
	case "resume":
		cmd.Verb = run.ResumeVerb
	case "retry":
		cmd.Verb, cmd.Values = run.RetryVerb, values(c)
		if from := c.Options["from"]; from != "" {
			cmd.Step = from
		}
	case "skip":
		cmd.Verb = run.SkipVerb
	case "again":
		cmd.Verb, cmd.Values = run.AgainVerb, values(c)
	case "abort":
		cmd.Verb = run.AbortVerb
	case "rename":
		cmd.Verb, cmd.Values = run.RenameVerb, map[string]any{subject: c.Args["to"]}
	case "open":
		cmd.Verb = run.OpenVerb
	case "migrate":
		if c.Options["plan"] != "" {
			return nil // a question
		}
		cmd.Verb = run.MigrateVerb
	case "undo-confirm":
		cmd.Verb, cmd.Items = run.UndoVerb, c.Rest
	default:
		return nil
	}
	return cmd
}

func values(c grammar.Command) map[string]any {
	in := make(map[string]any, len(c.Inputs))
	for k, v := range c.Inputs {
		in[k] = v
	}
	return in
}
