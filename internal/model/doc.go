// Package model holds a small, pure model of DESIGN.md sections 3 to 5: device
// chains, home groups, the relay's mailboxes and epoch logs, sign-in counters,
// gaps, rejoins and re-foundings. It lives in test code alone and is run by
// rapid; nothing imports it.
//
// Cryptography is symbolic: a key is a number, an actor opens what it holds the
// key of, and an actor forgets nothing, so that what it can open is what a thief
// with every copy it ever made could open. Time is a number of hours.
//
// A history is a list of events chosen by rapid; running it is a pure function,
// so that a history that fails can be printed, shrunk and kept. Each rule of the
// design that the model holds can be broken by a flag (type bug), and a test
// shows that rapid finds a history that breaks a property when it is.
//
// What is covered, what is left out, and what the model taught are in
// docs/adr/0010 to 0019.
package model
