package playbook

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Schema is the JSON Schema (2020-12) of the language, for editors: they complete keys, show what
// each means, and mark most slips while one types. It is made of the tables with which [Parse]
// reads. It accepts every playbook that Parse accepts; what it cannot express (references, types,
// expressions) `playbook check` says.
func Schema() []byte {
	defs := map[string]any{
		"id":        described("Small letters, digits and _, beginning with a letter.", text("pattern", idForm.String())),
		"name":      described("Small letters, digits, - and _, beginning with a letter.", text("pattern", nameForm.String())),
		"text":      scalar("Text for people."),
		"condition": scalar("A condition: a CEL expression."),
		"template":  scalar("Text with ${ expression } in it."),
		"value":     map[string]any{"description": "A template, or a list or map of such."},
		"templates": described("Templates.", oneOrMore(def("template"))),
		"names":     described("Names of roles.", oneOrMore(def("name"))),
		"step_name": described("The name of a step of the same body.", text()),
		"step_names": described("Names of steps of the same body.",
			oneOrMore(def("step_name"))),
		"reference": described("An action or capability with its contract version, like git.push_tag@1.", text("pattern", refForm.String())),
		"verb":      described("The name of an action or a fact, without a version.", text("pattern", verbForm.String())),
		"duration":  described("A duration: 30s, 10m, 4h, 1h30m, 3d or 2w.", text("pattern", durForm.String())),
		"schedule":  described("daily 03:00 UTC, weekdays 08:00 UTC, mon 09:00 Europe/London, monthly 1 06:00 UTC, or a duration.", text()),
		"flag":      map[string]any{"type": "boolean"},
		"type": described("string, int, bool, version, digest, time, duration, person, list(…) or map(…).",
			text("pattern", `^ *((string|int|bool|version|digest|time|duration|person)|(list|map) *\( *(string|int|bool|version|digest|time|duration|person) *\)) *$`)),
		"with":   described("Values for the inputs.", mapOf(def("value"), "")),
		"inputs": described("Typed values: name → type, or name → {type: …}.", mapOf(anyOf(def("type"), def(string(inputForm))), idForm.String())),
		"steps":  described("Steps by name.", minKeys(mapOf(def("step"), idForm.String()))),
		"step":   stepSchema(),
		"row":    described("A state, or {to: STATE, set: {COLUMN: …}}.", anyOf(text(), def(string(rowEndForm)))),
	}
	for _, f := range []form{inputForm, roleForm, ledgerForm, guardForm, neverForm, triggerForm, deadlineForm, frozenForm, skipForm,
		failForm, retryForm, actionForm, eachForm, jobForm, rowEndForm, collectForm, entryForm} {
		defs[string(f)] = formSchema(f)
	}
	top := formSchema(fileForm)
	top["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	top["title"] = "Slipway playbook"
	top["$defs"] = defs
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(top); err != nil {
		return nil // maps of text, numbers and lists always encode
	}
	return b.Bytes()
}

// formSchema is the schema of a map with fixed keys.
func formSchema(f form) map[string]any {
	props, required := formKeys(f)
	out := fixed(keysOf(f), props, required...)
	switch f {
	case triggerForm:
		out["oneOf"] = []any{needs("every"), needs("fact")}
	case entryForm:
		out["anyOf"] = []any{needs("by"), needs("fact"), needs("every")}
	case failForm:
		out["minProperties"] = 1
		out["dependentRequired"] = map[string]any{"ask_again": []any{"retry"}}
	}
	return out
}

// formKeys says what each key of a form takes, and which must be there.
func formKeys(f form) (props map[string]any, required []string) {
	switch f {
	case fileForm:
		return map[string]any{
			"playbook": said("The name of the playbook.", def("name")),
			"doc":      said("What it does, for people.", def("text")),
			"name":     said("The name of a run, unique among live runs.", def("template")),
			"inputs":   said("Typed values that are given at the start.", def("inputs")),
			"roles":    said("Roles that are filled while the run goes on.", mapOf(anyOf(empty(), def(string(roleForm))), nameForm.String())),
			"overlap":  said("What a second run of a live name does.", words(string(Refuse), string(Queue), string(Replace))),
			"once":     said("A name whose run ended as done is not given again.", def("flag")),
			"uses":     said("Locks that the whole run holds.", def("templates")),
			"ledgers":  said("Rows that a run keeps, with their states.", mapOf(def(string(ledgerForm)), idForm.String())),
			"guards":   said("Values that must not move from one step to another.", mapOf(def(string(guardForm)), idForm.String())),
			"trigger":  said("How a run starts without a command.", def(string(triggerForm))),
			"never":    said("Promises that are proven before a run starts.", list(def(string(neverForm)))),
			"outputs":  said("What a calling playbook sees.", outputNames(mapOf(def("template"), idForm.String()))),
			"steps":    def("steps"),
		}, []string{"playbook", "steps"}
	case inputForm:
		return map[string]any{
			"type": def("type"), "help": said("Shown to who is asked.", def("text")), "optional": said("It may be left out.", def("flag")),
			"default": said("Its value when it is left out.", map[string]any{"not": empty()}), "enum": said("The texts that it may be.", oneOrMore(def("text"))),
		}, []string{"type"}
	case roleForm:
		return map[string]any{"doc": def("text"), "by": said("Roles whose holders may appoint.", def("names")), "many": said("Several persons hold it.", def("flag"))}, nil
	case ledgerForm:
		states := mapOf(oneOrMore(def("id")), idForm.String())
		return map[string]any{
			"key": said("The column that names a row.", def("id")), "columns": def("inputs"), "states": said("The first is where a row begins.", oneOrMore(def("id"))),
			"moves": said("State → states that it may move to.", states), "final": said("States in which a row stays.", oneOrMore(def("id"))),
			"actions": said("What a person may do to a row: name → {state: state}.", mapOf(minKeys(mapOf(def("id"), idForm.String())), nameForm.String())),
		}, []string{"key", "columns", "states"}
	case guardForm:
		return map[string]any{"watch": def("reference"), "as": def("id"), "with": def("with"), "value": def("condition"),
			"from": said("A step.", text()), "to": said("A step.", text())}, []string{"watch", "value", "from", "to"}
	case neverForm:
		return map[string]any{"do": said("The name of an action, without version.", def("verb")), "without": said("A gate.", text())}, []string{"do", "without"}
	case triggerForm:
		return map[string]any{"every": def("schedule"), "fact": def("verb"), "when": def("condition"),
			"missed": said("What becomes of times that passed while nobody was there.", words("run-once", "run-all", "skip")),
			"owner":  said("The role that owns runs without a requester.", def("name")), "with": def("with")}, []string{"owner"}
	case deadlineForm:
		return map[string]any{"after": def("duration"), "then": words("stuck", "skip", "fail")}, []string{"after"}
	case frozenForm:
		return map[string]any{"calendar": def("name"), "then": words("wait", "ask", "skip")}, []string{"calendar"}
	case skipForm:
		return map[string]any{"by": def("names"), "when": def("condition")}, []string{"by"}
	case failForm:
		return map[string]any{
			"retry":     said("Class of failure, or any → {times, after}.", mapOf(def(string(retryForm)), nameForm.String())),
			"goto":      said("The step that starts when this one has failed for good.", anyOf(text(), map[string]any{"type": "array", "items": text(), "maxItems": 1})),
			"undo":      said("Steps that are rolled back, newest first.", oneOrMore(text())),
			"ask_again": said("An action that asks for another try.", def(string(actionForm))),
		}, nil
	case retryForm:
		return map[string]any{"times": number(1, 100), "after": anyOf(def("duration"), map[string]any{"const": "0s"})}, []string{"times"}
	case actionForm:
		return map[string]any{"do": def("reference"), "with": def("with")}, []string{"do"}
	case eachForm:
		return map[string]any{"ledger": text(), "where": def("condition")}, []string{"ledger"}
	case jobForm:
		return map[string]any{"do": def("reference"), "with": def("with"), "from": text(), "takes": def("row"), "back": text(), "tries": number(1, 100),
			"first": def("condition"), "ok": def("row"), "failed": mapOf(def("row"), nameForm.String())}, []string{"do", "from", "takes", "ok", "failed"}
	case rowEndForm:
		return map[string]any{"to": text(), "set": def("with")}, []string{"to"}
	case collectForm:
		return map[string]any{"ledger": text(), "ask": def("inputs"), "deadline": def("duration"), "late": words("accept", "refuse"),
			"prompt": def("template"), "enough": def("condition")}, []string{"ledger", "ask", "deadline"}
	case entryForm:
		return map[string]any{"playbook": def("name"), "by": def("names"), "fact": def("verb"), "every": def("schedule"), "priority": number(-100, 100), "with": def("with")},
			[]string{"playbook"}
	}
	return nil, nil
}

// Small builders.

func def(name string) map[string]any { return map[string]any{"$ref": "#/$defs/" + name} }

func described(doc string, m map[string]any) map[string]any { m["description"] = doc; return m }

// said puts a description beside what may be a reference, which 2020-12 allows.
func said(doc string, m map[string]any) map[string]any { return described(doc, m) }

// text is a text; YAML calls some texts numbers or true, and so do editors.
func text(more ...any) map[string]any {
	m := map[string]any{"type": "string"}
	for i := 0; i+1 < len(more); i += 2 {
		m[more[i].(string)] = more[i+1]
	}
	if len(more) == 0 {
		m["type"] = []any{"string", "number", "boolean"}
	}
	return m
}

func scalar(doc string) map[string]any {
	return map[string]any{"description": doc, "type": []any{"string", "number", "boolean", "null"}}
}

func empty() map[string]any { return map[string]any{"type": "null"} }

func words(all ...string) map[string]any {
	list := make([]any, len(all))
	for i, w := range all {
		list[i] = w
	}
	return map[string]any{"enum": list}
}

func number(low, high int) map[string]any {
	return map[string]any{"type": "integer", "minimum": low, "maximum": high}
}

func list(of map[string]any) map[string]any { return map[string]any{"type": "array", "items": of} }

// oneOrMore is a list, for which one scalar may stand.
func oneOrMore(of map[string]any) map[string]any { return anyOf(of, list(of)) }

func anyOf(all ...map[string]any) map[string]any {
	list := make([]any, len(all))
	for i, m := range all {
		list[i] = m
	}
	return map[string]any{"anyOf": list}
}

func mapOf(of map[string]any, names string) map[string]any {
	m := map[string]any{"type": "object", "additionalProperties": of}
	if names != "" {
		m["propertyNames"] = map[string]any{"pattern": names}
	}
	return m
}

func outputNames(m map[string]any) map[string]any {
	m["propertyNames"] = map[string]any{"pattern": idForm.String(), "not": map[string]any{"enum": []any{"run", "outcome"}}}
	return m
}

func minKeys(m map[string]any) map[string]any { m["minProperties"] = 1; return m }

func needs(key string) map[string]any { return map[string]any{"required": []any{key}} }

// fixed is a map with these keys and no others. A key of which props says nothing may be anything.
func fixed(keys []string, props map[string]any, required ...string) map[string]any {
	all := map[string]any{}
	for _, k := range keys {
		if all[k] = props[k]; props[k] == nil {
			all[k] = map[string]any{}
		}
	}
	m := map[string]any{"type": "object", "additionalProperties": false, "properties": all}
	if len(required) > 0 {
		list := make([]any, len(required))
		for i, k := range required {
			list[i] = k
		}
		m["required"] = list
	}
	return m
}

func without(keys []string, drop ...string) []string {
	var out []string
	for _, k := range keys {
		if !contains(drop, k) {
			out = append(out, k)
		}
	}
	return out
}

// kindDoc says what a kind of step is, where its key is completed.
func kindDoc(kind string) string {
	doc, _, _ := strings.Cut(map[string]string{
		"do": "Performs an action.", "gate": `People approve, like "2 of maintainer, not requester".`, "ask": "A person gives typed values: a role, requester, or a template that gives a person.",
		"wait": "Waits for a fact, polling, or for a time.", "each": "Fans out over a list or a ledger.", "call": "Runs a child to its end.",
		"by_hand": "A person does it and gives evidence.", "collect": "One answer of every row of a register.", "offer": "Child runs that may be started while it is open.",
	}[kind], "\n")
	return doc
}
