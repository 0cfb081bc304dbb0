package main

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// taken is what one round of calls took.
type taken struct {
	rate     float64 // calls a second
	p50, p99 time.Duration
}

// calls makes n calls from so many callers at once and times each.
func calls(callers, n int, call func(i int64) error) (taken, error) {
	var next atomic.Int64
	var all sync.WaitGroup
	took := make([]time.Duration, n)
	errs := make([]error, callers)
	begin := time.Now()
	for c := range callers {
		all.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= int64(n) {
					return
				}
				from := time.Now()
				if err := call(i); err != nil {
					errs[c] = err
					return
				}
				took[i] = time.Since(from)
			}
		})
	}
	all.Wait()
	whole := time.Since(begin)
	slices.Sort(took)
	return taken{float64(n) / whole.Seconds(), took[n/2], took[n*99/100]}, cmp.Or(errs...)
}

// median is the middle one of an odd number of rounds.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func middle(values []taken) taken {
	sorted := slices.Clone(values)
	slices.SortFunc(sorted, func(a, b taken) int {
		if a.rate < b.rate {
			return -1
		}
		return 1
	})
	return sorted[len(sorted)/2]
}

// closed runs the end of something and keeps the first error.
func closed(end func() error, err error) error {
	if e := end(); err == nil {
		return e
	}
	return err
}
