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

// The histories reach what the model is about.
func TestHistoriesReachFar(t *testing.T) {
	seen := map[string]int{}
	for profile, n := range map[string]int{"honest": 20, "people": 20, "relay": 120, "crashes": 30, "forks": 30} {
		g := history(profile)
		for seed := range n {
			w, err := run(g.Example(seed), noBug)
			if err != nil {
				t.Fatalf("%s, history %d: %v", profile, seed, err)
			}
			for k, n := range w.counts {
				seen[k] += n
			}
			for k, n := range w.alarmed {
				seen[k] += n
			}
		}
	}
	for _, k := range []string{"message", "commit", "crash", "rejoin", "refound", "junk", "late", "old copy", "chain fork", "epochs diverge", "can't follow the winner", "a member is where the log does not lead"} {
		if seen[k] == 0 {
			t.Errorf("no history reached: %s", k)
		}
	}
	t.Log(seen)
}
