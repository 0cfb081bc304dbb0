// Package action is the contract between playbooks and the outside world.
//
// A [Contract] is data: what an action takes, what it gives, and how it may be repeated. The
// checker, the engine, the docs and the runbook all read the same contract. An [Action] is the
// code behind it, typed; [Of] joins the two into a [Bound] that the engine can perform. A
// capability ("ci.pipeline") is a contract with several providers; the project's profile names
// the one that is used.
package action

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	"slipway/bot/errs"
)

// Policy says how an action stays single when its effect is interrupted. DESIGN §4.2 orders
// them by strength.
type Policy string

const (
	// Read changes nothing outside: it may be repeated at will.
	Read Policy = "read"
	// Keyed: the other side honours the effect key, a repeat is the same performance.
	Keyed Policy = "keyed"
	// Conditional: create-only, if-match, expected sha. A repeat fails harmlessly.
	Conditional Policy = "conditional"
	// Lookup: search before a repeat, once Settle has passed since the last try.
	Lookup Policy = "lookup"
	// OnceOrAsk: marked before it is tried; in doubt a person is asked.
	OnceOrAsk Policy = "once-or-ask"
)

// Contract describes an action or a capability. Name is "prefix.verb"; the integration of that
// prefix holds the code.
type Contract struct {
	Name         string            `json:"name"`
	Version      int               `json:"version"`
	Doc          string            `json:"doc"`
	Policy       Policy            `json:"policy"`
	In           Type              `json:"in"`
	Out          Type              `json:"out"`
	Settle       time.Duration     `json:"settle,omitempty"`       // with Lookup: how long a lost try may still land
	Timeout      time.Duration     `json:"timeout,omitempty"`      // of one try; 0 means one minute
	Irreversible bool              `json:"irreversible,omitempty"` // inputs it used can never be renamed away
	Undo         string            `json:"undo,omitempty"`         // reference of the action that undoes it
	UndoIn       map[string]string `json:"undo_in,omitempty"`      // undo input → "in.NAME" or "out.NAME" of this action
	Authors      string            `json:"authors,omitempty"`      // field of Out that lists the authors of what was made
	Job          string            `json:"job,omitempty"`          // kind of the pulled job whose verdict is the outcome; "" = performed here
	Watched      bool              `json:"watched,omitempty"`      // may be used by wait: and polled
	Classes      []string          `json:"classes,omitempty"`      // classes of failure that on_fail may name, besides "any"
	Shell        string            `json:"shell,omitempty"`        // how a person does it by hand, in one line
	ByHand       ByHand            `json:"-"`                      // how a person does it by hand, with these inputs; nil: Shell says all there is
}

// Ref is how a playbook names the contract: "git.push_tag@1".
func (c Contract) Ref() string { return fmt.Sprintf("%s@%d", c.Name, c.Version) }

// Key identifies one performance of an action: the same key is the same effect, on every try
// and after every restart (SEMANTICS §2).
type Key struct {
	Run        string // id of the run
	Step       string // path of the step, with its element: "build[armel]/compile"
	Inputs     string // digest of the canonical inputs
	Generation int    // raised by an undo, or by a person's `again`
}

// String is the key in one word, safe in file names, headers and URLs.
func (k Key) String() string {
	d := DigestOf([]byte(strings.Join([]string{k.Run, k.Step, k.Inputs, fmt.Sprint(k.Generation)}, "\x00")))
	return d[len("sha256:"):][:32]
}

// Action is the code of a contract.
//
// Probe tells whether the effect of key already happened, and with what outcome; it changes
// nothing. It returns an error of kind [errs.Exists] when something else is where the effect
// would go, and [errs.Unavailable] when it cannot tell now. Do performs it. Its errors say what
// follows: [errs.Busy] and [errs.Unavailable] are tried again, [errs.Doubtful] means that nobody
// can tell whether it happened, [errs.Failed] is a verdict, anything else fails the step.
type Action[In, Out any] interface {
	Probe(ctx context.Context, key Key, in In) (out Out, found bool, err error)
	Do(ctx context.Context, key Key, in In) (Out, error)
}

