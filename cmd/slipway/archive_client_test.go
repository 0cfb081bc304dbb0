package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"slipway/bot/version"
	"slipway/integrations/aptrepo"
	"slipway/integrations/debian"
	"slipway/integrations/openpgp"
)

// httpClient reads an archive as apt does, for machines that have no apt: InRelease with its
// signature and its dates, the index that it lists by hash, and the package that the index names.
// Whatever does not fit is a complaint.
type httpClient struct{}

func (httpClient) Look(ctx context.Context, q aptrepo.Look) (aptrepo.View, error) {
	var v aptrepo.View
	release, err := readRelease(ctx, q)
	if err != nil {
		v.Complaints = append(v.Complaints, err.Error())
	}
	for _, arch := range q.Architectures {
		newest := map[string]string{}
		for _, component := range q.Components {
			if err != nil {
				break
			}
			if err := candidatesOf(ctx, q, release, component+"/binary-"+arch+"/Packages", newest); err != nil {
				v.Complaints = append(v.Complaints, err.Error())
			}
		}
		for _, name := range q.Packages {
			v.Candidates = append(v.Candidates, aptrepo.Candidate{Architecture: arch, Package: name, Version: newest[name]})
		}
	}
	return v, ctx.Err()
}

// readRelease is the Release that the keys of the archive signed and that is good now.
func readRelease(ctx context.Context, q aptrepo.Look) (debian.Release, error) {
	data, err := get(ctx, q.Address+"/dists/"+q.Suite+"/InRelease")
	if err != nil {
		return debian.Release{}, err
	}
	certs, err := openpgp.ReadCertificates(q.Keyring)
	if err != nil {
		return debian.Release{}, err
	}
	policy := openpgp.Policy{Certificates: certs}
	for _, c := range certs {
		policy.Allowed = append(policy.Allowed, fmt.Sprintf("%X", c.PrimaryKey.Fingerprint))
	}
	text, _, err := openpgp.VerifyInRelease(data, policy, policy.Allowed, time.Now())
	if err != nil {
		return debian.Release{}, err
	}
	r, err := debian.ParseRelease(text)
	switch now := time.Now(); {
	case err != nil:
		return r, err
	case r.Suite != q.Suite && r.Codename != q.Suite:
		return r, fmt.Errorf("the Release is of %s, not of %s", r.Suite, q.Suite)
	case r.Date.After(now.Add(10 * time.Second)):
		return r, fmt.Errorf("the Release is of %s, which is yet to come", r.Date)
	case !r.ValidUntil.IsZero() && r.ValidUntil.Before(now):
		return r, fmt.Errorf("the Release was valid until %s", r.ValidUntil)
	}
	return r, nil
}

// candidatesOf puts the newest version of each package of an index into newest.
func candidatesOf(ctx context.Context, q aptrepo.Look, r debian.Release, path string, newest map[string]string) error {
	i := slices.IndexFunc(r.List("SHA256"), func(f debian.ReleaseFile) bool { return f.Path == path })
	if i < 0 {
		return fmt.Errorf("the Release lists no %s", path)
	}
	listed := r.List("SHA256")[i]
	dists := q.Address + "/dists/" + q.Suite + "/"
	from := dists + path
	if r.AcquireByHash {
		from = dists + strings.TrimSuffix(path, "Packages") + "by-hash/SHA256/" + listed.Digest
	}
	index, err := get(ctx, from)
	if err != nil {
		return err
	}
	if int64(len(index)) != listed.Size || fmt.Sprintf("%x", sha256.Sum256(index)) != listed.Digest {
		return fmt.Errorf("%s is not the file that the Release lists", from)
	}
	for in := debian.NewReader(bytes.NewReader(index)); ; {
		p, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name, v := p.Get("Package"), p.Get("Version")
		if newest[name] != "" && version.Compare(newest[name], v) >= 0 || !slices.Contains(q.Packages, name) {
			continue
		}
		deb, err := get(ctx, q.Address+"/"+p.Get("Filename"))
		if err != nil {
			return err
		}
		if strconv.Itoa(len(deb)) != p.Get("Size") || fmt.Sprintf("%x", sha256.Sum256(deb)) != p.Get("SHA256") {
			return fmt.Errorf("%s is not the file that the index lists", p.Get("Filename"))
		}
		newest[name] = v
	}
}

func get(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", address, resp.Status)
	}
	return io.ReadAll(resp.Body)
}
