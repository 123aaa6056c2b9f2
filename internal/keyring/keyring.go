// Package keyring keeps a home's key in the keyring of the system: Secret
// Service on Linux, Keychain on macOS, Credential Manager on Windows.
package keyring

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"runtime"

	"github.com/zalando/go-keyring"

	"github.com/byre-messenger/byre/internal/secret"
)

// service is what the entries are filed under.
const service = "byre"

// ErrNone says that this session has no keyring.
var ErrNone = errors.New("there is no keyring in this session")

// System is the keyring of the person who runs the program. It is safe for
// concurrent use.
type System struct{}

// Available reports whether there is a keyring to ask. On Linux one is reached
// over the session bus alone; without one the library would start a bus.
func Available() bool {
	switch runtime.GOOS {
	case "darwin", "windows":
		return true
	}
	return os.Getenv("DBUS_SESSION_BUS_ADDRESS") != ""
}

// Get returns what was set under name. It may wait for the person to unlock the
// keyring.
func (System) Get(_ context.Context, name string) (secret.Bytes, error) {
	if !Available() {
		return secret.Bytes{}, ErrNone
	}
	text, err := keyring.Get(service, name)
	if err != nil {
		return secret.Bytes{}, err
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return secret.Bytes{}, errors.New("the keyring's entry is damaged")
	}
	return secret.New(key), nil
}

// Set keeps key under name, replacing what was there.
func (System) Set(_ context.Context, name string, key secret.Bytes) error {
	if !Available() {
		return ErrNone
	}
	return keyring.Set(service, name, base64.StdEncoding.EncodeToString(key.Reveal()))
}

// Delete removes what was set under name; nothing there is no error.
func (System) Delete(_ context.Context, name string) error {
	if !Available() {
		return nil // what is not reachable here was not set here
	}
	if err := keyring.Delete(service, name); err != nil && !errors.Is(err, keyring.ErrNotFound) {
		return err
	}
	return nil
}
