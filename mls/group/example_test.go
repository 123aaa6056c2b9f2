package group_test

import (
	"fmt"
	"time"

	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/group"
)

// A device has a signature key and, for every group it is to be added to, a key
// package in the directory.
func device(name string) (ciphersuite.SigningKey, *group.OwnKeyPackage) {
	suite, err := ciphersuite.Lookup(ciphersuite.Default)
	check(err)
	signer, err := suite.GenerateSigningKey()
	check(err)
	kp, err := group.NewKeyPackage(group.KeyPackageOptions{
		Identity: []byte(name), Signer: signer,
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<31, 0),
	})
	check(err)
	return signer, kp
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// Alice creates a group, adds bob, they talk, alice renews her keys, and bob
// removes her.
func Example() {
	aliceSigner, _ := device("alice")
	bobSigner, bobPackage := device("bob")

	// Create. Store alice.EpochState() and alice.RatchetState().
	alice, err := group.Create(group.CreateOptions{Identity: []byte("alice"), Signer: aliceSigner})
	check(err)

	// Add. The commit goes to the members, the Welcome to bob.
	kp, err := group.ParseKeyPackage(bobPackage.Public())
	check(err)
	check(kp.Validate(time.Unix(1, 0), alice.Suite()))
	pending, err := alice.Commit(group.CommitOptions{Add: []*group.KeyPackage{kp}})
	check(err)
	// Store pending.State() and alice.RatchetState(), send pending.Commit(); it won:
	_, err = alice.Confirm(pending)
	check(err)
	bob, err := group.Join(pending.Welcome(), bobPackage, group.JoinOptions{Signer: bobSigner})
	check(err)

	// Message. What Reserve returns is stored before the first Seal.
	_, err = alice.Reserve(1)
	check(err)
	msg, err := alice.Seal([]byte("hello bob"), nil, 256)
	check(err)
	got, err := bob.Open(msg)
	check(err)
	fmt.Printf("%s: %s\n", got.Sender.Identity, got.Plaintext)

	// Update.
	pending, err = alice.Commit(group.CommitOptions{})
	check(err)
	_, err = alice.Confirm(pending)
	check(err)
	staged, err := bob.Stage(pending.Commit(), group.StageOptions{})
	check(err)
	_, err = bob.Merge(staged)
	check(err)
	fmt.Println("same epoch:", string(alice.EpochAuthenticator()) == string(bob.EpochAuthenticator()))

	// Remove.
	pending, err = bob.Commit(group.CommitOptions{Remove: []group.LeafIndex{alice.Self()}})
	check(err)
	_, err = bob.Confirm(pending)
	check(err)
	staged, err = alice.Stage(pending.Commit(), group.StageOptions{})
	check(err)
	fmt.Println("alice is removed:", staged.SelfRemoved())
	_, err = alice.Merge(staged)
	check(err)
	fmt.Println("members:", bob.Size(), "closed:", alice.Closed())
	// Output:
	// alice: hello bob
	// same epoch: true
	// alice is removed: true
	// members: 1 closed: true
}
