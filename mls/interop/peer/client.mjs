// One ts-mls client: a signature key, at most one key package, at most one group.
// Each method is an operation of the protocol in ../peer_test.go.
import { base64, bytes, createGroupInfo, decode, decodeRatchetTree, encode, encodeRatchetTree, list, mls, signLeafNode, suite } from "./mls.mjs"

export class Client {
  constructor(identity) {
    this.credential = { credentialType: "basic", identity: new TextEncoder().encode(identity) }
    this.updates = new Map() // reference of an own Update proposal -> its private key
  }

  // ---- into a group

  async keypackage(r) {
    this.signature ??= await suite.signature.keygen()
    const capabilities = mls.defaultCapabilities() // with random GREASE values
    capabilities.extensions = [...capabilities.extensions, ...list(r.supports)]
    const lifetime = { notBefore: BigInt(r.notBefore), notAfter: BigInt(r.notAfter) }
    this.package = await mls.generateKeyPackageWithKey(
      this.credential, capabilities, lifetime, [], this.signature, suite,
    )
    return { message: base64(encode("mls_key_package", "keyPackage", this.package.publicPackage)) }
  }

  async create(r) {
    await this.keypackage(r)
    const { publicPackage, privatePackage } = this.package
    this.state = await mls.createGroup(bytes(r.groupId), publicPackage, privatePackage, extensions(r), suite)
    return this.describe(r)
  }

  async join(r) {
    const { welcome } = decode(bytes(r.message), "mls_welcome")
    const { publicPackage, privatePackage } = this.package
    this.state = await mls.joinGroup(welcome, publicPackage, privatePackage, this.psks(r), suite, treeOf(r))
    return this.describe(r)
  }

  // external joins by itself. With resync it replaces its former leaf.
  async external(r) {
    await this.keypackage(r)
    const { groupInfo } = decode(bytes(r.message), "mls_group_info")
    const { publicPackage, privatePackage } = this.package
    const { publicMessage, newState } = await mls.joinGroupExternal(
      groupInfo, publicPackage, privatePackage, r.resync === true, unwrapping, treeOf(r),
    )
    this.pending = newState
    return { message: base64(encode("mls_public_message", "publicMessage", publicMessage)) }
  }

  // ts-mls writes the key of external_pub without its length: here with it.
  async groupinfo(r) {
    const { groupContext, confirmationTag, keySchedule, ratchetTree } = this.state
    const { publicKey } = await suite.hpke.deriveKeyPair(keySchedule.externalSecret)
    const key = await suite.hpke.exportPublicKey(publicKey)
    const more = [{ extensionType: "external_pub", extensionData: Uint8Array.of(key.length, ...key) }]
    if (!r.treeOutOfBand) more.push({ extensionType: "ratchet_tree", extensionData: encodeRatchetTree(ratchetTree) })
    const info = await createGroupInfo(groupContext, confirmationTag, this.state, more, suite)
    return { message: base64(encode("mls_group_info", "groupInfo", info)) }
  }

  // branch founds another group with members of this one; the state stays here.
  async branch(r) {
    await this.keypackage(r)
    const { publicPackage, privatePackage } = this.package
    const others = list(r.keyPackages).map((k) => decode(bytes(k), "mls_key_package").keyPackage)
    const { newState, welcome } = await mls.branchGroup(
      this.state, publicPackage, privatePackage, others, bytes(r.branch), suite,
    )
    return { welcome: base64(encode("mls_welcome", "welcome", welcome)), ...(await this.describe(r, newState)) }
  }

  async joinbranch(r) {
    const { welcome } = decode(bytes(r.message), "mls_welcome")
    const { publicPackage, privatePackage } = this.package
    const joined = await mls.joinGroupFromBranch(
      this.state, welcome, publicPackage, privatePackage, treeOf(r), suite,
    )
    return this.describe(r, joined)
  }

  // knock proposes to add this client, from outside.
  async knock(r) {
    const { groupInfo } = decode(bytes(r.message), "mls_group_info")
    const { publicPackage, privatePackage } = this.package
    const { publicMessage } = await mls.proposeAddExternal(groupInfo, publicPackage, privatePackage, suite)
    return { message: base64(encode("mls_public_message", "publicMessage", publicMessage)) }
  }

  // ---- what it sends

  async send(r) {
    const { privateMessage, newState } = await mls.createApplicationMessage(
      this.state, bytes(r.plaintext), suite, bytes(r.authenticatedData),
    )
    this.state = newState
    return { message: base64(encode("mls_private_message", "privateMessage", privateMessage)) }
  }

  async propose(r) {
    const [proposal, key] = await this.proposal(r)
    const { newState, message } = await mls.createProposal(this.state, r.public === true, proposal, suite)
    const [ref] = Object.keys(newState.unappliedProposals).filter((k) => !(k in this.state.unappliedProposals))
    if (key !== undefined) this.updates.set(ref, key)
    this.state = newState
    return { message: base64(mls.encodeMlsMessage(message)), ref }
  }

  async proposal(r) {
    switch (r.kind) {
      case "add":
        return [add(r.keyPackages[0])]
      case "remove":
        return [remove(r.remove[0])]
      case "psk":
        return [psk(r.psks[0])]
      case "extensions":
        return [groupExtensions(r)]
      case "update":
        return this.update()
      default:
        throw new Error(`peer: proposal of kind ${r.kind}`)
    }
  }

  async update() {
    const { privatePath, ratchetTree, groupContext } = this.state
    const keys = await suite.hpke.generateKeyPair()
    const { extensions, capabilities, credential, signaturePublicKey } = ratchetTree[2 * privatePath.leafIndex].leaf
    const leafNode = await signLeafNode({
      leafNodeSource: "update", hpkePublicKey: await suite.hpke.exportPublicKey(keys.publicKey),
      extensions, capabilities, credential, signaturePublicKey,
      groupId: groupContext.groupId, leafIndex: privatePath.leafIndex,
    }, this.state.signaturePrivateKey, suite.signature)
    return [{ proposalType: "update", update: { leafNode } }, await suite.hpke.exportPrivateKey(keys.privateKey)]
  }

