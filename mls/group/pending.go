package group

import (
	"bytes"
	"fmt"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/internal/syntax"
	"github.com/byre-messenger/byre/mls/member"
)

// State returns the saved form of a pending commit, the next epoch's secrets
// included: store it, sealed, before the commit is sent. It is empty once the
// commit was confirmed or discarded.
//
//	struct {
//	    uint8 version; opaque commit<V>; opaque welcome<V>;
//	    opaque epoch<V>; opaque ratchet<V>;          // the states of the next epoch
//	    Place sender; Place added<V>; Place removed<V>;
//	    struct { Place before; Place after; } updated<V>;
//	    uint8 replaced; opaque authenticated_data<V>;
//	} Pending;
//	struct { uint32 leaf; LeafNode node; } Place;
func (p *Pending) State() secret.Bytes {
	s := p.Staged
	if s.next == nil || s.next.secrets.Init.Len() == 0 { // confirmed or discarded
		return secret.Bytes{}
	}
	b := syntax.AppendUint8(nil, pendingVersion)
	b = syntax.AppendVector(b, p.commit)
	b = syntax.AppendVector(b, p.welcome)
	b = syntax.AppendVector(b, s.next.epochState().Reveal())
	b = syntax.AppendVector(b, s.next.ratchetState(nil).Reveal())
	b = s.sender.Append(b)
	places := func(list []Member) func([]byte) []byte {
		return func(b []byte) []byte {
			for _, m := range list {
				b = m.Append(b)
			}
			return b
		}
	}
	b = syntax.AppendVectorFunc(b, places(s.added))
	b = syntax.AppendVectorFunc(b, places(s.removed))
	b = syntax.AppendVectorFunc(b, func(b []byte) []byte {
		for _, u := range s.updated {
			b = u.After.Append(u.Before.Append(b))
		}
		return b
	})
	b = syntax.AppendOptional(b, s.replaced)
	return secret.New(syntax.AppendVector(b, s.authenticated))
}

// RestorePending reads what [Pending.State] returned.
func RestorePending(state secret.Bytes) (*Pending, error) {
	r := syntax.NewReader(bytes.Clone(state.Reveal()))
	if v := r.Uint8(); v != pendingVersion && r.Err() == nil {
		return nil, fmt.Errorf("restore pending commit: %w: version %d", ErrState, v)
	}
	p := &Pending{Staged: &Staged{}, commit: r.Vector(), welcome: r.Vector()}
	epochState, ratchetState := secret.New(r.Vector()), secret.New(r.Vector())
	p.sender = member.Read(r)
	members := func(in *syntax.Reader) (list []Member) {
		for !in.Empty() {
			list = append(list, member.Read(in))
		}
		return list
	}
	p.added, p.removed = members(r.Sub()), members(r.Sub())
	for in := r.Sub(); !in.Empty(); {
		p.updated = append(p.updated, Update{Before: member.Read(in), After: member.Read(in)})
	}
	p.replaced, p.authenticated = r.Optional(), r.Vector()
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("restore pending commit: %w: %w", ErrState, err)
	}
	next, _, err := restore(epochState, ratchetState)
	if err != nil {
		return nil, fmt.Errorf("restore pending commit: %w", err)
	}
	p.next, p.extensions = next, next.context.Extensions
	p.base, p.group = next.context.Epoch-1, next.context.GroupID
	return p, nil
}
