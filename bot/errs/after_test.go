package errs

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestAfterIsTheLongestTimeInTheChain(t *testing.T) {
	asked := E("x.get", Busy, errors.New("too many requests")).AskedToWait(90 * time.Second)
	for _, x := range []struct {
		err  error
		want time.Duration
	}{
		{nil, 0}, {errors.New("x"), 0}, {E("x", Busy, nil), 0}, {asked, 90 * time.Second},
		{fmt.Errorf("closing: %w", E("y", Unavailable, asked)), 90 * time.Second},
		{E("y", Busy, asked).AskedToWait(time.Second), 90 * time.Second},
		{E("y", Busy, nil).AskedToWait(-time.Second), 0},
	} {
		if got := After(x.err); got != x.want {
			t.Errorf("After(%v) = %v, want %v", x.err, got, x.want)
		}
	}
	if Text(asked) != "too many requests" || KindOf(asked) != Busy {
		t.Errorf("the text is %q, the kind %v", Text(asked), KindOf(asked))
	}
}
