package gitlab

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// ciFile is where the description of pipelines lies in a repository.
const ciFile = ".gitlab-ci.yml"

// circumstances are what rules of jobs look at.
type circumstances struct {
	ref       string
	tag       bool
	source    string
	variables map[string]string
}

// plan reads a CI file and says which jobs a pipeline has in the circumstances, by stages. It knows
// stages, stage, when, allow_failure, only, except, rules (if, when, allow_failure), workflow rules
// and variables; everything else in a job is left to the runner, whom tests play.
func plan(text string, c circumstances) ([]*Job, error) {
	var file yaml.MapSlice
	if err := yaml.UnmarshalWithOptions([]byte(text), &file, yaml.UseOrderedMap()); err != nil {
		return nil, errText("(" + ciFile + "): the file is not correct YAML")
	}
	c.variables = maps.Clone(c.variables)
	stages := []string{"build", "test", "deploy"}
	for _, item := range file {
		switch item.Key {
		case "stages":
			stages = words(item.Value)
		case "variables":
			for k, v := range fields(item.Value) {
				if _, given := c.variables[k]; !given {
					c.variables[k] = fmt.Sprint(v)
				}
			}
		}
	}
	stages = append(append([]string{".pre"}, stages...), ".post")
	var jobs []*Job
	for _, item := range file {
		name, body := fmt.Sprint(item.Key), fields(item.Value)
		switch {
		case name == "workflow":
			if rules, given := body["rules"]; given && !ruled(rules, c, &Job{}) {
				return nil, errText("Pipeline filtered out by workflow rules.")
			}
			continue
		case body == nil || strings.HasPrefix(name, "."), slices.Contains([]string{"variables", "default", "include", "image", "cache", "spec"}, name):
			continue
		case body["script"] == nil && body["trigger"] == nil && body["run"] == nil && body["extends"] == nil:
			return nil, errText("jobs " + name + " config should implement the script:, run:, or trigger: keyword")
		}
		j := &Job{Name: name, Stage: "test", When: "on_success"}
		if stage, given := body["stage"]; given {
			j.Stage = fmt.Sprint(stage)
		}
		if !slices.Contains(stages, j.Stage) {
			return nil, errText(name + " job: chosen stage " + j.Stage + " does not exist; available stages are " + strings.Join(stages, ", "))
		}
		if when, given := body["when"]; given {
			j.When = fmt.Sprint(when)
			j.AllowFailure = j.When == "manual"
		}
		if allow, given := body["allow_failure"]; given {
			j.AllowFailure = allow != false
		}
		if wanted(body, c, j) {
			jobs = append(jobs, j)
		}
	}
	slices.SortStableFunc(jobs, func(a, b *Job) int { return slices.Index(stages, a.Stage) - slices.Index(stages, b.Stage) })
	if len(jobs) == 0 {
		return nil, errText("The resulting pipeline would have been empty. Review the rules configuration for the relevant jobs.")
	}
	return jobs, nil
}

// wanted says whether a job is part of the pipeline.
func wanted(body map[string]any, c circumstances, j *Job) bool {
	if rules, given := body["rules"]; given {
		return ruled(rules, c, j) && j.When != "never"
	}
	if only, given := body["only"]; given && !slices.ContainsFunc(words(only), c.named) {
		return false
	}
	except, given := body["except"]
	return !given || !slices.ContainsFunc(words(except), c.named)
}

// named says whether a word of only or except means the circumstances.
func (c circumstances) named(word string) bool {
	switch word {
	case "branches":
		return !c.tag
	case "tags":
		return c.tag
	case "pushes":
		return c.source == "push"
	case "api", "web", "schedules":
		return c.source == strings.TrimSuffix(word, "s")
	}
	if pattern, is := strings.CutPrefix(word, "/"); is {
		re, err := regexp.Compile(strings.TrimSuffix(pattern, "/"))
		return err == nil && re.MatchString(c.ref)
	}
	return word == c.ref
}

// ruled finds the first rule that holds and takes over what it says.
func ruled(rules any, c circumstances, j *Job) bool {
	list, _ := rules.([]any)
	for _, one := range list {
		rule := fields(one)
		if text, given := rule["if"]; given && !c.holds(fmt.Sprint(text)) {
			continue
		}
		if when, given := rule["when"]; given {
			j.When = fmt.Sprint(when)
		}
		if allow, given := rule["allow_failure"]; given {
			j.AllowFailure = allow == true
		}
		return j.When != "never"
	}
	return false
}

// holds evaluates a condition without parentheses.
func (c circumstances) holds(text string) bool {
	for either := range strings.SplitSeq(text, "||") {
		all := true
		for both := range strings.SplitSeq(either, "&&") {
			all = all && c.compare(strings.TrimSpace(both))
		}
		if all {
			return true
		}
	}
	return false
}

func (c circumstances) compare(text string) bool {
	for _, op := range []string{"==", "!=", "=~", "!~"} {
		left, right, found := strings.Cut(text, op)
		if !found {
			continue
		}
		a, right := c.value(strings.TrimSpace(left)), strings.TrimSpace(right)
		if op[1] == '~' {
			re, err := regexp.Compile(strings.Trim(right, "/"))
			return err == nil && re.MatchString(a) == (op == "=~")
		}
		return (a == c.value(right)) == (op == "==")
	}
	return c.value(text) != ""
}

// value is what a word of a condition stands for.
func (c circumstances) value(word string) string {
	name, variable := strings.CutPrefix(word, "$")
	if !variable {
		return strings.Trim(word, `"'`)
	}
	switch name {
	case "CI_COMMIT_REF_NAME":
		return c.ref
	case "CI_PIPELINE_SOURCE":
		return c.source
	case "CI_COMMIT_TAG":
		if c.tag {
			return c.ref
		}
		return ""
	case "CI_COMMIT_BRANCH":
		if !c.tag {
			return c.ref
		}
		return ""
	}
	return c.variables[name]
}

// fields reads a YAML map; nil when it is not one.
func fields(v any) map[string]any {
	m, is := v.(yaml.MapSlice)
	if !is {
		return nil
	}
	out := map[string]any{}
	for _, item := range m {
		out[fmt.Sprint(item.Key)] = item.Value
	}
	return out
}

// words reads a YAML list of texts, or the refs of a map, or one text.
func words(v any) []string {
	var out []string
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			out = append(out, fmt.Sprint(one))
		}
	case string:
		out = append(out, v)
	case yaml.MapSlice:
		return words(fields(v)["refs"])
	}
	return out
}
