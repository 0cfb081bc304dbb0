package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"time"

	"slipway/bot/picture"
)

//go:embed static
var staticFiles embed.FS

// assets are the style sheet, the scripts and the icons. Their addresses carry a digest of them
// all, so that browsers may keep them for a year and never mix two versions, and a script can
// import another by its name alone.
type assets struct {
	files  map[string]asset
	digest string
}

type asset struct {
	body []byte
	kind string // media type, not from the system's tables, which differ from machine to machine
}

func loadAssets() (*assets, error) {
	a := &assets{files: map[string]asset{}}
	kinds := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png"}
	names, err := fs.ReadDir(staticFiles, "static")
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	for _, entry := range names {
		body, err := staticFiles.ReadFile("static/" + entry.Name())
		if err != nil {
			return nil, err
		}
		kind, ok := kinds[path.Ext(entry.Name())]
		if !ok {
			return nil, fmt.Errorf("static/%s is of no kind that is served", entry.Name())
		}
		if entry.Name() == "style.css" { // pictures of runs stand in pages, and take their colours from here
			body = append(body, picture.Style()...)
		}
		fmt.Fprintf(sum, "%s %d\n", entry.Name(), len(body))
		sum.Write(body)
		a.files[entry.Name()] = asset{body: body, kind: kind}
	}
	a.digest = hex.EncodeToString(sum.Sum(nil)[:8])
	return a, nil
}

// url is where a file is served.
func (a *assets) url(name string) (string, error) {
	if _, ok := a.files[name]; !ok {
		return "", fmt.Errorf("there is no file %s in static", name)
	}
	return "/static/" + a.digest + "/" + name, nil
}

func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := a.files[r.PathValue("file")]
	if !ok || a.digest != r.PathValue("digest") {
		// Of another version of this program: the page that asks for it is old as well.
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Content-Type", f.kind)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
}
