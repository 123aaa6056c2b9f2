// Package dots draws codes that a camera reads into a terminal.
package dots

import (
	"strings"

	"rsc.io/qr"
)

// quiet is the white border that readers of codes need, in dots.
const quiet = 2

// Code draws a QR code with two dots of height to a character, dark on light
// whatever the terminal's colours are; "" where it does not fit into a code.
func Code(text string) string {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return ""
	}
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		b.WriteString("\x1b[30;107m")
		for x := -quiet; x < code.Size+quiet; x++ {
			switch top, low := code.Black(x, y), code.Black(x, y+1); {
			case top && low:
				b.WriteString("█")
			case top:
				b.WriteString("▀")
			case low:
				b.WriteString("▄")
			default:
				b.WriteString(" ")
			}
		}
		b.WriteString("\x1b[0m\n")
	}
	return b.String()
}
