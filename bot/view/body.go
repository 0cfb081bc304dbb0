package view

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/playbook"
)

// hashMost bounds how much text of a run is hashed to find what is behind a digest, in bytes.
const hashMost = 32 << 20

// made reports whether the outputs of a kind of step are made by actions. What persons type may name
// any digest, so it opens nothing.
func made(def *playbook.Step) bool {
	return def != nil && (def.Kind == playbook.Do || def.Kind == playbook.Wait)
}

// behind finds, for each of some digests, what of the run's outputs has it: a text whose digest it
// is, or the object in which an action wrote it, such as a file with its name and size.
func (v seen) behind(digests []string) map[string][]Value {
	out := map[string][]Value{}
	hashed := 0
	paths := sortedKeys(v.state.Steps)
	for _, path := range paths {
		def := v.def(path)
		if !made(def) {
			continue
		}
		st := v.state.Steps[path]
		walk("steps."+path, st.Output, def.Out, func(name string, t action.Type, value string, in map[string]any) {
			if t.Kind == action.Digest || digestRE.MatchString(value) {
				if in != nil && slices.Contains(digests, value) {
					if about, ok := describe(in, value); ok {
						if about.Name = name; t.Kind == action.Digest { // only what is declared as one may be read: see [Reader.Holds]
							about.Body = value
						}
						out[value] = append(out[value], about)
					}
				}
				return
			}
			if hashed += len(value); hashed > hashMost || len(value) == 0 {
				return
			}
			sum := sha256.Sum256([]byte(value))
			if d := "sha256:" + hex.EncodeToString(sum[:]); slices.Contains(digests, d) {
				shown := valueOf(name, value, t, "")
				shown.Body = d
				out[d] = append([]Value{shown}, out[d]...)
			}
		})
	}
	for d, list := range out { // the same text passes through several steps
		seenText := map[string]bool{}
		out[d] = slices.DeleteFunc(list, func(x Value) bool {
			again := seenText[x.Text]
			seenText[x.Text] = true
			return again
		})
	}
	return out
}

// walk visits every text in a value, with its type as far as it is declared, and the object that
// holds it if that is not the step's output itself.
func walk(name string, v any, t action.Type, visit func(name string, t action.Type, value string, in map[string]any)) {
	var inside func(name string, v any, t action.Type, in map[string]any, depth int)
	inside = func(name string, v any, t action.Type, in map[string]any, depth int) {
		switch v := v.(type) {
		case string:
			visit(name, t, v, in)
		case []any:
			var elem action.Type
			if t.Elem != nil {
				elem = *t.Elem
			}
			for _, e := range v {
				inside(name, e, elem, in, depth+1)
			}
		case map[string]any:
			holder := v
			if depth == 0 {
				holder = nil
			}
			for _, k := range sortedKeys(v) {
				f, _ := t.Field(k)
				if t.Elem != nil {
					f.Type = *t.Elem
				}
				inside(name+"."+k, v[k], f.Type, holder, depth+1)
			}
		}
	}
	inside(name, v, t, nil, 0)
}

// describe tells what an object says of a digest in it: its other short texts and numbers.
func describe(in map[string]any, digest string) (Value, bool) {
	out := Value{Type: string(action.Digest)}
	for _, k := range []string{"name", "path", "file", "suite", "package"} {
		if s, ok := in[k].(string); ok && s != "" && s != digest {
			out.Text = clip(s, 300)
			break
		}
	}
	if n, ok := in["size"].(int64); ok {
		out.Size = int(n)
	}
	for _, k := range []string{"bytes", "text", "content"} { // the body itself stands beside its digest
		if s, ok := in[k].(string); ok && s != "" {
			sum := sha256.Sum256([]byte(s))
			if "sha256:"+hex.EncodeToString(sum[:]) == digest {
				out.Doc, out.Text, out.Size = out.Text, clip(s, MaxText), len(s)
				out.Cut, out.Type = len(out.Text) < len(s), string(action.String)
			}
		}
	}
	return out, out.Text != ""
}

// Holds says whether a body belongs to a run that the person may see, and how it is called there. It
// does when an action of the run gave its digest as one, or when a gate of the run binds it as a long
// value. The error is of kind [errs.NotFound].
func (r *Reader) Holds(ctx context.Context, p people.PersonID, id, digest string) (name string, err error) {
	v, err := r.open(ctx, p, id)
	if err != nil {
		return "", err
	}
	if name, ok := v.holds(digest); ok {
		return name, nil
	}
	return "", errs.E("view.body", errs.NotFound, errNoBody).Hint("open it from the page of the run")
}

func (v seen) holds(digest string) (name string, ok bool) {
	if !digestRE.MatchString(digest) {
		return "", false
	}
	for _, path := range sortedKeys(v.state.Steps) {
		st, def := v.state.Steps[path], v.def(path)
		if st.Gate != nil {
			for _, b := range st.Gate.Manifest.Binds {
				if b.Digest == digest {
					return b.Name, true
				}
			}
		}
		if !made(def) {
			continue
		}
		walk(path, st.Output, def.Out, func(at string, t action.Type, value string, in map[string]any) {
			if ok || t.Kind != action.Digest || value != digest {
				return
			}
			name, ok = at, true
			for _, k := range []string{"name", "path", "file"} {
				if s, named := in[k].(string); named && s != "" {
					name = s
				}
			}
		})
		if ok {
			return name, true
		}
	}
	return "", false
}

// Text gives the text of one output of a step whole: what a page shows only the beginning of.
func (r *Reader) Text(ctx context.Context, p people.PersonID, id, path, output string) (string, error) {
	v, err := r.open(ctx, p, id)
	if err != nil {
		return "", err
	}
	st := v.state.Steps[path]
	if st == nil {
		return "", noStep(v.state.Name, path)
	}
	value, ok := st.Output[output]
	if !ok {
		return "", noStep(v.state.Name, path+"."+output)
	}
	if s, plain := value.(string); plain {
		return s, nil
	}
	raw, err := action.Canonical(value)
	return string(raw), err
}

// Commit finds a commit that belongs to a run: one that an action of it gave or was given. project is
// the run's, for finding the repository.
func (r *Reader) Commit(ctx context.Context, p people.PersonID, id, commit string) (project string, profile map[string]any, err error) {
	v, err := r.open(ctx, p, id)
	if err != nil {
		return "", nil, err
	}
	if hexID.MatchString(commit) {
		for path, st := range v.state.Steps {
			def, found := v.def(path), false
			if !made(def) {
				continue
			}
			walk(path, st.Output, def.Out, func(_ string, _ action.Type, value string, _ map[string]any) { found = found || value == commit })
			if found {
				return v.state.Project, v.state.Profile, nil
			}
		}
	}
	return "", nil, errs.E("view.commit", errs.NotFound, errNoBody).Hint("open it from the page of the run")
}
