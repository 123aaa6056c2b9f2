package framing

import (
	"bytes"
	"testing"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/chacha"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/internal/syntax"
	"github.com/byre-messenger/byre/mls/internal/vectors"
	"github.com/byre-messenger/byre/mls/schedule"
	"github.com/byre-messenger/byre/mls/tree"
)

func claimed(id uint16) bool {
	chacha.Use()
	return ciphersuite.ID(id).Supported()
}

func lookup(tb testing.TB, id uint16) ciphersuite.Suite {
	tb.Helper()
	s, err := ciphersuite.Lookup(ciphersuite.ID(id))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func sec(b []byte) secret.Bytes { return secret.New(bytes.Clone(b)) }

// oneSigner knows one key for every member.
type oneSigner []byte

func (k oneSigner) Member(tree.LeafIndex) ([]byte, bool) { return k, true }
func (k oneSigner) External(uint32) ([]byte, bool)       { return nil, false }

type messagesCase struct {
	Welcome                vectors.Hex `json:"mls_welcome"`
	GroupInfo              vectors.Hex `json:"mls_group_info"`
	KeyPackage             vectors.Hex `json:"mls_key_package"`
	RatchetTree            vectors.Hex `json:"ratchet_tree"`
	GroupSecrets           vectors.Hex `json:"group_secrets"`
	Add                    vectors.Hex `json:"add_proposal"`
	Update                 vectors.Hex `json:"update_proposal"`
	Remove                 vectors.Hex `json:"remove_proposal"`
	PreSharedKey           vectors.Hex `json:"pre_shared_key_proposal"`
	ReInit                 vectors.Hex `json:"re_init_proposal"`
	ExternalInit           vectors.Hex `json:"external_init_proposal"`
	GroupContextExtensions vectors.Hex `json:"group_context_extensions_proposal"`
	Commit                 vectors.Hex `json:"commit"`
	PublicApplication      vectors.Hex `json:"public_message_application"`
	PublicProposal         vectors.Hex `json:"public_message_proposal"`
	PublicCommit           vectors.Hex `json:"public_message_commit"`
	Private                vectors.Hex `json:"private_message"`
}

func TestVectorsMessages(t *testing.T) {
	for i, c := range vectors.Load[messagesCase](t, "messages.json") {
		for _, m := range []struct {
			name string
			wire WireFormat
			b    []byte
		}{
			{"welcome", WireWelcome, c.Welcome},
			{"group info", WireGroupInfo, c.GroupInfo},
			{"key package", WireKeyPackage, c.KeyPackage},
			{"public application", WirePublicMessage, c.PublicApplication},
			{"public proposal", WirePublicMessage, c.PublicProposal},
			{"public commit", WirePublicMessage, c.PublicCommit},
			{"private", WirePrivateMessage, c.Private},
		} {
			got, err := ParseMessage(m.b)
			if err != nil || got.Wire != m.wire {
				t.Fatalf("case %d: %s: wire format %v, %v", i, m.name, got, err)
			}
			again(t, m.name, got.Append(nil), m.b)
			if h, err := ParseHeader(m.b); err != nil || h.Wire != m.wire {
				t.Fatalf("case %d: %s: header %v, %v", i, m.name, h, err)
			}
		}
		// The group-secrets vector is no MLSMessage; nor are proposals and commit.
		g, err := decode(c.GroupSecrets, "group secrets", readGroupSecrets)
		if err != nil {
			t.Fatalf("case %d: %v", i, err)
		}
		again(t, "group secrets", g.encode(), c.GroupSecrets)
		commit, err := ParseCommit(c.Commit)
		if err != nil {
			t.Fatalf("case %d: %v", i, err)
		}
		again(t, "commit", commit.Append(nil), c.Commit)
		r := syntax.NewReader(c.GroupContextExtensions)
		ext := tree.ReadExtensions(r)
		if err := r.Done(); err != nil {
			t.Fatalf("case %d: group context extensions: %v", i, err)
		}
		again(t, "group context extensions", ext.Append(nil), c.GroupContextExtensions)
		for typ, b := range map[ProposalType][]byte{
			ProposalAdd: c.Add, ProposalUpdate: c.Update, ProposalRemove: c.Remove,
			ProposalPreSharedKey: c.PreSharedKey, ProposalReInit: c.ReInit, ProposalExternalInit: c.ExternalInit,
			ProposalGroupContextExtensions: c.GroupContextExtensions,
		} { // the vectors hold the bodies, without the type
			p, err := ParseProposal(append(syntax.AppendUint16(nil, uint16(typ)), b...))
			if err != nil || p.Type() != typ {
				t.Fatalf("case %d: proposal %d: %v", i, typ, err)
			}
			again(t, "proposal", p.appendBody(nil), b)
		}
		// The tree stands in for its own package: readers of it follow the same rule.
		s := lookup(t, 1)
		tr, err := tree.Parse(s, c.RatchetTree)
		if err != nil {
			t.Fatalf("case %d: tree: %v", i, err)
		}
		again(t, "tree", tr.Append(nil), c.RatchetTree)
	}
}

func again(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s: wrote\n%x\nwas\n%x", what, got, want)
	}
}

