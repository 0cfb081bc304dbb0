package playbook

// form names a map of the language whose keys are fixed. The reader refuses every key that
// keysOf does not list, and [Schema] lists the same to editors.
type form string

const (
	fileForm     form = "file"
	inputForm    form = "input"
	roleForm     form = "role"
	ledgerForm   form = "ledger"
	guardForm    form = "guard"
	neverForm    form = "never"
	triggerForm  form = "trigger"
	deadlineForm form = "deadline"
	frozenForm   form = "frozen_by"
	skipForm     form = "may_skip"
	failForm     form = "on_fail"
	retryForm    form = "retry"
	actionForm   form = "action"
	eachForm     form = "each"
	jobForm      form = "job"
	rowEndForm   form = "row_end"
	collectForm  form = "collect"
	entryForm    form = "entry"
)

func keysOf(f form) []string {
	switch f {
	case fileForm:
		return []string{"playbook", "doc", "name", "inputs", "roles", "overlap", "once", "uses", "ledgers", "guards",
			"trigger", "never", "outputs", "steps"}
	case inputForm:
		return []string{"type", "help", "optional", "default", "enum"}
	case roleForm:
		return []string{"doc", "by", "many"}
	case ledgerForm:
		return []string{"key", "columns", "states", "moves", "final", "actions"}
	case guardForm:
		return []string{"watch", "as", "with", "value", "from", "to"}
	case neverForm:
		return []string{"do", "without"}
	case triggerForm:
		return []string{"every", "fact", "when", "missed", "owner", "with"}
	case deadlineForm:
		return []string{"after", "then"}
	case frozenForm:
		return []string{"calendar", "then"}
	case skipForm:
		return []string{"by", "when"}
	case failForm:
		return []string{"retry", "goto", "undo", "ask_again"}
	case retryForm:
		return []string{"times", "after"}
	case actionForm:
		return []string{"do", "with"}
	case eachForm:
		return []string{"ledger", "where"}
	case jobForm:
		return []string{"do", "with", "from", "takes", "back", "tries", "first", "ok", "failed"}
	case rowEndForm:
		return []string{"to", "set"}
	case collectForm:
		return []string{"ledger", "ask", "deadline", "late", "prompt", "enough"}
	case entryForm:
		return []string{"playbook", "by", "fact", "every", "priority", "with"}
	}
	return nil
}
