package fleet

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"slipway/bot/engine"
	"slipway/bot/people"
)

// sources are the playbooks of every fleet.
func sources() []string {
	return []string{releaseYAML, noteYAML, nightlyYAML}
}

const releaseYAML = `
playbook: release
doc: A release with one of every kind of step.
name: "release/${project.name}/${inputs.version}"
inputs:
  version: {type: version, help: "the version to release"}
  note: {type: string, default: "", help: "a word for those who approve"}
never:
  - {do: fleet.push, without: go}
steps:
  state: {doc: Read the branch and the tags, do: fleet.state@1, with: {name: "${inputs.version}"}}
  checklist:
    doc: Merge requests are merged, the milestone is empty
    ask: release-manager
    prompt: "Is everything of ${inputs.version} merged?"
    fields:
      merged: {type: bool, help: "true once every merge request is merged"}
      moved: {type: string, default: "", help: "what was moved to the next release"}
    needs: [state]
  files: {doc: Build the packages, do: fleet.files@1, with: {name: "${inputs.version}"}, needs: [checklist]}
  notes: {doc: Write the announcement, do: fleet.notes@1, with: {name: "${inputs.version}"}, needs: [checklist]}
  go:
    doc: The team agrees that it is good enough
    gate: "2 of maintainer, not requester"
    say: "Release ${project.name} ${inputs.version}? ${inputs.note}"
    binds: ["${steps.state.commit}", "${steps.notes.digest}", "${steps.files.first}", "${steps.checklist.moved}", "${inputs.note}"]
    expires: 14d
    remind: 4h
    needs: [files, notes]
  push: {doc: Push the tag, do: fleet.push@1, with: {name: "${inputs.version}"}, uses: ["repo/${project.name}"], needs: [go], frozen_by: {calendar: release, then: wait}}
  images:
    doc: Push the images
    each: "['amd64', 'arm64', 'armhf']"
    as: arch
    key: "arch"
    in: parallel 3
    steps:
      image: {doc: Push one image, do: fleet.build@1, with: {name: "${inputs.version + arch}"}}
    needs: [push]
  call_round:
    doc: Tell the mirrors by telephone
    by_hand: release-manager
    text: "Call the mirrors about ${inputs.version}."
    evidence: {who: {type: string, help: "whom you spoke to"}}
    may_skip: {by: [release-manager]}
    needs: [push]
  publish: {doc: Publish, do: fleet.publish@1, with: {name: "${inputs.version}"}, needs: [images, call_round]}
`

// noteYAML ends at once, or waits for an answer.
const noteYAML = `
playbook: note
doc: A run that ends at once, or waits for an answer.
name: "release/${project.name}/${inputs.version}"
inputs:
  version: {type: version, help: "a version"}
  live: {type: bool, default: false}
steps:
  it: {doc: Wait for a word, ask: requester, prompt: "Is it good?", fields: {good: {type: bool}}, when: "inputs.live"}
`

const nightlyYAML = `
playbook: nightly
doc: A build each night.
name: "nightly/${project.name}/${run.id}"
trigger: {every: "daily 03:00 UTC", owner: release-manager, missed: skip}
steps:
  it: {doc: Build, do: fleet.build@1, with: {name: "nightly"}}
`

// Fill makes n runs, of which the last live ones wait for an answer and all others have ended. Every
// tenth is private, for grace and hana. It needs no [Fleet.Work].
func (f *Fleet) Fill(ctx context.Context, n, live int) error {
	who := []people.PersonID{"grace", "alan", "hana"}
	var wait sync.WaitGroup
	var once sync.Once
	var failed error
	next := make(chan int)
	for range 32 {
		wait.Go(func() {
			for i := range next {
				r := engine.StartRequest{Family: "note", Project: []string{"lava", "glass"}[i%2], Person: who[i%3],
					Inputs: map[string]any{"version": fmt.Sprintf("%d.%02d.%d", 2000+i/1200, i/100%12+1, i%100), "live": i >= n-live}}
				if i%10 == 9 {
					r.Person, r.Private, r.Circle = "grace", true, []people.PersonID{"grace", "hana"}
				}
				if _, err := f.Engine.StartRun(ctx, r); err != nil {
					once.Do(func() { failed = fmt.Errorf("run %d: %w", i, err) })
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wait.Wait()
	return failed
}

// BigYAML is a playbook named big with n declared steps in rows of width, each needing the one above
// it, and a list of which the last 50 elements wait for people. A playbook holds some 1,000 declared steps; a list
// may have more elements than that.
func BigYAML(n, width int) string {
	var b strings.Builder
	b.WriteString("playbook: big\ndoc: A run of very many steps.\nname: \"release/${project.name}/${inputs.version}\"\ninputs:\n  version: {type: version, help: \"a version\"}\n  keys: {type: list(string)}\nsteps:\n")
	for i := range n {
		needs := ""
		if i >= width {
			needs = fmt.Sprintf(", needs: [s%d]", i-width)
		}
		fmt.Fprintf(&b, "  s%d: {doc: Step %d of many, do: fleet.build@1, with: {name: \"%d\"}%s}\n", i, i, i, needs)
	}
	b.WriteString("  parts:\n    doc: Many parts\n    each: \"inputs.keys\"\n    as: part\n    key: \"part\"\n    in: parallel 64\n    steps:\n      ok: {doc: Somebody looks at it, ask: release-manager, prompt: \"Is ${part} good?\", fields: {good: {type: bool}}, when: \"part.startsWith('wait')\"}\n")
	return b.String()
}

// Big starts a run of the playbook big with so many elements and returns its id. With work it also
// does the declared steps, which takes some milliseconds for each.
func (f *Fleet) Big(ctx context.Context, version string, elements int, work bool) (string, error) {
	keys := make([]any, elements)
	for i := range keys {
		keys[i] = fmt.Sprintf("part-%d", i)
		if elements-i <= 50 {
			keys[i] = fmt.Sprintf("wait-%d", i)
		}
	}
	started, err := f.Engine.StartRun(ctx, engine.StartRequest{Family: "big", Project: "lava", Person: "grace", Inputs: map[string]any{"version": version, "keys": keys}})
	if err != nil || !work {
		return started.Run, err
	}
	return started.Run, f.Work(ctx)
}
