package group_test

import (
	"fmt"

	"github.com/byre-messenger/byre/mls/group"
)

// Who has lost a group's state enters it again by its own commit, if the group
// takes such commits, and then founds a branch: a new group that only members of
// the old one can join.
func ExampleEnter() {
	aliceSigner, _ := device("alice")
	bobSigner, bobPackage := device("bob")
	alice, err := group.Create(group.CreateOptions{
		Identity: []byte("alice"), Signer: aliceSigner, Outside: group.ExternalCommits,
	})
	check(err)
	info, err := alice.Info(group.InfoOptions{External: true})
	check(err)

	entrance, err := group.Enter(info, group.ExternalOptions{
		Identity: []byte("bob"), Signer: bobSigner, Outside: group.ExternalCommits,
	})
	check(err)
	staged, err := alice.Stage(entrance.Commit(), group.StageOptions{})
	check(err)
	fmt.Printf("%s comes in from outside: %v\n", staged.Sender().Identity, staged.External())
	_, err = alice.Merge(staged)
	check(err)
	bob, err := entrance.Confirm()
	check(err)

	kp, err := group.ParseKeyPackage(bobPackage.Public())
	check(err)
	newAlice, welcome, err := alice.Branch(group.BranchOptions{Add: []*group.KeyPackage{kp}})
	check(err)
	newBob, err := group.Join(welcome, bobPackage, group.JoinOptions{Signer: bobSigner, BranchOf: bob})
	check(err)
	fmt.Println("same branch:", string(newAlice.EpochAuthenticator()) == string(newBob.EpochAuthenticator()))
	// Output:
	// bob comes in from outside: true
	// same branch: true
}
