// Package secrettest looks for keys in the memory of a running process, where
// the system lets it.
package secrettest
