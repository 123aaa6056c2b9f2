package group

import (
	"bytes"
	"fmt"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/schedule"
)

// PSKID names a pre-shared key (RFC 9420 8.4).
type PSKID = schedule.PreSharedKeyID

// PSK is an external pre-shared key by its id.
type PSK struct {
	ID  []byte
	Key secret.Bytes
}

// PSKFunc finds a pre-shared key; the group takes a copy.
type PSKFunc func(PSKID) (secret.Bytes, error)

// FindPast finds the resumption keys of past epochs and asks next for all others.
// Without next they are not found.
func FindPast(past []*PastEpoch, next PSKFunc) PSKFunc {
	return func(id PSKID) (secret.Bytes, error) {
		for _, p := range past {
			if p.e.names(id) {
				return p.e.secrets.Resumption, nil
			}
		}
		if next == nil {
			return secret.Bytes{}, fmt.Errorf("%w: pre-shared key", ErrMissingPSK)
		}
		return next(id)
	}
}

// nonce returns a fresh nonce for a pre-shared key (RFC 9420 8.4).
func (e *epoch) nonce() []byte { return ciphersuite.Random(e.suite.HashSize()).Reveal() }

// resumption names the resumption key of e.
func (e *epoch) resumption(u schedule.PSKUsage, nonce []byte) PSKID {
	return PSKID{Type: schedule.PSKResumption, Usage: u, GroupID: e.context.GroupID, Epoch: e.context.Epoch, Nonce: nonce}
}

// names reports whether id is of the resumption key of e.
func (e *epoch) names(id PSKID) bool {
	return id.Type == schedule.PSKResumption && id.Epoch == e.context.Epoch && bytes.Equal(id.GroupID, e.context.GroupID)
}

// pskSecret folds the pre-shared keys that ids name. The group knows its own of
// the current epoch.
func (e *epoch) pskSecret(ids []PSKID, find PSKFunc) (secret.Bytes, error) {
	return foldPSKs(e.suite, ids, func(id PSKID) (secret.Bytes, error) {
		if e.names(id) {
			return e.secrets.Resumption, nil
		}
		if find == nil {
			return secret.Bytes{}, fmt.Errorf("%w: pre-shared keys", ErrRefused)
		}
		return find(id)
	})
}

func foldPSKs(s ciphersuite.Suite, ids []PSKID, find PSKFunc) (secret.Bytes, error) {
	psks := make([]schedule.PSK, len(ids))
	for i, id := range ids {
		if find == nil {
			return secret.Bytes{}, fmt.Errorf("%w: pre-shared keys", ErrRefused)
		}
		key, err := find(id)
		if err != nil {
			return secret.Bytes{}, fmt.Errorf("pre-shared key: %w", err)
		}
		psks[i] = schedule.PSK{ID: id, Key: key}
	}
	return schedule.PSKSecret(s, psks)
}
