package backup

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"github.com/byre-messenger/byre/internal/secret"
)

// Why a sealed backup does not open.
var (
	ErrNotSealed  = errors.New("this is no backup of byred: an age file was expected")
	ErrWrongKey   = errors.New("the backup does not open with this passphrase or identity; use the one it was made with")
	errNoSecret   = errors.New("a backup is encrypted: give recipients or a passphrase, but not both")
	errRecipients = errors.New("a recipient is a line that begins with age1")
)

// Key says whom a backup is sealed to, or what opens it: either a passphrase or
// age's text forms.
type Key struct {
	// Passphrase is stretched by age (scrypt).
	Passphrase secret.Bytes
	// Recipients are public keys ("age1..."), Identities private ones
	// ("AGE-SECRET-KEY-1..."), one a line.
	Recipients, Identities string
}

// Seal returns a writer whose bytes go to w encrypted. Closing it writes the
// end; w stays open.
func Seal(w io.Writer, k Key) (io.WriteCloser, error) {
	var to []age.Recipient
	switch {
	case (k.Passphrase.Len() > 0) == (k.Recipients != ""):
		return nil, errNoSecret
	case k.Recipients != "":
		var err error
		if to, err = age.ParseRecipients(bytes.NewReader([]byte(k.Recipients))); err != nil {
			return nil, fmt.Errorf("%w: %w", errRecipients, err)
		}
	default:
		r, err := age.NewScryptRecipient(string(k.Passphrase.Reveal()))
		if err != nil {
			return nil, fmt.Errorf("passphrase: %w", err)
		}
		to = append(to, r)
	}
	out, err := age.Encrypt(w, to...)
	if err != nil {
		return nil, fmt.Errorf("encrypt the backup: %w", err)
	}
	return out, nil
}

// Unseal returns what was sealed in r.
func Unseal(r io.Reader, k Key) (io.Reader, error) {
	in := bufio.NewReader(r)
	if begin, err := in.Peek(len(ageMagic)); err != nil || string(begin) != ageMagic {
		return nil, ErrNotSealed
	}
	var by []age.Identity
	switch {
	case (k.Passphrase.Len() > 0) == (k.Identities != ""):
		return nil, errNoSecret
	case k.Identities != "":
		var err error
		if by, err = age.ParseIdentities(bytes.NewReader([]byte(k.Identities))); err != nil {
			// The error is left out: it may quote the file.
			return nil, errors.New("the identity file has no line that begins with AGE-SECRET-KEY-1")
		}
	default:
		id, err := age.NewScryptIdentity(string(k.Passphrase.Reveal()))
		if err != nil {
			return nil, fmt.Errorf("passphrase: %w", err)
		}
		by = append(by, id)
	}
	out, err := age.Decrypt(in, by...)
	if _, no := errors.AsType[*age.NoIdentityMatchError](err); no {
		return nil, ErrWrongKey
	}
	if err != nil {
		return nil, ErrDamaged
	}
	return whole{out}, nil
}

const ageMagic = "age-encryption.org/v1\n"

// whole says of any error in the encryption that the backup is damaged.
type whole struct{ io.Reader }

// Read implements [io.Reader].
func (w whole) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return n, err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return n, ErrCutShort
	}
	return n, ErrDamaged
}
