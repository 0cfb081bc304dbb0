package api

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"slipway/bot/errs"
	"slipway/integrations/console"
	"slipway/integrations/console/login"
)

// Prefix begins the paths of the API. A change that breaks clients gets another one.
const Prefix = "/api/v1"

// DocumentPath is where the document is served, to whoever may read.
const DocumentPath = "/api/openapi.json"

// Document is the OpenAPI 3.1 description of the API, made of the table of routes: the same that
// answers requests. It is the same bytes for the same program.
func Document() []byte {
	raw, err := json.MarshalIndent(document((&API{}).routes()), "", " ")
	if err != nil {
		panic("api: the table of routes has no form in JSON: " + err.Error()) // found by every test
	}
	return append(raw, '\n')
}

func document(routes []route) object {
	s := &schemas{defs: object{}, types: map[string]reflect.Type{}, words: words(), enums: enums()}
	paths := object{}
	for _, r := range routes {
		item, ok := paths[Prefix+plainPath(r.path)].(object)
		if !ok {
			item = object{}
			paths[Prefix+plainPath(r.path)] = item
		}
		item[strings.ToLower(r.method)] = s.operation(r)
	}
	problem := s.of(reflect.TypeFor[console.Problem]())
	responses := object{}
	for _, k := range refusals() {
		responses[componentOf(k)] = object{"description": meaning(k), "content": object{console.ProblemType: object{"schema": problem}}}
	}
	responses["unauthenticated"] = object{"description": "Nobody is logged in, or the token is not known.", "content": object{console.ProblemType: object{"schema": problem}}}
	return object{
		"openapi": "3.1.0",
		"info": object{"title": "Slipway", "version": "1", "license": object{"name": "as in the file LICENSE of Slipway", "identifier": "Apache-2.0"},
			"description": "The bot's API: what the pages of the console show and do, for programs.\n\n" +
				"Who calls may read what the person may see, and nothing else exists. Every change is a message or a reaction of that person in a channel, so that the same rules decide as in chat.\n\n" +
				"Every request that says something carries the client's own id, in the header Idempotency-Key: sent again, it is one message."},
		"paths": paths,
		"components": object{"schemas": s.defs, "responses": responses, "securitySchemes": object{
			"token":   object{"type": "http", "scheme": "bearer", "description": "A token with scopes, made with POST " + Prefix + "/tokens."},
			"session": object{"type": "apiKey", "in": "cookie", "name": "slipway", "description": "The session of a browser."},
		}},
		"security": []object{{"token": []string{}}, {"session": []string{}}},
	}
}

// plainPath is a path of the multiplexer as the document writes it.
func plainPath(path string) string { return strings.ReplaceAll(path, "...}", "}") }

// operation describes one route.
func (s *schemas) operation(r route) object {
	out := object{"operationId": r.id, "summary": r.doc, "tags": []string{tagOf(r.path)}}
	more := []string{}
	if r.more != "" {
		more = append(more, r.more)
	}
	if r.scope != "" {
		out["x-scope"] = string(r.scope)
		more = append(more, "Needs the scope "+string(r.scope)+".")
	}
	out["description"] = strings.Join(more, " ")
	var params []object
	body, need := object{}, []string{}
	for _, f := range fields(r.ask) {
		described := s.described(r.ask, f.StructField)
		if f.in != "body" {
			doc, _ := described["description"].(string)
			delete(described, "description")
			params = append(params, object{"name": f.name, "in": f.in, "required": f.need, "description": doc, "schema": described})
			continue
		}
		body[f.name] = described
		if f.need {
			need = append(need, f.name)
			if f.Type.Kind() == reflect.String && described["minLength"] == nil {
				described["minLength"] = 1
			}
		}
	}
	if len(params) > 0 {
		out["parameters"] = params
	}
	if len(body) > 0 {
		schema := object{"type": "object", "properties": body, "additionalProperties": false}
		if len(need) > 0 {
			schema["required"] = need
		}
		out["requestBody"] = object{"required": true, "content": object{"application/json": object{"schema": schema}}}
	}
	out["responses"] = s.responses(r)
	return out
}

func (s *schemas) responses(r route) object {
	success := object{"description": "It is so."}
	media := r.media
	switch {
	case media != "":
		success["content"] = object{media: object{"schema": object{"type": "string"}}}
	default:
		success["content"] = object{"application/json": object{"schema": s.of(r.answer)}}
	}
	status := "200"
	if r.status != 0 {
		status = statusText(r.status)
	}
	out := object{status: success, "401": object{"$ref": "#/components/responses/unauthenticated"}}
	for _, k := range slices.Concat(always(), r.kinds) {
		out[statusText(console.StatusOfKind(k))] = object{"$ref": "#/components/responses/" + componentOf(k)}
	}
	if r.media == bodyMedia { // RFC 9110, sections 14 and 13.1.2
		out["206"] = object{"description": "The range that was asked for.", "content": success["content"]}
		out["304"] = object{"description": "The client has it, as its If-None-Match says."}
		out["416"] = object{"description": "There is no such range."}
	}
	if r.media == EventsMedia {
		out["406"] = object{"$ref": "#/components/responses/" + componentOf(errs.Invalid)}
	}
	if len(bodyFields(r.ask)) > 0 {
		for _, status := range []int{413, 415} {
			out[statusText(status)] = object{"$ref": "#/components/responses/" + componentOf(errs.Invalid)}
		}
	}
	return out
}

// tagOf groups routes by the first word of their path.
func tagOf(path string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return first
}

// always are the kinds of refusal that every route may answer with.
func always() []errs.Kind {
	return []errs.Kind{errs.Invalid, errs.Denied, errs.Busy, errs.Unavailable, errs.Internal}
}

// refusals are the kinds of which one stands for each status.
func refusals() []errs.Kind {
	return []errs.Kind{errs.Invalid, errs.Denied, errs.NotFound, errs.Conflict, errs.Busy, errs.Unavailable, errs.Gone, errs.Full, errs.Failed, errs.Internal}
}

func componentOf(k errs.Kind) string {
	if k == errs.Exists {
		k = errs.Conflict
	}
	return strings.ReplaceAll(k.String(), " ", "_")
}

func meaning(k errs.Kind) string {
	switch k {
	case errs.Invalid:
		return "The request is wrong; the hint says how to mend it."
	case errs.Denied:
		return "The person, or the way in, may not do this."
	case errs.NotFound:
		return "What is named does not exist, or not for this person."
	case errs.Conflict:
		return "It exists already with other content, or things moved on meanwhile: read again and decide again."
	case errs.Busy:
		return "Slow down, and try again after the seconds in Retry-After."
	case errs.Unavailable:
		return "It cannot be reached now, and nothing happened: send it again."
	case errs.Gone:
		return "It existed and never will again."
	case errs.Full:
		return "The disk is full; nothing was written."
	case errs.Failed:
		return "It was done, and the verdict is failure."
	}
	return "Something is wrong inside Slipway; its log says more."
}

// scopesOf are all scopes as words.
func scopesOf() []string {
	var out []string
	for _, s := range login.Scopes() {
		out = append(out, string(s))
	}
	return out
}
