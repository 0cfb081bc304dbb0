package web

import (
	"errors"
	"fmt"
	"hash/fnv"
	"html/template"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"slipway/bot/card"
)

// funcs are what every template may use. Times are shown in zone, with UTC in the title; the
// script shows them in the browser's zone where that one is not known yet.
func (s *Site) funcs(zone *time.Location) template.FuncMap {
	stamp := func(layout string, kind string) func(time.Time) template.HTML {
		return func(t time.Time) template.HTML {
			if t.IsZero() {
				return ""
			}
			local := t.In(zone)
			text := local.Format(layout)
			if zone == time.UTC && kind != "day" {
				text += " UTC"
			}
			return template.HTML(fmt.Sprintf(`<time datetime="%s" data-time="%s" title="%s UTC">%s</time>`, //nolint:gosec // digits only
				t.UTC().Format(time.RFC3339), kind, t.UTC().Format("2006-01-02 15:04:05"), template.HTMLEscapeString(text)))
		}
	}
	return template.FuncMap{
		"asset":  s.files.url,
		"moment": stamp("2006-01-02 15:04", "moment"), // a date and a time of day
		"clock":  stamp("15:04", "clock"),             // the time of day; the day is known
		"day":    func(t time.Time) template.HTML { return s.day(t, zone) },
		"ago":    func(t time.Time) template.HTML { return s.ago(t) },
		"plain":  plain,
		"spans":  spans,
		"mono":   mono,
		"short":  card.Short,
		"state":  stateClass,
		"symbol": func(st card.State) string { return st.Symbol() },
		"who":    s.who,
		"tone":   tone,
		"letter": initials,
		"dict":   dict,
		"big":    sentence,
		"here":   s.here,
		"tells":  func() bool { return s.o.Told != nil && s.o.Reader != nil },
		"emojis": func() []string { return []string{"✅", "❌", "👍", "👎", "👀", "🎉", "❤", "🚀"} },
	}
}

// day is the heading over the messages of one day.
func (s *Site) day(t time.Time, zone *time.Location) template.HTML {
	local, now := t.In(zone), s.o.Clock().In(zone)
	name := local.Format("Monday 2 January 2006")
	switch local.Format(time.DateOnly) {
	case now.Format(time.DateOnly):
		name = "Today"
	case now.AddDate(0, 0, -1).Format(time.DateOnly):
		name = "Yesterday"
	}
	return template.HTML(fmt.Sprintf(`<time datetime="%s" data-time="day" title="%s">%s</time>`, //nolint:gosec // digits only
		t.UTC().Format(time.RFC3339), local.Format("2006-01-02"), name))
}

// ago is how long ago a time was, in words that the script keeps up to date.
func (s *Site) ago(t time.Time) template.HTML {
	if t.IsZero() {
		return ""
	}
	return template.HTML(fmt.Sprintf(`<time datetime="%s" data-time="ago" title="%s UTC">%s</time>`, //nolint:gosec // digits only
		t.UTC().Format(time.RFC3339), t.UTC().Format("2006-01-02 15:04:05"), span(s.o.Clock().Sub(t))))
}

// span is a length of time in its largest unit.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}

// plain is text that shows what it is: control characters and those that reorder or hide text
// become "�". Lines stay.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\u200d' || r == '\u200c': // joiners, as in emoji
			return r
		case r == '\t':
			return ' '
		case r == '\r':
			return -1
		case unicode.Is(unicode.Cc, r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r):
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}

// piece is text, or the address of a page.
type piece struct{ Text, URL string }

var addressRE = regexp.MustCompile(`\bhttps?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~!$&*+,;=:@%/?#-]*)?`)

// spans are the pieces of a text: what looks like the address of a web page becomes a link to
// itself, so that no text can show one address and lead to another.
func spans(s string) []piece {
	s = plain(s)
	var out []piece
	for {
		at := addressRE.FindStringIndex(s)
		if at == nil {
			break
		}
		end := at[0] + len(strings.TrimRight(s[at[0]:at[1]], ".,;:!?*"))
		if at[0] > 0 {
			out = append(out, piece{Text: s[:at[0]]})
		}
		out = append(out, piece{Text: s[at[0]:end], URL: s[at[0]:end]})
		s = s[end:]
	}
	if s != "" {
		out = append(out, piece{Text: s})
	}
	return out
}

var columnsRE = regexp.MustCompile(`\S {3,}\S`)

// mono reports whether a text is laid out in columns or begins lines with blanks, as help, plans
// and runbooks do: then its letters must be of one width.
func mono(s string) bool {
	if !strings.Contains(s, "\n") {
		return false
	}
	for _, line := range strings.Split(s, "\n") {
		if strings.HasPrefix(line, "  ") || strings.HasPrefix(line, "# ") || columnsRE.MatchString(line) {
			return true
		}
	}
	return false
}

// stateClass is the class of a state; what is not known looks like what is to come.
func stateClass(s card.State) string {
	switch s {
	case card.Waiting, card.Running, card.Done, card.Adopted, card.Skipped, card.Failed, card.Stuck, card.Doubtful, card.Held, card.Stale, card.Undone, card.Aborted:
		return "state-" + string(s)
	}
	return "state-pending"
}

func (s *Site) who(account string) Author {
	if s.o.Who != nil {
		return s.o.Who(account)
	}
	_, name, _ := strings.Cut(account, ":")
	return Author{Name: name, Nick: name, Bot: strings.HasPrefix(account, "bot:")}
}

// tones is how many colours avatars have.
const tones = 8

// tone is the colour of an avatar, the same for a name everywhere.
func tone(name string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return fmt.Sprintf("tone-%d", h.Sum32()%tones)
}

// initials are up to two letters for an avatar.
func initials(name string) string {
	var out []rune
	for _, word := range strings.Fields(plain(name)) {
		first, _ := utf8.DecodeRuneInString(word)
		if len(out) < 2 && (unicode.IsLetter(first) || unicode.IsDigit(first)) {
			out = append(out, unicode.ToUpper(first))
		}
	}
	if len(out) == 0 {
		return "·"
	}
	return string(out)
}

var hostRE = regexp.MustCompile(`^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)

// here is the address of a page of ours without its host: the reader may be here under another
// name of it. What is no address of a page is "".
func (s *Site) here(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || !hostRE.MatchString(u.Host) || u.User != nil {
		return ""
	}
	if rest, ok := strings.CutPrefix(address, s.o.Base+"/"); ok && s.o.Base != "" && !strings.HasPrefix(rest, "/") {
		return "/" + rest
	}
	return address
}

// sentence is the text of an error as a sentence of its own.
func sentence(s string) string {
	s = strings.TrimRight(plain(s), ".")
	first, n := utf8.DecodeRuneInString(s)
	if s == "" {
		return ""
	}
	return string(unicode.ToUpper(first)) + s[n:] + "."
}

// dict makes the argument of a template from names and values.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, errors.New("dict needs names and values")
	}
	out := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, errors.New("the names of dict are texts")
		}
		out[name] = pairs[i+1]
	}
	return out, nil
}
