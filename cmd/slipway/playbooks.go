package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"slipway/bot/action"
	"slipway/bot/calendar"
	"slipway/bot/errs"
	"slipway/bot/playbook"
	"slipway/commands/release"
)

// shelf holds the checked playbooks: the bundled ones, replaced by those of a site's folder.
type shelf struct {
	known   playbook.Known
	current map[string]*playbook.Playbook
	origin  map[string]string // name → file, or "bundled"
	found   map[string][]playbook.Finding

	mu       sync.Mutex
	byDigest map[string]*playbook.Playbook // with those that live runs pinned
}

// bundled are the playbooks that come with Slipway.
func bundled() map[string][]byte {
	return release.Playbooks()
}

// loadShelf reads and checks every playbook. With strict, one that has errors is an error.
func loadShelf(folder string, contracts []action.Contract, strict bool) (*shelf, error) {
	s := &shelf{current: map[string]*playbook.Playbook{}, origin: map[string]string{},
		found: map[string][]playbook.Finding{}, byDigest: map[string]*playbook.Playbook{}}
	parsed := map[string]*playbook.Playbook{}
	add := func(origin string, src []byte) error {
		p, err := playbook.Parse(origin, src)
		if err != nil {
			return err
		}
		parsed[p.Name], s.origin[p.Name] = p, origin
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(bundled())) {
		if err := add(name+".yaml", bundled()[name]); err != nil {
			return nil, err
		}
	}
	files, err := siteFiles(folder)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			return nil, errs.E("playbooks", errs.Unavailable, fmt.Errorf("reading %s: %w", file, err))
		}
		if err := add(file, src); err != nil {
			return nil, err
		}
	}
	s.known = playbook.Known{Contracts: contracts, Profile: profileType(),
		Playbooks: func(name string) *playbook.Playbook { return parsed[name] }}
	for _, name := range slices.Sorted(maps.Keys(parsed)) {
		checked, findings := playbook.Check(parsed[name], s.known)
		s.found[name] = findings
		if err := refusal(findings); err != nil {
			if strict {
				return nil, err
			}
			continue
		}
		s.current[name] = checked
		s.byDigest[checked.Digest] = checked
	}
	return s, nil
}

func siteFiles(folder string) ([]string, error) {
	if folder == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, errs.E("playbooks", errs.NotFound, fmt.Errorf("the folder %s cannot be read", folder)).
			Hint("make it, or leave playbooks: out of the configuration")
	}
	var files []string
	for _, e := range entries {
		if name := e.Name(); !e.IsDir() && strings.HasSuffix(name, ".yaml") && !strings.HasPrefix(name, ".") {
			files = append(files, filepath.Join(folder, name))
		}
	}
	return files, nil
}

// refusal is the error that findings amount to, or nil.
func refusal(findings []playbook.Finding) error {
	var lines []string
	for _, f := range findings {
		if f.Severity == playbook.Error {
			lines = append(lines, f.String())
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return errs.E("playbook.check", errs.Invalid, errors.New(strings.Join(lines, "\n")))
}

func (s *shelf) Current(name string) *playbook.Playbook { return s.current[name] }

func (s *shelf) ByDigest(digest string) *playbook.Playbook {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byDigest[digest]
}

// Check reads the source that a live run pinned again, against today's actions.
func (s *shelf) Check(name string, source []byte) (*playbook.Playbook, error) {
	p, err := playbook.Parse(name, source)
	if err != nil {
		return nil, err
	}
	checked, findings := playbook.Check(p, s.known)
	if err := refusal(findings); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byDigest[checked.Digest] = checked
	return checked, nil
}

func (s *shelf) names() []string { return slices.Sorted(maps.Keys(s.origin)) }

// triggers checks the playbooks that a project names: they exist, and those that start by
// themselves have a trigger whose time zone is known on this machine.
func (s *shelf) triggers(c *config) error {
	for _, name := range sortedKeys(c.Projects) {
		for _, family := range sortedKeys(c.Projects[name].Starters) {
			if s.current[family] == nil {
				return invalid(fmt.Sprintf("projects: %s: starters names the playbook %q, which does not exist", name, family), suggest(family, maps.Keys(s.current)))
			}
		}
		for _, family := range c.Projects[name].Triggers {
			p := s.current[family]
			if p == nil {
				return invalid(fmt.Sprintf("projects: %s: triggers names the playbook %q, which does not exist", name, family), suggest(family, maps.Keys(s.current)))
			}
			if p.Trigger == nil {
				return invalid(fmt.Sprintf("projects: %s: the playbook %s has no trigger", name, family), "give the playbook a trigger:, or take it out of triggers")
			}
			if p.Trigger.Every == "" {
				continue
			}
			every, err := calendar.ParseSchedule(p.Trigger.Every)
			if err != nil {
				return err
			}
			if _, err := time.LoadLocation(every.Zone()); err != nil {
				return invalid(fmt.Sprintf("projects: %s: the trigger of %s is in the time zone %s, which this machine does not know", name, family, every.Zone()),
					"install the package tzdata, or write the time in UTC")
			}
		}
	}
	return nil
}
