package people

import (
	"iter"
	"maps"
	"slices"
	"strings"
	"time"
)

// EveryProject is the project of a grant that holds in all of them.
const EveryProject = "*"

// Directory is who there is and what they may do, as of one moment of reading. It is immutable
// and cheap to copy; the zero Directory knows nobody.
type Directory struct {
	book   *book
	filled map[string][]PersonID // roles declared in a run, shadowing the project's
	asked  *time.Time            // see AskedAt; nil: as things are
}

// book is what all copies of a Directory share. It is never changed once it is made.
type book struct {
	persons  []Person // sorted by id
	accounts map[Account]int
	grants   map[roleKey][]Grant // sorted: own grants before delegations, then by person and id
	versions map[roleKey]uint64
	down     map[roleKey]string
	away     []Absence // by their beginning
	barred   map[Account]string
}

type roleKey struct{ project, role string }

// NewDirectory makes a directory. Versions and down are keyed "project/role": the version of
// that role's record, and why its source cannot be reached. The arguments are copied. Use
// [Validate] before: of two persons with one id, or one account, the first wins here.
func NewDirectory(persons []Person, grants []Grant, versions map[string]uint64, down map[string]string) Directory {
	b := &book{
		persons:  slices.Clone(persons),
		accounts: make(map[Account]int),
		grants:   make(map[roleKey][]Grant),
		versions: make(map[roleKey]uint64, len(versions)),
		down:     make(map[roleKey]string, len(down)),
	}
	slices.SortStableFunc(b.persons, func(x, y Person) int { return strings.Compare(string(x.ID), string(y.ID)) })
	b.persons = slices.CompactFunc(b.persons, func(x, y Person) bool { return x.ID == y.ID })
	for i := range b.persons {
		b.persons[i].Accounts = slices.Clone(b.persons[i].Accounts)
		b.persons[i].Linked = maps.Clone(b.persons[i].Linked)
		for _, a := range b.persons[i].Accounts {
			key := a.key()
			if _, taken := b.accounts[key]; !taken {
				b.accounts[key] = i
			}
		}
	}
	for _, g := range grants {
		k := roleKey{g.Project, g.Role}
		b.grants[k] = append(b.grants[k], g)
	}
	for _, list := range b.grants {
		slices.SortStableFunc(list, compareGrants)
	}
	for name, v := range versions {
		b.versions[splitRole(name)] = v
	}
	for name, why := range down {
		b.down[splitRole(name)] = why
	}
	return Directory{book: b}
}

// key is the account without what its owner can change.
func (a Account) key() Account { return Account{Source: a.Source, ID: a.ID} }

func compareGrants(x, y Grant) int {
	if own := (x.For == "") != (y.For == ""); own {
		if x.For == "" {
			return -1
		}
		return 1
	}
	if c := strings.Compare(string(x.Person), string(y.Person)); c != 0 {
		return c
	}
	return strings.Compare(x.ID, y.ID)
}

// splitRole takes "project/role" apart. A role has no slash; a project may.
func splitRole(name string) roleKey {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return roleKey{EveryProject, name}
	}
	return roleKey{name[:i], name[i+1:]}
}

// WithRoles is d in which the given roles are filled as said, and only so: a role declared in a
// run shadows the project's role of that name, even while nobody fills it. The map is not to be
// changed afterwards.
func (d Directory) WithRoles(filled map[string][]PersonID) Directory {
	if len(filled) == 0 {
		return d
	}
	if len(d.filled) > 0 {
		both := make(map[string][]PersonID, len(d.filled)+len(filled))
		for role, list := range d.filled {
			both[role] = list
		}
		for role, list := range filled {
			both[role] = list
		}
		filled = both
	}
	d.filled = filled
	return d
}

// Person finds a person by id.
func (d Directory) Person(id PersonID) (Person, bool) {
	if p := d.find(id); p != nil {
		return *p, true
	}
	return Person{}, false
}

func (d Directory) find(id PersonID) *Person {
	if d.book == nil {
		return nil
	}
	i, ok := slices.BinarySearchFunc(d.book.persons, id, func(p Person, id PersonID) int {
		return strings.Compare(string(p.ID), string(id))
	})
	if !ok {
		return nil
	}
	return &d.book.persons[i]
}

// ByAccount finds whose account a is, by its source and immutable id; the handle is not looked
// at. Bots and persons who left are found too: their flags say so.
func (d Directory) ByAccount(a Account) (Person, bool) {
	if d.book == nil || a.Source == "" || a.ID == "" {
		return Person{}, false
	}
	i, ok := d.book.accounts[a.key()]
	if !ok {
		return Person{}, false
	}
	return d.book.persons[i], true
}

// Persons are all persons, by id. The list is not to be changed.
func (d Directory) Persons() []Person {
	if d.book == nil {
		return nil
	}
	return d.book.persons
}

