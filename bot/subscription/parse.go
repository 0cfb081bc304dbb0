package subscription

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"slipway/bot/calendar"
	"slipway/bot/errs"
)

// Wish is a subscription as a person writes it, before it is known who speaks and where.
type Wish struct {
	Filter Filter
	Rules  Rules
	Way    Way
	Mail   string // with ByMail: the address; "": the person's own
}

// Way is how somebody wants to be told.
type Way string

// The ways. Unsaid is where the wish is written: the channel, or the person in a direct message.
const (
	Unsaid Way = ""
	Here   Way = "here"
	Me     Way = "me"
	ByMail Way = "mail"
)

// Known are the names that may stand in a wish. An empty list means "not known", not "none".
type Known struct {
	Projects []string
	Families []string
}

// Usage is the form of a wish, for hints.
const Usage = "[project|*] [family] [severity>=notice] [about=released,freeze] [by mail ADDRESS | here | me] [daily at 08:00 | weekly mon 08:00] " +
	"[quiet 22:00-07:00] [except urgent] [in Europe/Berlin]"

var (
	zoneRE    = regexp.MustCompile(`^([A-Z][A-Za-z]+/[A-Za-z0-9_+/-]{1,48}|UTC)$`)
	addressRE = regexp.MustCompile(`^[A-Za-z0-9!#$%&'*+/=?^_{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_{|}~-]+)*@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*$`)
)

// Address is the bare form of a mail address as it is compared and kept. Errors: [errs.Invalid]
// for what no list or person has (RFC 5321 §4.5.3.1 gives the lengths).
func Address(s string) (string, error) {
	a := bare(s)
	if at := strings.LastIndexByte(a, '@'); at > 64 || len(a) > 254 || !addressRE.MatchString(a) {
		return "", errs.E("subscription.address", errs.Invalid, fmt.Errorf("%q is not a mail address", clip(s))).Hint("write it like name@example.org")
	}
	return a, nil
}

// Parse reads a wish. Errors are of kind [errs.Invalid] and name the word that does not fit.
func Parse(words []string, known Known) (Wish, error) {
	p := wish{words: words, known: known, at: -1}
	for p.next() {
		if err := p.word(); err != nil {
			return Wish{}, err
		}
	}
	if err := p.out.Rules.Check(); err != nil {
		return Wish{}, err
	}
	if p.out.Rules.Urgent && p.out.Rules.Digest == "" && p.out.Rules.Quiet == nil {
		return Wish{}, p.bad("name a digest or quiet hours, or leave it out", "everything comes at once already, so there is nothing to except")
	}
	return p.out, nil
}

// wish is a reading in progress.
type wish struct {
	words   []string
	at      int
	known   Known
	out     Wish
	said    map[string]bool // what was given already
	project bool
}

func (p *wish) next() bool { p.at++; return p.at < len(p.words) }

func (p *wish) peek() string {
	if p.at+1 < len(p.words) {
		return p.words[p.at+1]
	}
	return ""
}

func (p *wish) bad(hint, format string, args ...any) error {
	return errs.E("subscription.parse", errs.Invalid, fmt.Errorf(format, args...)).Hint("%s", hint)
}

// once notes that a part was given; a second time is refused.
func (p *wish) once(what string) error {
	if p.said[what] {
		return p.bad("keep one of them", "%s is given twice", what)
	}
	if p.said == nil {
		p.said = map[string]bool{}
	}
	p.said[what] = true
	return nil
}

func (p *wish) word() error {
	w := strings.ToLower(p.words[p.at])
	key, value, pair := strings.Cut(w, "=")
	switch {
	case pair && strings.TrimSuffix(key, ">") == "severity":
		return p.severity(value)
	case pair && (key == "about" || key == "kind" || key == "kinds"):
		return p.kinds(value)
	}
	switch w {
	case "here", "me":
		p.out.Way = Way(w)
		return p.once("who is told")
	case "by":
		return p.mail()
	case "daily", "weekdays":
		return p.digest(w)
	case "weekly":
		return p.digest("")
	case "quiet":
		return p.quiet()
	case "in":
		if !p.next() {
			return p.bad("write in Europe/Berlin", "in is followed by nothing")
		}
		return p.zone()
	case "except":
		if !p.next() || strings.ToLower(p.words[p.at]) != "urgent" {
			return p.bad("write except urgent", "only urgent news can be excepted")
		}
		p.out.Rules.Urgent = true
		return p.once("except urgent")
	}
	if zoneRE.MatchString(p.words[p.at]) {
		return p.zone()
	}
	return p.name()
}

