package seal

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/secret"
)

// What waited under version 1 of the snapshot, as docs/spec/seal.md had it then.
// The record is of a chain that began behind the snapshot; in it is another
// chain, of owner e0.., whose keys 0 and 2 live.
const (
	earlierSnapshot = `0100000000006ddd0000000148c901a000000000080000000200000007000000
		000036ee80202122232425262728292a2b2c2d2e2f303132333435363738393a
		3b3c3d3e3f00000000030000000000000000c0c1c2c3c4c5c6c7c8c9cacbcccd
		cecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf010005000102030405060708090a
		0b0c0d0e0f101112131415161718191a1b1c1d1e1fe0e1e2e3e4e5e6e7e8e9ea
		ebecedeeef000000030004000000070300000002358b4088f9a417bb040a7742
		16179c0ef4a1aabb2998918b4bce8b425cf36be80000000100007fe0983f31a9
		8591b699704fcd2e8dfe86afa4c99ba86f2a715848a32a299bbf`
	earlierRecord = `00000007505152535455565758595a5b2ab8404b2eb31b2cea347c4310ca039f
		b3741f3679`
	earlierTail = `358b4088f9a417bb040a774216179c0ef4a1aabb2998918b4bce8b425cf36be8`
	earlierKept = `7fe0983f31a98591b699704fcd2e8dfe86afa4c99ba86f2a715848a32a299bbf`
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func expand(t *testing.T, from []byte, info string) []byte {
	t.Helper()
	k, err := hkdf.Expand(sha256.New, from, info, 32)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestWhatWaitedEarlierOpens: what was sealed under version 1 opens behind a
// start, and behind checkpoints and starts after that, until it is forgotten. The
// snapshots are of version 2, and what is sealed now is sealed the new way.
func TestWhatWaitedEarlierOpens(t *testing.T) {
	earlier := func(keyN []byte, text string) []byte {
		rec := expand(t, keyN, "byre/1 seal record"+string(run(0x20, 32)))
		return append([]byte{0, 0, 0, 7}, fixed(t, rec, run(0x50, 12), []byte(text), []byte("place"))...)
	}
	began, there := Owner(run(0x40, 16)), Owner(run(0xe0, 16))
	waits := map[Held][]byte{
		{Owner: began, Handle: newHandle(birth{3, 5}, 1)}: unhex(t, earlierRecord),
		{Owner: there, Handle: newHandle(birth{3, 4}, 0)}: earlier(unhex(t, earlierKept), "hello"),
		{Owner: there, Handle: newHandle(birth{3, 4}, 2)}: earlier(expand(t, unhex(t, earlierTail), "byre/1 seal key"), "hello"),
	}
	for forgotten := range waits {
		state, now := unhex(t, earlierSnapshot), start
		for round := range 3 {
			k, err := Recover(MaxRetention, secret.New(slices.Clone(state)), now, func(yield func(Held, error) bool) {
				for h := range waits {
					if !yield(h, nil) {
						return
					}
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			for h, sealed := range waits {
				got, err := k.Open(h.Owner, h.Handle, []byte("place"), sealed)
				if gone := round > 0 && h == forgotten; gone != errors.Is(err, ErrForgotten) || (!gone && string(got) != "hello") {
					t.Errorf("start %d: record %x opens to %q, %v", round, h.Handle, got, err)
				}
			}
			k.Forget(forgotten.Owner, forgotten.Handle)
			state = checkpoint(t, k, now).Reveal()
			if state[0] != version {
				t.Errorf("start %d: the next snapshot has version %d", round, state[0])
			}
			h, _, err := k.Seal(began, []byte("place"), []byte("hello"))
			if err != nil {
				t.Fatal(err)
			}
			if k.shards[began[0]].chain(began, h.born()).earlier {
				t.Error("something is still sealed the earlier way")
			}
		}
	}
}
