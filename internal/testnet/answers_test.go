package testnet_test

// hostileRow is what a device says of a hostile server's answers to one kind of
// request, by mischief: a part of one sentence, "" where all goes on and nothing
// is to be said, "waits" where the device waits for the answer and has nothing
// else to do.
type hostileRow struct {
	says map[mischief]string
	// why there is nothing to play, where there is not.
	why string
}

// What devices say again and again.
const (
	silent = "answers nothing, so byre hung up"
	wrong  = "answered something that was not asked"
	list   = "a device list that does not hold"
)

// noPlaces is why there is nothing to play with the places of linking.
const noPlaces = "the story links nobody; TestBothSidesOrNeitherAtAPlace plays a hostile place, TestLinkingOverBadLines answers that never come"

// hostileAnswers is the table of request kind x mischief. A kind of request
// without a row fails TestEveryAnswerOfAHostileServer.
var hostileAnswers = map[string]hostileRow{
	"Register":           {says: map[mischief]string{withheld: silent, repeated: "", late: silent, swapped: wrong, forged: ""}},
	"SignIn":             {says: map[mischief]string{withheld: silent, repeated: "", late: "can't read", swapped: wrong, forged: "shows another key than the one this device pinned"}},
	"LookUp":             {says: map[mischief]string{withheld: silent, repeated: "", late: silent, swapped: wrong, forged: list}},
	"ReadChain":          {says: map[mischief]string{withheld: silent, repeated: "", late: silent, swapped: wrong, forged: list}},
	"AppendChain":        {says: map[mischief]string{withheld: "", repeated: "", late: "", swapped: wrong, forged: list}},
	"PublishKeyPackages": {says: map[mischief]string{withheld: "", repeated: "", late: "", swapped: "", forged: ""}},
	"ClaimKeyPackages":   {says: map[mischief]string{withheld: silent, repeated: "", late: silent, swapped: wrong, forged: "key package that bob's device did not make"}},
	"Withdraw":           {says: map[mischief]string{withheld: silent, repeated: "", late: silent, swapped: wrong, forged: ""}},
	"SetAudience":        {why: "devices name their targets one by one, and upload no audience"},
	"Send":               {says: map[mischief]string{withheld: silent, repeated: "", late: silent, swapped: wrong, forged: "could not promise to deliver"}},
	"Ack":                {why: "it has no answer"},
	"AckGap":             {says: map[mischief]string{withheld: "", repeated: "", late: "", swapped: "", forged: ""}},
	"AppendEpoch":        {says: map[mischief]string{withheld: "", repeated: "", late: "", swapped: wrong, forged: "log that comes to no end"}},
	"ReadEpoch":          {says: map[mischief]string{withheld: silent, repeated: "", late: silent, swapped: "", forged: ""}},
	"OpenLink":           {why: noPlaces},
	"MeetLink":           {why: noPlaces},
	"PostLink":           {why: noPlaces},
	"CloseLink":          {why: noPlaces},
	"ReadHeld":           {says: map[mischief]string{withheld: "not connected", repeated: "", late: "", swapped: wrong, forged: ""}},
}
