package slack

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// File is a file in the workspace.
type File struct {
	ID, Name, Title, User string
	AltText, Snippet      string
	Content               []byte
	Created               time.Time
	Channels              []string

	length   int // as announced
	received bool
	complete bool
}

func (s *Server) fileMethods() []method {
	return []method{
		{"files.getUploadURLExternal", []string{"files:write"}, tier4, s.uploadURL},
		{"files.completeUploadExternal", []string{"files:write"}, tier4, s.completeUpload},
		{"files.info", []string{"files:read"}, tier4, s.filesInfo},
		{"files.delete", []string{"files:write"}, tier3, s.fileDelete},
	}
}

// Files are the files that were shared, oldest first.
func (s *Server) Files() (out []File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.files {
		if f.complete {
			out = append(out, *f)
		}
	}
	return out
}

// File is one file.
func (s *Server) File(id string) File {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.file(id); f != nil {
		return *f
	}
	return File{}
}

func (s *Server) file(id string) *File {
	for _, f := range s.files {
		if f.ID == id {
			return f
		}
	}
	return nil
}

// maxFile bounds a file, in bytes: 1 GB (https://docs.slack.dev/messaging/working-with-files).
const maxFile = 1 << 30

func (s *Server) uploadURL(c *call) answer {
	n, err := strconv.Atoi(c.in["length"])
	switch {
	case err != nil || n < 1:
		return fail("invalid_arguments")
	case n > maxFile:
		return fail("file_upload_size_restricted")
	}
	f := &File{ID: s.id("F"), Name: c.in["filename"], Title: c.in["filename"], User: c.token.User, AltText: c.in["alt_txt"], Snippet: c.in["snippet_type"],
		Created: s.now(), length: n}
	key := strings.ToLower(s.id("up"))
	s.uploads[key] = f
	s.files = append(s.files, f)
	return ok(body{"upload_url": s.base + "/upload/v1/" + key, "file_id": f.ID})
}

// receive takes the content of a file, bare or as the field of a form.
func (s *Server) receive(w http.ResponseWriter, r *http.Request, rest string, raw []byte) {
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind == "multipart/form-data" {
		raw = part(raw, params["boundary"])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.uploads[path.Base(rest)]
	switch {
	case r.Method != http.MethodPost:
		http.Error(w, "only POST", http.StatusMethodNotAllowed)
	case f == nil || f.received:
		http.Error(w, "no such upload", http.StatusNotFound)
	case len(raw) != f.length:
		http.Error(w, "the length is not as announced", http.StatusBadRequest)
	default:
		f.Content, f.received = raw, true
		_, _ = io.WriteString(w, "OK - "+strconv.Itoa(len(raw)))
	}
}

// part is the first file in a form; nil when there is none.
func part(raw []byte, boundary string) []byte {
	parts := multipart.NewReader(bytes.NewReader(raw), boundary)
	for {
		p, err := parts.NextPart()
		if err != nil {
			return nil
		}
		if p.FileName() != "" {
			all, err := io.ReadAll(p)
			if err != nil {
				return nil
			}
			return all
		}
	}
}

func (s *Server) completeUpload(c *call) answer {
	var in []struct{ ID, Title string }
	if json.Unmarshal([]byte(c.in["files"]), &in) != nil || len(in) == 0 {
		return fail("invalid_arguments")
	}
	var to []*Channel
	for id := range strings.SplitSeq(c.in["channel_id"]+","+c.in["channels"], ",") {
		if id = strings.TrimSpace(id); id == "" {
			continue
		}
		c.in["channel"] = id
		ch, refused := c.target()
		if refused != nil {
			return *refused
		}
		to = append(to, ch)
	}
	m := &Message{User: c.token.User, Bot: c.token.Bot, App: s.app.ID, Text: kept(c.in["initial_comment"]), Thread: c.in["thread_ts"]}
	if raw := c.in["blocks"]; raw != "" {
		var blocks []map[string]any
		if json.Unmarshal([]byte(raw), &blocks) != nil || len(checkBlocks(blocks, message)) > 0 {
			return fail("invalid_blocks")
		}
		m.Blocks = keptBlocks(blocks)
	}
	shown := []any{}
	for _, one := range in {
		f := s.file(one.ID)
		if f == nil || !f.received || f.User != c.token.User || f.complete {
			return fail("file_not_found")
		}
		if one.Title != "" {
			f.Title = one.Title
		}
		m.Files = append(m.Files, f.ID)
	}
	for _, ch := range to {
		if m.Thread != "" && ch.message(m.Thread) == nil {
			return fail("invalid_thread_ts")
		}
		next := *m
		next.Files = slices.Clone(m.Files)
		s.add(ch, &next)
	}
	for _, id := range m.Files {
		f := s.file(id)
		f.complete = true
		for _, ch := range to {
			f.Channels = append(f.Channels, ch.ID)
		}
		shown = append(shown, s.fileJSON(f))
	}
	return ok(body{"files": shown})
}

func (s *Server) fileJSON(f *File) body {
	kind := strings.TrimPrefix(path.Ext(f.Name), ".")
	mimetype := mime.TypeByExtension(path.Ext(f.Name))
	if mimetype == "" {
		kind, mimetype = "text", "text/plain"
	}
	at := s.base + "/files/" + f.ID + "/" + f.Name
	out := body{"id": f.ID, "created": f.Created.Unix(), "timestamp": f.Created.Unix(), "name": f.Name, "title": f.Title, "mimetype": mimetype, "filetype": kind,
		"pretty_type": strings.ToUpper(kind), "user": f.User, "user_team": s.o.Team, "editable": false, "size": len(f.Content), "mode": "hosted", "is_external": false,
		"external_type": "", "is_public": true, "public_url_shared": false, "display_as_bot": false, "username": "", "url_private": at,
		"url_private_download": at, "permalink": at, "comments_count": 0, "is_starred": false, "has_rich_preview": false, "file_access": "visible",
		"channels": append([]string{}, f.Channels...), "groups": []any{}, "ims": []any{}}
	if f.AltText != "" {
		out["alt_txt"] = f.AltText
	}
	return out
}

func (s *Server) filesInfo(c *call) answer {
	f := s.file(c.in["file"])
	if f == nil || !f.complete {
		return fail("file_not_found")
	}
	return ok(body{"file": s.fileJSON(f), "comments": []any{}, "response_metadata": body{"next_cursor": ""}})
}

func (s *Server) fileDelete(c *call) answer {
	f := s.file(c.in["file"])
	switch {
	case f == nil || !f.complete:
		return fail("file_not_found")
	case f.User != c.token.User:
		return fail("cant_delete_file")
	}
	s.files = slices.DeleteFunc(s.files, func(one *File) bool { return one == f })
	return ok(nil)
}

// serveFile gives a file's content to who has a token that may read files; everybody else is sent to
// a page to sign in.
func (s *Server) serveFile(w http.ResponseWriter, r *http.Request, rest string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	id, _, _ := strings.Cut(rest, "/")
	f := s.file(id)
	for _, t := range s.tokens {
		if f != nil && t.Value == value && !t.Revoked && t.has("files:read") {
			w.Header().Set("Content-Type", "application/octet-stream")
			_, _ = w.Write(f.Content)
			return
		}
	}
	http.Redirect(w, r, s.base+"/signin", http.StatusFound)
}
