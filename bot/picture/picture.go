// Package picture draws a playbook, and a run of it, as one SVG picture.
//
// Steps stand in layers from top to bottom, each below everything it follows. Shape and icon tell
// the kind of a step, colour and symbol together its state, so that nothing rests on colour alone.
// [Run] gives a fragment for a page, which styles it by the classes that begin with "sw-", or,
// with [Options.Standalone], a file that brings its own style, light and dark. Both carry title and
// description for those who do not see them, every text is escaped, and the same input has the same
// bytes. Everything is placed by presentation attributes, never by style="": a page may forbid that.
package picture

import (
	"strings"
	"time"

	"slipway/bot/card"
	"slipway/bot/playbook"
)

// Step is how one step of a run stands, under its declared path: "build", or "build/compile" for
// all elements of the each together.
type Step struct {
	State   card.State         // "" is [card.Pending]
	Detail  string             // a few words: "1 of 2 maintainers", "lock archive/stable", the reason
	Since   time.Time          // of the state; zero if unknown
	Attempt int                // of the present or last attempt, from 1; shown from 2 on
	Counts  map[card.State]int // elements of an each (or of a step in it), answers of a collect, runs of an offer
	Awaited bool               // a person must act: drawn with a mark that is seen at once
}

// Options say how a picture is drawn.
type Options struct {
	Title      string                   // what it shows, "release/lava/2019.01"; by default the playbook's name
	Standalone bool                     // a file of its own: with XML namespace, style sheet, background and legend
	Link       func(path string) string // where a step leads; nil: "#" + [Anchor]; "" is no link
	AsOf       time.Time                // when it was so, told under the heading of a file; zero: not told
	ID         string                   // goes before every id, so that two pictures fit on one page; "" is "sw"

	remark string // follows what stands under the heading
}

// Anchor is the id of a step's place on a page: "step-build.compile".
func Anchor(path string) string { return "step-" + strings.ReplaceAll(path, "/", ".") }

// Plan is a playbook with every step in its place. It is immutable, so one plan serves all
// pictures of all runs of a playbook: whoever draws often keeps it by the playbook's digest.
type Plan struct {
	p    *playbook.Playbook
	root *level
	all  []*box // as they are drawn: row by row, a box before what is in it
}

// Lay finds the places.
func Lay(p *playbook.Playbook) *Plan {
	plan := &Plan{p: p, root: levels(p)}
	plan.root.layout(maxRow)
	plan.gather(plan.root)
	return plan
}

// Playbook draws the steps alone, none of which has a state.
func (plan *Plan) Playbook(o Options) []byte { return plan.draw(nil, o) }

// Run draws the steps as they stand in a run. A step that is not in steps is pending.
func (plan *Plan) Run(steps map[string]Step, o Options) []byte {
	if steps == nil {
		steps = map[string]Step{}
	}
	return plan.draw(steps, o)
}

// Playbook draws the steps of p, none of which has a state.
func Playbook(p *playbook.Playbook, o Options) []byte { return Lay(p).Playbook(o) }

// Run draws p with the state of its steps. A step that is not in steps is pending.
func Run(p *playbook.Playbook, steps map[string]Step, o Options) []byte { return Lay(p).Run(steps, o) }
