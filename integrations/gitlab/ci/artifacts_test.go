package ci

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/pipeline"
	fake "slipway/test/fakes/gitlab"

	"github.com/google/go-cmp/cmp"
)

// passed is a world whose first pipeline passed, with the archives of its jobs.
func passed(t *testing.T, archives map[string]map[string][]byte) (*world, pipeline.ArtifactsIn) {
	t.Helper()
	w := newWorld(t, rules)
	id := w.pipelines("")[0].ID
	w.must(w.site.FinishPipeline(id, "success"))
	for name, files := range archives {
		w.must(w.site.SetArtifacts(w.job(id, name).ID, files))
	}
	return w, pipeline.ArtifactsIn{Remote: w.remote, Ref: "master", Commit: w.commit, Pipeline: strconv.Itoa(id)}
}

func (w *world) artifacts(in pipeline.ArtifactsIn) (pipeline.ArtifactsOut, error) {
	return NewArtifacts(w.client, w.kept).Do(w.t.Context(), key("artifacts"), in)
}

func file(name, content string) pipeline.Artifact {
	return pipeline.Artifact{Name: name, Digest: action.DigestOf([]byte(content)), Size: len(content)}
}

func TestArtifactsOfAllJobsComeWithoutFolders(t *testing.T) {
	w, in := passed(t, map[string]map[string][]byte{
		"unit":    {"report.xml": []byte("<ok/>"), "out/build.log": []byte("same")},
		"package": {"out/harbour_2019.01-1_all.deb": []byte("deb"), "out/sub/harbour_2019.01-1.dsc": nil, "build.log": []byte("same")},
	})
	got, err := w.artifacts(in)
	if err != nil {
		t.Fatal(err)
	}
	want := []pipeline.Artifact{file("build.log", "same"), file("harbour_2019.01-1.dsc", ""), file("harbour_2019.01-1_all.deb", "deb"), file("report.xml", "<ok/>")}
	if diff := cmp.Diff(want, got.Files); diff != "" {
		t.Error(diff)
	}
	if w.kept[want[2].Digest] != "deb" {
		t.Errorf("kept is %q", w.kept)
	}
	// Without the id it is the pipeline of the push, and of the jobs only those that are named.
	in.Pipeline, in.Jobs = "", []string{"unit"}
	if got, err := w.artifacts(in); err != nil || cmp.Diff([]pipeline.Artifact{want[0], want[3]}, got.Files) != "" {
		t.Errorf("%+v, %v", got, err)
	}
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "slipway-artifacts-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind are %q, %v", left, err)
	}
}

func TestArtifactsThatCannotBeTaken(t *testing.T) {
	w, in := passed(t, map[string]map[string][]byte{"unit": {"a.deb": []byte("one")}, "package": {"x/a.deb": []byte("two")}})
	if _, err := w.artifacts(in); !errs.Is(err, errs.Invalid) {
		t.Errorf("one name, two contents: %v", err)
	} else {
		contains(t, errs.Text(err), "the job unit (stage test)", "the job package (stage package)", "a.deb")
	}
	job := func(name string) int { return w.job(number(t, in.Pipeline), name).ID }
	for name, c := range map[string]struct {
		archive []byte
		want    string
	}{
		"a link":        {archive(t, entry{"out/link", "/etc/passwd", fs.ModeSymlink | 0o777}), "no plain file"},
		"a device":      {archive(t, entry{"out/null", "", fs.ModeDevice | 0o666}), "no plain file"},
		"upwards":       {archive(t, entry{"../../etc/cron.d/a.deb", "x", 0o644}), "leads out of its folder"},
		"absolute":      {archive(t, entry{"/etc/a.deb", "x", 0o644}), "leads out of its folder"},
		"backslashes":   {archive(t, entry{`..\..\a.deb`, "x", 0o644}), "leads out of its folder"},
		"a drive":       {archive(t, entry{"C:a.deb", "x", 0o644}), "leads out of its folder"},
		"a hidden name": {archive(t, entry{".profile", "x", 0o644}), "not every server"},
		"an option":     {archive(t, entry{"-rf", "x", 0o644}), "not every server"},
		"twice":         {archive(t, entry{"a.deb", "x", 0o644}, entry{"sub/a.deb", "y", 0o644}), "different files"},
		"no zip":        {[]byte("<html>Sign in</html>"), "no zip"},
		"cut":           {archive(t, entry{"a.deb", "x", 0o644})[:40], "no zip"},
		"damaged":       {bytes.Replace(archive(t, entry{"a.deb", strings.Repeat("x", 99), 0o644}), []byte("xxx"), []byte("xyx"), 1), "damaged"},
		"too many":      {archive(t, many(maxFiles+1)...), "more files than the 1000"},
		"a long list":   {archive(t, long(30000)...), "lists too many"},
	} {
		w.must(w.site.SetArchive(job("unit"), c.archive))
		in.Jobs = []string{"unit"}
		if _, err := w.artifacts(in); !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Text(err), c.want) || errs.HintOf(err) == "" {
			t.Errorf("%s: %v: %v", name, errs.KindOf(err), err)
		}
	}
	in.Jobs = []string{"pakage"}
	if _, err := w.artifacts(in); !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Text(err), `has no job "pakage"; it has the jobs lint, unit, package`) {
		t.Errorf("no such job: %v", err)
	}
	in.Jobs = []string{"lint"}
	if _, err := w.artifacts(in); !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Text(err), "the job lint (stage test) left no artifacts") {
		t.Errorf("nothing: %v", err)
	}
	in.Jobs = nil
	w.must(w.site.SetArchive(job("unit"), nil))
	w.must(w.site.SetArchive(job("package"), nil))
	if _, err := w.artifacts(in); !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Text(err), "left no artifacts") {
		t.Errorf("nothing at all: %v", err)
	}
	next := w.push("master", "Next", map[string]string{"a": "1"})
	if _, err := w.artifacts(pipeline.ArtifactsIn{Remote: w.remote, Ref: "master", Commit: next}); !errs.Is(err, errs.Conflict) || !strings.Contains(errs.Text(err), "is pending, and only one that passed") {
		t.Errorf("of a pipeline that goes on: %v", err)
	}
}

