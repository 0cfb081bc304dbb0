// Package release holds the rules of a software release that need nothing but their inputs:
// version numbers, the changelog entry, the release notes, the announcement, and the summary of
// what is in a release since the last one.
//
// Everything here is pure: no clock, disk, network or randomness. A version is always given by a
// person and never made from today's date, because projects tag a month's release weeks before
// or after that month. Text of commits comes from outside and is cleaned by [OneLine] before it
// enters a format that it could break.
package release
