package gitlab

import (
	"net/http"
	"regexp"
	"slices"
	"time"
)

// Award is an emoji that somebody gave to an issue, a merge request or a note.
type Award struct {
	ID      int
	Name    string // thumbsup
	User    int    // id
	On      string // OnIssue, OnMergeRequest or Note
	OnID    int    // id of that
	Created time.Time
}

// emoji are some of the names that GitLab knows; hands come in five skin tones too.
var emoji = regexp.MustCompile(`^((thumbsup|thumbsdown|clap|wave|pray|ok_hand|raised_hand|raised_hands|muscle)(_tone[1-5])?|` +
	`white_check_mark|heavy_check_mark|ballot_box_with_check|x|negative_squared_cross_mark|heart|tada|rocket|eyes|hourglass|warning|` +
	`no_entry|no_entry_sign|octagonal_sign|question|smile|laughing|confused|cry|fire|ship|anchor|package|lock|bell|100)$`)

// proper is the name under which GitLab keeps an emoji; "" for one that it does not know.
func proper(name string) string {
	switch {
	case name == "+1":
		return "thumbsup"
	case name == "-1":
		return "thumbsdown"
	case emoji.MatchString(name):
		return name
	}
	return ""
}

// awardable names what an emoji is on.
type awardable struct {
	on string
	id int
}

func (s *Server) awardRoutes() []route {
	var all []route
	for _, kind := range []string{OnIssue, OnMergeRequest} {
		item := "/projects/:id/" + segment(kind) + "/:iid"
		onItem := func(do func(*call, awardable) answer) func(*call) answer {
			return s.onItem(kind, 0, func(c *call, i *Item) answer { return do(c, awardable{i.Kind, i.ID}) })
		}
		onNote := func(do func(*call, awardable) answer) func(*call) answer {
			return s.onItem(kind, 0, s.onNote(func(c *call, _ *Item, n *Note) answer { return do(c, awardable{"Note", n.ID}) }))
		}
		for at, on := range map[string]func(func(*call, awardable) answer) func(*call) answer{
			item + "/award_emoji": onItem, item + "/notes/:note/award_emoji": onNote} {
			all = append(all,
				route{"GET", at, 0, on(func(c *call, x awardable) answer { return paged(c, s.awardsOn(x), s.awardJSON) })},
				route{"POST", at, 0, on(s.createAward)},
				route{"GET", at + "/:award", 0, on(func(c *call, x awardable) answer {
					if a := s.award(x, c.pathNum("award")); a != nil {
						return ok(s.awardJSON(a))
					}
					return notFound("")
				})},
				route{"DELETE", at + "/:award", 0, on(s.deleteAward)})
		}
	}
	return all
}

func (s *Server) awardsOn(x awardable) []*Award {
	var out []*Award
	for _, a := range s.awards {
		if a.On == x.on && a.OnID == x.id {
			out = append(out, a)
		}
	}
	return out
}

func (s *Server) award(x awardable, id int) *Award {
	for _, a := range s.awardsOn(x) {
		if a.ID == id {
			return a
		}
	}
	return nil
}

// votes counts thumbs up and down.
func (s *Server) votes(on string, id int) (up, down int) {
	for _, a := range s.awardsOn(awardable{on, id}) {
		switch a.Name {
		case "thumbsup":
			up++
		case "thumbsdown":
			down++
		}
	}
	return up, down
}

func (s *Server) awardJSON(a *Award) map[string]any {
	return map[string]any{"id": a.ID, "name": a.Name, "user": s.person(a.User), "created_at": stamp(a.Created), "updated_at": stamp(a.Created),
		"awardable_id": a.OnID, "awardable_type": a.On, "url": nil}
}

func (s *Server) createAward(c *call, x awardable) answer {
	if !c.has("name") {
		return missing("name")
	}
	if !c.project.Public && c.level() < Guest {
		return notFound("Award Emoji")
	}
	a, why := s.give(c.user, x, c.str("name"))
	if why != "" {
		return notFound("Award Emoji " + why)
	}
	return created(s.awardJSON(a))
}

// give awards an emoji. The same one twice by the same person is refused, and so is one on what
// GitLab wrote itself.
func (s *Server) give(by *User, x awardable, name string) (*Award, string) {
	name = proper(name)
	if name == "" {
		return nil, "Name is not a valid emoji name"
	}
	if n := s.noteByID(x.id); x.on == "Note" && (n == nil || n.System) {
		return nil, "Awardable cannot be awarded emoji"
	}
	for _, a := range s.awardsOn(x) {
		if a.User == by.ID && a.Name == name {
			return nil, "Name has already been taken"
		}
	}
	a := &Award{ID: s.id("award"), Name: name, User: by.ID, On: x.on, OnID: x.id, Created: s.now()}
	s.awards = append(s.awards, a)
	s.tellEmoji(by, a, "award")
	return a, ""
}

func (s *Server) deleteAward(c *call, x awardable) answer {
	a := s.award(x, c.pathNum("award"))
	switch {
	case a == nil:
		return notFound("")
	case a.User != c.user.ID && !c.user.Admin:
		return message(http.StatusUnauthorized, "401 Unauthorized")
	}
	s.takeBack(c.user, a)
	return noContent()
}

func (s *Server) takeBack(by *User, a *Award) {
	s.awards = slices.DeleteFunc(s.awards, func(one *Award) bool { return one == a })
	s.tellEmoji(by, a, "revoke")
}

func (s *Server) tellEmoji(by *User, a *Award, action string) {
	on := s.itemByID(a.On, a.OnID)
	if a.On == "Note" {
		on = s.itemOf(s.noteByID(a.OnID))
	}
	s.emit(s.project(on.Project), "emoji", s.emojiEvent(by, a, action))
}
