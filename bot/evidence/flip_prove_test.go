//go:build prove

package evidence_test

import "testing"

func TestEveryChangedByteIsRefused(t *testing.T) { changeBytes(t, 1) }
