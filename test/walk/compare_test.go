package walk

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/goccy/go-yaml"

	"slipway/bot/action"
	"slipway/bot/playbook"
	"slipway/bot/rehearse"
	"slipway/bot/run"
)

// ways is what a playbook does on its good way and on every way that leaves it once.
type ways struct {
	worlds []*world
}

// world is one set of circumstances: locks free or held by another run, calendars free or frozen, and
// a kind of project.
type world struct {
	busy, frozen bool
	profile      map[string]any
	lacking      bool // ways that leave it are taken only of steps that the first world skips

	straight []string   // the trace of the good way
	points   []int      // choices at each point of it
	steps    [][]string // the steps that they are about
	asked    []int      // of these, those that somebody waits for or that end by themselves
	once     map[[2]int][]string
	about    map[[2]int]string // the step that such a way is about
}

func worlds() []*world {
	return []*world{{profile: of2019()}, {profile: of2019(), frozen: true}, {profile: of2019(), busy: true}, {profile: profile()},
		{profile: today(), frozen: true}, {profile: archived(), lacking: true}, {profile: today(), lacking: true}}
}

// script rehearses p, leaving the good way at point k for choice j; k < 0 never.
func script(t testing.TB, p *playbook.Playbook, k playbook.Known, w *world, point, j int, asked ...*[]int) (trace []string, points []int) {
	t.Helper()
	o := options(p, k)
	o.Busy, o.Frozen, o.Unasked, o.Limit = w.busy, w.frozen, true, 300
	o.Profile = w.profile
	o.Digest = "sha256:" + strings.Repeat("0", 64) // or every mutant would differ by its own digest alone
	o.Choose = func(all []rehearse.Choice) int {
		points = append(points, len(all))
		if len(asked) > 0 {
			n := slices.IndexFunc(all, func(c rehearse.Choice) bool { return c.What == string(run.HoldVerb) })
			*asked[0] = append(*asked[0], n)
			var about []string
			for _, c := range all {
				about = append(about, c.Step)
			}
			w.steps = append(w.steps, about)
		}
		if len(points)-1 == point {
			return j
		}
		return 0
	}
	r, err := rehearse.Rehearse(o)
	if err != nil {
		return []string{err.Error()}, nil
	}
	return append(r.Trace, "= "+r.Outcome), points
}

func record(t testing.TB, p *playbook.Playbook, k playbook.Known) *ways {
	all := &ways{worlds: worlds()}
	first := map[string]bool{} // steps that the first world takes
	for i, w := range all.worlds {
		w.once, w.about = map[[2]int][]string{}, map[[2]int]string{}
		w.straight, w.points = script(t, p, k, w, -1, 0, &w.asked)
		for point, n := range w.points {
			for j := 1; j < n && (i == 0 || w.lacking); j++ {
				if !w.tried(point, j) || w.lacking && (j >= w.asked[point] || first[w.steps[point][j]]) {
					continue
				}
				w.once[[2]int{point, j}], _ = script(t, p, k, w, point, j)
				w.about[[2]int{point, j}] = w.steps[point][j]
				if i == 0 {
					first[w.steps[point][j]] = true
				}
			}
		}
	}
	return all
}

// tried: what people may do unasked is tried at every twentieth point, all else everywhere.
func (w *world) tried(point, j int) bool { return j < w.asked[point] || point%20 == 10 }

// differs tells how q behaves otherwise than the recorded ways, or "". The ways that are about a
// step that is named in mutation are tried first.
func (all *ways) differs(t testing.TB, q *playbook.Playbook, k playbook.Known, mutation string) string {
	for _, w := range all.worlds {
		trace, points := script(t, q, k, w, -1, 0)
		if !slices.Equal(trace, w.straight) {
			return "the good way: " + difference(w.straight, trace)
		}
		if !slices.Equal(points, w.points) {
			return "what can happen on the good way"
		}
	}
	for _, w := range all.worlds {
		if how := w.leaves(t, q, k, mutation); how != "" {
			return how
		}
	}
	return ""
}

// leaves tells how q behaves otherwise where it leaves the good way once.
func (w *world) leaves(t testing.TB, q *playbook.Playbook, k playbook.Known, mutation string) string {
	named := func(at [2]int) int {
		step, _, _ := strings.Cut(w.about[at], "[")
		if step != "" && slices.Contains(strings.FieldsFunc(mutation, func(r rune) bool { return r == ' ' || r == ':' }), step) {
			return 0
		}
		return 1
	}
	order := slices.SortedFunc(maps.Keys(w.once), func(a, b [2]int) int {
		return cmp.Or(cmp.Compare(named(a), named(b)), cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
	})
	for _, at := range order {
		trace, _ := script(t, q, k, w, at[0], at[1])
		if old := w.once[at]; !slices.Equal(trace, old) {
			return "a way that leaves it once: " + difference(old, trace)
		}
	}
	return ""
}

func difference(a, b []string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return a[i] + " → " + b[i]
		}
	}
	return "one of them goes on"
}

// told reports whether an action shows a release to others, even if it could be taken back.
func told(c action.Contract) bool {
	return c.Name == "git.push_branch" || strings.HasPrefix(c.Name, "forge.") && c.Policy != action.Read
}

