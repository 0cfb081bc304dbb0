package aptrepo

import (
	"context"
	"slices"
	"time"

	"slipway/bot/action"
)

// Offer is what a suite offers of a source package.
type Offer struct {
	Suite    string   `cel:"suite" json:"suite"`
	Version  string   `cel:"version" json:"version" doc:"empty: nothing"`
	Packages []string `cel:"packages" json:"packages" doc:"binary packages of that version, or of the one that is there instead of nothing"`
}

// expiry is archive.expiry@1.
type expiry struct{ a *Actions }

// ExpiryIn asks about suites.
type ExpiryIn struct {
	Archive string   `cel:"archive" json:"archive"`
	Suites  []string `cel:"suites,optional" json:"suites,omitempty" doc:"default: all of the archive"`
	Source  string   `cel:"source" json:"source" doc:"source package whose version is told, to see that nothing else changes"`
}

// ExpiryOut are the suites whose date is more than half used up. apt refuses a Release after its
// Valid-Until, and with it every package of the suite.
type ExpiryOut struct {
	Due    bool     `cel:"due" json:"due" doc:"at least one suite is due"`
	Until  string   `cel:"until" json:"until" doc:"the first moment at which clients refuse one of the suites, as 2019-01-31T12:00:00Z; empty: never"`
	Suites []string `cel:"suites" json:"suites" doc:"those that are due"`
	Offers []Offer  `cel:"offers" json:"offers" doc:"what each of them offers now"`
}

func (expiry) Probe(context.Context, action.Key, ExpiryIn) (ExpiryOut, bool, error) {
	return ExpiryOut{}, false, nil
}

// Do reads the Release that clients have. A suite that was never published, or whose Release has no
// Valid-Until, is never due.
func (e expiry) Do(_ context.Context, _ action.Key, in ExpiryIn) (ExpiryOut, error) {
	const op = "archive.expiry"
	c, err := e.a.archive(op, in.Archive)
	if err != nil {
		return ExpiryOut{}, err
	}
	names := in.Suites
	if len(names) == 0 {
		for _, s := range c.Suites {
			names = append(names, s.Name)
		}
	}
	out := ExpiryOut{Suites: []string{}, Offers: []Offer{}}
	var first time.Time
	for _, name := range names {
		if _, err := c.suite(op, name); err != nil {
			return ExpiryOut{}, err
		}
		all, err := c.Place.Generations(name)
		if err != nil {
			return ExpiryOut{}, err
		}
		i := slices.IndexFunc(all, func(g Generation) bool { return g.Current })
		if i < 0 || all[i].Until.IsZero() {
			continue
		}
		until := all[i].Until
		if first.IsZero() || until.Before(first) {
			first = until
		}
		if until.Sub(e.a.Now()) >= until.Sub(all[i].Date)/2 {
			continue
		}
		offer := Offer{Suite: name, Packages: []string{}}
		built, err := c.Place.Built(name, "", in.Source)
		if err != nil {
			return ExpiryOut{}, err
		}
		if len(built) > 0 {
			offer.Version, offer.Packages = built[0].Version, built[0].Packages
		}
		out.Due, out.Suites, out.Offers = true, append(out.Suites, name), append(out.Offers, offer)
	}
	if !first.IsZero() {
		out.Until = first.UTC().Format(time.RFC3339)
	}
	return out, nil
}
