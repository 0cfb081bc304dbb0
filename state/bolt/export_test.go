package bolt

import "runtime"

// AwaitQueue returns when n batches wait for the committer.
func (db *DB) AwaitQueue(n int) {
	for {
		db.queue.mu.Lock()
		waiting := len(db.queue.waiting)
		db.queue.mu.Unlock()
		if waiting >= n {
			return
		}
		runtime.Gosched()
	}
}

// AwaitReaders returns when a reader waits for the disk.
func (db *DB) AwaitReaders() {
	for {
		db.mu.Lock()
		waiting := db.settled != nil
		db.mu.Unlock()
		if waiting {
			return
		}
		runtime.Gosched()
	}
}
