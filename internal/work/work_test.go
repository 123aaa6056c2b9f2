package work_test

import (
	"context"
	"errors"
	"testing"

	"github.com/byre-messenger/byre/internal/work"
)

var (
	nonce = []byte("a nonce of one connection, fresh")
	alice = [32]byte{1}
)

func TestWorkHoldsForOneAccountAndConnection(t *testing.T) {
	looked := 0
	n, err := work.Find(t.Context(), nonce, alice, 12, func(uint64, uint64) { looked++ })
	if err != nil || !work.Proves(nonce, alice, n, 12) || looked == 0 {
		t.Fatalf("found %d, %v, looked %d times", n, err, looked)
	}
	// Of 64 other accounts and connections one in 4,096 would be served.
	for i := range byte(32) {
		if work.Proves(nonce, [32]byte{2, i}, n, 12) || work.Proves(append([]byte{i}, nonce[1:]...), alice, n, 12) {
			t.Errorf("%d serves another account or connection too", n)
		}
	}
	if !work.Proves(nonce, alice, n+1, 0) {
		t.Error("no work is asked for, and none is not enough")
	}
}

func TestWorkIsBounded(t *testing.T) {
	if _, err := work.Find(t.Context(), nonce, alice, work.Most+1, nil); !errors.Is(err, work.ErrTooMuch) {
		t.Errorf("a server that asks for too much is served: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := work.Find(ctx, nonce, alice, work.Most, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("whoever gives up waits on: %v", err)
	}
}

func BenchmarkFind(b *testing.B) {
	for i := 0; b.Loop(); i++ {
		if _, err := work.Find(b.Context(), nonce, [32]byte{byte(i), byte(i >> 8)}, 16, nil); err != nil {
			b.Fatal(err)
		}
	}
}
