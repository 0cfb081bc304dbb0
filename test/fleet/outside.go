package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"slipway/bot/action"
	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/people"
	"slipway/integrations/console"
)

// outside is where the effects of the fleet land.
type outside struct {
	mu     sync.Mutex
	did    map[string]bool
	breaks map[string]breakage
	blobs  engine.Blobs
}

type breakage struct {
	after bool
	err   error
}

func newOutside() *outside { return &outside{did: map[string]bool{}, breaks: map[string]breakage{}} }

func (o *outside) fail(name string, after bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.breaks, name)
	if err != nil {
		o.breaks[name] = breakage{after, err}
	}
}

func (o *outside) do(name, key string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.breaks[name]
	if b.err != nil && !b.after {
		return b.err
	}
	o.did[name+key] = true
	return b.err
}

// What the actions take and give. The tags cel and json name the fields.
type (
	nameIn struct {
		Name string `cel:"name" json:"name" doc:"what it is about"`
	}
	stateOut struct {
		Commit string   `cel:"commit" json:"commit" doc:"the commit that is released"`
		Last   string   `cel:"last" json:"last" doc:"the release before it"`
		Log    []string `cel:"log" json:"log" doc:"what is new"`
	}
	notesOut struct {
		Text   string `cel:"text" json:"text" doc:"the announcement"`
		Digest string `cel:"digest" json:"digest" kind:"digest" doc:"of the announcement"`
	}
	file struct {
		Name   string `cel:"name" json:"name"`
		Digest string `cel:"digest" json:"digest" kind:"digest"`
		Size   int    `cel:"size" json:"size"`
	}
	filesOut struct {
		Files []file `cel:"files" json:"files" doc:"what was built"`
		First string `cel:"first" json:"first" kind:"digest" doc:"digest of the first file"`
		Log   string `cel:"log" json:"log" doc:"the end of the log"`
	}
	doneOut struct {
		Result string `cel:"result" json:"result" doc:"what came of it"`
	}
)

// deed is an action whose result is made from its name.
type deed[Out any] struct {
	name string
	o    *outside
	give func(ctx context.Context, name string) (Out, error)
}

// Probe finds what was done under the key.
func (d deed[Out]) Probe(ctx context.Context, key action.Key, in nameIn) (out Out, found bool, err error) {
	d.o.mu.Lock()
	found = d.o.did[d.name+key.String()] && d.o.breaks[d.name].err == nil
	d.o.mu.Unlock()
	if !found {
		return out, false, nil
	}
	out, err = d.give(ctx, in.Name)
	return out, true, err
}

// Do does it.
func (d deed[Out]) Do(ctx context.Context, key action.Key, in nameIn) (out Out, err error) {
	if err := d.o.do(d.name, key.String()); err != nil {
		return out, err
	}
	return d.give(ctx, in.Name)
}

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (o *outside) bounds() ([]action.Bound, error) {
	state := deed[stateOut]{"fleet.state", o, func(_ context.Context, name string) (stateOut, error) {
		sum := sha256.Sum256([]byte(name))
		return stateOut{Commit: hex.EncodeToString(sum[:20]), Last: "2026.01", Log: []string{"0123456 mend the winch", "89abcde <b>paint</b> the bow"}}, nil
	}}
	notes := deed[notesOut]{"fleet.notes", o, func(_ context.Context, name string) (notesOut, error) {
		text := "Announcing " + name + "\n\nThe winch is mended.\n" + strings.Repeat("A line about it.\n", 8)
		return notesOut{Text: text, Digest: digestOf(text)}, nil
	}}
	files := deed[filesOut]{"fleet.files", o, func(ctx context.Context, name string) (out filesOut, err error) {
		for _, ext := range []string{"dsc", "tar.xz", "_amd64.deb"} {
			body := []byte("body of " + name + "." + ext)
			digest, err := o.blobs.Put(ctx, body)
			if err != nil {
				return out, err
			}
			out.Files = append(out.Files, file{name + "." + ext, digest, len(body)})
		}
		out.First = out.Files[0].Digest
		out.Log = strings.Repeat("make: nothing to be done\n", 20) + "ok\n"
		return out, nil
	}}
	result := func(name string) deed[doneOut] {
		return deed[doneOut]{name, o, func(_ context.Context, what string) (doneOut, error) { return doneOut{"did " + what}, nil }}
	}
	var out []action.Bound
	var failed error
	add := func(b action.Bound, err error) {
		out = append(out, b)
		if failed == nil {
			failed = err
		}
	}
	contract := func(name string, p action.Policy) action.Contract {
		return action.Contract{Name: name, Version: 1, Policy: p, Doc: "for trying out"}
	}
	add(action.Of(contract("fleet.state", action.Read), state))
	add(action.Of(contract("fleet.notes", action.Read), notes))
	add(action.Of(contract("fleet.files", action.Read), files))
	add(action.Of(contract("fleet.build", action.Keyed), result("fleet.build")))
	add(action.Of(contract("fleet.push", action.OnceOrAsk), result("fleet.push")))
	undo := contract("fleet.publish", action.Keyed)
	undo.Undo, undo.UndoIn = "fleet.withdraw@1", map[string]string{"name": "in.name"}
	add(action.Of(undo, result("fleet.publish")))
	add(action.Of(contract("fleet.withdraw", action.Keyed), result("fleet.withdraw")))
	return out, failed
}

