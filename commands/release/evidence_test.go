package release_test

import (
	"strings"
	"testing"

	"slipway/bot/action"
	"slipway/bot/evidence"
	"slipway/commands/release"
)

func deed(name string, in, out action.Values) evidence.Deed {
	return evidence.Deed{Step: name, Action: name + "@1", Inputs: in, Output: out}
}

func TestToldIsWhatWentOut(t *testing.T) {
	digest := func(c string) string { return "sha256:" + strings.Repeat(c, 64) }
	files := func(c string) []any {
		return []any{map[string]any{"name": "harbour_1_all.deb", "digest": digest(c), "size": int64(7)}}
	}
	releases := []any{map[string]any{"suite": "stable/updates", "text": "Suite: stable\n", "digest": digest("c")}}
	out := release.Told([]evidence.Deed{
		deed("sign.tag", nil, action.Values{"object": "the tag", "fingerprint": "ABCD"}),
		deed("git.push_release", action.Values{"remote": "https://git.example/harbour", "object": "the tag"}, action.Values{"tag_object": strings.Repeat("1", 40), "commit": strings.Repeat("2", 40), "tag": "v1"}),
		deed("archive.stage", action.Values{"archive": "yard", "files": files("a")}, action.Values{"generation": "old", "releases": releases}),
		deed("archive.stage", action.Values{"archive": "yard", "files": files("b")}, action.Values{"generation": "new", "releases": releases}),
		deed("sign.release", nil, action.Values{"fingerprint": "EF01", "signatures": []any{
			map[string]any{"suite": "stable/updates", "digest": digest("c"), "inline": "inline", "detached": "detached"},
			map[string]any{"suite": "stable/updates", "digest": digest("d"), "inline": "other", "detached": "other"}}}),
		deed("archive.publish", action.Values{"archive": "yard", "generation": "new", "releases": releases}, nil),
		deed("mail.announce", nil, nil),
	})
	var subjects []string
	for _, s := range out.Subjects {
		subjects = append(subjects, s.Name)
	}
	if got := strings.Join(subjects, " "); got != "refs/tags/v1 harbour_1_all.deb dists/stable/updates/Release" {
		t.Errorf("released: %s", got)
	}
	if out.Subjects[0].Digest["gitTag"] == "" || out.Subjects[1].Digest["sha256"] != strings.Repeat("b", 64) {
		t.Errorf("digests: %v", out.Subjects)
	}
	var texts []string
	for _, x := range out.Texts {
		texts = append(texts, x.Name+" "+x.By+" "+strings.TrimSpace(x.Content))
	}
	if got := strings.Join(texts, "; "); got != "v1.tag ABCD the tag; stable_updates-Release  Suite: stable; stable_updates-Release.gpg EF01 detached; stable_updates-InRelease.asc EF01 inline" {
		t.Errorf("texts: %s", got)
	}
	if len(out.Artifacts) != 1 || len(out.Materials) != 1 {
		t.Errorf("%+v", out)
	}
}

func TestToldOfARunThatOnlyTried(t *testing.T) {
	out := release.Told([]evidence.Deed{deed("archive.stage", nil, action.Values{"generation": "x"}), deed("git.push_release", nil, nil)})
	if len(out.Subjects)+len(out.Texts)+len(out.Artifacts) != 0 {
		t.Errorf("%+v", out)
	}
}

// Whatever a suite or a tag is called, its files have names that a bundle can hold, each its own.
func TestTextsHaveNamesOfTheirOwn(t *testing.T) {
	release1 := map[string]any{"suite": "../é/" + strings.Repeat("x", 200), "text": "a", "digest": ""}
	out := release.Told([]evidence.Deed{deed("archive.publish", action.Values{"releases": []any{release1, release1}}, nil)})
	if len(out.Texts) != 2 || out.Texts[0].Name == out.Texts[1].Name || strings.ContainsAny(out.Texts[0].Name, "/é") || len(out.Texts[1].Name) > 83 {
		t.Errorf("%+v", out.Texts)
	}
}
