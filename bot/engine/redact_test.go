package engine

import (
	"fmt"
	"strings"
	"testing"
)

func TestRedact(t *testing.T) {
	secrets := []string{"token", "response_url"}
	for in, want := range map[string]string{
		`{"Token":"s3cret","a":{"token":7,"b":[{"response_url":"s3cret"}]},"n":12345678901234567890}`: `{"Token":"[redacted]","a":{"b":[{"response_url":"[redacted]"}],"token":"[redacted]"},"n":12345678901234567890}`,
		`token=s3cret&text=hello`:                  `text=hello&token=%5Bredacted%5D`,
		`payload=%7B%22token%22%3A%22s3cret%22%7D`: `payload=%7B%22token%22%3A%22%5Bredacted%5D%22%7D`,
		`{"payload":"{\"token\":\"s3cret\"}"}`:     `{"payload":"{\"token\":\"[redacted]\"}"}`,
		`{"token":"s3cret"`:                        "[not shown: it is neither JSON nor a form, and may hold credentials]",
		`{"token":"s3cret"} {"token":"s3cret"}`:    "[not shown: it is neither JSON nor a form, and may hold credentials]",
		"token: s3cret":                            "[not shown: it is neither JSON nor a form, and may hold credentials]",
		"":                                         "",
	} {
		if got := string(redact([]byte(in), secrets)); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
	if got := string(redact([]byte("token: x"), nil)); got != "token: x" {
		t.Errorf("a source without secrets: %q", got)
	}
}

// What a fact says may become the input of a run, whose log is kept for ever.
func TestFactsBearNoCredentials(t *testing.T) {
	facts := []Fact{Touched{Message: "m"}, Happened{Name: "x", Fields: map[string]any{"token": "s3cret", "ref": "1.0", "deep": map[string]any{"Token": "s3cret"}}}, Happened{Name: "y"}}
	withoutCredentials(facts, []string{"token"})
	if got := fmt.Sprint(facts); strings.Contains(got, "s3cret") || !strings.Contains(got, "1.0") {
		t.Error(got)
	}
}

func FuzzRedact(f *testing.F) {
	for _, seed := range []string{"k", `"`, `\u0022`, "%22", "&token=", "}{", "="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, noise string) {
		const hidden = "s3cretvalue"
		for _, body := range []string{
			`{"x":` + noise + `,"token":"` + hidden + `"}`,
			noise + `&token=` + hidden,
			`{"token":"` + hidden + `"` + noise,
		} {
			got := string(redact([]byte(body), []string{"token"}))
			if strings.Contains(got, hidden) && !strings.Contains(noise, hidden) && !misread(body, noise) {
				t.Errorf("%q shows %q", body, got)
			}
		}
	})
}

// misread reports whether the noise itself ends the field that holds the secret, so that the
// secret is no longer under its name.
func misread(body, noise string) bool {
	return strings.ContainsAny(noise, "&=%+;\"\\{}[]:,#")
}
