package view

import (
	"context"
	"slices"
	"strings"
	"time"

	"slipway/bot/people"
)

// Bounds of a calendar.
const (
	timerMost  = 1000 // timers that are looked at
	timesMost  = 64   // times of one schedule
	windowMost = 400 * 24 * time.Hour
)

// Calendar is what is known of a window of time.
type Calendar struct {
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`
	Now     time.Time `json:"now"`
	Freezes []Freeze  `json:"freezes" doc:"that touch the window, by their beginning"`
	Planned []Planned `json:"planned" doc:"runs that begin by a schedule, by time"`
	Away    []Away    `json:"away" doc:"who is away in the window, by the beginning"`
	Due     []Due     `json:"due" doc:"deadlines, ends of manifests and times that runs wait for, by time"`
}

// Freeze is a window in which some steps may not start.
type Freeze struct {
	ID       string    `json:"id"`
	Calendar string    `json:"calendar" doc:"the name that playbooks use in frozen_by"`
	Why      string    `json:"why"`
	From     time.Time `json:"from"`
	Until    time.Time `json:"until,omitzero" doc:"absent: until a person ends it"`
	Holds    bool      `json:"holds" doc:"it holds now"`
}

// Planned is a run that a schedule starts.
type Planned struct {
	At       time.Time `json:"at"`
	Project  string    `json:"project"`
	Playbook string    `json:"playbook"`
	Every    string    `json:"every" doc:"the schedule"`
}

// Due is a moment of a run.
type Due struct {
	At   time.Time `json:"at"`
	Run  Ref       `json:"run"`
	Step string    `json:"step"`
	Kind string    `json:"kind" doc:"deadline, expire (of a manifest), at (the run waits for it), retry or remind"`
	What string    `json:"what" doc:"in words"`
}

// Calendar shows a window of time: from is inclusive, until exclusive, at most 400 days. Moments of
// runs are only of those that the person may see, and lie ahead.
func (r *Reader) Calendar(ctx context.Context, p people.PersonID, from, until time.Time) (Calendar, error) {
	w := r.e.World()
	if until.After(from.Add(windowMost)) {
		until = from.Add(windowMost)
	}
	out := Calendar{From: from.UTC(), Until: until.UTC(), Now: w.Now, Freezes: []Freeze{}, Planned: []Planned{}, Due: []Due{}, Away: r.away(from, until)}
	for _, f := range r.e.Freezes() {
		if f.From.Before(until) && (f.Until.IsZero() || f.Until.After(from)) {
			out.Freezes = append(out.Freezes, Freeze{f.ID, f.Calendar, f.Why, f.From, f.Until, f.Holds(w.Now)})
		}
	}
	slices.SortStableFunc(out.Freezes, func(a, b Freeze) int { return a.From.Compare(b.From) })
	schedules, err := r.e.Schedules(ctx)
	if err != nil {
		return Calendar{}, err
	}
	for _, s := range schedules {
		for _, at := range r.e.Occurrences(s, until, timesMost) {
			if !at.Before(from) {
				out.Planned = append(out.Planned, Planned{at.UTC(), s.Project, s.Playbook, s.Every})
			}
		}
	}
	slices.SortStableFunc(out.Planned, func(a, b Planned) int { return a.At.Compare(b.At) })
	timers, err := r.e.Timers(ctx, until, timerMost)
	if err != nil {
		return Calendar{}, err
	}
	for _, t := range timers {
		kind, step, _ := strings.Cut(t.ID, "/")
		words := timerWords(kind)
		if t.Due.Before(from) || words == "" || !r.Sees(ctx, p, t.Run) {
			continue
		}
		out.Due = append(out.Due, Due{At: t.Due.UTC(), Run: r.ref(ctx, p, t.Run, t.Run), Step: step, Kind: kind, What: words})
	}
	return out, nil
}

// timerWords say what a timer is for; "" for those that are nobody's business.
func timerWords(kind string) string {
	switch kind {
	case "deadline":
		return "must have ended"
	case "expire":
		return "the manifest expires"
	case "at":
		return "goes on"
	case "retry":
		return "is tried again"
	case "remind":
		return "reminds those who are awaited"
	}
	return ""
}
