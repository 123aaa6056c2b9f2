// Package vectors loads the official MLS test vectors (mlswg/mls-implementations
// at cfd4502) for the tests of mls. It is linked by tests alone.
package vectors

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os" //nolint:depguard // test support: the vectors are files
	"path/filepath"
	"slices"
	"testing"
)

// Env names the directory that holds the vector files.
const Env = "MLS_VECTORS"

// Hex is a byte string that the vectors write in hexadecimal.
type Hex []byte

// UnmarshalJSON reads a JSON string of hexadecimal digits.
func (h *Hex) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	v, err := hex.DecodeString(s)
	if err != nil {
		return fmt.Errorf("vector field: %w", err)
	}
	*h = v
	return nil
}

// Load returns all cases of one file, such as "secret-tree.json". Without [Env]
// it skips the test and says so; a file that is absent or empty fails it.
func Load[T any](tb testing.TB, file string) []T {
	tb.Helper()
	dir := os.Getenv(Env)
	if dir == "" {
		tb.Skip("skipped: set " + Env)
	}
	raw, err := os.ReadFile(filepath.Join(dir, file)) //nolint:gosec // the tester names the directory
	if err != nil {
		tb.Fatal(err)
	}
	var cases []T
	if err := json.Unmarshal(raw, &cases); err != nil {
		tb.Fatalf("%s: %v", file, err)
	}
	if len(cases) == 0 {
		tb.Fatalf("%s: no cases", file)
	}
	return cases
}

// Claimed runs test as a subtest for each case whose suite is claimed. It names
// the suites it leaves out in the log, and fails if no case was run.
func Claimed[T any](t *testing.T, cases []T, suite func(T) uint16, claimed func(uint16) bool, test func(*testing.T, T)) {
	t.Helper()
	ran, left := 0, map[uint16]int{}
	for i, c := range cases {
		id := suite(c)
		if !claimed(id) {
			left[id]++
			continue
		}
		ran++
		t.Run(fmt.Sprintf("%d/suite%04x", i, id), func(t *testing.T) { test(t, c) })
	}
	for _, id := range slices.Sorted(maps.Keys(left)) {
		t.Logf("suite %#04x is not claimed: %d cases left out", id, left[id])
	}
	t.Logf("%d of %d cases ran", ran, len(cases))
	if ran == 0 {
		t.Error("no case of a claimed suite")
	}
}
