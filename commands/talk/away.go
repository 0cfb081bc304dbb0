package talk

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/bot/engine"
	"slipway/bot/people"
	"slipway/bot/run"
	"slipway/commands/grammar"
)

// absence carries out what is said of who is there; handled is false for any other command.
func (a *Answers) absence(ctx context.Context, s engine.Spoken, c grammar.Command, once engine.Once) (text string, handled bool, err error) {
	w := a.Engine.World()
	switch c.Path {
	case "away until", "away":
		text, err = a.away(ctx, s, c, w, once)
	case "away list":
		text = awayList(w.Directory, w.Now)
	case "back":
		person := people.PersonID(c.Args["person"])
		if person == "" {
			person = s.Person
		}
		if err = people.ComeBack(w.Directory, s.Person, person, run.ReleaseManager, w.Now); err == nil {
			text, err = string(person)+" is back", a.Engine.EndAbsence(ctx, person, once)
		}
	default:
		return "", false, nil
	}
	return text, true, err
}

func (a *Answers) away(ctx context.Context, s engine.Spoken, c grammar.Command, w run.World, once engine.Once) (string, error) {
	x := people.Absence{Person: s.Person, StandIn: people.PersonID(strings.TrimPrefix(c.Options["stand-in"], "@"))}
	if c.Path == "away" {
		x.Person = people.PersonID(c.Args["person"])
	}
	words := c.Rest
	if i := slices.Index(words, "stand-in"); i >= 0 && i == len(words)-2 && x.StandIn == "" {
		x.StandIn, words = people.PersonID(strings.TrimPrefix(words[i+1], "@")), words[:i]
	}
	x.Reason = strings.Join(words, " ")
	var err error
	if x.From, err = moment(c.Options["from"]); err == nil {
		x.Until, err = moment(c.Args["date"])
	}
	if err == nil {
		x, err = people.GoAway(w.Directory, s.Person, x, run.ReleaseManager, w.Now)
	}
	if err != nil {
		return "", err
	}
	grants := people.StandIns(w.Directory, x, w.Now)
	text := fmt.Sprintf("%s is %s", x.Person, x)
	if x.From.After(w.Now) {
		text = fmt.Sprintf("%s is away from %s, %s", x.Person, x.From.Format(time.DateOnly), strings.TrimPrefix(x.String(), "away "))
	}
	switch {
	case x.StandIn != "" && len(grants) == 0:
		text += fmt.Sprintf("; %s holds no role that can be lent, so %s has none by this", x.Person, x.StandIn)
	case len(grants) > 0:
		var roles []string
		for _, g := range grants {
			where := g.Project
			if where == people.EveryProject {
				where = "every project"
			}
			roles = append(roles, g.Role+" in "+where)
		}
		text += fmt.Sprintf("; %s is meanwhile %s", x.StandIn, strings.Join(roles, ", "))
	}
	return text + ". Approvals that were given count. `back` ends it before.", a.Engine.SetAbsence(ctx, x, grants, once)
}

func awayList(dir people.Directory, now time.Time) string {
	var lines []string
	for _, x := range dir.Absences() {
		switch {
		case !x.Until.After(now):
		case x.From.After(now):
			lines = append(lines, fmt.Sprintf("• %s: from %s, %s", x.Person, x.From.Format(time.DateOnly), x))
		default:
			lines = append(lines, fmt.Sprintf("• %s: %s", x.Person, x))
		}
	}
	if len(lines) == 0 {
		return "everybody is there"
	}
	return strings.Join(lines, "\n")
}

// mentioned are those of a list who may be mentioned: who is away is left in peace.
func mentioned(list []people.PersonID, w run.World) []string {
	there, _ := w.Directory.Present(list, w.Now)
	out := make([]string, len(there))
	for i, id := range there {
		out[i] = string(id)
	}
	return out
}
