package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"

	"slipway/integrations/aptrepo"
)

// onePublication looks at the archive: one generation was published, it is whole, clients are
// offered the version from it, and nothing that was begun lies about.
func (y *yard) onePublication(ctx context.Context, c *config) error {
	conf := c.Archives["yard"]
	archive, err := aptrepo.Open(conf.Root, aptrepo.Options{}, conf.Suites...)
	if err != nil {
		return err
	}
	var bad []error
	all, err := archive.Generations(demoSuite)
	if err != nil || len(all) != 1 || !all[0].Current || all[0].Staged || all[0].Published.IsZero() {
		bad = append(bad, fmt.Errorf("the generations are %+v %w", all, err))
	}
	want := y.version + "-1"
	built, err := archive.Built(demoSuite, "", y.project)
	if err != nil || len(built) != 1 || built[0].Version != want {
		bad = append(bad, fmt.Errorf("the archive has %+v of %s %w", built, y.project, err))
	}
	if _, err := archive.Check(ctx, demoSuite, true); err != nil {
		bad = append(bad, err)
	}
	for folder, n := range map[string]int{"dists": 1, filepath.Join("generations", demoSuite): 1} {
		if found, err := os.ReadDir(filepath.Join(conf.Root, folder)); err != nil || len(found) != n {
			bad = append(bad, fmt.Errorf("in %s of the archive are %v %w", folder, found, err))
		}
	}
	bad = append(bad, y.offered(ctx, conf, want))
	return errors.Join(bad...)
}

// offered looks as a client.
func (y *yard) offered(ctx context.Context, c archiveConfig, want string) error {
	server := httptest.NewServer(http.FileServer(http.Dir(c.Root)))
	defer server.Close()
	v, err := httpClient{}.Look(ctx, aptrepo.Look{Address: server.URL, Keyring: []byte(c.PublicKeys), Suite: demoSuite, Components: []string{"main"},
		Architectures: []string{y.archive.arch}, Packages: []string{y.project}})
	if err != nil || len(v.Complaints) > 0 || !slices.Equal(v.Candidates, []aptrepo.Candidate{{Architecture: y.archive.arch, Package: y.project, Version: want}}) {
		return fmt.Errorf("clients see %+v %w", v, err)
	}
	return nil
}
