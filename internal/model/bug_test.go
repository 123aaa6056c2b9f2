package model

// bug breaks one rule of the model, to show that the properties notice.
type bug int

const (
	noBug              bug = iota
	bugLongestChain        // a fork goes to the longer branch (ADR 0010)
	bugOldRecovery         // a recovery key counts by the parent it names (ADR 0011)
	bugTrustForgotten      // an empty log is believed however long one was away (ADR 0012)
	bugEntryExpiry         // the entries of a log expire one by one (ADR 0012)
	bugAccountLimit        // four entries an account and handle, a device's first one too (ADR 0013)
	bugFirstEntryWins      // the first entry wins, valid or not
	bugSkipOwnFailure      // who can't decrypt its own path secret takes the next entry
	bugNoPath              // a commit that removes carries no path
	bugSendAfterGap        // sends after a gap without reading the log
	bugRejoinUnlisted      // a helper does not ask the chain
	bugRejoinAbsent        // a helper adds a leaf that is not in the tree
	bugRejoinActive        // a helper does not mind activity
	bugHelperWithGap       // a helper that was away itself vouches for silence (ADR 0014)
	bugDropPending         // a pending commit is dropped when one read does not show it (ADR 0013)
	bugPendingLate         // a pending commit is made durable after the append
	bugAckFirst            // a message is acknowledged before it is durable
	bugKeepUnlisted        // sends without removing leaves that the chain dropped
	bugNoProbe             // members never compare epochs (ADR 0015)
	bugIgnoreOldCopy       // a restored home goes on sending
	bugFullIsSilent        // a mailbox that was full is no gap (ADR 0017)
	bugReplayedPackage     // a rejoin takes any key package of the device (ADR 0014)
	bugMarkAtSignIn        // marks are set at sign-in alone (ADR 0016)
	bugCounterAlone        // sign-in compares counters, no marks (ADR 0016)
	bugNoRefound           // nobody re-founds a room that everybody fell out of
)
