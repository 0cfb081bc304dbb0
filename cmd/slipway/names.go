package main

import (
	"context"

	"slipway/bot/engine"
	"slipway/commands/grammar"
)

// known tells the parser what exists, for suggestions: only what the person may see.
type known struct {
	conf   *config
	engine *engine.Engine
}

func (k *known) names(s engine.Spoken) grammar.Names { return namesFor{k, s} }

type namesFor struct {
	k *known
	s engine.Spoken
}

func (n namesFor) Projects() []string { return sortedKeys(n.k.conf.Projects) }

func (n namesFor) Runs(family string) []string {
	found, err := n.k.engine.Runs(context.Background(), engine.Filter{Family: family, Person: n.s.Viewer()})
	if err != nil {
		return nil // suggestions are a kindness, not a duty
	}
	names := make([]string, len(found))
	for i, r := range found {
		names[i] = r.Name
	}
	return names
}

func (n namesFor) Steps(name string) []string {
	id, err := n.k.engine.ResolveHere(context.Background(), n.s, name)
	if err != nil {
		return nil
	}
	state, p, err := n.k.engine.RunState(context.Background(), id)
	if err != nil {
		return nil
	}
	var out []string
	for _, st := range p.Steps {
		out = append(out, st.Path)
	}
	for path := range state.Steps {
		if p.Step(path) == nil {
			out = append(out, path)
		}
	}
	return out
}

func (n namesFor) Persons() []string {
	var out []string
	for _, p := range n.k.engine.World().Directory.Persons() {
		out = append(out, string(p.ID))
	}
	return out
}

func (n namesFor) Roles() []string {
	roles := n.k.engine.World().Directory.Roles()
	if n.s.Run != "" {
		if _, p, err := n.k.engine.RunState(context.Background(), n.s.Run); err == nil {
			for _, r := range p.Roles {
				roles = append(roles, r.Name)
			}
		}
	}
	return roles
}

func (n namesFor) Locks() []string {
	var out []string
	for _, l := range n.k.engine.Locks() {
		out = append(out, l.Name)
	}
	return out
}
