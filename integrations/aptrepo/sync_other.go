//go:build !linux

package aptrepo

// syncFileSystem is not there: files are synced one by one.
func syncFileSystem(string) (done bool, err error) { return false, nil }