func (p *wish) severity(value string) error {
	if !Severity(value).Valid() {
		return p.bad("write severity>=notice; there are info, notice, warning and urgent", "%q is no severity", clip(value))
	}
	p.out.Filter.Least = Severity(value)
	return p.once("severity")
}

func (p *wish) kinds(value string) error {
	for _, name := range strings.Split(value, ",") {
		k := Kind(name)
		if !k.Valid() {
			all := make([]string, 0, len(Kinds()))
			for _, k := range Kinds() {
				all = append(all, string(k))
			}
			hint := "there are " + strings.Join(all, ", ")
			if near := errs.Nearest(name, all); near != "" {
				hint = "did you mean " + near + "?"
			}
			return p.bad(hint, "%q is no kind of news", clip(name))
		}
		if !slices.Contains(p.out.Filter.Kinds, k) {
			p.out.Filter.Kinds = append(p.out.Filter.Kinds, k)
		}
	}
	slices.Sort(p.out.Filter.Kinds)
	return p.once("about")
}

func (p *wish) mail() error {
	if !p.next() || strings.ToLower(p.words[p.at]) != "mail" {
		return p.bad("write by mail, or by mail name@example.org", "by is followed by something else than mail")
	}
	p.out.Way = ByMail
	if strings.Contains(p.peek(), "@") {
		p.next()
		a, err := Address(p.words[p.at])
		if err != nil {
			return err
		}
		p.out.Mail = a
	}
	return p.once("who is told")
}

// digest reads "daily [at] 08:00" and "weekly mon,thu [at] 08:00"; days is "" when they follow.
func (p *wish) digest(days string) error {
	const example = "write daily at 08:00, weekdays 08:00 or weekly mon 08:00"
	if days == "" {
		if !p.next() {
			return p.bad(example, "weekly names no day")
		}
		days = strings.ToLower(p.words[p.at])
	}
	if strings.ToLower(p.peek()) == "at" {
		p.next()
	}
	if !p.next() {
		return p.bad(example, "the digest has no time of day")
	}
	text := days + " " + p.words[p.at]
	if s, err := calendar.ParseSchedule(text + " UTC"); err != nil || s.IsZero() {
		return p.bad(example, "%q is not a time of a digest", clip(text))
	}
	p.out.Rules.Digest = text
	return p.once("the digest")
}

func (p *wish) quiet() error {
	const example = "write quiet 22:00-07:00"
	if !p.next() {
		return p.bad(example, "quiet names no hours")
	}
	from, until, ok := strings.Cut(p.words[p.at], "-")
	a, okA := minute(from)
	b, okB := minute(until)
	if !ok || !okA || !okB || a == b {
		return p.bad(example, "%q are no quiet hours", clip(p.words[p.at]))
	}
	p.out.Rules.Quiet = &Quiet{a, b}
	return p.once("quiet")
}

func (p *wish) zone() error {
	name := p.words[p.at]
	if !zoneRE.MatchString(name) {
		return p.bad("write a name such as Europe/Berlin, or UTC", "%q is not the name of a time zone", clip(name))
	}
	p.out.Rules.Zone = name
	return p.once("the time zone")
}

// name is a project or a family, in that order.
func (p *wish) name() error {
	w := p.words[p.at]
	lower := strings.ToLower(w)
	switch {
	case !p.project && (w == EveryProject || slices.Contains(p.known.Projects, lower)):
		p.project, p.out.Filter.Project = true, lower
		return p.once("the project")
	case slices.Contains(p.known.Families, lower):
		p.out.Filter.Family = lower
		return p.once("the family")
	case p.project || len(p.known.Projects) > 0:
		all := append(slices.Clone(p.known.Families), "severity>=notice", "by", "here", "me", "daily", "weekly", "quiet")
		what := "a family or another part of a subscription"
		if !p.project {
			all, what = append(all, p.known.Projects...), "a project, a family or another part of a subscription"
		}
		hint := "it is written " + Usage
		if near := errs.Nearest(lower, all); near != "" {
			hint = "did you mean " + near + "?"
		}
		return p.bad(hint, "%q is not %s", clip(w), what)
	}
	p.project, p.out.Filter.Project = true, lower
	return p.once("the project")
}

// minute reads "07:30" as a minute of the day.
func minute(s string) (int, bool) {
	h, m, ok := strings.Cut(s, ":")
	a, errA := strconv.ParseUint(h, 10, 8)
	b, errB := strconv.ParseUint(m, 10, 8)
	return int(a*60 + b), ok && errA == nil && errB == nil && len(h) == 2 && len(m) == 2 && a < 24 && b < 60
}

func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}
