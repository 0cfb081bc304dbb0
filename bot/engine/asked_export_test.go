package engine

import (
	"context"
	"time"

	"slipway/bot/gate"
	"slipway/bot/run"
)

// RoleAgain reads a role at its source, as something beside a closing does.
func (e *Engine) RoleAgain(ctx context.Context, project, role string) error {
	return e.roleAgain(ctx, project, role)
}

// ReadStanding asks about the accounts of votes, as the closing of another gate does.
func (e *Engine) ReadStanding(ctx context.Context, votes []gate.Vote) error {
	return e.readStanding(ctx, "lava", nil, e.World().Directory, votes, &run.Closing{})
}

// BarredDue is one round of questions about accounts that do not count.
func (e *Engine) BarredDue(ctx context.Context) (did bool, next time.Time, err error) {
	return e.barredDue(ctx)
}
