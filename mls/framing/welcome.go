package framing

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/internal/syntax"
	"github.com/byre-messenger/byre/mls/schedule"
	"github.com/byre-messenger/byre/mls/tree"
)

// welcomeLabel is the label of the encryption of group secrets
// (RFC 9420 12.4.3.1).
const welcomeLabel = "Welcome"

// ErrNotForMe is returned when a Welcome names no key package of this device.
var ErrNotForMe = errors.New("welcome is for other devices")

// Welcome invites new members (RFC 9420 12.4.3.1), unchecked.
type Welcome struct {
	Suite              ciphersuite.ID
	Secrets            []EncryptedGroupSecrets
	encryptedGroupInfo []byte
}

// EncryptedGroupSecrets is what one new member alone can open.
type EncryptedGroupSecrets struct {
	NewMember []byte // KeyPackageRef
	Encrypted ciphersuite.Ciphertext
}

// GroupSecrets is what a new member needs to join (RFC 9420 12.4.3.1).
type GroupSecrets struct {
	Joiner secret.Bytes
	Path   secret.Bytes // path_secret; empty if the commit had no path
	PSKs   []schedule.PreSharedKeyID
}

// Wipe erases the secrets.
func (g *GroupSecrets) Wipe() {
	g.Joiner.Wipe()
	g.Path.Wipe()
}

func (g *GroupSecrets) encode() []byte {
	b := syntax.AppendVector(make([]byte, 0, 256), g.Joiner.Reveal())
	b = syntax.AppendOptional(b, g.Path.Len() > 0)
	if g.Path.Len() > 0 {
		b = syntax.AppendVector(b, g.Path.Reveal())
	}
	return syntax.AppendVectorFunc(b, func(b []byte) []byte {
		for _, p := range g.PSKs {
			b = p.Append(b)
		}
		return b
	})
}

// readGroupSecrets copies: its input is erased.
func readGroupSecrets(r *syntax.Reader) *GroupSecrets {
	g := &GroupSecrets{Joiner: secret.New(bytes.Clone(r.Vector()))}
	if r.Optional() {
		g.Path = secret.New(bytes.Clone(r.Vector()))
		if g.Path.Len() == 0 {
			r.Fail(ErrMalformed)
		}
	}
	for list := r.Sub(); !list.Empty(); {
		if len(g.PSKs) == math.MaxUint16 { // RFC 9420 8.4: PSKLabel counts in 16 bits
			r.Fail(ErrTooLarge)
		}
		p := schedule.ReadPreSharedKeyID(list)
		p.ID, p.GroupID, p.Nonce = bytes.Clone(p.ID), bytes.Clone(p.GroupID), bytes.Clone(p.Nonce)
		g.PSKs = append(g.PSKs, p)
	}
	return g
}

func (w *Welcome) append(b []byte) []byte {
	b = syntax.AppendUint16(b, uint16(w.Suite))
	b = syntax.AppendVectorFunc(b, func(b []byte) []byte {
		for _, s := range w.Secrets {
			b = syntax.AppendVector(b, s.NewMember)
			b = syntax.AppendVector(b, s.Encrypted.KEMOutput)
			b = syntax.AppendVector(b, s.Encrypted.Ciphertext)
		}
		return b
	})
	return syntax.AppendVector(b, w.encryptedGroupInfo)
}

func readWelcome(r *syntax.Reader) *Welcome {
	w := &Welcome{Suite: ciphersuite.ID(r.Uint16())}
	for list := r.Sub(); !list.Empty(); {
		if len(w.Secrets) == tree.MaxLeaves { // an entry may be three bytes here and 72 there
			r.Fail(ErrTooLarge)
		}
		w.Secrets = append(w.Secrets, EncryptedGroupSecrets{
			NewMember: list.Vector(),
			Encrypted: ciphersuite.Ciphertext{KEMOutput: list.Vector(), Ciphertext: list.Vector()},
		})
	}
	w.encryptedGroupInfo = r.Vector()
	return w
}

// NewMember is whom a Welcome is for.
type NewMember struct {
	KeyPackage *KeyPackage  // verified
	Path       secret.Bytes // path_secret of the lowest common ancestor; empty without a path
}

