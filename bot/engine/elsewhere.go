package engine

import (
	"context"
	"maps"
	"slices"
	"time"

	"slipway/bot/gate"
	"slipway/bot/people"
)

// Roles that a service keeps are read again besides when gates close: whoever was made a member meanwhile
// would not be one here before that, and a gate that needs the new member never begins to close.

const (
	elsewhereEvery = time.Minute     // by itself
	elsewhereLeast = 5 * time.Second // when somebody reacts who does not hold a role
)

// elsewhereDue reads the roles again whose time it is. Those whose source is away are left to
// [Engine.rolesDue].
func (e *Engine) elsewhereDue(ctx context.Context) (did bool, next time.Time, err error) {
	source, ok := e.cfg.People.(Elsewhere)
	if !ok {
		return false, time.Time{}, nil
	}
	for _, r := range source.Elsewhere() {
		asked, again, err := e.readDue(ctx, r.Project, r.Role, elsewhereEvery, false)
		did, next = did || asked, earlier(next, again)
		if err != nil {
			return did, next, err
		}
	}
	return did, next, nil
}

// elsewhereVotes reads those roles of a project again that somebody who reacted does not hold. A command is
// answered at once and reads nothing: whoever gives one may have to wait for [Engine.elsewhereDue].
func (e *Engine) elsewhereVotes(ctx context.Context, project string, votes []gate.Vote) error {
	source, ok := e.cfg.People.(Elsewhere)
	if !ok || len(votes) == 0 {
		return nil
	}
	w := e.World()
	for _, r := range source.Elsewhere() {
		strange := slices.ContainsFunc(votes, func(v gate.Vote) bool {
			_, has := w.Directory.Has(project, r.Role, v.Person, w.Now)
			return v.Person != "" && !has
		})
		if strange && (r.Project == project || r.Project == people.EveryProject) {
			if _, _, err := e.readDue(ctx, r.Project, r.Role, elsewhereLeast, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// keepElsewhere forgets what was read again but for the roles that People does not give. Those of them
// that were never read are read soon, and held by nobody until then.
func (e *Engine) keepElsewhere() {
	again, reread, down := e.world.again, e.world.reread, maps.Clone(e.world.down)
	e.world.again, e.world.reread = nil, map[string]bool{}
	source, ok := e.cfg.People.(Elsewhere)
	if !ok {
		return
	}
	for _, r := range source.Elsewhere() {
		key := r.Project + "/" + r.Role
		if reread[key] {
			e.world.reread[key] = true
			for _, g := range again {
				if g.Project+"/"+g.Role == key {
					e.world.again = append(e.world.again, g)
				}
			}
			continue
		}
		if down[key] == "" {
			down[key] = "it has not been read since the start"
			delete(e.world.reads, key)
		}
	}
	e.world.down = down
}
