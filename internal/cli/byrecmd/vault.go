package byrecmd

import (
	"context"
	"path/filepath"

	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/vault"
)

// vaultDir is where the keys of a home that can be destroyed stand.
func vaultDir(home string) string { return filepath.Join(home, "vault") }

// slots gives a vault the core's types.
type slots struct{ file *vault.File }

// Slots implements [home.Vault].
func (s slots) Slots(context.Context) (out []home.Slot, err error) {
	found, err := s.file.Slots()
	for _, f := range found {
		out = append(out, home.Slot{Generation: f.Generation, Key: f.Key})
	}
	return out, err
}

// Write implements [home.Vault].
func (s slots) Write(_ context.Context, slot home.Slot) error {
	return s.file.Write(vault.Slot{Generation: slot.Generation, Key: slot.Key})
}

// Erase implements [home.Vault].
func (s slots) Erase(_ context.Context, generation uint64) error { return s.file.Erase(generation) }
