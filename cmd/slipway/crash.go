package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// The crash sweep runs this program again and again and kills it at one named point each time.
// Without these variables in the environment nothing here does anything.
const (
	crashAt   = "SLIPWAY_CRASH_AT"   // NAME#N: die when the point NAME is passed for the Nth time
	crashSeen = "SLIPWAY_CRASH_SEEN" // file to which every point that is passed is appended
)

// crashPoint gives the function that the engine calls around every durable step and effect.
func crashPoint() func(string) {
	at, seen := os.Getenv(crashAt), os.Getenv(crashSeen)
	if at == "" && seen == "" {
		return nil
	}
	name, count, _ := strings.Cut(at, "#")
	n, err := strconv.Atoi(count)
	if at != "" && err != nil {
		fmt.Fprintf(os.Stderr, "slipway: %s is %q; write NAME#N\n", crashAt, at)
		os.Exit(2)
	}
	var mu sync.Mutex
	passed := 0
	return func(point string) {
		mu.Lock()
		defer mu.Unlock()
		if seen != "" {
			if f, err := os.OpenFile(seen, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
				fmt.Fprintln(f, point)
				_ = f.Close()
			}
		}
		if point != name || at == "" {
			return
		}
		if passed++; passed == n {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // never go on past the point
		}
	}
}
