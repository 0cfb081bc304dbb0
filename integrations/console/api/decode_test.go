package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/console"
)

// everything is a request with a field of every kind.
type everything struct {
	Name  string            `in:"path" json:"name" doc:"n" max:"20"`
	Key   string            `in:"header" json:"Idempotency-Key" doc:"k"`
	Limit int               `in:"query" json:"limit" doc:"l" min:"1" max:"200"`
	Since *uint64           `in:"query" json:"since" doc:"s"`
	Fine  bool              `in:"query" json:"fine" doc:"f"`
	At    time.Time         `in:"query" json:"at" doc:"a"`
	Which string            `in:"query" json:"which" doc:"w" enum:"live,past"`
	Text  string            `json:"text" need:"yes" doc:"t" max:"10" example:"help"`
	Wait  *int              `json:"wait,omitempty" doc:"w" min:"0" max:"55"`
	More  map[string]string `json:"more,omitempty" doc:"m"`
	List  []string          `json:"list,omitempty" doc:"l"`
}

// ask sends a request through a multiplexer to decode.
func ask(t testing.TB, target, body string, header ...string) (q everything, err error) {
	t.Helper()
	mux := http.NewServeMux()
	called := false
	mux.HandleFunc("POST /things/{name}", func(_ http.ResponseWriter, r *http.Request) { called = true; err = decode(r, &q) })
	r := httptest.NewRequest("POST", "/things/x", strings.NewReader(body))
	path, query, _ := strings.Cut(target, "?")
	r.URL.RawPath, r.URL.RawQuery = path, query
	if r.URL.Path, err = pathOf(path); err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	mux.ServeHTTP(httptest.NewRecorder(), r)
	if !called {
		t.Fatalf("%s does not come to the handler", target)
	}
	return q, err
}

func pathOf(escaped string) (string, error) {
	r, err := http.NewRequest("GET", "http://x"+escaped, nil)
	if err != nil {
		return "", err
	}
	return r.URL.Path, nil
}

func TestDecode(t *testing.T) {
	q, err := ask(t, "/things/release%2Flava%2F2019.01?limit=5&since=0&fine=true&at=2026-01-31T09:00:00%2B01:00&which=live",
		`{"text":"hé","wait":0,"more":{"a":"b"},"list":["x"]}`, "Idempotency-Key", "k-1")
	if err != nil {
		t.Fatal(err)
	}
	if q.Name != "release/lava/2019.01" || q.Key != "k-1" || q.Limit != 5 || q.Since == nil || *q.Since != 0 || !q.Fine || q.At.UTC().Hour() != 8 ||
		q.Which != "live" || q.Text != "hé" || q.Wait == nil || *q.Wait != 0 || q.More["a"] != "b" || q.List[0] != "x" {
		t.Errorf("%+v", q)
	}
	if q, err := ask(t, "/things/x", `{"text":"a"}`); err != nil || q.Since != nil || q.Wait != nil || q.Limit != 0 {
		t.Errorf("%+v, %v", q, err)
	}
}

