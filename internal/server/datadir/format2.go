package datadir

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/durafile"
	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/relay/sealer"
	"github.com/byre-messenger/byre/internal/seal"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/store/pebblestore"
	"github.com/byre-messenger/byre/internal/wire"
)

// rootKeyFile1 is where the root key stood in format 1.
const rootKeyFile1 = RootKeyName

// batchBytes is how much is written in one commit.
const batchBytes = 4 << 20

// intoVault is the step to format 2: the root key moves into the vault, and what
// waits is sealed anew under keys that can be destroyed one by one. In format 1
// each had a random key, which stood beside it in the store.
func intoVault(d *Dir) error {
	// 1. The key stands in the vault before it goes from its old place. A crash
	// in between leaves both, which are the same.
	err := errors.Join(durafile.Write(d.Path(RootKeyFile), d.Root.Reveal(), 0o600), durafile.SyncDir(d.path))
	if err != nil {
		return err
	}
	if err := os.Remove(d.Path(rootKeyFile1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := durafile.SyncDir(d.path); err != nil {
		return err
	}
	if _, err := os.Stat(d.Path(storeDir)); errors.Is(err, fs.ErrNotExist) {
		return nil // it never served
	}
	st, err := pebblestore.Open(d.Path(storeDir), pebblestore.Options{Server: true})
	if err != nil {
		return err
	}
	keys, err := atrest.New(d.Root)
	if err != nil {
		return errors.Join(err, st.Close())
	}
	config, err := d.Vault()
	if err != nil {
		return errors.Join(err, st.Close())
	}
	// 2. A crash in here leaves some of it sealed anew, each envelope whole.
	err = reseal(context.Background(), st, keys, sealer.ChainedConfig{Config: config, Clock: clock.System{}}, batchBytes)
	return errors.Join(err, st.Close())
}

// reseal seals anew what still has its key in the store. Each commit takes the
// old key away with the record it was of: so what is there is of one kind or the
// other, and a start behind a crash goes on.
func reseal(ctx context.Context, st store.Store, keys *atrest.Keys, c sealer.ChainedConfig, most int) error {
	r := &resealing{ctx: ctx, store: st, keys: keys, old: map[string]bool{}, most: most}
	if err := r.read(); err != nil || len(r.old) == 0 {
		return err
	}
	// Nobody can be asked here; a clock that is far ahead is believed.
	c.Retention, c.Confirmed = seal.MaxRetention, true
	var err error
	if r.sealer, _, err = sealer.NewChained(c, r.held()); err != nil {
		return err
	}
	for _, kv := range r.mail {
		if err == nil {
			err = r.envelope(kv)
		}
	}
	for _, kv := range r.logs {
		if err == nil {
			err = r.log(kv)
		}
	}
	if err == nil {
		err = r.flush(1)
	}
	return errors.Join(err, r.sealer.Close())
}

// resealing is one run of [reseal].
type resealing struct {
	ctx    context.Context //nolint:containedctx // of one call of reseal
	store  store.Store
	keys   *atrest.Keys
	sealer *sealer.Chained
	old    map[string]bool // keys of the store at which a key of format 1 stands
	mail   []store.KV      // key, and the first 20 bytes of the value
	logs   []store.KV
	batch  store.Batch
	most   int // bytes of a batch
}

// read lists what there is.
func (r *resealing) read() error {
	return r.store.View(r.ctx, func(rd store.Reader) error {
		scan := func(kind atrest.Kind, do func(store.KV)) error {
			for kv, err := range rd.Scan([]byte{byte(kind)}, []byte{byte(kind) + 1}, 0) {
				if err != nil {
					return err
				}
				if len(kv.Key) <= 1+atrest.TagSize && kind != atrest.Epoch {
					return atrest.ErrDamaged
				}
				do(kv)
			}
			return nil
		}
		return errors.Join(
			scan(atrest.WaitKey, func(kv store.KV) { r.old[string(kv.Key)] = true }),
			scan(atrest.Mailbox, func(kv store.KV) {
				r.mail = append(r.mail, store.KV{Key: bytes.Clone(kv.Key), Val: bytes.Clone(kv.Val[:min(len(kv.Val), 20)])})
			}),
			scan(atrest.Epoch, func(kv store.KV) {
				r.logs = append(r.logs, store.KV{Key: bytes.Clone(kv.Key), Val: bytes.Clone(kv.Val)})
			}))
	})
}

// oldKey is where the key of format 1 of a handle stands.
func oldKey(tag sealer.Owner, handle uint64) []byte {
	return atrest.Key(atrest.WaitKey, tag[:], binary.BigEndian.AppendUint64(nil, handle))
}

// held yields what a run before this one has sealed anew.
func (r *resealing) held() iter.Seq2[seal.Held, error] {
	return func(yield func(seal.Held, error) bool) {
		for _, kv := range r.mail {
			tag := sealer.Owner(kv.Key[1:])
			if len(kv.Val) < 20 || r.old[string(oldKey(tag, binary.BigEndian.Uint64(kv.Val)))] {
				continue
			}
			h := seal.Held{Owner: tag, Handle: seal.Handle(binary.BigEndian.Uint64(kv.Val)), Segment: binary.BigEndian.Uint32(kv.Val[16:])}
			if !yield(h, nil) {
				return
			}
		}
		for _, kv := range r.logs {
			head, err := r.head(kv)
			if err != nil {
				yield(seal.Held{}, err)
				return
			}
			for i, s := range head.Segments {
				h := seal.Held{Owner: sealer.Owner(kv.Key[1:]), Handle: seal.Handle(head.Handles[i]), Segment: uint32(s)} //nolint:gosec // written from one
				if !yield(h, nil) {
					return
				}
			}
		}
	}
}

// envelope seals one envelope of a mailbox anew, unless it is done.
func (r *resealing) envelope(kv store.KV) error {
	tag := sealer.Owner(kv.Key[1:])
	if len(kv.Val) < 8 {
		return atrest.ErrDamaged
	}
	at := oldKey(tag, binary.BigEndian.Uint64(kv.Val))
	if !r.old[string(at)] {
		return nil
	}
	s, err := r.again(tag, at, kv.Key, 8)
	if err != nil {
		return err
	}
	// Nothing of format 1 can be withdrawn.
	val := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, s.Handle), 0)
	r.batch.Set(kv.Key, append(val, s.Ciphertext...))
	r.batch.Delete(at)
	return r.flush(r.most)
}

