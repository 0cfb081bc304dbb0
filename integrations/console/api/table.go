package api

import (
	"net/http"
	"reflect"
	"strconv"

	"slipway/bot/card"
	"slipway/bot/finding"
	"slipway/integrations/console"
	"slipway/integrations/console/login"
)

// routes is the table.
func (a *API) routes() []route {
	var all []route
	for _, group := range [][]route{a.talkRoutes(), a.eventRoutes(), a.runRoutes(), a.gateRoutes(), a.doorRoutes(), a.backupRoutes(), a.findingRoutes()} {
		all = append(all, group...)
	}
	return all
}

// enums are the types whose values are a few words.
func enums() map[reflect.Type][]string {
	return map[reflect.Type][]string{
		reflect.TypeFor[login.Scope]():        scopesOf(),
		reflect.TypeFor[console.ChangeKind](): {string(console.Posted), string(console.Edited), string(console.Delivered), string(console.Reacted), string(console.Unreacted)},
		reflect.TypeFor[card.State]():         states(),
		reflect.TypeFor[finding.Severity]():   {string(finding.Error), string(finding.Warning)},
	}
}

func bodyFields(t reflect.Type) []field {
	var out []field
	for _, f := range fields(t) {
		if f.in == "body" {
			out = append(out, f)
		}
	}
	return out
}

func statusText(n int) string { return strconv.Itoa(n) }

var _ http.Handler = (*API)(nil)
