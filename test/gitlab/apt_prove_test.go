//go:build prove

package gitlab

// hasApt: what clients of the archive are offered is asked of apt.
const hasApt = true
