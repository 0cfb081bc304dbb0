package manifest

import (
	"regexp"
	"strings"
)

// reference is a value of an earlier step in an expression: steps.commit.commit, steps.?stage.?digests.
var reference = regexp.MustCompile(`\bsteps\.\??([A-Za-z0-9_]+)\.\??([A-Za-z0-9_]+)`)

// Label says for people what an expression binds: "payload: digest" for steps.payload.digest, "commit"
// for steps.commit.commit, and of several values the last. Any other text stays as it is. The manifest
// itself keeps the expression.
func Label(expression string) string {
	all := reference.FindAllStringSubmatch(expression, -1)
	if len(all) == 0 {
		return expression
	}
	step, field := all[len(all)-1][1], all[len(all)-1][2]
	if step == field {
		return strings.ReplaceAll(step, "_", " ")
	}
	return strings.ReplaceAll(step+": "+field, "_", " ")
}

// Labels are the labels of several expressions; where two would have one label, they stay as they are.
func Labels(expressions []string) []string {
	out, times := make([]string, len(expressions)), map[string]int{}
	for i, e := range expressions {
		out[i] = Label(e)
		times[out[i]]++
	}
	for i, label := range out {
		if times[label] > 1 {
			out[i] = expressions[i]
		}
	}
	return out
}