// log seals the entries of one epoch's log anew, unless it is done.
func (r *resealing) log(kv store.KV) error {
	head, err := r.head(kv)
	if err != nil || len(head.Segments) == len(head.Handles) {
		return err
	}
	tag := sealer.Owner(kv.Key[1:])
	for i, h := range head.Handles {
		key, at := atrest.Key(atrest.Commit, tag[:], binary.BigEndian.AppendUint64(nil, uint64(i))), oldKey(tag, h)
		s, err := r.again(tag, at, key, 0)
		if err != nil {
			return err
		}
		r.batch.Set(key, s.Ciphertext)
		r.batch.Delete(at)
		head.Handles[i] = s.Handle
		head.Segments = append(head.Segments, uint64(s.Segment))
	}
	r.batch.Set(kv.Key, r.keys.Seal(kv.Key, head.Append(nil)))
	return r.flush(r.most)
}

func (r *resealing) head(kv store.KV) (*wire.KeptEpoch, error) {
	plain, err := r.keys.Open(kv.Key, kv.Val)
	if err != nil {
		return nil, err
	}
	head := &wire.KeptEpoch{}
	if err := head.Parse(plain); err != nil || len(kv.Key) != 1+atrest.TagSize {
		return nil, atrest.ErrDamaged
	}
	return head, nil
}

// again opens the record at key, whose ciphertext begins at an offset and whose
// own key stands at, and seals it for the same place.
func (r *resealing) again(tag sealer.Owner, at, key []byte, offset int) (s sealer.Sealed, err error) {
	err = r.store.View(r.ctx, func(rd store.Reader) error {
		val, there, err := rd.Get(key)
		if err != nil {
			return err
		}
		own, known, err := rd.Get(at)
		if err != nil {
			return err
		}
		if !there || !known || len(val) < offset {
			return atrest.ErrDamaged
		}
		k, err := r.keys.Open(at, own)
		if err != nil {
			return err
		}
		plain, err := openOld(k, key, val[offset:])
		clear(k)
		if err != nil {
			return err
		}
		defer clear(plain)
		s, err = sealer.Seal(r.sealer, tag, key, plain)
		return err
	})
	return s, err
}

func openOld(k, key, ciphertext []byte) ([]byte, error) {
	block, err := aes.NewCipher(k)
	if err != nil {
		return nil, fmt.Errorf("record key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("record key: %w", err)
	}
	plain, err := aead.Open(nil, nil, ciphertext, key)
	if err != nil {
		return nil, atrest.ErrDamaged
	}
	return plain, nil
}

// flush commits what is gathered once it has at least a size.
func (r *resealing) flush(least int) error {
	if r.batch.Size() < least {
		return nil
	}
	if err := r.store.Commit(r.ctx, &r.batch); err != nil {
		return err
	}
	r.batch.Reset()
	return nil
}
