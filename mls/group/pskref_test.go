package group

import (
	"testing"

	"github.com/byre-messenger/byre/internal/secret"
)

// Bob proposes to mix in a key; alice, who knows it, takes his proposal up.
// Found beside ts-mls: she could only name keys of proposals of her own.
func TestProposedPSKIsTakenUp(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		alice, bob := w.person("alice").creates(), w.person("bob")
		k := bob.offers()
		bob.joins(alice.commits(CommitOptions{Add: []*KeyPackage{claimed(t, k)}}).Welcome(), k)
		find := func(PSKID) (secret.Bytes, error) { return secret.New([]byte("shared")), nil }
		msg, ref, err := bob.ProposePSK([]byte("id"))
		if err != nil {
			t.Fatal(err)
		}
		must2(alice.Receive(msg))(t)
		p := alice.commits(CommitOptions{Proposals: []ProposalRef{ref}, PSK: find})
		must2(bob.Merge(must2(bob.Stage(p.Commit(), StageOptions{PSK: find}))(t)))(t)
		if string(alice.EpochAuthenticator()) != string(bob.EpochAuthenticator()) {
			t.Error("they parted ways")
		}
	})
}