// house are rules for the bundled playbooks that a check cannot know: whatever cannot be taken
// back, or is signed, is promised never to be done without the gate that stands right before it;
// and something comes after whatever is waited for.
func house(p *playbook.Playbook) (broken []string) {
	for _, s := range p.Steps {
		if s.Kind == playbook.Wait && !slices.ContainsFunc(p.Steps, func(later *playbook.Step) bool { return before(p, later)[s.Path] }) {
			broken = append(broken, "nothing comes after "+s.Path)
		}
	}
	for _, s := range within(p.Steps) {
		if s.Do == nil || !s.Do.Contract.Irreversible && s.Do.Contract.Job == "" && !(p.Name == "release" && told(s.Do.Contract)) {
			continue
		}
		name, _, _ := strings.Cut(s.Do.Ref, "@")
		gates := nearest(p, s)
		found := false
		for _, n := range p.Never {
			found = found || n.Do == name && slices.Contains(gates, n.Without)
		}
		if !found {
			broken = append(broken, name+" of "+s.Path+" is not promised behind "+strings.Join(gates, ", "))
		}
	}
	return broken
}

// within are steps with those of their bodies.
func within(steps []*playbook.Step) (all []*playbook.Step) {
	for _, s := range steps {
		all = append(all, s)
		if s.Each != nil {
			all = append(all, within(s.Each.Steps)...)
		}
	}
	return all
}

// nearest lists the gates before s after which no other gate stands before s.
func nearest(p *playbook.Playbook, s *playbook.Step) []string {
	var gates []string
	for path := range before(p, s) {
		if p.Step(path).Kind == playbook.GateK {
			gates = append(gates, path)
		}
	}
	return slices.DeleteFunc(slices.Clone(gates), func(g string) bool {
		return slices.ContainsFunc(gates, func(later string) bool { return before(p, p.Step(later))[g] })
	})
}

// before are the steps that come before s, and before the lists that it is in the body of.
func before(p *playbook.Playbook, s *playbook.Step) map[string]bool {
	seen := map[string]bool{}
	var up func(s *playbook.Step)
	up = func(s *playbook.Step) {
		for _, path := range slices.Concat(s.Needs, s.Any) {
			if earlier := p.Step(path); earlier != nil && !seen[path] {
				seen[path] = true
				up(earlier)
			}
		}
		if i := strings.LastIndexByte(s.Path, '/'); i > 0 {
			up(p.Step(s.Path[:i]))
		}
	}
	up(s)
	return seen
}

// reviewed are mutants that change nothing that can be seen, each with the reason.
func reviewed() map[string]string {
	return map[string]string{
		"switch: drop frozen_by": "the push before it has waited for the freeze of a rehearsal; the stories have one that begins later",
		"sent: drop when":        "a rehearsal has a tag made by hand; the stories have releases without one",
		"announce: drop when":    "a rehearsal mails; the stories have a release that was announced by hand",
	}
}

func TestMutantsOfTheRelease(t *testing.T) {
	t.Parallel()
	p, k := bundled(t)
	if broken := house(p); len(broken) > 0 {
		t.Fatalf("the release playbook breaks the rules of the house: %v", broken)
	}
	base := record(t, p, k)
	again, err := func() (*playbook.Playbook, error) {
		return load("release.yaml", rewritten(t, p.Source), k)
	}()
	if err != nil {
		t.Fatalf("written again without a change, the playbook is refused: %v", err)
	}
	if how := base.differs(t, again, k, ""); how != "" {
		t.Fatalf("written again without a change, the playbook differs: %s", how)
	}
	all := mutants(t, p.Source)
	list := reviewed()
	if raced { // one of twenty shows that nothing is shared
		all = slices.DeleteFunc(all, func(m mutant) bool { _, looked := list[m.name]; return looked })
		list = nil
		for i := range all {
			if i%20 == 0 {
				all[i/20] = all[i]
			}
		}
		all = all[:(len(all)+19)/20]
	}
	var mu sync.Mutex
	refused, caught, looked := 0, 0, 0
	judge := func(t *testing.T, m mutant) {
		q, err := load("release.yaml", m.src, k)
		differs := err == nil && (len(house(q)) > 0 || base.differs(t, q, k, m.name) != "")
		mu.Lock()
		defer mu.Unlock()
		switch _, reviewed := list[m.name]; {
		case err != nil:
			refused++
		case differs:
			caught++
		case !reviewed:
			t.Errorf("nobody notices: %s", m.name)
		default:
			delete(list, m.name)
			looked++
		}
	}
	const parts = 4
	t.Run("parts", func(t *testing.T) { // ends when all of them have
		for part := range parts {
			t.Run(strconv.Itoa(part), func(t *testing.T) {
				t.Parallel()
				for i := part; i < len(all); i += parts {
					judge(t, all[i])
				}
			})
		}
	})
	for name := range list {
		t.Errorf("%q is on the list of reviewed mutants and does not survive any more: remove it", name)
	}
	t.Logf("%d mutants: %d refused, %d change what runs do, %d reviewed (%.1f %%)", len(all), refused, caught, looked, 100*float64(looked)/float64(len(all)))
	if 20*looked > len(all) {
		t.Errorf("more than 5 %% of the mutants are only reviewed")
	}
}

func rewritten(t testing.TB, src []byte) []byte {
	t.Helper()
	data, err := yaml.Marshal(tree(t, src))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
