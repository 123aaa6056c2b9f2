// The figures of docs/bench.md, of ts-mls: the scenes of mls/group's benchmarks,
// printed as Go prints its own. The time is the median of the runs.
import { encode, mls, suite } from "./mls.mjs"

const lifetime = { notBefore: 0n, notAfter: 4_000_000_000n }

const person = (name) => mls.generateKeyPackage(
  { credentialType: "basic", identity: new TextEncoder().encode(name) }, mls.defaultCapabilities(), lifetime, [], suite,
)
const added = ({ publicPackage: keyPackage }) => ({ proposalType: "add", add: { keyPackage } })

// measure runs f n times and prints the median. What f returns is a message.
async function measure(print, name, n, f) {
  const took = []
  let message
  for (let i = 0; i < n; i++) {
    const begin = performance.now()
    message = await f(i)
    took.push(performance.now() - begin)
  }
  took.sort((a, b) => a - b)
  const ns = Math.round(took[n >> 1] * 1e6)
  print(`BenchmarkTSMLS/${name}\t${n}\t${ns} ns/op` + (message === undefined ? "" : `\t${message.length} wire-bytes`))
}

// crowd is a group of n: alice, who adds all others in one commit, so that its
// tree has no parents yet; and bob, one of them.
async function crowd(n) {
  const [alice, bob] = [await person("alice"), await person("bob")]
  const others = await Promise.all(Array.from({ length: n - 2 }, (_, i) => person(`member ${i}`)))
  const founded = await mls.createGroup(new Uint8Array([1]), alice.publicPackage, alice.privatePackage, [], suite)
  const { newState, welcome } = await mls.createCommit(
    { state: founded, cipherSuite: suite },
    { extraProposals: [bob, ...others].map(added), ratchetTreeExtension: true },
  )
  const joined = await mls.joinGroup(welcome, bob.publicPackage, bob.privatePackage, mls.emptyPskIndex, suite)
  return [newState, joined]
}

async function messages(print) {
  let [alice, bob] = await crowd(2)
  const text = new Uint8Array(200)
  const sent = []
  const encrypt = async () => {
    const { privateMessage, newState } = await mls.createApplicationMessage(alice, text, suite)
    alice = newState
    sent.push(privateMessage)
    return encode("mls_private_message", "privateMessage", privateMessage)
  }
  const decrypt = async (i) => {
    const { newState } = await mls.processPrivateMessage(bob, sent[i], mls.emptyPskIndex, suite)
    bob = newState
  }
  for (let i = 0; i < 100; i++) await encrypt() // warm up
  for (let i = 0; i < 100; i++) await decrypt(i)
  sent.length = 0
  await measure(print, "Seal/suite=0001/n=2", 301, encrypt)
  await measure(print, "Open/suite=0001/n=2", 301, decrypt)
}

async function commits(print, n, runs) {
  const [alice, bob] = await crowd(n)
  const context = { state: alice, cipherSuite: suite }
  let commit
  await measure(print, `UpdateCommitCold/create/suite=0001/n=${n}`, runs, async () => {
    ;({ commit } = await mls.createCommit(context))
    return mls.encodeMlsMessage(commit)
  })
  await measure(print, `UpdateCommitCold/process/suite=0001/n=${n}`, runs, () =>
    mls.processPrivateMessage(bob, commit.privateMessage, mls.emptyPskIndex, suite).then(() => undefined))
  const zoe = added(await person("zoe"))
  await measure(print, `AddCommit/create/suite=0001/n=${n}`, runs, async () => {
    ;({ commit } = await mls.createCommit(context, { extraProposals: [zoe] }))
    return mls.encodeMlsMessage(commit)
  })
}

export async function bench(print) {
  await messages(print)
  await commits(print, 1000, 5)
}