type transcriptCase struct {
	Suite         uint16      `json:"cipher_suite"`
	Key           vectors.Hex `json:"confirmation_key"`
	Authenticated vectors.Hex `json:"authenticated_content"`
	Before        vectors.Hex `json:"interim_transcript_hash_before"`
	Confirmed     vectors.Hex `json:"confirmed_transcript_hash_after"`
	After         vectors.Hex `json:"interim_transcript_hash_after"`
}

func TestVectorsTranscriptHashes(t *testing.T) {
	cases := vectors.Load[transcriptCase](t, "transcript-hashes.json")
	vectors.Claimed(t, cases, func(c transcriptCase) uint16 { return c.Suite }, claimed, func(t *testing.T, c transcriptCase) {
		s := lookup(t, c.Suite)
		a, err := decode(c.Authenticated, "authenticated content", func(r *syntax.Reader) *signed {
			a := &signed{wire: WireFormat(r.Uint16()), content: readContent(r)}
			a.auth = readAuth(r, a.content.Type)
			return a
		})
		if err != nil {
			t.Fatal(err)
		}
		again(t, "authenticated content", a.appendTo(nil), c.Authenticated)
		confirmed := schedule.ConfirmedHash(s, c.Before, a.TranscriptInput())
		again(t, "confirmed hash", confirmed, c.Confirmed)
		again(t, "interim hash", schedule.InterimHash(s, confirmed, a.ConfirmationTag()), c.After)
		e := schedule.Epoch{Suite: s, Confirmation: sec(c.Key)}
		if !e.VerifyConfirmationTag(confirmed, a.ConfirmationTag()) {
			t.Error("confirmation tag does not hold")
		}
	})
}

type protectionCase struct {
	Suite         uint16      `json:"cipher_suite"`
	GroupID       vectors.Hex `json:"group_id"`
	Epoch         uint64      `json:"epoch"`
	TreeHash      vectors.Hex `json:"tree_hash"`
	Confirmed     vectors.Hex `json:"confirmed_transcript_hash"`
	SignaturePriv vectors.Hex `json:"signature_priv"`
	SignaturePub  vectors.Hex `json:"signature_pub"`
	Encryption    vectors.Hex `json:"encryption_secret"`
	SenderData    vectors.Hex `json:"sender_data_secret"`
	Membership    vectors.Hex `json:"membership_key"`
	Proposal      vectors.Hex `json:"proposal"`
	ProposalPriv  vectors.Hex `json:"proposal_priv"`
	ProposalPub   vectors.Hex `json:"proposal_pub"`
	Commit        vectors.Hex `json:"commit"`
	CommitPriv    vectors.Hex `json:"commit_priv"`
	CommitPub     vectors.Hex `json:"commit_pub"`
	Application   vectors.Hex `json:"application"`
	AppPriv       vectors.Hex `json:"application_priv"`
}

// receiver returns a member of the vector's group of two; own is its leaf.
func (c protectionCase) receiver(t *testing.T, own uint32) *Receiver {
	t.Helper()
	s := lookup(t, c.Suite)
	st, err := schedule.NewSecretTree(s, sec(c.Encryption), 2, own)
	if err != nil {
		t.Fatal(err)
	}
	gc := GroupContext{
		Version: Version, Suite: s.ID(), GroupID: c.GroupID, Epoch: c.Epoch,
		TreeHash: c.TreeHash, ConfirmedTranscriptHash: c.Confirmed,
	}
	return &Receiver{
		Epoch:   &schedule.Epoch{Suite: s, SenderData: sec(c.SenderData), Membership: sec(c.Membership), Tree: st},
		Signers: oneSigner(c.SignaturePub), GroupID: c.GroupID, Number: c.Epoch, GroupContext: gc.Append(nil),
	}
}

