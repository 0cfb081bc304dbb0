package walk

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// mutant is the release playbook with one small mistake.
type mutant struct {
	name string
	src  []byte
}

// tree is the playbook as ordered maps, to be changed in one place at a time.
func tree(t testing.TB, src []byte) yaml.MapSlice {
	t.Helper()
	var root yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(src, &root, yaml.UseOrderedMap()); err != nil {
		t.Fatal(err)
	}
	return root
}

func at(m yaml.MapSlice, key string) any {
	for _, item := range m {
		if item.Key == key {
			return item.Value
		}
	}
	return nil
}

// with is m with key set to v; without an old value it is added at the end. nil drops it.
func with(m yaml.MapSlice, key string, v any) yaml.MapSlice {
	var out yaml.MapSlice
	found := false
	for _, item := range m {
		if item.Key == key {
			found = true
			if v == nil {
				continue
			}
			item.Value = v
		}
		out = append(out, item)
	}
	if !found && v != nil {
		out = append(out, yaml.MapItem{Key: key, Value: v})
	}
	return out
}

func without(list []any, i int) []any { return slices.Delete(slices.Clone(list), i, i+1) }

func replaced(list []any, i int, v any) []any {
	out := slices.Clone(list)
	out[i] = v
	return out
}

// mutants applies every operator wherever it fits.
func mutants(t testing.TB, src []byte) []mutant {
	root := tree(t, src)
	steps := at(root, "steps").(yaml.MapSlice)
	var out []mutant
	emit := func(name string, m yaml.MapSlice) {
		data, err := yaml.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, mutant{name, data})
	}
	top := func(name, key string, v any) { emit(name, with(root, key, v)) }

	for _, key := range []string{"name", "never", "outputs", "inputs"} {
		top("drop "+key, key, nil)
	}
	nevers := at(root, "never").([]any)
	for i, v := range nevers {
		n := v.(yaml.MapSlice)
		do, gate := at(n, "do").(string), at(n, "without").(string)
		top("never "+do+": drop", "never", without(nevers, i))
		other := map[string]string{"go": "publish", "publish": "go"}[gate]
		top("never "+do+": redirect to "+other, "never", replaced(nevers, i, with(n, "without", other)))
		top("never "+do+": another action", "never", replaced(nevers, i, with(n, "do", "release.notes")))
	}
	for _, in := range at(root, "inputs").(yaml.MapSlice) {
		name, def := in.Key.(string), in.Value.(yaml.MapSlice)
		inputs := at(root, "inputs").(yaml.MapSlice)
		top("inputs."+name+": drop", "inputs", with(inputs, name, nil))
		for _, typ := range []string{"int", "bool", "list(string)"} {
			top("inputs."+name+": type "+typ, "inputs", with(inputs, name, with(def, "type", typ)))
		}
		if at(def, "default") != nil {
			top("inputs."+name+": drop default", "inputs", with(inputs, name, with(def, "default", nil)))
		}
	}
	for i, item := range steps {
		id, def := item.Key.(string), item.Value.(yaml.MapSlice)
		step := func(name string, m yaml.MapSlice) { top(id+": "+name, "steps", with(steps, id, m)) }
		top(id+": drop the step", "steps", with(steps, id, nil))
		stepMutants(id, def, i, steps, step)
	}
	return out
}

func stepMutants(id string, def yaml.MapSlice, i int, steps yaml.MapSlice, step func(string, yaml.MapSlice)) {
	for _, key := range []string{"until", "fail", "poll", "deadline", "uses", "frozen_by", "expires", "remind", "say", "when", "with", "binds", "fields", "needs"} {
		if at(def, key) != nil {
			step("drop "+key, with(def, key, nil))
		}
	}
	needs, _ := at(def, "needs").([]any)
	for k, need := range needs {
		if len(needs) > 1 {
			step(fmt.Sprintf("drop need %s", need), with(def, "needs", without(needs, k)))
		}
		for _, to := range []string{"stamp", "tell"} {
			if to != id && !slices.Contains(needs, any(to)) {
				step(fmt.Sprintf("redirect need %s to %s", need, to), with(def, "needs", replaced(needs, k, to)))
			}
		}
	}
	if len(needs) == 0 && i > 0 {
		step("needs the step before", with(def, "needs", []any{steps[i-1].Key}))
	}
	if at(def, "may_skip") == nil {
		step("may be skipped", with(def, "may_skip", yaml.MapSlice{{Key: "by", Value: []any{"release-manager"}}}))
	}
	step("never starts", with(def, "when", "false"))
	values, _ := at(def, "with").(yaml.MapSlice)
	for k, v := range values {
		step("drop input "+v.Key.(string), with(def, "with", with(values, v.Key.(string), nil)))
		if k > 0 && v.Value != values[k-1].Value { // equal values make no other playbook
			swapped := with(with(values, v.Key.(string), values[k-1].Value), values[k-1].Key.(string), v.Value)
			step(fmt.Sprintf("swap inputs %s and %s", values[k-1].Key, v.Key), with(def, "with", swapped))
		}
	}
	for _, key := range []string{"do", "wait"} {
		ref, ok := at(def, key).(string)
		if !ok {
			continue
		}
		step("another version", with(def, key, strings.Replace(ref, "@1", "@2", 1)))
		step("without a version", with(def, key, strings.TrimSuffix(ref, "@1")))
		other := "git.state@1"
		if ref == other {
			other = "git.log@1"
		}
		step("another action", with(def, key, other))
	}
	if until, ok := at(def, "until").(string); ok {
		step("swap until and fail", with(with(def, "until", at(def, "fail")), "fail", until))
		step("until at once", with(def, "until", "true"))
		step("until never", with(def, "until", "false"))
	}
	if rule, ok := at(def, "gate").(string); ok {
		gateMutants(rule, def, step)
	}
	if of, ok := at(def, "ask").(string); ok {
		step("ask the requester", with(def, "ask", "requester"))
		step("ask nobody known", with(def, "ask", of+"s"))
	}
	fields, _ := at(def, "fields").(yaml.MapSlice)
	for _, f := range fields {
		name := f.Key.(string)
		step("drop field "+name, with(def, "fields", with(fields, name, nil)))
		field := f.Value.(yaml.MapSlice)
		for _, typ := range []string{"int", "digest"} {
			step("field "+name+": type "+typ, with(def, "fields", with(fields, name, with(field, "type", typ))))
		}
	}
}

func gateMutants(rule string, def yaml.MapSlice, step func(string, yaml.MapSlice)) {
	change := func(name, to string) {
		if to != rule {
			step(name, with(def, "gate", to))
		}
	}
	change("one is enough", strings.Replace(rule, "2 of", "1 of", 1))
	change("without not requester", strings.Replace(rule, ", not requester", "", 1))
	change("another role", strings.Replace(rule, "maintainer", "tester", 1))
	change("no such role", strings.Replace(rule, "maintainer", "maintainers", 1))
	change("without the other way", strings.Split(rule, " or ")[0])
	change("nobody is enough", strings.Replace(rule, "2 of", "0 of", 1))
	binds, _ := at(def, "binds").([]any)
	for k, b := range binds {
		step(fmt.Sprintf("drop bind %s", b), with(def, "binds", without(binds, k)))
	}
	step("turned into an ask", yaml.MapSlice{{Key: "ask", Value: "release-manager"}, {Key: "prompt", Value: "go?"},
		{Key: "fields", Value: yaml.MapSlice{{Key: "ok", Value: "bool"}}}, {Key: "needs", Value: at(def, "needs")}})
}
