//go:build !race

package main

// raced: see the other file.
const raced = false
