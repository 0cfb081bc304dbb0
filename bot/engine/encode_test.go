package engine

import (
	"testing"

	"slipway/bot/jsonout/alike"
)

func TestEncodersWriteWhatEncodingJSONWould(t *testing.T) {
	alike.Check(t, func(r *nameRecord) ([]byte, error) { return r.encode(), nil })
	alike.Check(t, func(r *inboxRecord) ([]byte, error) { return r.encode(), nil })
	alike.Check(t, func(r *effectRecord) ([]byte, error) { return r.encode(), nil })
}
