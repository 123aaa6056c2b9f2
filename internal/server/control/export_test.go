package control

// On serves on a listener that a test made.
var On = on
