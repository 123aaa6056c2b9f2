package model

import (
	"os"
	"testing"
)

// seeded names the bugs that histories must show (the chain's own two are in
// TestChainRulesCanFail), with the profile that has the
// means, and how many histories that may take.
var seeded = []struct {
	name    string
	bug     bug
	profile string
}{
	{"a forgotten log is believed", bugTrustForgotten, "honest"},
	{"log entries expire one by one", bugEntryExpiry, "rivals"},
	{"log limit by account", bugAccountLimit, "people"},
	{"the first entry wins", bugFirstEntryWins, "people"},
	{"own failure is skipped", bugSkipOwnFailure, "people"},
	{"removal without a path", bugNoPath, "honest"},
	{"send after a gap", bugSendAfterGap, "honest"},
	{"rejoin off the chain", bugRejoinUnlisted, "helpers"},
	{"rejoin from outside the tree", bugRejoinAbsent, "people"},
	{"rejoin of who is active", bugRejoinActive, "helpers"},
	{"a helper that was away", bugHelperWithGap, "floods"},
	{"a pending commit dropped", bugDropPending, "crashes"},
	{"a pending commit not durable", bugPendingLate, "crashes"},
	{"acknowledged before durable", bugAckFirst, "crashes"},
	{"unlisted leaves kept", bugKeepUnlisted, "honest"},
	{"no probes", bugNoProbe, "relay"},
	{"old copy ignored", bugIgnoreOldCopy, "copies"},
	{"a full mailbox is no gap", bugFullIsSilent, "honest"},
	{"any key package rejoins", bugReplayedPackage, "people"},
	{"marks at sign-in alone", bugMarkAtSignIn, "copies"},
	{"sign-in without marks", bugCounterAlone, "copies"},
	{"nobody re-founds", bugNoRefound, "honest"},
}

// Every property can fail: each rule, broken, is noticed.
func TestEachRuleIsNeeded(t *testing.T) {
	tries := 6000
	for _, s := range seeded {
		t.Run(s.name, func(t *testing.T) {
			g := history(s.profile)
			for seed := range tries {
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
