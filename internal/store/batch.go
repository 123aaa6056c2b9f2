package store

import (
	"bytes"
	"errors"
	"fmt"
)

// Batch is a set of writes and the guards they stand under. Its zero value is
// empty and ready. It copies what it is given, so that callers may reuse their
// slices at once. It is for one goroutine; it may be committed again, and used
// again after Reset.
//
// Writes are applied in the order of the calls: of two to one key the later
// counts. Guards are compared before the first write, whatever the order.
type Batch struct {
	// Lazy gives up waiting for the disk: the commit is ordered among the
	// others, but a crash may undo it until a commit that is not lazy follows.
	Lazy bool

	ops    []Op
	guards []Guard
	size   int
	err    error
	free   []byte // what is left of the block that copies go to
	block  int    // size of that block
}

// OpKind says what an Op does.
type OpKind uint8

// The kinds of Op.
const (
	OpSet         OpKind = iota + 1 // Key gets the value Val
	OpDelete                        // Key goes, if there
	OpDeleteRange                   // all keys go with Key <= k < Val
)

// Op is one write of a batch, as engines read it.
type Op struct {
	Kind     OpKind
	Key, Val []byte
}

// Guard is one requirement of a batch, as engines read it.
type Guard struct {
	Key []byte
	Val []byte // nil: the key must be absent
}

// Set gives key the value val.
func (b *Batch) Set(key, val []byte) {
	if b.checkKey(key) && b.checkVal(val) {
		b.ops = append(b.ops, Op{OpSet, b.copy(key), b.copy(val)})
	}
}

// Delete removes key. Deleting what is not there is no error.
func (b *Batch) Delete(key []byte) {
	if b.checkKey(key) {
		b.ops = append(b.ops, Op{OpDelete, b.copy(key), nil})
	}
}

// DeleteRange removes all records with from <= key < to. Both ends must be
// named; a range that ends before it begins is empty. It must never cover a
// key that anybody Requires, since engines do not check guards against ranges
// written at the same time; a batch that does so by itself is refused. It is
// meant for dropping many records at once: a few are cheaper one by one.
func (b *Batch) DeleteRange(from, to []byte) {
	if b.checkKey(from) && b.checkKey(to) && bytes.Compare(from, to) < 0 {
		b.ops = append(b.ops, Op{OpDeleteRange, b.copy(from), b.copy(to)})
	}
}

// Require makes the commit fail with ErrConflict unless key has the value val
// just before it; nil requires that key is absent. An empty val that is not nil
// requires an empty value.
func (b *Batch) Require(key, val []byte) {
	if !b.checkKey(key) || !b.checkVal(val) {
		return
	}
	g := Guard{Key: b.copy(key)}
	if val != nil {
		g.Val = b.copy(val)
	}
	b.guards = append(b.guards, g)
}

// Reset empties b; it is no longer lazy either.
func (b *Batch) Reset() {
	clear(b.ops) // lets go of big values
	clear(b.guards)
	*b = Batch{ops: b.ops[:0], guards: b.guards[:0], free: b.free, block: b.block}
}

// Ops returns the writes in order. Only engines need them; they must not change
// or keep them.
func (b *Batch) Ops() []Op { return b.ops }

// Guards returns the requirements. Only engines need them; they must not change
// or keep them.
func (b *Batch) Guards() []Guard { return b.guards }

// Size returns the bytes of all keys and values, guards included.
func (b *Batch) Size() int { return b.size }

// Check returns what is wrong with b, or nil. Engines call it before anything
// else in Commit.
func (b *Batch) Check() error {
	if b.err != nil {
		return b.err
	}
	if b.size > MaxBatch {
		return fmt.Errorf("store: a batch of %d bytes is too large, at most %d fit: split it", b.size, MaxBatch)
	}
	for _, op := range b.ops {
		if op.Kind != OpDeleteRange {
			continue
		}
		for _, g := range b.guards {
			if bytes.Compare(op.Key, g.Key) <= 0 && bytes.Compare(g.Key, op.Val) < 0 {
				return errors.New("store: a batch deletes a range over a key that it requires: delete that key by itself")
			}
		}
	}
	return nil
}

func (b *Batch) checkKey(key []byte) bool {
	switch {
	case b.err != nil:
	case len(key) == 0:
		b.err = errors.New("store: a key is empty")
	case len(key) > MaxKey:
		b.err = fmt.Errorf("store: a key of %d bytes is too long, at most %d fit", len(key), MaxKey)
	}
	return b.err == nil
}

func (b *Batch) checkVal(val []byte) bool {
	if b.err == nil && len(val) > MaxValue {
		b.err = fmt.Errorf("store: a value of %d bytes is too long, at most %d fit: it belongs in a blob", len(val), MaxValue)
	}
	return b.err == nil
}

// Copies are allocated in blocks that grow between these sizes; copies of more
// than a quarter of the larger stand alone.
const minBlock, maxBlock = 256, 4 << 10

// copy returns a copy of p that is never nil and lives as long as b's users do.
func (b *Batch) copy(p []byte) []byte {
	b.size += len(p)
	if len(p) > maxBlock/4 {
		return bytes.Clone(p)
	}
	if b.free == nil || len(p) > len(b.free) {
		b.block = min(max(2*b.block, minBlock, len(p)), maxBlock)
		b.free = make([]byte, b.block)
	}
	c := b.free[:len(p):len(p)]
	b.free = b.free[len(p):]
	copy(c, p)
	return c
}