func TestWhatIsWrongIsNamedWithTheFix(t *testing.T) {
	const good = `{"text":"a"}`
	for _, c := range []struct {
		target, body string
		header       []string
		status       int
		want, hint   string
	}{
		{"/things/x?limits=5", good, nil, 400, `no parameter "limits"`, "did you mean limit?"},
		{"/things/x?zzzzzz=5", good, nil, 400, `no parameter "zzzzzz"`, "the parameters here are"},
		{"/things/x?limit=0", good, nil, 400, "the parameter limit is 0", "from 1 to 200"},
		{"/things/x?limit=201", good, nil, 400, "is 201", "from 1 to 200"},
		{"/things/x?limit=99999999999999999999", good, nil, 400, `"99999999999999999999"`, "a whole number from 1 to 200"},
		{"/things/x?limit=1e3", good, nil, 400, `"1e3"`, "a whole number"},
		{"/things/x?limit=-1", good, nil, 400, "is -1", "a whole number"},
		{"/things/x?limit=5&limit=6", good, nil, 400, "there 2 times", "once"},
		{"/things/x?since=-1", good, nil, 400, `"-1"`, "a whole number"},
		{"/things/x?since=18446744073709551616", good, nil, 400, "since", "a whole number"},
		{"/things/x?fine=yes", good, nil, 400, `"yes"`, "true or false"},
		{"/things/x?at=yesterday", good, nil, 400, `"yesterday"`, "2026-01-31T09:00:00Z"},
		{"/things/x?which=pest", good, nil, 400, `"pest"`, "did you mean past?"},
		{"/things/x?which=everything", good, nil, 400, `"everything"`, "live, past"},
		{"/things/x?a=%zz", good, nil, 400, "cannot be read", "%-escapes"},
		{"/things/x?limit=%00", good, nil, 400, "is not text", "UTF-8"},
		{"/things/%ff", good, nil, 400, "is not text", "UTF-8"},
		{"/things/" + strings.Repeat("x", 21), good, nil, 400, "21 characters", "less"},
		{"/things/x", good, []string{"Idempotency-Key", "a", "Idempotency-Key", "b"}, 400, "there 2 times", "once"},
		{"/things/x", `{"txet":"a"}`, nil, 400, `no field "txet"`, "did you mean text?"},
		{"/things/x", `{"Text":"a"}`, nil, 400, `no field "Text"`, "did you mean text?"},
		{"/things/x", `{"text":"a","text":"b"}`, nil, 400, "text is there twice", "once"},
		{"/things/x", `{"text":null}`, nil, 400, "text is null", "leave it out"},
		{"/things/x", `{"text":""}`, nil, 400, "text is missing", "give text"},
		{"/things/x", `{}`, nil, 400, "text is missing", "give text"},
		{"/things/x", `{"text":"` + strings.Repeat("é", 11) + `"}`, nil, 400, "11 characters", "less"},
		{"/things/x", `{"text":7}`, nil, 400, `"text" cannot hold the number`, `{"text": "help"}`},
		{"/things/x", `{"text":["a"]}`, nil, 400, "cannot hold an array", "{"},
		{"/things/x", `{"text":"a","wait":56}`, nil, 400, "wait is 56", "from 0 to 55"},
		{"/things/x", `{"text":"a","wait":1.5}`, nil, 400, "wait", "{"},
		{"/things/x", `{"text":"a","wait":1e400}`, nil, 400, "wait", "{"},
		{"/things/x", `{"text":"a","wait":"1"}`, nil, 400, `"wait" cannot hold a string`, "{"},
		{"/things/x", `{"text":"a"}{}`, nil, 400, "more after the end", "{"},
		{"/things/x", `{"text":"a"} x`, nil, 400, "more after the end", "{"},
		{"/things/x", `{"text":"a"`, nil, 400, "not an object", "{"},
		{"/things/x", `[]`, nil, 400, "not an object", "{"},
		{"/things/x", `null`, nil, 400, "not an object", "{"},
		{"/things/x", ``, nil, 400, "not an object", "{"},
		{"/things/x", strings.Repeat("[", 60000), nil, 400, "not an object", "{"},
		{"/things/x", `{"more":` + strings.Repeat(`{"a":`, 10500) + `1` + strings.Repeat("}", 10500) + `}`, nil, 400, "not an object", "{"},
		{"/things/x", "{\"text\":\"\xff\"}", nil, 400, "is not text", "UTF-8"},
		{"/things/x", `{"text":"` + strings.Repeat("x", MaxBody) + `"}`, nil, 413, "more than 65536 bytes", "less"},
		{"/things/x", good, []string{"Content-Encoding", "gzip"}, 415, "compressed", "as it is"},
	} {
		_, err := ask(t, c.target, c.body, c.header...)
		if err == nil || console.StatusOf(err) != c.status || !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Cause(err), c.want) || !strings.Contains(errs.HintOf(err), c.hint) {
			t.Errorf("%s %.60s: %d %v; %s", c.target, c.body, console.StatusOf(err), errs.Cause(err), errs.HintOf(err))
		}
	}
	for _, media := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", "application/jsonp", "/"} {
		mux := httptest.NewRequest("POST", "/things/x", strings.NewReader(good))
		mux.Header.Set("Content-Type", media)
		var q everything
		if err := decode(mux, &q); console.StatusOf(err) != http.StatusUnsupportedMediaType || !strings.Contains(errs.HintOf(err), "Content-Type: application/json") {
			t.Errorf("%q: %v", media, err)
		}
	}
	var none Nothing
	for body, wrong := range map[string]bool{"": false, " {}\n": false, `{"a":1}`: true, "x": true} {
		if err := decode(httptest.NewRequest("POST", "/codes", strings.NewReader(body)), &none); errs.Is(err, errs.Invalid) != wrong {
			t.Errorf("the body %q where none is read: %v", body, err)
		}
	}
}

