package api

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/console"
	"slipway/integrations/console/login"
)

// route is one row of the table from which both the multiplexer and the document are made.
type route struct {
	method string
	path   string // below [Prefix], with {name} for what the request type takes from it
	id     string // operationId of the document; says what is done
	scope  login.Scope
	doc    string
	more   string       // further sentences
	ask    reflect.Type // fields by place: see decode.go
	answer reflect.Type
	kinds  []errs.Kind   // how it may be refused, beside what every route may answer
	status int           // of success; 0 means 200
	media  string        // of the answer; "" means JSON
	wait   time.Duration // how long an answer may take by its nature
	serve  func(w http.ResponseWriter, r *http.Request, v login.Viewer) error
}

// plain makes a route whose answer is one JSON value.
func plain[Q, A any](r route, do func(context.Context, login.Viewer, Q) (A, error)) route {
	r.ask, r.answer = reflect.TypeFor[Q](), reflect.TypeFor[A]()
	r.serve = func(w http.ResponseWriter, req *http.Request, v login.Viewer) error {
		var q Q
		if err := decode(req, &q); err != nil {
			return err
		}
		a, err := do(req.Context(), v, q)
		if err != nil {
			return err
		}
		return send(w, r.status, a)
	}
	return r
}

// raw makes a route that writes its answer itself. Once it has written something it returns nil.
func raw[Q any](r route, media string, do func(http.ResponseWriter, *http.Request, login.Viewer, Q) error) route {
	r.ask, r.media = reflect.TypeFor[Q](), media
	r.serve = func(w http.ResponseWriter, req *http.Request, v login.Viewer) error {
		var q Q
		if err := decode(req, &q); err != nil {
			return err
		}
		return do(w, req, v, q)
	}
	return r
}

// send writes one JSON value.
func send(w http.ResponseWriter, status int, answer any) error {
	raw, err := encode(answer)
	if err != nil {
		return errs.E("api.answer", errs.Internal, err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(raw)))
	if status == 0 {
		status = http.StatusOK
	}
	w.WriteHeader(status)
	_, _ = w.Write(raw) // a client that has gone misses nothing
	return nil
}

// encode is the JSON of an answer. Lists and maps that are nil are empty in it: no client must
// tell null from nothing.
func encode(answer any) ([]byte, error) {
	v := reflect.New(reflect.TypeOf(answer)).Elem()
	v.Set(reflect.ValueOf(answer))
	raw, err := json.Marshal(filled(v).Interface())
	return append(raw, '\n'), err
}

// filled is v, a copy where something in it was nil: slices and maps become empty ones.
func filled(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Slice:
		if v.IsNil() {
			if v.Type() == reflect.TypeFor[json.RawMessage]() {
				return v
			}
			return reflect.MakeSlice(v.Type(), 0, 0)
		}
		if !holds(v.Type().Elem()) {
			return v
		}
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).Set(filled(v.Index(i)))
		}
		return out
	case reflect.Map:
		if v.IsNil() {
			return reflect.MakeMap(v.Type())
		}
		if !holds(v.Type().Elem()) {
			return v
		}
		out := reflect.MakeMapWithSize(v.Type(), v.Len())
		for it := v.MapRange(); it.Next(); {
			out.SetMapIndex(it.Key(), filled(it.Value()))
		}
		return out
	case reflect.Pointer:
		if v.IsNil() || !holds(v.Type().Elem()) {
			return v
		}
		out := reflect.New(v.Type().Elem())
		out.Elem().Set(filled(v.Elem()))
		return out
	case reflect.Struct:
		if !holds(v.Type()) {
			return v
		}
		out := reflect.New(v.Type()).Elem()
		out.Set(v)
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && !(omits(f) && v.Field(i).IsZero()) {
				out.Field(i).Set(filled(v.Field(i)))
			}
		}
		return out
	}
	return v
}

// holds reports whether values of t may have slices or maps in them.
func holds(t reflect.Type) bool {
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Marshaler]()) {
		return false
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Map:
		return true
	case reflect.Pointer, reflect.Array:
		return holds(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() && f.Type != t && (f.Type.Kind() != reflect.Pointer || f.Type.Elem() != t) && holds(f.Type) {
				return true
			}
		}
	}
	return false
}

// refuse answers with an error.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if k := errs.KindOf(err); (k == errs.Other || k == errs.Internal) && r.Context().Err() == nil {
		a.o.Log.Error("a request of the API failed", "path", r.URL.Path, "error", err.Error())
	}
	console.WriteProblem(w, err)
}
