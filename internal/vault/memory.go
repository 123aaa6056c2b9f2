package vault

import "slices"

// Memory is a vault that ends with the process: after it nothing opens any more.
// Its zero value is empty.
type Memory struct{ slots [2]Slot }

var _ Vault = (*Memory)(nil)

// Slots implements [Vault].
func (m *Memory) Slots() ([]Slot, error) {
	var got []Slot
	for _, s := range m.slots {
		if s.Generation != 0 {
			got = append(got, Slot{s.Generation, s.Key.Clone()})
		}
	}
	return got, nil
}

// Write implements [Vault].
func (m *Memory) Write(s Slot) error {
	at := &m.slots[s.Generation%2]
	at.Key.Wipe()
	*at = Slot{s.Generation, s.Key.Clone()}
	return nil
}

// Erase implements [Vault].
func (m *Memory) Erase(generation uint64) error {
	if at := &m.slots[generation%2]; at.Generation == generation {
		at.Key.Wipe()
		*at = Slot{}
	}
	return nil
}

// Class implements [Vault].
func (*Memory) Class() Class {
	return Class{Name: "memory", Caveat: "what waits is lost when the server ends; senders are told so, and send again"}
}

// Shelf holds the bytes of checkpoints in memory. Its zero value is empty.
type Shelf struct{ places [2][]byte }

var _ Checkpoints = (*Shelf)(nil)

// Read implements [Checkpoints].
func (s *Shelf) Read(generation uint64) ([]byte, error) {
	return slices.Clone(s.places[generation%2]), nil
}

// Write implements [Checkpoints].
func (s *Shelf) Write(generation uint64, b []byte) error {
	s.places[generation%2] = slices.Clone(b)
	return nil
}
