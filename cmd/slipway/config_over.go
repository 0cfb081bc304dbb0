package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
	"slipway/integrations/aptrepo/overssh"
	"slipway/integrations/aptrepo/reprepro"
)

// rawOver says where an archive lives that this host does not serve from its root.
type rawOver struct {
	SSH        string `yaml:"ssh"`         // user@host that serves it, or a Host of the ssh configuration
	Path       string `yaml:"path"`        // folder there
	Owner      string `yaml:"owner"`       // who must own the files there; default: the user of ssh
	KnownHosts string `yaml:"known_hosts"` // file that holds the host's key, and the only one asked; default: those of ssh
	SSHConfig  string `yaml:"ssh_config"`  // file in place of ~/.ssh/config, for the key, the port and jumps
	Reprepro   string `yaml:"reprepro"`    // folder with the link release of an existing reprepro that is driven instead
}

// validOver checks where the archive lives, and fills the paths in.
func (r rawArchive) validOver(dir string, a *archiveConfig) error {
	o := r.Over
	for _, f := range []struct{ key, value string }{{"path", o.Path}, {"owner", o.Owner}, {"known_hosts", o.KnownHosts}, {"ssh_config", o.SSHConfig}} {
		if f.value != "" && o.SSH == "" {
			return invalid(fmt.Sprintf("over: %s is given without ssh", f.key), "remove it, or add ssh: user@host")
		}
	}
	switch {
	case o.SSH != "" && o.Reprepro != "":
		return invalid("over: has both ssh and reprepro", "choose one")
	case o.Reprepro != "" && r.Root != "":
		return invalid("over: reprepro and root are both given", "remove root: a reprepro keeps everything in its own folder")
	case o.Reprepro != "":
		a.Over.Reprepro = beside(dir, o.Reprepro)
		a.Root = a.Over.Reprepro
		return nil
	case r.Root == "":
		return invalid("root is missing", "name the folder of the archive")
	case o.SSH == "":
		return nil
	case o.Path == "":
		return invalid("over: ssh is given without path", "name the folder of the archive there, from /")
	}
	if o.KnownHosts != "" {
		a.Over.KnownHosts = beside(dir, o.KnownHosts)
	}
	if o.SSHConfig != "" {
		a.Over.SSHConfig = beside(dir, o.SSHConfig)
	}
	if err := a.host().Check(); err != nil {
		return invalid("over: "+errs.Cause(err), errs.HintOf(err))
	}
	if strings.ContainsAny(a.Over.KnownHosts, " \t\n\"'%$") {
		return invalid(fmt.Sprintf("over: known_hosts is %q", o.KnownHosts), "choose a path without spaces, quotes, $ and %, which ssh would read as something else")
	}
	return nil
}

func (a archiveConfig) host() overssh.Host {
	return overssh.Host{Destination: a.Over.SSH, Path: a.Over.Path, Owner: a.Over.Owner}
}

// open opens the archive where it lives. Nothing is read or connected yet.
func (a archiveConfig) open(point func(string)) (aptrepo.Place, error) {
	var step func(string)
	if point != nil {
		step = func(name string) { point("archive/" + name) }
	}
	switch {
	case a.Over.SSH != "":
		return overssh.Open(a.Root, a.host(), overssh.Options{Config: a.Over.SSHConfig, KnownHosts: a.Over.KnownHosts, Step: step}, a.Suites...)
	case a.Over.Reprepro != "":
		return reprepro.Open(a.Over.Reprepro, reprepro.Options{Step: step}, a.Suites...)
	}
	return aptrepo.Open(a.Root, aptrepo.Options{Step: step}, a.Suites...)
}

// tree is the folder of the archive on this machine that looks as clients see it.
func (a archiveConfig) tree() string {
	if a.Over.Reprepro != "" {
		return filepath.Join(a.Over.Reprepro, reprepro.Link)
	}
	return a.Root
}

// dist is the folder of a suite on this machine with what was published last.
func (a archiveConfig) dist(s aptrepo.Suite) string {
	if a.Over.Reprepro != "" && s.Codename != "" {
		return filepath.Join(a.tree(), "dists", s.Codename)
	}
	return filepath.Join(a.tree(), "dists", s.Name)
}
