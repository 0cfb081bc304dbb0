package engine

// batch gathers the writes of one commit; a later write of a record replaces an earlier one.
type batch struct {
	guards []Guard
	writes []Record    // nil as a value: delete
	at     map[Key]int // where each is, once they are many
	rows   []string    // new in the outbox: in hand once this is committed
}

// manyWrites is from how many on a key is looked up, and not searched for.
const manyWrites = 16

func newBatch() *batch { return &batch{writes: make([]Record, 0, 8)} }

func (b *batch) guard(space, key string, want []byte) {
	k := Key{space, key}
	for _, g := range b.guards {
		if g.Key == k {
			return
		}
	}
	b.guards = append(b.guards, Guard{Key: k, Want: want})
}

func (b *batch) put(space, key string, value []byte) {
	if value == nil {
		value = []byte{}
	}
	b.set(Key{space, key}, value)
}

// intend adds a row to the outbox.
func (b *batch) intend(row string, value []byte) {
	b.put(spOutbox, row, value)
	b.rows = append(b.rows, row)
}

func (b *batch) del(space, key string) { b.set(Key{space, key}, nil) }

func (b *batch) set(k Key, value []byte) {
	if i := b.find(k); i >= 0 {
		b.writes[i].Value = value
		return
	}
	b.writes = append(b.writes, Record{k, value})
	switch n := len(b.writes); {
	case n == manyWrites:
		b.at = make(map[Key]int, 2*manyWrites)
		for i, w := range b.writes {
			b.at[w.Key] = i
		}
	case n > manyWrites:
		b.at[k] = n - 1
	}
}

// find is where the write of k is, or -1.
func (b *batch) find(k Key) int {
	if b.at != nil {
		if i, ok := b.at[k]; ok {
			return i
		}
		return -1
	}
	for i := range b.writes {
		if b.writes[i].Key == k {
			return i
		}
	}
	return -1
}

// writesTo reports whether b writes or deletes k.
func (b *batch) writesTo(k Key) bool { return b.find(k) >= 0 }

// puts reports whether b writes a value of k.
func (b *batch) puts(k Key) bool {
	i := b.find(k)
	return i >= 0 && b.writes[i].Value != nil
}

func (b *batch) empty() bool { return len(b.writes) == 0 }

func (b *batch) build() *Batch {
	out := &Batch{Guards: b.guards, Puts: make([]Record, 0, len(b.writes))}
	for _, w := range b.writes {
		if w.Value != nil {
			out.Puts = append(out.Puts, w)
		} else {
			out.Deletes = append(out.Deletes, w.Key)
		}
	}
	return out
}