  // commit takes up the proposals of r.refs alone; ts-mls takes up all it has.
  async commit(r) {
    const wanted = new Set(list(r.refs))
    const known = Object.entries(this.state.unappliedProposals).filter(([ref]) => wanted.has(ref))
    if (known.length !== wanted.size) throw new Error("peer: commit of a proposal that is not here")
    const extraProposals = [
      ...list(r.remove).map(remove), ...list(r.keyPackages).map(add), ...list(r.psks).map(psk),
    ]
    if (r.setExtensions) extraProposals.push(groupExtensions(r))
    const { newState, welcome, commit } = await mls.createCommit(
      { state: { ...this.state, unappliedProposals: Object.fromEntries(known) }, cipherSuite: suite, pskIndex: this.psks(r) },
      {
        wireAsPublicMessage: r.public === true, extraProposals,
        ratchetTreeExtension: r.treeOutOfBand !== true, authenticatedData: bytes(r.authenticatedData),
      },
    )
    this.pending = newState
    return {
      message: base64(mls.encodeMlsMessage(commit)),
      welcome: welcome && base64(encode("mls_welcome", "welcome", welcome)),
    }
  }

  confirm(r) {
    this.state = this.pending
    this.pending = undefined
    this.updates.clear()
    return this.describe(r)
  }

  discard() {
    this.pending = undefined
    return {}
  }

  // ---- what it receives

  async process(r) {
    const message = decode(bytes(r.message), "mls_private_message", "mls_public_message")
    const before = this.state.unappliedProposals
    // A commit that may hold an Update of one's own is looked at first, because
    // ts-mls has no place for the private key that waits.
    let commit
    let result = await this.open(message, r, this.state, (incoming) => {
      if (incoming.kind !== "commit" || this.updates.size === 0) return "accept"
      commit = incoming
      return "reject"
    })
    if (commit !== undefined) result = await this.open(message, r, this.updated(commit.proposals), () => "accept")
    this.state = result.newState
    if (result.kind === "applicationMessage") return { kind: "application", plaintext: base64(result.message) }
    const [ref] = Object.keys(this.state.unappliedProposals).filter((k) => !(k in before))
    if (ref !== undefined) return { kind: "proposal", ref }
    this.updates.clear()
    return { kind: "commit", ...(await this.describe(r)) }
  }

  open(message, r, state, callback) {
    return message.wireformat === "mls_private_message"
      ? mls.processPrivateMessage(state, message.privateMessage, this.psks(r), suite, callback)
      : mls.processPublicMessage(state, message.publicMessage, this.psks(r), suite, callback)
  }

  // updated returns the state with the new private key of one's own leaf, if an
  // Update of one's own is among the committed proposals.
  updated(proposals) {
    for (const [ref, key] of this.updates) {
      const own = this.state.unappliedProposals[ref]?.proposal
      if (proposals.some(({ proposal }) => proposal === own)) {
        const { privatePath } = this.state
        const privateKeys = { ...privatePath.privateKeys, [2 * privatePath.leafIndex]: key }
        return { ...this.state, privatePath: { ...privatePath, privateKeys } }
      }
    }
    return this.state
  }

  // ---- what it knows

  async describe(r, state = this.state) {
    const { groupContext, keySchedule, groupActiveState, ratchetTree, privatePath } = state
    if (groupActiveState.kind !== "active") return { removed: true }
    const exporter = await mls.mlsExporter(keySchedule.exporterSecret, "interop", bytes(r.groupId), 32, suite)
    return {
      epoch: Number(groupContext.epoch), self: privatePath.leafIndex,
      authenticator: base64(keySchedule.epochAuthenticator), exporter: base64(exporter),
      resumption: base64(keySchedule.resumptionPsk),
      tree: base64(encodeRatchetTree(ratchetTree)),
    }
  }

  psks(r) {
    return mls.makePskIndex(this.state, Object.fromEntries(list(r.keys).map((k) => [k.id, bytes(k.key)])))
  }
}

// unwrapping is the suite for readers of external_pub, who don't expect its length.
const unwrapping = {
  ...suite,
  hpke: { ...suite.hpke, importPublicKey: (b) => suite.hpke.importPublicKey(b.length === 33 ? b.subarray(1) : b) },
}

const add = (message) => ({
  proposalType: "add", add: { keyPackage: decode(bytes(message), "mls_key_package").keyPackage },
})
const remove = (removed) => ({ proposalType: "remove", remove: { removed } })
const psk = ({ id, groupId, epoch }) => ({
  proposalType: "psk",
  psk: {
    preSharedKeyId: {
      ...(id
        ? { psktype: "external", pskId: bytes(id) }
        : { psktype: "resumption", usage: "application", pskGroupId: bytes(groupId), pskEpoch: BigInt(epoch) }),
      pskNonce: suite.rng.randomBytes(suite.kdf.size),
    },
  },
})
const names = Object.fromEntries(Object.entries(mls.defaultExtensionTypes).map(([name, number]) => [number, name]))
const extensions = (r) => list(r.extensions).map((e) => ({
  extensionType: names[e.type] ?? e.type, extensionData: bytes(e.data),
}))
const groupExtensions = (r) => ({
  proposalType: "group_context_extensions", groupContextExtensions: { extensions: extensions(r) },
})
const treeOf = (r) => (r.tree ? decodeRatchetTree(bytes(r.tree), 0)[0] : undefined)
