package store_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/store"
)

// TestBatchSays shows the sentence for each thing a batch refuses, and that the
// first one stays until Reset.
func TestBatchSays(t *testing.T) {
	long := make([]byte, store.MaxKey+1)
	for want, f := range map[string]func(*store.Batch){
		"a key is empty":                      func(b *store.Batch) { b.Delete(nil) },
		"a key of 1025 bytes is too long":     func(b *store.Batch) { b.Require(long, nil) },
		"a value of 16777217 bytes":           func(b *store.Batch) { b.Set([]byte("k"), make([]byte, store.MaxValue+1)) },
		"deletes a range over a key that it ": func(b *store.Batch) { b.DeleteRange([]byte("a"), []byte("c")); b.Require([]byte("a"), nil) },
	} {
		var b store.Batch
		f(&b)
		b.Set([]byte("fine"), nil)
		if err := b.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		b.Reset()
		if err := b.Check(); err != nil || len(b.Ops()) != 0 || len(b.Guards()) != 0 || b.Size() != 0 {
			t.Errorf("after Reset: %v, %d ops, %d guards, %d bytes", err, len(b.Ops()), len(b.Guards()), b.Size())
		}
	}
}

// TestBatchMemory shows that copies neither overlap nor move, whatever their
// sizes, and that what is absent and what is empty stay apart.
func TestBatchMemory(t *testing.T) {
	var b store.Batch
	var want [][]byte
	for round := range 3 {
		b.Reset()
		want = nil
		for i := range 600 {
			val := bytes.Repeat([]byte{byte(i)}, i*i%2500)
			want = append(want, bytes.Clone(val))
			b.Set([]byte{1}, val)
			clear(val)
		}
		for i, op := range b.Ops() {
			if op.Val == nil || !bytes.Equal(op.Val, want[i]) {
				t.Fatalf("round %d: value %d changed", round, i)
			}
			_ = append(op.Key, 0xee) // must not reach a neighbour
		}
		for i, op := range b.Ops() {
			if !bytes.Equal(op.Key, []byte{1}) || !bytes.Equal(op.Val, want[i]) {
				t.Fatalf("round %d: an append reached value %d", round, i)
			}
		}
	}
	b.Reset()
	b.Require([]byte("a"), nil)
	b.Require([]byte("b"), []byte{})
	if g := b.Guards(); g[0].Val != nil || g[1].Val == nil {
		t.Errorf("absent is %v, empty is %v", g[0].Val, g[1].Val)
	}
}
