package model

import (
	"flag"
	"os"
	"testing"

	"pgregory.net/rapid"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv("BYRE_LONG") != "" {
		_ = flag.Set("rapid.checks", "3000")
	}
	os.Exit(m.Run())
}

// Whatever happens, everybody who may read ends up together, and nobody else reads.
func TestRoomsConvergeAndStayShut(t *testing.T) {
	for _, profile := range []string{"honest", "people", "relay"} {
		t.Run(profile, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				h := history(profile).Draw(t, "history")
				if _, err := run(h, noBug); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}