func TestVectorsMessageProtection(t *testing.T) {
	cases := vectors.Load[protectionCase](t, "message-protection.json")
	vectors.Claimed(t, cases, func(c protectionCase) uint16 { return c.Suite }, claimed, func(t *testing.T, c protectionCase) {
		s := lookup(t, c.Suite)
		key, err := s.ParseSigningKey(sec(c.SignaturePriv))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []struct {
			name      string
			plain     []byte
			priv, pub []byte
			typ       ContentType
		}{
			{"proposal", c.Proposal, c.ProposalPriv, c.ProposalPub, ContentProposal},
			{"commit", c.Commit, c.CommitPriv, c.CommitPub, ContentCommit},
			{"application", c.Application, c.AppPriv, nil, ContentApplication},
		} {
			for _, wire := range [][]byte{m.priv, m.pub} {
				if wire == nil {
					continue
				}
				v := open(t, c.receiver(t, 0), wire)
				again(t, m.name, plainBody(&v.content), m.plain)

				// What we seal, a fresh receiver opens to the same.
				content := v.Content()
				alice := c.receiver(t, 1) // the vectors send from leaf 1
				sent, err := Sign(s, key, v.Wire(), content, alice.GroupContext)
				if err != nil {
					t.Fatal(err)
				}
				sent.Confirm(v.ConfirmationTag())
				var b []byte
				if v.Wire() == WirePrivateMessage {
					if _, err := alice.Epoch.Tree.Reserve(kindOf(m.typ), 1); err != nil {
						t.Fatal(err)
					}
					b, err = sent.SealPrivate(alice.Epoch, 300)
				} else {
					b, err = sent.SealPublic(alice.Epoch)
				}
				if err != nil {
					t.Fatal(err)
				}
				again(t, m.name+" of ours", plainBody(&open(t, c.receiver(t, 0), b).content), m.plain)
			}
		}
	})
}

func open(t *testing.T, rc *Receiver, b []byte) *Verified {
	t.Helper()
	m, err := ParseMessage(b)
	if err != nil {
		t.Fatal(err)
	}
	v, err := rc.Open(m)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// plainBody is the content in the form of the vectors: application data without
// its length.
func plainBody(c *Content) []byte {
	if c.Type == ContentApplication {
		return c.Application
	}
	return c.appendBody(nil)
}

type welcomeCase struct {
	Suite      uint16      `json:"cipher_suite"`
	InitPriv   vectors.Hex `json:"init_priv"`
	KeyPackage vectors.Hex `json:"key_package"`
	SignerPub  vectors.Hex `json:"signer_pub"`
	Welcome    vectors.Hex `json:"welcome"`
}

func TestVectorsWelcome(t *testing.T) {
	cases := vectors.Load[welcomeCase](t, "welcome.json")
	vectors.Claimed(t, cases, func(c welcomeCase) uint16 { return c.Suite }, claimed, func(t *testing.T, c welcomeCase) {
		s := lookup(t, c.Suite)
		m, err := ParseMessage(c.Welcome)
		if err != nil {
			t.Fatal(err)
		}
		kp, err := ParseMessage(c.KeyPackage)
		if err != nil {
			t.Fatal(err)
		}
		if err := kp.KeyPackage.Verify(); err != nil {
			t.Fatal(err)
		}
		ref, err := kp.KeyPackage.Ref()
		if err != nil {
			t.Fatal(err)
		}
		init, err := s.ParsePrivateKey(sec(c.InitPriv))
		if err != nil {
			t.Fatal(err)
		}
		secrets, err := m.Welcome.OpenSecrets(s, ref, init)
		if err != nil {
			t.Fatal(err)
		}
		psk := schedule.Zero(s)
		u, err := m.Welcome.OpenGroupInfo(s, secrets, psk)
		if err != nil {
			t.Fatal(err)
		}
		info, err := u.Verify(s, c.SignerPub)
		if err != nil {
			t.Fatal(err)
		}
		e, err := schedule.FromJoiner(s, secrets.Joiner, psk, info.Context.Append(nil), 2, 1)
		if err != nil {
			t.Fatal(err)
		}
		if !e.VerifyConfirmationTag(info.Context.ConfirmedTranscriptHash, info.ConfirmationTag) {
			t.Error("confirmation tag does not hold")
		}
	})
}
