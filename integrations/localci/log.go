package localci

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"slipway/bot/errs"
)

// runName is the form of the id of a run: it is a name of a folder and nothing else.
var runName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// OpenLog opens the log of a run, as the command wrote it; the caller closes it. Errors: [errs.NotFound]
// for a run that is not known or has no log yet.
func (r *Runner) OpenLog(run string) (*os.File, error) {
	const op = "ci.log"
	if !runName.MatchString(run) {
		return nil, errs.E(op, errs.NotFound, fmt.Errorf("there is no pipeline %q", run))
	}
	f, err := os.Open(filepath.Join(r.dir(run), "log"))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, errs.E(op, errs.NotFound, fmt.Errorf("the pipeline %s has no log", run))
	case err != nil:
		return nil, errs.E(op, errs.Unavailable, fmt.Errorf("opening the log of the pipeline %s: %w", run, err))
	}
	return f, nil
}
