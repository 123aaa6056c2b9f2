// Package script runs the stories in testdata/script: real processes of byred
// and byre, each actor with a home of its own. It holds tests alone; they need
// the build tag testhooks, so that time can be moved.
package script
