package aptrepo

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"slipway/bot/action"
)

// view is archive.view@1.
type view struct{ a *Actions }

// ViewIn is what clients should see.
type ViewIn struct {
	Archive  string   `cel:"archive" json:"archive"`
	Suites   []string `cel:"suites" json:"suites"`
	Packages []string `cel:"packages" json:"packages" doc:"binary packages; one that has no version for an architecture is a problem"`
	Version  string   `cel:"version" json:"version" doc:"which apt should offer; empty: none of the packages"`
	Only     []string `cel:"architectures,optional" json:"architectures,omitempty" doc:"clients to look as; default: all that the suites have"`
}

// ViewOut is what they see.
type ViewOut struct {
	OK         bool     `cel:"ok" json:"ok" doc:"every client is offered the version, without a warning"`
	Problems   []string `cel:"problems" json:"problems" doc:"what is wrong, in words; what apt complains about, as apt says it"`
	Candidates []string `cel:"candidates" json:"candidates" doc:"what clients are offered: suite, architecture, package, version"`
}

func (view) Probe(context.Context, action.Key, ViewIn) (ViewOut, bool, error) {
	return ViewOut{}, false, nil
}

// Do looks as a client of each suite and architecture.
func (v view) Do(ctx context.Context, _ action.Key, in ViewIn) (ViewOut, error) {
	const op = "archive.view"
	c, err := v.a.archive(op, in.Archive)
	if err != nil {
		return ViewOut{}, err
	}
	out := ViewOut{Problems: []string{}, Candidates: []string{}}
	for _, name := range in.Suites {
		s, err := c.suite(op, name)
		if err != nil {
			return ViewOut{}, err
		}
		architectures := s.Architectures
		if len(in.Only) > 0 {
			architectures = slices.DeleteFunc(slices.Clone(architectures), func(a string) bool { return !slices.Contains(in.Only, a) })
			if len(architectures) == 0 {
				out.Problems = append(out.Problems, fmt.Sprintf("%s has none of the architectures %s", name, strings.Join(in.Only, ", ")))
				continue
			}
		}
		got, err := v.a.Client.Look(ctx, Look{Address: c.Address, Keyring: c.Keyring, Suite: name, Components: s.Components,
			Architectures: architectures, Packages: in.Packages})
		if err != nil {
			return ViewOut{}, err
		}
		for _, line := range got.Complaints {
			out.Problems = append(out.Problems, name+": "+line)
		}
		for _, one := range got.Candidates {
			offered := one.Version
			if offered == "" {
				offered = "nothing"
			}
			out.Candidates = append(out.Candidates, fmt.Sprintf("%s %s %s %s", name, one.Architecture, one.Package, offered))
			if one.Version != in.Version {
				wanted := in.Version
				if wanted == "" {
					wanted = "nothing"
				}
				out.Problems = append(out.Problems, fmt.Sprintf("%s: clients of %s are offered %s of %s, not %s", name, one.Architecture, offered, one.Package, wanted))
			}
		}
	}
	out.OK = len(out.Problems) == 0
	return out, nil
}
