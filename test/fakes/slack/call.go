package slack

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// body is a JSON object.
type body = map[string]any

// call is one call of the Web API.
type call struct {
	s     *Server
	r     *http.Request
	name  string
	token *Token
	in    map[string]string // arguments; what came as JSON and is no text is JSON here
	kinds map[string]string // of arguments that came in a JSON body: string, number, boolean, array, object, null
	form  string            // how they came: query, form, json, multipart
}

// answer is what a call is answered with.
type answer struct {
	status int
	header http.Header
	body   body
}

// ok is success with what b says.
func ok(b body) answer {
	out := body{"ok": true}
	for k, v := range b {
		out[k] = v
	}
	return answer{status: http.StatusOK, body: out}
}

// fail is what Slack says of most mistakes: 200 and an error. messages say more.
func fail(code string, messages ...string) answer {
	out := body{"ok": false, "error": code}
	if len(messages) > 0 {
		out["response_metadata"] = body{"messages": messages}
	}
	return answer{status: http.StatusOK, body: out}
}

func (a answer) write(w http.ResponseWriter) {
	raw, err := json.Marshal(a.body)
	if err != nil {
		panic(err)
	}
	for k, v := range a.header {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
	w.WriteHeader(a.status)
	_, _ = w.Write(raw)
}

var errPost = errors.New("invalid_post_type")

// read takes the arguments of a call: the query, then the body over it.
// https://docs.slack.dev/apis/web-api/ says which content types there are.
func (c *call) read(raw []byte) error {
	c.in, c.kinds, c.form = map[string]string{}, map[string]string{}, "query"
	add := func(v url.Values) {
		for k, all := range v {
			c.in[k] = all[len(all)-1]
		}
	}
	add(c.r.URL.Query())
	if len(raw) == 0 {
		return nil
	}
	kind, params, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	switch kind {
	case "application/x-www-form-urlencoded":
		c.form = "form"
		v, err := url.ParseQuery(string(raw))
		if err != nil {
			return errors.New("invalid_form_data")
		}
		add(v)
	case "application/json":
		c.form = "json"
		return c.readJSON(raw)
	case "multipart/form-data":
		c.form = "multipart"
		form, err := multipart.NewReader(bytes.NewReader(raw), params["boundary"]).ReadForm(8 << 20)
		if err != nil {
			return errors.New("invalid_form_data")
		}
		add(form.Value)
	default:
		return errPost
	}
	return nil
}

func (c *call) readJSON(raw []byte) error {
	var in map[string]json.RawMessage
	if json.Unmarshal(raw, &in) != nil {
		return errors.New("invalid_json")
	}
	for k, v := range in {
		var text string
		switch v[0] {
		case '"':
			_ = json.Unmarshal(v, &text)
			c.in[k], c.kinds[k] = text, "string"
		case 't', 'f':
			c.in[k], c.kinds[k] = string(v), "boolean"
		case '[':
			c.in[k], c.kinds[k] = string(v), "array"
		case '{':
			c.in[k], c.kinds[k] = string(v), "object"
		case 'n':
			continue
		default:
			c.in[k], c.kinds[k] = string(v), "number"
		}
	}
	return nil
}

// yes is an argument as a condition.
func (c *call) yes(name string) bool {
	v := c.in[name]
	return v == "1" || strings.EqualFold(v, "true")
}

// has says whether an argument was given.
func (c *call) has(name string) bool { _, has := c.in[name]; return has }

// limit is how many items a page may have.
func (c *call) limit(usual, most int) (int, bool) {
	if c.in["limit"] == "" || c.in["limit"] == "0" {
		return usual, true
	}
	n, err := strconv.Atoi(c.in["limit"])
	return n, err == nil && n > 0 && n <= most
}

// paged answers with one page of items in order; more is added to the answer.
func (c *call) paged(field string, all []any, usual, most int, more body) answer {
	n, good := c.limit(max(1, usual), most)
	if !good {
		return fail("invalid_limit")
	}
	from, good := openCursor(c.in["cursor"], "at")
	if !good || from > len(all) {
		return fail("invalid_cursor")
	}
	to := min(len(all), from+n)
	out := body{field: append([]any{}, all[from:to]...), "response_metadata": body{"next_cursor": ""}}
	if to < len(all) {
		out["response_metadata"] = body{"next_cursor": cursor("at", to)}
	}
	for k, v := range more {
		out[k] = v
	}
	return ok(out)
}

func cursor(kind string, n int) string {
	return base64.StdEncoding.EncodeToString([]byte(kind + ":" + strconv.Itoa(n)))
}

// openCursor reads a cursor of a kind; "" is the beginning.
func openCursor(text, kind string) (int, bool) {
	if text == "" {
		return 0, true
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return 0, false
	}
	rest, found := strings.CutPrefix(string(raw), kind+":")
	n, err := strconv.Atoi(rest)
	return n, found && err == nil && n >= 0
}

// maxBody bounds the body of a request, in bytes.
const maxBody = 64 << 20

func slurp(r *http.Request, w http.ResponseWriter) ([]byte, error) {
	return io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
}
