package action

import (
	"context"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
)

type doing struct{}

func (doing) Probe(context.Context, Key, sample) (out sample, found bool, err error) { return }
func (doing) Do(context.Context, Key, sample) (out sample, err error)                { return }

func TestProvidersOfOneContractMustBeAlike(t *testing.T) {
	make := func(provider string, spoil func(*Bound)) Bound {
		b, err := Of(Contract{Name: "ci.start", Version: 1, Policy: Keyed, Undo: "ci.cancel@1", UndoIn: map[string]string{"x": "in.version"}, Classes: []string{"a", "b"}}, doing{})
		if err != nil {
			t.Fatal(err)
		}
		b.Provider = provider
		b.Contract.In.Fields = append([]Field{}, b.Contract.In.Fields...)
		if spoil != nil {
			spoil(&b)
		}
		return b
	}
	field := func(b *Bound, name string) *Field {
		for i := range b.Contract.In.Fields {
			if b.Contract.In.Fields[i].Name == name {
				return &b.Contract.In.Fields[i]
			}
		}
		return nil
	}
	// What is a provider's own affair may differ, and so may words and order.
	other := make("gitlab", func(b *Bound) {
		b.Contract.Policy, b.Contract.Settle, b.Contract.Timeout = Lookup, time.Minute, time.Hour
		b.Contract.Doc, b.Contract.Shell, b.Contract.Classes = "other", "other", []string{"b", "a"}
		b.Contract.In.Fields[0], b.Contract.In.Fields[1] = b.Contract.In.Fields[1], b.Contract.In.Fields[0]
		field(b, "version").Doc = "another"
		field(b, "state").Type.Enum = []string{"failed", "ok"}
	})
	set, err := NewSet(make("local", nil), other)
	if err != nil {
		t.Fatal(err)
	}
	for provider, want := range map[string]Policy{"local": Keyed, "gitlab": Lookup, "": Keyed} {
		if b, err := set.Lookup("ci.start@1", provider); err != nil || b.Contract.Policy != want {
			t.Errorf("%q is %s, %v", provider, b.Contract.Policy, err)
		}
	}
	if _, err := set.Lookup("ci.start@1", "launchpad"); !errs.Is(err, errs.NotFound) || !strings.Contains(errs.Text(err), "local, gitlab") {
		t.Errorf("a provider that is not there: %v", err)
	}
	for want, spoil := range map[string]func(*Bound){
		"the inputs differ: version is version and int":         func(b *Bound) { field(b, "version").Type = Type{Kind: Int} },
		"the inputs differ: version is in the first alone":      func(b *Bound) { b.Contract.In.Fields = b.Contract.In.Fields[1:] },
		"the inputs differ: more is in the second alone":        func(b *Bound) { b.Contract.In.Fields = append(b.Contract.In.Fields, Field{Name: "more"}) },
		"the inputs differ: names may be left out in one":       func(b *Bound) { field(b, "names").Optional = false },
		"the inputs differ: names[] is string and int":          func(b *Bound) { field(b, "names").Type = ListOf(Type{Kind: Int}) },
		"the inputs differ: state may be one of ok, failed and": func(b *Bound) { field(b, "state").Type.Enum = nil },
		"the outputs differ: the whole is":                      func(b *Bound) { b.Contract.Out = Type{Kind: String} },
		"not undone in the same way":                            func(b *Bound) { b.Contract.UndoIn = nil },
		"one alone may be waited for":                           func(b *Bound) { b.Contract.Watched = true },
		"one alone is irreversible":                             func(b *Bound) { b.Contract.Irreversible = true },
		"the same classes":                                      func(b *Bound) { b.Contract.Classes = nil },
		"one alone changes something":                           func(b *Bound) { b.Contract.Policy = Read },
		"one alone asks a person":                               func(b *Bound) { b.Contract.Policy = OnceOrAsk },
		"authors in the same":                                   func(b *Bound) { b.Contract.Authors = "names" },
		"same kind of job":                                      func(b *Bound) { b.Contract.Job = "sign" },
	} {
		_, err := NewSet(make("local", nil), make("gitlab", spoil))
		if !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Text(err), want) || !strings.Contains(errs.Text(err), `"local" and "gitlab" of ci.start@1`) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	if _, err := NewSet(make("local", nil), make("local", nil)); !errs.Is(err, errs.Exists) {
		t.Errorf("twice: %v", err)
	}
}
