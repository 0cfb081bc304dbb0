package playbook

// stepSchema is one alternative for every kind of step, and for those kinds that are written in
// two ways, one for each: so an editor knows what may follow.
func stepSchema() map[string]any {
	var ways []any
	for _, kind := range stepKinds() {
		keys := append(append([]string{kind}, stepKeys()[StepKind(kind)]...), everyStep()...)
		switch StepKind(kind) {
		case Wait:
			fact := fixed(without(keys, "at"), stepProps(kind), "wait", "until", "poll")
			at := fixed(without(keys, "with", "as", "until", "fail", "poll"), stepProps(kind), "wait", "at")
			at["properties"].(map[string]any)["wait"] = map[string]any{"const": "time", "description": "Waits for the time in at."}
			ways = append(ways, fact, at)
		case Each:
			list := fixed(without(keys, "until", "job"), stepProps(kind), "each", "steps")
			list["properties"].(map[string]any)["each"] = said("The list: a CEL expression.", text())
			rows := fixed(without(keys, "job"), stepProps(kind), "each", "until", "steps")
			jobs := fixed(without(keys, "steps", "in", "key", "enough"), stepProps(kind), "each", "until", "job")
			for _, m := range []map[string]any{rows, jobs} {
				m["properties"].(map[string]any)["each"] = said("The rows of a ledger.", def(string(eachForm)))
			}
			ways = append(ways, list, rows, jobs)
		case ByHand:
			plainOne := fixed(without(keys, "probe", "as", "until"), stepProps(kind), "by_hand", "text")
			checked := fixed(keys, stepProps(kind), "by_hand", "text", "probe", "until")
			ways = append(ways, plainOne, checked)
		default:
			ways = append(ways, fixed(keys, stepProps(kind), append([]string{kind}, stepRequired(StepKind(kind))...)...))
		}
	}
	return map[string]any{"description": "A step: exactly one of do, gate, ask, wait, each, call, by_hand, collect and offer.", "oneOf": ways}
}

func stepRequired(kind StepKind) []string {
	switch kind {
	case GateK:
		return []string{"binds"}
	case Offer:
		return []string{"closes"}
	}
	return nil
}

// stepProps says what the keys of a kind take.
func stepProps(kind string) map[string]any {
	props := map[string]any{
		"doc":       said("Title for people.", def("text")),
		"needs":     said("All of these are done or skipped before.", def("step_names")),
		"any":       said("One of these is done or skipped before.", anyOf(def("step_name"), map[string]any{"type": "array", "items": def("step_name"), "minItems": 2})),
		"when":      said("False: the step is skipped.", def("condition")),
		"uses":      said("Locks that it holds.", def("templates")),
		"on_fail":   said("What a failure leads to.", def(string(failForm))),
		"may_skip":  said("Who may skip it.", def(string(skipForm))),
		"remind":    said("How often those are reminded for whom it waits.", def("duration")),
		"deadline":  said("When it must have ended.", anyOf(def("duration"), def(string(deadlineForm)))),
		"frozen_by": said("The calendar whose freezes stop it from starting.", anyOf(def("name"), def(string(frozenForm)))),
		"with":      def("with"),
	}
	put := func(key string, m map[string]any) { props[key] = m }
	switch StepKind(kind) {
	case Do:
		put("do", def("reference"))
	case GateK:
		put("gate", text("minLength", 1))
		put("binds", said("What is approved: at least one value.", anyOf(def("template"), map[string]any{"type": "array", "items": def("template"), "minItems": 1})))
		put("expires", said("How long an approval may be asked for.", def("duration")))
		put("say", said("What the message says above the values.", def("template")))
		put("on_reject", said("The step to go on with; without it the run ends as rejected.", def("step_name")))
		put("lifts", said("The role that may lift a veto.", def("name")))
	case Ask:
		put("ask", text())
		put("prompt", def("template"))
		put("fields", def("inputs"))
		put("fills", said("The role of the run that the person named fills.", def("name")))
	case Wait:
		put("wait", def("reference"))
		put("as", said("The name of what is watched, in until and fail.", def("id")))
		put("until", said("Done when this holds.", def("condition")))
		put("fail", said("Failed when this holds.", def("condition")))
		put("poll", said("How often it is looked at besides; 10s or more.", def("duration")))
		put("at", said("A time.", def("template")))
	case Each:
		put("each", anyOf(text(), def(string(eachForm))))
		put("as", said("The name of an element in the body.", def("id")))
		put("key", said("The text that names an element.", def("condition")))
		put("in", said("order, or parallel N.", text("pattern", `^ *(order|parallel +([1-9]|[1-5][0-9]|6[0-4])) *$`)))
		put("enough", said("Over items: when it is done.", def("condition")))
		put("until", said("When the list closes.", def("condition")))
		put("job", said("Builders work the rows.", def(string(jobForm))))
		put("steps", said("What is done for each.", def("steps")))
	case Call:
		put("call", def("name"))
	case ByHand:
		put("by_hand", text())
		put("text", said("What the person is to do.", def("template")))
		put("evidence", said("What the person gives as evidence.", def("inputs")))
		put("probe", said("A read action that confirms it.", def(string(actionForm))))
		put("as", said("The name of what the probe gives, in until.", def("id")))
		put("until", said("What the probe must see.", def("condition")))
	case Collect:
		put("collect", def(string(collectForm)))
	case Offer:
		put("offer", minKeys(mapOf(def(string(entryForm)), nameForm.String())))
		put("closes", said("The role that may close it.", def("name")))
	}
	own := props[kind].(map[string]any)
	if _, has := own["description"]; !has {
		props[kind] = described(kindDoc(kind), own)
	}
	return props
}
