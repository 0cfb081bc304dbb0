package release

import (
	"regexp"
	"slices"
	"strings"

	"slipway/bot/evidence"
)

// pushed is what git.push_release did.
type pushed struct {
	Remote    string `json:"remote"`
	Object    string `json:"object"`
	Tag       string `json:"tag"`
	TagObject string `json:"tag_object"`
	Commit    string `json:"commit"`
}

// suiteRelease is the Release file of a suite, with one key's signatures over it.
type suiteRelease struct {
	Suite    string `json:"suite"`
	Text     string `json:"text"`
	Digest   string `json:"digest"`
	Inline   string `json:"inline"`
	Detached string `json:"detached"`
}

// staged is what archive.stage did, and archive.publish made public.
type staged struct {
	Archive    string              `json:"archive"`
	Generation string              `json:"generation"`
	Files      []evidence.Artifact `json:"files"`
	Releases   []suiteRelease      `json:"releases"`
}

// signed is what a signer gave back.
type signed struct {
	Object      string         `json:"object"`
	Fingerprint string         `json:"fingerprint"`
	Signatures  []suiteRelease `json:"signatures"`
}

// Told says what the runs of this family released: tags that were pushed, packages and Release files
// that were published, and the signatures over them. It is the [evidence.Telling] of releases.
func Told(deeds []evidence.Deed) evidence.Released {
	t := teller{names: map[string]bool{}}
	for _, d := range deeds {
		switch d.Name() {
		case "git.push_release":
			t.push(d, deeds)
		case "archive.publish":
			t.publish(d, deeds)
		}
	}
	return t.out
}

type teller struct {
	out   evidence.Released
	names map[string]bool // of texts
}

// text adds a file under a name of its own.
func (t *teller) text(name string, x evidence.Text) {
	name = notInFile.ReplaceAllString(name, "_")
	name = strings.TrimLeft(name[:min(len(name), 70)], "._+~=-")
	for x.Name = name; t.names[x.Name] || x.Name == ""; x.Name += "_" {
	}
	t.names[x.Name] = true
	t.out.Texts = append(t.out.Texts, x)
}

var notInFile = regexp.MustCompile(`[^A-Za-z0-9._+~=-]`)

// gitID is a git object as in-toto names it. Repositories of SHA-256 have ids of 64 digits, for which
// in-toto has no name yet.
func gitID(kind, id string) map[string]string {
	if len(id) == 64 {
		kind += "Sha256"
	}
	return map[string]string{kind: id}
}

func (t *teller) push(d evidence.Deed, deeds []evidence.Deed) {
	var p pushed
	d.DecodeInputs(&p)
	d.Decode(&p)
	if p.TagObject == "" {
		return
	}
	t.out.Subjects = append(t.out.Subjects, evidence.Subject{Name: "refs/tags/" + p.Tag, Digest: gitID("gitTag", p.TagObject)})
	t.out.Materials = append(t.out.Materials, evidence.Subject{Name: p.Remote, Digest: gitID("gitCommit", p.Commit)})
	by := ""
	for _, o := range deeds {
		var s signed
		if o.Name() == "sign.tag" {
			if o.Decode(&s); s.Object == p.Object {
				by = s.Fingerprint
			}
		}
	}
	t.text(p.Tag+".tag", evidence.Text{Content: p.Object, What: "the tag " + p.Tag + ", as git keeps it: payload and signature", By: by})
}

func (t *teller) publish(d evidence.Deed, deeds []evidence.Deed) {
	var p staged
	d.DecodeInputs(&p)
	var s staged
	for _, o := range deeds {
		if o.Name() != "archive.stage" {
			continue
		}
		var got staged
		o.DecodeInputs(&got)
		o.Decode(&got)
		if got.Generation == p.Generation && got.Archive == p.Archive {
			s = got
		}
	}
	for _, f := range s.Files {
		if !slices.Contains(t.out.Artifacts, f) {
			t.out.Artifacts = append(t.out.Artifacts, f)
			t.out.Subjects = append(t.out.Subjects, evidence.Subject{Name: f.Name, Digest: sha256Of(f.Digest)})
		}
	}
	for _, r := range p.Releases {
		t.out.Subjects = append(t.out.Subjects, evidence.Subject{Name: "dists/" + r.Suite + "/Release", Digest: sha256Of(r.Digest)})
		t.text(r.Suite+"-Release", evidence.Text{Content: r.Text, What: "the Release file of " + r.Suite})
		for _, o := range deeds {
			var by signed
			if o.Name() != "sign.release" {
				continue
			}
			o.Decode(&by)
			for _, sig := range by.Signatures {
				if sig.Digest == r.Digest && sig.Suite == r.Suite {
					t.text(r.Suite+"-Release.gpg", evidence.Text{Content: sig.Detached, What: "the signature over the Release file of " + r.Suite, By: by.Fingerprint})
					t.text(r.Suite+"-InRelease.asc", evidence.Text{Content: sig.Inline, What: "the signature in the InRelease of " + r.Suite, By: by.Fingerprint})
				}
			}
		}
	}
}

func sha256Of(digest string) map[string]string {
	return map[string]string{"sha256": strings.TrimPrefix(digest, "sha256:")}
}
