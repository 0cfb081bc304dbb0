package web

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/console"
)

// What a browser remembers of its reader is in cookies of no consequence: theme, time zone, and
// what was read. They hold no right, and what they hold is checked like any input.
const (
	themeCookie = "theme" // light, dark
	zoneCookie  = "zone"  // Europe/Berlin; set by the script
	readCookie  = "read"  // general:1549000000000_releases:1549000000001, newest first
	placeCookie = "place" // the channel that was open last
)

// Bounds of what is counted and remembered as read.
const (
	maxUnread = 99
	maxRead   = 40 // channels
)

func cookieOf(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// keep sets one of these cookies for a year. Scripts may read and write them.
func keep(w http.ResponseWriter, name, value string) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: 365 * 24 * 3600, SameSite: http.SameSiteLaxMode})
}

func themeOf(r *http.Request) string {
	switch v := cookieOf(r, themeCookie); v {
	case "light", "dark":
		return v
	}
	return ""
}

var zoneRE = regexp.MustCompile(`^[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,2}$`)

// zoneOf is the time zone of the reader, UTC until the browser has told.
func zoneOf(r *http.Request) *time.Location {
	name := strings.ReplaceAll(cookieOf(r, zoneCookie), "%2F", "/")
	if !zoneRE.MatchString(name) || name == "Local" {
		return time.UTC
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	return zone
}

// readMarks are the newest messages that this browser has shown, by channel.
func readMarks(r *http.Request) map[string]string {
	marks := map[string]string{}
	for i, part := range strings.Split(cookieOf(r, readCookie), "_") {
		channel, id, ok := strings.Cut(part, ":")
		if ok && i < maxRead && validID(id) {
			marks[channel] = id
		}
	}
	return marks
}

// markRead remembers that a channel was shown up to a message.
func markRead(w http.ResponseWriter, r *http.Request, channel, id string) {
	if !validID(id) {
		return
	}
	old := cookieOf(r, readCookie)
	if marks := readMarks(r); len(marks[channel]) > len(id) || len(marks[channel]) == len(id) && marks[channel] >= id {
		return
	}
	list := []string{channel + ":" + id}
	for _, part := range strings.Split(old, "_") {
		if name, mark, ok := strings.Cut(part, ":"); ok && name != channel && validID(mark) && len(list) < maxRead && (console.CheckChannel(strings.TrimPrefix(name, "@")) == nil) {
			list = append(list, part)
		}
	}
	keep(w, readCookie, strings.Join(list, "_"))
}

// validID reports whether id is that of a message: digits without a leading zero.
func validID(id string) bool {
	if id == "" || len(id) > 19 || id[0] == '0' {
		return false
	}
	return strings.Trim(id, "0123456789") == ""
}

// theme keeps the choice of light or dark and comes back to the page.
func (s *Site) theme(w http.ResponseWriter, r *http.Request) error {
	switch v := r.PostFormValue("theme"); v {
	case "light", "dark":
		keep(w, themeCookie, v)
	case "auto":
		http.SetCookie(w, &http.Cookie{Name: themeCookie, Path: "/", MaxAge: -1, SameSite: http.SameSiteLaxMode})
	default:
		return errs.E("web.theme", errs.Invalid, errors.New("there is no such theme")).Hint("there are light, dark and auto")
	}
	back(w, r, r.PostFormValue("back"))
	return nil
}

// back leads to a page of ours, and to no other site: to is a path as it stands in an address.
func back(w http.ResponseWriter, r *http.Request, to string) {
	if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") {
		to = "/"
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}
