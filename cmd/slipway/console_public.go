package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"slipway/bot/view"
	"slipway/integrations/console/web"
)

// releases are the versions that everybody may know were released, newest first: of ended runs that
// are not private, as somebody without an account sees them.
func (b *bot) releases(ctx context.Context) ([]web.Release, error) {
	list := func(family string) ([]view.Line, error) {
		page, err := b.web.view.Runs(ctx, "", view.Query{Family: family, Status: "done", Which: "past", Limit: 200})
		return page.Runs, err
	}
	done, err := list("release")
	if err != nil {
		return nil, err
	}
	undone, err := list("release-undo")
	if err != nil {
		return nil, err
	}
	taken := map[string]time.Time{} // project/version → when it was last taken back
	for _, r := range undone {
		if version, ok := strings.CutPrefix(last(r.Name), "undo-"); ok {
			at := taken[r.Project+"/"+version]
			if r.Ended.After(at) {
				at = r.Ended
			}
			taken[r.Project+"/"+version] = at
		}
	}
	var out []web.Release
	for _, r := range done {
		version := last(r.Name)
		out = append(out, web.Release{Project: r.Project, Version: version, At: r.Ended, TakenBack: taken[r.Project+"/"+version].After(r.Ended)})
	}
	slices.SortStableFunc(out, func(x, y web.Release) int { return y.At.Compare(x.At) })
	return out, nil
}

// last is what follows the last slash of a run's name.
func last(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }
