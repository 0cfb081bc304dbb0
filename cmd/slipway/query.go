package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
	flow "slipway/bot/run"
	"slipway/commands/talk"
	"slipway/integrations/console"
)

// query answers the socket's questions with what the account may see.
func (b *bot) query(ctx context.Context, who, name string, args map[string]string) (any, error) {
	person, _ := b.engine.World().Directory.ByAccount(account(who))
	switch name {
	case "runs":
		return b.runs(ctx, engine.Filter{Person: person.ID})
	case "show":
		id, err := b.engine.Resolve(ctx, args["run"], person.ID)
		if err != nil {
			return nil, err
		}
		state, p, err := b.engine.RunState(ctx, id)
		if err != nil {
			return nil, err
		}
		return card.Text(talk.Cards{}.Render(p, state, b.engine.World()), columns), nil
	case "waits":
		if args["run"] == "" {
			return b.newest(ctx, person.ID)
		}
		id, err := b.engine.Resolve(ctx, args["run"], person.ID)
		if err != nil {
			return nil, err
		}
		return b.waits(ctx, id)
	case "answers":
		return b.answers(who, args["message"])
	}
	return nil, errs.E("query", errs.NotFound, fmt.Errorf("there is no question %q", name)).Hint("there are runs, show, waits and answers")
}

func (b *bot) runs(ctx context.Context, f engine.Filter) ([]runLine, error) {
	lines := []runLine{}
	for _, past := range []bool{false, true} {
		f.Past = past
		found, err := b.engine.Runs(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			lines = append(lines, runLine{Name: r.Name, Project: r.Project, Status: r.Status, Outcome: r.Outcome,
				Requester: string(r.Requester), Began: card.Moment(r.Began)})
		}
	}
	return lines, nil
}

// waitLine is something a run waits for, for clients.
type waitLine struct {
	Step     string   `json:"step"`
	Kind     string   `json:"kind"`
	What     string   `json:"what"`
	Persons  []string `json:"persons"`
	Manifest string   `json:"manifest,omitempty"` // of a gate: digest of what is to be approved
}

// runWaits is a run with what it waits for.
type runWaits struct {
	ID      string            `json:"id"`
	Name    string            `json:"name"`
	Status  string            `json:"status"`
	Outcome string            `json:"outcome"`
	Reason  string            `json:"reason,omitempty"` // why it ended otherwise than done
	Steps   map[string]string `json:"steps"`
	Waits   []waitLine        `json:"waits"`
	Docs    [][2]string       `json:"docs"` // path and doc of every step, as declared
}

// newest is the run that began last of those under way or, where none is, of all.
func (b *bot) newest(ctx context.Context, person people.PersonID) (runWaits, error) {
	for _, past := range []bool{false, true} {
		found, err := b.engine.Runs(ctx, engine.Filter{Person: person, Past: past, Limit: 10_000})
		if err != nil {
			return runWaits{}, err
		}
		if !past {
			found = slices.DeleteFunc(found, func(r engine.Listed) bool { return r.Status == string(flow.RunEnded) })
		}
		if len(found) > 0 {
			last := slices.MaxFunc(found, func(x, y engine.Listed) int { return x.Began.Compare(y.Began) })
			return b.waits(ctx, last.ID)
		}
	}
	return runWaits{}, errs.E("query", errs.NotFound, errors.New("there is no run yet"))
}

func (b *bot) waits(ctx context.Context, id string) (runWaits, error) {
	state, book, err := b.engine.RunState(ctx, id)
	if err != nil {
		return runWaits{}, err
	}
	out := runWaits{ID: id, Name: state.Name, Status: string(state.Status), Outcome: state.Outcome, Steps: map[string]string{}, Waits: []waitLine{}}
	for path, st := range state.Steps {
		out.Steps[path] = string(st.Status)
	}
	for _, st := range book.Steps {
		out.Docs = append(out.Docs, [2]string{st.Path, st.Doc})
	}
	if out.Outcome != "" && out.Outcome != "done" {
		out.Reason = state.Why
		for _, def := range book.Steps {
			if st := state.Steps[def.Path]; st != nil && st.Status == flow.FailedSt && st.Message != "" {
				out.Reason = def.Path + ": " + st.Message
			}
		}
	}
	awaited, err := b.engine.Who(ctx, id)
	if err != nil {
		return runWaits{}, err
	}
	for _, a := range awaited {
		line := waitLine{Step: a.Step, Kind: a.Kind, What: a.What}
		for _, p := range a.Persons {
			line.Persons = append(line.Persons, string(p))
		}
		if st := state.Steps[a.Step]; st != nil && st.Gate != nil {
			line.Manifest = string(st.Gate.Digest)
		}
		out.Waits = append(out.Waits, line)
	}
	return out, nil
}

// answers are the texts that the bot answered to a message, oldest first. Everybody who may read
// the channel sees them there too; for others the message does not exist.
func (b *bot) answers(who, message string) ([]string, error) {
	asked, err := b.room.Message(message)
	if err == nil && console.IsDirect(asked.Channel) && asked.Channel != b.directRoom(who) {
		err = errs.E("query", errs.NotFound, fmt.Errorf("there is no message %q", message))
	}
	if err != nil {
		return nil, err
	}
	thread := asked.Thread
	if thread == "" {
		thread = asked.ID
	}
	later, err := b.room.Messages(asked.Channel, asked.ID, 1000)
	if err != nil {
		return nil, err
	}
	texts := []string{}
	for _, m := range later {
		if m.Author == botAccount && m.Thread == thread && isReply(m) {
			texts = append(texts, messageText(m))
		}
	}
	return texts, nil
}
