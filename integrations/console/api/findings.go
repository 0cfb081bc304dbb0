package api

import (
	"context"
	"time"

	"slipway/bot/finding"
	"slipway/integrations/console/login"
)

// FindingsAsk asks what is wrong with the installation.
type FindingsAsk struct {
	Fresh bool `in:"query" json:"fresh" doc:"Look at everything anew before answering; at most every 10 seconds."`
}

// findings tells what the bot knows of its own health. No private run is named in it.
func (a *API) findings(ctx context.Context, _ login.Viewer, q FindingsAsk) (finding.Report, error) {
	if a.o.Findings == nil {
		return finding.Report{}, notHere("findings")
	}
	return a.o.Findings(ctx, q.Fresh), nil
}

func (a *API) findingRoutes() []route {
	return []route{plain(route{method: "GET", path: "/findings", id: "findings", scope: login.Read,
		doc: "What is wrong with this installation, and what is well.", more: "Private runs are never named.", wait: 3 * time.Minute}, a.findings)}
}