func TestAnswersHaveNoNull(t *testing.T) {
	type inner struct {
		List []string       `json:"list"`
		Map  map[string]int `json:"map"`
		Left []string       `json:"left,omitempty"`
	}
	type outer struct {
		Inners []inner          `json:"inners"`
		Named  map[string]inner `json:"named"`
		One    *inner           `json:"one,omitempty"`
		At     time.Time        `json:"at"`
		Raw    json.RawMessage  `json:"raw,omitempty"`
	}
	given := outer{Inners: []inner{{}}, Named: map[string]inner{"x": {}}, One: &inner{}}
	raw, err := encode(given)
	want := `{"inners":[{"list":[],"map":{}}],"named":{"x":{"list":[],"map":{}}},"one":{"list":[],"map":{}},"at":"0001-01-01T00:00:00Z"}` + "\n"
	if err != nil || string(raw) != want {
		t.Errorf("%s %v", raw, err)
	}
	if given.Inners[0].List != nil || given.One.List != nil {
		t.Error("what was given is changed")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("limit=5", `{"text":"a"}`, "k")
	f.Add("since=18446744073709551615&fine=false", `{"text":"\ud800","wait":0}`, "")
	f.Add("at=2026-01-31T09:00:00Z&which=past", `{"text":"a","more":{"a":"b"}} `, `"q"`)
	f.Add("limit=%31", `{"text":{}}`, "\x7f")
	f.Add("&&&=;", `{"text":"a","text":"b"}`, "é")
	f.Fuzz(func(t *testing.T, query, body, key string) {
		r := &http.Request{Method: "POST", URL: httptest.NewRequest("POST", "/things/x", nil).URL, Header: http.Header{}, Body: http.NoBody}
		r.URL.RawQuery = query
		r.Header["Content-Type"] = []string{"application/json"}
		r.Header["Idempotency-Key"] = []string{key}
		r.Body = httptest.NewRequest("POST", "/", strings.NewReader(body)).Body
		r.SetPathValue("name", "x")
		var q everything
		if err := decode(r, &q); err != nil {
			if !errs.Is(err, errs.Invalid) || errs.HintOf(err) == "" || strings.Contains(err.Error(), "json:") || strings.Contains(err.Error(), "reflect") {
				t.Fatalf("%q %q: %v", query, body, err)
			}
			return
		}
		// What is taken keeps to what the document says.
		if q.Text == "" || q.Limit < 0 || q.Limit > 200 || q.Wait != nil && (*q.Wait < 0 || *q.Wait > 55) || q.Which != "" && q.Which != "live" && q.Which != "past" {
			t.Fatalf("%q %q gave %+v", query, body, q)
		}
		raw, err := json.Marshal(map[string]any{"text": q.Text})
		if err != nil {
			t.Fatal(err)
		}
		var again everything
		if err := json.Unmarshal(raw, &again); err != nil || !reflect.DeepEqual(again.Text, q.Text) {
			t.Fatalf("%q does not read back: %v", q.Text, err)
		}
	})
}

func TestKeys(t *testing.T) {
	for _, c := range []struct{ header, body, want string }{{"a", "", "a"}, {"", "b", "b"}, {`"a"`, "", "a"}, {"a", "a", "a"}} {
		if got, err := keyOf(c.header, c.body); err != nil || got != c.want {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
	for _, c := range [][2]string{{"", ""}, {"a", "b"}, {`""`, ""}} {
		if _, err := keyOf(c[0], c[1]); !errs.Is(err, errs.Invalid) || errs.HintOf(err) == "" {
			t.Errorf("%v: %v", c, err)
		}
	}
	if fmt.Sprint(begins("approve release/x go", "approve"), begins("release undo-confirm x", "undo"), begins("reject x go", "approve"), begins("", "approve")) != "true true false false" {
		t.Error("a repeat is not told from another request")
	}
}
