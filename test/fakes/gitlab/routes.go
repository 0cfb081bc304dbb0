package gitlab

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// route is one line of the API. In the pattern ":x" is one segment, given to the handler as x, and
// a last "*x" is all that is left. A pattern below /projects/:id finds the project before the
// handler is called, and refuses those who may not see it. level is what the handler needs of the
// person's role in the project (0: whoever may see it).
type route struct {
	method, pattern string
	level           int
	handle          func(*call) answer
}

// table is everything that the API can do. Handlers run with s.mu held.
func (s *Server) table() []route {
	return slices.Concat(s.peopleRoutes(), s.projectRoutes(), s.repositoryRoutes(), s.pipelineRoutes(), s.releaseRoutes(), s.workRoutes())
}

// find looks for the route of a path that begins after /api/v4. known says whether the path is
// there with another method.
func (s *Server) find(method, escaped string) (r route, values map[string]string, known bool) {
	segments := strings.Split(strings.Trim(escaped, "/"), "/")
	for _, candidate := range s.routes {
		v, ok := match(candidate.pattern, segments)
		if !ok {
			continue
		}
		if candidate.method == method || method == http.MethodHead && candidate.method == http.MethodGet {
			return candidate, v, true
		}
		known = true
	}
	return route{}, nil, known
}

func match(pattern string, segments []string) (map[string]string, bool) {
	values := map[string]string{}
	parts := strings.Split(strings.Trim(pattern, "/"), "/")
	for i, part := range parts {
		if name, rest := strings.CutPrefix(part, "*"); rest && i < len(segments) {
			v, err := url.PathUnescape(strings.Join(segments[i:], "/"))
			values[name] = v
			return values, err == nil
		}
		if i >= len(segments) {
			return nil, false
		}
		v, err := url.PathUnescape(segments[i])
		if err != nil {
			return nil, false
		}
		if name, is := strings.CutPrefix(part, ":"); is {
			values[name] = v
		} else if part != v {
			return nil, false
		}
	}
	return values, len(parts) == len(segments)
}
