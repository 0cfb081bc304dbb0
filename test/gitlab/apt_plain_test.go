//go:build !prove

package gitlab

// hasApt: what clients of the archive are offered is asked of apt; otherwise the files are looked at.
const hasApt = false
