// Package hygiene keeps what a process has in memory inside it. Both programs
// call [Close] before anything else; their doctors tell what came of it.
//
// On Linux other programs of the same user can then neither read the process's
// memory and environment nor trace it, a crash writes no core file, and memory
// is locked where the limits allow it, so that it is never swapped out. The
// system's administrator still reads everything. Elsewhere only core files are
// switched off, where there is such a switch.
package hygiene

import "github.com/byre-messenger/byre/internal/secret"

// State is what holds for a process, as the system tells it.
type State struct {
	// Closed: other programs of the same user may not look into it, and no
	// crash of it is written anywhere, also not to a program that collects them.
	Closed bool `json:"closed"`
	// Cores: a core file may be written as far as the limit goes; Closed
	// processes write none all the same.
	Cores bool `json:"cores"`
	// Locked: its memory is never swapped out. Otherwise Unlocked says why, as
	// the second half of a sentence.
	Locked   bool   `json:"locked"`
	Unlocked string `json:"unlocked,omitempty"`
	// SwapOff: the process's control group may use no swap, which is as good.
	SwapOff bool `json:"swap_off"`
	// Erasing: the program was built so that dead keys are erased from memory.
	Erasing bool `json:"erasing"`
}

// Close does for this process what the system lets it do. It has no result: what
// counts is what holds, which [Of] asks the system. What it does is not
// inherited by the programs that this one starts.
func Close() { closeProcess() }

// Of tells what holds for this process.
func Of() State {
	s := stateOfProcess()
	s.Erasing = secret.Erasing
	return s
}
