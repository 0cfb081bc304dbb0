package main

import (
	"context"
	"net/url"

	"slipway/bot/view"
	"slipway/integrations/console/client"
)

// waitLine is something a run waits for.
type waitLine struct {
	Step     string
	Kind     string
	What     string
	Persons  []string
	Manifest string // of a gate: digest of what is to be approved
}

// runWaits is a run with what it waits for.
type runWaits struct {
	ID, Name, Status, Outcome string
	Reason                    string            // why it ended otherwise than done
	Steps                     map[string]string // status by path
	Waits                     []waitLine
	Docs                      [][2]string // path and title of every step, as declared
}

// newest is the id of the run that began last of those under way or, where none is, of all.
func newest(ctx context.Context, c *client.Client) (string, error) {
	for _, which := range []string{"live", "past"} {
		list, err := client.Get[view.RunList](ctx, c, "/runs", url.Values{"which": {which}, "limit": {"1"}})
		if err != nil {
			return "", err
		}
		if len(list.Runs) > 0 {
			return list.Runs[0].ID, nil
		}
	}
	return "", errNotYet
}

// waitsOf is what the demo needs of a run.
func waitsOf(r view.Run) runWaits {
	out := runWaits{ID: r.ID, Name: r.Name, Status: r.Status, Outcome: r.Outcome, Steps: map[string]string{}}
	for _, st := range r.Steps {
		out.Steps[st.Path] = st.Status
		out.Docs = append(out.Docs, [2]string{st.Path, st.Title})
	}
	if out.Outcome != "" && out.Outcome != "done" {
		out.Reason = r.Words
		for _, st := range r.Steps {
			if st.Status == "failed" && st.Words != "" {
				out.Reason = st.Path + ": " + st.Words
			}
		}
	}
	for _, a := range r.Awaited {
		line := waitLine{Step: a.Step, Kind: a.Kind, What: a.What, Manifest: a.Manifest}
		for _, p := range a.Persons {
			line.Persons = append(line.Persons, string(p.ID))
		}
		out.Waits = append(out.Waits, line)
	}
	return out
}
