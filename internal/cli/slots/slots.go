// Package slots gives the vault in files to the core, in its types.
package slots

import (
	"context"
	"path/filepath"

	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/vault"
)

// Dir is where the keys of a home that can be destroyed stand.
func Dir(home string) string { return filepath.Join(home, "vault") }

// Slots are those of a home: a [home.Vault].
type Slots struct{ file *vault.File }

// Open opens the vault of a home's directory, and makes it where there is none.
func Open(home string) (Slots, error) {
	file, err := vault.NewFile(Dir(home))
	return Slots{file}, err
}

// Slots implements [home.Vault].
func (s Slots) Slots(context.Context) (out []home.Slot, err error) {
	found, err := s.file.Slots()
	for _, f := range found {
		out = append(out, home.Slot{Generation: f.Generation, Key: f.Key})
	}
	return out, err
}

// Write implements [home.Vault].
func (s Slots) Write(_ context.Context, slot home.Slot) error {
	return s.file.Write(vault.Slot{Generation: slot.Generation, Key: slot.Key})
}

// Erase implements [home.Vault].
func (s Slots) Erase(_ context.Context, generation uint64) error { return s.file.Erase(generation) }
