//go:build !js

package webcore

// platform is empty where there is no browser.
var platform []struct {
	err  error
	code string
}
