package tree

import (
	"fmt"

	"github.com/byre-messenger/byre/mls/internal/syntax"
)

// ExternalSender may propose from outside of the group (RFC 9420 12.1.8.1).
type ExternalSender struct {
	SignatureKey []byte
	Credential   Credential
}

// ExternalSenders returns the group context extension that lets senders propose.
// A sender's index is its place in the list.
func ExternalSenders(senders ...ExternalSender) Extension {
	data := syntax.AppendVectorFunc(nil, func(b []byte) []byte {
		for _, s := range senders {
			b = s.Credential.Append(syntax.AppendVector(b, s.SignatureKey))
		}
		return b
	})
	return Extension{Type: ExtExternalSenders, Data: data}
}

// ExternalSenders reads the extension of that name; none without it. Byte
// strings are views into the extension.
func (e Extensions) ExternalSenders() ([]ExternalSender, error) {
	data, ok := e.Get(ExtExternalSenders)
	if !ok {
		return nil, nil
	}
	r := syntax.NewReader(data)
	var list []ExternalSender
	for in := r.Sub(); !in.Empty(); {
		if len(list) == maxExtensions {
			r.Fail(fmt.Errorf("more than %d", maxExtensions))
			break
		}
		list = append(list, ExternalSender{in.Vector(), ReadCredential(in)})
	}
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("external senders: %w", err)
	}
	return list, nil
}
