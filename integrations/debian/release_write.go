package debian

import (
	"fmt"
	"slices"
	"strings"
)

// Check reports whether what [Release.Append] writes would be read back by [ParseRelease].
func (r Release) Check() error {
	_, err := ParseRelease(r.Append(nil))
	return err
}

// Append writes the Release file. What was parsed and not changed since keeps its bytes, field
// by field; new fields come before the lists of digests, and sizes of changed lists are set
// eight wide, as dak does. Call [Release.Check] before signing one that was made by hand.
func (r Release) Append(b []byte) []byte {
	want, was := r.render(), Paragraph{}
	if r.source != nil {
		if old, err := releaseOf(r.source); err == nil {
			was = old.render()
		}
	}
	out := make(Paragraph, 0, len(want))
	lists := -1 // where the digests begin
	for _, f := range r.source {
		i, j := want.find(f.Name), was.find(f.Name)
		switch {
		case i < 0 && j < 0 || i >= 0 && j >= 0 && want[i].Value == was[j].Value:
			out = append(out, f)
		case i >= 0:
			out = append(out, Field{f.Name, want[i].Value})
		default:
			continue
		}
		if lists < 0 && isList(f.Name) {
			lists = len(out) - 1
		}
	}
	for _, f := range want {
		if out.Has(f.Name) {
			continue
		}
		if lists < 0 || isList(f.Name) {
			out = append(out, f)
			if lists < 0 && isList(f.Name) {
				lists = len(out) - 1
			}
			continue
		}
		out = slices.Insert(out, lists, f)
		lists++
	}
	return out.AppendTo(b)
}

func isList(name string) bool {
	return slices.ContainsFunc(releaseHashes(), func(h HashLength) bool { return strings.EqualFold(h.Name, name) })
}

// render is all fields in the order of dak, written in the canonical way. Fields that are empty
// or have their default are left out.
func (r Release) render() Paragraph {
	var p Paragraph
	add := func(name, value string) {
		if value != "" {
			p = append(p, Field{name, value})
		}
	}
	yes := func(b bool) string {
		if b {
			return "yes"
		}
		return ""
	}
	add("Origin", r.Origin)
	add("Label", r.Label)
	add("Suite", r.Suite)
	add("Version", r.Version)
	add("Codename", r.Codename)
	if !r.Date.IsZero() {
		add("Date", FormatDate(r.Date))
	}
	if !r.ValidUntil.IsZero() {
		add("Valid-Until", FormatDate(r.ValidUntil))
	}
	add("NotAutomatic", yes(r.NotAutomatic))
	add("ButAutomaticUpgrades", yes(r.ButAutomaticUpgrades))
	add("Acquire-By-Hash", yes(r.AcquireByHash))
	p = append(p, r.Extra...)
	add("Architectures", strings.Join(r.Architectures, " "))
	add("Components", strings.Join(r.Components, " "))
	add("Description", r.Description)
	add("Signed-By", r.SignedBy)
	for _, l := range r.Hashes {
		var b strings.Builder
		for _, f := range l.Files {
			fmt.Fprintf(&b, "\n%s %8d %s", f.Digest, f.Size, f.Path)
		}
		p = append(p, Field{l.Algorithm, b.String()})
	}
	return p
}
