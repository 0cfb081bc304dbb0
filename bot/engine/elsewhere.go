package engine

import (
	"context"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/bot/gate"
	"slipway/bot/people"
)

// Roles that a service keeps are read again besides when gates close: whoever was made a member meanwhile
// would not be one here before that, and a gate that needs the new member never begins to close.

const (
	elsewhereEvery = time.Minute     // by itself
	elsewhereLeast = 5 * time.Second // when somebody votes who does not hold a role that may
)

// elsewhereDue reads the roles again whose time it is. Those whose source is away are left to
// [Engine.rolesDue].
func (e *Engine) elsewhereDue(ctx context.Context) (next time.Time, err error) {
	return e.readElsewhere(ctx, "", elsewhereEvery)
}

// elsewhereVotes reads the roles of a project again when somebody votes who holds none of them.
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
			_, err := e.readElsewhere(ctx, r.Project+"/"+r.Role, elsewhereLeast)
			return err
		}
	}
	return nil
}

// readElsewhere reads roles, or the one that is named, that were not read for so long. next is when the
// first of the others is due.
func (e *Engine) readElsewhere(ctx context.Context, only string, age time.Duration) (next time.Time, err error) {
	source, ok := e.cfg.People.(Elsewhere)
	if !ok {
		return time.Time{}, nil
	}
	for _, r := range source.Elsewhere() {
		key, now := r.Project+"/"+r.Role, e.now()
		if only != "" && key != only {
			continue
		}
		e.world.change.Lock()
		at, away := e.world.readAt[key], e.world.down[key] != ""
		if due := at.Add(age); !away && due.After(now) {
			e.world.change.Unlock()
			next = earlier(next, due)
			continue
		}
		if e.world.readAt == nil {
			e.world.readAt = map[string]time.Time{}
		}
		e.world.readAt[key] = now
		before := e.world.view.Load()
		e.world.change.Unlock()
		next = earlier(next, now.Add(age))
		if away {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := e.roleAgain(limited, r.Project, r.Role)
		cancel()
		if err != nil && (stops(err) || ctx.Err() != nil) {
			return next, err
		}
		if err != nil {
			e.cfg.Log.Info("a role cannot be read now", "role", strings.TrimPrefix(key, people.EveryProject+"/"), "error", errs.Text(err))
		}
		if e.world.view.Load() != before {
			e.wakeAll("who holds the role " + key + " has changed")
		}
	}
	return next, nil
}
