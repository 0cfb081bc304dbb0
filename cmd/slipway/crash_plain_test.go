//go:build !prove

package main

// wholeSweep: the points of what cannot be taken back are killed at, the rest with the tag prove.
const wholeSweep = false
