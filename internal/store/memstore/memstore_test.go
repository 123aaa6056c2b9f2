package memstore

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/store/storetest"
)

type engine struct{ Disk }

func (e *engine) Open(context.Context) (store.Store, error) { return e.Disk.Open() }

func (e *engine) Crash(rnd *rand.Rand) error {
	e.Disk.Crash(rnd.IntN(maxLazy + 1))
	return nil
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(storetest.TB) storetest.Engine { return new(engine) })
}
