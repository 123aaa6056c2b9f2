package interop

import (
	"slices"
	"strings"
)

// What ts-mls 1.6.4 does differently from RFC 9420, as far as groups meet it.
// Each is checked to be just so: when a later version does better, a test fails
// and this file shrinks.
//
//  1. 12.4.3.1: "every non-blank intermediate node between the leaf node and the
//     parent node" must list an unmerged leaf. ts-mls wants that of all ancestors of
//     the leaf, above the parent node too, and wants their whole lists equal. It
//     refuses to join trees that have a parent with unmerged leaves under an ancestor
//     that was renewed later. Such a newcomer is a ghost until the next commit.
//  2. 12.4.2: a member learns that it was removed from the proposals. ts-mls looks
//     whether its leaf is blank afterwards, and fails on a commit that also adds
//     somebody, who takes the leaf.
//  3. 12.4: a commit of GroupContextExtensions must have a path. ts-mls makes it
//     without, and takes it without.
//  4. 12.1.7: new extensions replace all. With ts-mls an empty list changes nothing.
//  5. 12.1.2: a member may propose an update of its leaf. ts-mls has no place for
//     its private key until the commit; the peer keeps it and puts it in.
//  6. 2.1.1: a presence octet is 0 or 1. ts-mls takes all but 1 for 0, so that a
//     message has more than one form. What is signed is what it read.
//  7. 12.4.1: commit_secret follows the last path secret of the path. When all
//     members are in one half of the tree, so that the path ends below the root,
//     ts-mls derives once more.
//  8. 12.4.3.2: external_pub holds HPKEPublicKey, which is opaque<V>. ts-mls leaves
//     the length out, writing and reading; the peer puts it in.
//
// Of its package: 1.6.4 imports @noble/hashes and does not list it; the peer does.

const tsVersion = "1.6.4"

// isUnmergedDefect reports whether err is that of defect 1.
func isUnmergedDefect(err error) bool {
	return strings.Contains(err.Error(), "non-blank intermediate node must list leaf node in its unmerged_leaves")
}

// isRemovalDefect reports whether err is that of defect 2.
func isRemovalDefect(err error) bool {
	return strings.Contains(err.Error(), "No overlap between provided private keys and update path")
}

// unmergedDefect reports whether ts-mls refuses a tree for defect 1.
func unmergedDefect(encoded []byte) (bool, error) {
	nodes, err := parseTree(encoded)
	if err != nil {
		return false, err
	}
	for _, n := range nodes {
		for _, leaf := range n.unmerged {
			for _, above := range ancestors(2*int(leaf), len(nodes)) {
				if a := nodes[above]; a.parent && !slices.Equal(a.unmerged, n.unmerged) {
					return true, nil
				}
			}
		}
	}
	return false, nil
}
