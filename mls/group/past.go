package group

import (
	"fmt"

	"github.com/byre-messenger/byre/internal/secret"
)

// PastEpoch opens messages of an epoch that the group has left, and does nothing
// else: it can't send, and the secrets of later epochs don't follow from it. The
// caller decides how many to keep and for how long. It is not safe for
// concurrent use.
type PastEpoch struct{ e *epoch }

// ID returns the group's id.
func (p *PastEpoch) ID() []byte { return p.e.ID() }

// Epoch returns the number of the epoch.
func (p *PastEpoch) Epoch() uint64 { return p.e.Epoch() }

// Open is [Group.Open] for a message of this epoch.
func (p *PastEpoch) Open(msg []byte) (Message, error) { return p.e.open(msg) }

// Export is [Group.Export] in this epoch.
func (p *PastEpoch) Export(label string, context []byte, n int) (secret.Bytes, error) {
	return p.e.Export(label, context, n)
}

// ResumptionPSK is [Group.ResumptionPSK] of this epoch.
func (p *PastEpoch) ResumptionPSK() secret.Bytes { return p.e.ResumptionPSK() }

// EpochState returns the part of the saved form that does not change: store it
// once, in place of the group's EpochState of this epoch, which held more.
func (p *PastEpoch) EpochState() secret.Bytes { return p.e.epochState() }

// RatchetState returns the part that changes with every message opened.
func (p *PastEpoch) RatchetState() secret.Bytes { return p.e.ratchetState(nil) }

// Wipe erases its secrets.
func (p *PastEpoch) Wipe() { p.e.wipe() }

// RestorePast reads what EpochState and RatchetState of a PastEpoch returned.
// Given those of a Group, it makes a PastEpoch of them.
func RestorePast(epoch, ratchet secret.Bytes) (*PastEpoch, error) {
	e, proposals, err := restore(epoch, ratchet)
	if err != nil {
		return nil, fmt.Errorf("restore past epoch: %w", err)
	}
	for _, p := range proposals {
		p.Key.Wipe()
	}
	e.private.Wipe()
	e.secrets.Retire()
	return &PastEpoch{e}, nil
}
