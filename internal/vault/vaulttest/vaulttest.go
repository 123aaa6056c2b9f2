// Package vaulttest is a vault for tests of what stands on one: it survives the
// processes that use it, loses its power when a test says so, and remembers every
// byte that was ever written to it, as a disk may.
package vaulttest

import (
	"errors"
	"slices"
	"sync"

	"github.com/byre-messenger/byre/internal/vault"
)

// ErrPower is what every call returns once the power is gone.
var ErrPower = errors.New("vaulttest: the power is gone")

// Machine is a vault with the places of checkpoints, in memory. Its zero value
// is empty. It is safe for concurrent use.
type Machine struct {
	// KeepSlots is a bug that tests plant: erasing does nothing.
	KeepSlots bool
	// ReuseKeys is another: every checkpoint is sealed under one key. (The keeper
	// seals with what a slot holds after it was written.)
	ReuseKeys bool

	mu     sync.Mutex
	boots  int
	slots  vault.Memory
	shelf  vault.Shelf
	ever   [][]byte     // checkpoints
	erased []vault.Slot // those that KeepSlots kept
}

// Boot starts a process: it returns what it writes with until the next Boot or
// Off. The class is that of a durable vault.
func (m *Machine) Boot() vault.Config {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.boots++
	return vault.Config{Vault: &process{m, m.boots}, Checkpoints: places{&process{m, m.boots}}}
}

// Off takes the power from the process that was booted last.
func (m *Machine) Off() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.boots++
}

// Slots are the keys that survive.
func (m *Machine) Slots() []vault.Slot {
	m.mu.Lock()
	defer m.mu.Unlock()
	slots, _ := m.slots.Slots() // never fails
	return append(slots, m.erased...)
}

// Checkpoints are all that were ever written.
func (m *Machine) Checkpoints() [][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.ever)
}

// process is the machine as one process has it.
type process struct {
	machine *Machine
	boot    int
}

// use locks the machine, unless the power is gone.
func (p *process) use() error {
	p.machine.mu.Lock()
	if p.machine.boots != p.boot {
		p.machine.mu.Unlock()
		return ErrPower
	}
	return nil
}

// Slots implements [vault.Vault].
func (p *process) Slots() ([]vault.Slot, error) {
	if err := p.use(); err != nil {
		return nil, err
	}
	defer p.machine.mu.Unlock()
	return p.machine.slots.Slots()
}

// Write implements [vault.Vault].
func (p *process) Write(s vault.Slot) error {
	if err := p.use(); err != nil {
		return err
	}
	defer p.machine.mu.Unlock()
	if p.machine.ReuseKeys {
		copy(s.Key.Reveal(), "one key for each of all checkpoints!")
	}
	if p.machine.KeepSlots {
		p.machine.erased = append(p.machine.erased, vault.Slot{Generation: s.Generation, Key: s.Key.Clone()})
	}
	return p.machine.slots.Write(s)
}

// Erase implements [vault.Vault].
func (p *process) Erase(generation uint64) error {
	if err := p.use(); err != nil {
		return err
	}
	defer p.machine.mu.Unlock()
	return p.machine.slots.Erase(generation)
}

// Class implements [vault.Vault].
func (*process) Class() vault.Class { return vault.Class{Name: "machine", Durable: true} }

// places are the places of checkpoints of a process.
type places struct{ *process }

// Read implements [vault.Checkpoints].
func (p places) Read(generation uint64) ([]byte, error) {
	if err := p.use(); err != nil {
		return nil, err
	}
	defer p.machine.mu.Unlock()
	return p.machine.shelf.Read(generation)
}

// Write implements [vault.Checkpoints].
func (p places) Write(generation uint64, b []byte) error {
	if err := p.use(); err != nil {
		return err
	}
	defer p.machine.mu.Unlock()
	p.machine.ever = append(p.machine.ever, slices.Clone(b))
	return p.machine.shelf.Write(generation, b)
}
