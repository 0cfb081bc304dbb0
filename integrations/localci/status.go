package localci

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode"

	"slipway/bot/errs"
	"slipway/bot/pipeline"
)

// The states of a pipeline.
const (
	Pending  = pipeline.Pending
	Running  = pipeline.Running
	Success  = pipeline.Success
	Failed   = pipeline.Failed
	Canceled = pipeline.Canceled
)

// tailBytes and tailLines bound the part of a log that goes into a status.
const (
	tailBytes = 8 << 10
	tailLines = 60
)

// Status is how a run goes.
type Status struct {
	State   string
	Log     string // the last lines, as plain text
	Seconds int
	URL     string
}

// nameOf is the name of all runs of one commit under one ref.
func nameOf(remote, ref, commit string) string {
	sum := sha256.New()
	for _, part := range []string{remote, ref, commit} {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(sum.Sum(nil))[:32]
}

// latest is the run that was started last for a commit; "" when there is none.
func (r *Runner) latest(remote, ref, commit string) (string, error) {
	data, err := os.ReadFile(filepath.Join(r.root, "latest", nameOf(remote, ref, commit)))
	switch {
	case os.IsNotExist(err):
		return "", nil
	case err != nil:
		return "", broken("the runs cannot be read: %w", err)
	}
	return string(data), nil
}

// Status reads how a run goes. A run over its time or with too long a log is stopped here.
func (r *Runner) Status(run string) (Status, error) {
	if !runForm.MatchString(run) {
		return Status{}, errs.E("ci.local", errs.Invalid, fmt.Errorf("%q is not the id of a pipeline", run)).Hint("Use the id that ci.start gave")
	}
	dir := r.dir(run)
	q, err := r.request(run)
	if err != nil {
		return Status{}, errs.E("ci.local", errs.NotFound, fmt.Errorf("there is no pipeline %s", run)).Hint("Start it first")
	}
	s := Status{URL: r.url(run), Log: r.tail(dir)}
	began := modified(filepath.Join(dir, "pid"))
	seconds := func(until time.Time) int {
		if began.IsZero() || until.Before(began) {
			return 0
		}
		return int(until.Sub(began).Seconds())
	}
	// The lock is asked before the files: whoever let go of it has written its verdict.
	working := r.locked(run)
	ended, stopped := modified(filepath.Join(dir, "verdict")), modified(filepath.Join(dir, "stopped"))
	if data, err := os.ReadFile(filepath.Join(dir, "verdict")); err == nil && (stopped.IsZero() || ended.Before(stopped)) {
		s.Seconds = seconds(ended)
		s.State = Success
		if code := strings.TrimSpace(string(data)); code != "0" {
			s.State = Failed
			s.Log += fmt.Sprintf("\n%s ended with status %s", clean(q.Command[0]), code)
		}
		return s, nil
	}
	if data, err := os.ReadFile(filepath.Join(dir, "stopped")); err == nil {
		state, why, _ := strings.Cut(string(data), " ")
		s.State, s.Seconds = state, seconds(stopped)
		if why != "" {
			s.Log += "\nstopped: " + why
		}
		return s, nil
	}
	if !working {
		s.State = Pending
		if r.number(run, "tries") > 0 {
			s.Log += "\ninterrupted; it will be begun again"
		}
		return s, nil
	}
	s.State, s.Seconds = Running, seconds(r.opts.Now())
	why := ""
	if time.Duration(s.Seconds)*time.Second > r.opts.Limit {
		why = "failed it took longer than " + r.opts.Limit.String()
	} else if info, err := os.Stat(filepath.Join(dir, "log")); err == nil && info.Size() > r.opts.MaxLog {
		why = fmt.Sprintf("failed its log is longer than %d bytes", r.opts.MaxLog)
	}
	if why == "" {
		return s, nil
	}
	if err := r.Stop(run, why); err != nil {
		return s, err
	}
	return r.Status(run)
}

// locked reports whether a watcher, or a start in this process, holds the lock of a run.
func (r *Runner) locked(run string) bool {
	f, err := os.OpenFile(filepath.Join(r.dir(run), "lock"), os.O_RDONLY, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	r.look.Lock()
	defer r.look.Unlock()
	if syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil {
		return true
	}
	// Closing alone would not do: a process that is just being started may share the file.
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	return false
}

// alive is the process group of a run's watcher, or 0. The number alone does not prove it, since
// numbers are used again: the time at which the process began must be the same, too.
func (r *Runner) alive(run string) int {
	if !r.locked(run) {
		return 0
	}
	data, err := os.ReadFile(filepath.Join(r.dir(run), "pid"))
	if err != nil {
		return 0
	}
	pid, began := stat(string(data))
	now, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil || pid <= 1 {
		return 0
	}
	if again, same := stat(string(now)); again != pid || same != began {
		return 0
	}
	return pid
}

// stat reads the process id and the start time (field 22, in clock ticks since the machine began)
// of /proc/PID/stat, proc(5). The name in field 2 may have any character in it.
func stat(line string) (pid int, began string) {
	fmt.Sscanf(line, "%d ", &pid)
	if i := strings.LastIndexByte(line, ')'); i >= 0 {
		if f := strings.Fields(line[i+1:]); len(f) > 19 {
			began = f[19]
		}
	}
	return pid, began
}

func (r *Runner) url(run string) string {
	if r.opts.URL != "" {
		return r.opts.URL + "/runs/" + run + "/log"
	}
	return "file://" + filepath.Join(r.dir(run), "log")
}

func modified(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// tail is the end of a log as plain text.
func (r *Runner) tail(dir string) string {
	f, err := os.Open(filepath.Join(dir, "log"))
	if err != nil {
		return ""
	}
	defer f.Close()
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		_, _ = f.Seek(max(0, size-tailBytes), io.SeekStart)
	}
	data, _ := io.ReadAll(io.LimitReader(f, tailBytes))
	lines := strings.Split(strings.TrimRight(clean(string(data)), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}

// clean is the text of a program without what moves a cursor or colours a screen.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}