// NewWelcome encrypts info, signed, and the secrets of its epoch to the new
// members. psks names what went into psk.
func NewWelcome(s ciphersuite.Suite, info *GroupInfo, joiner, psk secret.Bytes, psks []schedule.PreSharedKeyID, members []NewMember) (*Welcome, error) {
	key := schedule.WelcomeKey(s, joiner, psk)
	defer key.Wipe()
	w := &Welcome{Suite: s.ID(), Secrets: make([]EncryptedGroupSecrets, len(members))}
	var err error
	if w.encryptedGroupInfo, err = s.Seal(nil, key.Key, key.Nonce.Reveal(), nil, info.Append(nil)); err != nil {
		return nil, fmt.Errorf("welcome: %w", err)
	}
	errs := make([]error, len(members))
	parallel(len(members), func(i int) {
		w.Secrets[i], errs[i] = w.sealTo(s, members[i], joiner, psks)
	})
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("welcome: %w", err)
	}
	return w, nil
}

func (w *Welcome) sealTo(s ciphersuite.Suite, m NewMember, joiner secret.Bytes, psks []schedule.PreSharedKeyID) (EncryptedGroupSecrets, error) {
	ref, err := m.KeyPackage.Ref()
	if err != nil {
		return EncryptedGroupSecrets{}, err
	}
	secrets := GroupSecrets{Joiner: joiner, Path: m.Path, PSKs: psks}
	plain := secrets.encode()
	defer clear(plain)
	c, err := s.EncryptWithLabel(m.KeyPackage.InitKey, welcomeLabel, w.encryptedGroupInfo, plain)
	return EncryptedGroupSecrets{ref, c}, err
}

// parallel runs f(0)..f(n-1) on all processors: public-key operations are the
// cost of a Welcome.
func parallel(n int, f func(i int)) {
	workers := min(n, runtime.GOMAXPROCS(0))
	if workers <= 1 {
		for i := range n {
			f(i)
		}
		return
	}
	var wg sync.WaitGroup
	for k := range workers {
		wg.Go(func() {
			for i := k; i < n; i += workers {
				f(i)
			}
		})
	}
	wg.Wait()
}

// OpenSecrets decrypts the secrets for the key package named ref with its init
// private key. It returns [ErrNotForMe] if the Welcome does not name ref.
func (w *Welcome) OpenSecrets(s ciphersuite.Suite, ref []byte, init ciphersuite.PrivateKey) (*GroupSecrets, error) {
	if w.Suite != s.ID() {
		return nil, fmt.Errorf("welcome: %w: of suite 0x%04x", ErrMalformed, uint16(w.Suite))
	}
	for _, e := range w.Secrets {
		if !bytes.Equal(e.NewMember, ref) {
			continue
		}
		plain, err := s.DecryptWithLabel(init, welcomeLabel, w.encryptedGroupInfo, e.Encrypted)
		if err != nil { // V-619
			return nil, fmt.Errorf("welcome: %w", ErrDecrypt)
		}
		defer plain.Wipe()
		g, err := decode(plain.Reveal(), "group secrets", readGroupSecrets)
		if err != nil {
			return nil, err
		}
		if g.Joiner.Len() != s.HashSize() || g.Path.Len() != 0 && g.Path.Len() != s.HashSize() {
			g.Wipe()
			return nil, fmt.Errorf("group secrets: %w", ErrMalformed)
		}
		return g, nil
	}
	return nil, ErrNotForMe // V-618
}

// OpenGroupInfo decrypts the GroupInfo. psk is psk_secret over the keys that
// secrets names, [schedule.Zero] without any.
func (w *Welcome) OpenGroupInfo(s ciphersuite.Suite, secrets *GroupSecrets, psk secret.Bytes) (*UnverifiedGroupInfo, error) {
	if w.Suite != s.ID() {
		return nil, fmt.Errorf("welcome: %w: of suite 0x%04x", ErrMalformed, uint16(w.Suite))
	}
	key := schedule.WelcomeKey(s, secrets.Joiner, psk)
	defer key.Wipe()
	plain, err := s.Open(nil, key.Key, key.Nonce.Reveal(), nil, w.encryptedGroupInfo)
	if err != nil { // V-620
		return nil, fmt.Errorf("welcome: %w", ErrDecrypt)
	}
	u, err := ParseGroupInfo(plain)
	if err != nil {
		return nil, err
	}
	if u.Suite() != w.Suite { // RFC 9420 12.4.3.1 V-617: both name one suite
		return nil, fmt.Errorf("group info: %w: of suite 0x%04x", ErrMalformed, uint16(u.Suite()))
	}
	return u, nil
}