// acts reports whether the person exists and may do anything at all.
func (d Directory) acts(id PersonID) bool {
	p := d.find(id)
	return p != nil && !p.Bot && !p.Gone
}

// Has reports whether p holds the role in the project at now, and by which grant. A grant of the
// person's own goes before a delegation, one of the project before one of every project.
func (d Directory) Has(project, role string, p PersonID, now time.Time) (Grant, bool) {
	if !d.acts(p) {
		return Grant{}, false
	}
	if list, shadowed := d.filled[role]; shadowed {
		if !slices.Contains(list, p) {
			return Grant{}, false
		}
		return Grant{ID: "run:" + role, Person: p, Role: role, Project: project}, true
	}
	if g, ok := d.own(project, role, p, now); ok {
		return g, true
	}
	for _, g := range d.Delegations(project, role, p, now) {
		return g, true
	}
	return Grant{}, false
}

// own finds a grant that is not a delegation.
func (d Directory) own(project, role string, p PersonID, now time.Time) (Grant, bool) {
	for g := range d.granted(project, role, p, now) {
		if d.counts(g) {
			return g, true
		}
	}
	return Grant{}, false
}

// granted are the grants of the role to p in force that are no delegations, whether they count or not.
func (d Directory) granted(project, role string, p PersonID, now time.Time) iter.Seq[Grant] {
	return func(yield func(Grant) bool) {
		for _, k := range [2]roleKey{{project, role}, {EveryProject, role}} {
			for _, g := range d.book.grants[k] {
				if g.For != "" {
					break
				}
				if g.Person == p && g.InForce(now) && !yield(g) {
					return
				}
			}
		}
	}
}

// Delegations lists the grants by which p stands in for others in the role, by delegator. Each
// is valid only while the delegator holds the role by a grant of his own: what was delegated to
// somebody cannot be passed on.
func (d Directory) Delegations(project, role string, p PersonID, now time.Time) []Grant {
	if _, shadowed := d.filled[role]; shadowed || !d.acts(p) {
		return nil
	}
	var out []Grant
	for _, k := range [2]roleKey{{project, role}, {EveryProject, role}} {
		for _, g := range d.book.grants[k] {
			if g.For != "" && g.Person == p && d.delegated(project, g, now) {
				out = append(out, g)
			}
		}
	}
	slices.SortStableFunc(out, func(x, y Grant) int { return strings.Compare(string(x.For), string(y.For)) })
	return out
}

func (d Directory) delegated(project string, g Grant, now time.Time) bool {
	if g.For == g.Person || !g.InForce(now) || !d.acts(g.For) {
		return false
	}
	_, holds := d.own(project, g.Role, g.For, now)
	return holds
}

// Members lists who holds the role in the project at now, delegates included, sorted by id.
func (d Directory) Members(project, role string, now time.Time) []PersonID {
	var out []PersonID
	if list, shadowed := d.filled[role]; shadowed {
		for _, p := range list {
			if d.acts(p) {
				out = append(out, p)
			}
		}
	} else if d.book != nil {
		for _, k := range [2]roleKey{{project, role}, {EveryProject, role}} {
			for _, g := range d.book.grants[k] {
				if g.InForce(now) && d.counts(g) && d.acts(g.Person) && (g.For == "" || d.delegated(project, g, now)) {
					out = append(out, g.Person)
				}
			}
			if project == EveryProject {
				break
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Roles lists every role that anybody was granted anywhere, sorted.
func (d Directory) Roles() []string {
	if d.book == nil {
		return nil
	}
	var out []string
	for k := range d.book.grants {
		out = append(out, k.role)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Version is the version of the role's record in the project. It moves when the role changes in
// this project or in every project: it is the sum of the two. A role filled in the run has
// version 0: the run's own sequence guards it.
func (d Directory) Version(project, role string) uint64 {
	if _, shadowed := d.filled[role]; shadowed || d.book == nil {
		return 0
	}
	v := d.book.versions[roleKey{project, role}]
	if project != EveryProject {
		v += d.book.versions[roleKey{EveryProject, role}]
	}
	return v
}

// Unavailable says why the source of the role cannot be reached, or "" when it can.
func (d Directory) Unavailable(project, role string) string {
	if _, shadowed := d.filled[role]; shadowed || d.book == nil || len(d.book.down) == 0 {
		return ""
	}
	if why := d.book.down[roleKey{project, role}]; why != "" {
		return why
	}
	return d.book.down[roleKey{EveryProject, role}]
}

// InForce reports whether now lies in the grant's dates: from From (inclusive) until Until
// (exclusive).
func (g Grant) InForce(now time.Time) bool {
	return !now.Before(g.From) && (g.Until.IsZero() || now.Before(g.Until))
}