// Bound is a contract with its code, types erased. Inputs and outputs are canonical JSON.
type Bound struct {
	Contract Contract
	Provider string // for capabilities: the name under which a profile chooses it; else ""
	Probe    func(ctx context.Context, key Key, in []byte) (out []byte, found bool, err error)
	Do       func(ctx context.Context, key Key, in []byte) (out []byte, err error)
}

// Of joins c with the code a. The In and Out types of the contract are made from the fields of
// In and Out (tags `cel:"name"`, `cel:"name,optional"`, `doc:"…"`, `kind:"version|digest|time|duration"`).
func Of[In, Out any](c Contract, a Action[In, Out]) (Bound, error) {
	var err error
	if c.In, err = TypeOf[In](); err != nil {
		return Bound{}, fmt.Errorf("inputs of %s: %w", c.Name, err)
	}
	if c.Out, err = TypeOf[Out](); err != nil {
		return Bound{}, fmt.Errorf("outputs of %s: %w", c.Name, err)
	}
	return Bound{
		Contract: c,
		Probe: func(ctx context.Context, key Key, raw []byte) ([]byte, bool, error) {
			in, err := unmarshal[In](c.Name, raw)
			if err != nil {
				return nil, false, err
			}
			out, found, err := a.Probe(ctx, key, in)
			if err != nil || !found {
				return nil, false, err
			}
			data, err := marshal(c.Name, out)
			return data, err == nil, err
		},
		Do: func(ctx context.Context, key Key, raw []byte) ([]byte, error) {
			in, err := unmarshal[In](c.Name, raw)
			if err != nil {
				return nil, err
			}
			out, err := a.Do(ctx, key, in)
			if err != nil {
				return nil, err
			}
			return marshal(c.Name, out)
		},
	}, nil
}

// Set is what a process can perform. It is built by hand in cmd and not changed afterwards.
type Set struct {
	bound map[string][]Bound // by Ref; more than one for capabilities
}

// NewSet gathers bounds. Two with the same reference and provider are an error of kind Exists. Several
// providers of one contract must promise the same, else the error is of kind Invalid: their types are
// equal, and so is all that a playbook is checked against; policy, settle and timeout are each
// provider's own. The first provider of a contract is that of projects which name none.
func NewSet(bounds ...Bound) (*Set, error) {
	s := &Set{bound: map[string][]Bound{}}
	for _, b := range bounds {
		ref := b.Contract.Ref()
		for _, other := range s.bound[ref] {
			if other.Provider == b.Provider {
				return nil, errs.E("action.set", errs.Exists, fmt.Errorf("%s is registered twice", ref))
			}
		}
		if list := s.bound[ref]; len(list) > 0 {
			if why := unlike(list[0].Contract, b.Contract); why != "" {
				return nil, errs.E("action.set", errs.Invalid, fmt.Errorf("the providers %q and %q of %s are not alike: %s", list[0].Provider, b.Provider, ref, why)).
					Hint("make both promise the same, or give one of them another version")
			}
		}
		s.bound[ref] = append(s.bound[ref], b)
	}
	return s, nil
}

// Lookup finds the code of ref by provider; "" names the one without a name, else the first.
func (s *Set) Lookup(ref, provider string) (Bound, error) {
	list := s.bound[ref]
	for _, b := range list {
		if b.Provider == provider {
			return b, nil
		}
	}
	if provider == "" && len(list) > 0 {
		return list[0], nil
	}
	if len(list) == 0 {
		return Bound{}, errs.E("action.lookup", errs.NotFound, fmt.Errorf("there is no action %s", ref))
	}
	names := make([]string, len(list))
	for i, b := range list {
		names[i] = b.Provider
	}
	return Bound{}, errs.E("action.lookup", errs.NotFound, fmt.Errorf("%s has no provider %q", ref, provider)).
		Hint("the providers are %s", strings.Join(names, ", "))
}

// Contracts lists every contract once, by reference: that of the first provider.
func (s *Set) Contracts() []Contract {
	refs := make([]string, 0, len(s.bound))
	for ref := range s.bound {
		refs = append(refs, ref)
	}
	sort.Strings(refs)
	out := make([]Contract, len(refs))
	for i, ref := range refs {
		out[i] = s.bound[ref][0].Contract
	}
	return out
}
