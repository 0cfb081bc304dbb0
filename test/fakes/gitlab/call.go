package gitlab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// call is one request to the API. user and token are nil for nobody; project is nil outside of
// /projects/:id.
type call struct {
	s       *Server
	r       *http.Request
	user    *User
	token   *Token
	project *Project
	path    map[string]string
	in      map[string]any // query, then the body over it
}

// answer is what a call is answered with. Without raw it is body as JSON.
type answer struct {
	status int
	body   any
	header http.Header
	raw    []byte
}

func ok(body any) answer      { return answer{status: http.StatusOK, body: body} }
func created(body any) answer { return answer{status: http.StatusCreated, body: body} }
func noContent() answer       { return answer{status: http.StatusNoContent} }

// message refuses with {"message": …}, which is what GitLab says of most things; what may be an
// object of lists too (validation).
func message(status int, what any) answer {
	return answer{status: status, body: map[string]any{"message": what}}
}

// wrong refuses with {"error": …}, which is what GitLab says of wrong parameters.
func wrong(status int, format string, args ...any) answer {
	return answer{status: status, body: map[string]any{"error": fmt.Sprintf(format, args...)}}
}

func missing(name string) answer { return wrong(http.StatusBadRequest, "%s is missing", name) }
func invalid(name string) answer { return wrong(http.StatusBadRequest, "%s is invalid", name) }
func notFound(what string) answer {
	return message(http.StatusNotFound, strings.TrimSpace("404 "+what)+" Not Found")
}
func forbidden() answer { return message(http.StatusForbidden, "403 Forbidden") }

func (a answer) write(w http.ResponseWriter, head bool) {
	for k, v := range a.header {
		w.Header()[k] = v
	}
	raw := a.raw
	if raw == nil && a.status != http.StatusNoContent {
		var err error
		if raw, err = json.Marshal(a.body); err != nil {
			panic(err)
		}
	}
	if w.Header().Get("Content-Type") == "" && a.status != http.StatusNoContent {
		w.Header().Set("Content-Type", "application/json")
	}
	w.Header().Set("Cache-Control", "max-age=0, private, must-revalidate")
	if a.status != http.StatusNoContent {
		w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
	}
	w.WriteHeader(a.status)
	if !head {
		_, _ = w.Write(raw)
	}
}

// maxBody bounds the body of an API request, in bytes.
const maxBody = 32 << 20

// read takes the parameters of a request: the query, and a body that is JSON or a form.
func read(r *http.Request) (map[string]any, error) {
	in := map[string]any{}
	add := func(v url.Values) {
		for k, all := range v {
			name, list := strings.CutSuffix(k, "[]")
			if !list {
				in[name] = all[len(all)-1]
				continue
			}
			l := []any{}
			for _, one := range all {
				l = append(l, one)
			}
			in[name] = l
		}
	}
	add(r.URL.Query())
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, err
	case len(raw) > maxBody:
		return nil, errors.New("the body is too long")
	case len(raw) == 0:
	case kind == "application/x-www-form-urlencoded":
		v, err := url.ParseQuery(string(raw))
		if err != nil {
			return nil, err
		}
		add(v)
	case kind == "application/json":
		body := map[string]any{}
		if err := json.Unmarshal(raw, &body); err != nil {
			return nil, err
		}
		for k, v := range body {
			in[k] = v
		}
	default:
		return nil, fmt.Errorf("the content type %q is not known", kind)
	}
	return in, nil
}

// has says whether a parameter was given, be it null.
func (c *call) has(name string) bool { _, has := c.in[name]; return has }

// str is a parameter as text; "" when it is not given or null.
func (c *call) str(name string) string { return text(c.in[name]) }

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// num is a parameter as a number; 0 when it is not one.
func (c *call) num(name string) int { return number(c.in[name]) }

func number(v any) int { n, _ := strconv.Atoi(text(v)); return n }

// yes is a parameter as a condition.
func (c *call) yes(name string) bool { return truth(c.in[name]) }

func truth(v any) bool {
	t := strings.ToLower(text(v))
	return t == "true" || t == "1" || t == "yes" || t == "on"
}

// list is a parameter as texts: an array, or one text with commas.
func (c *call) list(name string) []string {
	out := []string{}
	switch v := c.in[name].(type) {
	case []any:
		for _, one := range v {
			out = append(out, text(one))
		}
	case string:
		for one := range strings.SplitSeq(v, ",") {
			if one = strings.TrimSpace(one); one != "" {
				out = append(out, one)
			}
		}
	}
	return out
}

// when is a parameter as a time.
func (c *call) when(name string) (t time.Time, ok bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05.999Z07:00", time.DateOnly} {
		if t, err := time.Parse(layout, c.str(name)); err == nil {
			return t, true
		}
	}
	return t, false
}

// pathNum is a number in the path; 0 when it is not one.
func (c *call) pathNum(name string) int { n, _ := strconv.Atoi(c.path[name]); return n }

// level is the person's role in the project of the call.
func (c *call) level() int { return c.project.level(c.user) }

// paged answers with one page of items, each as show writes it.
func paged[T any](c *call, items []T, show func(T) map[string]any) answer {
	per, page := 20, 1
	for name, into := range map[string]*int{"per_page": &per, "page": &page} {
		if !c.has(name) {
			continue
		}
		if *into = c.num(name); *into < 1 {
			return wrong(http.StatusBadRequest, "%s does not have a valid value", name)
		}
	}
	per = min(per, 100)
	pages := max(1, (len(items)+per-1)/per)
	a := ok(nil)
	a.header = http.Header{}
	set := func(k string, n int) {
		v := ""
		if n > 0 {
			v = strconv.Itoa(n)
		}
		a.header.Set(k, v)
	}
	at := func(n int) string {
		q := c.r.URL.Query()
		q.Set("page", strconv.Itoa(n))
		q.Set("per_page", strconv.Itoa(per))
		return c.s.URL + c.r.URL.EscapedPath() + "?" + q.Encode()
	}
	var links []string
	link := func(n int, rel string) { links = append(links, fmt.Sprintf("<%s>; rel=%q", at(n), rel)) }
	next, prev := 0, 0
	if page < pages {
		next = page + 1
		link(next, "next")
	}
	if page > 1 {
		prev = min(page-1, pages)
		link(prev, "prev")
	}
	link(1, "first")
	link(pages, "last")
	set("X-Next-Page", next)
	set("X-Prev-Page", prev)
	set("X-Page", page)
	set("X-Per-Page", per)
	a.header.Set("X-Total", strconv.Itoa(len(items)))
	set("X-Total-Pages", pages)
	a.header.Set("Link", strings.Join(links, ", "))
	out := []map[string]any{}
	for i := (page - 1) * per; i < min(page*per, len(items)); i++ {
		out = append(out, show(items[i]))
	}
	a.body = out
	return a
}
