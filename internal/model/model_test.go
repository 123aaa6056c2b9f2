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
	} else if flag.Lookup("rapid.seed").Value.String() == "0" {
		// The same histories in each `make test`: a rare one that the model does not
		// stand is found by make test-long, not by whoever changes something else.
		_ = flag.Set("rapid.seed", "1")
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

// A thief's copy of a helper helps a device that the helper has heard, and that
// is no breach of what helpers owe (ADR 0014).
func TestACopyOfAHelperKnowsLess(t *testing.T) {
	h := []event{{Op: evSend, A: 3}, {Op: evTwin, A: 2}, {Op: evSend, A: 5}, {Op: evSend, A: 2}, {Op: evTwin, A: 3}, {Op: evSend, A: 3, Crash: 7}, {Op: evSend, A: 6}}
	w, err := run(h, noBug)
	if err != nil {
		t.Error(err)
	}
	if w.counts["rejoin"] == 0 || w.alarmed["old copy"] == 0 {
		t.Errorf("the story went otherwise: %v, %v", w.counts, w.alarmed)
	}
}
