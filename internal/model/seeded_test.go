package model

import (
	"os"
	"testing"
)

// seeded names the bugs that histories must show (the chain's own two are in
// TestChainRulesCanFail), with the profile that has the
// means, and the history to begin with (rare ones come quicker so).
var seeded = []struct {
	name    string
	bug     bug
	profile string
	from    int
}{
	{"a forgotten log is believed", bugTrustForgotten, "honest", 0},
	{"log entries expire one by one", bugEntryExpiry, "rivals", 1200},
	{"log limit by account", bugAccountLimit, "people", 0},
	{"the first entry wins", bugFirstEntryWins, "people", 0},
	{"own failure is skipped", bugSkipOwnFailure, "people", 0},
	{"removal without a path", bugNoPath, "honest", 0},
	{"send after a gap", bugSendAfterGap, "honest", 0},
	{"rejoin off the chain", bugRejoinUnlisted, "helpers", 0},
	{"rejoin from outside the tree", bugRejoinAbsent, "people", 0},
	{"rejoin of who is active", bugRejoinActive, "helpers", 0},
	{"a helper that was away", bugHelperWithGap, "floods", 500},
	{"a pending commit dropped", bugDropPending, "crashes", 0},
	{"a pending commit not durable", bugPendingLate, "crashes", 0},
	{"acknowledged before durable", bugAckFirst, "crashes", 500},
	{"unlisted leaves kept", bugKeepUnlisted, "honest", 0},
	{"no probes", bugNoProbe, "relay", 0},
	{"old copy ignored", bugIgnoreOldCopy, "copies", 0},
	{"a full mailbox is no gap", bugFullIsSilent, "honest", 0},
	{"any key package rejoins", bugReplayedPackage, "people", 0},
	{"marks at sign-in alone", bugMarkAtSignIn, "copies", 0},
	{"sign-in without marks", bugCounterAlone, "copies", 0},
	{"nobody re-founds", bugNoRefound, "honest", 0},
}

// Every property can fail: each rule, broken, is noticed.
func TestEachRuleIsNeeded(t *testing.T) {
	tries := 6000
	for _, s := range seeded {
		t.Run(s.name, func(t *testing.T) {
			g := history(s.profile)
			for i := range tries {
				seed := s.from + i
				h := g.Example(seed)
				if _, err := run(h, s.bug); err != nil {
					if _, err := run(h, noBug); err != nil {
						t.Fatalf("history %d breaks without the bug too: %v", seed, err)
					}
					if os.Getenv("BYRE_LONG") != "" || testing.Verbose() {
						t.Logf("history %d: %v", seed, err)
					}
					return
				}
			}
			t.Errorf("%d histories, and nothing noticed", tries)
		})
	}
}
