package gitlab

import (
	"net/http"
	"strconv"
	"strings"
)

// storage is the address of the object storage. It is another host than GitLab, by its name.
func (s *Server) storage() string {
	return strings.Replace(s.URL, "127.0.0.1", "localhost", 1) + "/storage"
}

// signed is what lets somebody fetch the archive of a job.
func (s *Server) signed(j *Job) string {
	return sum([]byte("storage of " + s.root + strconv.Itoa(j.ID)))[:32]
}

// serveStorage sends archives to those who have a signed address. A request that brings credentials
// as well is refused, as object storages do; GitLab's token is none of their business.
func (s *Server) serveStorage(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" || r.Header.Get("PRIVATE-TOKEN") != "" {
		http.Error(w, "Only one auth mechanism allowed", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	parts := strings.Split(r.URL.Path, "/") // "", storage, the job, the file
	for _, p := range s.projects {
		for _, pl := range p.pipelines {
			for _, j := range pl.jobs {
				if len(parts) == 4 && parts[2] == strconv.Itoa(j.ID) && r.URL.Query().Get("Signature") == s.signed(j) {
					w.Header().Set("Content-Type", "application/zip")
					_, _ = w.Write(j.archive)
					return
				}
			}
		}
	}
	http.Error(w, "SignatureDoesNotMatch", http.StatusForbidden)
}
