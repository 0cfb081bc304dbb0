package git

import "slipway/bot/action"

// Bind gives every action of this package with its code, for the set that cmd builds.
func Bind(r *Repositories, v Versions, d Depot) ([]action.Bound, error) {
	var all []action.Bound
	var first error
	add := func(b action.Bound, err error) {
		if all = append(all, b); err != nil && first == nil {
			first = err
		}
	}
	state, log, file := NewState(r, v), NewLog(r), NewFile(r)
	prepare, payload, push, verify := NewPrepare(r), NewPayloadOfTag(), NewPushRelease(r), NewVerifyTag(r, r.opts.GPG)
	add(action.Of(state.Contract(), state))
	add(action.Of(log.Contract(), log))
	add(action.Of(file.Contract(), file))
	add(action.Of(prepare.Contract(), prepare))
	add(action.Of(payload.Contract(), payload))
	add(action.Of(push.Contract(), push))
	add(action.Of(verify.Contract(), verify))
	found := NewFindRelease(r, r.opts.GPG)
	add(action.Of(found.Contract(), found))
	branch, files := NewPushBranch(r), NewFiles(r, d)
	add(action.Of(branch.Contract(), branch))
	add(action.Of(files.Contract(), files))
	fork := NewPushFork(r)
	add(action.Of(fork.Contract(), fork))
	return all, first
}
