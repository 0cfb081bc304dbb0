//go:build prove

package main

// wholeSweep: every occurrence of every point is killed at.
const wholeSweep = true