// expire is a GitLab whose artifacts have expired: it says when, and has no archive.
type expire struct{}

func (expire) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || !strings.HasSuffix(r.URL.Path, "/jobs") {
		return resp, err
	}
	defer resp.Body.Close()
	var jobs []map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&jobs); err != nil {
		return nil, err
	}
	for _, j := range jobs {
		if j["artifacts_file"] != nil {
			delete(j, "artifacts_file")
			j["artifacts_expire_at"] = time.Date(2019, 2, 1, 12, 30, 0, 0, time.UTC)
		}
	}
	data, err := json.Marshal(jobs)
	resp.Body = io.NopCloser(bytes.NewReader(data))
	return resp, err
}

func TestArtifactsThatExpiredOrWereCutOff(t *testing.T) {
	w, in := passed(t, map[string]map[string][]byte{"package": {"a.deb": []byte("one")}})
	path := "/projects/*/jobs/*/artifacts"
	w.site.Fault(fake.Fault{Path: path, Do: fake.BadGateway})
	if _, err := w.artifacts(in); !errs.Is(err, errs.Unavailable) {
		t.Errorf("502: %v", err)
	}
	w.site.Fault(fake.Fault{Path: path, Do: fake.Reset, Times: -1})
	if _, err := w.artifacts(in); !errs.Is(err, errs.Unavailable) {
		t.Errorf("reset: %v", err)
	}
	w.site.ClearFaults()
	if got, err := w.artifacts(in); err != nil || len(got.Files) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	w.http = &http.Client{Transport: expire{}}
	w.client = w.open()
	if _, err := w.artifacts(in); !errs.Is(err, errs.Gone) || !strings.Contains(errs.Text(err), "expired at 2019-02-01 12:30 UTC") || !strings.Contains(errs.HintOf(err), "expire_in") {
		t.Errorf("expired: %v: %v", errs.KindOf(err), err)
	}
}

// elsewhere leads from the archives to a store on another host.
type elsewhere struct{ store string }

func (e elsewhere) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, "/artifacts") {
		return http.DefaultTransport.RoundTrip(r)
	}
	return &http.Response{StatusCode: http.StatusFound, Header: http.Header{"Location": {e.store + "/object"}}, Body: http.NoBody, Request: r}, nil
}

func TestAStoreOfArtifactsIsSentNoToken(t *testing.T) {
	content := archive(t, entry{"a.deb", "one", 0o644})
	var sent http.Header
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent = r.Header.Clone()
		_, _ = w.Write(content)
	}))
	defer store.Close()
	w, in := passed(t, nil)
	w.must(w.site.SetArchive(w.job(number(t, in.Pipeline), "package").ID, content))
	w.http = &http.Client{Transport: elsewhere{store.URL}}
	w.client = w.open()
	if got, err := w.artifacts(in); err != nil || len(got.Files) != 1 || got.Files[0] != file("a.deb", "one") {
		t.Errorf("%+v, %v", got, err)
	}
	var all strings.Builder
	_ = sent.Write(&all)
	if len(sent) == 0 || strings.Contains(all.String(), w.token) {
		t.Errorf("the store was sent\n%s", all.String())
	}
}

type entry struct {
	name, content string
	mode          fs.FileMode
}

func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Store}
		h.SetMode(e.mode)
		f, err := z.CreateHeader(h)
		if err == nil {
			_, err = f.Write([]byte(e.content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func many(n int) (out []entry) {
	for i := range n {
		out = append(out, entry{"f" + strconv.Itoa(i), "", 0o644})
	}
	return out
}

func long(n int) (out []entry) {
	for i := range n {
		out = append(out, entry{strings.Repeat("x", 150) + strconv.Itoa(i), "", 0o644})
	}
	return out
}

func FuzzUnpack(f *testing.F) {
	f.Add(archive(f, entry{"out/a.deb", "content", 0o644}, entry{"b", "", 0o600}))
	f.Add(archive(f, entry{"../x", "content", 0o644}))
	f.Add(archive(f, entry{"x", "/etc/passwd", fs.ModeSymlink | 0o777}))
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Add([]byte("PK\x01\x02000000000000000000000000\t\x00\x00\x00\x00\x00000000000000000000000PK\x01\x02000000000000000000000000\x01\x00\x00\x00\x00\x000000000000000PK\x05\x06000000\x02\x00f\x00\x00\x000001\x00\x00"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		s := &shelf{p: project{op: "ci.artifacts"}, depot: depot{}, files: map[string]kept{}}
		err := s.unpack(t.Context(), bytes.NewReader(data), int64(len(data)), "the job x")
		if err != nil && (errs.KindOf(err) != errs.Invalid || errs.HintOf(err) == "") {
			t.Fatalf("%v: %v", errs.KindOf(err), err)
		}
		for name, k := range s.files {
			if !plainName.MatchString(name) || k.Name != name || k.Size < 0 {
				t.Fatalf("%q: %+v", name, k)
			}
		}
	})
}
