package run

import (
	"testing"

	"slipway/bot/jsonout/alike"
)

func TestEncodersWriteWhatEncodingJSONWould(t *testing.T) {
	alike.Check(t, encodeHead)
	alike.Check(t, encodeStep)
	alike.Check(t, func(b *Started) ([]byte, error) { return encodeBody(*b) })
	alike.Check(t, func(b *StepStarted) ([]byte, error) { return encodeBody(*b) })
	alike.Check(t, func(b *GateOpened) ([]byte, error) { return encodeBody(*b) })
	alike.Check(t, func(b *EffectIntended) ([]byte, error) { return encodeBody(*b) })
	alike.Check(t, func(b *Voted) ([]byte, error) { return encodeBody(*b) })
	alike.Check(t, func(b *StepDone) ([]byte, error) { return encodeBody(*b) })
}
