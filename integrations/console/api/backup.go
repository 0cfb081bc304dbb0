package api

import (
	"context"
	"errors"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/console/login"
)

// Backup is how backups stand.
type Backup struct {
	Number  int    `json:"number" doc:"Of the backup that is being made, or was made last; counts since the bot began."`
	Running bool   `json:"running,omitempty" doc:"It is being made."`
	Stage   string `json:"stage,omitempty" doc:"What is being copied."`
	Done    int64  `json:"done,omitempty" doc:"Bytes of the stage that are done."`
	Total   int64  `json:"total,omitempty" doc:"Bytes of the stage in all."`
	Path    string `json:"path,omitempty" doc:"Of the last one that was made."`
	Size    int64  `json:"size,omitempty" doc:"Its bytes."`
	Written int64  `json:"written,omitempty" doc:"How many of them are new in its folder."`
	Seal    string `json:"seal,omitempty" doc:"Digest of everything in it."`
	Kind    string `json:"kind,omitempty" doc:"Of the error, if the last one failed."`
	Error   string `json:"error,omitempty" doc:"Why the last one failed."`
}

// BackupAsk begins a backup.
type BackupAsk struct {
	To string `json:"to" need:"yes" doc:"Absolute path on the bot's machine: a file, or a folder that ends in a slash." max:"4096" example:"/var/backups/slipway/"`
}

func (a *API) backups(ctx context.Context, v login.Viewer, _ Nothing) (Backup, error) {
	return a.backUp(ctx, v, BackupAsk{})
}

// backUp is for those on the machine: nobody writes files there from afar.
func (a *API) backUp(ctx context.Context, v login.Viewer, q BackupAsk) (Backup, error) {
	switch {
	case a.o.Backup == nil:
		return Backup{}, notHere("backup")
	case !onSocket(ctx):
		return Backup{}, errs.E("api.backup", errs.Denied, errors.New("a backup can only be asked for on the bot's machine")).Hint("run slipway backup there")
	}
	return a.o.Backup(v.Account, q.To)
}

func (a *API) backupRoutes() []route {
	const more = "Only over the unix socket."
	return []route{
		plain(route{method: "GET", path: "/backups", id: "backups", scope: login.Operate, doc: "How the backup stands that is being made, or was made last.", more: more}, a.backups),
		plain(route{method: "POST", path: "/backups", id: "backup", scope: login.Operate, doc: "Begin a backup; GET tells how far it is.", more: more,
			kinds: []errs.Kind{errs.Full}, wait: time.Minute}, a.backUp),
	}
}

type socketKey struct{}

// onSocket reports whether a request came over the unix socket.
func onSocket(ctx context.Context) bool { return ctx.Value(socketKey{}) != nil }