// poster is the engine's port to the room.
type poster struct{ p console.Poster }

func (p poster) Find(ctx context.Context, key string, to engine.Ref, _ time.Time) (engine.Ref, bool, error) {
	ref, found, err := p.p.Find(ctx, key, console.Place{Channel: to.Place.ID, Thread: to.Thread})
	return refOf(ref, to), found, err
}

func (p poster) Post(ctx context.Context, key string, to engine.Ref, c card.Card) (engine.Ref, error) {
	ref, err := p.p.Post(ctx, key, console.Place{Channel: to.Place.ID, Thread: to.Thread}, c)
	return refOf(ref, to), err
}

func (p poster) Edit(ctx context.Context, ref engine.Ref, c card.Card) error {
	return p.p.Edit(ctx, console.Ref{Channel: ref.Place.ID, ID: ref.Message}, c)
}

func (p poster) Reactions(ctx context.Context, ref engine.Ref) ([]engine.Reaction, error) {
	found, err := p.p.Reactions(ctx, console.Ref{Channel: ref.Place.ID, ID: ref.Message})
	out := make([]engine.Reaction, len(found))
	for i, r := range found {
		out[i] = engine.Reaction{Account: Account(r.Account), Emoji: r.Emoji}
	}
	return out, err
}

func refOf(ref console.Ref, to engine.Ref) engine.Ref {
	return engine.Ref{Place: engine.Place{Source: console.Source, ID: ref.Channel}, Message: ref.ID, Thread: to.Thread}
}

// Account reads an account of the room: "console:grace".
func Account(text string) people.Account {
	source, id, _ := strings.Cut(text, ":")
	return people.Account{Source: source, ID: id, Handle: text}
}

type decoder struct{}

// Decode makes facts of what the room delivers.
func (decoder) Decode(d engine.Delivery) ([]engine.Fact, error) {
	found, err := console.Decode(console.Delivery{Source: d.Source, ID: d.ID, Account: d.Account.Source + ":" + d.Account.ID, Place: d.Place, Body: d.Body})
	if err != nil {
		return nil, fmt.Errorf("the room sent something strange: %w", err)
	}
	var out []engine.Fact
	for _, x := range found {
		switch x := x.(type) {
		case console.Said:
			out = append(out, engine.Said{Account: d.Account, Place: engine.Place{Source: console.Source, ID: x.Place}, Message: x.Message,
				Thread: x.Thread, Text: x.Text, Addressed: true, Direct: console.IsDirect(x.Place)})
		case console.Touched:
			out = append(out, engine.Touched{Place: engine.Place{Source: console.Source, ID: x.Place}, Message: x.Message})
		}
	}
	return out, nil
}
