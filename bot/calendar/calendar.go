// Package calendar knows freeze windows, business days and schedules.
//
// It is pure: the time comes from the caller, and time zones come as loaded locations, since
// loading one reads the disk.
package calendar

import "time"

// Freeze is a window in which steps that name its calendar may not start.
type Freeze struct {
	ID       string    `json:"id"`
	Calendar string    `json:"calendar"` // e.g. "debian", "tcwg-release"
	Why      string    `json:"why"`
	From     time.Time `json:"from"`
	Until    time.Time `json:"until"` // exclusive; zero: until it is ended by a person
}
