package model

import (
	"os"
	"testing"
)

// seeded names the bugs that histories must show, with the profile that has the
// means, and how many histories that may take.
var seeded = []struct {
	name    string
	bug     bug
	profile string
}{
	{"forks go to the longer branch", bugLongestChain, "relay"},
	{"an old recovery key counts", bugOldRecovery, "people"},
	{"a forgotten log is believed", bugTrustForgotten, "honest"},
	{"log entries expire one by one", bugEntryExpiry, "people"},
	{"log limit by account", bugAccountLimit, "people"},
	{"the first entry wins", bugFirstEntryWins, "people"},
	{"own failure is skipped", bugSkipOwnFailure, "people"},
	{"removal without a path", bugNoPath, "honest"},
	{"send after a gap", bugSendAfterGap, "honest"},
	{"rejoin off the chain", bugRejoinUnlisted, "people"},
	{"rejoin from outside the tree", bugRejoinAbsent, "people"},
	{"rejoin of who is active", bugRejoinActive, "people"},
	{"a helper that was away", bugHelperWithGap, "people"},
	{"a pending commit dropped", bugDropPending, "honest"},
	{"a pending commit not durable", bugPendingLate, "honest"},
	{"acknowledged before durable", bugAckFirst, "honest"},
	{"unlisted leaves kept", bugKeepUnlisted, "honest"},
	{"no probes", bugNoProbe, "relay"},
	{"old copy ignored", bugIgnoreOldCopy, "people"},
	{"a full mailbox is no gap", bugFullIsSilent, "honest"},
	{"any key package rejoins", bugReplayedPackage, "people"},
	{"counter at sign-in alone", bugSessionCounter, "people"},
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
