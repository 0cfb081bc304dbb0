package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
	"slipway/integrations/aptrepo/overssh"
	"slipway/integrations/aptrepo/reprepro"
)

// withArchive is the example configuration with another archive, which has the lines given.
func withArchive(text, fingerprint, lines string) []byte {
	return []byte(strings.Replace(text, "\narchives:\n", fmt.Sprintf("\narchives:\n  yard:\n    address: https://deb.example/yard\n    keys: [%s]\n"+
		"    public_keys: [release-key.asc]\n    suites:\n      trunk: {architectures: [amd64]}\n    %s\n", fingerprint, strings.ReplaceAll(lines, "; ", "\n    ")), 1))
}

func TestAnArchiveLivesWhereTheConfigurationSays(t *testing.T) {
	text, fingerprint := exampleFolder(t)
	open := func(lines string) (archiveConfig, aptrepo.Place) {
		t.Helper()
		c, err := parseConfig("slipway.yaml", withArchive(text, fingerprint, lines))
		if err != nil {
			t.Fatal(errs.Text(err))
		}
		all, err := openArchives(c, nil)
		if err != nil {
			t.Fatal(errs.Text(err))
		}
		return c.Archives["yard"], all["yard"].Place
	}
	a, place := open("root: archive")
	if _, ok := place.(*aptrepo.Archive); !ok || filepath.Base(a.tree()) != "archive" {
		t.Errorf("without over: it is a %T in %s", place, a.tree())
	}
	a, place = open("root: archive; over: {ssh: files@deb.example, path: /srv/deb, owner: files, known_hosts: known, ssh_config: ssh.conf}")
	if _, ok := place.(*overssh.Place); !ok || filepath.Base(a.Over.KnownHosts) != "known" || filepath.Base(a.Over.SSHConfig) != "ssh.conf" {
		t.Errorf("over ssh it is a %T with %+v", place, a.Over)
	}
	a, place = open("over: {reprepro: /srv/repository}")
	if _, ok := place.(*reprepro.Place); !ok || a.tree() != "/srv/repository/release" || a.dist(a.Suites[0]) != "/srv/repository/release/dists/trunk" {
		t.Errorf("with reprepro it is a %T in %s", place, a.tree())
	}
}

// What a person is told of each mistake in where an archive lives.
func TestBadPlacesOfArchives(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	text, fingerprint := exampleFolder(t)
	var out bytes.Buffer
	for _, c := range [][2]string{
		{"no root", "over: {}"},
		{"both", "root: archive; over: {ssh: a@deb.example, path: /srv, reprepro: /srv/repository}"},
		{"reprepro with a root", "root: archive; over: {reprepro: /srv/repository}"},
		{"path without ssh", "root: archive; over: {path: /srv}"},
		{"owner without ssh", "over: {reprepro: /srv, owner: files}"},
		{"known_hosts without ssh", "root: archive; over: {known_hosts: known}"},
		{"ssh without path", "root: archive; over: {ssh: a@deb.example}"},
		{"ssh without root", "over: {ssh: a@deb.example, path: /srv}"},
		{"ssh that is an option", "root: archive; over: {ssh: -oProxyCommand=sh, path: /srv}"},
		{"ssh with a space", "root: archive; over: {ssh: a b, path: /srv}"},
		{"path that begins nowhere", "root: archive; over: {ssh: a@deb.example, path: srv/deb}"},
		{"path to everything", "root: archive; over: {ssh: a@deb.example, path: /}"},
		{"owner that is an option", "root: archive; over: {ssh: a@deb.example, path: /srv, owner: -R}"},
		{"known_hosts with a space", "root: archive; over: {ssh: a@deb.example, path: /srv, known_hosts: known hosts}"},
		{"unknown way", "root: archive; over: {rsync: a@deb.example}"},
		{"reprepro with snapshots", "over: {reprepro: /srv/repository}; # snapshots"},
		{"reprepro with versions", "over: {reprepro: /srv/repository}; # versions"},
	} {
		bad := withArchive(text, fingerprint, c[1])
		if _, key, found := strings.Cut(c[1], "; # "); found {
			bad = bytes.Replace(bad, []byte("trunk: {architectures: [amd64]}"), fmt.Appendf(nil, "trunk: {architectures: [amd64], %s: 3}", key), 1)
		}
		_, err := parseConfig("slipway.yaml", bad)
		if err == nil {
			t.Errorf("%s: it is accepted", c[0])
			continue
		}
		if errs.HintOf(err) == "" {
			t.Errorf("%s: there is no hint in %q", c[0], errs.Text(err))
		}
		line := regexp.MustCompile(`:\d+:\d+:`).ReplaceAllString(errs.Text(err), ":LINE:")
		fmt.Fprintf(&out, "%s\n\t%s\n", c[0], strings.ReplaceAll(line, fingerprint, "FINGERPRINT"))
	}
	golden := filepath.Join(here, "testdata", "bad-over.golden")
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
