package view

import (
	"context"
	"slices"
	"strings"
	"time"

	"slipway/bot/engine"
	"slipway/bot/job"
	"slipway/bot/people"
)

// queueMost bounds each list of a queue.
const queueMost = 200

// Queue is everything that is being done or waits to be done.
type Queue struct {
	AsOf      time.Time  `json:"as_of"`
	Paused    *Pause     `json:"paused,omitempty" doc:"effects are paused: nothing outside is done"`
	Effects   []Effect   `json:"effects" doc:"in the order in which they are due, at most 200"`
	Jobs      []Job      `json:"jobs" doc:"work for signers and builders, at most 200"`
	Locks     []Lock     `json:"locks" doc:"by name"`
	Pipelines []Pipeline `json:"pipelines" doc:"pipelines that runs wait for"`
	Starts    []Start    `json:"starts" doc:"that wait for a name to be free"`
	More      bool       `json:"more,omitempty" doc:"a list is longer than what is shown"`
}

// Pause is a pause of all effects.
type Pause struct {
	By  Person `json:"by"`
	Why string `json:"why"`
}

// Job is work that a signer or builder leases.
type Job struct {
	ID      string    `json:"id,omitempty"`
	Kind    string    `json:"kind"`
	Run     Ref       `json:"run"`
	Step    string    `json:"step,omitempty"`
	State   string    `json:"state" doc:"waiting or leased"`
	Holder  string    `json:"holder,omitempty"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until,omitzero" doc:"of the lease"`
	Attempt int       `json:"attempt,omitempty" doc:"leases so far"`
	Why     string    `json:"why,omitempty"`
}

// Lock is a lock that is held or waited for.
type Lock struct {
	Name   string  `json:"name"`
	Holder *Claim  `json:"holder,omitempty"`
	Queue  []Claim `json:"queue,omitempty" doc:"who waits, the next one first"`
}

// Claim is a run that holds a lock or waits for it.
type Claim struct {
	Run   Ref       `json:"run"`
	Scope string    `json:"scope,omitempty" doc:"the step that needs it; absent: the whole run"`
	Since time.Time `json:"since"`
}

// Pipeline is something that a run waits for and looks at again and again.
type Pipeline struct {
	Run  Ref       `json:"run"`
	Step string    `json:"step,omitempty"`
	What string    `json:"what" doc:"the contract that reads it, e.g. ci.pipeline@1"`
	Next time.Time `json:"next" doc:"when it is looked at next"`
	Last string    `json:"last,omitempty" doc:"why it could not be read"`
}

// Start is a start that waits until the run that has its name ends.
type Start struct {
	Name   string    `json:"name"`
	Person *Person   `json:"person,omitempty"`
	Since  time.Time `json:"since"`
}

// Queue shows what is being done and what waits, for one person: what belongs to a run that the
// person may not see says so and no more.
func (r *Reader) Queue(ctx context.Context, p people.PersonID) (Queue, error) {
	w := r.e.World()
	out := Queue{AsOf: w.Now, Effects: []Effect{}, Jobs: []Job{}, Locks: []Lock{}, Pipelines: []Pipeline{}, Starts: []Start{}}
	if by, why, paused := r.e.Paused(); paused {
		out.Paused = &Pause{r.person(w, by), why}
	}
	effects, err := r.e.Effects(ctx, "", 4*queueMost)
	if err != nil {
		return Queue{}, err
	}
	for _, f := range effects {
		r.queueEffect(ctx, p, w.Now, f, &out)
	}
	jobs, err := r.e.Jobs(ctx, queueMost)
	if err != nil {
		return Queue{}, err
	}
	out.More = out.More || len(jobs) == queueMost
	for _, j := range jobs {
		out.Jobs = append(out.Jobs, r.job(ctx, p, j))
	}
	for _, l := range r.e.Locks() {
		one := Lock{Name: l.Name}
		if l.Holder.Run != "" {
			one.Holder = &Claim{Run: r.ref(ctx, p, l.Holder.Run, l.Holder.Name), Scope: l.Holder.Scope, Since: l.Holder.Since}
		}
		for _, c := range l.Queue {
			one.Queue = append(one.Queue, Claim{Run: r.ref(ctx, p, c.Run, c.Name), Scope: c.Scope, Since: c.Since})
		}
		out.Locks = append(out.Locks, hidden(one))
	}
	starts, err := r.e.Waiting(ctx, queueMost)
	if err != nil {
		return Queue{}, err
	}
	for _, s := range starts {
		if s.Private && (p == "" || s.Person != p && !slices.Contains(s.Circle, p)) {
			continue
		}
		one := Start{Name: s.Name, Since: s.Since}
		if s.Person != "" {
			who := r.person(w, s.Person)
			one.Person = &who
		}
		out.Starts = append(out.Starts, one)
	}
	return out, nil
}

// hidden leaves out what a claim of a private run says besides that there is one. A lock's own name
// is of the configuration.
func hidden(l Lock) Lock {
	if l.Holder != nil && l.Holder.Run.ID == "" {
		l.Holder.Scope = ""
	}
	for i := range l.Queue {
		if l.Queue[i].Run.ID == "" {
			l.Queue[i].Scope = ""
		}
	}
	return l
}

func (r *Reader) queueEffect(ctx context.Context, p people.PersonID, now time.Time, f engine.Pending, out *Queue) {
	ref := Ref{Name: "Slipway itself"}
	private := false
	if f.Run != "" {
		ref = r.ref(ctx, p, f.Run, f.Run)
		private = ref.ID == ""
	}
	if strings.HasPrefix(f.Action, "ci.") && f.Run != "" && isPoll(f) {
		if len(out.Pipelines) < queueMost {
			one := Pipeline{Run: ref, Step: f.Step, What: f.Action, Next: f.After, Last: f.Last}
			if private {
				one.Step, one.Last = "", ""
			}
			out.Pipelines = append(out.Pipelines, one)
		}
		return
	}
	if len(out.Effects) >= queueMost {
		out.More = true
		return
	}
	one := Effect{Run: &ref, Step: f.Step, Action: f.Action, Key: f.Key, Attempts: f.Attempts, Last: f.Last, Begun: f.Begun, State: "pending"}
	if f.After.After(now) {
		one.State, one.Next = "waiting", f.After
	}
	if private {
		one = Effect{Run: &ref, Action: "an effect", State: one.State, Next: one.Next}
	}
	out.Effects = append(out.Effects, one)
}

// isPoll reports whether an effect only reads how a pipeline goes.
func isPoll(f engine.Pending) bool { return strings.HasPrefix(f.Action, "ci.pipeline@") }

func (r *Reader) job(ctx context.Context, p people.PersonID, j job.Job) Job {
	out := Job{ID: j.ID, Kind: j.Kind, Run: r.ref(ctx, p, j.Run, j.Run), Step: j.Step, State: "waiting", Since: j.Created, Attempt: j.Attempt, Why: j.Why}
	if j.State == job.Leased {
		out.State, out.Holder, out.Until = "leased", j.Lease.Holder, j.Lease.Until
	}
	if out.Run.ID == "" {
		out.ID, out.Step, out.Why, out.Holder = "", "", "", ""
	}
	return out
}
